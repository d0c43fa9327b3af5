/* SPDX-License-Identifier: MIT */
/* tests/support/waits.h - every call that waits for something, in one shape, so
 * that a test can put each of them into each situation. */
#ifndef TN_TESTS_WAITS_H
#define TN_TESTS_WAITS_H

#include "support/green.h"

struct wait {
    int fds[4];         /* -1: not open; the call waits on fds[0] */
    tn_greenlet *other; /* whose end it waits for; a reference, or NULL */
    uint8_t is_let_go;  /* tells `other` to end */
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
    long closed;        /* what it returns when fds[0] is closed meanwhile */
    bool is_descriptor; /* it waits on fds[0]: the loop sees that it is
                         * satisfied; else the call of satisfy() is it */
};

extern const struct wait_kind wait_kinds[];
extern const size_t n_wait_kinds;

/* Give back what open() took. */
void wait_end(struct wait *w);

#endif /* TN_TESTS_WAITS_H */
