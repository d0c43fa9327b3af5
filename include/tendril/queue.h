/* SPDX-License-Identifier: MIT */
/* tendril/queue.h - queues of pointers between greenlets of one hub: first in
 * first out, last in first out, or by priority; bounded or not.
 *
 * Ownership  The queue keeps pointers and never frees what they point to. An
 *            item that was put is the queue's, then that of who got it; when a
 *            put fails it is still the caller's.
 * Blocking   Functions that take a deadline may switch greenlets; no other
 *            function here does.
 * Threads    A queue belongs to the hub of the thread that made it. Calls from
 *            another thread are -EXDEV.
 * Manual     tn_queue(3).  Example: examples/workers.c.
 */
#ifndef TN_QUEUE_H
#define TN_QUEUE_H

#include <tendril/base.h>
#include <tendril/wait.h> /* tn_waitable */

TN_BEGIN_DECLS

typedef struct tn_queue tn_queue;

enum tn_queue_kind {
    TN_QUEUE_FIFO,    /* the oldest item is got first */
    TN_QUEUE_LIFO,    /* the newest */
    TN_QUEUE_PRIORITY /* the least, and of equal ones the oldest */
};

/* Below 0 when `a` is to be got before `b`, above 0 for the reverse. May not
 * wait, nor use the queue. */
typedef int (*tn_queue_compare_fn)(const void *a, const void *b, void *arg);

/* Options of a queue. Start from TN_QUEUE_OPTIONS, so that fields that come
 * later have their default. */
struct tn_queue_options {
    size_t size;     /* sizeof(struct tn_queue_options) */
    int kind;        /* enum tn_queue_kind */
    size_t capacity; /* items it can hold; 0: no bound */
    tn_queue_compare_fn compare; /* of TN_QUEUE_PRIORITY */
    void *compare_arg;
};
#define TN_QUEUE_OPTIONS                                                       \
 {                                                                             \
  sizeof(struct tn_queue_options), TN_QUEUE_FIFO, 0, NULL, NULL                \
 }

/* Make a queue; NULL options are the defaults, first in first out without a
 * bound. One with a bound takes all its memory here.
 * Stores it in *ret_queue and returns 0, or -EINVAL, or -ENOMEM. */
TN_API TN_MUST int tn_queue_new(const struct tn_queue_options *options,
                                tn_queue **ret_queue);

/* Close `q` and free it: whoever waits on it gets -EPIPE, and the pointers it
 * holds are forgotten (see tn_queue_close_now()). NULL is ignored. */
TN_API void tn_queue_free(tn_queue *q);

/* Put `item` (which may be NULL), waiting until `deadline` for room. Puts are
 * done in the order in which they came. On any error nothing was put.
 *   -EPIPE      the queue is closed, or was while this waited
 *   -EAGAIN     it is full, and `deadline` was TN_NOWAIT
 *   -ENOMEM     it has no bound, and there is no memory to grow
 *   -ETIME -ECANCELED -EDEADLK -EXDEV -EINVAL   as of every wait            */
TN_API TN_MUST int tn_queue_put(tn_queue *q, void *item, tn_time deadline);

/* Get the next item into *ret_item (NULL: drop it), waiting until `deadline`
 * for one; items are given out in the order of the gets. Errors as of
 * tn_queue_put(), except that -EPIPE comes only when the queue is closed and
 * empty: a loop of gets ends there. */
TN_API TN_MUST int tn_queue_get(tn_queue *q, void **ret_item, tn_time deadline);

/* The same, but the item stays. One put satisfies all who wait in this. */
TN_API TN_MUST int tn_queue_peek(tn_queue *q, void **ret_item,
                                 tn_time deadline);

/* ---- the end ---- */

/* Refuse further puts with -EPIPE, those that wait too. Gets get what it holds,
 * and then -EPIPE. Again: nothing. Returns 0, -EINVAL or -EXDEV. */
TN_API int tn_queue_close(tn_queue *q);

/* Told of an item that nobody will get; it is the callee's now. */
typedef void (*tn_queue_drop_fn)(void *item, void *arg);

/* The same, and empty it: call drop(item, arg) for each item, in the order of
 * gets; each counts as done. `drop` may be NULL. */
TN_API int tn_queue_close_now(tn_queue *q, tn_queue_drop_fn drop, void *arg);

/* ---- work: items that were got and are not done yet ---- */

/* An item that was got is done. Returns 0; -EINVAL when all are done already,
 * or q is NULL; -EXDEV. */
TN_API int tn_queue_task_done(tn_queue *q);

/* Wait until every item that was put is done: at once if none was. 0, or an
 * error as of a get; -EPIPE: the queue was freed. */
TN_API TN_MUST int tn_queue_join(tn_queue *q, tn_time deadline);

/* Items that were put and are not done. */
TN_API size_t tn_queue_unfinished(const tn_queue *q);

/* ---- looking at it ---- */

/* Items that it holds, and whether that is none, or all it can hold; whether it
 * is closed, and its bound. */
TN_API size_t tn_queue_count(const tn_queue *q);
TN_API int tn_queue_is_empty(const tn_queue *q);
TN_API int tn_queue_is_full(const tn_queue *q); /* 0 without a bound */
TN_API int tn_queue_is_closed(const tn_queue *q);
TN_API size_t tn_queue_capacity(const tn_queue *q); /* 0: no bound */

/* Change the bound; 0: none. Puts that wait are done as far as there is room
 * now. A bound below the count drops nothing. 0; -ENOMEM: nothing changed;
 * -EINVAL; -EXDEV. */
TN_API TN_MUST int tn_queue_set_capacity(tn_queue *q, size_t capacity);

/* Ready when a get would be over at once. NULL for NULL. */
TN_API tn_waitable *tn_queue_waitable(tn_queue *q);

TN_END_DECLS
#endif /* TN_QUEUE_H */
