/* SPDX-License-Identifier: MIT */
/* patch/cond.c - condition variables. A greenlet waits in the lot, a plain
 * thread in libc; who signals wakes one of each, which POSIX allows: any wait
 * on a condition may end without reason. For the same reason a plain thread
 * that would have libc unlock a mutex for which greenlets wait ends its wait at
 * once, and so has unlocked it where they learn of it. */
#include "patch/patch.h"

/* How often one that other processes may signal is looked at. */
#define SHARED_NS 10000000

static bool is_shared(const pthread_cond_t *c)
{
    return c->__data.__wrefs & 1;
}

/* The clock of its attributes. */
static clockid_t clock_of(const pthread_cond_t *c)
{
    return c->__data.__wrefs & 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

static int wait_until(pthread_cond_t *c, pthread_mutex_t *m, tn_time deadline)
{
    struct tn__patch_spot *spot = tn__patch_enter(c, false);
    tn_time look = is_shared(c) ? tn_after_ns(SHARED_NS) : TN_FOREVER;
    bool is_woken = true;
    int r = tn__patch_pthread_mutex_unlock(m), r_lock;

    if (r == 0 && spot)
        tn__patch_stay(spot, deadline < look ? deadline : look);
    if (spot)
        is_woken = tn__patch_leave(spot);
    if (r)
        return r;
    r_lock = tn__patch_pthread_mutex_lock(m);
    if (r_lock)
        return r_lock;
    return is_woken || tn_now() < deadline ? 0 : ETIMEDOUT;
}

/* As said above. True: the wait is over. */
static bool makes_way(pthread_mutex_t *m, int *ret)
{
    if (!tn__patch_has_waiters(m))
        return false;
    *ret = tn__patch_pthread_mutex_unlock(m);
    if (*ret == 0)
        *ret = tn__real()->pthread_mutex_lock(m);
    return true;
}

int tn__patch_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    int r;

    if (tn_patch_parks())
        return wait_until(c, m, TN_FOREVER);
    return makes_way(m, &r) ? r : tn__real()->pthread_cond_wait(c, m);
}

int tn__patch_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
                                     const struct timespec *until)
{
    int r;

    if (tn_patch_parks() && tn__patch_is_time(until))
        return wait_until(c, m, tn__patch_at(clock_of(c), until));
    return makes_way(m, &r) ? r
                            : tn__real()->pthread_cond_timedwait(c, m, until);
}

int tn__patch_pthread_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m,
                                     clockid_t clock,
                                     const struct timespec *until)
{
    int r;

    if (!tn__real()->pthread_cond_clockwait) /* before glibc 2.30 */
        return EINVAL;
    if (tn_patch_parks() && tn__patch_is_time(until) &&
        (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC))
        return wait_until(c, m, tn__patch_at(clock, until));
    return makes_way(m, &r)
               ? r
               : tn__real()->pthread_cond_clockwait(c, m, clock, until);
}

int tn__patch_pthread_cond_signal(pthread_cond_t *c)
{
    tn__patch_wake(c, false);
    return tn__real()->pthread_cond_signal(c);
}

int tn__patch_pthread_cond_broadcast(pthread_cond_t *c)
{
    tn__patch_wake(c, true);
    return tn__real()->pthread_cond_broadcast(c);
}
