/* SPDX-License-Identifier: MIT */
/* tests/unit/test_sleep.c - sleeping, yielding, and the order in which
 * greenlets run (S20, S29, S39, S40, S43). */
#include <limits.h>

#include "support/green.h"
#include "support/virtual.h"

static int note_twice(void *arg)
{
    const char *const *words = arg;

    note(words[0]);
    assert_result(tn_yield(), 0);
    note(words[1]);
    return 0;
}

/* S39 */
static void yields_of_two_greenlets_interleave(void)
{
    static const char *const a[] = {"1A", "1B"}, *const b[] = {"2A", "2B"};
    tn_greenlet *first, *second;

    test_not_seeded("is about the order itself");
    first = spawn(note_twice, (void *)a);
    second = spawn(note_twice, (void *)b);
    assert_result(join(first), 0);
    assert_result(join(second), 0);
    assert_string_equal(notes(), "1A 2A 1B 2B");
}

static int sleep_0_twice(void *arg)
{
    const char *const *words = arg;

    note(words[0]);
    assert_result(tn_sleep(TN_NOWAIT), 0);
    note(words[1]);
    return 0;
}

/* S39 */
static void sleep_of_no_time_is_a_yield(void)
{
    static const char *const a[] = {"1A", "1B"}, *const b[] = {"2A", "2B"};
    tn_greenlet *first, *second;

    test_not_seeded("is about the order itself");
    first = spawn(sleep_0_twice, (void *)a);
    second = spawn(sleep_0_twice, (void *)b);
    assert_result(join(first), 0);
    assert_result(join(second), 0);
    assert_string_equal(notes(), "1A 2A 1B 2B");
}

static int is_over;

static int yield_until_over(void *arg)
{
    (void)arg;
    while (!is_over)
        assert_result(tn_yield(), 0);
    return 0;
}

/* S39 */
static void endless_yields_let_timers_fire(void)
{
    tn_greenlet *g;

    test_not_seeded("has one greenlet, and yields thousands of times");
    g = spawn(yield_until_over, NULL);
    assert_result(tn_sleep(tn_after_ms(2)), 0);
    is_over = 1;
    assert_result(join(g), 0);
}

/* S39 */
static void endless_yields_let_descriptors_be_served(void)
{
    tn_greenlet *g = spawn(yield_until_over, NULL);
    int fds[2];
    char byte;

    is_over = 0;
    open_pair(fds);
    settle();
    assert_result(tn_send(fds[0], "x", 1, 0, TN_FOREVER), 1);
    assert_result(tn_recv(fds[1], &byte, 1, 0, TN_FOREVER), 1);
    assert_result(tn_recv(fds[1], &byte, 1, 0, TN_NOWAIT), -EAGAIN);
    assert_result(tn_send(fds[0], "x", 1, 0, TN_FOREVER), 1);
    assert_result(tn_recv(fds[1], &byte, 1, 0, TN_FOREVER), 1);
    is_over = 1;
    assert_result(join(g), 0);
    close_both(fds);
}

/* S39 */
static void a_lone_yield_loop_lets_its_scope_expire(void)
{
    tn_timeout t;
    int r;

    test_not_seeded("has one greenlet, and yields thousands of times");
    tn_timeout_begin(&t, tn_after_ms(2));
    do {
        r = tn_yield();
    } while (r == 0);
    tn_timeout_end(&t);
    assert_result(r, -ETIME);
    assert_true(t.fired);
}

static void a_sleep_lasts_at_least_its_time(void)
{
    for (int i = 0; i < 20; i++) {
        tn_time until = tn_after_us(i * 100);

        assert_result(tn_sleep(until), 0);
        assert_true(tn_now() >= until);
    }
}

/* S40 */
static void a_deadline_counts_from_now_and_not_from_the_last_poll(void)
{
    tn_time began = tn_now(), until;

    need_virtual_time();
    virtual_jump(began + 50 * MS); /* a computation without a turn */
    until = tn_after_ms(10);
    assert_true(until == began + 60 * MS);
    assert_result(tn_sleep(until), 0);
    assert_true(tn_now() == until);
}

