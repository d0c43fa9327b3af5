/* SPDX-License-Identifier: MIT */
/* hub/offload.c - greenlets that have work done by the threads of a pool.
 *
 * A job's node lies on the stack of the greenlet that waits for it, so a wait
 * allocates nothing. A greenlet that is to leave its wait looks at the job
 * under the pool's lock. One that no thread has begun is taken off the queue.
 * One that was begun refers to the caller's memory: the greenlet goes on
 * waiting, firmly. Only a detached job, which owns what it works on and is
 * malloc'ed, is left to its thread, which then frees it.
 *
 * When the OS thread of a hub ends while greenlets of it wait for jobs, the
 * thread waits for those that were begun: their memory is on its stacks. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "hub/offload.h"
#include "base/own.h"
#include "hub/timeout.h"

enum fate {
    FATE_TAKEN, /* off the queue: it never runs */
    FATE_LEFT,  /* its thread has it alone now */
    FATE_STAYS  /* it runs, or has ended: its waiter must wait */
};

/* What becomes of a job whose waiter wants to leave. */
static enum fate give_up(struct tn_hub *h, struct tn__job *job)
{
    tn_offload_pool *pool = job->pool;
    enum fate fate = FATE_STAYS;

    TN_OWN(pthread_mutex_lock(&pool->lock));
    if (job->state == TN__JOB_QUEUED) {
        tn__offload_dequeue(job);
        fate = FATE_TAKEN;
    } else if (job->state == TN__JOB_RUNNING && job->is_detached) {
        fate = FATE_LEFT;
    }
    if (fate != FATE_STAYS)
        tn__remote_end(h, &job->remote);
    job->is_left = fate == FATE_LEFT;
    pthread_mutex_unlock(&pool->lock);
    return fate;
}

/* The hub's thread ends, and nobody is going to wait any more. */
static void leave(struct tn__attached *a)
{
    struct tn__job *job = TN_CONTAINER(a, struct tn__job, remote.attached);
    tn_offload_pool *pool = job->pool;
    bool is_mine = job->is_detached;

    if (!job->remote.is_done) {
        TN_OWN(pthread_mutex_lock(&pool->lock));
        if (job->state == TN__JOB_QUEUED) {
            tn__offload_dequeue(job);
        } else if (job->state == TN__JOB_RUNNING && job->is_detached) {
            job->is_left = true;
            is_mine = false;
        } else {
            while (job->state != TN__JOB_LOST)
                TN_OWN(pthread_cond_wait(&pool->lost, &pool->lock));
        }
        pthread_mutex_unlock(&pool->lock);
    }
    if (is_mine)
        tn__offload_free_job(job);
    tn__offload_pool_unref(pool);
}

/* Submit and wait. 0: it has ended. A negative errno: it was not begun, or is
 * left (*ret_fate). */
static int perform(struct tn_hub *h, struct tn__job *job, tn_time deadline,
                   enum fate *ret_fate)
{
    static const char what[] = "tn_offload";
    int r;

    tn__remote_begin(h, &job->remote, leave);
    *ret_fate = FATE_TAKEN;
    r = tn__offload_submit(job->pool, job);
    if (r < 0) {
        tn__remote_end(h, &job->remote);
        return r;
    }
    r = tn__remote_wait(h, &job->remote, deadline, what);
    if (r < 0) {
        *ret_fate = give_up(h, job);
        if (*ret_fate != FATE_STAYS)
            return r;
        tn__hub_park_firmly(h, &job->remote.is_done, what);
    }
    TN_ASSERT(job->state == TN__JOB_ENDED);
    tn__remote_end(h, &job->remote);
    return 0;
}

/* What every offload sees to at its entry. 0: submit it to *ret_pool; 1: run it
 * here; else the error. */
static int enter(tn_offload_pool *pool, tn_time deadline,
                 struct tn_hub **ret_hub, tn_offload_pool **ret_pool)
{
    struct tn_hub *h = tn__hub_peek();
    bool is_inline = tn__offload_is_worker();
    int r;

    if (!h && !is_inline) {
        r = tn__hub_self(&h);
        if (r < 0)
            return r;
    }
    if (h && h->current->alert) {
        r = tn__hub_alert(h, h->current, deadline);
        if (r)
            return r;
    }
    if (is_inline)
        return 1;
    if (deadline == TN_NOWAIT) {
        tn__hub_tick(h);
        return -EAGAIN;
    }
    *ret_hub = h;
    *ret_pool = pool ? pool : tn__offload_default();
    return *ret_pool ? 0 : -ENOMEM;
}

long tn_offload_pool_run(tn_offload_pool *pool, tn_offload_fn fn, void *arg,
                         tn_time deadline)
{
    struct tn__job job = {.fn = fn, .arg = arg};
    struct tn_hub *h;
    enum fate fate;
    int r;

    if (!fn)
        return -EINVAL;
    r = enter(pool, deadline, &h, &job.pool);
    if (r < 0)
        return r;
    if (r > 0)
        return fn(arg);
    __atomic_add_fetch(&job.pool->refs, 1, __ATOMIC_RELAXED);
    r = perform(h, &job, deadline, &fate);
    tn__offload_pool_unref(job.pool);
    return r < 0 ? r : job.result;
}

long tn_offload(tn_offload_fn fn, void *arg, tn_time deadline)
{
    return tn_offload_pool_run(NULL, fn, arg, deadline);
}

/* ---- detached ---- */

static int run_detached(struct tn_hub *h, struct tn__job *job, long *ret_result,
                        tn_time deadline)
{
    tn_offload_pool *pool = job->pool;
    enum fate fate;
    int r;

    __atomic_add_fetch(&pool->refs, 1, __ATOMIC_RELAXED);
    r = perform(h, job, deadline, &fate);
    if (r == 0) {
        if (ret_result)
            *ret_result = job->result;
        free(job);
    } else if (fate == FATE_TAKEN) {
        tn__offload_free_job(job);
    }
    tn__offload_pool_unref(pool);
    return r;
}

int tn_offload_pool_detached(tn_offload_pool *pool, tn_offload_fn fn, void *arg,
                             void (*free_fn)(void *arg), long *ret_result,
                             tn_time deadline)
{
    struct tn__job *job = NULL;
    struct tn_hub *h;
    int r;

    if (!fn)
        return -EINVAL;
    r = enter(pool, deadline, &h, &pool);
    if (r > 0) {
        long result = fn(arg);

        if (ret_result)
            *ret_result = result;
        return 0;
    }
    if (r == 0) {
        job = malloc(sizeof *job);
        r = job ? 0 : -ENOMEM;
    }
    if (r < 0) {
        if (free_fn)
            free_fn(arg);
        return r;
    }
    *job = (struct tn__job){.pool = pool,
                            .fn = fn,
                            .arg = arg,
                            .free_fn = free_fn,
                            .is_detached = true};
    return run_detached(h, job, ret_result, deadline);
}

int tn_offload_detached(tn_offload_fn fn, void *arg, void (*free_fn)(void *arg),
                        long *ret_result, tn_time deadline)
{
    return tn_offload_pool_detached(NULL, fn, arg, free_fn, ret_result,
                                    deadline);
}
