/* SPDX-License-Identifier: MIT */
/* tests/unit/test_timeout.c - scopes (S27, S50..S53), shields, sticky kill. */
#include "support/green.h"
#include "support/virtual.h"

static void a_scope_ends_a_wait_and_says_so(void)
{
    tn_timeout t;

    tn_timeout_begin(&t, tn_after_ms(1));
    assert_result(tn_sleep(TN_FOREVER), -ETIME);
    assert_result(t.fired, 1);
    tn_timeout_end(&t);
    assert_result(tn_check(), 0);
    assert_result(tn_yield(), 0);
}

static void an_expired_scope_refuses_every_later_call(void)
{
    tn_timeout t;
    int fds[2];
    char byte;

    open_pair(fds);
    assert_result(tn_send(fds[0], "x", 1, 0, TN_FOREVER), 1);
    tn_timeout_begin(&t, tn_after_ms(1));
    assert_result(tn_sleep(TN_FOREVER), -ETIME);
    assert_result(tn_recv(fds[1], &byte, 1, 0, TN_FOREVER), -ETIME);
    assert_result(tn_recv(fds[1], &byte, 1, 0, TN_NOWAIT), -ETIME);
    assert_result(tn_yield(), -ETIME);
    assert_result(tn_check(), -ETIME);
    tn_timeout_end(&t);
    assert_result(tn_recv(fds[1], &byte, 1, 0, TN_NOWAIT), 1);
    close_both(fds);
}

/* S50 */
static void a_scope_without_an_end_never_fires(void)
{
    tn_timeout t;

    tn_timeout_begin(&t, TN_FOREVER);
    assert_result(tn_sleep(tn_after_ms(2)), 0);
    assert_result(t.fired, 0);
    tn_timeout_end(&t);
}

/* S50 */
static void a_scope_of_no_time_fires_at_the_next_poll(void)
{
    tn_timeout t;

    tn_timeout_begin(&t, TN_NOWAIT);
    assert_result(t.fired, 0);
    assert_result(tn_sleep(TN_FOREVER), -ETIME);
    assert_result(t.fired, 1);
    tn_timeout_end(&t);
}

static void a_computation_can_ask_whether_its_time_is_over(void)
{
    tn_timeout outer, inner;
    tn_shield shield;
    tn_time at;

    need_virtual_time();
    at = tn_after_ms(5);
    tn_timeout_begin(&outer, at);
    tn_timeout_begin(&inner, at);
    assert_result(tn_check(), 0);
    virtual_jump(at); /* no turn of the loop */
    tn_shield_begin(&shield, tn_after_ms(5));
    assert_result(tn_check(), 0);
    virtual_jump(at + 5 * MS);
    assert_result(tn_check(), -ETIME);
    tn_shield_end(&shield);
    assert_result(outer.fired, 1);
    assert_result(inner.fired, 0);
    tn_timeout_end(&inner);
    tn_timeout_end(&outer);
    assert_result(tn_check(), 0);
}

/* S50 */
static void a_scope_that_ended_in_time_does_nothing(void)
{
    tn_timeout t;

    tn_timeout_begin(&t, tn_after_ms(1));
    tn_timeout_end(&t);
    assert_result(tn_sleep(tn_after_ms(5)), 0);
    assert_result(t.fired, 0);
    tn_timeout_begin(&t, tn_after_ms(1)); /* and may begin again */
    assert_result(tn_sleep(tn_after_ms(5)), -ETIME);
    tn_timeout_end(&t);
}

static void a_scope_can_be_given_a_new_deadline(void)
{
    tn_timeout t;

    tn_timeout_begin(&t, tn_after_ms(1));
    tn_timeout_reset(&t, tn_after_s(100));
    assert_result(tn_sleep(tn_after_ms(5)), 0);
    tn_timeout_reset(&t, tn_after_ms(1));
    assert_result(tn_sleep(TN_FOREVER), -ETIME);
    assert_result(t.fired, 1);
    tn_timeout_reset(&t, TN_FOREVER); /* as if it had not expired */
    assert_result(t.fired, 0);
    assert_result(tn_check(), 0);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    tn_timeout_end(&t);
}

/* S51 */
static void the_inner_one_fires_alone_and_the_outer_stays(void)
{
    tn_timeout outer, inner;

    tn_timeout_begin(&outer, tn_after_ms(300));
    tn_timeout_begin(&inner, tn_after_ms(1));
    assert_result(tn_sleep(TN_FOREVER), -ETIME);
    assert_result(inner.fired, 1);
    assert_result(outer.fired, 0);
    tn_timeout_end(&inner);
    assert_result(tn_check(), 0);
    assert_result(tn_sleep(TN_FOREVER), -ETIME);
    assert_result(outer.fired, 1);
    tn_timeout_end(&outer);
}

