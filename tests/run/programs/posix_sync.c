/* SPDX-License-Identifier: MIT */
/* tests/run/programs/posix_sync.c - threads of C11, and barriers, rwlocks,
 * spin locks and semaphores, between threads and between processes. */
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <threads.h>

#include "posix.h"

/* ---- C11 ---- */

static mtx_t lock;
static cnd_t changed;
static tss_t key;
static once_flag flag = ONCE_FLAG_INIT;
static int counter, n_destroyed, n_once;
static thread_local int own = 7;

static void destroy(void *value)
{
    n_destroyed += value == &key;
}

static void do_once(void)
{
    n_once++;
}

static int count_up(void *arg)
{
    (void)arg;
    call_once(&flag, do_once);
    CHECK(tss_set(key, &key) == thrd_success && tss_get(key) == &key);
    for (int i = 0; i < 100; i++) {
        CHECK(mtx_lock(&lock) == thrd_success);
        counter++;
        own++;
        thrd_yield();
        CHECK(mtx_unlock(&lock) == thrd_success);
    }
    mtx_lock(&lock);
    cnd_broadcast(&changed);
    mtx_unlock(&lock);
    if (own != 107)
        thrd_exit(1);
    return 40;
}

static void test_c11(void)
{
    struct timespec t = after_ms(CLOCK_REALTIME, 10);
    thrd_t threads[5];
    mtx_t timed;
    int r, sum = 0;

    CHECK(mtx_init(&lock, mtx_plain) == thrd_success);
    CHECK(mtx_init(&timed, mtx_timed | mtx_recursive) == thrd_success);
    CHECK(cnd_init(&changed) == thrd_success);
    CHECK(tss_create(&key, destroy) == thrd_success);
    mtx_lock(&lock);
    printf("cnd_timedwait %d\n", cnd_timedwait(&changed, &lock, &t) ==
                                     thrd_timedout);
    for (int i = 0; i < 5; i++)
        CHECK(thrd_create(&threads[i], count_up, NULL) == thrd_success);
    while (counter < 500)
        cnd_wait(&changed, &lock);
    mtx_unlock(&lock);
    for (int i = 0; i < 5; i++) {
        CHECK(thrd_join(threads[i], &r) == thrd_success);
        sum += r;
    }
    printf("counted %d, results %d, once %d, destroyed %d, main's %d\n",
           counter, sum, n_once, n_destroyed, own);
    CHECK(mtx_lock(&timed) == thrd_success);
    printf("recursive %d", mtx_trylock(&timed) == thrd_success);
    printf(", slept %d\n", thrd_sleep(&(struct timespec){0, 2000000}, NULL));
}

/* ---- barriers ---- */

static pthread_barrier_t *barrier;
static int n_serial, n_passed;

static void *pass(void *arg)
{
    for (int i = 0; i < 50; i++) {
        int r = pthread_barrier_wait(barrier);

        if (r == PTHREAD_BARRIER_SERIAL_THREAD)
            __atomic_add_fetch(&n_serial, 1, __ATOMIC_SEQ_CST);
        else
            CHECK(r == 0);
        __atomic_add_fetch(&n_passed, 1, __ATOMIC_SEQ_CST);
    }
    return arg;
}

static void test_barrier(void)
{
    pthread_barrierattr_t attr;
    pthread_t t[4];
    pid_t child;
    int status;

    barrier = shared_page();
    pthread_barrierattr_init(&attr);
    pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    printf("of none: %s\n", name(pthread_barrier_init(barrier, NULL, 0)));
    CHECK(pthread_barrier_init(barrier, NULL, 4) == 0);
    for (int i = 0; i < 4; i++)
        t[i] = start(pass, NULL);
    for (int i = 0; i < 4; i++)
        join(t[i]);
    printf("passed %d, serial %d, destroy %s\n", n_passed, n_serial,
           name(pthread_barrier_destroy(barrier)));
    CHECK(pthread_barrier_init(barrier, &attr, 3) == 0);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        pass(NULL);
        _exit(0);
    }
    t[0] = start(pass, NULL);
    pass(NULL);
    join(t[0]);
    CHECK(waitpid(child, &status, 0) == child);
    printf("with another process: status %x\n", status);
}

/* ---- rwlocks ---- */

static pthread_rwlock_t rw;

static void *try_read(void *arg)
{
    int r = pthread_rwlock_tryrdlock(&rw);

    if (r == 0)
        pthread_rwlock_unlock(&rw);
    (void)arg;
    return (void *)(intptr_t)r;
}

static void *try_write(void *arg)
{
    int r = pthread_rwlock_trywrlock(&rw);

    if (r == 0)
        pthread_rwlock_unlock(&rw);
    (void)arg;
    return (void *)(intptr_t)r;
}

static void *write_lock(void *arg)
{
    CHECK(pthread_rwlock_wrlock(&rw) == 0);
    counter++;
    CHECK(pthread_rwlock_unlock(&rw) == 0);
    return arg;
}

