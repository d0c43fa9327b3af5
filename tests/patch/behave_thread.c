/* SPDX-License-Identifier: MIT */
/* behave_thread.c - locks between greenlets and threads, hubs on several
 * threads, fork, cancelation of threads. */
#include "behave.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void nap_us(long us)
{
    struct timespec span = {0, us * 1000};

    check(nanosleep(&span, NULL) == 0);
}

static void init_mutex(pthread_mutex_t *m, int type)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, type);
    check(pthread_mutex_init(m, &attr) == 0);
    pthread_mutexattr_destroy(&attr);
}

/* ---- one thread ---- */

struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    pthread_rwlock_t rwlock;
    int n, n_inside, n_most;
};

/* A driver that waits while it holds a lock. */
static int work_locked(void *arg)
{
    struct shared *s = arg;

    for (int i = 0; i < 5; i++) {
        check(pthread_mutex_lock(&s->mutex) == 0);
        check(++s->n_inside == 1);
        nap_us(100);
        s->n_inside--;
        s->n++;
        check(pthread_mutex_unlock(&s->mutex) == 0);
    }
    return 0;
}

static void keep_out(int type)
{
    struct shared s = {.n = 0};
    tn_greenlet *g[20];

    init_mutex(&s.mutex, type);
    for (int i = 0; i < 20; i++)
        g[i] = go(work_locked, &s);
    for (int i = 0; i < 20; i++)
        await(g[i]);
    check(s.n == 100);
}

static void a_mutex_held_over_a_wait_keeps_others_out(void)
{
    keep_out(PTHREAD_MUTEX_NORMAL);
    keep_out(PTHREAD_MUTEX_RECURSIVE);
    keep_out(PTHREAD_MUTEX_ERRORCHECK);
    keep_out(PTHREAD_MUTEX_ADAPTIVE_NP);
}

static int try_foreign(void *arg)
{
    struct shared *s = arg;
    struct timespec at;

    check(pthread_mutex_trylock(&s->mutex) == EBUSY);
    check(pthread_mutex_unlock(&s->mutex) == EPERM);
    clock_gettime(CLOCK_REALTIME, &at);
    check(pthread_mutex_timedlock(&s->mutex, &at) == ETIMEDOUT);
    return 0;
}

static void a_greenlet_is_an_owner(void)
{
    struct shared s = {.n = 0};

    check(tn_yield() == 0);
    init_mutex(&s.mutex, PTHREAD_MUTEX_RECURSIVE);
    for (int i = 0; i < 3; i++)
        check(pthread_mutex_lock(&s.mutex) == 0);
    await(go(try_foreign, &s));
    for (int i = 0; i < 3; i++)
        check(pthread_mutex_unlock(&s.mutex) == 0);
    check(pthread_mutex_unlock(&s.mutex) == EPERM);
    init_mutex(&s.mutex, PTHREAD_MUTEX_ERRORCHECK);
    check(pthread_mutex_lock(&s.mutex) == 0);
    check(pthread_mutex_lock(&s.mutex) == EDEADLK);
    await(go(try_foreign, &s));
    check(pthread_mutex_unlock(&s.mutex) == 0);
}

enum { MANY_LOCKS = 100 };

static void one_may_hold_many(void)
{
    static pthread_mutex_t all[MANY_LOCKS];

    check(tn_yield() == 0);
    for (int i = 0; i < MANY_LOCKS; i++) {
        init_mutex(&all[i], PTHREAD_MUTEX_RECURSIVE);
        check(pthread_mutex_lock(&all[i]) == 0);
    }
    for (int i = 0; i < MANY_LOCKS; i++)
        check(pthread_mutex_unlock(&all[i]) == 0);
    check(pthread_mutex_unlock(&all[7]) == EPERM);
}

static int read_locked(void *arg)
{
    struct shared *s = arg;

    check(pthread_rwlock_rdlock(&s->rwlock) == 0);
    if (++s->n_inside > s->n_most)
        s->n_most = s->n_inside;
    nap_us(1000);
    s->n_inside--;
    check(pthread_rwlock_unlock(&s->rwlock) == 0);
    return 0;
}

