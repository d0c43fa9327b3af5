/* SPDX-License-Identifier: MIT */
/* tests/run/programs/support.h - what the test programs share. They print what
 * they see; the output under tendril must be that of native threads. */
#ifndef TN_TESTS_RUN_SUPPORT_H
#define TN_TESTS_RUN_SUPPORT_H

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static inline void nap_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
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
