/* SPDX-License-Identifier: MIT */
/* tests/unit/test_detached.c - what kills, deadlines, ends of threads and forks
 * do to offloaded work, awaited and detached (S80j, S80k, S128). */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/jobs.h"

/* ---- kills and deadlines ---- */

static void a_job_not_begun_is_taken_back_by_a_kill(void)
{
    tn_offload_pool *pool = make_pool(0);
    struct user u;

    start_user(&u, pool, TN_FOREVER);
    assert_int_equal(look(pool).queued, 1);
    assert_result(tn_kill(u.g, TN_FOREVER), 0);
    assert_result(join(u.g), 0);
    assert_result(u.r, -ECANCELED);
    assert_int_equal(look(pool).queued, 0);
    tn_offload_pool_free(pool);
}

static void a_job_not_begun_is_taken_back_at_its_deadline(void)
{
    tn_offload_pool *pool = make_pool(0);
    struct user u;

    start_user(&u, pool, tn_after_ms(1));
    assert_result(join(u.g), 0);
    assert_result(u.r, -ETIME);
    assert_result(u.next, 0);
    assert_int_equal(look(pool).queued, 0);
    assert_result(tn_offload_pool_run(pool, pass, &u, TN_NOWAIT), -EAGAIN);
    tn_offload_pool_free(pool);
}

static void a_job_begun_is_awaited_and_the_kill_stays_pending(void)
{
    tn_offload_pool *pool = make_pool(1);
    struct user u;

    start_user(&u, pool, tn_after_ms(1));
    await(&u.gate.begun);
    assert_result(tn_kill(u.g, TN_NOWAIT), -EAGAIN);
    assert_result(tn_sleep(tn_after_ms(2)), 0); /* and the deadline passes */
    assert_result(tn_greenlet_state(u.g), TN_GREENLET_WAITING);
    sem_post(&u.gate.may_end);
    assert_result(join(u.g), 0);
    assert_result(u.r, 7);
    assert_result(u.next, -ECANCELED);
    tn_offload_pool_free(pool);
}

static void a_job_that_runs_is_no_deadlock(void)
{
    struct heard heard;

    hear_errors(&heard);
    for (int i = 0; i < 100; i++) {
        int n = i;

        assert_result(tn_offload(add_one, &n, TN_FOREVER), i + 1);
    }
    assert_int_equal(heard.n, 0);
}

/* ---- detached ---- */

static int n_freed;
static sem_t freed;

static void count_free(void *arg)
{
    (void)arg;
    __atomic_add_fetch(&n_freed, 1, __ATOMIC_RELAXED);
    sem_post(&freed);
}

static int use_detached(void *arg)
{
    struct user *u = arg;
    long result = -1;

    u->is_called = true;
    u->r = tn_offload_pool_detached(u->pool, pass, &u->gate, count_free,
                                    &result, u->deadline);
    if (u->r == 0)
        u->r = result;
    return 0;
}

static void start_detached(struct user *u, tn_offload_pool *pool)
{
    sem_init(&freed, 0, 0);
    n_freed = 0;
    start_user_with(use_detached, u, pool, TN_FOREVER);
}

static void a_detached_job_gives_its_result_and_its_argument_back(void)
{
    tn_offload_pool *pool = make_pool(1);
    struct user u;

    start_detached(&u, pool);
    sem_post(&u.gate.may_end);
    assert_result(join(u.g), 0);
    assert_result(u.r, 7);
    assert_int_equal(n_freed, 0);
    tn_offload_pool_free(pool);
}

/* S128 */
static void a_detached_job_is_left_behind_and_ends_harmlessly(void)
{
    tn_offload_pool *pool = make_pool(1);
    struct user u;

    start_detached(&u, pool);
    await(&u.gate.begun);
    assert_result(tn_kill(u.g, TN_FOREVER), 0);
    assert_result(join(u.g), 0);
    assert_result(u.r, -ECANCELED);
    assert_int_equal(look(pool).running, 1);
    assert_int_equal(n_freed, 0);
    sem_post(&u.gate.may_end);
    await(&freed);
    assert_int_equal(look(pool).running, 0);
    assert_int_equal(n_freed, 1);
    tn_offload_pool_free(pool);
}

static void a_detached_job_not_begun_is_freed_at_once(void)
{
    tn_offload_pool *pool = make_pool(0);
    struct user u;

    start_detached(&u, pool);
    assert_result(tn_kill(u.g, TN_FOREVER), 0);
    assert_result(join(u.g), 0);
    assert_result(u.r, -ECANCELED);
    assert_int_equal(n_freed, 1);
    assert_int_equal(look(pool).queued, 0);
    tn_offload_pool_free(pool);
}

