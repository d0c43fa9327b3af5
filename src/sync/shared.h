/* SPDX-License-Identifier: MIT */
/* sync/shared.h - what objects that are shared between threads have in common:
 * a lock, a count of references, and lists of greenlets that wait. */
#ifndef TN_SYNC_SHARED_H
#define TN_SYNC_SHARED_H

#include <pthread.h>

#include "hub/remote.h"

/* The head of such an object. */
struct tn__shared {
    pthread_mutex_t lock; /* of all of the object but refs */
    uint32_t refs;        /* atomic */
};

/* A greenlet that waits, on its stack. All but `remote` belongs to the lock. */
struct tn__shared_waiter {
    struct tn__remote remote;
    struct tn__list link;      /* on a list of the object until `is_given` */
    struct tn__shared *object; /* not owned: its caller has a reference */
    void *item;                /* what it sends, or was sent */
    int result;                /* of its call, once `is_given` */
    bool is_given;             /* somebody has ended the wait */
};

void tn__shared_init(struct tn__shared *s);

/* Give a reference back. True if it was the last: the caller frees the object,
 * whose head is no more. */
bool tn__shared_unref(struct tn__shared *s);

/* What every call sees to at entry: 0, or what it must return. *ret_hub is the
 * thread's hub or NULL. */
int tn__shared_enter(tn_time deadline, struct tn_hub **ret_hub);

/* Wait on `list`. The lock is held, and is not when this returns. The result of
 * the call, or why the wait ended. A thread without a hub gets one. */
int tn__shared_wait(struct tn__shared *s, struct tn__list *list,
                    struct tn__shared_waiter *w, tn_time deadline,
                    const char *what);

/* End the wait of the first on `list` with `result`. If it receives, *item is
 * what it gets; if it sends, *item becomes what it sent. False when nobody
 * waits. The lock is held. */
bool tn__shared_give(struct tn__list *list, int result, void **item,
                     bool is_receiver);

#endif /* TN_SYNC_SHARED_H */
