/* SPDX-License-Identifier: MIT */
/* micro_queue.c - items through queues: a put and its get. */
#include <stdint.h>
#include <stdio.h>
#include <tendril/tendril.h>

#include "bench.h"
#include "micro.h"

enum { BATCH = 100 };

static void put(tn_queue *q, intptr_t n)
{
    if (tn_queue_put(q, (void *)n, TN_FOREVER))
        bench_fail("tn_queue_put failed");
}

static void get(tn_queue *q, intptr_t should_be)
{
    void *item;

    if (tn_queue_get(q, &item, TN_FOREVER))
        bench_fail("tn_queue_get failed");
    if ((intptr_t)item != should_be)
        bench_fail("an item was lost");
}

/* The other end: gets what comes, in order, until the item 0. */
static int get_all(void *arg)
{
    void *item;

    for (intptr_t next = 1;; next++) {
        if (tn_queue_get(arg, &item, TN_FOREVER))
            bench_fail("tn_queue_get failed");
        if (!item)
            return 0;
        if ((intptr_t)item != next)
            bench_fail("an item was lost");
    }
}

static tn_queue *make(size_t capacity)
{
    struct tn_queue_options options = TN_QUEUE_OPTIONS;
    tn_queue *q;

    options.capacity = capacity;
    if (tn_queue_new(&options, &q))
        bench_fail("no memory");
    return q;
}

/* A hundred puts, then their gets, by one greenlet. */
static double measure_alone(void)
{
    tn_queue *q = make(0);
    double best = 1e9;

    for (int slice = 0; slice < MICRO_SLICES; slice++) {
        int64_t begin = bench_now_ns();
        for (int i = 0; i < MICRO_TIMES / BATCH; i++) {
            for (intptr_t n = 1; n <= BATCH; n++)
                put(q, n);
            for (intptr_t n = 1; n <= BATCH; n++)
                get(q, n);
        }
        double ns = (double)(bench_now_ns() - begin) / MICRO_TIMES;
        best = ns < best ? ns : best;
    }
    tn_queue_free(q);
    return best;
}

/* One puts, another gets. */
static double measure_two(size_t capacity)
{
    tn_queue *q = make(capacity);
    double best = 1e9;
    intptr_t n = 0;
    tn_greenlet *g;

    if (tn_spawn(get_all, q, &g))
        bench_fail("no memory");
    bench_set_inexact(0);
    for (int slice = 0; slice < MICRO_SLICES; slice++) {
        int64_t begin = bench_now_ns();
        for (int i = 0; i < MICRO_TIMES; i++)
            put(q, ++n);
        double ns = (double)(bench_now_ns() - begin) / MICRO_TIMES;
        best = ns < best ? ns : best;
    }
    put(q, 0);
    if (tn_join(g, NULL, TN_FOREVER))
        bench_fail("the other end did not end");
    tn_queue_free(q);
    return best;
}

void micro_queue(void)
{
    printf("{\"value\": %.3f, \"unit\": \"ns\", ", measure_alone());
    printf("\"bounded_100_ns\": %.3f, ", measure_two(BATCH));
    printf("\"blocking_ns\": %.3f}\n", measure_two(1));
}
