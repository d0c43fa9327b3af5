/* SPDX-License-Identifier: MIT */
/* conditions - condition variables: every way to wait on one, with every kind
 * of mutex, and what ends a wait. */
#include <signal.h>
#include <sys/wait.h>

#include "posix.h"

enum { THREADS = 30, ROUNDS = 300, CANCELS = 15000 };

struct place {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int n, n_waiting, n_cleaned, result;
};

static void rest(long ms)
{
    struct timespec t = {0, ms * 1000000};

    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

static int is_over(clockid_t clock, struct timespec until)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec > until.tv_sec ||
           (t.tv_sec == until.tv_sec && t.tv_nsec >= until.tv_nsec);
}

/* Wait, as one of n_waiting, until somebody has raised `n`. */
static void *take(void *arg)
{
    struct place *p = arg;

    pthread_mutex_lock(&p->mutex);
    p->n_waiting++;
    while (p->n == 0)
        p->result = pthread_cond_wait(&p->cond, &p->mutex);
    p->n--;
    p->n_waiting--;
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

static void await_waiters(struct place *p, int n)
{
    int n_now;

    do {
        rest(1);
        pthread_mutex_lock(&p->mutex);
        n_now = p->n_waiting;
        pthread_mutex_unlock(&p->mutex);
    } while (n_now != n);
}

/* ---- deadlines ---- */

static void deadlines(void)
{
    static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct timespec until;

    pthread_mutex_lock(&mutex);
    for (int i = 0; i < 2; i++) {
        pthread_cond_t cond;
        pthread_condattr_t attr;
        int r;

        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, clocks[i]);
        pthread_cond_init(&cond, &attr);
        until = after_ms(clocks[i], 30);
        r = pthread_cond_timedwait(&cond, &mutex, &until);
        printf("clock %d: %s, over %d", i, strerror(r),
               is_over(clocks[i], until));
        r = pthread_cond_timedwait(&cond, &mutex, &until);
        printf("; again %s", strerror(r));
        until.tv_nsec = 1000000000;
        r = pthread_cond_timedwait(&cond, &mutex, &until);
        printf("; %s", strerror(r));
        until = (struct timespec){-1, 0};
        r = pthread_cond_timedwait(&cond, &mutex, &until);
        printf("; %s", strerror(r));
        until = after_ms(clocks[!i], 30);
        r = pthread_cond_clockwait(&cond, &mutex, clocks[!i], &until);
        printf("; other clock %s, over %d", strerror(r),
               is_over(clocks[!i], until));
        r = pthread_cond_clockwait(&cond, &mutex, 77, &until);
        printf("; no clock %s; destroyed %d\n", strerror(r),
               pthread_cond_destroy(&cond));
    }
    printf("unlock %d\n", pthread_mutex_unlock(&mutex));
}

/* ---- kinds of mutexes ---- */

static void kinds(void)
{
    static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
                                PTHREAD_MUTEX_ERRORCHECK,
                                PTHREAD_MUTEX_ADAPTIVE_NP};

    for (int i = 0; i < 8; i++) {
        struct place p = {.cond = PTHREAD_COND_INITIALIZER};
        pthread_mutexattr_t attr;
        pthread_t thread;
        int r;

        pthread_mutexattr_init(&attr);
        pthread_mutexattr_settype(&attr, types[i % 4]);
        if (i > 3)
            pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(&p.mutex, &attr);
        pthread_create(&thread, NULL, take, &p);
        await_waiters(&p, 1);
        pthread_mutex_lock(&p.mutex);
        p.n = 1;
        r = pthread_cond_signal(&p.cond);
        pthread_mutex_unlock(&p.mutex);
        pthread_join(thread, NULL);
        printf("kind %d: signal %d, wait %d, left %d\n", i, r, p.result, p.n);
        if (types[i % 4] == PTHREAD_MUTEX_ERRORCHECK) {
            struct timespec until = after_ms(CLOCK_REALTIME, 10);

            printf("not locked: %s\n",
                   strerror(pthread_cond_timedwait(&p.cond, &p.mutex,
                                                   &until)));
        }
    }
}

static void *die_with(void *arg)
{
    pthread_mutex_lock(arg);
    return NULL;
}

