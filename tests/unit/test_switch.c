/* SPDX-License-Identifier: MIT */
/* tests/unit/test_switch.c - switching by hand (S1..S7, S11, S28). */
#include "support/green.h"
#include "support/virtual.h"

static tn_greenlet *new_one(tn_greenlet_fn fn, void *arg)
{
    tn_greenlet *g;

    assert_result(tn_greenlet_new(NULL, fn, arg, &g), 0);
    return g;
}

/* Switch to `g` and tell what came back as a string. */
static const char *send_to(tn_greenlet *g, const char *value)
{
    void *back = (void *)"untouched";

    assert_result(tn_switch(g, (void *)value, &back), 0);
    return back;
}

static int echo_until_null(void *arg)
{
    tn_greenlet *caller = arg;
    const char *value = "started";

    while (value)
        value = send_to(caller, value);
    return 7;
}

static void a_value_travels_with_each_switch(void)
{
    tn_greenlet *g = new_one(echo_until_null, tn_self());

    assert_string_equal(send_to(g, "not seen"), "started");
    assert_string_equal(send_to(g, "a"), "a");
    assert_string_equal(send_to(g, "b"), "b");
    assert_null(send_to(g, NULL)); /* it ends */
    assert_result(join(g), 7);
}

/* S1, S2 */
static void the_end_comes_back_to_who_resumed_it_last(void)
{
    tn_greenlet *g = new_one(echo_until_null, tn_self());

    assert_string_equal(send_to(g, "x"), "started");
    assert_null(send_to(g, NULL));
    assert_result(tn_greenlet_is_done(g), 1);
    /* S1: to a finished one */
    assert_result(tn_switch(g, NULL, NULL), -EINVAL);
    assert_result(tn_throw(g, -EIO, NULL), -EINVAL);
    assert_result(join(g), 7);
}

static int must_not_run(void *arg)
{
    (void)arg;
    fail_msg("it ran");
    return 0;
}

/* S3 */
static void throw_into_a_new_one_ends_it_unrun(void)
{
    tn_greenlet *g = new_one(must_not_run, NULL);

    assert_result(tn_throw(g, -EPROTO, NULL), 0);
    assert_result(tn_greenlet_state(g), TN_GREENLET_DONE);
    assert_result(join(g), -EPROTO);
}

static int expect_a_throw(void *arg)
{
    void *value = (void *)"untouched";

    assert_result(tn_switch(arg, NULL, &value), -EPROTO);
    assert_string_equal(value, "untouched");
    assert_result(tn_switch(arg, (void *)"caught", &value), 0);
    return 3;
}

/* S3, S4 */
static void throw_is_what_the_targets_switch_returns(void)
{
    tn_greenlet *g = new_one(expect_a_throw, tn_self());
    void *value = NULL;

    assert_null(send_to(g, NULL));
    assert_result(tn_throw(g, -EPROTO, &value), 0);
    assert_string_equal(value, "caught");
    assert_null(send_to(g, NULL));
    assert_result(join(g), 3);
}

static void throw_needs_a_negative_error(void)
{
    tn_greenlet *g = new_one(must_not_run, NULL);

    assert_result(tn_throw(g, 0, NULL), -EINVAL);
    assert_result(tn_throw(g, 5, NULL), -EINVAL);
    assert_result(tn_throw(NULL, -EIO, NULL), -EINVAL);
    assert_result(tn_greenlet_state(g), TN_GREENLET_NEW);
    tn_unref(g);
}

static int wait_long(void *arg)
{
    (void)arg;
    return tn_sleep(TN_FOREVER);
}

/* S28: a stray switch is refused, so a wait never ends by it. */
static void only_new_and_passive_ones_can_be_switched_to(void)
{
    tn_greenlet *g = spawn(wait_long, NULL);

    assert_result(tn_switch(g, NULL, NULL), -EINVAL); /* queued */
    settle();
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    assert_result(tn_switch(g, NULL, NULL), -EINVAL);
    assert_result(tn_throw(g, -EIO, NULL), -EINVAL);
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    assert_result(tn_switch(tn_self(), NULL, NULL), -EINVAL);
    assert_result(tn_switch(NULL, NULL, NULL), -EINVAL);
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(join(g), -ECANCELED);
}

