/* SPDX-License-Identifier: MIT */
/* tests/unit/test_offload.c - work on the threads of a pool (S80g to S80j). */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/jobs.h"

enum { N_JOBS = 10 };

/* ---- jobs ---- */

static long where(void *arg)
{
    *(pthread_t *)arg = pthread_self();
    return -42;
}

static void a_job_runs_on_another_thread_and_its_result_comes_back(void)
{
    pthread_t thread = pthread_self();

    assert_result(tn_offload(where, &thread, TN_FOREVER), -42);
    assert_false(pthread_equal(thread, pthread_self()));
    assert_result(tn_offload(NULL, NULL, TN_FOREVER), -EINVAL);
}

static long read_one(void *arg)
{
    char byte;

    return read(*(int *)arg, &byte, 1);
}

static int write_one(void *arg)
{
    assert_result(write(((int *)arg)[1], "x", 1), 1);
    return 0;
}

static void others_run_while_a_job_blocks(void)
{
    int fds[2];
    tn_greenlet *g;

    open_foreign_pipe(fds);
    g = spawn(write_one, fds);
    assert_result(tn_offload(read_one, &fds[0], TN_FOREVER), 1);
    assert_result(join(g), 0);
    close_both(fds);
}

/* S80g */
static void a_pool_of_one_takes_two_jobs_and_counts_them(void)
{
    tn_offload_pool *pool = make_pool(1);
    struct user a, b;
    struct tn_offload_stats stats;

    start_user(&a, pool, TN_FOREVER);
    start_user(&b, pool, TN_FOREVER);
    await(&a.gate.begun);
    stats = look(pool);
    assert_int_equal(stats.running, 1);
    assert_int_equal(stats.queued, 1);
    assert_int_equal(stats.threads, 1);
    assert_int_equal(stats.idle, 0);
    sem_post(&b.gate.may_end);
    sem_post(&a.gate.may_end);
    assert_result(join(a.g), 0);
    assert_result(join(b.g), 0);
    assert_result(a.r, 7);
    assert_result(b.r, 7);
    stats = look(pool);
    assert_int_equal(stats.running + stats.queued, 0);
    assert_int_equal(stats.done, 2);
    tn_offload_pool_free(pool);
}

static int order[N_JOBS], n_in_order;

static long put_down(void *arg)
{
    order[n_in_order++] = (int)(intptr_t)arg;
    return 0;
}

static tn_offload_pool *order_pool;

static int offload_put_down(void *arg)
{
    return (int)tn_offload_pool_run(order_pool, put_down, arg, TN_FOREVER);
}

static void jobs_run_first_in_first_out(void)
{
    tn_greenlet *gs[N_JOBS];

    n_in_order = 0;
    order_pool = make_pool(0);
    for (int i = 0; i < N_JOBS; i++) {
        gs[i] = spawn(offload_put_down, (void *)(intptr_t)i);
        settle();
    }
    assert_result(tn_offload_pool_set_threads(order_pool, 1), 0);
    for (int i = 0; i < N_JOBS; i++)
        assert_result(join(gs[i]), 0);
    for (int i = 0; i < N_JOBS; i++)
        assert_int_equal(order[i], i);
    tn_offload_pool_free(order_pool);
}

/* ---- threads ---- */

static void threads_are_started_when_there_is_work_up_to_the_maximum(void)
{
    enum { N_THREADS = 3 };
    tn_offload_pool *pool = make_pool(N_THREADS);
    struct user users[N_THREADS + 2];

    assert_int_equal(look(pool).threads, 0);
    for (int i = 0; i < N_THREADS + 2; i++) {
        start_user(&users[i], pool, TN_FOREVER);
        assert_int_equal(look(pool).threads, i < N_THREADS ? i + 1 : N_THREADS);
    }
    for (int i = 0; i < N_THREADS; i++)
        await(&users[i].gate.begun);
    assert_int_equal(look(pool).running, N_THREADS);
    assert_int_equal(look(pool).queued, 2);
    for (int i = 0; i < N_THREADS + 2; i++)
        sem_post(&users[i].gate.may_end);
    for (int i = 0; i < N_THREADS + 2; i++)
        assert_result(join(users[i].g), 0);
    tn_offload_pool_free(pool);
}

