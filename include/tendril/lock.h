/* SPDX-License-Identifier: MIT */
/* tendril/lock.h - semaphores, mutexes, conditions, readers-writer locks,
 * barriers, and things to do once, between greenlets of one hub.
 *
 * All of them serve those who wait in the order in which they came, and hand
 * over what they wait for: who comes later cannot take it first. Who has been
 * given it keeps it, also when it was killed or late at the same moment: the
 * call returns 0 and the kill is delivered by the next one.
 *
 * Ownership  The caller owns what a _new function gives. NULL is ignored by a
 *            _free function; nobody may be waiting on what is freed. A tn_once
 *            is the caller's storage.
 * Blocking   Functions that take a deadline may switch greenlets; no other
 *            function here does. One that fails with -EAGAIN, tried in a loop,
 *            lets others run when the tick is over.
 * Threads    An object belongs to the hub of the thread that made it; calls
 *            from another thread are -EXDEV. See tn_once_run() for the one
 *            exception.
 * Manual     tn_semaphore(3), tn_mutex(3), tn_barrier(3).
 *            Example: examples/crew.c.
 *
 * Errors     What waits returns -ETIME -EAGAIN -ECANCELED -EDEADLK -ENOMEM as
 *            everywhere; every function returns -EINVAL for NULL, and -EXDEV.
 */
#ifndef TN_LOCK_H
#define TN_LOCK_H

#include <tendril/base.h>
#include <tendril/greenlet.h>
#include <tendril/wait.h>

TN_BEGIN_DECLS

/* ---- semaphores ---- */

typedef struct tn_semaphore tn_semaphore;

/* Make one that holds `count` units, and at most `max`; 0: no bound.
 * -EINVAL when count is above max; -ENOMEM. */
TN_API TN_MUST int tn_semaphore_new(size_t count, size_t max,
                                    tn_semaphore **ret_semaphore);
TN_API void tn_semaphore_free(tn_semaphore *s);

/* Take a unit, waiting until there is one. */
TN_API TN_MUST int tn_semaphore_acquire(tn_semaphore *s, tn_time deadline);

/* Give one, or n, back: to those who wait, else to the count. Anybody may, on
 * the hub too. -EOVERFLOW when the count would pass its bound: then nothing has
 * changed. */
TN_API int tn_semaphore_release(tn_semaphore *s);
TN_API int tn_semaphore_release_n(tn_semaphore *s, size_t n);

/* How many units it holds; 0 while anybody waits. */
TN_API size_t tn_semaphore_count(const tn_semaphore *s);

/* Ready while a unit could be taken; waiting for that takes none. */
TN_API tn_waitable *tn_semaphore_waitable(tn_semaphore *s);

/* ---- mutexes ---- */

typedef struct tn_mutex tn_mutex;

enum {
    TN_MUTEX_RECURSIVE = 1 /* its owner may lock it again, and must unlock it
                            * as often */
};

/* Make one; `flags` is 0 or TN_MUTEX_RECURSIVE. */
TN_API TN_MUST int tn_mutex_new(int flags, tn_mutex **ret_mutex);
TN_API void tn_mutex_free(tn_mutex *m);

/* Lock it; the greenlet that runs is its owner then.
 *   -EDEADLK     that is the owner already, and it is not recursive
 *   -EOWNERDEAD  it is broken: an owner has ended without unlocking it, and
 *                what it protects may be half changed. The caller does not
 *                hold it. So for all until tn_mutex_repair(). */
TN_API TN_MUST int tn_mutex_lock(tn_mutex *m, tn_time deadline);

/* Unlock it. -EPERM when the greenlet that runs is not its owner. */
TN_API int tn_mutex_unlock(tn_mutex *m);

/* What a broken mutex protects is well again: it can be locked. -EINVAL when it
 * is not broken. */
TN_API int tn_mutex_repair(tn_mutex *m);

/* 1 if anybody, or the greenlet that runs, holds it. */
TN_API int tn_mutex_is_locked(const tn_mutex *m);
TN_API int tn_mutex_is_mine(const tn_mutex *m);

/* ---- conditions ---- */

typedef struct tn_cond tn_cond;

