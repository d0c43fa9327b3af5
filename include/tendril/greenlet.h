/* SPDX-License-Identifier: MIT */
/* tendril/greenlet.h - greenlets: functions that run on stacks of their own and
 * give way to each other whenever one of them has to wait.
 *
 * Ownership  tn_spawn() and tn_greenlet_new() give the caller one reference.
 *            tn_join() gives it back when it returns 0, tn_unref() always. A
 *            greenlet spawned with a NULL result pointer is detached: nobody
 *            owns a reference and it is recycled when it ends.
 * Blocking   Functions that take a deadline may switch greenlets, and so do
 *            tn_yield(), tn_switch() and tn_throw(); no other function here.
 * Threads    A greenlet belongs to the hub of the thread that made it and
 *            never leaves that thread. Calls from another thread are -EXDEV.
 * Manual     tn_greenlet(3).  Example: examples/echo.c.
 */
#ifndef TN_GREENLET_H
#define TN_GREENLET_H

#include <tendril/base.h>

TN_BEGIN_DECLS

typedef struct tn_greenlet tn_greenlet;

/* What a greenlet runs. 0 or more is success; a negative errno is failure. */
typedef int (*tn_greenlet_fn)(void *arg);

/* Called once when a greenlet has ended; see tn_link(). It runs on the hub and
 * may not wait: a waiting call in it returns -EDEADLK. */
typedef void (*tn_link_fn)(tn_greenlet *g, void *arg);

enum tn_greenlet_state {
    TN_GREENLET_NEW,     /* made, not started */
    TN_GREENLET_READY,   /* in the run queue */
    TN_GREENLET_RUNNING, /* the one that runs now */
    TN_GREENLET_WAITING, /* in a call that waits */
    TN_GREENLET_PASSIVE, /* left by tn_switch(); only that, a kill and its own
                          * scopes resume it */
    TN_GREENLET_DONE     /* ended */
};

/* Options of a greenlet. Start from TN_GREENLET_OPTIONS, so that fields that
 * come later have their default. */
struct tn_greenlet_options {
    size_t size;        /* sizeof(struct tn_greenlet_options) */
    const char *name;   /* copied, cut to 31 bytes; NULL: "greenlet-N" */
    size_t stack_bytes; /* address space of the stack, guard included, rounded
                         * up to a power of two of 16 KiB or more; 0: 64 KiB */
};
#define TN_GREENLET_OPTIONS {sizeof(struct tn_greenlet_options), NULL, 0}

/* Make a greenlet that will run fn(arg) and put it at the end of the run queue;
 * it never runs before the caller waits or yields. Stores a reference in
 * *ret_g; with ret_g NULL the greenlet is detached.
 * Returns 0; -EINVAL (fn is NULL, or bad options); -ENOMEM. */
TN_API TN_MUST int tn_spawn(tn_greenlet_fn fn, void *arg, tn_greenlet **ret_g);
TN_API TN_MUST int tn_spawn_with(const struct tn_greenlet_options *options,
                                 tn_greenlet_fn fn, void *arg,
                                 tn_greenlet **ret_g);

/* Make a greenlet without starting it, for tn_start() or tn_switch(). `options`
 * may be NULL. Errors as tn_spawn(). */
TN_API TN_MUST int tn_greenlet_new(const struct tn_greenlet_options *options,
                                   tn_greenlet_fn fn, void *arg,
                                   tn_greenlet **ret_g);

/* Put a new greenlet in the run queue. On one that was started before, or will
 * be by tn_start_later(), or that has ended, this does nothing. Returns 0,
 * -EINVAL or -EXDEV. */
TN_API int tn_start(tn_greenlet *g);

/* The same at the time `when`, which is not TN_FOREVER: until then it is new,
 * and alive. A kill, or tn_switch(), before then forestalls it.
 * tn_spawn_later() makes a greenlet for that: detached, if ret_g is NULL.
 * Return 0, -EINVAL, -ENOMEM; tn_start_later() also -EXDEV. */
TN_API TN_MUST int tn_spawn_later(tn_time when, tn_greenlet_fn fn, void *arg,
                                  tn_greenlet **ret_g);
TN_API TN_MUST int tn_start_later(tn_greenlet *g, tn_time when);

/* Wait until `g` has ended; store what its function returned in *ret_result
 * (which may be NULL) and give the caller's reference back. A greenlet killed
 * before it ran has the result -ECANCELED.
 * On an error the caller still owns the reference:
 *   -ETIME -EAGAIN -ECANCELED -EDEADLK as everywhere; -EINVAL `g` is the
 *   caller itself, or NULL. */
TN_API TN_MUST int tn_join(tn_greenlet *g, int *ret_result, tn_time deadline);

/* Kill `g`: the call in which it waits returns -ECANCELED, and so does every
 * later one, until it ends. One that has not started never runs. Then wait for
 * it to end. The caller keeps its reference.
 *   0           it has ended, now or long ago, or `g` is the caller itself, in
 *               which case the kill is pending
 *   -EAGAIN     deadline was TN_NOWAIT: the kill is posted and stands; that
 *               never switches greenlets
 *   -ETIME -ECANCELED -EDEADLK  the wait ended; the kill stands
 *   -EINVAL     NULL, or the thread's main greenlet */
TN_API int tn_kill(tn_greenlet *g, tn_time deadline);

/* Take, and give back, a reference. tn_unref(NULL) does nothing. Dropping the
 * last reference of a greenlet detaches it; one that was never started is
 * freed, and one that is PASSIVE is killed, since nobody could resume it. */
TN_API tn_greenlet *tn_ref(tn_greenlet *g);
TN_API void tn_unref(tn_greenlet *g);