/* Its mutex's owner dies while it waits. */
static void *wait_for_robust(void *arg)
{
    struct place *p = arg;

    pthread_mutex_lock(&p->mutex);
    p->n_waiting++;
    p->result = pthread_cond_wait(&p->cond, &p->mutex);
    pthread_mutex_consistent(&p->mutex);
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

static void robust(void)
{
    struct place p = {.cond = PTHREAD_COND_INITIALIZER};
    pthread_mutexattr_t attr;
    pthread_t waiter, owner;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&p.mutex, &attr);
    pthread_create(&waiter, NULL, wait_for_robust, &p);
    await_waiters(&p, 1);
    pthread_create(&owner, NULL, die_with, &p.mutex);
    pthread_join(owner, NULL);
    pthread_cond_signal(&p.cond);
    pthread_join(waiter, NULL);
    printf("robust: %s\n", strerror(p.result));
}

/* ---- many ---- */

static void crowd(void)
{
    struct place p = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
                      0, 0, 0, 0};
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, take, &p);
    await_waiters(&p, THREADS);
    for (int left = THREADS; left > THREADS / 2; left--) {
        pthread_mutex_lock(&p.mutex);
        p.n = 1;
        pthread_cond_signal(&p.cond);
        pthread_mutex_unlock(&p.mutex);
        await_waiters(&p, left - 1);
    }
    pthread_mutex_lock(&p.mutex);
    p.n = THREADS / 2;
    pthread_cond_broadcast(&p.cond);
    pthread_mutex_unlock(&p.mutex);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("crowd: %d left, %d waiting\n", p.n, p.n_waiting);
}

/* A variable is destroyed, and its memory in other use, as soon as all who
 * wait have been woken. */
static void short_lived(void)
{
    int n_done = 0;

    for (int i = 0; i < ROUNDS; i++) {
        struct place *p = calloc(1, sizeof *p);
        pthread_t thread;
        int n_waiting = 0;

        pthread_mutex_init(&p->mutex, NULL);
        pthread_cond_init(&p->cond, NULL);
        pthread_create(&thread, NULL, take, p);
        while (n_waiting == 0) {
            sched_yield();
            pthread_mutex_lock(&p->mutex);
            n_waiting = p->n_waiting;
            p->n = n_waiting;
            if (n_waiting)
                pthread_cond_broadcast(&p->cond);
            pthread_mutex_unlock(&p->mutex);
        }
        n_done += pthread_cond_destroy(&p->cond) == 0;
        memset(&p->cond, 0, sizeof p->cond);
        pthread_join(thread, NULL);
        free(p);
    }
    printf("short-lived: %d\n", n_done);
}

/* ---- what ends a wait ---- */

static void clean_up(void *arg)
{
    struct place *p = arg;

    p->n_cleaned++;
    p->result = pthread_mutex_unlock(&p->mutex); /* it is ours again */
}

static void *be_cancelled(void *arg)
{
    struct place *p = arg;
    struct timespec until = after_ms(CLOCK_REALTIME, 20000);

    pthread_mutex_lock(&p->mutex);
    pthread_cleanup_push(clean_up, p);
    p->n_waiting++;
    for (;;)
        if (p->n_waiting & 1)
            pthread_cond_wait(&p->cond, &p->mutex);
        else
            pthread_cond_timedwait(&p->cond, &p->mutex, &until);
    pthread_cleanup_pop(0);
    return NULL;
}

static void cancelled(void)
{
    struct place p = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
                      0, 0, 0, 0};
    int n_canceled = 0, n_unlocked = 0;

    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&p.mutex, &attr);
    for (int i = 1; i <= THREADS; i++) {
        pthread_t thread;
        void *result;

        pthread_create(&thread, NULL, be_cancelled, &p);
        if (i % 3)
            await_waiters(&p, i);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        n_canceled += result == PTHREAD_CANCELED;
        n_unlocked += p.result == 0;
        p.n_waiting = i;
    }
    printf("cancelled: %d, unlocked %d, cleaned at least %d\n", n_canceled,
           n_unlocked, p.n_cleaned >= THREADS * 2 / 3);
}

