/* SPDX-License-Identifier: MIT */
/* tests/unit/test_kill.c - killing (S14..S16, S18, S19, S21). */
#include "support/green.h"
#include "support/virtual.h"

static int n_runs;

static int count_run(void *arg)
{
    (void)arg;
    n_runs++;
    return 0;
}

static void count_link(tn_greenlet *g, void *arg)
{
    assert_result(tn_greenlet_is_done(g), 1);
    ++*(int *)arg;
}

/* S14 */
static void states_before_while_and_after(void)
{
    tn_greenlet *g;

    assert_result(tn_greenlet_new(NULL, count_run, NULL, &g), 0);
    assert_result(tn_greenlet_state(g), TN_GREENLET_NEW);
    assert_result(tn_greenlet_is_done(g), 0);
    assert_result(tn_greenlet_result(g), -EAGAIN);
    assert_result(tn_start(g), 0);
    assert_result(tn_greenlet_state(g), TN_GREENLET_READY);
    assert_result(tn_greenlet_is_done(g), 0);
    settle();
    assert_result(tn_greenlet_state(g), TN_GREENLET_DONE);
    assert_result(tn_greenlet_is_done(g), 1);
    assert_result(tn_greenlet_result(g), 0);
    assert_result(join(g), 0);
}

/* S21 */
static void start_twice_or_after_the_end_does_nothing(void)
{
    tn_greenlet *g;

    n_runs = 0;
    assert_result(tn_greenlet_new(NULL, count_run, NULL, &g), 0);
    assert_result(tn_start(g), 0);
    assert_result(tn_start(g), 0);
    settle();
    assert_result(n_runs, 1);
    assert_result(tn_start(g), 0);
    settle();
    assert_result(n_runs, 1);
    assert_result(join(g), 0);
    assert_result(tn_start(NULL), -EINVAL);
}

/* S15: before start, in the queue; waiting for it or not. */
static void one_killed_before_it_ran_never_runs(void)
{
    n_runs = 0;
    for (int way = 0; way < 4; way++) {
        tn_link link = {0};
        tn_greenlet *g;
        int n_links = 0;

        assert_result(tn_greenlet_new(NULL, count_run, NULL, &g), 0);
        assert_result(tn_greenlet_link(g, &link, count_link, &n_links), 0);
        if (way & 1)
            assert_result(tn_start(g), 0);
        assert_result(tn_kill(g, way & 2 ? TN_NOWAIT : TN_FOREVER), 0);
        assert_result(tn_greenlet_is_done(g), 1);
        settle();
        assert_result(tn_hub_join(TN_FOREVER), 0);
        assert_result(n_runs, 0);
        assert_result(n_links, 1);
        assert_result(tn_start(g), 0);
        assert_result(join(g), -ECANCELED);
        assert_result(n_runs, 0);
    }
}

static int sleep_forever(void *arg)
{
    (void)arg;
    return tn_sleep(TN_FOREVER);
}

/* S15: while it waits. */
static void one_killed_while_it_waits_leaves_its_call(void)
{
    for (int way = 0; way < 2; way++) {
        tn_link link = {0};
        tn_greenlet *g = spawn(sleep_forever, NULL);
        int n_links = 0;

        assert_result(tn_greenlet_link(g, &link, count_link, &n_links), 0);
        settle();
        if (way)
            assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
        else
            assert_result(tn_kill(g, TN_FOREVER), 0);
        assert_result(tn_hub_join(TN_FOREVER), 0);
        assert_result(n_links, 1);
        assert_result(join(g), -ECANCELED);
    }
}

static int three_sleeps(void *arg)
{
    (void)arg;
    assert_result(tn_sleep(TN_FOREVER), -ECANCELED);
    assert_result(tn_sleep(tn_after_ms(1)), -ECANCELED);
    assert_result(tn_yield(), -ECANCELED);
    assert_result(tn_check(), -ECANCELED);
    assert_result(tn_sleep(TN_NOWAIT), -ECANCELED);
    return 4;
}

