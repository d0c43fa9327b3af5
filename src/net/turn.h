/* SPDX-License-Identifier: MIT */
/* net/turn.h - the right to read, or to write: one greenlet at a time, in
 * order. */
#ifndef TN_NET_TURN_H
#define TN_NET_TURN_H

#include "sync/waitq.h"

struct tn__turn {
    bool is_taken;
    struct tn__waitq waiters;
};

static inline void tn__turn_init(struct tn__turn *turn)
{
    turn->is_taken = false;
    tn__waitq_init(&turn->waiters);
}

/* 0, or why it could not be had. */
static inline int tn__turn_take(struct tn_hub *h, struct tn__turn *turn,
                                tn_time deadline, const char *what)
{
    struct tn__waitq_node node;

    if (TN_LIKELY(!turn->is_taken)) {
        turn->is_taken = true;
        return 0;
    }
    return tn__waitq_wait(h, &turn->waiters, &node, deadline, what);
}

static inline void tn__turn_give(struct tn__turn *turn)
{
    TN_ASSERT(turn->is_taken);
    if (!tn__waitq_wake_one(&turn->waiters))
        turn->is_taken = false; /* else it is the next one's already */
}

#endif /* TN_NET_TURN_H */
