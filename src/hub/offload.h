/* SPDX-License-Identifier: MIT */
/* hub/offload.h - what the two halves of the offload pool tell each other:
 * offload.c, the greenlets that wait, and offload_pool.c, the threads. */
#ifndef TN_HUB_OFFLOAD_H
#define TN_HUB_OFFLOAD_H

#include <pthread.h>
#include <tendril/offload.h>

#include "hub/remote.h"

enum { TN__OFFLOAD_THREADS_MAX = 1024 };

/* Where a job is; guarded by the pool's lock. */
enum tn__job_state {
    TN__JOB_QUEUED,  /* on the pool's queue */
    TN__JOB_RUNNING, /* a thread is at it */
    TN__JOB_ENDED,   /* fn has returned; its waiter is being told */
    TN__JOB_LOST     /* it could not be told: its hub's thread ends */
};

/* A job: on the stack of the greenlet that waits for it; in malloc'ed memory
 * if it may be left behind. */
struct tn__job {
    struct tn__list link; /* on the pool's queue while QUEUED */
    struct tn__remote remote;
    tn_offload_pool *pool; /* a reference, until the wait is over */
    tn_offload_fn fn;
    void *arg;
    void (*free_fn)(void *arg); /* or NULL */
    long result;                /* once ENDED */
    uint8_t state;              /* enum tn__job_state */
    bool is_detached;           /* may be left behind */
    bool is_left;               /* nobody waits: its thread frees it */
};

struct tn_offload_pool {
    struct tn__list link;  /* among all pools, for fork() */
    pthread_mutex_t lock;  /* of everything below but refs */
    pthread_cond_t lost;   /* a job has become LOST */
    struct tn__list queue; /* struct tn__job, oldest first */
    struct tn__list idle;  /* struct worker, the last to become so first */
    uint32_t refs;         /* atomic: owner, threads, waiting greenlets */
    uint32_t threads_max;
    uint32_t n_threads;
    uint32_t n_idle;
    uint32_t n_queued;
    uint32_t n_running;
    uint64_t n_done;
    bool is_closed; /* its owner has given it up */
};

/* The process's pool, made if there is none. NULL without memory for that. */
tn_offload_pool *tn__offload_default(void);

/* This thread is one of some pool, within a job. */
bool tn__offload_is_worker(void);

/* Queue a job, which keeps a reference of the pool. 0 or -ENOMEM. */
int tn__offload_submit(tn_offload_pool *pool, struct tn__job *job);

/* Take a job off the queue; it is QUEUED, and the lock is held. */
void tn__offload_dequeue(struct tn__job *job);

/* Free a detached job and what it was given. */
void tn__offload_free_job(struct tn__job *job);

void tn__offload_pool_unref(tn_offload_pool *pool);

#endif /* TN_HUB_OFFLOAD_H */
