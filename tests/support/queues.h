/* SPDX-License-Identifier: MIT */
/* tests/support/queues.h - what tests of queues do with them. Items are
 * numbers: nothing is pointed to. */
#ifndef TN_TESTS_QUEUES_H
#define TN_TESTS_QUEUES_H

#include "support/green.h"

static inline void *item_of(intptr_t n)
{
    return (void *)n;
}

static inline tn_queue *make(int kind, size_t capacity)
{
    struct tn_queue_options options = TN_QUEUE_OPTIONS;
    tn_queue *q;

    options.kind = kind;
    options.capacity = capacity;
    assert_result(tn_queue_new(&options, &q), 0);
    return q;
}

static inline void put_all(tn_queue *q, int first, int last)
{
    for (int i = first; i <= last; i++)
        assert_result(tn_queue_put(q, item_of(i), TN_NOWAIT), 0);
}

/* What was got or peeked, or the error. */
static inline long get(tn_queue *q, tn_time deadline)
{
    void *item = item_of(-1);
    int r = tn_queue_get(q, &item, deadline);

    return r < 0 ? r : (long)(intptr_t)item;
}

static inline long peek(tn_queue *q, tn_time deadline)
{
    void *item = item_of(-1);
    int r = tn_queue_peek(q, &item, deadline);

    return r < 0 ? r : (long)(intptr_t)item;
}

/* One that makes one call. */
struct peer {
    tn_queue *q;
    intptr_t n; /* what it puts */
    tn_time deadline;
    long r;
};

static inline int put_it(void *arg)
{
    struct peer *p = arg;

    p->r = tn_queue_put(p->q, item_of(p->n), p->deadline);
    return 0;
}

static inline int get_it(void *arg)
{
    struct peer *p = arg;

    p->r = get(p->q, p->deadline);
    return 0;
}

static inline int peek_it(void *arg)
{
    struct peer *p = arg;

    p->r = peek(p->q, p->deadline);
    return 0;
}

static inline int join_it(void *arg)
{
    struct peer *p = arg;

    p->r = tn_queue_join(p->q, p->deadline);
    return 0;
}

/* It has run until it waits or has ended, in whatever order others run. */
static inline tn_greenlet *run(tn_greenlet *g)
{
    while (tn_greenlet_state(g) == TN_GREENLET_READY)
        assert_result(tn_yield(), 0);
    return g;
}

static inline tn_greenlet *start(tn_greenlet_fn fn, struct peer *p, tn_queue *q,
                                 intptr_t n)
{
    *p = (struct peer){q, n, TN_FOREVER, 1};
    return run(spawn(fn, p));
}

#endif /* TN_TESTS_QUEUES_H */
