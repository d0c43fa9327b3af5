/* SPDX-License-Identifier: MIT */
/* tests/run/programs/hubs.c - all that threads do to each other, at once, for
 * several kernel threads. Each part counts what arrived; nothing may be lost,
 * doubled or done by the wrong one. */
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "support.h"

enum {
    RING = 5, LAPS = 400,         /* a token, by mutex and condition */
    BOUNCES = 3000,               /* by futex */
    STAGES = 4, BYTES = 3000,     /* through pipes */
    CLIENTS = 6, ECHOES = 400,    /* over sockets */
    ADDERS = 6, SUMS = 5000,      /* to one number, with yields */
    BATCHES = 40, BATCH = 8,      /* of threads that are made and joined */
    KILLS = 100,                  /* of each kind of target */
    SITES = 64, CALLERS = 4, ROUNDS = 200 /* through call sites */
};

/* ---- a token in a ring ---- */

static pthread_mutex_t ring_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ring_turn[RING];
static long ring_at, ring_passed[RING];

static void *in_ring(void *arg)
{
    long self = (intptr_t)arg;

    for (int i = 0; i < LAPS; i++) {
        pthread_mutex_lock(&ring_lock);
        while (ring_at != self)
            pthread_cond_wait(&ring_turn[self], &ring_lock);
        ring_passed[self]++;
        ring_at = (self + 1) % RING;
        pthread_cond_signal(&ring_turn[ring_at]);
        pthread_mutex_unlock(&ring_lock);
    }
    return NULL;
}

static void *ring(void *arg)
{
    pthread_t t[RING];
    long sum = 0;

    for (long i = 0; i < RING; i++)
        pthread_cond_init(&ring_turn[i], NULL);
    for (long i = 0; i < RING; i++)
        t[i] = start(in_ring, (void *)i);
    for (int i = 0; i < RING; i++) {
        join(t[i]);
        sum += ring_passed[i];
    }
    *(long *)arg = sum;
    return NULL;
}

/* ---- a number that two wait for by turns ---- */

static uint32_t ball;

static void *bounce(void *arg)
{
    uint32_t odd = (uint32_t)(intptr_t)arg;

    for (uint32_t i = odd; i < BOUNCES; i += 2) {
        uint32_t now;

        while ((now = __atomic_load_n(&ball, __ATOMIC_ACQUIRE)) != i)
            syscall(SYS_futex, &ball, FUTEX_WAIT_PRIVATE, now, NULL);
        __atomic_store_n(&ball, i + 1, __ATOMIC_RELEASE);
        syscall(SYS_futex, &ball, FUTEX_WAKE_PRIVATE, 1);
    }
    return NULL;
}

static void *bounces(void *arg)
{
    pthread_t other = start(bounce, (void *)1);

    bounce((void *)0);
    join(other);
    *(long *)arg = ball;
    return NULL;
}

/* ---- pipes, each read by one and written by another ---- */

static int stage_fds[STAGES + 1][2];

static void *stage(void *arg)
{
    long self = (intptr_t)arg;
    unsigned char c;

    for (int i = 0; i < BYTES; i++) {
        CHECK(read(stage_fds[self][0], &c, 1) == 1);
        c++;
        CHECK(write(stage_fds[self + 1][1], &c, 1) == 1);
    }
    return NULL;
}

static void *feed(void *arg)
{
    for (int i = 0; i < BYTES; i++) {
        unsigned char c = (unsigned char)i;

        CHECK(write(stage_fds[0][1], &c, 1) == 1);
    }
    return arg;
}

static void *pipes(void *arg)
{
    pthread_t t[STAGES + 1];
    long n_right = 0;

    for (int i = 0; i <= STAGES; i++)
        CHECK(pipe(stage_fds[i]) == 0);
    for (long i = 0; i < STAGES; i++)
        t[i] = start(stage, (void *)i);
    t[STAGES] = start(feed, NULL);
    for (int i = 0; i < BYTES; i++) {
        unsigned char c;

        CHECK(read(stage_fds[STAGES][0], &c, 1) == 1);
        n_right += c == (unsigned char)(i + STAGES);
    }
    for (int i = 0; i <= STAGES; i++)
        join(t[i]);
    *(long *)arg = n_right;
    return NULL;
}

/* ---- echo ---- */

static int pairs[CLIENTS][2];

