/* SPDX-License-Identifier: MIT */
/* tendril/shared.h - an event and a channel that the greenlets of all threads
 * may use together. Within one thread the event and channel of
 * <tendril/event.h> and <tendril/channel.h> are much faster.
 *
 * Ownership  Counted references: _new() gives one, _ref() another, _unref()
 *            gives one back, and the last one frees. Whoever calls anything
 *            has one. A channel stores pointers and never frees what they
 *            point to; what is in it when it is freed is forgotten.
 * Blocking   tn_shared_event_wait(), tn_shared_channel_send() and
 *            tn_shared_channel_recv() wait. Nothing else here does.
 * Threads    Every function may be called from any thread. A thread that has to
 *            wait gets a hub if it has none: of a plain thread, main waits.
 * Manual     tn_shared(3).  Example: examples/shared.c.
 */
#ifndef TN_SHARED_H
#define TN_SHARED_H

#include <tendril/base.h>

TN_BEGIN_DECLS

typedef struct tn_shared_event tn_shared_event;
typedef struct tn_shared_channel tn_shared_channel;

/* ---- event: stays set until it is cleared ---- */

/* An event that is not set. 0, -EINVAL, -ENOMEM. */
TN_API TN_MUST int tn_shared_event_new(tn_shared_event **ret_event);
TN_API tn_shared_event *tn_shared_event_ref(tn_shared_event *event);
TN_API void tn_shared_event_unref(tn_shared_event *event); /* NULL: ignored */

/* Set it: all who wait return 0, also if it is cleared before they run. */
TN_API void tn_shared_event_set(tn_shared_event *event);
TN_API void tn_shared_event_clear(tn_shared_event *event);
TN_API int tn_shared_event_is_set(tn_shared_event *event);

/* Wait until it is set. 0; -ETIME -EAGAIN -ECANCELED -EDEADLK -ENOMEM. */
TN_API TN_MUST int tn_shared_event_wait(tn_shared_event *event,
                                        tn_time deadline);

/* ---- channel: many senders, many receivers, first in, first out ---- */

/* A channel that holds up to `capacity` pointers. With 0 each is handed from
 * a sender to a receiver that waits. 0, -EINVAL, -ENOMEM. */
TN_API TN_MUST int tn_shared_channel_new(size_t capacity,
                                         tn_shared_channel **ret_channel);
TN_API tn_shared_channel *tn_shared_channel_ref(tn_shared_channel *channel);
TN_API void tn_shared_channel_unref(tn_shared_channel *channel); /* or NULL */

/* Send `item`, waiting for room until `deadline`. 0: it is in the channel or
 * was given to a receiver. On an error it is the caller's:
 *   -EPIPE  the channel is closed
 *   -ETIME -EAGAIN -ECANCELED -EDEADLK -ENOMEM */
TN_API TN_MUST int tn_shared_channel_send(tn_shared_channel *channel,
                                          void *item, tn_time deadline);

/* Take the oldest item. Errors as above; -EPIPE only when the channel is closed
 * and empty. */
TN_API TN_MUST int tn_shared_channel_recv(tn_shared_channel *channel,
                                          void **ret_item, tn_time deadline);

/* Refuse what is sent from now on, and by those who wait to send. What is in it
 * can still be received. May be called twice. */
TN_API void tn_shared_channel_close(tn_shared_channel *channel);

/* Items in it now. */
TN_API size_t tn_shared_channel_count(tn_shared_channel *channel);

TN_END_DECLS
#endif /* TN_SHARED_H */
