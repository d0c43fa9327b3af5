/* SPDX-License-Identifier: MIT */
/* tests/support/waits_process.c - see waits_process.h. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include "support/waits_process.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* It has ended, and nobody has taken its status. */
static void kill_and_see(pid_t pid)
{
    siginfo_t info;

    assert_result(kill(pid, SIGKILL), 0);
    assert_result(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

/* ---- a tn_process ---- */

static void free_process(struct wait *w)
{
    tn_process *p = w->object;

    tn_process_kill(p, SIGKILL);
    assert_result(tn_process_free(p), 0);
}

void open_process(struct wait *w)
{
    static char sleep[] = "sleep", long_time[] = "1000";
    char *const argv[] = {sleep, long_time, NULL};
    tn_process *p;

    assert_result(tn_process_spawn(argv, NULL, &p), 0);
    w->object = p;
    w->free = free_process;
}

long call_process_wait(struct wait *w, tn_time deadline)
{
    return tn_process_wait(w->object, NULL, deadline);
}

void kill_process(struct wait *w)
{
    kill_and_see(tn_process_pid(w->object));
}

/* ---- a child of fork() ---- */

static void free_child(struct wait *w)
{
    pid_t *pid = w->object;

    if (*pid) {
        kill_and_see(*pid);
        assert_result(waitpid(*pid, NULL, 0), *pid);
    }
    free(pid);
}

void open_child(struct wait *w)
{
    pid_t *pid = malloc(sizeof *pid);

    assert_non_null(pid);
    *pid = fork();
    assert_true(*pid >= 0);
    while (*pid == 0)
        pause();
    w->object = pid;
    w->free = free_child;
}

long call_waitpid(struct wait *w, tn_time deadline)
{
    pid_t *pid = w->object;
    pid_t r = tn_waitpid(*pid, NULL, 0, deadline);

    if (r <= 0)
        return r;
    *pid = 0;
    return 1;
}

void kill_child(struct wait *w)
{
    kill_and_see(*(pid_t *)w->object);
}

/* ---- a signal ---- */

static void forget_signal(struct wait *w)
{
    const struct timespec no_time = {0, 0};
    sigset_t set;

    (void)w;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    while (sigtimedwait(&set, NULL, &no_time) > 0)
        ;
}

void open_signal(struct wait *w)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    assert_result(sigprocmask(SIG_BLOCK, &set, NULL), 0);
    w->free = forget_signal;
}

long call_signal_wait(struct wait *w, tn_time deadline)
{
    const int signo = SIGUSR2;
    int r = tn_signal_wait(&signo, 1, NULL, deadline);

    (void)w;
    return r == SIGUSR2 ? 1 : r;
}

void send_signal(struct wait *w)
{
    (void)w;
    assert_result(kill(getpid(), SIGUSR2), 0);
}
