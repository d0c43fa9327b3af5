/* SPDX-License-Identifier: MIT */
/* tests/unit/test_signal.c - signals: handlers in greenlets, waits, the
 * interrupt of main (S139). */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/green.h"

static int n_handled;

static int count(int signo, void *arg)
{
    assert_int_equal(signo, *(int *)arg);
    n_handled++;
    return 0;
}

static void until_handled(int n)
{
    while (n_handled < n)
        assert_result(tn_sleep(tn_after_us(100)), 0);
}

static tn_signal *install(int *signo, tn_signal_fn fn)
{
    tn_signal *s;

    assert_result(tn_signal_new(*signo, fn, signo, &s), 0);
    return s;
}

static void a_handler_runs_each_time_and_stays_installed(void)
{
    int usr1 = SIGUSR1;
    tn_signal *s = install(&usr1, count);

    for (int i = 1; i < 4; i++) {
        assert_result(raise(SIGUSR1), 0);
        until_handled(i);
    }
    assert_result(tn_signal_free(s), 0);
}

static int wait_and_count(int signo, void *arg)
{
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    return count(signo, arg);
}

static void a_handler_may_wait(void)
{
    int usr1 = SIGUSR1;
    tn_signal *s = install(&usr1, wait_and_count);

    assert_result(raise(SIGUSR1), 0);
    until_handled(1);
    assert_result(tn_signal_free(s), 0);
}

static void a_handler_does_not_keep_the_hub(void)
{
    int usr1 = SIGUSR1;
    tn_signal *s = install(&usr1, count);

    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_result(tn_signal_free(s), 0);
}

static int fail_at_once(int signo, void *arg)
{
    count(signo, arg);
    return -EIO;
}

static void the_error_of_a_handler_is_reported(void)
{
    struct heard heard;
    int usr1 = SIGUSR1;
    tn_signal *s = install(&usr1, fail_at_once);

    hear_errors(&heard);
    assert_result(raise(SIGUSR1), 0);
    until_handled(1);
    assert_result(tn_sleep(tn_after_us(1)), 0);
    assert_int_equal(heard.n, 1);
    assert_int_equal(heard.error, -EIO);
    assert_result(tn_signal_free(s), 0);
}

static int told;

static int tell_main(int signo, void *arg)
{
    told = signo;
    return tn_kill(*(tn_greenlet **)arg, TN_NOWAIT) == -EAGAIN ? 0 : -EIO;
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return tn_sleep(TN_FOREVER);
}

