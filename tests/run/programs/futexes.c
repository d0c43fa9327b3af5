/* SPDX-License-Identifier: MIT */
/* tests/run/programs/futexes.c - the forms of the futex call, and what libc
 * builds on them, robust and shared mutexes too. */
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "support.h"

static uint32_t a, b;
static int n_woken;

static long futex(uint32_t *word, int op, uint32_t value, void *timeout,
                  uint32_t *word2, uint32_t value3)
{
    return syscall(SYS_futex, word, op, value, timeout, word2, value3);
}

static void *wait_on_a(void *arg)
{
    uint32_t bits = (uint32_t)(intptr_t)arg;
    long r = bits ? futex(&a, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, bits)
                  : futex(&a, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);

    CHECK(r == 0);
    __atomic_add_fetch(&n_woken, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void start_some(pthread_t *t, int n, intptr_t bits)
{
    n_woken = 0;
    for (int i = 0; i < n; i++)
        t[i] = start(wait_on_a, (void *)bits);
    nap_ms(30);
}

static void join_some(pthread_t *t, int n)
{
    for (int i = 0; i < n; i++)
        join(t[i]);
}

static void test_wake(void)
{
    struct timespec t = {0, 10000000};
    pthread_t w[6];
    long r;

    start_some(w, 6, 0);
    printf("wake 2: %ld\n", futex(&a, FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0));
    printf("bitset 4: %ld\n",
           futex(&a, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 4));
    join_some(w, 6);
    start_some(w, 2, 1);
    printf("other bits: %ld\n",
           futex(&a, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 2));
    printf("these bits: %ld\n",
           futex(&a, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 3));
    join_some(w, 2);
    r = futex(&a, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
    printf("another value: %ld %d\n", r, errno == EAGAIN);
    r = futex(&a, FUTEX_WAIT_PRIVATE, 0, &t, NULL, 0);
    printf("timeout: %ld %d\n", r, errno == ETIMEDOUT);
    clock_gettime(CLOCK_MONOTONIC, &t);
    r = futex(&a, FUTEX_WAIT_BITSET_PRIVATE, 0, &t, NULL, 1);
    printf("absolute: %ld %d\n", r, errno == ETIMEDOUT);
    clock_gettime(CLOCK_REALTIME, &t);
    r = futex(&a, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &t,
              NULL, 1);
    printf("realtime: %ld %d\n", r, errno == ETIMEDOUT);
    r = futex(&a, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 0);
    printf("no bits: %ld %d\n", r, errno == EINVAL);
}

static void test_move(void)
{
    pthread_t w[6];
    long r;

    start_some(w, 6, 0);
    r = futex(&a, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2l, &b, 5);
    printf("requeue, another value: %ld %d\n", r, errno == EAGAIN);
    printf("requeue: %ld\n",
           futex(&a, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2l, &b, 0));
    printf("wake b: %ld\n",
           futex(&b, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
    printf("wake op: %ld, b %u\n",
           futex(&a, FUTEX_WAKE_OP_PRIVATE, 1, (void *)9l, &b,
                 FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 0)), b);
    printf("wake the rest: %ld\n",
           futex(&a, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
    join_some(w, 6);
}

/* ---- libc's ---- */

static pthread_mutex_t robust;

static void *die_with_lock(void *arg)
{
    pthread_mutex_lock(&robust);
    return arg;
}

static atomic_bool is_held;

static void *hold(void *arg)
{
    pthread_mutex_lock(arg);
    is_held = true;
    pause();
    return NULL;
}

static void test_robust(void)
{
    pthread_mutexattr_t attr;
    int r;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &attr);
    join(start(die_with_lock, NULL));
    r = pthread_mutex_lock(&robust);
    printf("robust: owner dead %d\n", r == EOWNERDEAD);
    pthread_mutex_consistent(&robust);
    pthread_mutex_unlock(&robust);
    printf("robust again: %d\n", pthread_mutex_lock(&robust));
}

/* A process ends while a thread of it holds what another process waits for. */
static void test_robust_of_a_process(void)
{
    const struct timespec soon = {time(NULL) + 10, 0};
    pthread_mutex_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attr;
    int status;
    pid_t pid;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(m, &attr);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        start(hold, m);
        while (!is_held)
            sched_yield();
        _exit(7);
    }
    waitpid(pid, &status, 0);
    printf("ended with %d, owner dead %d\n", WEXITSTATUS(status),
           pthread_mutex_timedlock(m, &soon) == EOWNERDEAD);
}

struct shared {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int turn;
};

static void take_turns(struct shared *s, int me, int n)
{
    for (int i = 0; i < n; i++) {
        pthread_mutex_lock(&s->lock);
        while (s->turn % 2 != me)
            pthread_cond_wait(&s->cond, &s->lock);
        s->turn++;
        pthread_cond_broadcast(&s->cond);
        pthread_mutex_unlock(&s->lock);
    }
}

static void test_shared(void)
{
    struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t ma;
    pthread_condattr_t ca;
    int status;
    pid_t pid;

    pthread_mutexattr_init(&ma);
    pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&s->lock, &ma);
    pthread_condattr_init(&ca);
    pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&s->cond, &ca);
    pid = fork();
    if (pid == 0) {
        take_turns(s, 1, 20);
        _exit(0);
    }
    take_turns(s, 0, 20);
    CHECK(waitpid(pid, &status, 0) == pid);
    printf("shared with a child: %d turns\n", s->turn);
}

static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long counter, token;

static void *pound(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(&lock);
        counter++;
        if (i % 100 == 0)
            sched_yield();
        pthread_mutex_unlock(&lock);
        if (i % 10)
            pthread_rwlock_rdlock(&rw);
        else
            pthread_rwlock_wrlock(&rw);
        if (i % 200 == 0)
            nap_ms(1);
        pthread_rwlock_unlock(&rw);
    }
    return arg;
}

static void *ring(void *arg)
{
    for (int i = 0; i < 50; i++) {
        pthread_mutex_lock(&lock);
        while (token % 10 != (intptr_t)arg)
            pthread_cond_wait(&cond, &lock);
        token++;
        pthread_cond_broadcast(&cond);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

enum { MANY = 4200 };

struct gate {
    sem_t all, one;
};

static void *pass_all(void *arg)
{
    CHECK(sem_wait(&((struct gate *)arg)->all) == 0);
    return arg;
}

static void *pass_one(void *arg)
{
    CHECK(sem_wait(&((struct gate *)arg)->one) == 0);
    return arg;
}

/* Thousands that wait where other processes may come do not keep one more from
 * being woken. */
static void test_many_shared(void)
{
    static pthread_t t[MANY];
    struct gate *gate = mmap(NULL, sizeof *gate, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_attr_t attr;
    pthread_t last;

    CHECK(gate != MAP_FAILED);
    CHECK(sem_init(&gate->all, 1, 0) == 0 && sem_init(&gate->one, 1, 0) == 0);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 65536);
    for (int i = 0; i < MANY; i++)
        CHECK(pthread_create(&t[i], &attr, pass_all, gate) == 0);
    CHECK(pthread_create(&last, &attr, pass_one, gate) == 0);
    nap_ms(20);
    CHECK(sem_post(&gate->one) == 0);
    join(last);
    for (int i = 0; i < MANY; i++)
        CHECK(sem_post(&gate->all) == 0);
    join_some(t, MANY);
    pthread_attr_destroy(&attr);
    munmap(gate, sizeof *gate);
    printf("one beside %d\n", MANY);
}

int main(void)
{
    pthread_t t[10];

    test_wake();
    test_move();
    test_robust();
    test_robust_of_a_process();
    test_shared();
    test_many_shared();
    for (int i = 0; i < 10; i++)
        t[i] = start(pound, NULL);
    join_some(t, 10);
    for (intptr_t i = 0; i < 10; i++)
        t[i] = start(ring, (void *)i);
    join_some(t, 10);
    printf("counter %ld, token %ld\n", counter, token);
    return 0;
}