/* S80h */
static void raising_the_maximum_begins_what_waits(void)
{
    tn_offload_pool *pool = make_pool(0);
    struct user a, b;

    start_user(&a, pool, TN_FOREVER);
    start_user(&b, pool, TN_FOREVER);
    assert_int_equal(look(pool).queued, 2);
    assert_int_equal(look(pool).threads, 0);
    assert_result(tn_offload_pool_set_threads(pool, 1), 0);
    await(&a.gate.begun);
    assert_int_equal(look(pool).queued, 1);
    assert_result(tn_offload_pool_set_threads(pool, 2), 0);
    await(&b.gate.begun);
    sem_post(&a.gate.may_end);
    sem_post(&b.gate.may_end);
    assert_result(join(a.g), 0);
    assert_result(join(b.g), 0);
    tn_offload_pool_free(pool);
}

static void await_threads(tn_offload_pool *pool, uint32_t n)
{
    while (look(pool).threads != n)
        assert_result(tn_sleep(tn_after_us(100)), 0);
}

/* S80h */
static void lowering_the_maximum_ends_threads_after_their_job(void)
{
    tn_offload_pool *pool = make_pool(2);
    struct user a, b, c;

    start_user(&a, pool, TN_FOREVER);
    start_user(&b, pool, TN_FOREVER);
    start_user(&c, pool, TN_FOREVER);
    await(&a.gate.begun);
    await(&b.gate.begun);
    assert_result(tn_offload_pool_set_threads(pool, 0), 0);
    assert_int_equal(look(pool).threads, 2);
    sem_post(&a.gate.may_end);
    sem_post(&b.gate.may_end);
    assert_result(join(a.g), 0);
    assert_result(join(b.g), 0);
    await_threads(pool, 0);
    assert_int_equal(look(pool).queued, 1);
    assert_result(tn_offload_pool_set_threads(pool, 1), 0);
    sem_post(&c.gate.may_end);
    assert_result(join(c.g), 0);
    assert_result(tn_offload_pool_set_threads(pool, 0), 0);
    await_threads(pool, 0); /* an idle one goes at once */
    tn_offload_pool_free(pool);
}

/* S80h */
static void a_maximum_out_of_range_is_refused(void)
{
    tn_offload_pool *pool = NULL;

    assert_result(tn_offload_pool_new(-1, &pool), -EINVAL);
    assert_result(tn_offload_pool_new(1025, &pool), -EINVAL);
    assert_result(tn_offload_pool_new(1, NULL), -EINVAL);
    assert_null(pool);
    pool = make_pool(1);
    assert_result(tn_offload_pool_set_threads(pool, -1), -EINVAL);
    assert_result(tn_offload_pool_set_threads(pool, 1025), -EINVAL);
    assert_int_equal(look(pool).threads_max, 1);
    tn_offload_pool_free(pool);
    tn_offload_pool_free(NULL);
}

static void an_idle_thread_ends_after_a_while(void)
{
    int n = 0;
    tn_offload_pool *pool;

    assert_result(tn_config_set("offload_idle", "2ms"), 0);
    pool = make_pool(2);
    assert_result(tn_offload_pool_run(pool, add_one, &n, TN_FOREVER), 1);
    await_threads(pool, 0);
    assert_result(tn_offload_pool_run(pool, add_one, &n, TN_FOREVER), 2);
    tn_offload_pool_free(pool);
}

