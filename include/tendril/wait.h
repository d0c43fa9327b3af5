/* SPDX-License-Identifier: MIT */
/* tendril/wait.h - anything that can be waited for, and waiting for several.
 *
 * A tn_waitable is a face of an object: of the end of a greenlet, of an event,
 * a result, a semaphore. tn_X_waitable() gives it.
 *
 * Ownership  A waitable is part of its object and lives as long as that. Links
 *            are the caller's storage. An object must not be freed while
 *            anybody waits for it here, nor before tn_waits_end().
 * Blocking   Functions that take a deadline may switch greenlets; no other
 *            function here does.
 * Threads    A waitable belongs to the hub of its object; calls from another
 *            thread are -EXDEV.
 * Manual     tn_wait(3).  Example: examples/awaits.c.
 */
#ifndef TN_WAIT_H
#define TN_WAIT_H

#include <tendril/base.h>
#include <tendril/greenlet.h> /* tn_link */

TN_BEGIN_DECLS

typedef struct tn_waitable tn_waitable;

/* Called once when `w` has become ready; see tn_waitable_link(). It runs on the
 * hub and may not wait: a waiting call in it returns -EDEADLK. */
typedef void (*tn_ready_fn)(tn_waitable *w, void *arg);

/* The end of `g`, as something to wait for: ready when `g` has ended. NULL for
 * NULL. The caller keeps a reference while it uses it. */
TN_API tn_waitable *tn_greenlet_waitable(tn_greenlet *g);

/* 1 if a wait for `w` would be over at once. */
TN_API int tn_waitable_is_ready(const tn_waitable *w);

/* Have fn(w, arg) called on the hub once, when `w` next becomes ready, after
 * those linked before it; soon, if it is ready now. What is ready may have
 * changed again by then. Returns 0, -EINVAL (an argument is NULL) or -EXDEV. */
TN_API int tn_waitable_link(tn_waitable *w, tn_link *link, tn_ready_fn fn,
                            void *arg);

/* Take the link off; it will not be called, also when its call is due already.
 * Harmless when it is not linked. The same as tn_greenlet_unlink(). */
TN_API void tn_waitable_unlink(tn_link *link);

/* Wait until one of the n is ready, and store its place in *ret_index (which
 * may be NULL): of several that are ready now, the first; else the first to
 * become so. The same one may be given more than once. Nothing is taken from
 * it, and it may have changed again when this returns.
 *   0; -ETIME -EAGAIN -ECANCELED -EDEADLK as everywhere
 *   -ENOMEM  n is above 16, and there is no memory for so many
 *   -EINVAL  n is 0, or one is NULL; -EXDEV */
TN_API TN_MUST int tn_wait_any(tn_waitable *const *ws, size_t n,
                               size_t *ret_index, tn_time deadline);

/* Wait until `count` of the n have been ready (all if it is 0, or above n), and
 * store their places in ret_order[], which may be NULL, in the order in which
 * they became so. Each counts once.
 * Returns how many: fewer than asked for when the wait ended early and some had
 * been ready by then. When none had been, the errors of tn_wait_any(). */
TN_API TN_MUST long tn_wait_all(tn_waitable *const *ws, size_t n, size_t count,
                                size_t *ret_order, tn_time deadline);

/* The same one by one: begin, next until it returns no more, end. */
typedef struct tn_waits tn_waits;

/* Begin to watch all n. What becomes ready from now on is noticed also while
 * the caller does something else. Nothing of `ws` is kept.
 * 0, -EINVAL, -EXDEV, -ENOMEM. */
TN_API TN_MUST int tn_waits_begin(tn_waitable *const *ws, size_t n,
                                  tn_waits **ret_waits);

/* Wait until the next one is ready and store its place.
 *   1  there was one
 *   0  all have been
 *   -ETIME -EAGAIN -ECANCELED -EDEADLK -ENOMEM as everywhere; it may be called
 *      again; -EINVAL; -EXDEV; -EBUSY another greenlet waits in it */
TN_API TN_MUST int tn_waits_next(tn_waits *waits, size_t *ret_index,
                                 tn_time deadline);

/* Stop watching, at any time, and free it. NULL is ignored. */
TN_API void tn_waits_end(tn_waits *waits);

TN_END_DECLS
#endif /* TN_WAIT_H */
