/* SPDX-License-Identifier: MIT */
/* tests/support/jobs.c - see jobs.h. */
#include "support/jobs.h"

void open_gate(struct gate *gate)
{
    sem_init(&gate->begun, 0, 0);
    sem_init(&gate->may_end, 0, 0);
}

void await(sem_t *sem)
{
    while (sem_wait(sem) < 0)
        assert_result(errno, EINTR);
}

long pass(void *arg)
{
    struct gate *gate = arg;

    sem_post(&gate->begun);
    await(&gate->may_end);
    return 7;
}

tn_offload_pool *make_pool(int threads_max)
{
    tn_offload_pool *pool;

    assert_result(tn_offload_pool_new(threads_max, &pool), 0);
    return pool;
}

struct tn_offload_stats look(tn_offload_pool *pool)
{
    struct tn_offload_stats stats = {.size = sizeof stats};

    assert_result(tn_offload_pool_stats(pool, &stats), 0);
    return stats;
}

static int use(void *arg)
{
    struct user *u = arg;

    u->is_called = true;
    u->r = tn_offload_pool_run(u->pool, pass, &u->gate, u->deadline);
    u->next = tn_yield();
    return 0;
}

void start_user_with(tn_greenlet_fn fn, struct user *u, tn_offload_pool *pool,
                     tn_time deadline)
{
    open_gate(&u->gate);
    u->pool = pool;
    u->deadline = deadline;
    u->is_called = false;
    u->g = spawn(fn, u);
    while (!u->is_called)
        assert_result(tn_yield(), 0);
}

void start_user(struct user *u, tn_offload_pool *pool, tn_time deadline)
{
    start_user_with(use, u, pool, deadline);
}

long add_one(void *arg)
{
    return ++*(int *)arg;
}