static int result_of_switch(void *arg)
{
    return tn_switch(arg, NULL, NULL);
}

static void kill_wakes_one_that_switched_away(void)
{
    tn_greenlet *g = new_one(result_of_switch, tn_self());

    assert_null(send_to(g, NULL));
    assert_result(tn_greenlet_state(g), TN_GREENLET_PASSIVE);
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(join(g), -ECANCELED);
}

/* S7: without a reference nobody could ever resume it. */
static void dropping_the_last_reference_ends_one_that_switched_away(void)
{
    tn_greenlet *g = new_one(result_of_switch, tn_self());

    assert_null(send_to(g, NULL));
    tn_unref(g);
    assert_result(tn_hub_join(TN_FOREVER), 0);
}

static int switch_in_a_shield(void *arg)
{
    tn_shield shield;
    void *value = NULL;
    int r;

    tn_shield_begin(&shield, TN_FOREVER);
    r = tn_switch(arg, NULL, &value);
    tn_shield_end(&shield);
    note(r == 0 ? value ? value : "null" : "error");
    return tn_check();
}

static void a_shield_keeps_one_that_switched_away_from_a_kill(void)
{
    tn_greenlet *g = new_one(switch_in_a_shield, tn_self());

    assert_null(send_to(g, NULL));
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    settle();
    assert_result(tn_greenlet_state(g), TN_GREENLET_PASSIVE);
    assert_null(send_to(g, "value"));
    assert_string_equal(notes(), "value");
    assert_result(join(g), -ECANCELED);
}

struct bounded {
    tn_greenlet *main;
    tn_time at;
    int fired[2];
};

static int switch_in_scopes(void *arg)
{
    struct bounded *b = arg;
    tn_timeout outer, inner;
    int r;

    tn_timeout_begin(&outer, b->at);
    tn_timeout_begin(&inner, b->at);
    r = tn_switch(b->main, NULL, NULL);
    b->fired[0] = outer.fired;
    b->fired[1] = inner.fired;
    tn_timeout_end(&inner);
    tn_timeout_end(&outer);
    return r;
}

static void a_scope_ends_the_wait_of_one_that_switched_away(void)
{
    struct bounded b = {.main = tn_self(), .at = tn_after_ms(1)};
    tn_greenlet *g = new_one(switch_in_scopes, &b);

    assert_null(send_to(g, NULL));
    assert_result(join(g), -ETIME);
    assert_result(b.fired[0], 1);
    assert_result(b.fired[1], 0);
}

static void kill_it(struct tn__hub_call *call)
{
    struct tn_hub *h = tn__hub_peek();
    tn_greenlet **g = (tn_greenlet **)(void *)(call + 1);

    TN_ASSERT(h->current == &h->hub_g);
    assert_result(tn_kill(*g, TN_NOWAIT), -EAGAIN);
}

static void a_kill_counts_before_scopes_of_the_same_turn(void)
{
    struct bounded b = {.main = tn_self(), .at = tn_after_ms(2)};
    struct {
        struct tn__hub_call call;
        tn_greenlet *g;
    } k = {{.fn = kill_it}, new_one(switch_in_scopes, &b)};

    need_virtual_time();
    assert_null(send_to(k.g, NULL));
    assert_result(tn__hub_call_at(tn__hub_peek(), &k.call, b.at), 0);
    assert_result(join(k.g), -ECANCELED);
}

static int kill_self_and_switch(void *arg)
{
    assert_result(tn_kill(tn_self(), TN_FOREVER), 0);
    assert_result(tn_switch(arg, NULL, NULL), -ECANCELED);
    return 0;
}

static void a_killed_one_cannot_switch_away(void)
{
    tn_greenlet *other = new_one(must_not_run, NULL);
    tn_greenlet *g = spawn(kill_self_and_switch, other);

    assert_result(join(g), 0);
    tn_unref(other);
}

