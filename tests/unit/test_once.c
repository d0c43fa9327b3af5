/* SPDX-License-Identifier: MIT */
/* tests/unit/test_once.c - things to do once. */
#include <pthread.h>
#include <sched.h>

#include "support/green.h"

static tn_once once = TN_ONCE_INIT;
static int n_calls, fails_left;

static void begin(int n_failures)
{
    once = (tn_once)TN_ONCE_INIT;
    n_calls = 0;
    fails_left = n_failures;
}

static int do_it(void *arg)
{
    int r;

    n_calls++;
    r = tn_sleep(tn_after_ms(1));
    if (r < 0)
        return r;
    (void)arg;
    return fails_left-- > 0 ? -EIO : 0;
}

static int run_it(void *arg)
{
    return tn_once_run(&once, do_it, arg, TN_FOREVER);
}

static void it_is_done_once_and_the_others_wait(void)
{
    tn_greenlet *g[5];

    begin(0);
    assert_result(tn_once_is_done(&once), 0);
    for (int i = 0; i < 5; i++)
        g[i] = spawn(run_it, NULL);
    settle();
    assert_result(tn_once_run(&once, do_it, NULL, TN_NOWAIT), -EAGAIN);
    for (int i = 0; i < 5; i++)
        assert_result(join(g[i]), 0);
    assert_result(n_calls, 1);
    assert_result(tn_once_is_done(&once), 1);
    assert_result(tn_once_run(&once, do_it, NULL, TN_NOWAIT), 0);
    assert_result(n_calls, 1);
}

static void a_failure_lets_the_next_one_try(void)
{
    tn_greenlet *g[5];

    begin(2);
    for (int i = 0; i < 5; i++) {
        g[i] = spawn(run_it, NULL);
        settle();
    }
    assert_result(join(g[0]), -EIO);
    assert_result(join(g[1]), -EIO);
    for (int i = 2; i < 5; i++)
        assert_result(join(g[i]), 0);
    assert_result(n_calls, 3);
}

static void a_failure_with_nobody_waiting_is_tried_again_later(void)
{
    begin(1);
    assert_result(run_it(NULL), -EIO);
    assert_result(tn_once_is_done(&once), 0);
    assert_result(run_it(NULL), 0);
    assert_result(n_calls, 2);
}

static void one_that_is_killed_at_it_has_failed(void)
{
    tn_greenlet *a, *b;

    begin(0);
    a = spawn(run_it, NULL);
    settle();
    b = spawn(run_it, NULL);
    settle();
    assert_result(tn_kill(a, TN_FOREVER), 0);
    assert_result(join(a), -ECANCELED);
    assert_result(join(b), 0);
    assert_result(n_calls, 2);
}

static void one_that_left_has_no_turn(void)
{
    tn_greenlet *a, *b, *c;

    begin(1);
    a = spawn(run_it, NULL);
    settle();
    b = spawn(run_it, NULL);
    settle();
    c = spawn(run_it, NULL);
    settle();
    assert_result(tn_kill(b, TN_FOREVER), 0);
    assert_result(join(b), -ECANCELED);
    assert_result(join(a), -EIO);
    assert_result(join(c), 0);
    assert_result(n_calls, 2);
}

static int run_it_twice(void *arg)
{
    assert_result(run_it(arg), -EIO);
    /* It is the turn of the one that waits. */
    return tn_once_run(&once, do_it, arg, TN_NOWAIT);
}

static void after_a_failure_nobody_barges_in(void)
{
    tn_greenlet *a, *b;

    begin(1);
    a = spawn(run_it_twice, NULL);
    settle();
    b = spawn(run_it, NULL);
    settle();
    assert_result(join(a), -EAGAIN);
    assert_result(join(b), 0);
    assert_result(n_calls, 2);
}

static int do_it_in_it(void *arg)
{
    (void)arg;
    return tn_once_run(&once, do_it, NULL, TN_FOREVER);
}

static void from_within_itself_it_is_edeadlk(void)
{
    begin(0);
    assert_result(tn_once_run(&once, do_it_in_it, NULL, TN_FOREVER), -EDEADLK);
    assert_result(tn_once_is_done(&once), 0);
}

static int other_result, is_other_sent, is_other_back;

static void *run_on_another_thread(void *arg)
{
    while (!__atomic_load_n(&is_other_sent, __ATOMIC_ACQUIRE))
        sched_yield();
    other_result = tn_once_run(&once, do_it, arg, TN_FOREVER);
    __atomic_store_n(&is_other_back, 1, __ATOMIC_RELEASE);
    return NULL;
}

static int do_it_while_another_comes(void *arg)
{
    __atomic_store_n(&is_other_sent, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&is_other_back, __ATOMIC_ACQUIRE))
        sched_yield();
    (void)arg;
    return 0;
}

static void another_hub_is_refused_only_meanwhile(void)
{
    pthread_t thread;

    begin(0);
    other_result = is_other_sent = is_other_back = 0;
    assert_result(pthread_create(&thread, NULL, run_on_another_thread, NULL),
                  0);
    assert_result(
        tn_once_run(&once, do_it_while_another_comes, NULL, TN_FOREVER), 0);
    pthread_join(thread, NULL);
    assert_result(other_result, -EXDEV);
    assert_result(pthread_create(&thread, NULL, run_on_another_thread, NULL),
                  0);
    pthread_join(thread, NULL);
    assert_result(other_result, 0);
    assert_result(n_calls, 0);
}

static void wrong_arguments_are_refused(void)
{
    assert_result(tn_once_run(NULL, do_it, NULL, TN_FOREVER), -EINVAL);
    assert_result(tn_once_run(&once, NULL, NULL, TN_FOREVER), -EINVAL);
    assert_result(tn_once_is_done(NULL), 0);
}

TEST_MAIN(TEST(it_is_done_once_and_the_others_wait),
          TEST(a_failure_lets_the_next_one_try),
          TEST(a_failure_with_nobody_waiting_is_tried_again_later),
          TEST(one_that_is_killed_at_it_has_failed),
          TEST(one_that_left_has_no_turn),
          TEST(after_a_failure_nobody_barges_in),
          TEST(from_within_itself_it_is_edeadlk),
          TEST(another_hub_is_refused_only_meanwhile),
          TEST(wrong_arguments_are_refused))
