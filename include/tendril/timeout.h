/* SPDX-License-Identifier: MIT */
/* tendril/timeout.h - deadlines for whole blocks of code, and shields.
 *
 * A timeout scope bounds every call that waits between its begin and its end:
 * once it has expired, they all return -ETIME. Scopes nest. Who wins when
 * several things are due at once, everywhere the same:
 *   at entry of a call   kill, outermost expired scope, the operation, the
 *                        call's own deadline
 *   when it wakes        a result that happened, kill, outermost expired
 *                        scope, the call's own deadline
 * A shield hides from the code inside it a kill and every scope outside it,
 * until the shield's own bound has passed: gevent's `finally`.
 *
 * Ownership  The caller's storage, on the stack of the greenlet that begins it.
 *            Begin and end belong in one function, in nested order.
 * Blocking   Nothing here waits.
 * Threads    A scope belongs to the greenlet that began it.
 * Manual     tn_timeout(3), tn_cancelation(7).  Example: examples/patience.c.
 */
#ifndef TN_TIMEOUT_H
#define TN_TIMEOUT_H

#include <tendril/base.h>

TN_BEGIN_DECLS

/* All fields but `fired` are private. */
typedef struct tn_timeout {
    int fired; /* 1 if this scope gave the last -ETIME */
    int tn__state;
    struct tn_timeout *tn__outer;
    void *tn__owner;
    tn_time tn__when;
    uint32_t tn__slot;
    uint32_t tn__kind;
    void *tn__reserved[2];
} tn_timeout;

typedef tn_timeout tn_shield;

/* Begin a scope that expires at `deadline`. TN_FOREVER never expires; a time
 * that has passed (TN_NOWAIT too) expires when the hub next polls. When the
 * timer cannot be stored, waiting calls inside return -ENOMEM. */
TN_API void tn_timeout_begin(tn_timeout *t, tn_time deadline);

/* End the scope: it must be the innermost one. */
TN_API void tn_timeout_end(tn_timeout *t);

/* Give a scope that is open a new deadline. If it had expired, it has not. */
TN_API void tn_timeout_reset(tn_timeout *t, tn_time deadline);

/* Hide a kill, and the scopes outside, until `bound`. */
TN_API void tn_shield_begin(tn_shield *s, tn_time bound);
TN_API void tn_shield_end(tn_shield *s);

/* 0, or what a waiting call would return at entry: -ECANCELED or -ETIME (then
 * `fired` is set as by such a call). For long computations: it looks at the
 * clock when a scope is open, and never waits. */
TN_API int tn_check(void);

TN_END_DECLS
#endif /* TN_TIMEOUT_H */
