/* SPDX-License-Identifier: MIT */
/* sync/waitq.c - the wait itself; see waitq.h. Who wins when a waiter is woken,
 * killed and late at once is the hub's business (hub/park.c): the flag counts
 * first, so what a waker gave is never lost. */
#include "sync/waitq.h"

int tn__waitq_wait(struct tn_hub *h, struct tn__waitq *q,
                   struct tn__waitq_node *node, tn_time deadline,
                   const char *what)
{
    int r;

    if (deadline == TN_NOWAIT) {
        tn__hub_tick(h);
        return -EAGAIN;
    }
    tn__waitq_add(h, q, node);
    r = tn__hub_park_inline(h, &node->is_done, deadline, what, -1);
    TN_ASSERT((r == 0) == node->is_done);
    if (r < 0)
        tn__list_remove(&node->link);
    return r;
}