static void a_kill_is_sticky(void)
{
    tn_greenlet *g = spawn(three_sleeps, NULL);

    settle();
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(join(g), 4);
}

/* S16 */
static void killing_twice_or_one_that_has_ended_changes_nothing(void)
{
    tn_greenlet *g = spawn(three_sleeps, NULL);

    settle();
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(tn_greenlet_result(g), 4);
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(tn_kill(g, TN_NOWAIT), 0);
    assert_result(join(g), 4);
}

static int clean_up_long(void *arg)
{
    tn_shield shield;
    int r = tn_sleep(TN_FOREVER);

    (void)arg;
    tn_shield_begin(&shield, TN_FOREVER);
    assert_result(tn_sleep(tn_after_ms(20)), 0);
    tn_shield_end(&shield);
    note("cleaned");
    return r;
}

/* S18 */
static void kill_returns_only_when_it_has_really_ended(void)
{
    tn_greenlet *g = spawn(clean_up_long, NULL);

    settle();
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_string_equal(notes(), "cleaned");
    assert_result(join(g), -ECANCELED);
}

/* S19 */
static void the_deadline_of_a_kill_passes_and_the_kill_stands(void)
{
    tn_greenlet *g = spawn(clean_up_long, NULL);

    settle();
    assert_result(tn_kill(g, tn_after_ms(1)), -ETIME);
    assert_result(tn_greenlet_is_done(g), 0);
    assert_result(join(g), -ECANCELED);
    assert_string_equal(notes(), "cleaned");
}

/* S19 */
static void killing_many_that_were_not_started_never_waits(void)
{
    enum { N = 100 };
    tn_greenlet *g[N];

    n_runs = 0;
    for (int i = 0; i < N; i++)
        g[i] = spawn(count_run, NULL);
    for (int i = 0; i < N; i++)
        assert_result(tn_kill(g[i], TN_NOWAIT), 0);
    for (int i = 0; i < N; i++)
        assert_result(join(g[i]), -ECANCELED);
    settle(); /* their places in the queue pass */
    assert_result(n_runs, 0);
}

static int kill_self(void *arg)
{
    (void)arg;
    assert_result(tn_kill(tn_self(), TN_FOREVER), 0);
    assert_result(tn_yield(), -ECANCELED);
    return 9;
}

static void a_kill_of_itself_is_pending(void)
{
    assert_result(join(spawn(kill_self, NULL)), 9);
}

static void main_cannot_be_killed(void)
{
    assert_result(tn_kill(tn_self(), TN_FOREVER), -EINVAL);
    assert_result(tn_kill(NULL, TN_FOREVER), -EINVAL);
    assert_result(tn_yield(), 0);
}

static int kill_other_from_killed(void *arg)
{
    assert_result(tn_kill(tn_self(), TN_NOWAIT), 0);
    assert_result(tn_kill(arg, TN_FOREVER), -ECANCELED);
    return 0;
}

static void a_killed_one_can_still_kill_but_not_wait(void)
{
    tn_greenlet *victim = spawn(sleep_forever, NULL);
    tn_greenlet *killer;

    settle();
    killer = spawn(kill_other_from_killed, victim);
    assert_result(join(killer), 0);
    assert_result(join(victim), -ECANCELED);
}

static int kill_and_wait(void *arg)
{
    return tn_kill(arg, TN_FOREVER);
}

static void two_that_kill_each_other_both_end(void)
{
    tn_greenlet *a = spawn(sleep_forever, NULL), *b;

    settle();
    b = spawn(kill_and_wait, a);
    settle();
    assert_result(join(b), 0);
    assert_result(join(a), -ECANCELED);
}

/* ---- the wait of the killer ---- */

struct stubborn {
    tn_greenlet *g;
    uint8_t may_end; /* nothing else ends it */
    tn_time at;      /* a scope around the kill expires then */
    int fired;
};