static void one_job_after_the_other_needs_one_thread(void)
{
    int n = 0;
    tn_offload_pool *pool = make_pool(4);

    for (int i = 1; i <= 50; i++) {
        assert_result(tn_offload_pool_run(pool, add_one, &n, TN_FOREVER), i);
        while (look(pool).idle == 0)
            sched_yield();
    }
    assert_int_equal(look(pool).threads, 1);
    tn_offload_pool_free(pool);
}

static pthread_t passed_by;

static long pass_and_tell(void *arg)
{
    long r = pass(arg);

    passed_by = pthread_self();
    return r;
}

static int use_and_tell(void *arg)
{
    struct user *u = arg;

    u->is_called = true;
    u->r = tn_offload_pool_run(u->pool, pass_and_tell, &u->gate, u->deadline);
    return 0;
}

static void await_idle(tn_offload_pool *pool, uint32_t n)
{
    while (look(pool).idle != n)
        sched_yield();
}

static void the_thread_that_worked_last_is_the_next_to_work(void)
{
    tn_offload_pool *pool = make_pool(2);
    struct user a, b;
    pthread_t thread;

    start_user_with(use_and_tell, &a, pool, TN_FOREVER);
    start_user_with(use_and_tell, &b, pool, TN_FOREVER);
    for (int i = 0; i < 2; i++) {
        struct user *u = i == 0 ? &a : &b;

        sem_post(&u->gate.may_end);
        assert_result(join(u->g), 0);
        await_idle(pool, (uint32_t)i + 1);
    }
    for (int i = 0; i < 3; i++) {
        assert_result(tn_offload_pool_run(pool, where, &thread, TN_FOREVER),
                      -42);
        assert_true(pthread_equal(thread, passed_by));
        await_idle(pool, 2);
    }
    tn_offload_pool_free(pool);
}

static void the_maximum_of_the_processs_pool_is_a_setting(void)
{
    int n = 0;

    assert_result(tn_config_set("offload_threads", "3"), 0);
    assert_result(tn_offload(add_one, &n, TN_FOREVER), 1);
    assert_int_equal(look(NULL).threads_max, 3);
}

static long signals_of_thread(void *arg)
{
    return pthread_sigmask(SIG_SETMASK, NULL, arg);
}

static void no_signal_of_the_program_reaches_a_job(void)
{
    sigset_t signals, before;

    assert_result(tn_offload(signals_of_thread, &signals, TN_FOREVER), 0);
    assert_true(sigismember(&signals, SIGTERM));
    assert_true(sigismember(&signals, SIGALRM));
    assert_false(sigismember(&signals, SIGSEGV));
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_false(sigismember(&before, SIGTERM));
}

/* ---- from where ---- */

static long offload_again(void *arg)
{
    pthread_t inner = pthread_self();
    long r = tn_offload(where, &inner, TN_FOREVER), result = 0;

    assert_result(r, -42);
    assert_true(pthread_equal(inner, pthread_self()));
    assert_result(tn_offload_detached(where, &inner, NULL, &result, TN_FOREVER),
                  0);
    assert_result(result, -42);
    return *(int *)arg;
}

/* S80i */
static void an_offload_of_a_job_runs_inline(void)
{
    int n = 5;
    tn_offload_pool *pool = make_pool(1);

    assert_result(tn_offload_pool_run(pool, offload_again, &n, TN_FOREVER), 5);
    tn_offload_pool_free(pool);
}

static void *offload_on_thread(void *arg)
{
    int n = 0;

    for (int i = 1; i <= 20; i++)
        assert_result(tn_offload_pool_run(arg, add_one, &n, TN_FOREVER), i);
    return NULL;
}

/* S80i: gevent refuses it. */
static void threads_share_a_pool(void)
{
    pthread_t threads[4];
    tn_offload_pool *pool = make_pool(2);

    for (int i = 0; i < 4; i++)
        assert_result(
            pthread_create(&threads[i], NULL, offload_on_thread, pool), 0);
    for (int i = 0; i < 4; i++)
        assert_result(pthread_join(threads[i], NULL), 0);
    assert_int_equal(look(pool).done, 80);
    tn_offload_pool_free(pool);
}

