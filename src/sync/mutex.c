/* SPDX-License-Identifier: MIT */
/* sync/mutex.c - a lock with an owner. Unlocking hands it to who has waited
 * longest; it is never free while somebody waits, so nobody can barge in.
 *
 * A greenlet may end while it holds one. What the lock protects is then perhaps
 * half changed, so the lock breaks: who waits, and who tries later, gets
 * -EOWNERDEAD and not the lock, until somebody says that all is well again.
 * While somebody waits, a link to the owner tells of its end. While nobody does
 * nothing is linked, so that locking costs no more than four stores; the next
 * one to lock then finds out, by the owner's id, which no other greenlet of the
 * hub ever has (its block stays readable as long as the hub lives). */
#include "sync/mutex.h"

#include <errno.h>
#include <stdlib.h>

#include "hub/waitable.h"

int tn_mutex_new(int flags, tn_mutex **ret_mutex)
{
    struct tn_hub *h;
    tn_mutex *m;
    int r;

    if (!ret_mutex || (flags & ~TN_MUTEX_RECURSIVE))
        return -EINVAL;
    r = tn__hub_self(&h);
    if (r < 0)
        return r;
    m = calloc(1, sizeof *m);
    if (!m)
        return -ENOMEM;
    m->hub = h;
    m->is_recursive = flags & TN_MUTEX_RECURSIVE;
    tn__waitq_init(&m->waiters);
    *ret_mutex = m;
    return 0;
}

void tn_mutex_free(tn_mutex *m)
{
    if (!m)
        return;
    tn__waitq_fini(m->hub, &m->waiters);
    if (m->hub == tn__hub_peek())
        tn__waitable_unlink(&m->watch);
    free(m);
}

bool tn__mutex_is_mine(const struct tn_mutex *m)
{
    return m->depth > 0 && m->owner_id == m->hub->current->id;
}

static inline void own(struct tn_mutex *m, struct tn_greenlet *g)
{
    m->owner = g;
    m->owner_id = g->id;
    m->depth = 1;
}

/* Its owner has ended. */
static void break_it(struct tn_mutex *m)
{
    tn__waitable_unlink(&m->watch);
    m->owner = NULL;
    m->depth = 0;
    m->is_broken = true;
    while (!tn__waitq_is_empty(&m->waiters)) {
        struct tn__mutex_waiter *w = TN_CONTAINER(
            tn__waitq_first(&m->waiters), struct tn__mutex_waiter, node);

        w->result = -EOWNERDEAD;
        tn__waitq_wake(&w->node);
    }
}

static bool is_owner_gone(const struct tn_mutex *m)
{
    return m->depth > 0 &&
           (m->owner->id != m->owner_id || m->owner->state == TN_GREENLET_DONE);
}

static void owner_ended(tn_link *link)
{
    break_it(TN_CONTAINER(link, struct tn_mutex, watch));
}

void tn__mutex_watch(struct tn_mutex *m)
{
    TN_ASSERT(m->depth > 0);
    if (!m->watch.tn__waitable)
        tn__waitable_add(&m->owner->waitable, &m->watch, TN__LINK_WATCH,
                         (void (*)(void))owner_ended, NULL);
}

void tn__mutex_pass_on(struct tn_mutex *m)
{
    struct tn__mutex_waiter *w;

    if (TN_UNLIKELY(m->watch.tn__waitable != NULL))
        tn__waitable_unlink(&m->watch);
    if (TN_LIKELY(tn__waitq_is_empty(&m->waiters))) {
        m->owner = NULL;
        m->depth = 0;
        return;
    }
    w = TN_CONTAINER(tn__waitq_wake_one(&m->waiters), struct tn__mutex_waiter,
                     node);
    w->result = 0;
    own(m, w->node.g);
    if (!tn__waitq_is_empty(&m->waiters))
        tn__mutex_watch(m);
}

int tn__mutex_try(struct tn_mutex *m)
{
    if (TN_UNLIKELY(m->is_broken))
        return -EOWNERDEAD;
    if (is_owner_gone(m)) {
        break_it(m);
        return -EOWNERDEAD;
    }
    if (m->depth > 0)
        return -EBUSY;
    own(m, m->hub->current);
    return 0;
}

/* The lock is not to be had at once. */
static __attribute__((noinline)) int lock_slow(tn_mutex *m, tn_time deadline)
{
    struct tn__mutex_waiter w;
    int r;

    if (m->is_broken)
        return -EOWNERDEAD;
    if (tn__mutex_is_mine(m)) {
        if (!m->is_recursive)
            return -EDEADLK;
        m->depth++;
        tn__hub_tick(m->hub);
        return 0;
    }
    if (deadline != TN_NOWAIT)
        tn__mutex_watch(m);
    r = tn__waitq_wait(m->hub, &m->waiters, &w.node, deadline, "tn_mutex_lock");
    return r < 0 ? r : w.result;
}

int tn_mutex_lock(tn_mutex *m, tn_time deadline)
{
    int r;

    if (!m)
        return -EINVAL;
    r = tn__wait_enter(m->hub, deadline);
    if (r < 0)
        return r;
    if (TN_UNLIKELY(tn__mutex_try(m) < 0))
        return lock_slow(m, deadline);
    tn__hub_tick(m->hub);
    return 0;
}

int tn_mutex_unlock(tn_mutex *m)
{
    if (!m)
        return -EINVAL;
    if (m->hub != tn__hub_peek())
        return -EXDEV;
    if (!tn__mutex_is_mine(m))
        return -EPERM;
    if (m->depth > 1)
        m->depth--;
    else
        tn__mutex_pass_on(m);
    return 0;
}

int tn_mutex_repair(tn_mutex *m)
{
    if (!m)
        return -EINVAL;
    if (m->hub != tn__hub_peek())
        return -EXDEV;
    if (is_owner_gone(m))
        break_it(m);
    if (!m->is_broken)
        return -EINVAL;
    m->is_broken = false;
    return 0;
}

int tn_mutex_is_locked(const tn_mutex *m)
{
    return m && m->depth > 0;
}

int tn_mutex_is_mine(const tn_mutex *m)
{
    return m && m->hub == tn__hub_peek() && tn__mutex_is_mine(m);
}