/* Make a condition of what `m` protects. `m` must outlive it. */
TN_API TN_MUST int tn_cond_new(tn_mutex *m, tn_cond **ret_cond);
TN_API void tn_cond_free(tn_cond *c);

/* Unlock the mutex, wait for a signal, and lock it as it was. The mutex is held
 * again whatever is returned, after a kill or the deadline too (how long that
 * takes is up to its owner), but for the errors marked *.
 *   0              it was signalled
 *   -EPERM         the greenlet that runs does not hold the mutex
 *   -EOWNERDEAD *  the mutex has broken meanwhile
 *   -EDEADLK    *  nothing can ever wake it, and the mutex is locked for ever;
 *                  see tn_mutex_is_mine() */
TN_API TN_MUST int tn_cond_wait(tn_cond *c, tn_time deadline);

/* Signal the one, or the n, that have waited longest, or all. They run when the
 * mutex is theirs. -EPERM as above. */
TN_API int tn_cond_signal(tn_cond *c);
TN_API int tn_cond_signal_n(tn_cond *c, size_t n);
TN_API int tn_cond_broadcast(tn_cond *c);

/* ---- readers-writer locks ---- */

typedef struct tn_rwlock tn_rwlock;

/* Make one that nobody holds. */
TN_API TN_MUST int tn_rwlock_new(tn_rwlock **ret_lock);
TN_API void tn_rwlock_free(tn_rwlock *l);

/* Lock it with other readers, or alone. A reader waits behind a writer that
 * came before it, so a greenlet must not lock for reading twice. -EDEADLK when
 * the greenlet that runs is the writer. */
TN_API TN_MUST int tn_rwlock_rdlock(tn_rwlock *l, tn_time deadline);
TN_API TN_MUST int tn_rwlock_wrlock(tn_rwlock *l, tn_time deadline);

/* Unlock it: the writer, or some reader. -EPERM when it is locked by another
 * for writing, or not at all. */
TN_API int tn_rwlock_unlock(tn_rwlock *l);

/* ---- barriers ---- */

typedef struct tn_barrier tn_barrier;

/* Make one where `n` greenlets, 1 or more, wait for each other. */
TN_API TN_MUST int tn_barrier_new(unsigned n, tn_barrier **ret_barrier);
TN_API void tn_barrier_free(tn_barrier *b);

/* Wait until n have come, then go on together. Returns the caller's place among
 * them, 0 for the first and n - 1 for the last; it is ready for the next n
 * then.
 *   -EPIPE  it is broken, or was reset: who waits leaves with this, and who
 *           comes while it is broken
 * One that leaves for another reason, late or killed, breaks it. */
TN_API TN_MUST int tn_barrier_wait(tn_barrier *b, tn_time deadline);

/* Break it; or mend it, after letting those who wait leave with -EPIPE. */
TN_API int tn_barrier_abort(tn_barrier *b);
TN_API int tn_barrier_reset(tn_barrier *b);

/* How many wait now. */
TN_API unsigned tn_barrier_waiting(const tn_barrier *b);
TN_API int tn_barrier_is_broken(const tn_barrier *b);

/* ---- once ---- */

/* In the caller's storage, which may be static. The fields are private. */
typedef struct tn_once {
    void *tn__hub;
    void *tn__owner;
    void *tn__waiters[2];
    int tn__state;
} tn_once;
#define TN_ONCE_INIT {NULL, NULL, {NULL, NULL}, 0}

/* Have fn(arg) called unless it, or another given here, has been successful
 * before: then 0 at once. Others who come meanwhile wait. When it fails, by a
 * negative errno, that is returned, and the first of those who wait calls its
 * own.
 *   -EDEADLK  called from fn
 *   -EXDEV    a greenlet of another hub is calling its own at this moment;
 *             otherwise it does not matter whose hub it is */
TN_API TN_MUST int tn_once_run(tn_once *once, tn_greenlet_fn fn, void *arg,
                               tn_time deadline);

/* 1 if one call has been successful. */
TN_API int tn_once_is_done(const tn_once *once);

TN_END_DECLS
#endif /* TN_LOCK_H */