static int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

static int resume_it(void *arg)
{
    return tn_switch(arg, NULL, NULL);
}

static int switch_to_main_then_end(void *arg)
{
    assert_result(tn_switch(arg, NULL, NULL), -ECANCELED);
    return 0;
}

/* S1: its way back has ended too, and its block is another greenlet's now,
 * which must not be resumed in its place. */
static void the_way_back_is_not_a_greenlet_that_reuses_its_block(void)
{
    tn_greenlet *inner = new_one(switch_to_main_then_end, tn_self());
    tn_greenlet *outer = new_one(resume_it, inner), *other;

    /* outer resumes inner, which gives control to main; outer is left. */
    assert_null(send_to(outer, NULL));
    assert_result(tn_greenlet_state(outer), TN_GREENLET_PASSIVE);
    tn_unref(outer); /* ends by a kill, and its block is free */
    settle();
    other = new_one(result_of_switch, tn_self());
    assert_null(send_to(other, NULL));
    assert_result(tn_greenlet_state(other), TN_GREENLET_PASSIVE);
    assert_result(tn_kill(inner, TN_FOREVER), 0);
    assert_result(tn_greenlet_state(other), TN_GREENLET_PASSIVE);
    tn_unref(inner);
    assert_null(send_to(other, NULL));
    assert_result(join(other), 0);
}

static int wait_a_turn_and_end(void *arg)
{
    assert_result(tn_yield(), 0);
    return *(int *)arg;
}

static void one_started_by_a_switch_may_wait_like_any_other(void)
{
    static int result = 5;
    tn_greenlet *g = new_one(wait_a_turn_and_end, &result);

    /* It waits, and ends later: then control comes back. */
    assert_null(send_to(g, NULL));
    assert_result(tn_greenlet_is_done(g), 1);
    assert_result(join(g), 5);
}

struct ring {
    tn_greenlet *g[3], *main;
    int n;
};

static int go_round(void *arg)
{
    struct ring *ring = arg;
    int r = 0;

    while (r == 0 && ring->n < 300)
        r = tn_switch(ring->g[++ring->n % 3], NULL, NULL);
    return r == 0 ? tn_switch(ring->main, NULL, NULL) : r;
}

/* S11 */
static void three_switch_in_a_ring(void)
{
    struct ring ring = {.main = tn_self()};

    for (int i = 0; i < 3; i++)
        ring.g[i] = new_one(go_round, &ring);
    assert_null(send_to(ring.g[0], NULL));
    assert_result(ring.n, 300);
    for (int i = 0; i < 3; i++)
        assert_result(tn_kill(ring.g[i], TN_FOREVER), 0);
    for (int i = 0; i < 3; i++)
        tn_unref(ring.g[i]);
}

static void one_that_is_started_after_all_is_queued(void)
{
    tn_greenlet *g = new_one(end_at_once, NULL);

    assert_result(tn_start(g), 0);
    assert_result(tn_switch(g, NULL, NULL), -EINVAL);
    assert_result(join(g), 0);
}

TEST_MAIN(TEST(a_value_travels_with_each_switch),
          TEST(the_end_comes_back_to_who_resumed_it_last),
          TEST(throw_into_a_new_one_ends_it_unrun),
          TEST(throw_is_what_the_targets_switch_returns),
          TEST(throw_needs_a_negative_error),
          TEST(only_new_and_passive_ones_can_be_switched_to),
          TEST(kill_wakes_one_that_switched_away),
          TEST(dropping_the_last_reference_ends_one_that_switched_away),
          TEST(a_shield_keeps_one_that_switched_away_from_a_kill),
          TEST(a_scope_ends_the_wait_of_one_that_switched_away),
          TEST(a_kill_counts_before_scopes_of_the_same_turn),
          TEST(a_killed_one_cannot_switch_away),
          TEST(the_way_back_is_not_a_greenlet_that_reuses_its_block),
          TEST(one_started_by_a_switch_may_wait_like_any_other),
          TEST(three_switch_in_a_ring),
          TEST(one_that_is_started_after_all_is_queued))
