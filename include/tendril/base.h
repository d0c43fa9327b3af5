/* SPDX-License-Identifier: MIT */
/* tendril/base.h - declarations that every other header needs: export marks,
 * time, and the version.
 *
 * Ownership  Nothing here allocates.
 * Blocking   Nothing here waits.
 * Threads    Every function may be called from any thread.
 * Manual     tendril(7), tn_errors(7).
 *
 * Errors     Functions return 0 or a positive count, or a negative errno; they
 *            never set errno. The values with a meaning of their own:
 *              -ETIME      a deadline of ours passed; the object is usable
 *              -EAGAIN     it would wait, and TN_NOWAIT was given
 *              -ECANCELED  this greenlet was killed; leave
 *              -EBADF      closed by another greenlet during the wait
 *              -EDEADLK    nothing can ever end this wait
 *              -EINVAL     the call was wrong; nothing was changed          */
#ifndef TN_BASE_H
#define TN_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
# define TN_BEGIN_DECLS extern "C" {
# define TN_END_DECLS }
#else
# define TN_BEGIN_DECLS
# define TN_END_DECLS
#endif

#if defined(__GNUC__)
# define TN_API __attribute__((visibility("default")))
# define TN_MUST __attribute__((warn_unused_result))
#else
# define TN_API
# define TN_MUST
#endif

TN_BEGIN_DECLS

/* A point in time: nanoseconds of CLOCK_MONOTONIC. Under the simulated loop
 * the clock is virtual. Every function that may wait takes an absolute
 * deadline of this type as its last argument. */
typedef int64_t tn_time;

/* Do the operation if that takes no waiting, else return -EAGAIN. */
#define TN_NOWAIT ((tn_time)0)

/* No deadline. */
#define TN_FOREVER ((tn_time)INT64_MAX)

/* The time now on this thread's hub's clock. */
TN_API tn_time tn_now(void);

/* A deadline that lies the given span after now. A span below zero counts as
 * zero; one that would overflow gives TN_FOREVER. */
TN_API tn_time tn_after_ns(int64_t ns);
TN_API tn_time tn_after_us(int64_t us);
TN_API tn_time tn_after_ms(int64_t ms);
TN_API tn_time tn_after_s(int64_t s);

/* The version of the library that runs, as "0.1.0". A static string. */
TN_API const char *tn_version(void);

TN_END_DECLS
#endif /* TN_BASE_H */
