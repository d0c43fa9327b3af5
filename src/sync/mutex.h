/* SPDX-License-Identifier: MIT */
/* sync/mutex.h - what conditions must know of mutexes. */
#ifndef TN_SYNC_MUTEX_H
#define TN_SYNC_MUTEX_H

#include <tendril/lock.h>

#include "sync/waitq.h"

/* One who waits for a mutex. */
struct tn__mutex_waiter {
    struct tn__waitq_node node; /* on tn_mutex.waiters, or on a condition's */
    int result;                 /* once woken: 0, it is the owner now; or
                                 * -EOWNERDEAD */
    bool is_signalled;          /* in tn_cond_wait(): the condition was
                                 * signalled; it waits for the mutex */
};

struct tn_mutex {
    struct tn_hub *hub;        /* not owned */
    struct tn_greenlet *owner; /* NULL: not locked. It may have ended, and its
                                 * block be another's: see owner_id */
    uint64_t owner_id;         /* the id that `owner` had when it locked */
    size_t depth;              /* times the owner has locked it; 0: free */
    struct tn__waitq waiters;  /* of struct tn__mutex_waiter */
    tn_link watch;             /* on the owner's end, while anybody waits */
    bool is_recursive;
    bool is_broken; /* an owner ended; see tn_mutex_repair() */
};

/* Whether the greenlet that runs holds it. */
bool tn__mutex_is_mine(const struct tn_mutex *m);

/* The owner gives it up, however often it has locked it. */
void tn__mutex_pass_on(struct tn_mutex *m);

/* Make the greenlet that runs the owner. 0; -EOWNERDEAD when it is broken;
 * -EBUSY when it is locked. */
int tn__mutex_try(struct tn_mutex *m);

/* See to it that those who wait for the mutex, which is locked, hear of the end
 * of its owner. */
void tn__mutex_watch(struct tn_mutex *m);

#endif /* TN_SYNC_MUTEX_H */
