/* SPDX-License-Identifier: MIT */
/* tests/run/programs/posix_clocks.c - the CPU time of threads and of the
 * process: who computes uses it, who sleeps does not. */
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "support.h"

static volatile int is_burning;

static void *burn_until_told(void *arg)
{
    volatile unsigned long n = 0;

    while (is_burning)
        if (++n % 1000 == 0)
            sched_yield();
    return arg;
}

static void test_sleeps(void)
{
    struct timespec t = {0, 20000000}, before, after;
    clockid_t other;
    pthread_t burner;
    int r;

    is_burning = 1;
    burner = start(burn_until_told, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    r = clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &t, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    printf("sleep on the process's CPU: %d, enough %d\n", r,
           (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec -
                   before.tv_nsec >= 20000000);
    CHECK(pthread_getcpuclockid(burner, &other) == 0);
    CHECK(clock_gettime(other, &before) == 0);
    r = clock_nanosleep(other, 0, &t, NULL);
    CHECK(clock_gettime(other, &after) == 0);
    printf("sleep on another thread's CPU: %d, enough %d\n", r,
           (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec -
                   before.tv_nsec >= 20000000);
    is_burning = 0;
    join(burner);
    r = clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL);
    printf("on one's own: %s\n", r ? strerrorname_np(r) : "0");
    for (int i = 0; i < 1000; i++) { /* the kernel's may end after the join */
        r = clock_gettime(other, &after);
        if (r < 0)
            break;
        nap_ms(1);
    }
    printf("the clock of one that has ended: %d %s\n", r,
           strerrorname_np(errno));
}

/* ---- CPU time of threads ---- */

static int64_t cpu_ns(clockid_t clock)
{
    struct timespec t;

    CHECK(clock_gettime(clock, &t) == 0);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *compute(void *arg)
{
    int64_t end = cpu_ns(CLOCK_THREAD_CPUTIME_ID) + 60000000;
    struct rusage use;

    while (cpu_ns(CLOCK_THREAD_CPUTIME_ID) < end)
        ;
    CHECK(getrusage(RUSAGE_THREAD, &use) == 0);
    *(int64_t *)arg = (int64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) *
                          1000000 + use.ru_utime.tv_usec +
                      use.ru_stime.tv_usec;
    return NULL;
}

static void *rest(void *arg)
{
    int64_t before = cpu_ns(CLOCK_THREAD_CPUTIME_ID);

    nap_ms(200);
    *(int64_t *)arg = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - before;
    return NULL;
}

static void test_cpu_time(void)
{
    int64_t rested, computed, before = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
    struct timespec resolution;
    clockid_t clock;
    pthread_t a, b;
    int r;

    a = start(rest, &rested);
    b = start(compute, &computed);
    CHECK(pthread_getcpuclockid(b, &clock) == 0);
    r = clock_getres(clock, &resolution);
    printf("resolution %d %ld\n", r, resolution.tv_nsec);
    join(b);
    join(a);
    printf("who sleeps uses none %d, who computes does %d, nor does main %d\n",
           rested < 30000000, computed >= 50000,
           cpu_ns(CLOCK_THREAD_CPUTIME_ID) - before < 30000000);
}

/* A child's clock begins anew. */
static void *fork_later(void *arg)
{
    int64_t used;
    int status;
    pid_t child;

    while (cpu_ns(CLOCK_THREAD_CPUTIME_ID) < 300000000)
        ;
    child = fork();
    if (child == 0) {
        used = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
        _exit(used < 0 ? 1 : used > 200000000 ? 2 : 3);
    }
    CHECK(waitpid(child, &status, 0) == child);
    printf("in a child: %d\n", WEXITSTATUS(status));
    return arg;
}

static volatile int n_handled;

static void on_signal(int sig)
{
    (void)sig;
    n_handled++;
}

/* A timer on the clock of a thread that computes. */
static void test_timer(void)
{
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec soon = {{0, 0}, {0, 5000000}};
    struct timespec t;
    clockid_t own;
    timer_t timer;

    signal(SIGUSR1, on_signal);
    CHECK(pthread_getcpuclockid(pthread_self(), &own) == 0);
    CHECK(timer_create(own, &e, &timer) == 0);
    CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
    while (n_handled == 0)
        clock_gettime(CLOCK_MONOTONIC, &t);
    printf("timer on a thread's clock: %d\n", n_handled);
    timer_delete(timer);
}

/* ---- the clock of another process ---- */

static volatile int is_over;

static void *sleep_on(void *arg)
{
    struct timespec t = {0, 1000000};
    int r = clock_nanosleep(*(clockid_t *)arg, 0, &t, NULL);

    is_over = 1;
    return (void *)(intptr_t)r;
}

/* It shows no more as long as the child waits; our threads go on. */
static void test_another_process(void)
{
    clockid_t clock;
    int ends[2];
    pthread_t t;
    pid_t child;
    char c;

    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        close(ends[1]);
        while (read(ends[0], &c, 1) > 0)
            ;
        for (;;)
            ;
    }
    nap_ms(20);
    CHECK(clock_getcpuclockid(child, &clock) == 0);
    t = start(sleep_on, &clock);
    nap_ms(5);
    printf("another process's clock: %s, ", is_over ? "over" : "waits");
    close(ends[0]);
    close(ends[1]);
    printf("gives %d\n", (int)(intptr_t)join(t));
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
}

static void *in_thread(void *arg)
{
    test_timer();
    return arg;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_sleeps();
    test_cpu_time();
    join(start(fork_later, NULL));
    fork_later(NULL);
    test_timer();
    test_another_process();
    n_handled = 0;
    join(start(in_thread, NULL));
    return 0;
}