/* Let every other runnable greenlet run once. Returns 0; -ECANCELED or -ETIME
 * when this greenlet was killed or a scope of its has expired; -EDEADLK on the
 * hub; -ENOMEM when the thread's hub cannot be made. */
TN_API int tn_yield(void);

/* Wait until `deadline`. Returns 0 when it has passed; -ECANCELED, or -ETIME
 * for a scope that expired first; -EDEADLK as everywhere.
 * tn_sleep(TN_NOWAIT) is tn_yield(). */
TN_API int tn_sleep(tn_time deadline);

/* Switch straight to `g`, which is new or PASSIVE, and pass it `value`: a new
 * greenlet starts (and sees no value), another's tn_switch() returns it. The
 * caller becomes PASSIVE. When a greenlet that was resumed so ends, control
 * goes to its parent: see tn_greenlet_parent().
 * Stores what the caller is sent in *ret_value (which may be NULL).
 *   0        switched away and came back
 *   -EINVAL  `g` is queued, waiting, running, has ended, or is NULL
 *   -EDEADLK called on the hub
 *   -ECANCELED -ETIME  killed, or a scope of its expired, meanwhile or
 *            before
 *   other    the error that tn_throw() gave, or with which a child ended */
TN_API TN_MUST int tn_switch(tn_greenlet *g, void *value, void **ret_value);

/* As tn_switch(), but the target's tn_switch() returns `error`, a negative
 * errno. A new greenlet never runs: it ends with `error` as its result, which
 * goes to the parent that was set for it; without one this returns 0 at
 * once. */
TN_API TN_MUST int tn_throw(tn_greenlet *g, int error, void **ret_value);

/* Who continues when `g` ends: the parent that was set; else who resumed `g`
 * last by tn_switch(), before that who made it by tn_greenlet_new(). NULL for
 * main and for one that tn_start() or tn_spawn() put in the run queue, whose
 * next is then whoever is first there. No reference is given.
 *
 * If the parent has ended too, its parent counts. A new one is started. The
 * tn_switch() of a PASSIVE one returns 0 with a NULL value, or, when `g` failed
 * with other than -ECANCELED, that error. One that is queued, waits or runs
 * goes on by itself. */
TN_API tn_greenlet *tn_greenlet_parent(const tn_greenlet *g);

/* Set it; NULL: as none was set. `g` keeps a reference to `parent`.
 * 0; -EINVAL (NULL, main, or its own parent); -ELOOP (`g` is an ancestor of
 * `parent`); -EXDEV (not both of this thread). */
TN_API TN_MUST int tn_greenlet_set_parent(tn_greenlet *g, tn_greenlet *parent);

/* The greenlet that runs. On the hub, the hub's own. No reference is given. The
 * first call on a thread makes the thread's hub: NULL only when that fails. */
TN_API tn_greenlet *tn_self(void);

/* What it does now. */
TN_API enum tn_greenlet_state tn_greenlet_state(const tn_greenlet *g);

/* 1 if `g` has ended; its result is then fixed. */
TN_API int tn_greenlet_is_done(const tn_greenlet *g);

/* What its function returned; -EAGAIN while it has not ended; -EINVAL for
 * NULL. */
TN_API int tn_greenlet_result(const tn_greenlet *g);

/* A number that no other greenlet of this hub has or had. Main is 1. */
TN_API uint64_t tn_greenlet_id(const tn_greenlet *g);

/* The number of the greenlet that made it, which may have ended; 2 for a
 * callback on the hub, 0 for main. */
TN_API uint64_t tn_greenlet_spawner(const tn_greenlet *g);

/* Write the name to `buf`, always terminated. Returns its full length. */
TN_API size_t tn_greenlet_name(const tn_greenlet *g, char *buf, size_t size);
TN_API int tn_greenlet_set_name(tn_greenlet *g, const char *name);

/* The bounds of the stack `g` runs on: [*ret_low, *ret_low + *ret_bytes), guard
 * not included. -ENOENT for main, whose stack is the thread's. */
TN_API int tn_greenlet_stack(const tn_greenlet *g, void **ret_low,
                             size_t *ret_bytes);

/* How many bytes of that stack have been in use at once, rounded up to pages:
 * the deepest since it last gave memory back, by `g` or by who had the stack
 * before, as far as it is in memory. Asks the kernel; it is noted nowhere.
 * 0; -ENOENT for main; -EINVAL; -EXDEV; -ENOSYS where mincore() is missing. */
TN_API int tn_greenlet_stack_used(const tn_greenlet *g, size_t *ret_bytes);

/* A callback for the end of a greenlet, or for anything else that can be waited
 * for (tn_waitable_link), in storage of the caller that must stay until it has
 * run or was unlinked. Start from zero; the fields are private. */
typedef struct tn_link {
    struct tn_link *tn__next, *tn__prev;
    struct tn_waitable *tn__waitable;
    void (*tn__fn)(void);
    void *tn__arg;
    uint32_t tn__kind, tn__is_due;
} tn_link;

/* Have fn(g, arg) called on the hub when `g` has ended, after those linked
 * before it; soon, if it has ended already. `g` is kept until then.
 * Returns 0, -EINVAL or -EXDEV. */
TN_API int tn_greenlet_link(tn_greenlet *g, tn_link *link, tn_link_fn fn,
                            void *arg);

/* Take the link off; it will not be called, also when others of the same
 * greenlet are being called now. Harmless when it is not linked. */
TN_API void tn_greenlet_unlink(tn_link *link);

TN_END_DECLS
#endif /* TN_GREENLET_H */
