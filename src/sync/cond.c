/* SPDX-License-Identifier: MIT */
/* sync/cond.c - conditions. Signalling moves a waiter from the condition's
 * queue to the mutex's: it would only have woken to wait for the mutex, which
 * the signaller holds. So its one wait ends when it has both.
 *
 * It must come back with the mutex even when it was killed or late. Its wait
 * for the mutex is then shielded: the kill stays pending, and what it leaves
 * with was decided before: 0 if it was signalled, which is a result that
 * happened, else the reason why it left. */
#include <errno.h>
#include <stdlib.h>
#include <tendril/timeout.h>

#include "hub/waitable.h"
#include "sync/mutex.h"

struct tn_cond {
    tn_mutex *mutex;          /* not owned */
    struct tn__waitq waiters; /* of struct tn__mutex_waiter */
};

int tn_cond_new(tn_mutex *m, tn_cond **ret_cond)
{
    tn_cond *c;

    if (!m || !ret_cond)
        return -EINVAL;
    if (m->hub != tn__hub_peek())
        return -EXDEV;
    c = malloc(sizeof *c);
    if (!c)
        return -ENOMEM;
    c->mutex = m;
    tn__waitq_init(&c->waiters);
    *ret_cond = c;
    return 0;
}

void tn_cond_free(tn_cond *c)
{
    if (!c)
        return;
    tn__waitq_fini(c->mutex->hub, &c->waiters);
    free(c);
}

/* 0 if the greenlet that runs may use it: it holds the mutex. */
static int check(const tn_cond *c)
{
    if (!c)
        return -EINVAL;
    if (c->mutex->hub != tn__hub_peek())
        return -EXDEV;
    return tn__mutex_is_mine(c->mutex) ? 0 : -EPERM;
}

int tn_cond_signal_n(tn_cond *c, size_t n)
{
    int r = check(c);

    if (r < 0)
        return r;
    for (; n > 0 && !tn__waitq_is_empty(&c->waiters); n--) {
        struct tn__mutex_waiter *w = TN_CONTAINER(
            tn__waitq_first(&c->waiters), struct tn__mutex_waiter, node);

        TN_ASSERT(!w->is_signalled && !w->node.is_done);
        w->is_signalled = true;
        tn__list_remove(&w->node.link);
        tn__list_insert(&c->mutex->waiters.nodes, &w->node.link);
        tn__mutex_watch(c->mutex);
    }
    return 0;
}

int tn_cond_signal(tn_cond *c)
{
    return tn_cond_signal_n(c, 1);
}

int tn_cond_broadcast(tn_cond *c)
{
    return tn_cond_signal_n(c, SIZE_MAX);
}

/* Its wait has ended without the mutex: get it. 0, -EOWNERDEAD, -EDEADLK. */
static int take_back(tn_mutex *m, struct tn__mutex_waiter *w)
{
    tn_shield shield;
    int r;

    if (!w->is_signalled) {
        tn__list_remove(&w->node.link);
        r = tn__mutex_try(m);
        if (r != -EBUSY)
            return r;
        tn__list_insert(&m->waiters.nodes, &w->node.link);
        tn__mutex_watch(m);
    }
    tn_shield_begin(&shield, TN_FOREVER);
    r = tn__hub_park(m->hub, &w->node.is_done, TN_FOREVER, "tn_cond_wait", -1);
    tn_shield_end(&shield);
    if (r < 0)
        tn__list_remove(&w->node.link);
    return r < 0 ? r : w->result;
}

int tn_cond_wait(tn_cond *c, tn_time deadline)
{
    struct tn__mutex_waiter w = {.is_signalled = false};
    tn_mutex *m;
    size_t depth;
    int r = check(c), lock_r;

    if (r == 0)
        r = tn__wait_enter(c->mutex->hub, deadline);
    if (r < 0)
        return r;
    m = c->mutex;
    if (deadline == TN_NOWAIT) {
        tn__hub_tick(m->hub);
        return -EAGAIN;
    }
    depth = m->depth;
    tn__waitq_add(m->hub, &c->waiters, &w.node);
    tn__mutex_pass_on(m);
    r = tn__hub_park(m->hub, &w.node.is_done, deadline, "tn_cond_wait", -1);
    lock_r = r < 0 ? take_back(m, &w) : w.result;
    if (lock_r < 0)
        return lock_r;
    TN_ASSERT(tn__mutex_is_mine(m));
    m->depth = depth;
    return w.is_signalled ? 0 : r;
}
