/* SPDX-License-Identifier: MIT */
/* hub/offload_pool.c - the threads of an offload pool.
 *
 * A thread without work waits on a condition of its own, and the one that had
 * work last is woken first: so the others see that they are not needed, and end
 * when their time is over. A new job wakes an idle thread, else starts one,
 * else waits on the queue. Nothing polls.
 *
 * fork(): all locks are held while the process is copied, and the child's pools
 * begin anew: no thread, no job. What the parent's pools were at is the
 * parent's. A job that itself forks ends its thread in the child when it
 * returns there. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/own.h"
#include "base/sized.h"
#include "hub/offload.h"

enum { STACK_BYTES = 1 << 20 };

/* A thread; on its own stack. */
struct worker {
    struct tn__list link; /* on pool->idle while it has nothing to do */
    pthread_cond_t woken; /* it was taken off pool->idle */
    bool is_idle;
};

static __thread struct worker *self; /* of this thread, or NULL */

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tn__list all = {&all, &all}; /* pools; guarded by all_lock */
static tn_offload_pool *standard;          /* the process's; by all_lock */
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

bool tn__offload_is_worker(void)
{
    return self != NULL;
}

/* ---- jobs ---- */

void tn__offload_free_job(struct tn__job *job)
{
    if (job->free_fn)
        job->free_fn(job->arg);
    free(job);
}

void tn__offload_dequeue(struct tn__job *job)
{
    TN_ASSERT(job->state == TN__JOB_QUEUED && job->pool->n_queued > 0);
    tn__list_remove(&job->link);
    job->pool->n_queued--;
}

/* Do a job. False in the child of a fork() that it has made. */
static bool run_job(tn_offload_pool *pool, struct tn__job *job)
{
    const struct worker *me = self;
    bool is_left;

    job->result = job->fn(job->arg);
    if (self != me)
        return false;
    TN_OWN(pthread_mutex_lock(&pool->lock));
    pool->n_running--;
    pool->n_done++;
    job->state = TN__JOB_ENDED;
    is_left = job->is_left;
    pthread_mutex_unlock(&pool->lock);
    if (is_left) {
        tn__offload_free_job(job);
    } else if (tn__remote_finish(&job->remote) < 0) {
        TN_OWN(pthread_mutex_lock(&pool->lock));
        job->state = TN__JOB_LOST;
        pthread_cond_broadcast(&pool->lost);
        pthread_mutex_unlock(&pool->lock);
    }
    return true;
}

/* ---- threads ---- */

static struct timespec idle_until(void)
{
    tn_time at = tn__clock_after(tn__clock_now(),
                                 tn__config_number(TN__CONFIG_OFFLOAD_IDLE));

    return (struct timespec){.tv_sec = (time_t)(at / 1000000000),
                             .tv_nsec = (long)(at % 1000000000)};
}

/* Wait until there is something to do. False when its time is over. */
static bool rest(tn_offload_pool *pool, struct worker *me)
{
    const struct timespec until = idle_until();
    int r = 0;

    me->is_idle = true;
    tn__list_insert(pool->idle.next, &me->link);
    pool->n_idle++;
    while (me->is_idle && r == 0)
        r = TN_OWN(pthread_cond_timedwait(&me->woken, &pool->lock, &until));
    if (!me->is_idle)
        return true;
    tn__list_remove(&me->link);
    pool->n_idle--;
    return false;
}

static void wake_one(tn_offload_pool *pool)
{
    struct worker *w = TN_CONTAINER(pool->idle.next, struct worker, link);

    TN_ASSERT(w->is_idle && pool->n_idle > 0);
    tn__list_remove(&w->link);
    w->is_idle = false;
    pool->n_idle--;
    pthread_cond_signal(&w->woken);
}

/* Work until there is none for long, or there are too many threads. The lock is
 * held, also in the end. False in the child of a fork(). */
static bool serve(tn_offload_pool *pool, struct worker *me)
{
    while (pool->n_threads <= pool->threads_max) {
        struct tn__job *job;

        if (tn__list_is_empty(&pool->queue)) {
            if (pool->is_closed || !rest(pool, me))
                break;
            continue;
        }
        job = TN_CONTAINER(pool->queue.next, struct tn__job, link);
        tn__offload_dequeue(job);
        job->state = TN__JOB_RUNNING;
        pool->n_running++;
        pthread_mutex_unlock(&pool->lock);
        if (!run_job(pool, job))
            return false;
        TN_OWN(pthread_mutex_lock(&pool->lock));
    }
    return true;
}

