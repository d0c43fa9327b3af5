/* SPDX-License-Identifier: MIT */
/* tests/support/jobs.h - offloaded jobs that begin and end when told. */
#ifndef TN_TESTS_JOBS_H
#define TN_TESTS_JOBS_H

#include <semaphore.h>

#include "support/green.h"

/* A job that tells when it has begun and ends when it is told. */
struct gate {
    sem_t begun;
    sem_t may_end;
};

/* A greenlet that offloads such a job, which returns 7. */
struct user {
    struct gate gate;
    tn_offload_pool *pool;
    tn_time deadline;
    tn_greenlet *g;
    bool is_called; /* it has called the offload */
    long r, next;   /* what the offload returned, and the next call */
};

tn_offload_pool *make_pool(int threads_max);
struct tn_offload_stats look(tn_offload_pool *pool);

void open_gate(struct gate *gate);

/* sem_wait(). */
void await(sem_t *sem);

/* The job itself: arg is a struct gate. */
long pass(void *arg);

/* Another job: adds one to an int and returns it. */
long add_one(void *arg);

/* Until it waits. */
void start_user(struct user *u, tn_offload_pool *pool, tn_time deadline);

/* The same, with a function of the caller's that sets is_called. */
void start_user_with(tn_greenlet_fn fn, struct user *u, tn_offload_pool *pool,
                     tn_time deadline);

#endif /* TN_TESTS_JOBS_H */
