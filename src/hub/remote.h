/* SPDX-License-Identifier: MIT */
/* hub/remote.h - a wait that another thread ends. Its node lies on the stack of
 * the greenlet that waits; the other thread finishes it with a post.
 *
 * Who may still touch the node, and when, is settled under a lock of whoever
 * uses this: a waiter that leaves early must first see to it that nobody will
 * finish the node, or else wait for that firmly. */
#ifndef TN_HUB_REMOTE_H
#define TN_HUB_REMOTE_H

#include "hub/hub.h"

struct tn__remote {
    struct tn__post post;         /* what finishes it */
    struct tn__attached attached; /* for the end of the hub's thread */
    struct tn_hub *hub;           /* not owned: it outlives the wait */
    struct tn_greenlet *g;        /* who waits */
    uint8_t is_done;              /* written on the hub's thread only */
};

/* The current greenlet of `h` is about to wait. While it does, something
 * outside may wake the hub. When the hub's thread ends during the wait, leave()
 * is called: once it returns nobody may touch `r`. */
void tn__remote_begin(struct tn_hub *h, struct tn__remote *r,
                      void (*leave)(struct tn__attached *a));

/* As tn__hub_park(), until it is finished. */
static inline int tn__remote_wait(struct tn_hub *h, struct tn__remote *r,
                                  tn_time deadline, const char *what)
{
    return tn__hub_park(h, &r->is_done, deadline, what, -1);
}

/* The wait is over; nobody will touch `r` any more. */
void tn__remote_end(struct tn_hub *h, struct tn__remote *r);

/* Finish it; `r` may be gone when this returns 0. From any thread. -ESRCH: the
 * hub's thread has ended, the node was left alone, and leave() is yet to come
 * or waits for the caller's lock. */
int tn__remote_finish(struct tn__remote *r);

#endif /* TN_HUB_REMOTE_H */
