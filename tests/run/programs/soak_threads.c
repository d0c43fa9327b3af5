/* SPDX-License-Identifier: MIT */
/* soak_threads.c - tasks of the soak: threads, and what they wait for from each
 * other. */
#include "soak.h"

#include <sched.h>
#include <semaphore.h>
#include <sys/socket.h>

enum { LOCKS = 4 };

int n_detached;

/* ---- beginning and end ---- */

static void *nap_a_while(void *arg)
{
    long kind = (long)arg % 4;

    if (kind == 1)
        sched_yield();
    else if (kind == 2)
        nap_ms(1);
    else if (kind == 3)
        pthread_exit(arg);
    return arg;
}

void join_some(struct dice *dice)
{
    pthread_t all[8];
    int n = 1 + (int)roll(dice, 8);

    for (int i = 0; i < n; i++)
        all[i] = start(nap_a_while, (void *)(long)i);
    for (int i = 0; i < n; i++)
        CHECK(join(all[i]) == (void *)(long)i);
}

static void *be_detached(void *arg)
{
    nap_a_while((long)arg == 3 ? NULL : arg);
    if ((long)arg == 3)
        CHECK(pthread_detach(pthread_self()) == 0);
    __atomic_fetch_sub(&n_detached, 1, __ATOMIC_ACQ_REL);
    return NULL;
}

void detach_some(struct dice *dice)
{
    pthread_attr_t attr;
    pthread_t t;

    CHECK(pthread_attr_init(&attr) == 0);
    CHECK(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) == 0);
    for (int i = 1 + (int)roll(dice, 4); i > 0; i--) {
        long kind = (long)roll(dice, 4); /* 3: it detaches itself */

        __atomic_fetch_add(&n_detached, 1, __ATOMIC_ACQ_REL);
        CHECK(pthread_create(&t, kind == 3 ? NULL : &attr, be_detached,
                             (void *)kind) == 0);
    }
    pthread_attr_destroy(&attr);
}

struct victim {
    int kind, fds[2];
    sem_t sem, ready;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int n_cleaned;
};

static void clean_up(void *arg)
{
    struct victim *v = arg;

    v->n_cleaned++;
    if (v->kind == 2) /* a condition gives its mutex back before */
        pthread_mutex_unlock(&v->lock);
}

static void wait_as_told(struct victim *v)
{
    char byte;

    switch (v->kind) {
    case 0:
        CHECK(read(v->fds[0], &byte, 1) < 0);
        break;
    case 1:
        nap_ms(1000000);
        break;
    case 2:
        for (;;)
            pthread_cond_wait(&v->cond, &v->lock);
    case 3:
        CHECK(recv(v->fds[1], &byte, 1, 0) < 0);
        break;
    default:
        CHECK(sem_wait(&v->sem) < 0);
    }
}

static void *wait_to_be_cancelled(void *arg)
{
    struct victim *v = arg;

    if (v->kind == 2)
        pthread_mutex_lock(&v->lock);
    pthread_cleanup_push(clean_up, v);
    sem_post(&v->ready);
    wait_as_told(v);
    pthread_cleanup_pop(0);
    return NULL;
}

void cancel_one(struct dice *dice)
{
    struct victim v = {.kind = (int)roll(dice, 5)};
    pthread_t t;

    CHECK(sem_init(&v.sem, 0, 0) == 0 && sem_init(&v.ready, 0, 0) == 0);
    CHECK(pthread_mutex_init(&v.lock, NULL) == 0);
    CHECK(pthread_cond_init(&v.cond, NULL) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, v.fds) == 0);
    t = start(wait_to_be_cancelled, &v);
    CHECK(sem_wait(&v.ready) == 0);
    if (roll(dice, 2))
        nap_ms(1); /* else it may not wait yet */
    CHECK(pthread_cancel(t) == 0);
    CHECK(join(t) == PTHREAD_CANCELED && v.n_cleaned == 1);
    CHECK(pthread_mutex_destroy(&v.lock) == 0);
    close(v.fds[0]);
    close(v.fds[1]);
    sem_destroy(&v.sem);
    sem_destroy(&v.ready);
    pthread_cond_destroy(&v.cond);
}