static void *wait_for_good(void *arg)
{
    struct place *p = arg;

    pthread_mutex_lock(&p->mutex);
    p->n_waiting++;
    pthread_cond_signal(&p->cond);
    pthread_cleanup_push(clean_up, p);
    for (;;)
        pthread_cond_wait(&p->cond, &p->mutex);
    pthread_cleanup_pop(0);
    return NULL;
}

/* As soon as it has given the mutex away: perhaps it does not wait yet. */
static void cancelled_at_once(void)
{
    struct place p = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
                      0, 0, 0, 0};
    int n_canceled = 0;

    for (int i = 1; i <= CANCELS; i++) {
        pthread_t thread;
        void *result;

        pthread_mutex_lock(&p.mutex);
        pthread_create(&thread, NULL, wait_for_good, &p);
        while (p.n_waiting < i)
            pthread_cond_wait(&p.cond, &p.mutex);
        pthread_mutex_unlock(&p.mutex);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        n_canceled += result == PTHREAD_CANCELED;
    }
    printf("cancelled at once: %d, cleaned %d\n", n_canceled, p.n_cleaned);
}

static volatile int n_handled;

static void count(int sig)
{
    (void)sig;
    n_handled++;
}

/* A handler runs, and the wait goes on. */
static void *wait_once(void *arg)
{
    struct place *p = arg;

    pthread_mutex_lock(&p->mutex);
    p->n_waiting = 1;
    p->result = pthread_cond_wait(&p->cond, &p->mutex);
    p->n_cleaned = p->n;
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

static void interrupted(int flags)
{
    struct place p = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
                      0, 0, 0, 0};
    struct sigaction action = {.sa_handler = count, .sa_flags = flags};
    pthread_t thread;

    sigaction(SIGUSR1, &action, NULL);
    n_handled = 0;
    pthread_create(&thread, NULL, wait_once, &p);
    await_waiters(&p, 1);
    for (int i = 1; i <= 3; i++) {
        pthread_kill(thread, SIGUSR1);
        while (n_handled < i)
            rest(1);
    }
    rest(10);
    pthread_mutex_lock(&p.mutex);
    p.n = 5;
    pthread_cond_signal(&p.cond);
    pthread_mutex_unlock(&p.mutex);
    pthread_join(thread, NULL);
    printf("interrupted: %d handled, wait %d, saw %d\n", n_handled, p.result,
           p.n_cleaned);
}

static void *wait_plainly(void *arg)
{
    struct place *p = arg;

    pthread_mutex_lock(&p->mutex);
    p->n_waiting++;
    pthread_cond_wait(&p->cond, &p->mutex);
    if (p->n == 0)
        p->result++;
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

/* That another one waits, too, wakes nobody, not even after a signal. */
static void interrupted_in_company(void)
{
    struct sigaction a = {.sa_handler = count};
    struct place p = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
                      0, 0, 0, 0};
    pthread_t threads[2];

    sigaction(SIGUSR1, &a, NULL);
    for (int i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, wait_plainly, &p);
        await_waiters(&p, i + 1);
        rest(5);
    }
    pthread_kill(threads[0], SIGUSR1);
    rest(20);
    pthread_mutex_lock(&p.mutex);
    p.n = 1;
    pthread_cond_broadcast(&p.cond);
    pthread_mutex_unlock(&p.mutex);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("in company: %d woken for nothing\n", p.result);
}

/* ---- between processes ---- */

static void shared(void)
{
    struct place *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t mutex_attr;
    pthread_condattr_t attr;
    int status = 0;

    pthread_mutexattr_init(&mutex_attr);
    pthread_mutexattr_setpshared(&mutex_attr, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&p->mutex, &mutex_attr);
    pthread_condattr_init(&attr);
    pthread_condattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&p->cond, &attr);
    fflush(stdout);
    if (fork() == 0) {
        take(p);
        _exit(p->result);
    }
    await_waiters(p, 1);
    pthread_mutex_lock(&p->mutex);
    p->n = 1;
    pthread_cond_signal(&p->cond);
    pthread_mutex_unlock(&p->mutex);
    wait(&status);
    printf("shared: %d\n", status);
}

int main(void)
{
    deadlines();
    kinds();
    robust();
    crowd();
    short_lived();
    cancelled();
    cancelled_at_once();
    interrupted(0);
    interrupted(SA_RESTART);
    interrupted_in_company();
    shared();
    return 0;
}
