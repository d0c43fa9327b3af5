/* SPDX-License-Identifier: MIT */
/* tests/unit/test_later.c - greenlets that start at a time (S15, S29). */
#include "support/green.h"

static int n_run;

static int run(void *arg)
{
    (void)arg;
    n_run++;
    return 5;
}

static int never_runs(void *arg)
{
    (void)arg;
    fail_msg("it ran");
    return 0;
}

static uint64_t count_timers(void)
{
    struct tn_hub_stats stats = {.size = sizeof stats};

    assert_result(tn_hub_stats(&stats), 0);
    return stats.timers;
}

/* S29 */
static void it_starts_after_its_time(void)
{
    tn_time when = tn_after_ms(3);
    tn_greenlet *g;

    n_run = 0;
    assert_result(tn_spawn_later(when, run, NULL, &g), 0);
    assert_int_equal(tn_greenlet_state(g), TN_GREENLET_NEW);
    assert_int_equal(count_alive(), 2);
    settle();
    assert_result(join(g), 5);
    assert_true(tn_now() >= when);
    assert_int_equal(n_run, 1);
}

static void a_detached_one_starts_too_and_the_hub_waits_for_it(void)
{
    n_run = 0;
    assert_result(tn_spawn_later(tn_after_ms(2), run, NULL, NULL), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(n_run, 1);
}

static void a_reference_dropped_before_its_time_changes_nothing(void)
{
    tn_greenlet *g;

    n_run = 0;
    assert_result(tn_spawn_later(tn_after_ms(2), run, NULL, &g), 0);
    tn_unref(g);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(n_run, 1);
}

static void a_time_that_has_passed_is_soon_and_not_at_once(void)
{
    tn_greenlet *g;

    n_run = 0;
    assert_result(tn_spawn_later(TN_NOWAIT, run, NULL, &g), 0);
    assert_int_equal(n_run, 0);
    assert_result(join(g), 5);
}

static void set_flag(tn_greenlet *g, void *arg)
{
    (void)g;
    ++*(int *)arg;
}

/* S15 */
static void one_killed_before_its_time_never_runs(void)
{
    tn_greenlet *g;
    tn_link link;
    int n_called = 0;

    assert_result(tn_spawn_later(tn_after_ms(1), never_runs, NULL, &g), 0);
    assert_result(tn_greenlet_link(g, &link, set_flag, &n_called), 0);
    assert_result(tn_kill(g, TN_NOWAIT), 0);
    assert_true(tn_greenlet_is_done(g));
    assert_int_equal(count_timers(), 0);
    assert_int_equal(count_alive(), 1);
    assert_result(tn_sleep(tn_after_ms(3)), 0);
    assert_int_equal(n_called, 1);
    assert_result(join(g), -ECANCELED);
}

/* S15 */
static void starting_one_that_will_start_does_nothing(void)
{
    tn_time when = tn_after_ms(2);
    tn_greenlet *g;

    n_run = 0;
    assert_result(tn_greenlet_new(NULL, run, NULL, &g), 0);
    assert_result(tn_start_later(g, when), 0);
    assert_result(tn_start_later(g, tn_after_s(100)), 0);
    assert_result(tn_start(g), 0);
    assert_int_equal(tn_greenlet_state(g), TN_GREENLET_NEW);
    assert_result(tn_join(g, NULL, TN_FOREVER), 0);
    assert_true(tn_now() >= when);
    assert_int_equal(n_run, 1);
}

static void one_that_was_started_is_not_started_later(void)
{
    tn_greenlet *g = spawn(run, NULL);

    n_run = 0;
    assert_result(tn_start_later(g, tn_after_s(100)), 0);
    settle();
    assert_int_equal(n_run, 1);
    assert_result(tn_start_later(g, tn_after_s(100)), 0);
    assert_int_equal(count_timers(), 0);
    assert_result(join(g), 5);
}

static void a_switch_forestalls_its_time(void)
{
    tn_greenlet *g;

    n_run = 0;
    assert_result(tn_spawn_later(tn_after_ms(1), run, NULL, &g), 0);
    assert_result(tn_switch(g, NULL, NULL), 0);
    assert_int_equal(n_run, 1);
    assert_int_equal(count_timers(), 0);
    assert_result(tn_sleep(tn_after_ms(3)), 0);
    assert_int_equal(n_run, 1);
    assert_int_equal(count_alive(), 1);
    assert_result(join(g), 5);
}

static void a_throw_forestalls_its_time(void)
{
    tn_greenlet *g;

    assert_result(tn_spawn_later(tn_after_ms(1), never_runs, NULL, &g), 0);
    assert_result(tn_throw(g, -EIO, NULL), 0);
    assert_int_equal(count_timers(), 0);
    assert_int_equal(count_alive(), 1);
    assert_result(join(g), -EIO);
}

static void bad_arguments_are_refused(void)
{
    tn_greenlet *g;

    assert_result(tn_spawn_later(TN_FOREVER, run, NULL, &g), -EINVAL);
    assert_result(tn_spawn_later(tn_after_ms(1), NULL, NULL, &g), -EINVAL);
    assert_result(tn_start_later(NULL, tn_after_ms(1)), -EINVAL);
    assert_int_equal(count_alive(), 1);
}

TEST_MAIN(TEST(it_starts_after_its_time),
          TEST(a_detached_one_starts_too_and_the_hub_waits_for_it),
          TEST(a_reference_dropped_before_its_time_changes_nothing),
          TEST(a_time_that_has_passed_is_soon_and_not_at_once),
          TEST(one_killed_before_its_time_never_runs),
          TEST(starting_one_that_will_start_does_nothing),
          TEST(one_that_was_started_is_not_started_later),
          TEST(a_switch_forestalls_its_time), TEST(a_throw_forestalls_its_time),
          TEST(bad_arguments_are_refused))