static void virtual_sleeps_take_no_time_and_are_exact(void)
{
    tn_time until;

    need_virtual_time();
    until = tn_after_s(365 * 86400);
    assert_result(tn_sleep(until), 0);
    assert_true(tn_now() == until);
}

static void deadlines_in_the_past_end_at_once(void)
{
    assert_result(tn_sleep(1), 0);
    assert_result(tn_sleep(-1), 0);
    assert_result(tn_sleep(INT64_MIN), 0);
}

static int sleep_ms(void *arg)
{
    static const char *const words[] = {"0", "1", "2", "3", "4"};
    int ms = *(int *)arg;

    assert_result(tn_sleep(tn_after_ms(ms * 3)), 0);
    note(words[ms]);
    return 0;
}

struct sleeper {
    tn_time until;
    const char *name;
};

static int sleep_until(void *arg)
{
    struct sleeper *me = arg;

    assert_result(tn_sleep(me->until), 0);
    note(me->name);
    return 0;
}

static void sleepers_wake_in_the_order_of_their_deadlines(void)
{
    struct sleeper who[] = {{3, "3"}, {1, "1"}, {4, "4"}, {2, "2"}};
    tn_time now = tn_now();
    tn_greenlet *g[4];

    for (int i = 0; i < 4; i++) {
        who[i].until = now + who[i].until * 3 * MS;
        g[i] = spawn(sleep_until, &who[i]);
    }
    for (int i = 0; i < 4; i++)
        assert_result(join(g[i]), 0);
    assert_string_equal(notes(), "1 2 3 4");
}

static int spawn_another(void *arg)
{
    (void)arg;
    spawn_detached(sleep_ms, arg);
    return 0;
}

/* S29 */
static void one_spawned_by_one_that_ends_at_once_still_runs(void)
{
    static int ms = 1;

    spawn_detached(spawn_another, &ms);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_string_equal(notes(), "1");
}

/* S43 */
static void timers_keep_their_order_of_size_beside_descriptors(void)
{
    int fds[2];
    tn_time began;

    open_pair(fds);
    began = tn_now();
    for (int i = 0; i < 150; i++) {
        struct pollfd p = {fds[1], POLLIN, 0};

        assert_result(tn_poll(&p, 1, tn_after_ms(1)), -ETIME);
    }
    assert_true(tn_now() - began >= 150 * (int64_t)MS);
    if (is_virtual())
        assert_true(tn_now() - began == 150 * (int64_t)MS);
    close_both(fds);
}

/* The span helpers never overflow and never go below now. */
static void spans_are_kept_within_bounds(void)
{
    assert_true(tn_after_ns(INT64_MAX) == TN_FOREVER);
    assert_true(tn_after_s(INT64_MAX) == TN_FOREVER);
    assert_true(tn_after_ms(INT64_MAX / 2) == TN_FOREVER);
    assert_true(tn_after_s(INT64_MIN) >= 0);
    assert_true(tn_after_us(-5) >= 0);
    assert_true(tn_after_us(-5) <= tn_now());
    assert_true(tn_after_s(INT64_MIN) <= tn_now());
}

static int state_of_self(void *arg)
{
    (void)arg;
    /* S20 */
    assert_false(tn_greenlet_is_done(tn_self()));
    return (int)tn_greenlet_state(tn_self());
}

static void one_that_runs_is_not_done(void)
{
    assert_result(join(spawn(state_of_self, NULL)), TN_GREENLET_RUNNING);
}

TEST_MAIN(TEST(yields_of_two_greenlets_interleave),
          TEST(sleep_of_no_time_is_a_yield),
          TEST(endless_yields_let_timers_fire),
          TEST(endless_yields_let_descriptors_be_served),
          TEST(a_lone_yield_loop_lets_its_scope_expire),
          TEST(a_sleep_lasts_at_least_its_time),
          TEST(a_deadline_counts_from_now_and_not_from_the_last_poll),
          TEST(virtual_sleeps_take_no_time_and_are_exact),
          TEST(deadlines_in_the_past_end_at_once),
          TEST(sleepers_wake_in_the_order_of_their_deadlines),
          TEST(one_spawned_by_one_that_ends_at_once_still_runs),
          TEST(timers_keep_their_order_of_size_beside_descriptors),
          TEST(spans_are_kept_within_bounds), TEST(one_that_runs_is_not_done))
