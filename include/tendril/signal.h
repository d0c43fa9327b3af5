/* SPDX-License-Identifier: MIT */
/* tendril/signal.h - signals for greenlets: handlers that may wait, and waits.
 *
 * Ownership  The caller owns a tn_signal until tn_signal_free().
 * Blocking   tn_signal_wait() waits; nothing else here does. Handlers run in a
 *            greenlet of their own and may do anything.
 * Threads    A handler runs on the hub that installed it; the signal may come
 *            to any thread. Several hubs may want the same signal: each gets
 *            it. Calls from another thread are -EXDEV.
 * Manual     tn_signal(3).  Example: examples/interrupt.c.
 */
#ifndef TN_SIGNAL_H
#define TN_SIGNAL_H

#include <stddef.h>
#include <sys/types.h>
#include <tendril/base.h>

TN_BEGIN_DECLS

typedef struct tn_signal tn_signal;

/* Runs in a new greenlet. What it returns is that greenlet's result: a negative
 * errno is reported to the error hook. */
typedef int (*tn_signal_fn)(int signo, void *arg);

/* Have fn(signo, arg) run in a new greenlet whenever the signal has come; what
 * the signal did before is restored when the last one that wants it is freed.
 * Signals that come before the hub looks are one. It stays installed, and does
 * not keep tn_hub_join() waiting; but while it is there, no wait of this hub is
 * -EDEADLK. 0; -EINVAL for a signal that cannot be caught or comes from faults;
 * -ENOMEM. */
TN_API TN_MUST int tn_signal_new(int signo, tn_signal_fn fn, void *arg,
                                 tn_signal **ret_s);

/* From now on no handler begins; those that have begun go on. NULL is ignored.
 * 0 or -EXDEV. */
TN_API int tn_signal_free(tn_signal *s);

/* What is known about a signal that tn_signal_wait() has taken: as the fields
 * si_... of siginfo_t, see sigaction(2). */
struct tn_signal_info {
    int signo;
    int code;
    pid_t pid; /* who sent it, or the child */
    uid_t uid;
    int status; /* SIGCHLD: as si_status */
    int value;  /* sigqueue(3): the integer */
    void *ptr;  /* and the pointer, which share their room */
};

/* As sigtimedwait(2), with a deadline: takes one pending signal of those `n` in
 * `signos`, which the thread (better all threads) must have blocked. Stores
 * what is known about it in *ret_info, which may be NULL.
 * Returns the signal's number; -ETIME -EAGAIN -ECANCELED -EDEADLK as
 * everywhere; -EINVAL for none, or one that does not exist; -EMFILE,
 * -ENOMEM. */
TN_API TN_MUST int tn_signal_wait(const int *signos, size_t n,
                                  struct tn_signal_info *ret_info,
                                  tn_time deadline);

/* The first `signo` kills this thread's main greenlet: its waits return
 * -ECANCELED, so that it can clean up and leave. Then the signal does again
 * what it did before: a second SIGINT ends the process. 0; -EBUSY when that is
 * so already for this signal or another; else as tn_signal_new(). */
TN_API TN_MUST int tn_interrupt_on(int signo);

/* Undo tn_interrupt_on(), and the kill if it came to that: main may wait again.
 * Returns the signal that has come, or 0. */
TN_API int tn_interrupt_off(void);

TN_END_DECLS
#endif /* TN_SIGNAL_H */
