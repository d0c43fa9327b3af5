/* SPDX-License-Identifier: MIT */
/* tests/run/programs/posix_locks.c - mutexes of each kind, protocol, robustness
 * and sharing; the futex calls with an owner, and those for several words. */
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "posix.h"

/* ---- mutexes ---- */

struct kind {
    int type, protocol, robust, shared;
};

static int make(pthread_mutex_t *m, const struct kind *k)
{
    pthread_mutexattr_t attr;
    int r;

    pthread_mutexattr_init(&attr);
    CHECK(pthread_mutexattr_settype(&attr, k->type) == 0);
    CHECK(pthread_mutexattr_setprotocol(&attr, k->protocol) == 0);
    CHECK(pthread_mutexattr_setrobust(&attr, k->robust) == 0);
    CHECK(pthread_mutexattr_setpshared(&attr, k->shared) == 0);
    memset(m, 0, sizeof *m);
    r = pthread_mutex_init(m, &attr);
    pthread_mutexattr_destroy(&attr);
    return r;
}

static int counter;

static void *trylock(void *arg)
{
    return (void *)(intptr_t)pthread_mutex_trylock(arg);
}

static void *timedlock(void *arg)
{
    struct timespec t = after_ms(CLOCK_REALTIME, 15);

    return (void *)(intptr_t)pthread_mutex_timedlock(arg, &t);
}

static void *clocklock(void *arg)
{
    struct timespec t = after_ms(CLOCK_MONOTONIC, 15);

    return (void *)(intptr_t)pthread_mutex_clocklock(arg, CLOCK_MONOTONIC, &t);
}

static void *unlock(void *arg)
{
    return (void *)(intptr_t)pthread_mutex_unlock(arg);
}

static void *count_up(void *arg)
{
    for (int i = 0; i < 200; i++) {
        int r = pthread_mutex_lock(arg);

        CHECK(r == 0);
        counter++;
        if (i % 16 == 0)
            sched_yield();
        CHECK(pthread_mutex_unlock(arg) == 0);
    }
    return NULL;
}

static void *lock_and_end(void *arg)
{
    CHECK(pthread_mutex_lock(arg) == 0);
    nap_ms(20);
    return NULL;
}

static void owner_dies(pthread_mutex_t *m)
{
    pthread_t t = start(lock_and_end, m);
    int r;

    nap_ms(5);
    r = pthread_mutex_lock(m); /* it waits, or comes too late */
    join(t);
    printf("  owner died: %s", name(r));
    printf(" %s", name((int)(intptr_t)join(start(trylock, m))));
    printf(" consistent %s", name(pthread_mutex_consistent(m)));
    printf(" unlock %s\n", name(pthread_mutex_unlock(m)));
    join(start(lock_and_end, m));
    r = pthread_mutex_lock(m);
    printf("  again: %s", name(r));
    printf(" unlock %s", name(pthread_mutex_unlock(m)));
    printf(" lock %s\n", name(pthread_mutex_lock(m)));
}

static void test_mutex(const struct kind *k)
{
    static pthread_mutex_t own;
    pthread_mutex_t *m = k->shared ? shared_page() : &own;
    pthread_t t[4];
    int r = make(m, k);

    printf("type %d protocol %d robust %d shared %d: init %s\n", k->type,
           k->protocol, k->robust, k->shared, name(r));
    if (r)
        return;
    printf("  lock %s", name(pthread_mutex_lock(m)));
    printf(" try %s", name((int)(intptr_t)join(start(trylock, m))));
    printf(" timed %s", name((int)(intptr_t)join(start(timedlock, m))));
    r = (int)(intptr_t)join(start(clocklock, m));
    printf(" clock %s", r == EINVAL ? "EINVAL" : name(r));
    if (k->type != PTHREAD_MUTEX_NORMAL)
        printf(" twice %s", name(pthread_mutex_trylock(m)));
    if (k->type == PTHREAD_MUTEX_ERRORCHECK)
        printf(" again %s", name(pthread_mutex_lock(m)));
    if (k->type == PTHREAD_MUTEX_ERRORCHECK || k->robust)
        printf(" foreign unlock %s",
               name((int)(intptr_t)join(start(unlock, m))));
    printf(" unlock %s\n", name(pthread_mutex_unlock(m)));
    if (k->type == PTHREAD_MUTEX_RECURSIVE)
        pthread_mutex_unlock(m);
    counter = 0;
    for (int i = 0; i < 4; i++)
        t[i] = start(count_up, m);
    for (int i = 0; i < 4; i++)
        join(t[i]);
    printf("  counted %d\n", counter);
    if (k->robust)
        owner_dies(m);
    else
        printf("  destroy %s\n", name(pthread_mutex_destroy(m)));
}

