/* SPDX-License-Identifier: MIT */
/* echo_pairs.c - pairs of threads, one of which asks and one answers, over TCP
 * within one process: what several kernel threads of `tendril run` are measured
 * with. There is no client outside that could be the limit, or take a CPU.
 *
 * usage: echo_pairs PAIRS WORK MS   WORK: steps that the answer takes */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

enum {
    MESSAGE = 64, BUF_BYTES = 1024, PAIRS_MAX = 10000, WORK_MAX = 1000000,
    WARM_UP_MS = 300
};

struct pair {
    int client, server;
    uint64_t n;          /* answers; written by one, read at any time */
    pthread_t threads[2];
};

static long work;
static int is_over; /* atomic */

/* A message in one piece; false at the end. */
static int get(int fd, char *buf)
{
    size_t n = 0;

    while (n < MESSAGE) {
        ssize_t r = read(fd, buf + n, BUF_BYTES - n);

        if (r <= 0)
            return 0;
        n += (size_t)r;
    }
    return 1;
}

static void *answer(void *arg)
{
    struct pair *p = arg;
    char buf[BUF_BYTES];

    while (get(p->server, buf)) {
        uint64_t x;

        memcpy(&x, buf, sizeof x);
        for (long i = 0; i < work; i++)
            x = x * 6364136223846793005u + 1442695040888963407u;
        memcpy(buf + sizeof x, &x, sizeof x);
        if (write(p->server, buf, MESSAGE) != MESSAGE)
            bench_fail("write: %m");
    }
    close(p->server);
    return NULL;
}

static void *ask(void *arg)
{
    struct pair *p = arg;
    char buf[BUF_BYTES] = {0};

    for (uint64_t i = 0; !__atomic_load_n(&is_over, __ATOMIC_RELAXED); i++) {
        uint64_t back;

        memcpy(buf, &i, sizeof i);
        if (write(p->client, buf, MESSAGE) != MESSAGE ||
            !get(p->client, buf))
            bench_fail("the other end: %m");
        memcpy(&back, buf, sizeof back);
        if (back != i)
            bench_fail("a wrong answer");
        __atomic_store_n(&p->n, p->n + 1, __ATOMIC_RELAXED);
    }
    shutdown(p->client, SHUT_WR);
    return NULL;
}

static void connect_pair(struct pair *p, int listener)
{
    struct sockaddr_in to;
    socklen_t len = sizeof to;
    int one = 1;

    if (getsockname(listener, (struct sockaddr *)&to, &len) < 0)
        bench_fail("getsockname: %m");
    p->client = socket(AF_INET, SOCK_STREAM, 0);
    if (p->client < 0 ||
        connect(p->client, (struct sockaddr *)&to, len) < 0)
        bench_fail("connect: %m");
    p->server = accept(listener, NULL, NULL);
    if (p->server < 0)
        bench_fail("accept: %m");
    setsockopt(p->client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(p->server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    int r = pthread_create(thread, NULL, fn, arg);

    if (r != 0)
        bench_fail("pthread_create: %s", strerror(r));
}

static uint64_t count(const struct pair *pairs, long n)
{
    uint64_t sum = 0;

    for (long i = 0; i < n; i++)
        sum += __atomic_load_n(&pairs[i].n, __ATOMIC_RELAXED);
    return sum;
}

static void nap(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&t, NULL);
}

static void measure(const struct pair *pairs, long n, long ms)
{
    uint64_t answers;
    int64_t begin, cpu, ns;

    nap(WARM_UP_MS);
    begin = bench_now_ns();
    cpu = bench_cpu_ns(0);
    answers = count(pairs, n);
    nap(ms);
    answers = count(pairs, n) - answers;
    cpu = bench_cpu_ns(0) - cpu;
    ns = bench_now_ns() - begin;
    if (answers == 0)
        bench_fail("no answer");
    printf("{\"per_s\": %.1f, \"cpu_us\": %.4f, \"cpus\": %.3f}\n",
           (double)answers * 1e9 / (double)ns,
           (double)cpu / 1e3 / (double)answers, (double)cpu / (double)ns);
}

int main(int argc, char **argv)
{
    struct pair *pairs;
    long n, ms;
    int listener = bench_listen(0);

    if (argc != 4)
        bench_fail("usage: echo_pairs PAIRS WORK MS");
    n = bench_number(argv[1], "PAIRS", 1, PAIRS_MAX);
    work = bench_number(argv[2], "WORK", 0, WORK_MAX);
    ms = bench_number(argv[3], "MS", 1, 1000000);
    pairs = calloc((size_t)n, sizeof *pairs);
    if (!pairs)
        bench_fail("no memory");
    for (long i = 0; i < n; i++)
        connect_pair(&pairs[i], listener);
    for (long i = 0; i < n; i++) {
        start(&pairs[i].threads[0], answer, &pairs[i]);
        start(&pairs[i].threads[1], ask, &pairs[i]);
    }
    measure(pairs, n, ms);
    __atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
    for (long i = 0; i < n; i++)
        for (int k = 0; k < 2; k++)
            pthread_join(pairs[i].threads[k], NULL);
    return 0;
}
