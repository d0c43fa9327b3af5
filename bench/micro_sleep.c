/* SPDX-License-Identifier: MIT */
/* micro_sleep.c - many greenlets that wait, and one that wakes in time. The
 * floors are in floor_memory.c. */
#include <stdio.h>
#include <tendril/tendril.h>

#include "bench.h"
#include "micro.h"

enum { SLEEPS = 2000, SLEEP_NS = 100000 };

static size_t n_parked, n_ended;
static tn_time wake_at;
static uint64_t random_state = 1;

static int sleep_until_woken(void *arg)
{
    (void)arg;
    n_parked++;
    if (tn_sleep(wake_at))
        bench_fail("tn_sleep failed");
    n_ended++;
    return 0;
}

static void spawn_many(tn_greenlet_fn fn, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tn_spawn(fn, NULL, NULL))
            bench_fail("tn_spawn failed after %zu greenlets", i);
}

static void join_all(size_t n)
{
    if (tn_hub_join(TN_FOREVER))
        bench_fail("tn_hub_join failed");
    if (n_ended != n)
        bench_fail("%zu greenlets of %zu finished", n_ended, n);
}

void micro_parked(size_t n)
{
    tn_self(); /* makes the hub */
    long before = bench_status(0, "VmRSS") + bench_status(0, "VmPTE");
    int64_t begin = bench_now_ns();
    spawn_many(sleep_until_woken, n);
    /* Time enough for all to park, also when the machine is busy. */
    wake_at = tn_after_ns(300000000 + (int64_t)n * 4000);
    while (n_parked < n)
        if (tn_yield())
            bench_fail("tn_yield failed");
    double spawn_ns = (double)(bench_now_ns() - begin) / (double)n;
    long after = bench_status(0, "VmRSS") + bench_status(0, "VmPTE");
    long mappings = bench_mappings();

    if (n_ended || tn_now() >= wake_at)
        bench_fail("the greenlets woke before all were parked");
    join_all(n);
    printf("{\"value\": %.1f, \"unit\": \"B\", \"mappings\": %ld, "
           "\"finished\": %zu, \"peak_rss_mib\": %ld, \"spawn_ns\": %.0f}\n",
           (double)(after - before) * 1024 / (double)n, mappings, n_ended,
           bench_status(0, "VmHWM") / 1024, spawn_ns);
}

static int sleep_once(void *arg)
{
    (void)arg;
    if (tn_sleep(tn_after_us((int64_t)(bench_random(&random_state) % 1000000))))
        bench_fail("tn_sleep failed");
    n_ended++;
    return 0;
}

void micro_sleep_many(size_t n)
{
    int64_t begin = bench_now_ns();

    spawn_many(sleep_once, n);
    join_all(n);
    printf("{\"value\": %.4f, \"unit\": \"CPU s\", \"wall_s\": %.3f, "
           "\"peak_rss_mib\": %ld}\n",
           (double)bench_cpu_ns(0) / 1e9,
           (double)(bench_now_ns() - begin) / 1e9,
           bench_status(0, "VmHWM") / 1024);
}

static uint32_t late[SLEEPS];

void micro_sleep_short(void)
{
    for (int i = 0; i < SLEEPS; i++) {
        tn_time due = tn_after_ns(SLEEP_NS);
        if (tn_sleep(due))
            bench_fail("tn_sleep failed");
        tn_time over = bench_now_ns() - due;
        if (over < 0)
            bench_fail("tn_sleep returned before its deadline");
        late[i] = (uint32_t)over;
    }
    printf("{\"value\": %.2f, \"unit\": \"us\", \"p99_us\": %.2f}\n",
           bench_percentile(late, SLEEPS, 0.5) / 1e3,
           bench_percentile(late, SLEEPS, 0.99) / 1e3);
}
