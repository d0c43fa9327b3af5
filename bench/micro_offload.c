/* SPDX-License-Identifier: MIT */
/* micro_offload.c - jobs on the threads of a pool and back, and reads of a file
 * that is in the page cache. The floors are in floor_offload.c. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <tendril/tendril.h>
#include <unistd.h>

#include "bench.h"
#include "micro.h"

enum { JOBS = 2000, USERS = 64, READS = 5000, BLOCK = 4096, BLOCKS = 256 };

static long job(void *arg)
{
    return ++*(long *)arg;
}

static int offload_some(void *arg)
{
    long n = 0;

    for (long i = 1; i <= (long)(size_t)arg; i++)
        if (tn_offload(job, &n, TN_FOREVER) != i)
            bench_fail("tn_offload gave another result");
    return 0;
}

/* Jobs of many greenlets at once, on one thread; ns for each. */
static double offload_by_many(void)
{
    tn_greenlet *users[USERS];
    int64_t begin = bench_now_ns();

    for (int i = 0; i < USERS; i++)
        if (tn_spawn(offload_some, (void *)(size_t)(JOBS / USERS), &users[i]))
            bench_fail("tn_spawn failed");
    for (int i = 0; i < USERS; i++)
        if (tn_join(users[i], NULL, TN_FOREVER))
            bench_fail("tn_join failed");
    return (double)(bench_now_ns() - begin) / (JOBS / USERS * USERS);
}

void micro_offload(void)
{
    double best = 1e9, best_many = 1e9;

    if (tn_offload_pool_set_threads(NULL, 1))
        bench_fail("tn_offload_pool_set_threads failed");
    for (int slice = 0; slice < MICRO_SLICES; slice++) {
        int64_t begin = bench_now_ns();

        offload_some((void *)(size_t)JOBS);
        double ns = (double)(bench_now_ns() - begin) / JOBS;
        double many = offload_by_many();

        best = ns < best ? ns : best;
        best_many = many < best_many ? many : best_many;
    }
    printf("{\"value\": %.1f, \"unit\": \"ns\", \"by_64_ns\": %.1f}\n", best,
           best_many);
}

/* ---- files ---- */

static int make_file(void)
{
    static char block[BLOCK];
    char path[] = "/tmp/tendril-bench-XXXXXX";
    int fd = mkstemp(path);

    if (fd < 0 || unlink(path) < 0)
        bench_fail("no file in /tmp");
    for (int i = 0; i < BLOCKS; i++)
        if (write(fd, block, sizeof block) != BLOCK)
            bench_fail("the file could not be written");
    return fd;
}

void micro_file_pread(void)
{
    static char block[BLOCK];
    double best = 1e9;
    int fd = make_file();

    for (int slice = 0; slice < MICRO_SLICES; slice++) {
        int64_t begin = bench_now_ns();

        for (int i = 0; i < READS; i++)
            if (tn_file_pread(fd, block, BLOCK, (int64_t)(i % BLOCKS) * BLOCK,
                              TN_FOREVER) != BLOCK)
                bench_fail("tn_file_pread failed");
        double ns = (double)(bench_now_ns() - begin) / READS;
        best = ns < best ? ns : best;
    }
    close(fd);
    printf("{\"value\": %.1f, \"unit\": \"ns\"}\n", best);
}
