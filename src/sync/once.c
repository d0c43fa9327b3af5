/* SPDX-License-Identifier: MIT */
/* sync/once.c - a function that is to succeed once. The state is the caller's,
 * and may be static: then greenlets of several hubs may come upon it, and one
 * of them wins the right to run by an atomic exchange. Those of its own hub
 * wait behind it, and a failure hands the right to the first of them; those of
 * another hub cannot. All fields but the state belong to the hub that runs. */
#include <errno.h>
#include <tendril/lock.h>

#include "sync/waitq.h"

enum { ONCE_NEW, ONCE_RUNNING, ONCE_DONE };

struct waiter {
    struct tn__waitq_node node; /* on the queue in tn_once */
    bool is_done;               /* woken because another has succeeded; else
                                 * it is its turn */
};

_Static_assert(sizeof(struct tn__waitq) == sizeof(((tn_once *)0)->tn__waiters),
               "tn_once holds a struct tn__waitq");

static struct tn__waitq *queue_of(tn_once *once)
{
    return (struct tn__waitq *)(void *)once->tn__waiters;
}

int tn_once_is_done(const tn_once *once)
{
    return once &&
           __atomic_load_n(&once->tn__state, __ATOMIC_ACQUIRE) == ONCE_DONE;
}

/* Get the right to run the function: 1. 0 when another has succeeded; -EBUSY
 * when another of this hub runs it; -EXDEV when one of another hub does. */
static int try_begin(tn_once *once, struct tn_hub *h)
{
    int state = ONCE_NEW;

    if (__atomic_compare_exchange_n(&once->tn__state, &state, ONCE_RUNNING,
                                    false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_ACQUIRE)) {
        tn__waitq_init(queue_of(once));
        __atomic_store_n(&once->tn__hub, h, __ATOMIC_RELAXED);
        return 1;
    }
    if (state == ONCE_DONE)
        return 0;
    return __atomic_load_n(&once->tn__hub, __ATOMIC_RELAXED) == h ? -EBUSY
                                                                  : -EXDEV;
}

/* It was successful: nobody need wait any more. */
static void succeed(tn_once *once)
{
    struct tn__waitq *q = queue_of(once);

    while (!tn__waitq_is_empty(q)) {
        struct waiter *w =
            TN_CONTAINER(tn__waitq_first(q), struct waiter, node);

        w->is_done = true;
        tn__waitq_wake(&w->node);
    }
    once->tn__owner = NULL;
    __atomic_store_n(&once->tn__hub, NULL, __ATOMIC_RELAXED);
    __atomic_store_n(&once->tn__state, ONCE_DONE, __ATOMIC_RELEASE);
}

/* It failed: it is the turn of the first who waits. */
static void fail(tn_once *once)
{
    struct tn__waitq_node *node = tn__waitq_wake_one(queue_of(once));

    once->tn__owner = node ? node->g : NULL;
    if (node)
        return;
    __atomic_store_n(&once->tn__hub, NULL, __ATOMIC_RELAXED);
    __atomic_store_n(&once->tn__state, ONCE_NEW, __ATOMIC_RELEASE);
}

int tn_once_run(tn_once *once, tn_greenlet_fn fn, void *arg, tn_time deadline)
{
    struct waiter w = {.is_done = false};
    struct tn_hub *h;
    int r;

    if (!once || !fn)
        return -EINVAL;
    r = tn__hub_self(&h);
    if (r == 0)
        r = tn__wait_enter(h, deadline);
    if (r < 0)
        return r;
    r = try_begin(once, h);
    if (r == 0) {
        tn__hub_tick(h);
        return 0;
    }
    if (r == -EBUSY) {
        if (once->tn__owner == h->current)
            return -EDEADLK;
        r = tn__waitq_wait(h, queue_of(once), &w.node, deadline, "tn_once_run");
        if (r == 0 && w.is_done)
            return 0;
    }
    if (r < 0)
        return r;
    TN_ASSERT(!tn_once_is_done(once));
    once->tn__owner = h->current;
    r = fn(arg);
    if (r < 0)
        fail(once);
    else
        succeed(once);
    tn__hub_tick(h);
    return r < 0 ? r : 0;
}
