/* SPDX-License-Identifier: MIT */
/* tendril/group.h - greenlets that are looked after together: groups, pools
 * (groups with a bound), and work spread over them.
 *
 * Ownership  A group keeps no reference: a member leaves it when it ends. Items
 *            and results are the caller's.
 * Blocking   Functions that take a deadline may switch greenlets, and so does
 *            tn_imap_free(); no other function here.
 * Threads    A group belongs to the hub of the thread that made it; calls from
 *            another thread are -EXDEV.
 * Manual     tn_group(3), tn_map(3).  Example: examples/scope.c.
 */
#ifndef TN_GROUP_H
#define TN_GROUP_H

#include <stddef.h>
#include <tendril/base.h>
#include <tendril/greenlet.h>
#include <tendril/wait.h>

TN_BEGIN_DECLS

/* ---- greenlets in an array ---- */

enum {
    TN_JOIN_RAISE = 1 /* return the first failure: a negative result other than
                       * -ECANCELED */
};

/* Wait until `count` of the n greenlets have ended; 0 means all. They are those
 * that are tn_greenlet_is_done(); their references stay the caller's. With
 * TN_JOIN_RAISE in `flags`, return the result of the earliest to fail, as soon
 * as it does.
 * Returns how many have ended; -EINVAL (the caller is among them, count > n);
 * -EXDEV; -ENOMEM; -ETIME -EAGAIN -ECANCELED -EDEADLK as everywhere. */
TN_API TN_MUST int tn_joinall(tn_greenlet *const *gs, size_t n, size_t count,
                              int flags, tn_time deadline);

/* Kill all of them, and then wait for all to end, the caller excepted. Those
 * that had not started never run and are not waited for. References stay the
 * caller's. Returns as tn_kill(); -EINVAL and -EXDEV before any is killed. */
TN_API int tn_killall(tn_greenlet *const *gs, size_t n, tn_time deadline);

/* ---- groups and pools ---- */

typedef struct tn_group tn_group;

/* A pool is a group with a bound: all that works on a group works on it. */
typedef tn_group tn_pool;

/* Make an empty group, or a pool of at most `size` members (0: nobody gets in).
 * Return 0, -EINVAL, -ENOMEM, or what tn_hub_get() returns. */
TN_API TN_MUST int tn_group_new(tn_group **ret_group);
TN_API TN_MUST int tn_pool_new(size_t size, tn_pool **ret_pool);

/* Free it. Members go on as no members. Nobody may be waiting on it. NULL is
 * ignored. */
TN_API void tn_group_free(tn_group *group);

/* Spawn a member, waiting for room in a pool, first come first served. As
 * tn_spawn() otherwise. Errors: also -EXDEV, and
 *   -EAGAIN   the pool is full and `deadline` is TN_NOWAIT
 *   -ETIME    the deadline passed and there was no room
 *   -ECANCELED -EDEADLK  as everywhere */
TN_API TN_MUST int tn_group_spawn(tn_group *group, tn_greenlet_fn fn, void *arg,
                                  tn_greenlet **ret_g, tn_time deadline);

/* Make `g` a member, started or not, waiting for room as above. One that is a
 * member, or has ended: nothing. -EINVAL for main. */
TN_API TN_MUST int tn_group_add(tn_group *group, tn_greenlet *g,
                                tn_time deadline);

/* Make it a member no more; in a pool that makes room. 0; -ENOENT when it is
 * none. */
TN_API int tn_group_discard(tn_group *group, tn_greenlet *g);

/* 1 if `g` is a member. */
TN_API int tn_group_contains(const tn_group *group, const tn_greenlet *g);

/* How many members there are. */
TN_API size_t tn_group_count(const tn_group *group);

/* Wait until the group is empty, or has been for a moment since the call. With
 * TN_JOIN_RAISE, return the result of the first to fail of those that were
 * members when it was called.
 * 0; -ETIME -EAGAIN -ECANCELED; -EDEADLK also when the caller is a member. */