/* S80j */
static void a_detached_job_that_was_refused_is_freed(void)
{
    n_freed = 0;
    assert_result(tn_offload_detached(pass, NULL, count_free, NULL, TN_NOWAIT),
                  -EAGAIN);
    assert_int_equal(n_freed, 1);
    assert_result(tn_offload_detached(NULL, NULL, count_free, NULL, TN_FOREVER),
                  -EINVAL);
    assert_int_equal(n_freed, 1);
}

static void a_pool_given_up_ends_what_it_has(void)
{
    tn_offload_pool *pool = make_pool(1);
    struct user u, queued;

    start_detached(&u, pool);
    await(&u.gate.begun);
    start_user(&queued, pool, TN_FOREVER);
    assert_result(tn_kill(u.g, TN_FOREVER), 0);
    tn_offload_pool_free(pool);
    assert_result(join(u.g), 0);
    sem_post(&u.gate.may_end);
    sem_post(&queued.gate.may_end);
    await(&freed);
    assert_result(join(queued.g), 0);
    assert_result(queued.r, 7);
}

/* ---- threads that end, forks ---- */

static struct user left[3];
static int have_left;

static void *leave_jobs_behind(void *arg)
{
    tn_offload_pool *pool = arg;

    start_detached(&left[0], pool);
    await(&left[0].gate.begun);
    start_user(&left[1], pool, TN_FOREVER);
    await(&left[1].gate.begun);
    start_user(&left[2], pool, TN_FOREVER);
    assert_int_equal(look(pool).queued, 1);
    __atomic_store_n(&have_left, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void a_thread_that_ends_awaits_the_jobs_begun_and_drops_the_rest(void)
{
    tn_offload_pool *pool = make_pool(2);
    pthread_t thread;

    have_left = 0;
    assert_result(pthread_create(&thread, NULL, leave_jobs_behind, pool), 0);
    while (!__atomic_load_n(&have_left, __ATOMIC_ACQUIRE) ||
           look(pool).queued > 0)
        sched_yield();
    assert_int_equal(look(pool).running, 2);
    sem_post(&left[1].gate.may_end);
    assert_result(pthread_join(thread, NULL), 0);
    assert_int_equal(look(pool).queued, 0);
    assert_int_equal(look(pool).running, 1); /* the detached one */
    assert_int_equal(n_freed, 0);
    sem_post(&left[0].gate.may_end);
    await(&freed);
    tn_offload_pool_free(pool);
}

static void offload_in_child(void)
{
    int n = 0;

    assert_int_equal(look(NULL).threads, 0);
    assert_int_equal(look(NULL).running, 0);
    for (int i = 1; i <= 20; i++)
        assert_result(tn_offload(add_one, &n, TN_FOREVER), i);
    assert_result(tn_hub_destroy(), 0);
}

/* S80k */
static void the_child_of_a_fork_has_a_fresh_pool(void)
{
    struct user u;

#if defined(__SANITIZE_THREAD__)
    test_skip("TSan knows no threads after a fork of several");
#endif
    start_user(&u, NULL, TN_FOREVER);
    await(&u.gate.begun);
    run_in_child(offload_in_child);
    sem_post(&u.gate.may_end);
    assert_result(join(u.g), 0);
    assert_result(u.r, 7);
}

static long fork_in_job(void *arg)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        return 0; /* the only thread of the child: it ends here */
    waitpid(pid, &status, 0);
    *(int *)arg = status;
    return pid > 0;
}

static void a_job_may_fork_and_return_in_the_child(void)
{
    int status = -1;

#if defined(__SANITIZE_THREAD__)
    test_skip("TSan knows no threads after a fork of several");
#endif
    if (TEST_SANITIZED)
        test_not_on("ev", "its memory looks lost at the end of the child");
    assert_result(tn_offload(fork_in_job, &status, TN_FOREVER), 1);
    assert_int_equal(status, 0);
}

TEST_MAIN(TEST(a_job_not_begun_is_taken_back_by_a_kill),
          TEST(a_job_not_begun_is_taken_back_at_its_deadline),
          TEST(a_job_begun_is_awaited_and_the_kill_stays_pending),
          TEST(a_job_that_runs_is_no_deadlock),
          TEST(a_detached_job_gives_its_result_and_its_argument_back),
          TEST(a_detached_job_is_left_behind_and_ends_harmlessly),
          TEST(a_detached_job_not_begun_is_freed_at_once),
          TEST(a_detached_job_that_was_refused_is_freed),
          TEST(a_pool_given_up_ends_what_it_has),
          TEST(a_thread_that_ends_awaits_the_jobs_begun_and_drops_the_rest),
          TEST(the_child_of_a_fork_has_a_fresh_pool),
          TEST(a_job_may_fork_and_return_in_the_child))