static int end_when_allowed(void *arg)
{
    struct stubborn *me = arg;
    tn_shield shield;
    int r;

    tn_shield_begin(&shield, TN_FOREVER);
    r = tn__hub_park(tn__hub_peek(), &me->may_end, TN_FOREVER, "it", -1);
    tn_shield_end(&shield);
    return r;
}

static void allow(struct stubborn *me)
{
    me->may_end = 1;
    tn__hub_wake(me->g);
}

static int kill_in_a_scope(void *arg)
{
    struct stubborn *victim = arg;
    tn_timeout t;
    int r;

    tn_timeout_begin(&t, victim->at);
    r = tn_kill(victim->g, TN_FOREVER);
    victim->fired = t.fired;
    tn_timeout_end(&t);
    return r;
}

static void a_scope_ends_the_wait_of_a_killer(void)
{
    struct stubborn victim = {.at = tn_after_ms(1)};

    victim.g = spawn(end_when_allowed, &victim);
    settle();
    assert_result(join(spawn(kill_in_a_scope, &victim)), -ETIME);
    assert_int_equal(victim.fired, 1);
    allow(&victim);
    assert_result(join(victim.g), 0);
}

static void a_killer_that_is_killed_leaves_and_its_kill_stands(void)
{
    struct stubborn victim = {.at = TN_FOREVER};
    tn_greenlet *killer;

    victim.g = spawn(end_when_allowed, &victim);
    settle();
    killer = spawn(kill_in_a_scope, &victim);
    settle();
    assert_result(tn_kill(killer, TN_FOREVER), 0);
    assert_result(join(killer), -ECANCELED);
    allow(&victim);
    assert_result(join(victim.g), 0);
}

/* A result is never thrown away: the victim has ended, then comes the kill. */
static void a_killer_whose_victim_has_ended_says_so(void)
{
    struct stubborn victim = {.at = TN_FOREVER};
    tn_greenlet *killer;

    test_not_seeded("the killer must be the last to run");
    victim.g = spawn(end_when_allowed, &victim);
    settle();
    killer = spawn(kill_in_a_scope, &victim);
    settle();
    allow(&victim);
    assert_result(tn_yield(), 0); /* it ends; the killer has yet to run */
    assert_result(tn_greenlet_state(killer), TN_GREENLET_READY);
    assert_result(tn_kill(killer, TN_NOWAIT), -EAGAIN);
    assert_result(join(killer), 0);
    assert_result(join(victim.g), 0);
}

static void detached_ones_recycle_their_stacks(void)
{
    struct tn_hub_stats stats = {.size = sizeof stats};

    test_not_seeded("each must have ended after one yield");
    for (int i = 0; i < 10000; i++) {
        spawn_detached(count_run, NULL);
        assert_result(tn_yield(), 0);
    }
    assert_result(n_runs, 10000);
    assert_result(tn_hub_stats(&stats), 0);
    assert_true(stats.stacks_mapped < 10);
    assert_true(stats.spawned == 10000);
}

TEST_MAIN(TEST(states_before_while_and_after),
          TEST(start_twice_or_after_the_end_does_nothing),
          TEST(one_killed_before_it_ran_never_runs),
          TEST(one_killed_while_it_waits_leaves_its_call),
          TEST(a_kill_is_sticky),
          TEST(killing_twice_or_one_that_has_ended_changes_nothing),
          TEST(kill_returns_only_when_it_has_really_ended),
          TEST(the_deadline_of_a_kill_passes_and_the_kill_stands),
          TEST(killing_many_that_were_not_started_never_waits),
          TEST(a_kill_of_itself_is_pending), TEST(main_cannot_be_killed),
          TEST(a_killed_one_can_still_kill_but_not_wait),
          TEST(two_that_kill_each_other_both_end),
          TEST(a_scope_ends_the_wait_of_a_killer),
          TEST(a_killer_that_is_killed_leaves_and_its_kill_stands),
          TEST(a_killer_whose_victim_has_ended_says_so),
          TEST(detached_ones_recycle_their_stacks))
