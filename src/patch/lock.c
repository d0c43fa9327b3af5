/* SPDX-License-Identifier: MIT */
/* patch/lock.c - readers-writer locks and semaphores. */
#include "patch/patch.h"

/* ---- readers-writer locks ---- */

static int attempt_read(void *lock)
{
    return pthread_rwlock_tryrdlock(lock);
}

static int attempt_write(void *lock)
{
    return pthread_rwlock_trywrlock(lock);
}

static int lock_until(pthread_rwlock_t *l, int (*attempt)(void *lock),
                      tn_time deadline)
{
    int r = attempt(l);

    return r == EBUSY ? tn__patch_lock(l, attempt, false, deadline) : r;
}

static bool is_clock(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
}

int tn__patch_pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
    if (!tn_patch_parks())
        return tn__real()->pthread_rwlock_rdlock(l);
    return lock_until(l, attempt_read, TN_FOREVER);
}

int tn__patch_pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
    if (!tn_patch_parks())
        return tn__real()->pthread_rwlock_wrlock(l);
    return lock_until(l, attempt_write, TN_FOREVER);
}

int tn__patch_pthread_rwlock_timedrdlock(pthread_rwlock_t *l,
                                         const struct timespec *until)
{
    if (!tn_patch_parks() || !tn__patch_is_time(until))
        return tn__real()->pthread_rwlock_timedrdlock(l, until);
    return lock_until(l, attempt_read, tn__patch_at(CLOCK_REALTIME, until));
}

int tn__patch_pthread_rwlock_timedwrlock(pthread_rwlock_t *l,
                                         const struct timespec *until)
{
    if (!tn_patch_parks() || !tn__patch_is_time(until))
        return tn__real()->pthread_rwlock_timedwrlock(l, until);
    return lock_until(l, attempt_write, tn__patch_at(CLOCK_REALTIME, until));
}

int tn__patch_pthread_rwlock_clockrdlock(pthread_rwlock_t *l, clockid_t clock,
                                         const struct timespec *until)
{
    if (!tn__real()->pthread_rwlock_clockrdlock) /* before glibc 2.30 */
        return EINVAL;
    if (!tn_patch_parks() || !tn__patch_is_time(until) || !is_clock(clock))
        return tn__real()->pthread_rwlock_clockrdlock(l, clock, until);
    return lock_until(l, attempt_read, tn__patch_at(clock, until));
}

int tn__patch_pthread_rwlock_clockwrlock(pthread_rwlock_t *l, clockid_t clock,
                                         const struct timespec *until)
{
    if (!tn__real()->pthread_rwlock_clockwrlock)
        return EINVAL;
    if (!tn_patch_parks() || !tn__patch_is_time(until) || !is_clock(clock))
        return tn__real()->pthread_rwlock_clockwrlock(l, clock, until);
    return lock_until(l, attempt_write, tn__patch_at(clock, until));
}

/* Several readers may follow. */
int tn__patch_pthread_rwlock_unlock(pthread_rwlock_t *l)
{
    int r = tn__real()->pthread_rwlock_unlock(l);

    if (r == 0)
        tn__patch_wake(l, true);
    return r;
}

/* ---- semaphores ---- */

static int attempt_take(void *semaphore)
{
    if (sem_trywait(semaphore) == 0)
        return 0;
    return errno == EAGAIN ? EBUSY : errno;
}

static int take_until(sem_t *s, tn_time deadline)
{
    int errno_before = errno, r = attempt_take(s);

    if (r == EBUSY)
        r = tn__patch_lock(s, attempt_take, true, deadline);
    if (r)
        return tn__patch_fail(-r);
    errno = errno_before;
    return 0;
}

int tn__patch_sem_wait(sem_t *s)
{
    return tn_patch_parks() ? take_until(s, TN_FOREVER)
                            : tn__real()->sem_wait(s);
}

int tn__patch_sem_timedwait(sem_t *s, const struct timespec *until)
{
    if (!tn_patch_parks() || !tn__patch_is_time(until))
        return tn__real()->sem_timedwait(s, until);
    return take_until(s, tn__patch_at(CLOCK_REALTIME, until));
}

int tn__patch_sem_clockwait(sem_t *s, clockid_t clock,
                            const struct timespec *until)
{
    if (!tn__real()->sem_clockwait) /* before glibc 2.30 */
        return tn__patch_fail(-ENOSYS);
    if (!tn_patch_parks() || !tn__patch_is_time(until) || !is_clock(clock))
        return tn__real()->sem_clockwait(s, clock, until);
    return take_until(s, tn__patch_at(clock, until));
}

int tn__patch_sem_post(sem_t *s)
{
    int r = tn__real()->sem_post(s);

    if (r == 0)
        tn__patch_wake(s, false);
    return r;
}