static void readers_read_together_and_a_writer_alone(void)
{
    struct shared s = {.n = 0};
    tn_greenlet *g[10];

    check(pthread_rwlock_init(&s.rwlock, NULL) == 0 && tn_yield() == 0);
    check(pthread_rwlock_wrlock(&s.rwlock) == 0);
    for (int i = 0; i < 10; i++)
        g[i] = go(read_locked, &s);
    rest_ms(2);
    check(s.n_most == 0);
    check(pthread_rwlock_unlock(&s.rwlock) == 0);
    rest_ms(1);
    check(pthread_rwlock_wrlock(&s.rwlock) == 0 && s.n_inside == 0);
    for (int i = 0; i < 10; i++)
        check(tn_greenlet_is_done(g[i]) || s.n_most < 10);
    check(pthread_rwlock_unlock(&s.rwlock) == 0);
    for (int i = 0; i < 10; i++)
        await(g[i]);
    check(s.n_most == 10);
}

static void a_condition_has_its_clock(void)
{
    static const clockid_t clocks[2] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
    struct shared s = {.n = 0};
    pthread_condattr_t attr;
    struct timespec at;
    tn_time begin;

    check(tn_yield() == 0);
    init_mutex(&s.mutex, PTHREAD_MUTEX_NORMAL);
    for (int i = 0; i < 2; i++) {
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, clocks[i]);
        pthread_cond_init(&s.cond, &attr);
        clock_gettime(clocks[i], &at);
        at.tv_nsec += 20000000;
        at.tv_sec += at.tv_nsec / 1000000000;
        at.tv_nsec %= 1000000000;
        begin = tn_now();
        pthread_mutex_lock(&s.mutex);
        check(pthread_cond_timedwait(&s.cond, &s.mutex, &at) == ETIMEDOUT);
        check(tn_now() - begin >= 19000000);
        pthread_mutex_unlock(&s.mutex);
    }
}

static int wait_set(void *arg)
{
    struct shared *s = arg;

    check(pthread_mutex_lock(&s->mutex) == 0);
    s->n_inside++;
    while (!s->n)
        check(pthread_cond_wait(&s->cond, &s->mutex) == 0);
    s->n_inside--;
    check(pthread_mutex_unlock(&s->mutex) == 0);
    return 0;
}

enum { CROWD = 1000 };

static void a_broadcast_wakes_a_crowd(void)
{
    struct shared s = {.n = 0};
    static tn_greenlet *g[CROWD];

    init_mutex(&s.mutex, PTHREAD_MUTEX_NORMAL);
    pthread_cond_init(&s.cond, NULL);
    for (int i = 0; i < CROWD; i++)
        g[i] = go(wait_set, &s);
    while (s.n_inside < CROWD)
        rest_ms(1);
    pthread_mutex_lock(&s.mutex);
    s.n = 1;
    pthread_mutex_unlock(&s.mutex);
    check(pthread_cond_broadcast(&s.cond) == 0);
    for (int i = 0; i < CROWD; i++)
        await(g[i]);
    check(s.n_inside == 0);
}

static sem_t semaphore;

static void post(int signo)
{
    (void)signo;
    sem_post(&semaphore);
}

static void a_signal_handler_may_post(void)
{
    check(tn_yield() == 0);
    sem_init(&semaphore, 0, 0);
    call_every_us(300, post);
    for (int i = 0; i < 500; i++)
        check(sem_wait(&semaphore) == 0);
    call_every_us(0, NULL);
}

static int lock_it(void *arg)
{
    struct shared *s = arg;

    check(pthread_mutex_lock(&s->mutex) == 0);
    s->n = 1;
    check(pthread_mutex_unlock(&s->mutex) == 0);
    return 0;
}

