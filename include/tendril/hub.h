/* SPDX-License-Identifier: MIT */
/* tendril/hub.h - the hub: one per OS thread, made on first use; it runs the
 * thread's greenlets and its event loop.
 *
 * Ownership  A hub lives as long as its thread. tn_hub_ref() keeps the handle
 *            valid for other threads beyond that, until tn_hub_unref().
 * Blocking   tn_hub_join() waits; nothing else here does.
 * Threads    Only tn_hub_post(), tn_hub_ref() and tn_hub_unref() may be called
 *            from a thread other than the hub's.
 * Manual     tn_hub(3).  Example: examples/post.c.
 */
#ifndef TN_HUB_H
#define TN_HUB_H

#include <tendril/base.h>
#include <tendril/greenlet.h>

TN_BEGIN_DECLS

typedef struct tn_hub tn_hub;

/* Runs on the hub and may not wait (-EDEADLK). */
typedef void (*tn_post_fn)(void *arg);

/* Called for failures that no caller can see. `g` is the greenlet concerned or
 * NULL, `error` a negative errno, `text` what happened, in one or more
 * lines. */
typedef void (*tn_error_fn)(tn_greenlet *g, int error, const char *text,
                            void *arg);

/* Told that `origin` leaves and `target` is next; `is_throw` is 1 when an error
 * goes along: by tn_throw(), or from one that has failed to its parent. */
typedef void (*tn_switch_fn)(tn_greenlet *origin, tn_greenlet *target,
                             int is_throw, void *arg);

/* What the hub has counted since it was made. */
struct tn_hub_stats {
    size_t size;            /* set by the caller: sizeof(struct tn_hub_stats);
                             * fields beyond it are left out */
    uint64_t switches;      /* greenlets resumed */
    uint64_t spawned;       /* greenlets made */
    uint64_t polls;         /* times the loop was asked for events */
    uint64_t alive;         /* greenlets that have not ended, main included */
    uint64_t stacks_mapped; /* stacks whose memory is mapped, cache included */
    uint64_t stacks_free;   /* of these, in the cache */
    uint64_t timers;        /* timers armed */
    uint64_t waits;         /* operations that the loop holds */
    uint64_t stack_bytes;   /* address space of all these stacks */
    uint64_t stacks_cold;   /* of stacks_free, those without memory */
};

/* The hub of this thread; made if there is none. -ENOMEM, -EMFILE, or -EINVAL
 * when TENDRIL_LOOP names no back end that this machine can run. */
TN_API TN_MUST int tn_hub_get(tn_hub **ret_hub);

/* Take, and give back, a handle that may be used by other threads. NULL is
 * ignored. */
TN_API tn_hub *tn_hub_ref(tn_hub *hub);
TN_API void tn_hub_unref(tn_hub *hub);

/* Have fn(arg) called on `hub`, in the order of the posts, before its next
 * poll; wakes it. From any thread and from signal-free code only.
 * -ENOMEM; -ESRCH when the hub's thread has ended. */
TN_API TN_MUST int tn_hub_post(tn_hub *hub, tn_post_fn fn, void *arg);

/* Wait until no greenlet but the caller is alive and nothing is posted.
 * 0, -ETIME, -EAGAIN; -EDEADLK when those left can never end. Main only:
 * -EINVAL elsewhere. */
TN_API TN_MUST int tn_hub_join(tn_time deadline);

/* Set the hook for errors nobody can see, of this thread's hub. NULL: none. */
TN_API int tn_hub_set_error_hook(tn_error_fn fn, void *arg);

/* Have fn(origin, target, is_throw, arg) called at each switch of this thread's
 * hub, on the stack of `origin` but as on the hub: a call there that would wait
 * or switch is -EDEADLK. NULL: none; then switching costs nothing more. The
 * second returns the hook and its argument, so that a new one can call it. */
TN_API int tn_set_switch_hook(tn_switch_fn fn, void *arg);
TN_API tn_switch_fn tn_switch_hook(void **ret_arg);

/* The longest a greenlet that never has to wait may keep the loop from being
 * polled, in ns (5 ms). -EINVAL below 1,000. */
TN_API int tn_hub_set_tick(int64_t ns);

/* The name of the back end: "epoll", "ev" or "sim". */
TN_API const char *tn_hub_loop_name(void);

/* Store what this thread's hub has counted. -EINVAL when stats->size was not
 * set. */
TN_API int tn_hub_stats(struct tn_hub_stats *stats);

/* Free this thread's hub and all its memory, after calling what was posted.
 * Only from main, outside of all scopes, and when main is the only greenlet
 * alive: -EBUSY else. It happens by itself when the thread ends. */
TN_API int tn_hub_destroy(void);

TN_END_DECLS
#endif /* TN_HUB_H */
