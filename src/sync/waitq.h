/* SPDX-License-Identifier: MIT */
/* sync/waitq.h - greenlets that wait for an object, first come first served.
 *
 * A waiter's node lies on its own stack; what an object hands it (an item, a
 * unit, a lock) belongs into a struct around the node. Who wakes a waiter has
 * given it the result: it will return 0 whatever else happens to it, so take
 * what was promised off the object at that moment. A waiter that leaves for
 * another reason has been given nothing, and is off the queue.
 *
 * A public call that may wait:
 *     int r = tn__wait_enter(e->hub, deadline);
 *
 *     if (r < 0)
 *         return r;
 *     if (the operation is possible now) {
 *         do it
 *         tn__hub_tick(e->hub);
 *         return 0;
 *     }
 *     return tn__waitq_wait(e->hub, &e->waiters, &node, deadline, "tn_x"); */
#ifndef TN_SYNC_WAITQ_H
#define TN_SYNC_WAITQ_H

#include "base/list.h"
#include "hub/hub.h"
#include "hub/switch.h"

struct tn__waitq {
    struct tn__list nodes; /* of struct tn__waitq_node, oldest first */
};

struct tn__waitq_node {
    struct tn__list link;  /* on tn__waitq.nodes; by itself: on none */
    struct tn_greenlet *g; /* who waits */
    uint8_t is_done;       /* it has been given what it waits for */
};

/* What every call that may wait does first: 0, -EXDEV when `hub`, the object's,
 * is not this thread's, or what kill, scopes and the hub say at entry. */
static inline int tn__wait_enter(struct tn_hub *hub, tn_time deadline)
{
    if (TN_UNLIKELY(hub != tn__hub_peek()))
        return -EXDEV;
    if (TN_UNLIKELY(hub->current->alert))
        return tn__hub_alert(hub, hub->current, deadline);
    return 0;
}

static inline void tn__waitq_init(struct tn__waitq *q)
{
    tn__list_init(&q->nodes);
}

/* The object is being freed: nobody may be waiting. (Those of a hub that is
 * gone are gone with it.) */
static inline void tn__waitq_fini(struct tn_hub *hub, const struct tn__waitq *q)
{
    TN_ASSERT(hub != tn__hub_peek() || tn__list_is_empty(&q->nodes));
}

static inline bool tn__waitq_is_empty(const struct tn__waitq *q)
{
    return tn__list_is_empty(&q->nodes);
}

/* The one that has waited longest; the queue is not empty. */
static inline struct tn__waitq_node *tn__waitq_first(const struct tn__waitq *q)
{
    return TN_CONTAINER(q->nodes.next, struct tn__waitq_node, link);
}

/* The greenlet that runs is now the last in `q`; it is about to park. */
static inline void tn__waitq_add(struct tn_hub *h, struct tn__waitq *q,
                                 struct tn__waitq_node *node)
{
    node->g = h->current;
    node->is_done = 0;
    tn__list_insert(&q->nodes, &node->link);
}

/* Take `node` off its queue, done, and make its greenlet runnable. */
static inline void tn__waitq_wake(struct tn__waitq_node *node)
{
    TN_ASSERT(!node->is_done);
    tn__list_remove(&node->link);
    node->is_done = 1;
    tn__hub_wake(node->g);
}

/* Wake the one that has waited longest. It, or NULL if nobody waits: its node
 * stays where it is until the caller gives way. */
static inline struct tn__waitq_node *tn__waitq_wake_one(struct tn__waitq *q)
{
    struct tn__waitq_node *node;

    if (tn__waitq_is_empty(q))
        return NULL;
    node = tn__waitq_first(q);
    tn__waitq_wake(node);
    return node;
}

/* Wake all, in order. Returns how many. */
static inline size_t tn__waitq_wake_all(struct tn__waitq *q)
{
    size_t n = 0;

    while (tn__waitq_wake_one(q))
        n++;
    return n;
}

/* Wait at the end of `q` until woken. 0; -EAGAIN for TN_NOWAIT (which counts
 * against the tick, so that who tries in a loop lets others run); -ETIME
 * -ECANCELED -EDEADLK -ENOMEM: not woken, and off the queue. `node` needs no
 * preparation. `what` is a static string: the public call's name. */
int tn__waitq_wait(struct tn_hub *h, struct tn__waitq *q,
                   struct tn__waitq_node *node, tn_time deadline,
                   const char *what);

#endif /* TN_SYNC_WAITQ_H */
