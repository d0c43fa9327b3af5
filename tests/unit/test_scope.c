/* SPDX-License-Identifier: MIT */
/* tests/unit/test_scope.c - structured concurrency (S30). */
#include "support/green.h"

#include <pthread.h>

static int n_ended;

static int end_soon(void *arg)
{
    (void)arg;
    assert_result(tn_yield(), 0);
    n_ended++;
    return 0;
}

static int never_runs(void *arg)
{
    (void)arg;
    fail_msg("it ran");
    return 0;
}

static int sleep_forever(void *arg)
{
    int r = tn_sleep(TN_FOREVER);

    (void)arg;
    n_ended++;
    return r;
}

static int fail_soon(void *arg)
{
    assert_result(tn_yield(), 0);
    return *(int *)arg;
}

static int fail_later(void *arg)
{
    int r = tn_sleep(tn_after_ms(1));

    return r < 0 ? r : *(int *)arg;
}

static int clean_up_slowly(void *arg)
{
    tn_shield shield;
    int r = tn_sleep(TN_FOREVER);

    (void)arg;
    tn_shield_begin(&shield, TN_FOREVER);
    assert_result(tn_sleep(tn_after_ms(3)), 0);
    tn_shield_end(&shield);
    n_ended++;
    return r;
}

static void add(tn_scope *s, tn_greenlet_fn fn, void *arg)
{
    assert_result(tn_scope_spawn(s, fn, arg, NULL), 0);
}

/* S30 */
static void the_end_of_a_scope_joins_its_children(void)
{
    tn_scope s;

    n_ended = 0;
    tn_scope_begin(&s);
    add(&s, end_soon, NULL);
    add(&s, end_soon, NULL);
    assert_result(tn_scope_end(&s, TN_FOREVER), 0);
    assert_int_equal(n_ended, 2);
    assert_result(s.error, 0);
    assert_int_equal(count_alive(), 1);
}

static void a_scope_without_children_ends_at_once(void)
{
    tn_scope s;

    tn_scope_begin(&s);
    assert_result(tn_scope_end(&s, TN_NOWAIT), 0);
    assert_result(tn_scope_spawn(&s, never_runs, NULL, NULL), -EINVAL);
    assert_result(tn_scope_end(&s, TN_NOWAIT), -EINVAL);
}

static void the_first_failure_cancels_the_siblings(void)
{
    int error = -EIO, later = -ENOENT;
    tn_scope s;

    n_ended = 0;
    tn_scope_begin(&s);
    add(&s, sleep_forever, NULL);
    add(&s, clean_up_slowly, NULL);
    settle();
    add(&s, fail_soon, &error);
    add(&s, fail_later, &later);
    assert_result(tn_scope_end(&s, TN_FOREVER), -EIO);
    assert_result(s.error, -EIO);
    assert_int_equal(n_ended, 2);
    assert_int_equal(count_alive(), 1);
}

static void a_failure_ends_siblings_that_never_ran(void)
{
    int error = -EIO;
    tn_scope s;
    tn_shield shield;
    tn_greenlet *g;

    tn_scope_begin(&s);
    assert_result(tn_scope_spawn(&s, fail_soon, &error, &g), 0);
    tn_shield_begin(&shield, TN_FOREVER);
    assert_result(join(g), -EIO);
    tn_shield_end(&shield);
    assert_result(tn_scope_spawn(&s, never_runs, NULL, NULL), -ECANCELED);
    assert_result(tn_scope_end(&s, TN_FOREVER), -EIO);

    tn_scope_begin(&s);
    add(&s, never_runs, NULL);
    tn_scope_cancel(&s, -EPERM);
    assert_result(tn_scope_end(&s, TN_FOREVER), -EPERM);
    settle();
}

static void a_failure_stops_the_body_until_the_scope_has_ended(void)
{
    int error = -EIO;
    tn_scope s;
    tn_timeout t;

    tn_scope_begin(&s);
    add(&s, fail_soon, &error);
    assert_result(tn_sleep(TN_FOREVER), -ECANCELED);
    assert_result(tn_sleep(TN_FOREVER), -ECANCELED);
    assert_result(tn_check(), -ECANCELED);
    assert_result(s.error, -EIO);
    /* A scope inside does not hide it. */
    tn_timeout_begin(&t, TN_FOREVER);
    assert_result(tn_yield(), -ECANCELED);
    assert_int_equal(t.fired, 0);
    tn_timeout_end(&t);
    assert_result(tn_scope_end(&s, TN_FOREVER), -EIO);
    assert_result(tn_yield(), 0);
}

static void a_shield_hides_the_cancel_from_the_body(void)
{
    int error = -EIO;
    tn_shield shield;
    tn_scope s;

    tn_scope_begin(&s);
    add(&s, fail_soon, &error);
    tn_shield_begin(&shield, TN_FOREVER);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    tn_shield_end(&shield);
    assert_result(tn_yield(), -ECANCELED);
    assert_result(tn_scope_end(&s, TN_FOREVER), -EIO);
}