static void count_down(void *arg)
{
    __atomic_fetch_sub((int *)arg, 1, __ATOMIC_ACQ_REL);
}

static pthread_key_t keys[4];

static void make_keys(void)
{
    for (int i = 0; i < 4; i++)
        CHECK(pthread_key_create(&keys[i], count_down) == 0);
}

static void *have_keys(void *arg)
{
    static __thread int of_this_one;

    CHECK(of_this_one++ == 0);
    CHECK(pthread_setname_np(pthread_self(), "with keys") == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_setspecific(keys[i], arg) == 0);
    sched_yield();
    for (int i = 0; i < 4; i++)
        CHECK(pthread_getspecific(keys[i]) == arg);
    return NULL;
}

void keep_keys(struct dice *dice)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_t a, b;
    int n = 8;

    (void)dice;
    CHECK(pthread_once(&once, make_keys) == 0);
    a = start(have_keys, &n);
    b = start(have_keys, &n);
    join(a);
    join(b);
    CHECK(n == 0);
}

struct legacy {
    pthread_mutex_t lock;
    sem_t is_locked;
};

static void *die_as_owner(void *arg)
{
    struct legacy *legacy = arg;

    CHECK(pthread_mutex_lock(&legacy->lock) == 0);
    CHECK(sem_post(&legacy->is_locked) == 0);
    sched_yield();
    return NULL;
}

void die_with_a_mutex(struct dice *dice)
{
    pthread_mutexattr_t attr;
    struct legacy legacy;
    pthread_t t;

    CHECK(pthread_mutexattr_init(&attr) == 0);
    CHECK(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0);
    if (roll(dice, 2))
        pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    CHECK(pthread_mutex_init(&legacy.lock, &attr) == 0);
    CHECK(sem_init(&legacy.is_locked, 0, 0) == 0);
    t = start(die_as_owner, &legacy);
    CHECK(sem_wait(&legacy.is_locked) == 0);
    CHECK(pthread_mutex_lock(&legacy.lock) == EOWNERDEAD);
    CHECK(pthread_mutex_consistent(&legacy.lock) == 0);
    CHECK(pthread_mutex_unlock(&legacy.lock) == 0);
    join(t);
    CHECK(pthread_mutex_destroy(&legacy.lock) == 0);
    sem_destroy(&legacy.is_locked);
    pthread_mutexattr_destroy(&attr);
}

void compute(struct dice *dice)
{
    volatile uint64_t n = roll(dice, 1000);

    for (int i = 0; i < 3000000; i++)
        n = n * 3 + 1;
}

/* ---- locks ---- */

static pthread_mutex_t mutexes[LOCKS] = {
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP,
    PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP};
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static long counts[LOCKS + 1], wanted[LOCKS + 1];

void count_under_locks(struct dice *dice)
{
    int which = (int)roll(dice, LOCKS + 1), n = 1 + (int)roll(dice, 50);

    for (int i = 0; i < n; i++) {
        if (which == LOCKS && i % 3) {
            CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
            CHECK(counts[which] >= 0);
        } else if (which == LOCKS) {
            CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
        } else {
            CHECK(pthread_mutex_lock(&mutexes[which]) == 0);
        }
        if (which < LOCKS || i % 3 == 0) {
            long before = counts[which];

            if (i % 16 == 0)
                sched_yield();
            counts[which] = before + 1;
            __atomic_fetch_add(&wanted[which], 1, __ATOMIC_RELAXED);
        }
        if (which == LOCKS)
            CHECK(pthread_rwlock_unlock(&rwlock) == 0);
        else
            CHECK(pthread_mutex_unlock(&mutexes[which]) == 0);
    }
}

void check_counts(void)
{
    for (int i = 0; i <= LOCKS; i++)
        CHECK(counts[i] == wanted[i]);
}

/* ---- waiting for another ---- */

struct table {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int turn, n;
};