static void main_that_waits_for_a_signal_is_no_deadlock(void)
{
    tn_greenlet *g = spawn(sleep_for_ever, NULL);
    tn_signal *s;
    pid_t pid;

    assert_result(tn_signal_new(SIGUSR1, tell_main, &g, &s), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    assert_result(join(g), -ECANCELED);
    assert_int_equal(told, SIGUSR1);
    assert_result(waitpid(pid, NULL, 0), pid);
    assert_result(tn_signal_free(s), 0);
    assert_result(tn_sleep(TN_FOREVER), -EDEADLK);
}

static pthread_t main_thread;
static bool was_sent; /* atomic */

static void *send_to_main(void *arg)
{
    (void)arg;
    assert_result(pthread_kill(main_thread, SIGUSR1), 0);
    __atomic_store_n(&was_sent, true, __ATOMIC_RELEASE);
    return NULL;
}

static int compute_until_it_came(void *arg)
{
    pthread_t thread;

    assert_result(pthread_create(&thread, NULL, send_to_main, NULL), 0);
    while (!__atomic_load_n(&was_sent, __ATOMIC_ACQUIRE))
        ;
    for (volatile int i = 0; i < 100000; i++)
        ;
    assert_result(sleep_for_ever(arg), -ECANCELED);
    return pthread_join(thread, NULL);
}

/* It comes upon a greenlet that is in no call: ThreadSanitizer keeps it there
 * until the next one, and the hub, which is about to wait, is another. */
static void a_signal_that_comes_while_a_greenlet_computes_is_handled(void)
{
    tn_greenlet *g;
    tn_signal *s;

    main_thread = pthread_self();
    __atomic_store_n(&was_sent, false, __ATOMIC_RELAXED);
    g = spawn(compute_until_it_came, NULL);
    assert_result(tn_signal_new(SIGUSR1, tell_main, &g, &s), 0);
    assert_result(join(g), 0);
    assert_int_equal(told, SIGUSR1);
    assert_result(tn_signal_free(s), 0);
}

/* ---- what the signal did before ---- */

static int n_old;

static void old_handler(int signo)
{
    (void)signo;
    n_old++;
}

static void the_old_disposition_comes_back_with_the_last(void)
{
    int usr1 = SIGUSR1;
    struct sigaction now;
    tn_signal *a, *b;

    signal(SIGUSR1, old_handler);
    a = install(&usr1, count);
    b = install(&usr1, count);
    assert_result(raise(SIGUSR1), 0);
    until_handled(2);
    assert_result(tn_signal_free(a), 0);
    assert_result(raise(SIGUSR1), 0);
    until_handled(3);
    assert_int_equal(n_old, 0);
    assert_result(tn_signal_free(b), 0);
    assert_result(raise(SIGUSR1), 0);
    assert_int_equal(n_old, 1);
    assert_result(sigaction(SIGUSR1, NULL, &now), 0);
    assert_ptr_equal(now.sa_handler, old_handler);
}

static void a_handler_put_over_ours_stays(void)
{
    int usr1 = SIGUSR1;
    struct sigaction now;
    tn_signal *s = install(&usr1, count);

    signal(SIGUSR1, old_handler);
    assert_result(tn_signal_free(s), 0);
    assert_result(sigaction(SIGUSR1, NULL, &now), 0);
    assert_ptr_equal(now.sa_handler, old_handler);
}

static void no_handler_begins_after_the_free(void)
{
    int usr1 = SIGUSR1;
    tn_signal *s = install(&usr1, count);

    assert_result(raise(SIGUSR1), 0);
    assert_result(tn_signal_free(s), 0);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    assert_int_equal(n_handled, 0);
}

static int free_own(int signo, void *arg)
{
    (void)signo;
    n_handled++;
    return tn_signal_free(*(tn_signal **)arg);
}

static void a_handler_may_free_itself(void)
{
    tn_signal *s;

    signal(SIGUSR1, SIG_IGN);
    assert_result(tn_signal_new(SIGUSR1, free_own, &s, &s), 0);
    assert_result(raise(SIGUSR1), 0);
    until_handled(1);
    assert_result(raise(SIGUSR1), 0); /* ignored */
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(n_handled, 1);
}

static void in_the_child(void)
{
    struct sigaction now;

    assert_result(sigaction(SIGUSR1, NULL, &now), 0);
    assert_ptr_equal(now.sa_handler, old_handler);
    assert_result(raise(SIGUSR1), 0);
    assert_int_equal(n_old, 1);
    assert_result(tn_sleep(tn_after_us(1)), 0);
    assert_int_equal(n_handled, 0);
}

static void the_child_of_a_fork_has_the_old_disposition(void)
{
    int usr1 = SIGUSR1;
    tn_signal *s;

    test_not_under_tsan();
    signal(SIGUSR1, old_handler);
    s = install(&usr1, count);
    run_in_child(in_the_child);
    assert_result(raise(SIGUSR1), 0);
    until_handled(1);
    assert_int_equal(n_old, 0);
    assert_result(tn_signal_free(s), 0);
}

static void bad_signals_are_refused(void)
{
    const int bad[] = {0, -1, 65, 1000, SIGKILL, SIGSTOP, SIGSEGV};
    tn_signal *s;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_result(tn_signal_new(bad[i], count, NULL, &s), -EINVAL);
    assert_result(tn_signal_new(SIGUSR1, NULL, NULL, &s), -EINVAL);
    assert_result(tn_signal_new(SIGUSR1, count, NULL, NULL), -EINVAL);
    assert_result(tn_signal_free(NULL), 0);
}

/* ---- threads ---- */

static pthread_barrier_t barrier;
static int n_of_thread[2];

static int count_own(int signo, void *arg)
{
    (void)signo;
    ++*(int *)arg;
    return 0;
}

static void *want_it(void *arg)
{
    int *n = arg;
    tn_signal *s;

    assert_result(tn_signal_new(SIGUSR1, count_own, n, &s), 0);
    pthread_barrier_wait(&barrier);
    while (*n == 0)
        assert_result(tn_sleep(tn_after_us(100)), 0);
    pthread_barrier_wait(&barrier);
    assert_result(tn_signal_free(s), 0);
    return NULL;
}

static void each_hub_that_wants_it_gets_it(void)
{
    pthread_t threads[2];

    signal(SIGUSR1, SIG_IGN);
    pthread_barrier_init(&barrier, NULL, 3);
    for (int i = 0; i < 2; i++)
        assert_result(
            pthread_create(&threads[i], NULL, want_it, &n_of_thread[i]), 0);
    pthread_barrier_wait(&barrier);
    assert_result(kill(getpid(), SIGUSR1), 0);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 2; i++) {
        assert_result(pthread_join(threads[i], NULL), 0);
        assert_int_equal(n_of_thread[i], 1);
    }
    assert_result(raise(SIGUSR1), 0); /* ignored again */
}

static int is_over; /* atomic */

static void *send_many(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED))
        kill(getpid(), SIGUSR1);
    return NULL;
}

/* Handlers on this thread and the other, at every point of it. */
static void installing_and_freeing_while_signals_come_loses_nothing(void)
{
    int usr1 = SIGUSR1;
    pthread_t thread;

    signal(SIGUSR1, SIG_IGN);
    assert_result(pthread_create(&thread, NULL, send_many, NULL), 0);
    for (int i = 0; i < 200; i++) {
        tn_signal *s = install(&usr1, count);

        n_handled = 0;
        until_handled(1);
        assert_result(tn_signal_free(s), 0);
    }
    __atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
    assert_result(pthread_join(thread, NULL), 0);
}

/* ---- waiting ---- */