static void *timed_both(void *arg)
{
    struct timespec t = after_ms(CLOCK_REALTIME, 5);
    struct timespec mono = after_ms(CLOCK_MONOTONIC, 5);

    printf("  timed: %s", name(pthread_rwlock_timedwrlock(&rw, &t)));
    printf(" %s", name(pthread_rwlock_clockwrlock(&rw, CLOCK_MONOTONIC,
                                                  &mono)));
    t.tv_nsec = -1;
    printf(" bad: %s\n", name(pthread_rwlock_timedwrlock(&rw, &t)));
    return arg;
}

static int result_of(void *(*fn)(void *))
{
    return (int)(intptr_t)join(start(fn, NULL));
}

static void test_rwlock(int kind)
{
    pthread_rwlockattr_t attr;
    pthread_t w;

    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, kind);
    CHECK(pthread_rwlock_init(&rw, &attr) == 0);
    counter = 0;
    CHECK(pthread_rwlock_rdlock(&rw) == 0);
    printf("rwlock kind %d: read %s", kind, name(result_of(try_read)));
    printf(" write %s\n", name(result_of(try_write)));
    join(start(timed_both, NULL));
    w = start(write_lock, NULL);
    nap_ms(10);
    printf("  a writer waits: read %s", name(result_of(try_read)));
    CHECK(pthread_rwlock_unlock(&rw) == 0);
    join(w);
    CHECK(pthread_rwlock_wrlock(&rw) == 0);
    printf(", written: read %s write %s again %s\n", name(result_of(try_read)),
           name(result_of(try_write)), name(pthread_rwlock_wrlock(&rw)));
    CHECK(pthread_rwlock_unlock(&rw) == 0);
    CHECK(pthread_rwlock_destroy(&rw) == 0);
}

static void *spin_up(void *arg)
{
    for (int i = 0; i < 1000; i++) {
        pthread_spin_lock(arg);
        counter++;
        pthread_spin_unlock(arg);
    }
    return NULL;
}

static void test_spin(void)
{
    pthread_spinlock_t spin;
    pthread_t t[3];

    counter = 0;
    pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
    for (int i = 0; i < 3; i++)
        t[i] = start(spin_up, (void *)&spin);
    for (int i = 0; i < 3; i++)
        join(t[i]);
    pthread_spin_lock(&spin);
    printf("spun %d, try %s\n", counter, name(pthread_spin_trylock(&spin)));
    pthread_spin_unlock(&spin);
}

/* ---- semaphores ---- */

static void *post_later(void *arg)
{
    nap_ms(15);
    CHECK(sem_post(arg) == 0);
    return arg;
}

static void on_signal(int sig)
{
    (void)sig;
}

static void *signal_main(void *arg)
{
    nap_ms(15);
    pthread_kill(*(pthread_t *)arg, SIGUSR1);
    return arg;
}

static void use(sem_t *s, const char *what)
{
    struct timespec t = after_ms(CLOCK_REALTIME, 5);
    struct timespec mono = after_ms(CLOCK_MONOTONIC, 5);
    pthread_t self = pthread_self(), other;
    int value, r;

    other = start(post_later, s);
    r = sem_wait(s);
    join(other);
    printf("%s: wait %d", what, r);
    r = sem_trywait(s);
    printf(" try %s", name(r ? errno : 0));
    r = sem_timedwait(s, &t);
    printf(" timed %s", name(r ? errno : 0));
    r = sem_clockwait(s, CLOCK_MONOTONIC, &mono);
    printf(" clock %s", name(r ? errno : 0));
    other = start(signal_main, &self);
    r = sem_wait(s);
    printf(" interrupted %s", name(r ? errno : 0));
    join(other);
    sem_post(s);
    sem_getvalue(s, &value);
    printf(" value %d\n", value);
    sem_wait(s);
}

static void test_semaphores(void)
{
    struct sigaction a = {.sa_handler = on_signal};
    sem_t *shared = shared_page(), *named, own_one;
    char path[64];
    pid_t child;
    int status;

    sigaction(SIGUSR1, &a, NULL);
    CHECK(sem_init(&own_one, 0, 0) == 0);
    use(&own_one, "semaphore");
    CHECK(sem_init(shared, 1, 0) == 0);
    use(shared, "shared");
    snprintf(path, sizeof path, "/tendril-sem-%d", (int)getpid());
    named = sem_open(path, O_CREAT | O_EXCL, 0600, 0);
    CHECK(named != SEM_FAILED);
    use(named, "named");
    fflush(stdout);
    child = fork();
    if (child == 0) {
        for (int i = 0; i < 50; i++) {
            sem_wait(shared);
            sem_post(named);
        }
        _exit(3);
    }
    for (int i = 0; i < 50; i++) {
        sem_post(shared);
        while (sem_wait(named) < 0)
            ;
    }
    CHECK(waitpid(child, &status, 0) == child);
    printf("to and fro with a child: %x\n", status);
    sem_close(named);
    sem_unlink(path);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_c11();
    test_barrier();
    test_rwlock(PTHREAD_RWLOCK_PREFER_READER_NP);
    test_rwlock(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    test_spin();
    test_semaphores();
    return 0;
}
