/* SPDX-License-Identifier: MIT */
/* tests/run/programs/posix.h - what the programs about calls of POSIX threads
 * share. */
#ifndef TN_TESTS_RUN_POSIX_H
#define TN_TESTS_RUN_POSIX_H

#include <sys/mman.h>

#include "support.h"

/* Of an error that a call has returned. */
static inline const char *name(int r)
{
    return r ? strerrorname_np(r) : "0";
}

static inline struct timespec after_ms(clockid_t clock, long ms)
{
    struct timespec t;

    clock_gettime(clock, &t);
    t.tv_nsec += ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

/* Memory that forked children share. */
static inline void *shared_page(void)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CHECK(at != MAP_FAILED);
    return at;
}

#endif /* TN_TESTS_RUN_POSIX_H */