static void test_mutexes(void)
{
    static const int types[] = {
        PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ERRORCHECK,
        PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ADAPTIVE_NP};

    for (int i = 0; i < 16; i++) {
        struct kind k = {types[i & 3], i & 4 ? PTHREAD_PRIO_INHERIT
                                             : PTHREAD_PRIO_NONE,
                         i & 8 ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED,
                         PTHREAD_PROCESS_PRIVATE};

        test_mutex(&k);
        k.shared = PTHREAD_PROCESS_SHARED;
        test_mutex(&k);
    }
}

/* ---- across processes ---- */

static void use_in_child(pthread_mutex_t *m, int how)
{
    int r = pthread_mutex_trylock(m);

    printf("child: try %s", name(r));
    r = pthread_mutex_lock(m);
    printf(", lock %s\n", name(r));
    fflush(stdout);
    if (how == 0)
        pthread_mutex_unlock(m);
    else if (how == 2)
        raise(SIGKILL);
    _exit(0);
}

/* The child locks what we hold, and unlocks it, ends, or is killed. */
static void test_in_processes(int protocol)
{
    struct kind k = {PTHREAD_MUTEX_NORMAL, protocol, PTHREAD_MUTEX_ROBUST,
                     PTHREAD_PROCESS_SHARED};
    pthread_mutex_t *m = shared_page();

    for (int how = 0; how < 3; how++) {
        int status, r = make(m, &k);
        pid_t child;

        CHECK(r == 0 && pthread_mutex_lock(m) == 0);
        fflush(stdout);
        child = fork();
        if (child == 0)
            use_in_child(m, how);
        nap_ms(30);
        pthread_mutex_unlock(m);
        CHECK(waitpid(child, &status, 0) == child);
        r = pthread_mutex_lock(m);
        printf("protocol %d, child %d: status %x, lock %s\n", protocol, how,
               status, name(r));
    }
}

/* ---- the calls themselves ---- */

static uint32_t word, second, third;
static volatile pid_t owner;
static volatile int may_give;

static long futex(uint32_t *at, int op, uint32_t value, void *timeout,
                  uint32_t *at2, uint32_t value3)
{
    return syscall(SYS_futex, at, op | FUTEX_PRIVATE_FLAG, value, timeout, at2,
                   value3);
}

static void *own_for_a_while(void *arg)
{
    long r = futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);

    CHECK(r == 0);
    owner = (pid_t)syscall(SYS_gettid);
    while (!may_give)
        nap_ms(1);
    nap_ms(20); /* main waits for it now */
    if (!arg)
        CHECK(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0);
    return NULL;
}

static void show(const char *what, long r)
{
    uint32_t tid = word & FUTEX_TID_MASK;

    printf("%s: %ld %s, word %s%s%s\n", what, r, r < 0 ? name(errno) : "",
           tid == 0                                   ? "free"
           : tid == (uint32_t)syscall(SYS_gettid) ? "mine"
                                                      : "theirs",
           word & FUTEX_WAITERS ? " waiters" : "",
           word & FUTEX_OWNER_DIED ? " died" : "");
}

