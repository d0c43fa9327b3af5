/* SPDX-License-Identifier: MIT */
/* tendril/offload.h - blocking and computing work on threads of a pool, while
 * only the calling greenlet waits.
 *
 * Every process has one pool, used where a pool is NULL; a program may make
 * more. Threads are started when there is work for them, up to a maximum, and
 * end when they have had none for a while (5 s). Jobs run first in, first out.
 *
 * Ownership  `arg` stays the caller's, who waits until the job is done. With
 *            tn_offload_detached() it may become the job's: see there.
 * Blocking   tn_offload(), tn_offload_detached() and their counterparts for
 *            pools wait. Nothing else here does.
 * Threads    Every function may be called from any thread. Called by a job,
 *            on a thread of a pool, an offload runs inline.
 * Manual     tn_offload(3).  Example: examples/offload.c.
 */
#ifndef TN_OFFLOAD_H
#define TN_OFFLOAD_H

#include <tendril/base.h>

TN_BEGIN_DECLS

typedef struct tn_offload_pool tn_offload_pool;

/* The job: runs on a thread of the pool, with all signals but those of its own
 * faults blocked, on a stack of 1 MiB. */
typedef long (*tn_offload_fn)(void *arg);

struct tn_offload_stats {
    size_t size;          /* the caller's: sizeof(it) */
    uint32_t threads_max; /* as set */
    uint32_t threads;     /* that exist */
    uint32_t idle;        /* of these, without a job */
    uint32_t queued;      /* jobs that no thread has begun */
    uint32_t running;     /* jobs that a thread has begun */
    uint64_t done;        /* jobs that have ended */
};

/* Have fn(arg) run on a thread of the process's pool, and wait for it. Returns
 * what it returned. If it was not begun: -ECANCELED or -ETIME when a kill, a
 * scope or `deadline` came first (the job is taken back), -EAGAIN for
 * TN_NOWAIT, -EDEADLK on the hub, -ENOMEM without memory or threads. Once it
 * was begun the call waits until it has ended, and a kill stays pending. */
TN_API TN_MUST long tn_offload(tn_offload_fn fn, void *arg, tn_time deadline);

/* The same, but a job that was begun is left behind when a kill, a scope or
 * `deadline` comes. 0: it has ended, *ret_result (may be NULL) is what it
 * returned, and `arg` is the caller's. An error: `arg` is not the caller's any
 * more; free_fn(arg) is called once, when the job has ended or at once if it
 * was not begun, on any thread. `free_fn` may be NULL. (-EINVAL: without `fn`;
 * nothing happened.) */
TN_API TN_MUST int tn_offload_detached(tn_offload_fn fn, void *arg,
                                       void (*free_fn)(void *arg),
                                       long *ret_result, tn_time deadline);

/* A pool of its own, of at most `threads_max` threads (0 to 1,024; with 0 jobs
 * wait until there may be more). 0, -EINVAL, -ENOMEM. */
TN_API TN_MUST int tn_offload_pool_new(int threads_max,
                                       tn_offload_pool **ret_pool);

/* Give it up. NULL is ignored. What is queued or running is still done; the
 * threads end, and the last one frees the memory. Does not wait. */
TN_API void tn_offload_pool_free(tn_offload_pool *pool);

/* As tn_offload() and tn_offload_detached(), on `pool`. */
TN_API TN_MUST long tn_offload_pool_run(tn_offload_pool *pool, tn_offload_fn fn,
                                        void *arg, tn_time deadline);
TN_API TN_MUST int tn_offload_pool_detached(tn_offload_pool *pool,
                                            tn_offload_fn fn, void *arg,
                                            void (*free_fn)(void *arg),
                                            long *ret_result, tn_time deadline);

/* Change the maximum. More: threads start for what is queued. Fewer: those too
 * many end, after the job that they are at. -EINVAL outside 0 to 1,024;
 * -ENOMEM when jobs wait and no thread can be started. */
TN_API int tn_offload_pool_set_threads(tn_offload_pool *pool, int threads_max);

/* How the pool stands now. 0; -EINVAL when stats->size was not set; -ENOMEM. */
TN_API int tn_offload_pool_stats(tn_offload_pool *pool,
                                 struct tn_offload_stats *stats);

TN_END_DECLS
#endif /* TN_OFFLOAD_H */
