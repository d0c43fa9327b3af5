/* SPDX-License-Identifier: MIT */
/* tendril/hubs.h - greenlets for the hubs of other threads, and threads with a
 * hub each, to use several CPUs.
 *
 * Ownership  tn_hubs_start() gives the handle to the caller; tn_hubs_join()
 *            takes it back.
 * Blocking   tn_hubs_join() waits. tn_hubs_start() blocks its thread until the
 *            others have their hubs. Nothing else here waits.
 * Threads    Every function may be called from any thread; tn_hubs_join() by
 *            one.
 * Manual     tn_hubs(3).  Example: examples/hubs.c.
 */
#ifndef TN_HUBS_H
#define TN_HUBS_H

#include <tendril/base.h>
#include <tendril/greenlet.h>
#include <tendril/hub.h>

TN_BEGIN_DECLS

typedef struct tn_hubs tn_hubs;

/* Runs as a greenlet of thread number `index`. Returns 0 or a negative errno.
 */
typedef int (*tn_hubs_fn)(int index, void *arg);

/* Spawn a detached greenlet on `hub`. `options` may be NULL, and is copied. It
 * runs when that hub does; the order of calls is kept. If it cannot be made
 * there, the error hook of that hub is told.
 * 0, -EINVAL, -ENOMEM; -ESRCH when the hub's thread has ended. */
TN_API TN_MUST int tn_spawn_on(tn_hub *hub,
                               const struct tn_greenlet_options *options,
                               tn_greenlet_fn fn, void *arg);

/* Start `n` threads (0: one for each CPU that this process may use) with a hub
 * each, that run fn(index, arg) and then whatever has been spawned there, until
 * that has ended. Without `fn` they wait for what is spawned on them, until
 * tn_hubs_stop().
 * 0, -EINVAL, -ENOMEM, -EAGAIN (no more threads), or why one got no hub; none
 * runs then. */
TN_API TN_MUST int tn_hubs_start(int n, tn_hubs_fn fn, void *arg,
                                 tn_hubs **ret_hubs);

/* How many there are, and the hub of one: valid until tn_hubs_join(). NULL for
 * a number that is out of range. */
TN_API int tn_hubs_count(const tn_hubs *hubs);
TN_API tn_hub *tn_hubs_at(const tn_hubs *hubs, int index);

/* Kill `fn` on each hub. What else runs there ends by itself. */
TN_API void tn_hubs_stop(tn_hubs *hubs);

/* Wait until all have ended, and free `hubs`. *ret_result (may be NULL) is what
 * the first that failed returned, or 0; one killed by tn_hubs_stop() that
 * returns -ECANCELED has not failed. On an error `hubs` stays:
 * -ETIME -EAGAIN -ECANCELED -EDEADLK -ENOMEM -EINVAL. */
TN_API TN_MUST int tn_hubs_join(tn_hubs *hubs, int *ret_result,
                                tn_time deadline);

TN_END_DECLS
#endif /* TN_HUBS_H */
