/* SPDX-License-Identifier: MIT */
/* tendril/result.h - a value, or an error, that comes once: gevent's
 * AsyncResult.
 *
 * Ownership  The caller owns what tn_result_new() gives. A result stores a
 *            pointer and never frees what it points to.
 * Blocking   tn_result_get() and tn_result_wait() may switch greenlets; nothing
 *            else here does.
 * Threads    A result belongs to the hub of the thread that made it; calls from
 *            another thread are -EXDEV.
 * Manual     tn_result(3).  Example: examples/crew.c.
 */
#ifndef TN_RESULT_H
#define TN_RESULT_H

#include <tendril/base.h>
#include <tendril/greenlet.h>
#include <tendril/wait.h>

TN_BEGIN_DECLS

typedef struct tn_result tn_result;

/* Make one that has neither value nor error yet. 0, -EINVAL, -ENOMEM. */
TN_API TN_MUST int tn_result_new(tn_result **ret_result);

/* Free it. NULL is ignored. Nobody may be waiting for it; links to it are
 * forgotten. */
TN_API void tn_result_free(tn_result *r);

/* Give it a value, or an error (a negative errno), and wake all who wait. The
 * first wins:
 *   -EALREADY  it has a value or an error, which stays
 *   -EINVAL    NULL, or `error` is not negative
 *   -EXDEV     the result is another hub's */
TN_API int tn_result_set(tn_result *r, void *value);
TN_API int tn_result_fail(tn_result *r, int error);

/* Nobody will give it a value: the error is -ECANCELED, and
 * tn_result_is_cancelled() tells who would have given it not to bother. Errors
 * as tn_result_set(). */
TN_API int tn_result_cancel(tn_result *r);

/* Let the end of `g` settle it: the result of `g` is the value, cast from
 * intptr_t, if it is 0 or more, and the error else. `g` is not kept.
 *   -EALREADY  it is settled
 *   -EBUSY     it follows a greenlet already
 *   -EINVAL -EXDEV */
TN_API int tn_result_follow(tn_result *r, tn_greenlet *g);

/* Wait until it is settled, then store the value in *ret_value (which may be
 * NULL) and return 0, or return the error it was given. That may be any:
 * tn_result_wait() is for those who must tell it from an error of the wait.
 *   -ETIME -EAGAIN -ECANCELED -EDEADLK -ENOMEM  the wait; -EINVAL -EXDEV */
TN_API TN_MUST int tn_result_get(tn_result *r, void **ret_value,
                                 tn_time deadline);

/* Wait until it is settled, well or not: 0. Errors are those of the wait. */
TN_API TN_MUST int tn_result_wait(tn_result *r, tn_time deadline);

/* 1 if it is settled, well or not; by tn_result_cancel(). */
TN_API int tn_result_is_done(const tn_result *r);
TN_API int tn_result_is_cancelled(const tn_result *r);

/* The error, 0 if it has a value, -EAGAIN if it is not settled. */
TN_API int tn_result_error(const tn_result *r);

/* The value; NULL if it has none. */
TN_API void *tn_result_value(const tn_result *r);

/* Ready when it is settled. NULL for NULL. */
TN_API tn_waitable *tn_result_waitable(tn_result *r);

TN_END_DECLS
#endif /* TN_RESULT_H */
