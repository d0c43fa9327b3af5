/* SPDX-License-Identifier: MIT */
/* tests/run/programs/threads.c - what libc keeps per thread, cancellation and
 * signals for one thread. With an argument: main ends before the others. */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <threads.h>
#include <xmmintrin.h>

#include "support.h"

enum { N = 50 };

static __thread int tls = 7;
static pthread_key_t key;
static int destroyed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t barrier;

static void destroy(void *value)
{
    pthread_mutex_lock(&lock);
    destroyed += (int)(intptr_t)value;
    pthread_mutex_unlock(&lock);
}

static void *use_tls(void *arg)
{
    int me = (int)(intptr_t)arg;

    CHECK(tls == 7);
    tls = me;
    errno = me;
    pthread_setspecific(key, (void *)(intptr_t)1);
    pthread_barrier_wait(&barrier);
    sched_yield();
    CHECK(errno == me);
    nap_ms(1);
    CHECK(tls == me);
    return (void *)(intptr_t)syscall(SYS_gettid);
}

static void test_tls(void)
{
    pthread_t t[N];
    intptr_t tid[N];
    int same = 0;

    pthread_key_create(&key, destroy);
    pthread_barrier_init(&barrier, NULL, N);
    for (int i = 0; i < N; i++)
        t[i] = start(use_tls, (void *)(intptr_t)(i + 1));
    for (int i = 0; i < N; i++)
        tid[i] = (intptr_t)join(t[i]);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < i; k++)
            same += tid[i] == tid[k];
    printf("tls: destroyed %d, same tids %d, main's tid is the pid: %d\n",
           destroyed, same, syscall(SYS_gettid) == getpid());
}

/* ---- cancellation ---- */

static int pipe_fds[2], pair[2];
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int cleaned;

static void clean(void *arg)
{
    (void)arg;
    cleaned++;
}

static void unlock(void *arg)
{
    pthread_mutex_unlock(arg);
}

static void *cancel_me(void *arg)
{
    char c;

    pthread_cleanup_push(clean, NULL);
    switch ((intptr_t)arg) {
    case 0:
        if (read(pipe_fds[0], &c, 1) < 0)
            return NULL;
        break;
    case 1:
        recv(pair[0], &c, 1, 0);
        break;
    case 2:
        sleep(100);
        break;
    case 3: {
        FILE *f = fdopen(dup(pair[0]), "r");

        while (fgets((char[8]){0}, 8, f))
            ;
        break;
    }
    case 4:
        pthread_mutex_lock(&lock);
        pthread_cleanup_push(unlock, &lock);
        for (;;)
            pthread_cond_wait(&cond, &lock);
        pthread_cleanup_pop(1);
        break;
    case 5:
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
        for (;;)
            sched_yield();
        break;
    case 6:
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
        nap_ms(30);
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
        pthread_testcancel();
        break;
    default:
        pause();
    }
    pthread_cleanup_pop(0);
    return NULL;
}

static void test_cancel(void)
{
    CHECK(pipe(pipe_fds) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    for (intptr_t i = 0; i <= 7; i++) {
        pthread_t t = start(cancel_me, (void *)i);

        nap_ms(10);
        CHECK(pthread_cancel(t) == 0);
        printf("cancel %d: %s\n", (int)i,
               join(t) == PTHREAD_CANCELED ? "canceled" : "no");
    }
    printf("cleaned %d\n", cleaned);
}

/* ---- pthread_kill ---- */

static pthread_t handled_by;
static volatile int n_handled;

static void on_signal(int sig)
{
    (void)sig;
    handled_by = pthread_self();
    n_handled++;
}

static void *interrupted(void *arg)
{
    char c;
    ssize_t n = read(pipe_fds[0], &c, 1);

    (void)arg;
    CHECK(n == -1 && errno == EINTR);
    CHECK(pthread_equal(handled_by, pthread_self()));
    return (void *)1;
}

static void test_kill(void)
{
    struct sigaction a = {.sa_handler = on_signal};
    pthread_t t;

    sigaction(SIGUSR1, &a, NULL);
    t = start(interrupted, NULL);
    nap_ms(10);
    CHECK(pthread_kill(t, SIGUSR1) == 0);
    CHECK(join(t) == (void *)1);
    printf("kill: handlers %d\n", n_handled);
    CHECK(raise(SIGUSR1) == 0);
    printf("raise: %d in main %d\n", n_handled,
           !!pthread_equal(handled_by, pthread_self()));
}

/* ---- the rest ---- */

static int c11(void *arg)
{
    *(int *)arg += 1;
    return 5;
}

/* As fesetround(), without libm. */
static void round_to(unsigned mode)
{
    unsigned short x87;

    __asm__ volatile("fnstcw %0" : "=m"(x87));
    x87 = (unsigned short)((x87 & ~0xc00u) | mode << 10);
    __asm__ volatile("fldcw %0" : : "m"(x87));
    _mm_setcsr((_mm_getcsr() & ~0x6000u) | mode << 13);
}

static void *rounding(void *arg)
{
    volatile float sse = 1;
    volatile long double x87 = 1;

    (void)arg;
    nap_ms(1);
    sse += 1e-9f;
    x87 += 1e-30l;
    printf("rounding %x: 1 and a bit is more than 1: sse %d, x87 %d\n",
           _mm_getcsr() & 0x6000, sse > 1, x87 > 1);
    return NULL;
}

/* A new thread has the floating-point environment of its creator. */
static void test_rounding(void)
{
    pthread_t t;

    round_to(2); /* up */
    join(start(rounding, NULL));
    round_to(1); /* down */
    t = start(rounding, NULL);
    round_to(0); /* to the nearest */
    join(t);
    join(start(rounding, NULL));
}

static void test_rest(void)
{
    pthread_attr_t attr;
    struct timespec t;
    void *low;
    size_t bytes;
    int x = 1, r;
    thrd_t c;
    sem_t sem;

    CHECK(thrd_create(&c, c11, &x) == thrd_success);
    CHECK(thrd_join(c, &r) == thrd_success);
    CHECK(pthread_getattr_np(pthread_self(), &attr) == 0);
    CHECK(pthread_attr_getstack(&attr, &low, &bytes) == 0);
    printf("c11 %d %d, in stack %d\n", x, r,
           (char *)&x > (char *)low && (char *)&x < (char *)low + bytes);
    sem_init(&sem, 0, 0);
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += 20000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    r = sem_timedwait(&sem, &t);
    printf("sem_timedwait %d %d\n", r, errno == ETIMEDOUT);
    pthread_mutex_lock(&lock);
    r = pthread_cond_timedwait(&cond, &lock, &t);
    pthread_mutex_unlock(&lock);
    printf("cond_timedwait %d\n", r == ETIMEDOUT);
}

static void *outlive(void *arg)
{
    join(*(pthread_t *)arg);
    nap_ms(20);
    printf("main has ended\n");
    fflush(stdout);
    return NULL;
}

int main(int argc, char **argv)
{
    static pthread_t self;

    (void)argv;
    if (argc > 1) {
        self = pthread_self();
        start(outlive, &self);
        pthread_exit(NULL);
    }
    test_tls();
    test_cancel();
    test_kill();
    test_rounding();
    test_rest();
    return 42;
}
