/* SPDX-License-Identifier: MIT */
/* tendril/event.h - a flag that greenlets wait for.
 *
 * Ownership  The caller owns what tn_event_new() gives.
 * Blocking   tn_event_wait() may switch greenlets; nothing else here does.
 * Threads    An event belongs to the hub of the thread that made it; calls from
 *            another thread are -EXDEV. tn_shared(3) has one for all threads.
 * Manual     tn_event(3).  Example: examples/crew.c.
 */
#ifndef TN_EVENT_H
#define TN_EVENT_H

#include <tendril/base.h>
#include <tendril/wait.h>

TN_BEGIN_DECLS

typedef struct tn_event tn_event;

/* Make an event that is not set. 0, -EINVAL, -ENOMEM. */
TN_API TN_MUST int tn_event_new(tn_event **ret_event);

/* Free it. NULL is ignored. Nobody may be waiting for it; links to it are
 * forgotten. */
TN_API void tn_event_free(tn_event *e);

/* Set it and wake all who wait for it now, in the order in which they came:
 * each wait returns 0, also if the event is cleared before that greenlet runs.
 * 0, -EINVAL, -EXDEV. */
TN_API int tn_event_set(tn_event *e);

/* Waits that begin from now on wait. 0, -EINVAL, -EXDEV. */
TN_API int tn_event_clear(tn_event *e);

/* 1 if it is set. */
TN_API int tn_event_is_set(const tn_event *e);

/* Wait until it is set. 0 when it is, or was set during the wait; -ETIME
 * -EAGAIN -ECANCELED -EDEADLK -ENOMEM as everywhere; -EINVAL, -EXDEV. */
TN_API TN_MUST int tn_event_wait(tn_event *e, tn_time deadline);

/* Ready while it is set. NULL for NULL. */
TN_API tn_waitable *tn_event_waitable(tn_event *e);

TN_END_DECLS
#endif /* TN_EVENT_H */