static void *serve(void *arg)
{
    int fd = pairs[(intptr_t)arg][0];
    char buf[64];
    ssize_t n;

    while ((n = recv(fd, buf, sizeof buf, 0)) > 0)
        CHECK(send(fd, buf, (size_t)n, 0) == n);
    return NULL;
}

static void *ask(void *arg)
{
    int fd = pairs[(intptr_t)arg][1];
    long n_right = 0;

    for (long i = 0; i < ECHOES; i++) {
        long back = -1;

        CHECK(write(fd, &i, sizeof i) == sizeof i);
        CHECK(read(fd, &back, sizeof back) == sizeof back);
        n_right += back == i;
    }
    close(fd);
    return (void *)n_right;
}

static void *echoes(void *arg)
{
    pthread_t servers[CLIENTS], clients[CLIENTS];
    long sum = 0;

    for (long i = 0; i < CLIENTS; i++) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]) == 0);
        servers[i] = start(serve, (void *)i);
        clients[i] = start(ask, (void *)i);
    }
    for (int i = 0; i < CLIENTS; i++) {
        sum += (intptr_t)join(clients[i]);
        join(servers[i]);
    }
    *(long *)arg = sum;
    return NULL;
}

/* ---- one number ---- */

static pthread_mutex_t sum_lock = PTHREAD_MUTEX_INITIALIZER;
static long sum;

static void *add(void *arg)
{
    uint32_t x = 1;

    for (int i = 0; i < SUMS; i++) {
        pthread_mutex_lock(&sum_lock);
        sum++;
        pthread_mutex_unlock(&sum_lock);
        for (int k = 0; k < 20; k++)
            x = x * 1664525 + 1013904223;
        if (i % 16 == 0)
            sched_yield();
    }
    *(volatile uint32_t *)arg = x;
    return NULL;
}

static void *adders(void *arg)
{
    pthread_t t[ADDERS];
    uint32_t x[ADDERS];
    long n_same = 0;

    for (int i = 0; i < ADDERS; i++)
        t[i] = start(add, &x[i]);
    for (int i = 0; i < ADDERS; i++) {
        join(t[i]);
        n_same += x[i] == x[0];
    }
    *(long *)arg = sum * 10 + n_same;
    return NULL;
}

/* ---- beginning and ending ---- */

static __thread long own;

static void *shortly(void *arg)
{
    own = (intptr_t)arg;
    sched_yield();
    return (void *)own;
}

static void *batches(void *arg)
{
    long n_right = 0;

    for (int i = 0; i < BATCHES; i++) {
        pthread_t t[BATCH];

        for (long k = 0; k < BATCH; k++)
            t[k] = start(shortly, (void *)(k + 1));
        for (long k = 0; k < BATCH; k++)
            n_right += (intptr_t)join(t[k]) == k + 1;
    }
    *(long *)arg = n_right;
    return NULL;
}

/* ---- signals ---- */

enum { COMPUTES, READS, WAITS, KINDS };

static pthread_t main_thread, targets[KINDS];
static sem_t answers[KINDS + 1], forever;
static volatile int is_over;
static volatile int n_strayed;
static int quiet[2];

static void on_thread_signal(int sig)
{
    int error = errno, kind = sig - SIGRTMIN;

    if (!pthread_equal(pthread_self(), targets[kind]))
        n_strayed++;
    sem_post(&answers[kind]);
    errno = error;
}

static void on_process_signal(int sig)
{
    int error = errno;

    (void)sig;
    if (!pthread_equal(pthread_self(), main_thread))
        n_strayed++;
    sem_post(&answers[KINDS]);
    errno = error;
}

static void wait_for(sem_t *s)
{
    while (sem_wait(s) < 0)
        CHECK(errno == EINTR);
}

static void *target(void *arg)
{
    char c;

    switch ((intptr_t)arg) {
    case COMPUTES:
        while (!is_over)
            ;
        break;
    case READS:
        CHECK(read(quiet[0], &c, 1) == 1);
        break;
    default:
        wait_for(&forever);
        break;
    }
    return NULL;
}

static void *send_to(void *arg)
{
    int kind = (int)(intptr_t)arg;

    for (int i = 0; i < KILLS; i++) {
        if (kind == KINDS)
            CHECK(kill(getpid(), SIGUSR2) == 0);
        else
            CHECK(pthread_kill(targets[kind], SIGRTMIN + kind) == 0);
        wait_for(&answers[kind]);
    }
    return NULL;
}

