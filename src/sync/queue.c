/* SPDX-License-Identifier: MIT */
/* sync/queue.c - queues of pointers; what they hold is in store.c.
 *
 * Whoever changes the queue serves those that wait, at once and in their order:
 * an item that is put goes to the first who waits in a get, and room that a get
 * makes is filled by the first who waits in a put. So nobody who comes later
 * overtakes, and who leaves without having been served owes nobody anything.
 *
 * Always true between calls: gets and peeks wait only while the queue is empty
 * and open, puts only while it is full and open. A put that finds somebody
 * waiting in a get therefore needs no memory, and neither does one that waits:
 * a bounded queue has all of its memory from the beginning. */
#include <errno.h>
#include <stdlib.h>
#include <tendril/queue.h>

#include "base/sized.h"
#include "hub/waitable.h"
#include "sync/store.h"
#include "sync/waitq.h"

/* An unbounded queue that is empty gives memory for more items back. */
enum { SIZE_KEPT = 1024 };

/* One that waits, in any of the calls. On its stack. */
struct waiter {
    struct tn__waitq_node node;
    void *item; /* to be put; or what was got, once it is done with result 0 */
    int result; /* once it is done */
};

struct tn_queue {
    struct tn_hub *hub; /* not owned */
    struct tn__store store;
    struct tn__waitq getters; /* of struct waiter, as the next three */
    struct tn__waitq peekers;
    struct tn__waitq putters;
    struct tn__waitq joiners;
    size_t capacity;   /* 0: no bound */
    size_t unfinished; /* items put and not done */
    bool is_closed;
    struct tn_waitable waitable; /* ready: a get would not wait */
};

static bool is_ready(const struct tn_waitable *w)
{
    const struct tn_queue *q = TN_CONTAINER(w, struct tn_queue, waitable);

    return q->store.count > 0 || q->is_closed;
}

static const struct tn__waitable_ops queue_ops = {
    .what = "queue",
    .is_ready = is_ready,
};

/* ---- making ---- */

static bool is_valid(const struct tn_queue_options *options)
{
    switch (options->kind) {
    case TN_QUEUE_FIFO:
    case TN_QUEUE_LIFO:
        return true;
    case TN_QUEUE_PRIORITY:
        return options->compare != NULL;
    default:
        return false;
    }
}

int tn_queue_new(const struct tn_queue_options *given, tn_queue **ret_queue)
{
    struct tn_queue_options options = TN_QUEUE_OPTIONS;
    struct tn_hub *h;
    tn_queue *q;
    int r;

    if (!ret_queue || tn__sized_read(&options, sizeof options, given) < 0 ||
        !is_valid(&options))
        return -EINVAL;
    r = tn__hub_self(&h);
    if (r < 0)
        return r;
    q = calloc(1, sizeof *q);
    if (!q)
        return -ENOMEM;
    q->hub = h;
    q->capacity = options.capacity;
    q->store.kind = options.kind;
    q->store.compare = options.compare;
    q->store.arg = options.compare_arg;
    r = tn__store_reserve(&q->store, options.capacity);
    if (r < 0) {
        free(q);
        return r;
    }
    tn__waitq_init(&q->getters);
    tn__waitq_init(&q->peekers);
    tn__waitq_init(&q->putters);
    tn__waitq_init(&q->joiners);
    tn__waitable_init(&q->waitable, &queue_ops, h);
    *ret_queue = q;
    return 0;
}

/* ---- serving those that wait ---- */

static struct waiter *first_of(const struct tn__waitq *waiters)
{
    return TN_CONTAINER(tn__waitq_first(waiters), struct waiter, node);
}

static void serve(struct waiter *w, void *item, int result)
{
    w->item = item;
    w->result = result;
    tn__waitq_wake(&w->node);
}

static void serve_all(struct tn__waitq *waiters, void *item, int result)
{
    while (!tn__waitq_is_empty(waiters))
        serve(first_of(waiters), item, result);
}

static bool has_room(const struct tn_queue *q)
{
    return q->capacity == 0 || q->store.count < q->capacity;
}

/* There may be room for puts that wait. */
static void admit(struct tn_queue *q)
{
    while (!tn__waitq_is_empty(&q->putters) && has_room(q)) {
        struct waiter *w = first_of(&q->putters);

        tn__store_add(&q->store, w->item);
        q->unfinished++;
        serve(w, NULL, 0);
    }
}

/* ---- put, get, peek ---- */

static int try_put(struct tn_queue *q, void *item)
{
    bool is_passed_on = !tn__waitq_is_empty(&q->getters);
    int r;

    if (q->is_closed)
        return -EPIPE;
    if (!is_passed_on) {
        if (!has_room(q))
            return -EAGAIN;
        r = tn__store_reserve(&q->store, q->store.count + 1);
        if (r < 0)
            return r;
    }
    q->unfinished++;
    serve_all(&q->peekers, item, 0);
    if (is_passed_on) {
        serve(first_of(&q->getters), item, 0);
    } else {
        tn__store_add(&q->store, item);
        tn__waitable_notify(&q->waitable);
    }
    return 0;
}

static int try_get(struct tn_queue *q, void **ret_item)
{
    void *item;

    if (q->store.count == 0)
        return q->is_closed ? -EPIPE : -EAGAIN;
    item = tn__store_take(&q->store);
    admit(q);
    if (TN_UNLIKELY(q->store.count == 0 && q->store.size > SIZE_KEPT &&
                    q->capacity == 0))
        tn__store_release(&q->store);
    if (ret_item)
        *ret_item = item;
    return 0;
}