TN_API TN_MUST int tn_group_join(tn_group *group, int flags, tn_time deadline);

/* Kill each member, once, also by repeated calls; then wait until the group is
 * empty, killing those that become members meanwhile. Returns as tn_kill();
 * -EDEADLK also when the caller, whose kill is pending, is a member. */
TN_API int tn_group_kill(tn_group *group, tn_time deadline);

/* The group as something to wait for: ready while it is empty. */
TN_API tn_waitable *tn_group_waitable(tn_group *group);

/* How many could be spawned now without waiting; SIZE_MAX without a bound. */
TN_API size_t tn_pool_free_count(const tn_pool *pool);

/* Wait until there is room, without taking it: somebody else may.
 * 0, or errors as tn_group_spawn(). */
TN_API TN_MUST int tn_pool_wait_available(tn_pool *pool, tn_time deadline);

/* ---- work spread over a group ---- */

/* One call of a function: what it gets and what it returned. */
typedef struct tn_item {
    void *arg;
    int result;
    void *tn__private[2];
} tn_item;

/* Run fn(arg) in a member, wait for its end, and store what it returned in
 * *ret_result. Called by a member, it runs fn itself, since waiting for room
 * might never end.
 * When the wait ends early (-ETIME, -ECANCELED, ...) the member is killed and
 * waited for, so `arg` may be on the caller's stack; if it returns something
 * else than -ECANCELED all the same, that is the result. */
TN_API TN_MUST int tn_group_apply(tn_group *group, tn_greenlet_fn fn, void *arg,
                                  int *ret_result, tn_time deadline);

/* Run fn(items[i].arg) for all n in members, spawned in this order, and wait
 * for all to end; each result is in items[i].result. A member runs them itself,
 * one after the other. Returns 0; the result of the first item, in their order,
 * that failed (<0); or, when the wait ended early, why: then those that ran
 * were killed and waited for, and those that did not have -ECANCELED. */
TN_API TN_MUST int tn_group_map(tn_group *group, tn_greenlet_fn fn,
                                tn_item *items, size_t n, tn_time deadline);

/* ---- a stream of results ---- */

typedef struct tn_imap tn_imap;

/* Where a stream's items come from: store the next in *ret_arg and return 1; 0
 * at the end; a negative errno when that failed, which ends the stream too. It
 * is called in a greenlet of the stream and may wait. */
typedef int (*tn_source_fn)(void **ret_arg, void *source_arg);

struct tn_imap_options {
    size_t size;         /* sizeof(struct tn_imap_options) */
    tn_greenlet_fn fn;   /* called with each item, in a member */
    tn_source_fn source; /* gives the items */
    void *source_arg;    /* for source */
    int is_unordered;    /* 0: results in the order of the items; 1: in that
                            * in which they are ready */
    size_t unread_max;   /* items taken from the source whose results nobody
                            * has read; 0: no bound */
};
#define TN_IMAP_OPTIONS                                                        \
 {                                                                             \
  sizeof(struct tn_imap_options), NULL, NULL, NULL, 0, 0                       \
 }

/* Begin a stream: items are taken from the source and worked on by members of
 * `group`, which must outlive it, from now on. 0, -EINVAL, -EXDEV, -ENOMEM. */
TN_API TN_MUST int tn_imap_new(tn_group *group,
                               const struct tn_imap_options *options,
                               tn_imap **ret_imap);

/* Wait for the next result and store it in *ret_item.
 *   1   there was one; that it is a failure does not end the stream
 *   0   the stream is over
 *   <0  what the source returned, once all results are read, and from then on;
 *       -ENOMEM likewise; or an error as everywhere, of this wait alone */
TN_API TN_MUST int tn_imap_next(tn_imap *imap, tn_item *ret_item,
                                tn_time deadline);

/* End the stream: kill what still works for it, wait for that, free it. Nobody
 * may be waiting on it. NULL is ignored. */
TN_API void tn_imap_free(tn_imap *imap);

TN_END_DECLS
#endif /* TN_GROUP_H */
