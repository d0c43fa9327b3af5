/* SPDX-License-Identifier: MIT */
/* floor_offload.c - what a job on another thread costs at least, when the one
 * that waits for it also waits for descriptors: a condition there, an eventfd
 * in an epoll set back. And pread() of what is in the page cache. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench.h"
#include "floor.h"

enum { SLICES = 40, JOBS = 2000, READS = 5000, BLOCK = 4096, BLOCKS = 256 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken = PTHREAD_COND_INITIALIZER;
static int n_jobs; /* that wait; guarded by the lock */
static long count;
static int event;

static void *work(void *arg)
{
    const uint64_t one = 1;

    (void)arg;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (n_jobs == 0)
            pthread_cond_wait(&woken, &lock);
        n_jobs--;
        pthread_mutex_unlock(&lock);
        count++;
        if (write(event, &one, sizeof one) != sizeof one)
            bench_fail("the eventfd was not written");
        pthread_mutex_lock(&lock);
    }
    return NULL;
}

static void do_job(int ep)
{
    struct epoll_event got;
    uint64_t n;

    pthread_mutex_lock(&lock);
    n_jobs++;
    pthread_cond_signal(&woken);
    pthread_mutex_unlock(&lock);
    if (epoll_wait(ep, &got, 1, -1) != 1 ||
        read(event, &n, sizeof n) != sizeof n)
        bench_fail("the eventfd was not read");
}

void floor_bench_offload(void)
{
    struct epoll_event wanted = {.events = EPOLLIN};
    int ep = epoll_create1(0);
    double best = 1e9;
    pthread_t thread;

    event = eventfd(0, EFD_NONBLOCK);
    if (ep < 0 || event < 0 ||
        epoll_ctl(ep, EPOLL_CTL_ADD, event, &wanted) < 0 ||
        pthread_create(&thread, NULL, work, NULL) != 0)
        bench_fail("no descriptors or no thread");
    for (int slice = 0; slice < SLICES; slice++) {
        int64_t begin = bench_now_ns();

        for (int i = 0; i < JOBS; i++)
            do_job(ep);
        double ns = (double)(bench_now_ns() - begin) / JOBS;
        best = ns < best ? ns : best;
    }
    if (count != (long)SLICES * JOBS)
        bench_fail("jobs were lost");
    printf("{\"value\": %.1f, \"unit\": \"ns\"}\n", best);
}

void floor_bench_file_pread(void)
{
    static char block[BLOCK];
    char path[] = "/tmp/tendril-bench-XXXXXX";
    int fd = mkstemp(path);
    double best = 1e9;

    if (fd < 0 || unlink(path) < 0)
        bench_fail("no file in /tmp");
    for (int i = 0; i < BLOCKS; i++)
        if (write(fd, block, sizeof block) != BLOCK)
            bench_fail("the file could not be written");
    for (int slice = 0; slice < SLICES; slice++) {
        int64_t begin = bench_now_ns();

        for (int i = 0; i < READS; i++)
            if (pread(fd, block, BLOCK, (off_t)(i % BLOCKS) * BLOCK) != BLOCK)
                bench_fail("pread failed");
        double ns = (double)(bench_now_ns() - begin) / READS;
        best = ns < best ? ns : best;
    }
    printf("{\"value\": %.1f, \"unit\": \"ns\"}\n", best);
}