/* Its caller counts on the lock: it gets it, and is killed after that. */
static void a_kill_does_not_end_a_wait_for_a_lock(void)
{
    struct shared s = {.n = 0};
    tn_greenlet *g;

    check(tn_yield() == 0);
    init_mutex(&s.mutex, PTHREAD_MUTEX_NORMAL);
    pthread_mutex_lock(&s.mutex);
    g = go(lock_it, &s);
    rest_ms(1);
    check(tn_kill(g, TN_NOWAIT) == -EAGAIN);
    rest_ms(3);
    check(s.n == 0 && !tn_greenlet_is_done(g));
    pthread_mutex_unlock(&s.mutex);
    await(g);
    check(s.n == 1);
}

/* ---- several threads ---- */

enum { THREADS = 3, PER_THREAD = 10, ROUNDS = 20 };

static int add_up(void *arg)
{
    struct shared *s = arg;

    for (int i = 0; i < ROUNDS; i++) {
        check(pthread_mutex_lock(&s->mutex) == 0);
        check(++s->n_inside == 1);
        if (i % 4 == 0)
            nap_us(20);
        s->n_inside--;
        s->n++;
        check(pthread_mutex_unlock(&s->mutex) == 0);
    }
    return 0;
}

static void *crew(void *arg)
{
    tn_greenlet *g[PER_THREAD];

    for (int i = 0; i < PER_THREAD; i++)
        g[i] = go(add_up, arg);
    for (int i = 0; i < PER_THREAD; i++)
        await(g[i]);
    return NULL;
}

static void *plain_member(void *arg)
{
    add_up(arg);
    check(tn_patch_parks() == 0);
    return NULL;
}

/* Hubs of three threads, main's among them, and a thread without one. */
static void share_between_threads(int type)
{
    struct shared s = {.n = 0};
    pthread_t threads[THREADS];

    init_mutex(&s.mutex, type);
    for (int i = 0; i < THREADS; i++)
        check(pthread_create(&threads[i], NULL, i ? crew : plain_member, &s) ==
              0);
    crew(&s);
    for (int i = 0; i < THREADS; i++)
        check(pthread_join(threads[i], NULL) == 0);
    check(s.n == ((THREADS - 1 + 1) * PER_THREAD + 1) * ROUNDS);
}

static void threads_with_hubs_and_without_share_a_mutex(void)
{
    share_between_threads(PTHREAD_MUTEX_NORMAL);
    share_between_threads(PTHREAD_MUTEX_RECURSIVE);
}

/* Greenlets and plain threads hand numbers to each other. */
struct box {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int n, n_taken, n_left;
    long sum;
};

static int put_in(void *arg)
{
    struct box *b = arg;

    for (int i = 1; i <= 100; i++) {
        check(pthread_mutex_lock(&b->mutex) == 0);
        while (b->n != 0)
            check(pthread_cond_wait(&b->changed, &b->mutex) == 0);
        b->n = i;
        check(pthread_cond_broadcast(&b->changed) == 0);
        check(pthread_mutex_unlock(&b->mutex) == 0);
    }
    return 0;
}

static int take_out(void *arg)
{
    struct box *b = arg;

    check(pthread_mutex_lock(&b->mutex) == 0);
    while (b->n_left > 0) {
        if (b->n == 0) {
            check(pthread_cond_wait(&b->changed, &b->mutex) == 0);
            continue;
        }
        b->sum += b->n;
        b->n = 0;
        b->n_left--;
        check(pthread_cond_broadcast(&b->changed) == 0);
    }
    check(pthread_mutex_unlock(&b->mutex) == 0);
    return 0;
}

static void *put_in_thread(void *arg)
{
    put_in(arg);
    return NULL;
}

static void *take_out_thread(void *arg)
{
    take_out(arg);
    return NULL;
}

static void conditions_work_between_greenlets_and_threads(void)
{
    struct box b = {.n_left = 400};
    pthread_t threads[4];
    tn_greenlet *g[4];

    init_mutex(&b.mutex, PTHREAD_MUTEX_NORMAL);
    pthread_cond_init(&b.changed, NULL);
    check(tn_yield() == 0);
    for (int i = 0; i < 4; i++) {
        check(pthread_create(&threads[i], NULL,
                             i % 2 ? put_in_thread : take_out_thread, &b) == 0);
        g[i] = go(i % 2 ? put_in : take_out, &b);
    }
    for (int i = 0; i < 4; i++) {
        await(g[i]);
        check(pthread_join(threads[i], NULL) == 0);
    }
    check(b.sum == 4 * 5050);
}