static void *play(void *arg)
{
    struct table *table = arg;

    CHECK(pthread_mutex_lock(&table->lock) == 0);
    for (int i = 0; i < table->n; i++) {
        while (table->turn != 1)
            CHECK(pthread_cond_wait(&table->changed, &table->lock) == 0);
        table->turn = 0;
        CHECK(pthread_cond_signal(&table->changed) == 0);
    }
    CHECK(pthread_mutex_unlock(&table->lock) == 0);
    return NULL;
}

void hand_over(struct dice *dice)
{
    struct table table = {.n = 1 + (int)roll(dice, 60)};
    struct timespec until = in_ms(CLOCK_MONOTONIC, 600000);
    pthread_t t;

    CHECK(pthread_mutex_init(&table.lock, NULL) == 0);
    CHECK(pthread_cond_init(&table.changed, NULL) == 0);
    t = start(play, &table);
    CHECK(pthread_mutex_lock(&table.lock) == 0);
    for (int i = 0; i < table.n; i++) {
        table.turn = 1;
        CHECK(pthread_cond_signal(&table.changed) == 0);
        while (table.turn != 0)
            CHECK(pthread_cond_clockwait(&table.changed, &table.lock,
                                         CLOCK_MONOTONIC, &until) == 0);
    }
    CHECK(pthread_mutex_unlock(&table.lock) == 0);
    join(t);
    CHECK(pthread_cond_destroy(&table.changed) == 0);
    CHECK(pthread_mutex_destroy(&table.lock) == 0);
}

/* Of the two clocks only one never goes back, and can be looked at. */
void wait_in_vain(struct dice *dice)
{
    clockid_t clock = roll(dice, 2) ? CLOCK_MONOTONIC : CLOCK_REALTIME;
    struct timespec until = in_ms(clock, 1 + (long)roll(dice, 5)), now;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    sem_t sem;
    int r;

    if (clock == CLOCK_MONOTONIC) {
        pthread_mutex_lock(&lock);
        do
            r = pthread_cond_clockwait(&never, &lock, clock, &until);
        while (r == 0);
        pthread_mutex_unlock(&lock);
        CHECK(r == ETIMEDOUT);
        clock_gettime(clock, &now);
        CHECK(now.tv_sec > until.tv_sec ||
              (now.tv_sec == until.tv_sec && now.tv_nsec >= until.tv_nsec));
    } else {
        CHECK(sem_init(&sem, 0, 0) == 0);
        CHECK(sem_timedwait(&sem, &until) < 0 && errno == ETIMEDOUT);
        sem_destroy(&sem);
    }
}

static void *meet(void *arg)
{
    long n_last = 0;

    for (int i = 0; i < 10; i++)
        n_last += pthread_barrier_wait(arg) == PTHREAD_BARRIER_SERIAL_THREAD;
    return (void *)n_last;
}

void meet_at_a_barrier(struct dice *dice)
{
    int n = 2 + (int)roll(dice, 4);
    long n_last = 0;
    pthread_barrier_t barrier;
    pthread_t all[6];

    CHECK(pthread_barrier_init(&barrier, NULL, (unsigned)n) == 0);
    for (int i = 0; i < n; i++)
        all[i] = start(meet, &barrier);
    for (int i = 0; i < n; i++)
        n_last += (long)join(all[i]);
    CHECK(n_last == 10);
    CHECK(pthread_barrier_destroy(&barrier) == 0);
}

static void *take(void *arg)
{
    sem_t *sems = arg;

    for (int i = 0; i < 20; i++) {
        CHECK(sem_wait(&sems[0]) == 0);
        CHECK(sem_post(&sems[1]) == 0);
    }
    return NULL;
}

void pass_semaphores(struct dice *dice)
{
    sem_t sems[2];
    pthread_t t;

    CHECK(sem_init(&sems[0], 0, (unsigned)roll(dice, 3)) == 0);
    CHECK(sem_init(&sems[1], 0, 0) == 0);
    t = start(take, sems);
    for (int i = 0; i < 20; i++) {
        CHECK(sem_post(&sems[0]) == 0);
        CHECK(sem_wait(&sems[1]) == 0);
    }
    join(t);
    sem_destroy(&sems[0]);
    sem_destroy(&sems[1]);
}
