/* SPDX-License-Identifier: MIT */
/* tests/run/programs/wakeups.c - a signal that comes at any instant before or
 * within a call that sleeps in the kernel runs its handler.
 *
 * main waits until its child is stopped, and a timer's handler stops it; the
 * time between the two goes over all of the way into the call. */
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>

#include "support.h"

enum { ROUNDS = 60000, LATEST_NS = 20000, RANGE_NS = 10000, LIMIT_S = 50 };

static volatile pid_t child;

static void on_timer(int sig)
{
    (void)sig;
    kill(child, SIGSTOP);
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
    int64_t until = now_ns() + LATEST_NS - round * 37ll % RANGE_NS;
    int status;

    timer_settime(timer, 0, &it, NULL);
    while (now_ns() < until)
        ;
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    kill(child, SIGCONT);
}

int main(void)
{
    struct sigaction a = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
    struct sigevent by = {.sigev_notify = SIGEV_SIGNAL,
                          .sigev_signo = SIGUSR1};
    timer_t timer;

    alarm(LIMIT_S); /* a lost one leaves us in waitpid() for ever */
    child = fork();
    if (child == 0) {
        alarm(LIMIT_S + 10);
        for (;;)
            pause();
    }
    sigaction(SIGUSR1, &a, NULL);
    CHECK(timer_create(CLOCK_MONOTONIC, &by, &timer) == 0);
    for (int i = 0; i < ROUNDS; i++)
        one_round(timer, i);
    kill(child, SIGKILL);
    printf("all %d handled\n", ROUNDS);
    return 0;
}
