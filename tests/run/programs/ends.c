/* SPDX-License-Identifier: MIT */
/* tests/run/programs/ends.c - how a program with threads ends.
 *
 * usage: ends WAY [thread]    main does it, or another thread */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "support.h"

static volatile int *volatile nowhere;
static volatile int zero;

static void *wait_for_ever(void *arg)
{
    poll(NULL, 0, -1);
    return arg;
}

/* Where the core says that it crashed. */
static __attribute__((noinline)) void crash(void)
{
    *nowhere = 1;
}

static int use_up_stack(int n)
{
    volatile char frame[4096];

    frame[0] = (char)n;
    return n < 0 ? 0 : use_up_stack(n + 1) + frame[0];
}

static void bus(void)
{
    FILE *f = tmpfile();
    char *p;

    CHECK(f && ftruncate(fileno(f), 4096) == 0);
    p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fileno(f), 0);
    CHECK(p != MAP_FAILED);
    zero = p[4096];
}

static void at_end(void)
{
    printf("atexit\n");
}

static void on_segv(int sig)
{
    printf("handler %d\n", sig == SIGSEGV);
    fflush(stdout);
    signal(sig, SIG_DFL);
    raise(sig);
}

static void *last(void *arg)
{
    nap_ms(10);
    printf("the last thread\n");
    return arg;
}

static const struct {
    const char *name;
    int sig;
} signals[] = {
    {"kill", SIGKILL}, {"term", SIGTERM}, {"quit", SIGQUIT},
    {"sys", SIGSYS},   {"usr1", SIGUSR1}, {"stkflt", SIGSTKFLT},
    {"rt", 40},        {"trap", SIGTRAP}, {"xcpu", SIGXCPU},
};

static void end_by(int sig)
{
    kill(getpid(), sig);
    nap_ms(10000);
}

static void *end(void *arg)
{
    const char *way = arg;

    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if (strcmp(way, signals[i].name) == 0)
            end_by(signals[i].sig);
    if (strcmp(way, "segv") == 0)
        crash();
    if (strcmp(way, "segv-handled") == 0) {
        signal(SIGSEGV, on_segv);
        crash();
    }
    if (strcmp(way, "overflow") == 0)
        zero = use_up_stack(1);
    if (strcmp(way, "fpe") == 0)
        zero = 100 / zero;
    if (strcmp(way, "ill") == 0)
        __builtin_trap();
    if (strcmp(way, "bus") == 0)
        bus();
    if (strcmp(way, "abort") == 0)
        abort();
    if (strcmp(way, "_exit") == 0)
        _exit(5);
    if (strcmp(way, "exit") == 0)
        exit(6);
    if (strcmp(way, "quick_exit") == 0)
        quick_exit(7);
    if (strcmp(way, "raise") == 0)
        raise(SIGUSR2);
    if (strcmp(way, "thread-kill") == 0)
        pthread_kill(start(wait_for_ever, NULL), SIGUSR2);
    if (strcmp(way, "sigqueue") == 0)
        sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 1});
    if (strcmp(way, "bad-call") == 0)
        syscall(SYS_kill, getpid(), SIGVTALRM);
    if (strcmp(way, "pthread_exit") == 0) {
        start(last, NULL);
        pthread_exit(NULL);
    }
    nap_ms(10000);
    return arg;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    atexit(at_end);
    printf("begun %s\n", argv[1]);
    if (strcmp(argv[1], "pthread_exit") != 0)
        start(wait_for_ever, NULL);
    if (strcmp(argv[1], "return") == 0)
        return 8;
    if (strcmp(argv[1], "where") == 0) {
        printf("%p\n", (void *)(uintptr_t)crash);
        crash();
    }
    if (argc > 2)
        join(start(end, argv[1]));
    end(argv[1]);
    return 1;
}
