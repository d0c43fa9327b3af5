/* SPDX-License-Identifier: MIT */
/* sync/barrier.c - greenlets that go on together. One that leaves before the
 * last has come would keep the others waiting for ever, so it breaks the
 * barrier, and they all learn of it. */
#include <errno.h>
#include <stdlib.h>
#include <tendril/lock.h>

#include "sync/waitq.h"

struct waiter {
    struct tn__waitq_node node; /* on tn_barrier.waiters */
    int result;                 /* once woken */
};

struct tn_barrier {
    struct tn_hub *hub;       /* not owned */
    struct tn__waitq waiters; /* of struct waiter; empty while it is broken */
    unsigned n;               /* how many go on together */
    unsigned n_waiting;       /* how many of them wait */
    bool is_broken;
};

int tn_barrier_new(unsigned n, tn_barrier **ret_barrier)
{
    struct tn_hub *h;
    tn_barrier *b;
    int r;

    if (n == 0 || n > INT32_MAX || !ret_barrier)
        return -EINVAL;
    r = tn__hub_self(&h);
    if (r < 0)
        return r;
    b = calloc(1, sizeof *b);
    if (!b)
        return -ENOMEM;
    b->hub = h;
    b->n = n;
    tn__waitq_init(&b->waiters);
    *ret_barrier = b;
    return 0;
}

void tn_barrier_free(tn_barrier *b)
{
    if (!b)
        return;
    tn__waitq_fini(b->hub, &b->waiters);
    free(b);
}

/* Let all who wait go, each with its number, or with an error. */
static void let_go(tn_barrier *b, int error)
{
    int n = 0;

    while (!tn__waitq_is_empty(&b->waiters)) {
        struct waiter *w =
            TN_CONTAINER(tn__waitq_first(&b->waiters), struct waiter, node);

        w->result = error ? error : n++;
        tn__waitq_wake(&w->node);
    }
    b->n_waiting = 0;
}

static void break_it(tn_barrier *b)
{
    b->is_broken = true;
    let_go(b, -EPIPE);
}

int tn_barrier_wait(tn_barrier *b, tn_time deadline)
{
    struct waiter w;
    int r = b ? tn__wait_enter(b->hub, deadline) : -EINVAL;

    if (r < 0)
        return r;
    if (b->is_broken) {
        tn__hub_tick(b->hub);
        return -EPIPE;
    }
    if (b->n_waiting + 1 == b->n) {
        let_go(b, 0);
        tn__hub_tick(b->hub);
        return (int)(b->n - 1);
    }
    if (deadline == TN_NOWAIT) {
        tn__hub_tick(b->hub);
        return -EAGAIN;
    }
    b->n_waiting++;
    r = tn__waitq_wait(b->hub, &b->waiters, &w.node, deadline,
                       "tn_barrier_wait");
    if (r == 0)
        return w.result;
    TN_ASSERT(b->n_waiting > 0);
    break_it(b);
    return r;
}

static int check(const tn_barrier *b)
{
    if (!b)
        return -EINVAL;
    return b->hub == tn__hub_peek() ? 0 : -EXDEV;
}

int tn_barrier_abort(tn_barrier *b)
{
    int r = check(b);

    if (r == 0)
        break_it(b);
    return r;
}

int tn_barrier_reset(tn_barrier *b)
{
    int r = check(b);

    if (r == 0) {
        let_go(b, -EPIPE);
        b->is_broken = false;
    }
    return r;
}

unsigned tn_barrier_waiting(const tn_barrier *b)
{
    return b ? b->n_waiting : 0;
}

int tn_barrier_is_broken(const tn_barrier *b)
{
    return b && b->is_broken;
}
