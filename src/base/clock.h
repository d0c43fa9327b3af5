/* SPDX-License-Identifier: MIT */
/* base/clock.h - CLOCK_MONOTONIC in nanoseconds, by the vDSO where there is
 * one. The engine has its own implementation (src/run/vdso.c), because libc's
 * may make a system call. */
#ifndef TN_BASE_CLOCK_H
#define TN_BASE_CLOCK_H

#include <tendril/base.h>

tn_time tn__clock_now(void);

/* now + span, kept within 0 and TN_FOREVER. */
static inline tn_time tn__clock_after(tn_time now, int64_t span)
{
    tn_time at;

    if (span < 0)
        span = 0;
    return __builtin_add_overflow(now, span, &at) ? TN_FOREVER : at;
}

#endif /* TN_BASE_CLOCK_H */