/* ---- fork, cancelation ---- */

static int use_in_child(void *arg)
{
    struct shared *s = arg;
    tn_greenlet *g;

    init_mutex(&s->mutex, PTHREAD_MUTEX_RECURSIVE);
    g = go(wait_set, s);
    rest_ms(2);
    check(pthread_mutex_lock(&s->mutex) == 0);
    s->n = 1;
    check(pthread_mutex_unlock(&s->mutex) == 0);
    check(pthread_cond_signal(&s->cond) == 0);
    await(g);
    return 0;
}

/* Others of the parent's hold and wait for the same: not in the child. */
static void a_child_begins_without_owners_and_waiters(void)
{
    struct shared s = {.n = 0};
    tn_greenlet *g[2];
    int status;
    pid_t pid;

    init_mutex(&s.mutex, PTHREAD_MUTEX_RECURSIVE);
    pthread_cond_init(&s.cond, NULL);
    for (int i = 0; i < 2; i++)
        g[i] = go(wait_set, &s);
    rest_ms(2);
    check(pthread_mutex_lock(&s.mutex) == 0);
    pid = fork();
    if (pid == 0)
        _exit(use_in_child(&s) == 0 ? 5 : 1);
    check(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 5);
    s.n = 1;
    check(pthread_mutex_unlock(&s.mutex) == 0);
    check(pthread_cond_broadcast(&s.cond) == 0);
    for (int i = 0; i < 2; i++)
        await(g[i]);
}

static int n_cleaned;

static void clean(void *arg)
{
    (void)arg;
    __atomic_add_fetch(&n_cleaned, 1, __ATOMIC_SEQ_CST);
}

static void *read_plainly(void *arg)
{
    char c;

    pthread_cleanup_push(clean, NULL);
    check(read(*(int *)arg, &c, 1) == 1);
    pthread_cleanup_pop(0);
    return NULL;
}

/* The same with a hub, whose main greenlet waits in it. */
static void *read_parked(void *arg)
{
    check(tn_yield() == 0 && tn_patch_parks() == 1);
    return read_plainly(arg);
}

static void cancel_one(void *(*fn)(void *arg))
{
    pthread_t thread;
    void *value;
    int fds[2];

    make_pipe(fds);
    n_cleaned = 0;
    check(pthread_create(&thread, NULL, fn, &fds[0]) == 0);
    nap_us(20000);
    check(pthread_cancel(thread) == 0);
    check(pthread_join(thread, &value) == 0 && value == PTHREAD_CANCELED);
}

static void a_thread_without_a_hub_is_cancelled_as_ever(void)
{
    cancel_one(read_plainly);
    check(n_cleaned == 1);
}

static void a_thread_with_a_hub_ends_when_cancelled(void)
{
    cancel_one(read_parked);
}

const struct behaviour behaviours_thread[] = {
    BEHAVIOUR(a_mutex_held_over_a_wait_keeps_others_out),
    BEHAVIOUR(a_greenlet_is_an_owner),
    BEHAVIOUR(one_may_hold_many),
    BEHAVIOUR(readers_read_together_and_a_writer_alone),
    BEHAVIOUR(a_condition_has_its_clock),
    BEHAVIOUR(a_broadcast_wakes_a_crowd),
    BEHAVIOUR(a_signal_handler_may_post),
    BEHAVIOUR(a_kill_does_not_end_a_wait_for_a_lock),
    BEHAVIOUR(threads_with_hubs_and_without_share_a_mutex),
    BEHAVIOUR(conditions_work_between_greenlets_and_threads),
    BEHAVIOUR(a_child_begins_without_owners_and_waiters),
    BEHAVIOUR(a_thread_without_a_hub_is_cancelled_as_ever),
    BEHAVIOUR(a_thread_with_a_hub_ends_when_cancelled),
    {NULL}};