/* S51, S53 */
static void the_outer_one_fires_through_the_inner(void)
{
    tn_timeout outer, inner;

    tn_timeout_begin(&outer, tn_after_ms(1));
    tn_timeout_begin(&inner, tn_after_s(100));
    assert_result(tn_sleep(tn_after_s(50)), -ETIME);
    assert_result(inner.fired, 0);
    assert_result(outer.fired, 1);
    tn_timeout_end(&inner);
    assert_result(tn_check(), -ETIME);
    tn_timeout_end(&outer);
}

static void of_three_that_expire_at_once_only_the_outermost_says_so(void)
{
    tn_timeout a, b, c;
    tn_time at;

    need_virtual_time();
    at = tn_after_ms(3);
    tn_timeout_begin(&a, TN_FOREVER);
    tn_timeout_begin(&b, at);
    tn_timeout_begin(&c, at);
    assert_result(tn_sleep(at), -ETIME);
    assert_result(a.fired, 0);
    assert_result(b.fired, 1);
    assert_result(c.fired, 0);
    tn_timeout_end(&c);
    tn_timeout_end(&b);
    assert_result(tn_check(), 0);
    tn_timeout_end(&a);
}

/* S27: an outer scope shorter than the own deadline is never swallowed. */
static void the_own_deadline_fires_no_scope(void)
{
    tn_timeout t;
    int fds[2];
    char byte;

    open_pair(fds);
    tn_timeout_begin(&t, tn_after_s(100));
    assert_result(tn_recv(fds[0], &byte, 1, 0, tn_after_ms(1)), -ETIME);
    assert_result(t.fired, 0);
    assert_result(tn_check(), 0);
    tn_timeout_end(&t);
    close_both(fds);
}

/* ---- shields ---- */

static int in_shield(void *arg)
{
    tn_shield shield;

    tn_shield_begin(&shield, *(tn_time *)arg);
    note(tn_sleep(tn_after_ms(10)) == 0 ? "slept" : "stopped");
    tn_shield_end(&shield);
    return tn_yield();
}

static void a_shield_hides_a_kill_until_it_ends(void)
{
    tn_time bound = TN_FOREVER;
    tn_greenlet *g = spawn(in_shield, &bound);

    settle();
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_string_equal(notes(), "slept");
    assert_result(join(g), -ECANCELED);
}

static void a_shield_hides_only_until_its_bound(void)
{
    tn_time bound = tn_after_ms(2);
    tn_greenlet *g = spawn(in_shield, &bound);

    settle();
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_string_equal(notes(), "stopped");
    assert_result(join(g), -ECANCELED);
}

static int shield_after_kill(void *arg)
{
    tn_shield shield;

    (void)arg;
    assert_result(tn_sleep(TN_FOREVER), -ECANCELED);
    for (int i = 0; i < 3; i++) {
        tn_shield_begin(&shield, tn_after_s(1));
        assert_result(tn_check(), 0);
        assert_result(tn_yield(), 0);
        assert_result(tn_sleep(tn_after_ms(1)), 0);
        tn_shield_end(&shield);
        assert_result(tn_check(), -ECANCELED);
    }
    tn_shield_begin(&shield, tn_after_ms(1));
    assert_result(tn_sleep(TN_FOREVER), -ECANCELED); /* its bound */
    tn_shield_end(&shield);
    return 1;
}

static void shields_after_a_kill_let_cleanups_wait(void)
{
    tn_greenlet *g = spawn(shield_after_kill, NULL);

    settle();
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(join(g), 1);
}

static void a_shield_hides_outer_scopes_and_not_inner_ones(void)
{
    tn_timeout outer, inner;
    tn_shield shield;

    tn_timeout_begin(&outer, tn_after_ms(1));
    tn_shield_begin(&shield, TN_FOREVER);
    assert_result(tn_sleep(tn_after_ms(5)), 0);
    assert_result(outer.fired, 0);
    tn_timeout_begin(&inner, tn_after_ms(1));
    assert_result(tn_sleep(TN_FOREVER), -ETIME);
    assert_result(inner.fired, 1);
    assert_result(outer.fired, 0);
    tn_timeout_end(&inner);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    tn_shield_end(&shield);
    assert_result(tn_yield(), -ETIME);
    assert_result(outer.fired, 1);
    tn_timeout_end(&outer);
}

