/* SPDX-License-Identifier: MIT */
/* tendril/watch.h - watchers: callbacks of the loop itself, for those who want
 * it without greenlets. `loop.timer(1.0, 1.0).start(callback)` in C.
 *
 * Ownership  The caller owns a watcher until tn_watch_free(), which may also be
 *            called in its own callback. When its hub ends it is stopped and
 *            belongs to no hub; it must still be freed. It does not own the
 *            descriptor or the process that it watches.
 * Blocking   Nothing here waits. Callbacks run on the hub: a call that waits is
 *            -EDEADLK there. They may spawn, wake, post, and use watchers.
 * Threads    A watcher belongs to the hub of the thread that made it: calls
 *            from another are -EXDEV, but for tn_watch_async_send().
 * Manual     tn_watch(3).  Example: examples/ticker.c.
 */
#ifndef TN_WATCH_H
#define TN_WATCH_H

#include <sys/stat.h>
#include <sys/types.h>
#include <tendril/base.h>

TN_BEGIN_DECLS

typedef struct tn_watch tn_watch;

/* `events` are those of poll(2) for a descriptor, the number of the signal for
 * a signal, and what tn_watch_feed() was given; else 0. */
typedef void (*tn_watch_fn)(tn_watch *w, int events, void *arg);

/* ---- making: all return 0, -EINVAL (fn or ret_w is NULL, or as said there)
 * or -ENOMEM, and a watcher that is not active ---- */

/* `fd` is ready for `events` (POLLIN, POLLOUT, POLLPRI, POLLRDHUP; at least
 * one): called in every turn in which it is. -EBADF for an fd below 0. When
 * the descriptor is closed by tn_close() it is called with POLLNVAL, once, and
 * is not active any more. */
TN_API TN_MUST int tn_watch_io_new(int fd, int events, tn_watch_fn fn,
                                   void *arg, tn_watch **ret_w);

/* `after_ns` from its start (below 0: at once), and then every `repeat_ns`; 0:
 * once. -EINVAL for one below 0. A hub that is late skips what it missed. */
TN_API TN_MUST int tn_watch_timer_new(int64_t after_ns, int64_t repeat_ns,
                                      tn_watch_fn fn, void *arg,
                                      tn_watch **ret_w);

/* Signal `signo` has come, once or several times. Does not keep
 * tn_hub_join() waiting unless it is told to. See tn_signal(3) for what it does
 * to the signal. -EINVAL for one that cannot be caught or is of faults. */
TN_API TN_MUST int tn_watch_signal_new(int signo, tn_watch_fn fn, void *arg,
                                       tn_watch **ret_w);

/* Child `pid` has ended: its status is taken from the kernel, and the watcher
 * is not active any more. Not for a tn_process. -EINVAL below 1. */
TN_API TN_MUST int tn_watch_child_new(pid_t pid, tn_watch_fn fn, void *arg,
                                      tn_watch **ret_w);

/* What stat(2) says about `path` has changed; also that it is there, or is not
 * there any more. Noticed by inotify(7) on its folder, which must exist, and
 * looked at every `interval_ns` too (0: not; then the folder need not be on a
 * disk that others change). */
TN_API TN_MUST int tn_watch_stat_new(const char *path, int64_t interval_ns,
                                     tn_watch_fn fn, void *arg,
                                     tn_watch **ret_w);

/* tn_watch_async_send() was called. While it exists there is no -EDEADLK. */
TN_API TN_MUST int tn_watch_async_new(tn_watch_fn fn, void *arg,
                                      tn_watch **ret_w);

/* A turn of the loop in which nothing else was to be done. While one is active
 * the hub never sleeps. */
TN_API TN_MUST int tn_watch_idle_new(tn_watch_fn fn, void *arg,
                                     tn_watch **ret_w);

/* Before, and after, each poll of the loop. Those after run before all that the
 * poll has brought. */
TN_API TN_MUST int tn_watch_prepare_new(tn_watch_fn fn, void *arg,
                                        tn_watch **ret_w);
TN_API TN_MUST int tn_watch_check_new(tn_watch_fn fn, void *arg,
                                      tn_watch **ret_w);

/* In the child of a fork by this thread: in the first turn of the child's hub,
 * to which the watcher then belongs. Never in the parent. */
TN_API TN_MUST int tn_watch_fork_new(tn_watch_fn fn, void *arg,
                                     tn_watch **ret_w);

/* ---- all kinds ---- */

/* Make it active; on one that is, this does nothing. 0, -EINVAL (NULL), -EXDEV,
 * -ENOMEM, -EMFILE; -EBADF for a closed descriptor; -ECHILD for a process that
 * is no child; -ENOENT for a folder that is not there; -EOPNOTSUPP for events
 * that this loop cannot report. */
TN_API TN_MUST int tn_watch_start(tn_watch *w);

/* It is not called any more, also when its callback was due already. 0, -EINVAL
 * or -EXDEV. */
TN_API int tn_watch_stop(tn_watch *w);

/* Stop it and free it. NULL is ignored. 0 or -EXDEV. */
TN_API int tn_watch_free(tn_watch *w);

/* 1 if it is active. */
TN_API int tn_watch_is_active(const tn_watch *w);

/* 1 if its callback is due in the turn to come. */
TN_API int tn_watch_is_due(const tn_watch *w);

/* Whether tn_hub_join() waits for it while it is active: 1, but 0 for those of
 * signals. 0, -EINVAL or -EXDEV. */
TN_API int tn_watch_set_ref(tn_watch *w, int is_ref);

/* Have its callback made in the next turn, with `events`, active or not. 0,
 * -EINVAL or -EXDEV. */
TN_API int tn_watch_feed(tn_watch *w, int events);

/* ---- single kinds: -EINVAL on any other ---- */

/* Change it as by making it anew. -EBUSY while it is active. */
TN_API TN_MUST int tn_watch_io_set(tn_watch *w, int fd, int events);
TN_API TN_MUST int tn_watch_timer_set(tn_watch *w, int64_t after_ns,
                                      int64_t repeat_ns);

/* Start the timer, or start it again, with its repeat for the first time too;
 * one that does not repeat is stopped. 0, -EINVAL, -EXDEV or -ENOMEM. */
TN_API TN_MUST int tn_watch_timer_again(tn_watch *w);

/* From any thread, not from a signal handler: have the callback made
 * soon. Several before that are one; one before the start is kept for it. 0;
 * -ESRCH when the hub's thread has ended. */
TN_API int tn_watch_async_send(tn_watch *w);

/* How the child ended, as by waitpid(2). -EAGAIN when it has not; -ECHILD when
 * somebody else has taken its status. */
TN_API TN_MUST int tn_watch_child_status(const tn_watch *w, int *ret_status);

/* What stat(2) said last, and before the last change; NULL: there was nothing
 * of that name. Valid until the next callback. */
TN_API const struct stat *tn_watch_stat_now(const tn_watch *w);
TN_API const struct stat *tn_watch_stat_before(const tn_watch *w);

TN_END_DECLS
#endif /* TN_WATCH_H */
