/* SPDX-License-Identifier: MIT */
/* micro_sync.c - locks that nobody waits for, one that many pass on, and an
 * event that wakes a thousand. */
#include <stdio.h>
#include <tendril/tendril.h>

#include "bench.h"
#include "micro.h"

enum { WAITERS = 1000, ROUNDS = 200 };

static void check(int r)
{
    if (r < 0)
        bench_fail("a call failed: %d", r);
}

/* Nanoseconds for one round of fn(arg), the best of many slices. */
static double best_of(void (*fn)(void *), void *arg)
{
    double best = 1e9;

    bench_set_inexact(0);
    for (int slice = 0; slice < MICRO_SLICES; slice++) {
        int64_t begin = bench_now_ns();
        for (int i = 0; i < MICRO_TIMES; i++)
            fn(arg);
        double ns = (double)(bench_now_ns() - begin) / MICRO_TIMES;
        best = ns < best ? ns : best;
    }
    return best;
}

static void use_semaphore(void *s)
{
    check(tn_semaphore_acquire(s, TN_FOREVER));
    check(tn_semaphore_release(s));
}

static void use_mutex(void *m)
{
    check(tn_mutex_lock(m, TN_FOREVER));
    check(tn_mutex_unlock(m));
}

static int is_over;

static int pass_on(void *s)
{
    while (!is_over) {
        check(tn_semaphore_acquire(s, TN_FOREVER));
        check(tn_semaphore_release(s));
    }
    return 0;
}

/* Acquired by each of three in turn; nanoseconds a hand-over, which is a
 * switch. */
static double measure_contended(void)
{
    tn_semaphore *s;
    tn_greenlet *g[2];
    double ns;

    check(tn_semaphore_new(0, 0, &s));
    for (int i = 0; i < 2; i++)
        check(tn_spawn(pass_on, s, &g[i]));
    check(tn_yield());
    check(tn_semaphore_release(s));
    ns = best_of(use_semaphore, s) / 3;
    is_over = 1;
    for (int i = 0; i < 2; i++)
        check(tn_join(g[i], NULL, TN_FOREVER));
    tn_semaphore_free(s);
    return ns;
}

void micro_semaphore(void)
{
    tn_semaphore *s;
    tn_mutex *m;

    check(tn_semaphore_new(1, 0, &s));
    check(tn_mutex_new(0, &m));
    printf("{\"value\": %.3f, \"unit\": \"ns\", ", best_of(use_semaphore, s));
    printf("\"mutex_ns\": %.3f, ", best_of(use_mutex, m));
    printf("\"handed_over_ns\": %.3f}\n", measure_contended());
    tn_semaphore_free(s);
    tn_mutex_free(m);
}

/* ---- an event ---- */

static tn_event *event;
static int n_woken;

static int wait_often(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        check(tn_event_wait(event, TN_FOREVER));
        n_woken++;
    }
    (void)arg;
    return 0;
}

/* Set and clear with all of them waiting, until all wait again: nanoseconds for
 * each that is woken. */
void micro_event(void)
{
    static tn_greenlet *g[WAITERS];
    double best = 1e9;

    check(tn_event_new(&event));
    for (int i = 0; i < WAITERS; i++)
        check(tn_spawn(wait_often, NULL, &g[i]));
    check(tn_yield());
    bench_set_inexact(0);
    for (int round = 1; round <= ROUNDS; round++) {
        int64_t begin = bench_now_ns();
        check(tn_event_set(event));
        check(tn_event_clear(event));
        while (n_woken < round * WAITERS)
            check(tn_yield());
        double ns = (double)(bench_now_ns() - begin) / WAITERS;
        best = ns < best ? ns : best;
    }
    for (int i = 0; i < WAITERS; i++)
        check(tn_join(g[i], NULL, TN_FOREVER));
    tn_event_free(event);
    printf("{\"value\": %.3f, \"unit\": \"ns\"}\n", best);
}
