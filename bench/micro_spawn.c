/* SPDX-License-Identifier: MIT */
/* micro_spawn.c - the life of an empty greenlet, whose stack comes from the
 * cache. The floor, in floor_yield.c, makes a context, switches to it and back.
 */
#include <stdio.h>
#include <tendril/tendril.h>

#include "bench.h"
#include "micro.h"

enum { BATCH = 100 };

static size_t n_ended;

static int end_at_once(void *arg)
{
    (void)arg;
    n_ended++;
    return 7;
}

/* Spawn `batch` detached greenlets, yield to them, and so on; ns for each. */
static double spawn_detached(int batch)
{
    size_t ended_before = n_ended;

    bench_set_inexact(0);
    int64_t begin = bench_now_ns();

    for (int i = 0; i < MICRO_TIMES; i += batch) {
        for (int j = 0; j < batch; j++)
            if (tn_spawn(end_at_once, NULL, NULL))
                bench_fail("tn_spawn failed");
        if (tn_yield())
            bench_fail("tn_yield failed");
    }
    if (n_ended - ended_before != MICRO_TIMES)
        bench_fail("%zu greenlets ended of %d", n_ended - ended_before,
                   MICRO_TIMES);
    return (double)(bench_now_ns() - begin) / MICRO_TIMES;
}

void micro_spawn(void)
{
    double best = 1e9, best_batch = 1e9;

    for (int slice = 0; slice < MICRO_SLICES; slice++) {
        double one = spawn_detached(1), many = spawn_detached(BATCH);
        best = one < best ? one : best;
        best_batch = many < best_batch ? many : best_batch;
    }
    printf("{\"value\": %.3f, \"unit\": \"ns\", \"batch_100_ns\": %.3f}\n",
           best, best_batch);
}

void micro_spawn_join(void)
{
    double best = 1e9;

    for (int slice = 0; slice < MICRO_SLICES; slice++) {
        bench_set_inexact(0);
        int64_t begin = bench_now_ns();
        for (int i = 0; i < MICRO_TIMES; i++) {
            tn_greenlet *g;
            int result = 0;
            if (tn_spawn(end_at_once, NULL, &g))
                bench_fail("tn_spawn failed");
            if (tn_join(g, &result, TN_FOREVER) || result != 7)
                bench_fail("tn_join failed, or the result is wrong");
        }
        double ns = (double)(bench_now_ns() - begin) / MICRO_TIMES;
        best = ns < best ? ns : best;
    }
    printf("{\"value\": %.3f, \"unit\": \"ns\"}\n", best);
}