static void an_outer_timeout_counts_more_than_the_cancel(void)
{
    int error = -EIO;
    tn_timeout t;
    tn_shield shield;
    tn_scope s;

    tn_timeout_begin(&t, tn_after_ms(1));
    tn_scope_begin(&s);
    add(&s, fail_soon, &error);
    assert_result(tn_sleep(TN_FOREVER), -ECANCELED);
    tn_shield_begin(&shield, TN_FOREVER);
    assert_result(tn_sleep(tn_after_ms(2)), 0);
    tn_shield_end(&shield);
    assert_result(tn_yield(), -ETIME);
    assert_int_equal(t.fired, 1);
    assert_result(tn_scope_end(&s, TN_FOREVER), -ETIME);
    assert_result(s.error, -EIO);
    tn_timeout_end(&t);
}

/* S30: an error of the body kills and is what the scope returns. */
static void a_body_that_fails_cancels_its_children(void)
{
    tn_scope s;

    n_ended = 0;
    tn_scope_begin(&s);
    add(&s, sleep_forever, NULL);
    settle();
    tn_scope_cancel(&s, -EPERM);
    tn_scope_cancel(&s, -EIO);
    assert_result(tn_yield(), -ECANCELED);
    assert_result(tn_scope_end(&s, TN_FOREVER), -EPERM);
    assert_int_equal(n_ended, 1);
}

static void a_cancel_without_an_error_is_no_failure(void)
{
    tn_scope s;

    n_ended = 0;
    tn_scope_begin(&s);
    add(&s, sleep_forever, NULL);
    settle();
    tn_scope_cancel(&s, 0);
    assert_result(tn_scope_end(&s, TN_FOREVER), 0);
    assert_int_equal(n_ended, 1);
    /* Of a scope that has ended: nothing. */
    tn_scope_cancel(&s, -EIO);
}

/* S30: an error of the join still kills. */
static void a_deadline_kills_the_children_and_still_joins_them(void)
{
    tn_scope s;

    n_ended = 0;
    tn_scope_begin(&s);
    add(&s, clean_up_slowly, NULL);
    assert_result(tn_scope_end(&s, tn_after_ms(1)), -ETIME);
    assert_int_equal(n_ended, 1);
    assert_int_equal(count_alive(), 1);

    tn_scope_begin(&s);
    add(&s, clean_up_slowly, NULL);
    settle();
    assert_result(tn_scope_end(&s, TN_NOWAIT), -EAGAIN);
    assert_int_equal(n_ended, 2);
}

static int own_a_scope(void *arg)
{
    tn_scope s;

    (void)arg;
    tn_scope_begin(&s);
    add(&s, clean_up_slowly, NULL);
    add(&s, sleep_forever, NULL);
    assert_result(tn_scope_end(&s, TN_FOREVER), -ECANCELED);
    assert_int_equal(n_ended, 2);
    return tn_yield();
}

static void a_kill_of_the_owner_kills_the_children_and_joins_them(void)
{
    tn_greenlet *g = spawn(own_a_scope, NULL);

    n_ended = 0;
    settle();
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_int_equal(n_ended, 2);
    assert_result(join(g), -ECANCELED);
}

static int own_a_scope_and_sleep(void *arg)
{
    tn_scope s;
    int r;

    (void)arg;
    tn_scope_begin(&s);
    add(&s, sleep_forever, NULL);
    r = tn_sleep(TN_FOREVER);
    assert_result(r, -ECANCELED);
    /* That was a kill: the scope has not failed. */
    assert_result(s.error, 0);
    assert_result(tn_scope_end(&s, TN_FOREVER), -ECANCELED);
    assert_int_equal(n_ended, 1);
    return r;
}

static void a_kill_in_the_body_is_no_failure_of_the_scope(void)
{
    tn_greenlet *g = spawn(own_a_scope_and_sleep, NULL);

    n_ended = 0;
    settle();
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(join(g), -ECANCELED);
}

static int nest(void *arg)
{
    tn_scope s;

    tn_scope_begin(&s);
    add(&s, sleep_forever, NULL);
    add(&s, arg ? fail_soon : sleep_forever, arg);
    return tn_scope_end(&s, TN_FOREVER);
}

static void failures_go_up_and_cancels_go_down(void)
{
    int error = -EIO;
    tn_scope s;

    n_ended = 0;
    tn_scope_begin(&s);
    add(&s, nest, NULL);
    settle();
    add(&s, nest, &error);
    assert_result(tn_scope_end(&s, TN_FOREVER), -EIO);
    /* The sibling of the one that failed may not have run. */
    assert_true(n_ended >= 2);
    assert_int_equal(count_alive(), 1);
    settle();
}

struct spawner {
    tn_scope *scope;
    int depth;
};

static int spawn_sibling(void *arg)
{
    struct spawner *s = arg;

    assert_result(tn_yield(), 0);
    n_ended++;
    if (--s->depth > 0)
        add(s->scope, spawn_sibling, s);
    return 0;
}

static void children_may_spawn_into_the_scope_while_it_ends(void)
{
    tn_scope s;
    struct spawner spawner = {&s, 5};

    n_ended = 0;
    tn_scope_begin(&s);
    add(&s, spawn_sibling, &spawner);
    assert_result(tn_scope_end(&s, TN_FOREVER), 0);
    assert_int_equal(n_ended, 5);
}