static void offload_in_post(void *arg)
{
    *(long *)arg = tn_offload(add_one, arg, TN_FOREVER);
}

static void on_the_hub_it_is_refused(void)
{
    tn_hub *hub;
    long r = 0;

    assert_result(tn_hub_get(&hub), 0);
    assert_result(tn_hub_post(hub, offload_in_post, &r), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_result(r, -EDEADLK);
}

/* ---- all at once ---- */

enum { N_HUBS = 3, N_USERS = 8, N_ROUNDS = 60 };

static long work(void *arg)
{
    int *n = arg;

    for (int i = 0; i < 100; i++)
        ++*(volatile int *)n;
    return *n;
}

static int offload_often(void *arg)
{
    int n = 0, n_begun = 0;

    for (int i = 0; i < N_ROUNDS; i++) {
        long r = tn_offload_pool_run(arg, work, &n,
                                     i % 3 ? tn_after_us(i) : TN_FOREVER);

        n_begun += r != -ETIME;
        if (r != -ETIME)
            assert_result(r, n_begun * 100);
        assert_int_equal(n, n_begun * 100);
    }
    return 0;
}

static void free_it(void *arg)
{
    free(arg);
}

static int offload_detached_often(void *arg)
{
    for (int i = 0; i < N_ROUNDS; i++) {
        int *n = calloc(1, sizeof *n);
        long result = 0;
        int r = tn_offload_pool_detached(arg, work, n, free_it, &result,
                                         i % 3 ? tn_after_us(i) : TN_FOREVER);

        if (r == 0) {
            assert_result(result, 100);
            free(n);
        } else {
            assert_result(r, -ETIME);
        }
    }
    return 0;
}

static void *offload_from_many(void *arg)
{
    tn_greenlet *gs[N_USERS];

    for (int i = 0; i < N_USERS; i++)
        gs[i] = spawn(i % 2 ? offload_often : offload_detached_often, arg);
    for (int i = 0; i < N_USERS; i++)
        assert_result(join(gs[i]), 0);
    return NULL;
}

static void many_hubs_offload_with_deadlines_that_race(void)
{
    tn_offload_pool *pool = make_pool(3);
    pthread_t threads[N_HUBS];

    for (int i = 0; i < N_HUBS; i++)
        assert_result(
            pthread_create(&threads[i], NULL, offload_from_many, pool), 0);
    for (int i = 0; i < 50; i++) {
        assert_result(tn_offload_pool_set_threads(pool, 1 + i % 4), 0);
        assert_result(tn_sleep(tn_after_us(50)), 0);
    }
    for (int i = 0; i < N_HUBS; i++)
        assert_result(pthread_join(threads[i], NULL), 0);
    assert_int_equal(look(pool).queued, 0);
    tn_offload_pool_free(pool);
}

TEST_MAIN(TEST(a_job_runs_on_another_thread_and_its_result_comes_back),
          TEST(others_run_while_a_job_blocks),
          TEST(a_pool_of_one_takes_two_jobs_and_counts_them),
          TEST(jobs_run_first_in_first_out),
          TEST(threads_are_started_when_there_is_work_up_to_the_maximum),
          TEST(raising_the_maximum_begins_what_waits),
          TEST(lowering_the_maximum_ends_threads_after_their_job),
          TEST(a_maximum_out_of_range_is_refused),
          TEST(an_idle_thread_ends_after_a_while),
          TEST(one_job_after_the_other_needs_one_thread),
          TEST(the_thread_that_worked_last_is_the_next_to_work),
          TEST(the_maximum_of_the_processs_pool_is_a_setting),
          TEST(no_signal_of_the_program_reaches_a_job),
          TEST(an_offload_of_a_job_runs_inline), TEST(threads_share_a_pool),
          TEST(on_the_hub_it_is_refused),
          TEST(many_hubs_offload_with_deadlines_that_race))
