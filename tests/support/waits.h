/* SPDX-License-Identifier: MIT */
/* tests/support/waits.h - every call that waits for something, in one shape, so
 * that a test can put each of them into each situation. */
#ifndef TN_TESTS_WAITS_H
#define TN_TESTS_WAITS_H

#include <semaphore.h>

#include "support/green.h"

struct wait {
    int fds[4];         /* -1: not open; the call waits on fds[0] */
    tn_greenlet *other; /* whose end it waits for; a reference, or NULL */
    uint8_t is_let_go;  /* tells `other` to end */
    void *object;       /* what it waits for, of a kind of its own; or NULL */
    void (*free)(struct wait *w); /* gives `object` back; or NULL */
    tn_offload_pool *pool; /* its one thread is busy for `other`; or NULL */
    sem_t may_work;        /* until this */
    tn_shared_event *event;     /* what it waits for; or NULL */
    tn_shared_channel *channel; /* the same */
};

struct wait_kind {
    const char *name;
    /* Make it so that the call waits. */
    void (*open)(struct wait *w);
    /* The call. Whatever it gives the caller is given back. */
    long (*call)(struct wait *w, tn_time deadline);
    /* Make it so that the call succeeds; NULL for a sleep, which only its own
     * deadline ends well. */
    void (*satisfy)(struct wait *w);
    long good;          /* what the call returns then */
    long closed;        /* what it returns when fds[0] is closed meanwhile; 0:
                         * it cannot be closed */
    bool is_descriptor; /* it waits on fds[0]: the loop sees that it is
                         * satisfied; else the call of satisfy() is it */
    bool allocates;        /* before it waits: it makes something that may
                            * outlive the wait */
    bool (*is_here)(void); /* this machine has it; NULL: every one has */
    bool is_never_at_once; /* it waits also when it was satisfied before */
};

extern const struct wait_kind wait_kinds[];
extern const size_t n_wait_kinds;

/* Give back what open() took. */
void wait_end(struct wait *w);

#endif /* TN_TESTS_WAITS_H */
