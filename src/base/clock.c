/* SPDX-License-Identifier: MIT */
/* base/clock.c - the clock of the library build. */
#include "base/clock.h"

#include <time.h>

tn_time tn__clock_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (tn_time)t.tv_sec * 1000000000 + t.tv_nsec;
}