static void nested_shields_hide_until_the_outermost_ends(void)
{
    tn_timeout t;
    tn_shield a, b;

    tn_timeout_begin(&t, tn_after_ms(1));
    tn_shield_begin(&a, TN_FOREVER);
    tn_shield_begin(&b, tn_after_ms(3));
    assert_result(tn_sleep(tn_after_ms(9)), 0); /* b is over, a holds */
    tn_shield_end(&b);
    assert_result(tn_check(), 0);
    tn_shield_end(&a);
    assert_result(tn_check(), -ETIME);
    tn_timeout_end(&t);
}

static void an_inner_shield_holds_when_the_outer_is_over(void)
{
    tn_timeout t;
    tn_shield a, b;

    tn_timeout_begin(&t, tn_after_ms(1));
    tn_shield_begin(&a, tn_after_ms(3));
    tn_shield_begin(&b, TN_FOREVER);
    assert_result(tn_sleep(tn_after_ms(9)), 0);
    tn_shield_end(&b);
    assert_result(tn_check(), -ETIME); /* a is over */
    tn_shield_end(&a);
    tn_timeout_end(&t);
}

static void a_shield_whose_bound_is_past_hides_nothing_for_long(void)
{
    tn_timeout t;
    tn_shield shield;

    tn_timeout_begin(&t, tn_after_ms(1));
    assert_result(tn_sleep(TN_FOREVER), -ETIME);
    tn_shield_begin(&shield, TN_NOWAIT);
    assert_result(tn_sleep(TN_FOREVER), -ETIME);
    tn_shield_end(&shield);
    tn_timeout_end(&t);
}

static void own_deadlines_work_in_a_shield(void)
{
    tn_shield shield;
    int fds[2];
    char byte;

    open_pair(fds);
    tn_shield_begin(&shield, TN_FOREVER);
    assert_result(tn_recv(fds[0], &byte, 1, 0, tn_after_ms(1)), -ETIME);
    assert_result(tn_recv(fds[0], &byte, 1, 0, TN_NOWAIT), -EAGAIN);
    tn_shield_end(&shield);
    close_both(fds);
}

static int scope_of_another(void *arg)
{
    (void)arg;
    return tn_sleep(tn_after_ms(10));
}

static void a_scope_bounds_only_its_own_greenlet(void)
{
    tn_greenlet *g = spawn(scope_of_another, NULL);
    tn_timeout t;

    tn_timeout_begin(&t, tn_after_ms(1));
    assert_result(tn_join(g, NULL, TN_FOREVER), -ETIME);
    tn_timeout_end(&t);
    assert_result(join(g), 0);
}

static void many_scopes_can_be_open(void)
{
    enum { N = 5000 };
    static tn_timeout t[N];

    for (int i = 0; i < N; i++)
        tn_timeout_begin(&t[i], tn_after_s(1000 + i % 17));
    assert_result(tn_yield(), 0);
    for (int i = N - 1; i >= 0; i--)
        tn_timeout_end(&t[i]);
    assert_result(tn_check(), 0);
}

TEST_MAIN(TEST(a_scope_ends_a_wait_and_says_so),
          TEST(an_expired_scope_refuses_every_later_call),
          TEST(a_scope_without_an_end_never_fires),
          TEST(a_scope_of_no_time_fires_at_the_next_poll),
          TEST(a_computation_can_ask_whether_its_time_is_over),
          TEST(a_scope_that_ended_in_time_does_nothing),
          TEST(a_scope_can_be_given_a_new_deadline),
          TEST(the_inner_one_fires_alone_and_the_outer_stays),
          TEST(the_outer_one_fires_through_the_inner),
          TEST(of_three_that_expire_at_once_only_the_outermost_says_so),
          TEST(the_own_deadline_fires_no_scope),
          TEST(a_shield_hides_a_kill_until_it_ends),
          TEST(a_shield_hides_only_until_its_bound),
          TEST(shields_after_a_kill_let_cleanups_wait),
          TEST(a_shield_hides_outer_scopes_and_not_inner_ones),
          TEST(nested_shields_hide_until_the_outermost_ends),
          TEST(an_inner_shield_holds_when_the_outer_is_over),
          TEST(a_shield_whose_bound_is_past_hides_nothing_for_long),
          TEST(own_deadlines_work_in_a_shield),
          TEST(a_scope_bounds_only_its_own_greenlet),
          TEST(many_scopes_can_be_open))
