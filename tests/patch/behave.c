/* SPDX-License-Identifier: MIT */
/* behave - how patched calls behave. Reports TAP. usage: behave [PART...] */
#include "behave.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SECONDS = 20 };

void check_at(bool is, const char *text, const char *file, int line)
{
    const char *base = strrchr(file, '/');

    if (is)
        return;
    printf("# %s:%d: %s (errno %s)\n", base ? base + 1 : file, line, text,
           strerror(errno));
    fflush(stdout);
    _exit(1);
}

tn_greenlet *go(tn_greenlet_fn fn, void *arg)
{
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    tn_greenlet *g;

    options.stack_bytes = 256 * 1024;
    check(tn_spawn_with(&options, fn, arg, &g) == 0);
    return g;
}

void await(tn_greenlet *g)
{
    check(tn_join(g, NULL, tn_after_s(SECONDS / 2)) == 0);
}

void rest_ms(int ms)
{
    check(tn_sleep(tn_after_ms(ms)) == 0);
}

void call_every_us(long us, void (*handler)(int signo))
{
    static timer_t timer;
    static bool is_made;
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
                             .sigev_signo = SIGUSR2};
    struct itimerspec often = {{0, us * 1000}, {0, us * 1000}};

    if (handler)
        check(sigaction(SIGUSR2, &action, NULL) == 0);
    if (!is_made)
        check(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    is_made = true;
    check(timer_settime(timer, 0, &often, NULL) == 0);
}

void make_pipe(int fds[2])
{
    check(pipe(fds) == 0);
}

void make_pair(int fds[2])
{
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
}

static bool is_as_it_should(const struct behaviour *b)
{
    int status = -1;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        alarm(SECONDS);
        b->fn();
        exit(0);
    }
    waitpid(pid, &status, 0);
    if (b->signal)
        return WIFSIGNALED(status) && WTERMSIG(status) == b->signal;
    if (status != 0)
        printf("# status %#x\n", (unsigned)status);
    return status == 0;
}

static bool is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strstr(name, argv[i]))
            return true;
    return argc < 2;
}

int main(int argc, char **argv)
{
    static const struct behaviour *const all[] = {
        behaviours_fd, behaviours_wait, behaviours_thread};
    int n = 0, n_wrong = 0;

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        for (const struct behaviour *b = all[i]; b->name; b++) {
            bool is_good;

            if (!is_wanted(b->name, argc, argv))
                continue;
            is_good = is_as_it_should(b);
            n_wrong += !is_good;
            printf("%s %d - %s\n", is_good ? "ok" : "not ok", ++n, b->name);
        }
    printf("1..%d\n", n);
    return n_wrong > 0;
}