static void *signals(void *arg)
{
    pthread_t senders[KINDS + 1];

    CHECK(pipe(quiet) == 0);
    for (long i = 0; i < KINDS; i++)
        targets[i] = start(target, (void *)i);
    for (long i = 0; i <= KINDS; i++)
        senders[i] = start(send_to, (void *)i);
    for (int i = 0; i <= KINDS; i++)
        join(senders[i]);
    is_over = 1;
    sem_post(&forever);
    CHECK(write(quiet[1], "x", 1) == 1);
    for (int i = 0; i < KINDS; i++)
        join(targets[i]);
    *(long *)arg = n_strayed;
    return NULL;
}

/* Threads block what is for the process; main does not. */
static void install(void)
{
    sigset_t set;
    struct sigaction a = {.sa_handler = on_process_signal,
                          .sa_flags = SA_RESTART};

    main_thread = pthread_self();
    CHECK(sigaction(SIGUSR2, &a, NULL) == 0);
    a.sa_handler = on_thread_signal;
    for (int i = 0; i < KINDS; i++)
        CHECK(sigaction(SIGRTMIN + i, &a, NULL) == 0);
    for (int i = 0; i <= KINDS; i++)
        sem_init(&answers[i], 0, 0);
    sem_init(&forever, 0, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
}

/* ---- call sites that are rewritten while others run through them ---- */

/* Instructions of 5, 3 and 7 bytes come before the call. */
#define CALL(n, before)                                                      \
    static long site_##n(void)                                               \
    {                                                                        \
        long r = SYS_getppid;                                                \
                                                                             \
        __asm__ volatile(before "\n\tsyscall"                                \
                         : "+a"(r)                                           \
                         :                                                   \
                         : "rdx", "rcx", "r11", "memory");                   \
        return r;                                                            \
    }
#define FOUR(n)                                                              \
    CALL(n##0, "movl $110, %%eax")                                           \
    CALL(n##1, "movq %%rax, %%rdx")                                          \
    CALL(n##2, "movq $110, %%rax")                                           \
    CALL(n##3, "movl $110, %%eax")
#define SIXTEEN(n) FOUR(n##0) FOUR(n##1) FOUR(n##2) FOUR(n##3)
#define NAMES4(n) site_##n##0, site_##n##1, site_##n##2, site_##n##3,
#define NAMES16(n) NAMES4(n##0) NAMES4(n##1) NAMES4(n##2) NAMES4(n##3)

SIXTEEN(0) SIXTEEN(1) SIXTEEN(2) SIXTEEN(3)

static long (*const call_sites[SITES])(void) = {
    NAMES16(0) NAMES16(1) NAMES16(2) NAMES16(3)};

static void *go_through(void *arg)
{
    long n_right = 0, parent = getppid();

    for (int i = 0; i < ROUNDS; i++)
        for (int k = 0; k < SITES; k++)
            n_right += call_sites[k]() == parent;
    *(long *)arg = n_right;
    return NULL;
}

static void *sites(void *arg)
{
    pthread_t t[CALLERS];
    long n[CALLERS], sum_of_all = 0;

    for (int i = 0; i < CALLERS; i++)
        t[i] = start(go_through, &n[i]);
    for (int i = 0; i < CALLERS; i++) {
        join(t[i]);
        sum_of_all += n[i];
    }
    *(long *)arg = sum_of_all;
    return NULL;
}

/* ---- all of them ---- */

static const struct {
    const char *name;
    void *(*fn)(void *);
} parts[] = {
    {"passed in the ring", ring}, {"bounces", bounces},
    {"right bytes through pipes", pipes}, {"right echoes", echoes},
    {"additions, and the same numbers", adders},
    {"threads with what is theirs", batches},
    {"signals gone astray", signals}, {"right answers at call sites", sites}};

enum { PARTS = sizeof parts / sizeof parts[0] };

int main(void)
{
    pthread_t t[PARTS];
    long results[PARTS];
    sigset_t set;

    install();
    for (int i = 0; i < PARTS; i++)
        t[i] = start(parts[i].fn, &results[i]);
    sigemptyset(&set);
    CHECK(pthread_sigmask(SIG_SETMASK, &set, NULL) == 0);
    for (int i = 0; i < PARTS; i++) {
        join(t[i]);
        printf("%s: %ld\n", parts[i].name, results[i]);
    }
    return 0;
}