static void init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

/* Signals go to threads of the program's own; but a fault in a job is the
 * business of whoever handles faults. */
static void block_signals(sigset_t *before)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                                 SIGTRAP, SIGSYS, SIGABRT};
    sigset_t signals;

    sigfillset(&signals);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&signals, faults[i]);
    pthread_sigmask(SIG_SETMASK, &signals, before);
}

static void *worker_main(void *pool);

/* The lock is held: so nobody counts on a thread that then cannot start. */
static int start_thread(tn_offload_pool *pool)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t before;
    int r;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    __atomic_add_fetch(&pool->refs, 1, __ATOMIC_RELAXED);
    pool->n_threads++;
    block_signals(&before);
    r = pthread_create(&thread, &attr, worker_main, pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (r == 0)
        return 0;
    pool->n_threads--;
    __atomic_sub_fetch(&pool->refs, 1, __ATOMIC_RELAXED);
    return -ENOMEM;
}

/* See to it that a thread comes for one more job. -ENOMEM when there is none at
 * all that could. */
static int call_thread(tn_offload_pool *pool)
{
    int r = 0;

    if (pool->n_idle > 0)
        wake_one(pool);
    else if (pool->n_threads < pool->threads_max)
        r = start_thread(pool);
    return pool->n_threads > 0 ? 0 : r;
}

static void *worker_main(void *arg)
{
    tn_offload_pool *pool = arg;
    struct worker me = {.is_idle = false};

    pthread_setname_np(pthread_self(), "tn-offload");
    init_cond(&me.woken);
    self = &me;
    TN_OWN(pthread_mutex_lock(&pool->lock));
    if (!serve(pool, &me))
        return NULL;
    pool->n_threads--;
    if (pool->n_queued > 0)
        call_thread(pool); /* it may have been the one woken for a job */
    pthread_mutex_unlock(&pool->lock);
    self = NULL;
    pthread_cond_destroy(&me.woken);
    tn__offload_pool_unref(pool);
    return NULL;
}

int tn__offload_submit(tn_offload_pool *pool, struct tn__job *job)
{
    int r;

    job->state = TN__JOB_QUEUED;
    TN_OWN(pthread_mutex_lock(&pool->lock));
    tn__list_insert(&pool->queue, &job->link);
    pool->n_queued++;
    r = call_thread(pool);
    if (r < 0)
        tn__offload_dequeue(job);
    pthread_mutex_unlock(&pool->lock);
    return r;
}

/* ---- fork ---- */

/* Call fn for each pool. all_lock is held. */
static void each_pool(void (*fn)(tn_offload_pool *pool))
{
    for (struct tn__list *n = all.next; n != &all; n = n->next)
        fn(TN_CONTAINER(n, struct tn_offload_pool, link));
}

static void lock_pool(tn_offload_pool *pool)
{
    TN_OWN(pthread_mutex_lock(&pool->lock));
}

static void unlock_pool(tn_offload_pool *pool)
{
    pthread_mutex_unlock(&pool->lock);
}

static void begin_anew(tn_offload_pool *pool)
{
    tn__list_init(&pool->queue);
    tn__list_init(&pool->idle);
    pool->n_threads = pool->n_idle = pool->n_queued = pool->n_running = 0;
    pool->refs = 1;
    pthread_cond_init(&pool->lost, NULL); /* nobody waits on it here */
    pthread_mutex_unlock(&pool->lock);
}

static void before_fork(void)
{
    TN_OWN(pthread_mutex_lock(&all_lock));
    each_pool(lock_pool);
}

static void in_parent(void)
{
    each_pool(unlock_pool);
    pthread_mutex_unlock(&all_lock);
}

static void in_child(void)
{
    self = NULL;
    each_pool(begin_anew);
    pthread_mutex_unlock(&all_lock);
}

static void watch_fork(void)
{
    int r = pthread_atfork(before_fork, in_parent, in_child);

    TN_ASSERT(r == 0);
}

