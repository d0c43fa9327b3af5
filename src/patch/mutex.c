/* SPDX-License-Identifier: MIT */
/* patch/mutex.c - mutexes between greenlets, and the ends of threads.
 *
 * To libc all greenlets of a thread are one owner. A plain mutex does not care:
 * it is tried, and EBUSY says all. One that is recursive, or checks for errors,
 * would let each of them in: for those each thread has a table of which of its
 * greenlets is the owner. Locked by a plain thread they are not in it. */
#include "patch/patch.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* How long a mutex that another thread holds is waited for by libc's own call,
 * before others of this thread run: most are held for less. */
#define BRIEF_NS 50000

struct owned {
    const pthread_mutex_t *m;
    uint64_t owner; /* the greenlet's number */
    unsigned times;
};

enum { FEW = 8 };

static __thread struct {
    struct owned few[FEW];
    struct owned *all; /* `few`, or malloc'ed; NULL: `few` */
    unsigned n, room;
} table;

static int type_of(const pthread_mutex_t *m)
{
    return m->__data.__kind & 3;
}

static bool is_owned(const pthread_mutex_t *m)
{
    int type = type_of(m);

    return type == PTHREAD_MUTEX_RECURSIVE_NP ||
           type == PTHREAD_MUTEX_ERRORCHECK_NP;
}

static uint64_t me(void)
{
    return tn_greenlet_id(tn_self());
}

static struct owned *entries(void)
{
    return table.all ? table.all : table.few;
}

static struct owned *find(const pthread_mutex_t *m)
{
    struct owned *all = entries();

    for (unsigned i = table.n; i > 0; i--)
        if (all[i - 1].m == m)
            return &all[i - 1];
    return NULL;
}

/* Double the table. It is not given back when the thread ends. */
static bool grow(void)
{
    size_t room = table.room ? table.room : FEW;
    void *all =
        mmap(NULL, 2 * room * sizeof(struct owned), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (all == MAP_FAILED)
        return false;
    for (unsigned i = 0; i < table.n; i++)
        ((struct owned *)all)[i] = entries()[i];
    if (table.all)
        munmap(table.all, room * sizeof(struct owned));
    table.all = all;
    table.room = (unsigned)(2 * room);
    return true;
}

/* It is locked, once more. */
static void note_locked(const pthread_mutex_t *m)
{
    struct owned *o = find(m);

    if (o) {
        o->times++;
        return;
    }
    if (table.n == (table.room ? table.room : FEW) && !grow())
        abort(); /* who owns it could not be told any more */
    entries()[table.n++] = (struct owned){m, me(), 1};
}

static void note_unlocked(struct owned *o)
{
    if (--o->times == 0)
        *o = entries()[--table.n];
}

/* One attempt. EBUSY: wait. */
static int attempt(void *mutex)
{
    pthread_mutex_t *m = mutex;
    bool has_owner = is_owned(m);
    const struct owned *o = has_owner ? find(m) : NULL;
    int r;

    if (o && o->owner != me())
        return EBUSY;
    r = tn__real()->pthread_mutex_trylock(m);
    if (has_owner && (r == 0 || r == EOWNERDEAD))
        note_locked(m);
    return r;
}

/* Another thread may be about to unlock it. */
static int wait_briefly(pthread_mutex_t *m)
{
    struct timespec until;
    int r;

    if (is_owned(m) && find(m))
        return EBUSY;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += BRIEF_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    r = tn__real()->pthread_mutex_timedlock(m, &until);
    if (is_owned(m) && (r == 0 || r == EOWNERDEAD))
        note_locked(m);
    return r == ETIMEDOUT ? EBUSY : r;
}

static int lock(pthread_mutex_t *m, tn_time deadline)
{
    const struct owned *o;
    int r = attempt(m);

    if (r != EBUSY)
        return r;
    o = is_owned(m) ? find(m) : NULL;
    if (o && o->owner == me() && type_of(m) == PTHREAD_MUTEX_ERRORCHECK_NP)
        return EDEADLK;
    if (m->__data.__owner != gettid())
        r = wait_briefly(m);
    return r == EBUSY ? tn__patch_lock(m, attempt, false, deadline) : r;
}

static bool is_ours(void)
{
    return tn_patch_parks() && !tn__patch_in_lot();
}

int tn__patch_pthread_mutex_lock(pthread_mutex_t *m)
{
    if (!is_ours())
        return tn__real()->pthread_mutex_lock(m);
    return lock(m, TN_FOREVER);
}

int tn__patch_pthread_mutex_trylock(pthread_mutex_t *m)
{
    if (!is_ours())
        return tn__real()->pthread_mutex_trylock(m);
    return attempt(m);
}

int tn__patch_pthread_mutex_timedlock(pthread_mutex_t *m,
                                      const struct timespec *until)
{
    if (!is_ours() || !tn__patch_is_time(until))
        return tn__real()->pthread_mutex_timedlock(m, until);
    return lock(m, tn__patch_at(CLOCK_REALTIME, until));
}

int tn__patch_pthread_mutex_clocklock(pthread_mutex_t *m, clockid_t clock,
                                      const struct timespec *until)
{
    if (!tn__real()->pthread_mutex_clocklock) /* before glibc 2.30 */
        return EINVAL;
    if (!is_ours() || !tn__patch_is_time(until) ||
        (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC))
        return tn__real()->pthread_mutex_clocklock(m, clock, until);
    return lock(m, tn__patch_at(clock, until));
}

int tn__patch_pthread_mutex_unlock(pthread_mutex_t *m)
{
    struct owned *o = table.n > 0 && is_owned(m) ? find(m) : NULL;
    int r;

    if (o && is_ours() && o->owner != me())
        return EPERM;
    r = tn__real()->pthread_mutex_unlock(m);
    if (r == 0 && o)
        note_unlocked(o);
    if (r == 0)
        tn__patch_wake(m, false);
    return r;
}

/* In the child of a fork() libc holds its mutexes for another thread's, until
 * they are initialised anew. */
void tn__patch_forget_mutexes(void)
{
    table.n = 0;
}

/* ---- the end of a thread ---- */

/* Nothing of libc's tells of it to whom could wait for it. */
int tn__patch_pthread_join(pthread_t thread, void **ret_value)
{
    const int64_t pause_max = 5000000;
    int64_t pause_ns = 100000;
    tn_shield shield;
    int r;

    if (!tn_patch_parks())
        return tn__real()->pthread_join(thread, ret_value);
    if (pthread_equal(thread, pthread_self()))
        return EDEADLK;
    tn_shield_begin(&shield, TN_FOREVER);
    while ((r = pthread_tryjoin_np(thread, ret_value)) == EBUSY) {
        (void)tn_sleep(tn_after_ns(pause_ns));
        pause_ns = pause_ns * 2 > pause_max ? pause_max : pause_ns * 2;
    }
    tn_shield_end(&shield);
    return r;
}
