/* SPDX-License-Identifier: MIT */
/* tests/run/programs/support.h - what the test programs share. They print what
 * they see; the output under tendril must be that of native threads. */
#ifndef TN_TESTS_RUN_SUPPORT_H
#define TN_TESTS_RUN_SUPPORT_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef __GLIBC__
static inline const char *strerrorname_np(int error)
{
    return strerror(error);
}
#endif

static inline void check(int is_true, const char *what, int line)
{
    if (is_true)
        return;
    fprintf(stderr, "line %d: %s: %s\n", line, what, strerror(errno));
    exit(1);
}

#define CHECK(x) check((x), #x, __LINE__)

/* One of the process' threads. Neither allocates nor is cancelled. */
static inline int runs(const char *tid)
{
    char path[64], text[256], *state = NULL;
    long fd, n;

    snprintf(path, sizeof path, "/proc/self/task/%s/stat", tid);
    fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    n = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (n > 0) {
        text[n] = '\0';
        state = strrchr(text, ')');
    }
    return state && state[1] == ' ' && state[2] == 'R';
}

/* How many of the process' threads run, or wait for a CPU: this one does. */
static inline int n_running(void)
{
    struct {
        uint64_t number, offset;
        uint16_t len;
        uint8_t type;
        char name[];
    } *entry;
    _Alignas(uint64_t) char room[1024];
    int total = 0;
    long n, fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/task",
                         O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    while ((n = syscall(SYS_getdents64, fd, room, sizeof room)) > 0)
        for (long at = 0; at < n; at += entry->len) {
            entry = (void *)(room + at);
            total += entry->name[0] != '.' && runs(entry->name);
        }
    syscall(SYS_close, fd);
    return total;
}

static inline void nap_once_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}

/* Nap so that the others come to where they wait. On a busy machine they may
 * need more time for that, and get some (not for ever: one may never wait). */
static inline void nap_ms(long ms)
{
    int error = errno;

    nap_once_ms(ms);
    for (int i = 0; i < 100 && ms > 1 && n_running() > 1; i++)
        nap_once_ms(2);
    errno = error;
}

static inline pthread_t start(void *(*fn)(void *), void *arg)
{
    pthread_t t;

    CHECK(pthread_create(&t, NULL, fn, arg) == 0);
    return t;
}

static inline void *join(pthread_t t)
{
    void *result;

    CHECK(pthread_join(t, &result) == 0);
    return result;
}

#endif /* TN_TESTS_RUN_SUPPORT_H */