/* ---- pools ---- */

static tn_offload_pool *make_pool(uint32_t threads_max)
{
    tn_offload_pool *pool = calloc(1, sizeof *pool);

    if (!pool)
        return NULL;
    pthread_once(&fork_once, watch_fork);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->lost, NULL);
    tn__list_init(&pool->queue);
    tn__list_init(&pool->idle);
    pool->refs = 1;
    pool->threads_max = threads_max;
    return pool;
}

tn_offload_pool *tn__offload_default(void)
{
    tn_offload_pool *pool;

    pthread_once(&fork_once, watch_fork);
    TN_OWN(pthread_mutex_lock(&all_lock));
    if (!standard) {
        standard =
            make_pool((uint32_t)tn__config_number(TN__CONFIG_OFFLOAD_THREADS));
        if (standard)
            tn__list_insert(&all, &standard->link);
    }
    pool = standard;
    pthread_mutex_unlock(&all_lock);
    return pool;
}

void tn__offload_pool_unref(tn_offload_pool *pool)
{
    if (__atomic_sub_fetch(&pool->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    TN_ASSERT(pool->n_threads == 0 && tn__list_is_empty(&pool->queue));
    TN_OWN(pthread_mutex_lock(&all_lock));
    tn__list_remove(&pool->link);
    pthread_mutex_unlock(&all_lock);
    pthread_cond_destroy(&pool->lost);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

int tn_offload_pool_new(int threads_max, tn_offload_pool **ret_pool)
{
    tn_offload_pool *pool;

    if (threads_max < 0 || threads_max > TN__OFFLOAD_THREADS_MAX || !ret_pool)
        return -EINVAL;
    pool = make_pool((uint32_t)threads_max);
    if (!pool)
        return -ENOMEM;
    TN_OWN(pthread_mutex_lock(&all_lock));
    tn__list_insert(&all, &pool->link);
    pthread_mutex_unlock(&all_lock);
    *ret_pool = pool;
    return 0;
}

/* Bring the number of threads to what is wanted now. The lock is held. */
static int adjust(tn_offload_pool *pool)
{
    uint32_t n = pool->n_queued;
    int r = 0;

    while (pool->n_idle > 0 &&
           (pool->is_closed || pool->n_threads > pool->threads_max))
        wake_one(pool);
    while (n-- > 0 && r == 0 && pool->n_threads < pool->threads_max)
        r = start_thread(pool);
    return pool->n_threads > 0 ? 0 : r;
}

void tn_offload_pool_free(tn_offload_pool *pool)
{
    if (!pool)
        return;
    TN_OWN(pthread_mutex_lock(&pool->lock));
    TN_ASSERT(!pool->is_closed);
    pool->is_closed = true;
    if (pool->threads_max == 0)
        pool->threads_max = 1;
    adjust(pool);
    pthread_mutex_unlock(&pool->lock);
    tn__offload_pool_unref(pool);
}

/* ---- asking and setting ---- */

int tn_offload_pool_set_threads(tn_offload_pool *pool, int threads_max)
{
    int r;

    if (threads_max < 0 || threads_max > TN__OFFLOAD_THREADS_MAX)
        return -EINVAL;
    pool = pool ? pool : tn__offload_default();
    if (!pool)
        return -ENOMEM;
    TN_OWN(pthread_mutex_lock(&pool->lock));
    pool->threads_max = (uint32_t)threads_max;
    r = adjust(pool);
    pthread_mutex_unlock(&pool->lock);
    return r;
}

int tn_offload_pool_stats(tn_offload_pool *pool, struct tn_offload_stats *stats)
{
    struct tn_offload_stats full = {.size = sizeof full};

    pool = pool ? pool : tn__offload_default();
    if (!pool)
        return -ENOMEM;
    TN_OWN(pthread_mutex_lock(&pool->lock));
    full.threads_max = pool->threads_max;
    full.threads = pool->n_threads;
    full.idle = pool->n_idle;
    full.queued = pool->n_queued;
    full.running = pool->n_running;
    full.done = pool->n_done;
    pthread_mutex_unlock(&pool->lock);
    return tn__sized_write(stats, &full, sizeof full);
}
