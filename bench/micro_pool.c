/* SPDX-License-Identifier: MIT */
/* micro_pool.c - many jobs through a pool of a hundred members. Each job yields
 * once, so that the pool is full while the next is spawned. */
#include <stdio.h>
#include <tendril/tendril.h>

#include "bench.h"
#include "micro.h"

enum { JOBS = 10000, MEMBERS = 100 };

static size_t n_done;

static int job(void *arg)
{
    (void)arg;
    if (tn_yield())
        bench_fail("tn_yield failed");
    n_done++;
    return 0;
}

/* Spawned one by one, waiting for room; ns for each. */
static double spawn_jobs(tn_pool *pool)
{
    size_t done_before = n_done;

    bench_set_inexact(0);
    int64_t begin = bench_now_ns();

    for (int i = 0; i < JOBS; i++)
        if (tn_group_spawn(pool, job, NULL, NULL, TN_FOREVER))
            bench_fail("tn_group_spawn failed");
    if (tn_group_join(pool, 0, TN_FOREVER))
        bench_fail("tn_group_join failed");
    if (n_done - done_before != JOBS)
        bench_fail("%zu jobs were done of %d", n_done - done_before, JOBS);
    return (double)(bench_now_ns() - begin) / JOBS;
}

/* The same by tn_group_map(), with their results. */
static double map_jobs(tn_pool *pool)
{
    static tn_item items[JOBS];

    bench_set_inexact(0);
    int64_t begin = bench_now_ns();

    if (tn_group_map(pool, job, items, JOBS, TN_FOREVER))
        bench_fail("tn_group_map failed");
    return (double)(bench_now_ns() - begin) / JOBS;
}

void micro_pool(void)
{
    double best = 1e9, best_map = 1e9;
    tn_pool *pool;

    if (tn_pool_new(MEMBERS, &pool))
        bench_fail("tn_pool_new failed");
    for (int slice = 0; slice < MICRO_SLICES; slice++) {
        double ns = spawn_jobs(pool), map = map_jobs(pool);
        best = ns < best ? ns : best;
        best_map = map < best_map ? map : best_map;
    }
    tn_group_free(pool);
    printf("{\"value\": %.3f, \"unit\": \"ns\", \"map_ns\": %.3f}\n", best,
           best_map);
}
