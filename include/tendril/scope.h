/* SPDX-License-Identifier: MIT */
/* tendril/scope.h - structured concurrency: greenlets that do not outlive the
 * block that spawned them.
 *
 * The children of a scope are joined at its end. The first that fails cancels
 * the others, and the body: every waiting call between begin and end then
 * returns -ECANCELED, as if the greenlet had been killed, until the scope has
 * ended.
 *
 * Ownership  The caller's storage, on the stack of the greenlet that begins it.
 *            Begin and end belong in one function, nested with timeout scopes.
 * Blocking   tn_scope_end() waits; nothing else here does.
 * Threads    A scope belongs to the greenlet that began it. Any greenlet of the
 *            same hub may spawn into it, and cancel it.
 * Manual     tn_scope(3).  Example: examples/scope.c.
 */
#ifndef TN_SCOPE_H
#define TN_SCOPE_H

#include <tendril/base.h>
#include <tendril/greenlet.h>
#include <tendril/timeout.h>

TN_BEGIN_DECLS

/* All fields but `error` are private. */
typedef struct tn_scope {
    int error; /* the first failure, or what tn_scope_cancel() gave; else 0 */
    int tn__is_canceled;
    tn_timeout tn__cancel;
    void *tn__owner;
    void *tn__children[2], *tn__killed[2];
    size_t tn__n;
    uint8_t tn__is_empty;
    uint8_t tn__reserved[15];
} tn_scope;

/* Begin a scope, which has no children. */
TN_API void tn_scope_begin(tn_scope *s);

/* Spawn a child. As tn_spawn(); also -ECANCELED when the scope was canceled,
 * -EXDEV, -EINVAL when it is not open, -EDEADLK for a scope on the hub. */
TN_API TN_MUST int tn_scope_spawn(tn_scope *s, tn_greenlet_fn fn, void *arg,
                                  tn_greenlet **ret_g);
TN_API TN_MUST int
tn_scope_spawn_with(tn_scope *s, const struct tn_greenlet_options *options,
                    tn_greenlet_fn fn, void *arg, tn_greenlet **ret_g);

/* Kill all children and stop the body, once. `error` (0 or a negative errno) is
 * what tn_scope_end() will return if no child failed before. */
TN_API void tn_scope_cancel(tn_scope *s, int error);

/* End the scope, which must be the innermost: wait until `deadline` for its
 * children to end. If the wait ends early they are killed and then waited for,
 * for as long as their shields take, whatever happens to the caller. So none is
 * left when this returns.
 *   0           all children ended well
 *   s->error    the first failure: a negative result of a child; -ECANCELED
 *               counts unless the scope had been canceled by then
 *   -ETIME -EAGAIN -ECANCELED  the wait ended early, and none failed before;
 *               or a kill, or a timeout scope outside, was due when it was
 *               called, which comes first: s->error has a failure all the same
 *   -EDEADLK    nothing can wake the children that are left */
TN_API TN_MUST int tn_scope_end(tn_scope *s, tn_time deadline);

TN_END_DECLS
#endif /* TN_SCOPE_H */
