/* SPDX-License-Identifier: MIT */
/* tests/run/programs/wakeups.c - a signal that comes at any instant before or
 * within a call that sleeps in the kernel runs its handler.
 *
 * main opens a FIFO and a timer's handler opens its other end; the time between
 * the two goes over all of the way into the call. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/stat.h>

#include "support.h"

enum { ROUNDS = 100000, LATEST_NS = 20000, RANGE_NS = 10000, LIMIT_S = 40 };

static char path[] = "/tmp/wakeups-XXXXXX/fifo";
static volatile int other_end = -1;

static void on_timer(int sig)
{
    (void)sig;
    other_end = open(path, O_RDWR | O_NONBLOCK);
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void one_round(timer_t timer, int round)
{
    struct itimerspec it = {.it_value = {0, LATEST_NS}};
    int64_t until = now_ns() + LATEST_NS - round * 37 % RANGE_NS;
    int fd;

    other_end = -1;
    timer_settime(timer, 0, &it, NULL);
    while (now_ns() < until)
        ;
    fd = open(path, O_RDONLY);
    CHECK(fd >= 0 && other_end >= 0);
    close(fd);
    close(other_end);
}

int main(void)
{
    struct sigaction a = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
    struct sigevent by = {.sigev_notify = SIGEV_SIGNAL,
                          .sigev_signo = SIGUSR1};
    char *slash = strrchr(path, '/');
    timer_t timer;

    *slash = '\0';
    CHECK(mkdtemp(path) != NULL);
    *slash = '/';
    CHECK(mkfifo(path, 0600) == 0);
    sigaction(SIGUSR1, &a, NULL);
    CHECK(timer_create(CLOCK_MONOTONIC, &by, &timer) == 0);
    alarm(LIMIT_S); /* a lost one leaves us in open() for ever */
    for (int i = 0; i < ROUNDS; i++)
        one_round(timer, i);
    unlink(path);
    *slash = '\0';
    rmdir(path);
    printf("all %d handled\n", ROUNDS);
    return 0;
}
