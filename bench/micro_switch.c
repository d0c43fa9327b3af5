/* SPDX-License-Identifier: MIT */
/* micro_switch.c - tn_switch() between two greenlets, and tn_yield() through
 * the scheduler. The floors are in floor_yield.c. */
#include <stdio.h>
#include <stdlib.h>
#include <tendril/tendril.h>

#include "bench.h"
#include "micro.h"

enum { YIELDS = 500000, ROUNDS_MIN = 2 };
enum { SLICES_DIFFER = 5 }; /* takes long where it matters */

static int is_over;

static int switch_back(void *arg)
{
    while (!is_over)
        if (tn_switch(arg, NULL, NULL))
            bench_fail("the second greenlet could not switch back");
    return 0;
}

static double switch_pairs(tn_greenlet *other, int is_inexact)
{
    bench_set_inexact(is_inexact);
    int64_t begin = bench_now_ns();
    for (int i = 0; i < MICRO_TIMES; i++)
        if (tn_switch(other, NULL, NULL))
            bench_fail("tn_switch failed");
    return (double)(bench_now_ns() - begin) / (2.0 * MICRO_TIMES);
}

void micro_switch(void)
{
    tn_greenlet *other;
    double best = 1e9, best_differ = 1e9;

    if (tn_greenlet_new(NULL, switch_back, tn_self(), &other))
        bench_fail("tn_greenlet_new failed");
    for (int slice = 0; slice < MICRO_SLICES; slice++) {
        double same = switch_pairs(other, 0);
        best = same < best ? same : best;
    }
    for (int slice = 0; slice < SLICES_DIFFER; slice++) {
        double differ = switch_pairs(other, 1);
        best_differ = differ < best_differ ? differ : best_differ;
    }
    is_over = 1;
    if (tn_switch(other, NULL, NULL) || !tn_greenlet_is_done(other))
        bench_fail("the second greenlet did not end");
    tn_unref(other);
    printf("{\"value\": %.3f, \"unit\": \"ns\", \"flags_differ_ns\": %.3f}\n",
           best, best_differ);
}

static size_t ring_length;
static size_t ring_yields;
static double ring_best;

static void yield(void)
{
    if (tn_yield())
        bench_fail("tn_yield failed");
}

static int yield_until_over(void *arg)
{
    (void)arg;
    while (!is_over) {
        ring_yields++;
        yield();
    }
    return 0;
}

/* The first of the ring: it keeps the time. */
static int yield_and_measure(void *arg)
{
    size_t rounds = YIELDS / ring_length;

    (void)arg;
    if (rounds < ROUNDS_MIN)
        rounds = ROUNDS_MIN;
    yield(); /* all have started then */
    yield();
    ring_best = 1e9;
    for (int slice = 0; slice < MICRO_SLICES; slice++) {
        size_t others = ring_yields;
        bench_set_inexact(0);
        int64_t begin = bench_now_ns();
        for (size_t i = 0; i < rounds; i++)
            yield();
        double ns =
            (double)(bench_now_ns() - begin) / (double)(rounds * ring_length);
        ring_best = ns < ring_best ? ns : ring_best;
        if (ring_yields - others != rounds * (ring_length - 1))
            bench_fail("the greenlets did not yield in turn");
    }
    is_over = 1;
    return 0;
}

void micro_yield(size_t n)
{
    ring_length = n;
    for (size_t i = 0; i < n; i++)
        if (tn_spawn(i == 0 ? yield_and_measure : yield_until_over, NULL, NULL))
            bench_fail("tn_spawn failed");
    if (tn_hub_join(TN_FOREVER))
        bench_fail("tn_hub_join failed");
    printf("{\"value\": %.3f, \"unit\": \"ns\"}\n", ring_best);
}