static void block(const int signos[2])
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, signos[0]);
    sigaddset(&set, signos[1]);
    assert_result(sigprocmask(SIG_BLOCK, &set, NULL), 0);
}

static void a_wait_takes_what_is_pending_and_tells_about_it(void)
{
    union sigval value = {.sival_int = 77};
    const int set[] = {SIGUSR1, SIGRTMIN + 2}, bad[] = {SIGUSR1, 99};
    struct tn_signal_info info;

    block(set);
    assert_result(tn_signal_wait(set, 2, &info, TN_NOWAIT), -EAGAIN);
    assert_result(tn_signal_wait(set, 2, &info, tn_after_us(10)), -ETIME);
    assert_result(kill(getpid(), SIGUSR1), 0);
    assert_result(tn_signal_wait(set, 2, &info, TN_FOREVER), SIGUSR1);
    assert_int_equal(info.signo, SIGUSR1);
    assert_int_equal(info.pid, getpid());
    for (int i = 0; i < 3; i++)
        assert_result(sigqueue(getpid(), SIGRTMIN + 2, value), 0);
    for (int i = 0; i < 3; i++) {
        assert_result(tn_signal_wait(set, 2, &info, TN_FOREVER), SIGRTMIN + 2);
        assert_int_equal(info.value, 77);
    }
    assert_result(tn_signal_wait(set, 2, NULL, TN_NOWAIT), -EAGAIN);
    assert_result(tn_signal_wait(NULL, 1, NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_signal_wait(set, 0, NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_signal_wait(bad, 2, NULL, TN_NOWAIT), -EINVAL);
}

static int wait_one(void *arg)
{
    return tn_signal_wait(arg, 2, NULL, TN_FOREVER);
}

static void a_wait_parks_its_greenlet_and_two_get_two(void)
{
    int set[] = {SIGUSR1, SIGUSR2};
    tn_greenlet *a, *b;

    block(set);
    a = spawn(wait_one, set);
    b = spawn(wait_one, set);
    settle();
    assert_result(tn_greenlet_state(a), TN_GREENLET_WAITING);
    assert_result(kill(getpid(), SIGUSR1), 0);
    assert_result(kill(getpid(), SIGUSR2), 0);
    assert_int_equal(join(a) + join(b), SIGUSR1 + SIGUSR2);
}

/* ---- the interrupt ---- */

static void an_interrupt_ends_the_waits_of_main(void)
{
    tn_shield shield;

    assert_result(tn_interrupt_on(SIGINT), 0);
    assert_result(tn_interrupt_on(SIGTERM), -EBUSY);
    assert_result(raise(SIGINT), 0);
    assert_result(tn_sleep(TN_FOREVER), -ECANCELED);
    assert_result(tn_sleep(tn_after_ms(1)), -ECANCELED);
    tn_shield_begin(&shield, tn_after_ms(100));
    assert_result(tn_sleep(tn_after_us(10)), 0);
    tn_shield_end(&shield);
    assert_result(tn_yield(), -ECANCELED);
    assert_result(tn_interrupt_off(), SIGINT);
    assert_result(tn_sleep(tn_after_us(10)), 0);
    assert_result(tn_interrupt_off(), 0);
}

static void an_interrupt_that_never_came_is_taken_off(void)
{
    signal(SIGINT, old_handler);
    assert_result(tn_interrupt_on(SIGINT), 0);
    assert_result(tn_interrupt_off(), 0);
    assert_result(raise(SIGINT), 0);
    assert_int_equal(n_old, 1);
    assert_result(tn_interrupt_on(SIGKILL), -EINVAL);
    assert_result(tn_interrupt_off(), 0);
}

static void the_second_interrupt_ends_the_process(void)
{
    pid_t pid;
    int status;

    test_not_under_tsan();
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        assert_result(tn_interrupt_on(SIGINT), 0);
        raise(SIGINT);
        assert_result(tn_sleep(TN_FOREVER), -ECANCELED);
        raise(SIGINT);
        _exit(0);
    }
    assert_result(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGINT);
}

TEST_MAIN(TEST(a_handler_runs_each_time_and_stays_installed),
          TEST(a_handler_may_wait), TEST(a_handler_does_not_keep_the_hub),
          TEST(the_error_of_a_handler_is_reported),
          TEST(main_that_waits_for_a_signal_is_no_deadlock),
          TEST(a_signal_that_comes_while_a_greenlet_computes_is_handled),
          TEST(the_old_disposition_comes_back_with_the_last),
          TEST(a_handler_put_over_ours_stays),
          TEST(no_handler_begins_after_the_free),
          TEST(a_handler_may_free_itself),
          TEST(the_child_of_a_fork_has_the_old_disposition),
          TEST(bad_signals_are_refused), TEST(each_hub_that_wants_it_gets_it),
          TEST(installing_and_freeing_while_signals_come_loses_nothing),
          TEST(a_wait_takes_what_is_pending_and_tells_about_it),
          TEST(a_wait_parks_its_greenlet_and_two_get_two),
          TEST(an_interrupt_ends_the_waits_of_main),
          TEST(an_interrupt_that_never_came_is_taken_off),
          TEST(the_second_interrupt_ends_the_process))
