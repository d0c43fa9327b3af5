/* SPDX-License-Identifier: MIT */
/* run/condition.c - condition variables, in half the system calls.
 *
 * glibc's needs three or four futex calls for each hand-over from one thread to
 * another: its signal and its wait have groups to switch, and whoever comes
 * back from a wait takes the mutex as a contended one. Ours is the oldest one:
 * a number in the variable, which a signal changes, and a wait for its change.
 * Two calls, both functions.
 *
 * Everything else stays libc's. The mutex, of whatever kind, is locked and
 * unlocked by libc. The variable is libc's too: what is initialised statically
 * or by pthread_cond_init(), and destroyed by libc. Only the first word is
 * ours, which libc's init sets to 0 and its destroy does not look at. Its
 * attributes are bits of a word, that at 36 from glibc 2.25 on and that at 28
 * from 2.41 on; which it is is tried at start, and if neither, libc's own
 * functions are called. So they are for variables that processes share.
 *
 * The first wait and every signal gives the word a number that no variable has
 * had before. So a thread that is about to wait, and finds the memory freed and
 * in other use, wakes up and does not wait for ever. Another wait leaves the
 * number alone: it would wake those who are on their way into theirs. */
#include "run/symbols.h"

#include <dlfcn.h>
#include <linux/futex.h>

enum { IS_SHARED = 1, IS_MONOTONIC = 2 };

static bool is_ours;     /* libc's variables are as we know them */
static uint8_t flags_at; /* the index of the word with libc's flags */
static uint32_t last_number;

static inline uint32_t *word_of(pthread_cond_t *cond)
{
    return (uint32_t *)(void *)cond;
}

static inline bool is_libcs(pthread_cond_t *cond)
{
    return TN_UNLIKELY(!is_ours ||
                       (word_of(cond)[flags_at] & IS_SHARED));
}

/* One instruction, also without a lock: then it is whole as far as the only
 * kernel thread can tell. */
static uint32_t renew(pthread_cond_t *cond)
{
    uint32_t n = 1;

    if (TN_LIKELY(tn__run.n_hubs == 1 && tn__run.is_on))
        __asm__ volatile("xaddl %0, %1" : "+r"(n), "+m"(last_number) : : "cc");
    else
        n = __atomic_fetch_add(&last_number, 1, __ATOMIC_RELAXED);
    __atomic_store_n(word_of(cond), ++n, __ATOMIC_RELEASE);
    return n;
}

static long call(struct tn__run_call *c)
{
    if (TN_UNLIKELY(!tn__run_is_on()))
        return tn__raw(c->nr, c->a[0], c->a[1], c->a[2], c->a[3], c->a[4],
                       c->a[5]);
    tn__run_here()->calls.by_symbol++;
    return tn__run_syscall(c);
}

/* ---- waking ---- */

static int wake(pthread_cond_t *cond, int n)
{
    struct tn__run_call c = {
        .nr = SYS_futex,
        .a = {(long)word_of(cond), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n, 0, 0,
              0}};

    renew(cond);
    call(&c);
    return 0;
}

TN__RUN_EXPORT int pthread_cond_signal(pthread_cond_t *cond)
{
    if (is_libcs(cond))
        return tn__run_next.cond_signal(cond);
    return wake(cond, 1);
}

TN__RUN_EXPORT int pthread_cond_broadcast(pthread_cond_t *cond)
{
    if (is_libcs(cond))
        return tn__run_next.cond_broadcast(cond);
    return wake(cond, INT32_MAX);
}

/* ---- waiting ---- */

static bool is_poked(void)
{
    return tn__run_is_on() && tn__run_self()->is_poked;
}

/* The number to wait on: 0 is of a variable that nobody has used. */
static uint32_t number_of(pthread_cond_t *cond)
{
    uint32_t number = __atomic_load_n(word_of(cond), __ATOMIC_ACQUIRE);

    return TN_LIKELY(number != 0) ? number : renew(cond);
}

/* Until the word is not `number` any more. 0 or -ETIMEDOUT; -EINTR: the thread
 * is cancelled. That may have been while it unlocked the mutex: the end of
 * another call does away with the alert, and the wait would not see it. */
static long wait_for_change(pthread_cond_t *cond, uint32_t number, int flags,
                            const struct timespec *until)
{
    while (!is_poked()) {
        struct tn__run_call c = {
            .nr = SYS_futex,
            .a = {(long)word_of(cond),
                  FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | flags,
                  (long)number, (long)until, 0, 0xffffffff},
            .can_cancel = true};
        long r = call(&c);

        if (r != -EINTR)
            return r == -ETIMEDOUT ? r : 0;
    }
    return -EINTR;
}

