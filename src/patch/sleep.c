/* SPDX-License-Identifier: MIT */
/* patch/sleep.c - sleeping, and giving way. A sleep that a kill or a scope ends
 * says how much of it is left. */
#include "patch/patch.h"

/* Another clock than the hub's may be set meanwhile: look at it so often. */
#define LOOK_NS 1000000000

static struct timespec left_until(tn_time deadline)
{
    int64_t left = deadline == TN_FOREVER ? 0 : deadline - tn_now();

    if (left < 0)
        left = 0;
    return (struct timespec){.tv_sec = left / 1000000000,
                             .tv_nsec = (long)(left % 1000000000)};
}

/* 0, or a negative errno. */
static int sleep_for(const struct timespec *span, struct timespec *left)
{
    tn_time deadline = tn__patch_after(span);
    int r = tn_sleep(deadline);

    if (r < 0 && left)
        *left = left_until(deadline);
    return r;
}

static int sleep_until(clockid_t clock, const struct timespec *at)
{
    for (;;) {
        tn_time deadline = tn__patch_at(clock, at), look = tn_after_ns(LOOK_NS);
        int r;

        if (deadline <= look)
            return tn_sleep(deadline);
        r = tn_sleep(look);
        if (r < 0)
            return r;
    }
}

unsigned tn__patch_sleep(unsigned seconds)
{
    struct timespec span = {(time_t)seconds, 0}, left;
    int r;

    if (!tn_patch_parks())
        return tn__real()->sleep(seconds);
    r = sleep_for(&span, &left);
    if (r == 0)
        return 0;
    errno = tn__patch_errno(r);
    return (unsigned)left.tv_sec + (left.tv_nsec >= 500000000);
}

int tn__patch_usleep(useconds_t us)
{
    struct timespec span = {us / 1000000, (long)(us % 1000000) * 1000};
    int r;

    if (!tn_patch_parks())
        return tn__real()->usleep(us);
    r = sleep_for(&span, NULL);
    return r < 0 ? tn__patch_fail(r) : 0;
}

int tn__patch_nanosleep(const struct timespec *span, struct timespec *left)
{
    int r;

    if (!tn_patch_parks() || !span || span->tv_sec < 0 ||
        !tn__patch_is_time(span))
        return tn__real()->nanosleep(span, left);
    r = sleep_for(span, left);
    return r < 0 ? tn__patch_fail(r) : 0;
}

/* Unlike the others it returns its error. */
int tn__patch_clock_nanosleep(clockid_t clock, int flags,
                              const struct timespec *t, struct timespec *left)
{
    bool is_known = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC ||
                    clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;
    int r;

    if (!tn_patch_parks() || !is_known || !t || t->tv_sec < 0 ||
        !tn__patch_is_time(t))
        return tn__real()->clock_nanosleep(clock, flags, t, left);
    r = flags & TIMER_ABSTIME ? sleep_until(clock, t) : sleep_for(t, left);
    return r < 0 ? tn__patch_errno(r) : 0;
}

int tn__patch_sched_yield(void)
{
    if (!tn_patch_parks())
        return tn__real()->sched_yield();
    (void)tn_yield(); /* it cannot fail as the program sees it */
    return 0;
}

TN_PATCH_ALIAS(__nanosleep, nanosleep);
TN_PATCH_ALIAS(__sched_yield, sched_yield);
