/* SPDX-License-Identifier: MIT */
/* peer_st.c - the micro benches on state-threads 1.9, by the names of
 * bench_tendril. It has no call that only yields: st_usleep(0) it is. */
#include <st.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "micro.h"

enum { YIELDS = 500000, SLICES = 10, STACK_BYTES = 65536 };

static int is_over;
static size_t n_parked, n_ended;
static int64_t wake_at;
static uint64_t random_state = 1;

static st_thread_t create(void *(*fn)(void *), int is_joinable)
{
    st_thread_t thread = st_thread_create(fn, NULL, is_joinable, STACK_BYTES);

    if (!thread)
        bench_skip("st_thread_create: %m");
    return thread;
}

static void *yield_until_over(void *arg)
{
    while (!is_over)
        st_usleep(0);
    return arg;
}

static void print_best(double best)
{
    printf("{\"value\": %.3f, \"unit\": \"ns\"}\n", best);
}

static void bench_yield(size_t n)
{
    size_t rounds = YIELDS / n;
    double best = 1e9;

    for (size_t i = 1; i < n; i++)
        create(yield_until_over, 0);
    st_usleep(0);
    for (int slice = 0; slice < SLICES; slice++) {
        int64_t begin = bench_now_ns();
        for (size_t i = 0; i < rounds; i++)
            st_usleep(0);
        double ns = (double)(bench_now_ns() - begin) / (double)(rounds * n);
        best = ns < best ? ns : best;
    }
    is_over = 1;
    print_best(best);
}

static void *end_at_once(void *arg)
{
    n_ended++;
    return arg;
}

static void bench_spawn(int is_joined)
{
    double best = 1e9;

    for (int slice = 0; slice < SLICES; slice++) {
        int64_t begin = bench_now_ns();
        for (int i = 0; i < MICRO_TIMES; i++) {
            st_thread_t thread = create(end_at_once, is_joined);
            if (is_joined ? st_thread_join(thread, NULL) : st_usleep(0))
                bench_fail("st_thread_join or st_usleep failed");
        }
        double ns = (double)(bench_now_ns() - begin) / MICRO_TIMES;
        best = ns < best ? ns : best;
    }
    if (n_ended != (size_t)SLICES * MICRO_TIMES)
        bench_fail("%zu threads ended", n_ended);
    print_best(best);
}

static void *sleep_until_woken(void *arg)
{
    n_parked++;
    st_usleep((st_utime_t)(wake_at - bench_now_ns()) / 1000);
    n_ended++;
    return arg;
}

static void bench_parked(size_t n)
{
    long before = bench_status(0, "VmRSS") + bench_status(0, "VmPTE");

    wake_at = bench_now_ns() + 1000000000 + (int64_t)n * 20000;
    for (size_t i = 0; i < n; i++)
        create(sleep_until_woken, 0);
    while (n_parked < n)
        st_usleep(0);
    long after = bench_status(0, "VmRSS") + bench_status(0, "VmPTE");
    long mappings = bench_mappings();
    if (n_ended)
        bench_skip("the threads woke before all were parked");
    while (n_ended < n)
        st_usleep(10000);
    printf("{\"value\": %.1f, \"unit\": \"B\", \"mappings\": %ld, "
           "\"finished\": %zu, \"peak_rss_mib\": %ld}\n",
           (double)(after - before) * 1024 / (double)n, mappings, n_ended,
           bench_status(0, "VmHWM") / 1024);
}

static void *sleep_once(void *arg)
{
    st_usleep(bench_random(&random_state) % 1000000);
    n_ended++;
    return arg;
}

static void bench_sleep(size_t n)
{
    int64_t begin = bench_now_ns();

    for (size_t i = 0; i < n; i++)
        create(sleep_once, 0);
    while (n_ended < n)
        st_usleep(1000);
    printf("{\"value\": %.4f, \"unit\": \"CPU s\", \"wall_s\": %.3f, "
           "\"peak_rss_mib\": %ld}\n",
           (double)bench_cpu_ns(0) / 1e9,
           (double)(bench_now_ns() - begin) / 1e9,
           bench_status(0, "VmHWM") / 1024);
}

int main(int argc, char **argv)
{
    const char *name = argc == 2 ? argv[1] : "";
    size_t n;

    if (st_set_eventsys(ST_EVENTSYS_ALT) || st_init())
        bench_fail("st_init: %m");
    if (!strcmp(name, "spawn"))
        bench_spawn(0);
    else if (!strcmp(name, "spawn_join"))
        bench_spawn(1);
    else if ((n = bench_count_after(name, "yield_")))
        bench_yield(n);
    else if ((n = bench_count_after(name, "parked_")))
        bench_parked(n);
    else if ((n = bench_count_after(name, "sleep_")))
        bench_sleep(n);
    else
        bench_skip("state-threads has no %s", name);
    fflush(stdout);
    _exit(0);
}
