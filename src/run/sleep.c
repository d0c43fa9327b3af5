/* SPDX-License-Identifier: MIT */
/* run/sleep.c - time: the program's timeouts on the hub's clock.
 *
 * A relative timeout becomes a deadline once, and stays in the call: a call
 * that is made again after a signal does not begin anew. */
#include "run/run.h"

#include <sys/prctl.h>

static bool is_valid(const struct timespec *t)
{
    return t->tv_sec >= 0 && (unsigned long)t->tv_nsec < 1000000000;
}

/* Seconds beyond what 63 bits of nanoseconds hold mean for ever. */
static int64_t span_of(const struct timespec *t)
{
    if (t->tv_sec > INT64_MAX / 1000000000 - 1)
        return INT64_MAX;
    return t->tv_sec * 1000000000 + t->tv_nsec;
}

int tn__run_deadline(const struct timespec *t, bool is_absolute,
                     tn_time *ret_deadline)
{
    struct timespec own;
    int64_t span;

    if (!t) {
        *ret_deadline = TN_FOREVER;
        return 0;
    }
    if (tn__run_copy(&own, t, sizeof own) < 0)
        return -EFAULT;
    if (!is_valid(&own))
        return -EINVAL;
    span = span_of(&own);
    if (is_absolute && span != INT64_MAX)
        *ret_deadline = span > 0 ? span : 1; /* 0 would be TN_NOWAIT */
    else
        *ret_deadline = tn__clock_after(tn__run_clock(CLOCK_MONOTONIC), span);
    return 0;
}

long tn__run_sleep_until(tn_time deadline, const char *what)
{
    static const uint8_t never;
    struct tn_greenlet *g = tn__run_hub.current;
    int r = g->alert ? tn__hub_alert(&tn__run_hub, g, deadline) : 0;

    if (r == 0)
        r = tn__hub_park(&tn__run_hub, &never, deadline, what, -1);
    if (r == -ETIME)
        return 0;
    return r == -ECANCELED ? -EINTR : r;
}

/* What an interrupted sleep gives: how much is left, and EINTR. Linux counts
 * until when it would have ended the sleep at the latest, and so sleep(), which
 * tells whole seconds, gives 4 where one of 5 seconds has lasted for one. */
static long tell_rest(struct timespec *rest, tn_time deadline)
{
    int64_t slack = tn__raw1(SYS_prctl, PR_GET_TIMERSLACK);
    int64_t span = deadline - tn__run_clock(CLOCK_MONOTONIC) + slack;
    struct timespec t;

    if (span < 0)
        span = 0;
    t.tv_sec = span / 1000000000;
    t.tv_nsec = span % 1000000000;
    return rest && tn__run_copy(rest, &t, sizeof t) < 0 ? -EFAULT : -EINTR;
}

static long sleep_for(struct tn__run_call *c, const struct timespec *span,
                      int clock, bool is_absolute, struct timespec *rest)
{
    long r = 0;

    if (is_absolute)
        r = tn__run_deadline_by(c, span, clock);
    else if (!c->has_deadline)
        r = tn__run_deadline(span, false, &c->deadline);
    if (r < 0)
        return r;
    c->has_deadline = true;
    r = tn__run_sleep_until(c->deadline, "sleep");
    if (r == -EINTR && !is_absolute)
        return tell_rest(rest, c->deadline);
    return r;
}

long tn__run_nanosleep(struct tn__run_call *c)
{
    if (!c->a[0])
        return -EFAULT;
    return sleep_for(c, (const struct timespec *)c->a[0], CLOCK_MONOTONIC,
                     false, (struct timespec *)c->a[1]);
}

long tn__run_clock_nanosleep(struct tn__run_call *c)
{
    bool is_absolute = c->a[1] & TIMER_ABSTIME;
    int clock = (int)c->a[0];

    if (clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID)
        return tn__run_cpu_sleep(c);
    if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME &&
        clock != CLOCK_BOOTTIME && clock != CLOCK_TAI)
        return tn__run_offload(c); /* one that wakes the machine, or none */
    if (!c->a[2])
        return -EFAULT;
    return sleep_for(c, (const struct timespec *)c->a[2], clock, is_absolute,
                     (struct timespec *)c->a[3]);
}
