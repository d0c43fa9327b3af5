/* SPDX-License-Identifier: MIT */
/* sync/rwlock.c - many readers or one writer, first come first served: a reader
 * that comes while anybody waits waits behind them, so neither readers nor
 * writers can starve the others. The lock is handed over: when it becomes free,
 * the first who waits has it, and all readers that follow it up to the next
 * writer. Readers are counted and not known, so a read lock may be given up by
 * another greenlet. */
#include <errno.h>
#include <stdlib.h>
#include <tendril/lock.h>

#include "sync/waitq.h"

struct waiter {
    struct tn__waitq_node node; /* on tn_rwlock.waiters */
    bool is_writer;
};

struct tn_rwlock {
    struct tn_hub *hub;       /* not owned */
    struct tn__waitq waiters; /* of struct waiter */
    size_t n_readers;         /* that hold it */
    uint64_t writer_id;       /* of the greenlet that holds it; 0: none does */
};

int tn_rwlock_new(tn_rwlock **ret_lock)
{
    struct tn_hub *h;
    tn_rwlock *l;
    int r;

    if (!ret_lock)
        return -EINVAL;
    r = tn__hub_self(&h);
    if (r < 0)
        return r;
    l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    l->hub = h;
    tn__waitq_init(&l->waiters);
    *ret_lock = l;
    return 0;
}

void tn_rwlock_free(tn_rwlock *l)
{
    if (!l)
        return;
    tn__waitq_fini(l->hub, &l->waiters);
    free(l);
}

/* Give it to `id`, if it can have it now. */
static bool take(tn_rwlock *l, bool is_writer, uint64_t id)
{
    if (l->writer_id || (is_writer && l->n_readers))
        return false;
    if (is_writer)
        l->writer_id = id;
    else
        l->n_readers++;
    return true;
}

/* Give it to those who wait and can have it now. */
static void pass_on(tn_rwlock *l)
{
    while (!tn__waitq_is_empty(&l->waiters)) {
        struct waiter *w =
            TN_CONTAINER(tn__waitq_first(&l->waiters), struct waiter, node);

        if (!take(l, w->is_writer, w->node.g->id))
            return;
        tn__waitq_wake(&w->node);
    }
}

static int lock(tn_rwlock *l, bool is_writer, tn_time deadline,
                const char *what)
{
    struct waiter w = {.is_writer = is_writer};
    int r = l ? tn__wait_enter(l->hub, deadline) : -EINVAL;

    if (r < 0)
        return r;
    if (l->writer_id == l->hub->current->id)
        return -EDEADLK;
    if (tn__waitq_is_empty(&l->waiters) &&
        take(l, is_writer, l->hub->current->id)) {
        tn__hub_tick(l->hub);
        return 0;
    }
    r = tn__waitq_wait(l->hub, &l->waiters, &w.node, deadline, what);
    if (r < 0)
        pass_on(l); /* it may have kept those behind it waiting */
    return r;
}

int tn_rwlock_rdlock(tn_rwlock *l, tn_time deadline)
{
    return lock(l, false, deadline, "tn_rwlock_rdlock");
}

int tn_rwlock_wrlock(tn_rwlock *l, tn_time deadline)
{
    return lock(l, true, deadline, "tn_rwlock_wrlock");
}

int tn_rwlock_unlock(tn_rwlock *l)
{
    if (!l)
        return -EINVAL;
    if (l->hub != tn__hub_peek())
        return -EXDEV;
    TN_ASSERT(!l->writer_id || !l->n_readers);
    if (l->writer_id == l->hub->current->id)
        l->writer_id = 0;
    else if (l->n_readers > 0)
        l->n_readers--;
    else
        return -EPERM;
    pass_on(l);
    return 0;
}