static int wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int flags,
                      const struct timespec *until)
{
    uint32_t number;
    int r_mutex;
    long r;

    if (tn__run_is_on())
        tn__run_self()->is_poked = false;
    pthread_testcancel();
    number = number_of(cond);
    r_mutex = pthread_mutex_unlock(mutex);
    if (r_mutex != 0)
        return r_mutex;
    r = wait_for_change(cond, number, flags, until);
    r_mutex = pthread_mutex_lock(mutex);
    if (r == -EINTR)
        pthread_testcancel();
    if (r_mutex != 0)
        return r_mutex;
    return r == -ETIMEDOUT ? ETIMEDOUT : 0;
}

static int wait_by_clock(pthread_cond_t *cond, pthread_mutex_t *mutex,
                         clockid_t clock, const struct timespec *until)
{
    struct timespec t = *until;

    if (t.tv_nsec < 0 || t.tv_nsec >= 1000000000)
        return EINVAL;
    if (t.tv_sec < 0) /* the kernel refuses what is just long over */
        t.tv_sec = 0;
    return wait_until(cond, mutex,
                      clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0, &t);
}

TN__RUN_EXPORT int pthread_cond_wait(pthread_cond_t *cond,
                                     pthread_mutex_t *mutex)
{
    if (is_libcs(cond))
        return tn__run_next.cond_wait(cond, mutex);
    return wait_until(cond, mutex, 0, NULL);
}

TN__RUN_EXPORT int pthread_cond_timedwait(pthread_cond_t *cond,
                                          pthread_mutex_t *mutex,
                                          const struct timespec *until)
{
    bool is_monotonic = word_of(cond)[flags_at] & IS_MONOTONIC;

    if (is_libcs(cond))
        return tn__run_next.cond_timedwait(cond, mutex, until);
    return wait_by_clock(cond, mutex,
                         is_monotonic ? CLOCK_MONOTONIC : CLOCK_REALTIME,
                         until);
}

TN__RUN_EXPORT int pthread_cond_clockwait(pthread_cond_t *cond,
                                          pthread_mutex_t *mutex,
                                          clockid_t clock,
                                          const struct timespec *until)
{
    if (is_libcs(cond))
        return tn__run_next.cond_clockwait
                   ? tn__run_next.cond_clockwait(cond, mutex, clock, until)
                   : ENOSYS;
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
        return EINVAL;
    return wait_by_clock(cond, mutex, clock, until);
}

/* ---- whether they are as we know them ---- */

/* libc's functions that tell. */
struct maker {
    int (*init)(pthread_cond_t *cond, const pthread_condattr_t *attr);
    int (*attr_init)(pthread_condattr_t *attr);
    int (*set_clock)(pthread_condattr_t *attr, clockid_t clock);
    int (*set_shared)(pthread_condattr_t *attr, int shared);
};

/* A variable with this attribute has this bit set there, and nothing else. */
static bool has_only(const struct maker *m, clockid_t clock, int shared,
                     size_t at, uint32_t bits)
{
    pthread_condattr_t attr;
    pthread_cond_t cond;
    const uint32_t *words = (const uint32_t *)(const void *)&cond;

    if (m->attr_init(&attr) != 0 || m->set_clock(&attr, clock) != 0 ||
        m->set_shared(&attr, shared) != 0 || m->init(&cond, &attr) != 0)
        return false;
    for (size_t i = 0; i < sizeof cond / sizeof *words; i++)
        if (words[i] != (i == at ? bits : 0))
            return false;
    return true;
}

static bool has_flags_at(const struct maker *m, size_t at)
{
    return has_only(m, CLOCK_REALTIME, PTHREAD_PROCESS_PRIVATE, at, 0) &&
           has_only(m, CLOCK_MONOTONIC, PTHREAD_PROCESS_PRIVATE, at,
                    IS_MONOTONIC) &&
           has_only(m, CLOCK_REALTIME, PTHREAD_PROCESS_SHARED, at, IS_SHARED);
}

void tn__run_conditions_init(void)
{
    static const uint8_t places[] = {9, 7};
    struct maker m;

    *(void **)&m.init = dlsym(RTLD_NEXT, "pthread_cond_init");
    *(void **)&m.attr_init = dlsym(RTLD_NEXT, "pthread_condattr_init");
    *(void **)&m.set_clock = dlsym(RTLD_NEXT, "pthread_condattr_setclock");
    *(void **)&m.set_shared = dlsym(RTLD_NEXT, "pthread_condattr_setpshared");
    if (!(tn__run.ways & TN__RUN_WAY_SYMBOLS) || !m.init || !m.attr_init ||
        !m.set_clock || !m.set_shared)
        return;
    for (size_t i = 0; i < sizeof places && !is_ours; i++) {
        flags_at = places[i];
        is_ours = has_flags_at(&m, flags_at);
    }
}

/* What has a number of ours libc could not make sense of. */
void tn__run_conditions_go_native(void)
{
    is_ours = is_ours && last_number != 0;
}
