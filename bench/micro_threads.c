/* SPDX-License-Identifier: MIT */
/* micro_threads.c - what POSIX threads cost: run as it is, and under `tendril
 * run`. The best of many slices, as in the other micro benches.
 *
 * usage: micro_threads run_condvar | run_create_join | run_idle_threads */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

enum { SLICES = 21, HAND_OVERS = 20000, THREADS = 2000, IDLE = 4000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn;

/* One of two that hand a number to and fro. */
static void *take_turns(void *arg)
{
    int me = *(int *)arg;

    pthread_mutex_lock(&mutex);
    for (int i = 0; i < HAND_OVERS / 2; i++) {
        while (turn != me)
            pthread_cond_wait(&changed, &mutex);
        turn = !me;
        pthread_cond_signal(&changed);
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    int r = pthread_create(thread, NULL, fn, arg);

    if (r != 0)
        bench_fail("pthread_create: %s", strerror(r));
}

static void hand_over(void)
{
    static int numbers[2] = {0, 1};
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        start(&threads[i], take_turns, &numbers[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

static void *do_nothing(void *arg)
{
    return arg;
}

static void create_and_join(void)
{
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;

        start(&thread, do_nothing, NULL);
        pthread_join(thread, NULL);
    }
}

/* ---- idle ones ---- */

/* Until there are as many as were asked for. */
static void *be_idle(void *arg)
{
    pthread_mutex_lock(&mutex);
    turn++;
    pthread_cond_broadcast(&changed);
    while (turn >= 0)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    return arg;
}

/* KiB: pages and page tables of this process, and what the kernel keeps for
 * threads: stacks and slabs, of the whole machine. */
static long memory(void)
{
    return bench_status(0, "VmRSS") + bench_status(0, "VmPTE") +
           bench_status(-1, "KernelStack") + bench_status(-1, "SUnreclaim");
}

static int idle_threads(void)
{
    static pthread_t threads[IDLE];
    long before = memory(), after;

    for (int i = 0; i < IDLE; i++)
        start(&threads[i], be_idle, NULL);
    pthread_mutex_lock(&mutex);
    while (turn < IDLE)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    after = memory();
    pthread_mutex_lock(&mutex);
    turn = -1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < IDLE; i++)
        pthread_join(threads[i], NULL);
    printf("{\"value\": %.1f, \"unit\": \"bytes\"}\n",
           (double)(after - before) * 1024 / IDLE);
    return 0;
}

int main(int argc, char **argv)
{
    const char *name = argc == 2 ? argv[1] : "";
    int is_condvar = strcmp(name, "run_condvar") == 0;
    int n = is_condvar ? HAND_OVERS : THREADS;
    double best = 1e18, best_cpu = 1e18;

    if (strcmp(name, "run_idle_threads") == 0)
        return idle_threads();
    if (!is_condvar && strcmp(name, "run_create_join") != 0)
        bench_fail("usage: micro_threads run_condvar | run_create_join | "
                   "run_idle_threads");
    for (int slice = 0; slice < SLICES; slice++) {
        int64_t cpu = bench_cpu_ns(0), begin = bench_now_ns();
        double ns, cpu_ns;

        if (is_condvar)
            hand_over();
        else
            create_and_join();
        ns = (double)(bench_now_ns() - begin) / n;
        cpu_ns = (double)(bench_cpu_ns(0) - cpu) / n;
        best = ns < best ? ns : best;
        best_cpu = cpu_ns < best_cpu ? cpu_ns : best_cpu;
    }
    printf("{\"value\": %.1f, \"unit\": \"ns\", \"cpu_ns\": %.1f}\n", best,
           best_cpu);
    return 0;
}
