/* SPDX-License-Identifier: MIT */
/* tendril/channel.h - channels: items go from one greenlet to another, and
 * tn_select() waits for the first of several sends and receives.
 *
 * Ownership  An item is a number of bytes, fixed for the channel, that are
 *            copied from the sender's variable to the receiver's. What they
 *            point to changes hands with them: on any error but of a receive
 *            it is still the sender's.
 * Blocking   Functions that take a deadline may switch greenlets; no other
 *            function here does.
 * Threads    A channel belongs to the hub of the thread that made it. Calls
 *            from another thread are -EXDEV.
 * Manual     tn_channel(3).  Example: examples/pipeline.c.
 */
#ifndef TN_CHANNEL_H
#define TN_CHANNEL_H

#include <tendril/base.h>
#include <tendril/wait.h> /* tn_waitable */

TN_BEGIN_DECLS

typedef struct tn_channel tn_channel;

/* Make a channel of items of `item_bytes` each (0: they are mere signals) that
 * keeps up to `capacity` of them. With capacity 0 a send and a receive complete
 * together, or not at all.
 * Stores it in *ret_channel and returns 0, or -EINVAL, or -ENOMEM. */
TN_API TN_MUST int tn_channel_new(size_t item_bytes, size_t capacity,
                                  tn_channel **ret_channel);

/* Close `ch` and free it; what it still keeps is lost. NULL is ignored. */
TN_API void tn_channel_free(tn_channel *ch);

/* Send the item at `item`, which may be NULL for a signal; wait until
 * `deadline` for a receiver, or for room. Who has waited longest is served
 * first. On any error the item was not sent.
 *   -EPIPE      the channel is closed, or was while this waited
 *   -EAGAIN     it would wait, and `deadline` was TN_NOWAIT
 *   -ETIME -ECANCELED -EDEADLK -ENOMEM   as of every wait
 *   -EXDEV -EINVAL                                                         */
TN_API TN_MUST int tn_channel_send(tn_channel *ch, const void *item,
                                   tn_time deadline);

/* Receive the oldest item into *ret_item (NULL: drop it), waiting until
 * `deadline` for one. Errors as of tn_channel_send(), except that -EPIPE comes
 * only when the channel is closed and empty. */
TN_API TN_MUST int tn_channel_recv(tn_channel *ch, void *ret_item,
                                   tn_time deadline);

/* No more sends: they fail with -EPIPE, those that wait too. Receives get what
 * is kept, then -EPIPE. Again: nothing. Returns 0, -EINVAL or -EXDEV. */
TN_API int tn_channel_close(tn_channel *ch);
TN_API int tn_channel_is_closed(const tn_channel *ch);

/* Items that it keeps, and how many it can keep. */
TN_API size_t tn_channel_count(const tn_channel *ch);
TN_API size_t tn_channel_capacity(const tn_channel *ch);

/* Sends that wait minus receives that wait: gevent's `balance`. */
TN_API long tn_channel_balance(const tn_channel *ch);

/* Ready when a receive would be over at once. NULL for NULL. */
TN_API tn_waitable *tn_channel_waitable(tn_channel *ch);

/* ---- select ---- */

enum tn_select_op { TN_SELECT_RECV, TN_SELECT_SEND };

/* One operation that tn_select() may do. Set the first three; the fields tn__
 * are private and need no setting. */
struct tn_select_case {
    tn_channel *channel; /* NULL: this case is disabled */
    void *item;          /* what to send, or where to receive it */
    int op;              /* enum tn_select_op */
    int result;          /* of the case that was chosen: 0, or -EPIPE */
    struct tn_select_case *tn__next, *tn__prev;
    void *tn__select;
    void *tn__reserved;
};
#define TN_SELECT_CASE_RECV(channel, ret_item)                                 \
 {                                                                             \
  (channel), (ret_item), TN_SELECT_RECV, 0, NULL, NULL, NULL, NULL             \
 }
#define TN_SELECT_CASE_SEND(channel, item)                                     \
 {                                                                             \
  (channel), (item), TN_SELECT_SEND, 0, NULL, NULL, NULL, NULL                 \
 }

/* Do exactly one of the n operations: one of those that can be done now, each
 * of them equally likely, or else the first that can, waiting until `deadline`.
 * With TN_NOWAIT it never waits: the `default:` of Go. A case on a closed
 * channel can be done, with result -EPIPE. Two cases of one call never meet
 * each other. Returns the index of the case that was done, or with none done
 *   -EAGAIN     all would wait, and `deadline` was TN_NOWAIT
 *   -ETIME -ECANCELED -EDEADLK -ENOMEM   as of every wait
 *   -EXDEV -EINVAL                                                         */
TN_API TN_MUST int tn_select(struct tn_select_case *cases, size_t n,
                             tn_time deadline);

TN_END_DECLS
#endif /* TN_CHANNEL_H */