static int try_peek(struct tn_queue *q, void **ret_item)
{
    if (q->store.count == 0)
        return q->is_closed ? -EPIPE : -EAGAIN;
    if (ret_item)
        *ret_item = tn__store_next(&q->store);
    return 0;
}

/* The end of a call that tried, with the result `r`: when that is -EAGAIN wait
 * among `waiters`, until served. */
static inline int end(struct tn_queue *q, int r, struct tn__waitq *waiters,
                      struct waiter *w, tn_time deadline, const char *what)
{
    if (r != -EAGAIN || deadline == TN_NOWAIT) {
        tn__hub_tick(q->hub);
        return r;
    }
    r = tn__waitq_wait(q->hub, waiters, &w->node, deadline, what);
    return r < 0 ? r : w->result;
}

int tn_queue_put(tn_queue *q, void *item, tn_time deadline)
{
    struct waiter w;
    int r;

    if (!q)
        return -EINVAL;
    r = tn__wait_enter(q->hub, deadline);
    if (r)
        return r;
    w.item = item;
    return end(q, try_put(q, item), &q->putters, &w, deadline, "tn_queue_put");
}

/* Get or peek, as `try` does. */
static int take(tn_queue *q, int (*try)(struct tn_queue *, void **),
                struct tn__waitq *waiters, void **ret_item, tn_time deadline,
                const char *what)
{
    struct waiter w;
    int r = tn__wait_enter(q->hub, deadline);

    if (r)
        return r;
    r = try(q, &w.item);
    r = end(q, r, waiters, &w, deadline, what);
    if (r == 0 && ret_item)
        *ret_item = w.item;
    return r;
}

int tn_queue_get(tn_queue *q, void **ret_item, tn_time deadline)
{
    if (!q)
        return -EINVAL;
    return take(q, try_get, &q->getters, ret_item, deadline, "tn_queue_get");
}

int tn_queue_peek(tn_queue *q, void **ret_item, tn_time deadline)
{
    if (!q)
        return -EINVAL;
    return take(q, try_peek, &q->peekers, ret_item, deadline, "tn_queue_peek");
}

/* ---- work ---- */

static void one_is_done(struct tn_queue *q)
{
    if (--q->unfinished == 0)
        serve_all(&q->joiners, NULL, 0);
}

int tn_queue_task_done(tn_queue *q)
{
    if (!q)
        return -EINVAL;
    if (q->hub != tn__hub_peek())
        return -EXDEV;
    if (q->unfinished == 0)
        return -EINVAL;
    one_is_done(q);
    return 0;
}

int tn_queue_join(tn_queue *q, tn_time deadline)
{
    struct waiter w;
    int r;

    if (!q)
        return -EINVAL;
    r = tn__wait_enter(q->hub, deadline);
    if (r)
        return r;
    r = q->unfinished == 0 ? 0 : -EAGAIN;
    return end(q, r, &q->joiners, &w, deadline, "tn_queue_join");
}

/* ---- the end ---- */

static void close_it(struct tn_queue *q)
{
    if (q->is_closed)
        return;
    q->is_closed = true;
    serve_all(&q->putters, NULL, -EPIPE);
    serve_all(&q->peekers, NULL, -EPIPE);
    serve_all(&q->getters, NULL, -EPIPE);
    tn__waitable_notify(&q->waitable);
}

int tn_queue_close(tn_queue *q)
{
    if (!q)
        return -EINVAL;
    if (q->hub != tn__hub_peek())
        return -EXDEV;
    close_it(q);
    return 0;
}

int tn_queue_close_now(tn_queue *q, tn_queue_drop_fn drop, void *arg)
{
    int r = tn_queue_close(q);

    while (r == 0 && q->store.count > 0) {
        void *item = tn__store_take(&q->store);

        if (q->unfinished > 0)
            one_is_done(q);
        if (drop)
            drop(item, arg);
    }
    return r;
}

void tn_queue_free(tn_queue *q)
{
    if (!q)
        return;
    if (q->hub == tn__hub_peek()) { /* else who waited is gone with it */
        close_it(q);
        serve_all(&q->joiners, NULL, -EPIPE);
    }
    q->store.count = 0;
    tn__store_release(&q->store);
    tn__waitable_fini(&q->waitable);
    free(q);
}

/* ---- looking at it ---- */

size_t tn_queue_unfinished(const tn_queue *q)
{
    return q ? q->unfinished : 0;
}

size_t tn_queue_count(const tn_queue *q)
{
    return q ? q->store.count : 0;
}

int tn_queue_is_empty(const tn_queue *q)
{
    return !q || q->store.count == 0;
}

int tn_queue_is_full(const tn_queue *q)
{
    return q && !has_room(q);
}

int tn_queue_is_closed(const tn_queue *q)
{
    return q && q->is_closed;
}

size_t tn_queue_capacity(const tn_queue *q)
{
    return q ? q->capacity : 0;
}

int tn_queue_set_capacity(tn_queue *q, size_t capacity)
{
    size_t n = capacity;
    int r;

    if (!q)
        return -EINVAL;
    if (q->hub != tn__hub_peek())
        return -EXDEV;
    if (capacity == 0) {
        n = q->store.count;
        for (struct tn__list *l = q->putters.nodes.next; l != &q->putters.nodes;
             l = l->next)
            n++;
    }
    r = tn__store_reserve(&q->store, n);
    if (r < 0)
        return r;
    q->capacity = capacity;
    admit(q);
    return 0;
}

tn_waitable *tn_queue_waitable(tn_queue *q)
{
    return q ? &q->waitable : NULL;
}
