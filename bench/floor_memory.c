/* SPDX-License-Identifier: MIT */
/* floor_memory.c - bare pages and bare sleeps: what a parked greenlet and a
 * short sleep cost the kernel alone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "floor.h"

#ifndef SYS_epoll_pwait2
# define SYS_epoll_pwait2 441
#endif

enum { SLEEPS = 2000, SLEEP_NS = 100000 };

static void touch(struct floor_block **blocks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *(volatile char *)blocks[i] = 1;
}

void floor_bench_parked(size_t n)
{
    struct floor_block **blocks = floor_blocks(n);
    long before = bench_status(0, "VmRSS") + bench_status(0, "VmPTE");
    int guarded = floor_stacks(blocks, n);
    touch(blocks, n);
    long after = bench_status(0, "VmRSS") + bench_status(0, "VmPTE");

    printf("{\"value\": %.1f, \"unit\": \"B\", \"mappings\": %ld, "
           "\"guarded\": %s, \"peak_rss_mib\": %ld}\n",
           (double)(after - before) * 1024 / (double)n, bench_mappings(),
           guarded ? "true" : "false", bench_status(0, "VmHWM") / 1024);
}

void floor_bench_sleep_many(size_t n)
{
    struct floor_block **blocks = floor_blocks(n);
    int guarded = floor_stacks(blocks, n);

    touch(blocks, n);
    printf("{\"value\": %.4f, \"unit\": \"CPU s\", \"guarded\": %s}\n",
           (double)bench_cpu_ns(0) / 1e9, guarded ? "true" : "false");
}

static uint32_t late[SLEEPS];

static void sleep_in_epoll(int epoll)
{
    struct timespec span = {0, SLEEP_NS};
    struct epoll_event event;

    for (int i = 0; i < SLEEPS; i++) {
        int64_t due = bench_now_ns() + SLEEP_NS;
        if (syscall(SYS_epoll_pwait2, epoll, &event, 1, &span, NULL, 0))
            bench_skip("epoll_pwait2: %m");
        late[i] = (uint32_t)(bench_now_ns() - due);
    }
}

static void sleep_in_nanosleep(void)
{
    for (int i = 0; i < SLEEPS; i++) {
        int64_t due = bench_now_ns() + SLEEP_NS;
        struct timespec until = {due / 1000000000, due % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        late[i] = (uint32_t)(bench_now_ns() - due);
    }
}

void floor_bench_sleep_short(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (epoll < 0)
        bench_fail("epoll_create1: %m");
    sleep_in_epoll(epoll);
    uint32_t p50 = bench_percentile(late, SLEEPS, 0.5);
    uint32_t p99 = bench_percentile(late, SLEEPS, 0.99);
    sleep_in_nanosleep();
    printf("{\"value\": %.2f, \"unit\": \"us\", \"p99_us\": %.2f, "
           "\"nanosleep_p50_us\": %.2f, \"nanosleep_p99_us\": %.2f}\n",
           p50 / 1e3, p99 / 1e3, bench_percentile(late, SLEEPS, 0.5) / 1e3,
           bench_percentile(late, SLEEPS, 0.99) / 1e3);
}