static int cancel_own_scope(void *arg)
{
    tn_scope_cancel(arg, 0);
    return tn_yield();
}

static void a_child_may_cancel_its_scope_and_itself(void)
{
    tn_scope s;
    tn_greenlet *g;

    n_ended = 0;
    tn_scope_begin(&s);
    add(&s, sleep_forever, NULL);
    settle();
    assert_result(tn_scope_spawn(&s, cancel_own_scope, &s, &g), 0);
    assert_result(tn_scope_end(&s, TN_FOREVER), 0);
    assert_int_equal(n_ended, 1);
    assert_result(join(g), -ECANCELED);
}

static void a_child_that_was_killed_by_others_is_a_failure(void)
{
    tn_scope s;
    tn_greenlet *g;

    n_ended = 0;
    tn_scope_begin(&s);
    add(&s, sleep_forever, NULL);
    assert_result(tn_scope_spawn(&s, sleep_forever, NULL, &g), 0);
    settle();
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    assert_result(tn_scope_end(&s, TN_FOREVER), -ECANCELED);
    assert_result(s.error, -ECANCELED);
    assert_int_equal(n_ended, 2);
    tn_unref(g);
}

static void the_error_hook_does_not_hear_of_a_childs_failure(void)
{
    int error = -EIO;
    struct heard heard;
    tn_scope s;

    hear_errors(&heard);
    tn_scope_begin(&s);
    add(&s, fail_soon, &error);
    assert_result(tn_scope_end(&s, TN_FOREVER), -EIO);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    assert_int_equal(heard.n, 0);
    assert_result(tn_hub_set_error_hook(NULL, NULL), 0);
}

static void children_have_options(void)
{
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    tn_scope s;
    tn_greenlet *g;
    char name[8];

    options.name = "child";
    tn_scope_begin(&s);
    assert_result(tn_scope_spawn_with(&s, &options, end_soon, NULL, &g), 0);
    assert_result(tn_scope_end(&s, TN_FOREVER), 0);
    assert_int_equal(tn_greenlet_name(g, name, sizeof name), 5);
    tn_unref(g);
}

static int wait_for_what_never_comes(void *arg)
{
    tn_shield shield;
    int r;

    tn_shield_begin(&shield, TN_FOREVER);
    r = tn_join(arg, NULL, TN_FOREVER);
    tn_shield_end(&shield);
    return r;
}

static void children_that_nothing_can_wake_are_left(void)
{
    tn_greenlet *never;
    tn_scope s;

    assert_result(tn_greenlet_new(NULL, never_runs, NULL, &never), 0);
    tn_scope_begin(&s);
    add(&s, wait_for_what_never_comes, never);
    assert_result(tn_scope_end(&s, TN_FOREVER), -EDEADLK);
    assert_int_equal(count_alive(), 2);
    /* It can end by itself, later. */
    assert_result(tn_kill(never, TN_NOWAIT), 0);
    settle();
    assert_int_equal(count_alive(), 1);
}

static void *use_elsewhere(void *arg)
{
    tn_self();
    assert_result(tn_scope_spawn(arg, never_runs, NULL, NULL), -EXDEV);
    assert_result(tn_scope_end(arg, TN_FOREVER), -EXDEV);
    tn_scope_cancel(arg, -EIO);
    return NULL;
}

static void a_scope_of_another_thread_is_refused(void)
{
    tn_scope s;
    pthread_t thread;

    tn_scope_begin(&s);
    assert_result(pthread_create(&thread, NULL, use_elsewhere, &s), 0);
    assert_result(pthread_join(thread, NULL), 0);
    assert_result(tn_scope_end(&s, TN_FOREVER), 0);
}

TEST_MAIN(TEST(the_end_of_a_scope_joins_its_children),
          TEST(a_scope_without_children_ends_at_once),
          TEST(the_first_failure_cancels_the_siblings),
          TEST(a_failure_ends_siblings_that_never_ran),
          TEST(a_failure_stops_the_body_until_the_scope_has_ended),
          TEST(a_shield_hides_the_cancel_from_the_body),
          TEST(an_outer_timeout_counts_more_than_the_cancel),
          TEST(a_body_that_fails_cancels_its_children),
          TEST(a_cancel_without_an_error_is_no_failure),
          TEST(a_deadline_kills_the_children_and_still_joins_them),
          TEST(a_kill_of_the_owner_kills_the_children_and_joins_them),
          TEST(a_kill_in_the_body_is_no_failure_of_the_scope),
          TEST(failures_go_up_and_cancels_go_down),
          TEST(children_may_spawn_into_the_scope_while_it_ends),
          TEST(a_child_may_cancel_its_scope_and_itself),
          TEST(a_child_that_was_killed_by_others_is_a_failure),
          TEST(the_error_hook_does_not_hear_of_a_childs_failure),
          TEST(children_have_options),
          TEST(children_that_nothing_can_wake_are_left),
          TEST(a_scope_of_another_thread_is_refused))