static void test_owner(void *is_dying)
{
    struct timespec t = after_ms(CLOCK_REALTIME, 5);
    struct timespec mono = after_ms(CLOCK_MONOTONIC, 5);
    pthread_t a;

    owner = may_give = 0;
    a = start(own_for_a_while, is_dying);
    while (!owner)
        nap_ms(1);
    show("try", futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
    show("unlock", futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    show("timed", futex(&word, FUTEX_LOCK_PI, 0, &t, NULL, 0));
    show("timed 2", futex(&word, 13, 0, &mono, NULL, 0));
    may_give = 1;
    show("lock", futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    show("lock again", futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    join(a);
    show("unlock", futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    word = 0x3ffffff0;
    show("nobody's", futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    word = 0;
}

static void *lock_both(void *arg)
{
    long r;

    CHECK(futex(&second, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == 0);
    nap_ms(10);
    r = futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    CHECK(r == 0);
    CHECK(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0);
    CHECK(futex(&second, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0);
    return arg;
}

static void test_deadlock(void)
{
    pthread_t t;
    long r;

    CHECK(futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == 0);
    t = start(lock_both, NULL);
    nap_ms(30);
    r = futex(&second, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    printf("a ring of two: %ld %s\n", r, name(errno));
    CHECK(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0);
    join(t);
}

static int n_requeued;

static void *wait_requeued(void *arg)
{
    long r = futex(&second, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &word, 0);

    CHECK(r == 0);
    n_requeued++;
    CHECK(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0);
    return arg;
}

static void test_requeue(void)
{
    struct timespec t = after_ms(CLOCK_MONOTONIC, 5);
    pthread_t w[4];
    long r;

    second = 0;
    show("wait requeue, timed",
         futex(&second, FUTEX_WAIT_REQUEUE_PI, 0, &t, &word, 0));
    for (int i = 0; i < 4; i++)
        w[i] = start(wait_requeued, NULL);
    nap_ms(20);
    show("requeue elsewhere",
         futex(&second, FUTEX_CMP_REQUEUE_PI, 1, (void *)2, &third, 0));
    CHECK(futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == 0);
    show("requeue", futex(&second, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &word,
                          0));
    printf("before the unlock %d\n", n_requeued);
    CHECK(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0);
    nap_ms(20);
    printf("after it %d\n", n_requeued);
    r = futex(&second, FUTEX_CMP_REQUEUE_PI, 1, (void *)INT_MAX, &word, 0);
    printf("requeue the rest: %ld\n", r);
    for (int i = 0; i < 4; i++)
        join(w[i]);
    printf("in the end %d\n", n_requeued);
}

/* ---- several words ---- */

struct wanted {
    uint64_t value, word;
    uint32_t flags, reserved;
};

static uint32_t many[8];

static void *wait_for_many(void *arg)
{
    struct wanted w[8];
    struct timespec t = after_ms(CLOCK_REALTIME, 20);
    long r;

    for (int i = 0; i < 8; i++)
        w[i] = (struct wanted){0, (uintptr_t)&many[i],
                               2 | (arg ? 0 : FUTEX_PRIVATE_FLAG), 0};
    r = syscall(449, w, 8, 0, NULL, 0);
    printf("waitv: %ld\n", r);
    r = syscall(449, w, 8, 0, &t, CLOCK_REALTIME);
    printf("waitv, timed: %ld %s\n", r, name(errno));
    w[5].value = 7;
    r = syscall(449, w, 8, 0, &t, CLOCK_REALTIME);
    printf("waitv, another value: %ld %s\n", r, name(errno));
    w[5].flags = 1;
    r = syscall(449, w, 8, 0, &t, CLOCK_REALTIME);
    printf("waitv, another size: %ld %s\n", r, name(errno));
    return NULL;
}

static void test_many(void *is_shared)
{
    pthread_t t = start(wait_for_many, is_shared);
    long r;

    nap_ms(20);
    r = is_shared ? syscall(SYS_futex, &many[6], FUTEX_WAKE, 1)
                  : futex(&many[6], FUTEX_WAKE, 1, NULL, NULL, 0);
    join(t);
    printf("wake: %ld\n", r);
}

/* futex_wait() and others, where the kernel has them. */
static void test_newer(void)
{
    struct timespec t = after_ms(CLOCK_MONOTONIC, 5);
    long r = syscall(454, &word, 1, 1, 2 | FUTEX_PRIVATE_FLAG);

    printf("futex_wake: %ld %s\n", r, r < 0 ? name(errno) : "");
    r = syscall(455, &word, 0, 1, 2 | FUTEX_PRIVATE_FLAG, &t,
                CLOCK_MONOTONIC);
    printf("futex_wait: %ld %s\n", r, name(errno));
    r = syscall(455, &word, 1, 1, 2 | FUTEX_PRIVATE_FLAG, &t,
                CLOCK_MONOTONIC);
    printf("futex_wait: %ld %s\n", r, name(errno));
    r = syscall(455, &word, 0, 1, 1, &t, CLOCK_MONOTONIC);
    printf("futex_wait: %ld %s\n", r, name(errno));
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_mutexes();
    test_in_processes(PTHREAD_PRIO_NONE);
    test_in_processes(PTHREAD_PRIO_INHERIT);
    test_owner(NULL);
    test_owner(&word);
    test_deadlock();
    test_requeue();
    test_many(NULL);
    test_many(&word);
    test_newer();
    return 0;
}
