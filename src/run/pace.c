/* SPDX-License-Identifier: MIT */
/* run/pace.c - calls that the kernel mostly makes at once, and that sometimes
 * wait for a disk: writes into memory above all.
 *
 * They are made at once and timed. One that took long may have waited, or only
 * have been preempted, as on a busy machine any can be: after the first such
 * one the next WATCHED calls of the kind are asked whether they slept, by the
 * voluntary switches of the kernel thread. The one that took long and slept
 * makes the next SLOW_CALLS a helper's. While nothing takes long, this costs
 * two looks at the clock. */
#include "run/run.h"

#include <sys/resource.h>

enum { SLOW_NS = 1000000, SLOW_CALLS = 64, WATCHED = 128 };

/* How often this kernel thread has waited for something. */
static long n_sleeps(void)
{
    struct rusage u = {.ru_nvcsw = 0};

    tn__raw3(SYS_getrusage, RUSAGE_THREAD, (long)&u, 0);
    return u.ru_nvcsw;
}

bool tn__run_pace_is_slow(struct tn__run_pace *p)
{
    if (TN_LIKELY(p->n_slow == 0))
        return false;
    p->n_slow--;
    p->n_watched = WATCHED;
    return true;
}

long tn__run_paced(struct tn__run_call *c, struct tn__run_pace *p)
{
    bool is_watched = p->n_watched > 0, has_slept;
    int64_t start;
    long before, r;

    tn__run_unlock(); /* waiting for that is no sleep of the call's */
    before = TN_UNLIKELY(is_watched) ? n_sleeps() : 0;
    start = tn__run_clock(CLOCK_MONOTONIC);
    r = tn__run_kernel_unlocked(c);
    if (TN_LIKELY(tn__run_clock(CLOCK_MONOTONIC) - start <= SLOW_NS)) {
        tn__run_lock();
        if (TN_UNLIKELY(is_watched))
            p->n_watched--;
        return r;
    }
    has_slept = is_watched && n_sleeps() != before;
    tn__run_lock();
    p->n_watched = WATCHED;
    if (has_slept)
        p->n_slow = SLOW_CALLS;
    return r;
}
