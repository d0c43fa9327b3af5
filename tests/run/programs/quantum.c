/* SPDX-License-Identifier: MIT */
/* Threads that never give way by themselves: they spin, or compute. What the
 * computing ones get must not depend on where they were interrupted. */
#include "support.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum { COMPUTERS = 4, TICKS = 40 };

static atomic_int flag, ticks, is_over;

/* ---- spin ---- */

static void *spin(void *arg)
{
    (void)arg;
    atomic_fetch_add(&ticks, 1);
    while (!flag)
        ;
    return NULL;
}

static void *spin_politely(void *arg)
{
    (void)arg;
    while (!flag)
        sched_yield();
    return NULL;
}

static void *raise_flag(void *arg)
{
    (void)arg;
    while (ticks < 2)
        ;
    flag = 1;
    return NULL;
}

/* Everybody waits by spinning for the one that was made last. */
static void spinners(void)
{
    pthread_t t[5];

    t[0] = start(spin, NULL);
    t[1] = start(spin, NULL);
    t[2] = start(spin_politely, NULL);
    t[3] = start(spin_politely, NULL);
    t[4] = start(raise_flag, NULL);
    for (int i = 0; i < 5; i++)
        join(t[i]);
    puts("spinners met");
}

/* A spin lock, held by one that was preempted now and then. */
static pthread_spinlock_t lock;
static long counter;

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < 300000; i++) {
        pthread_spin_lock(&lock);
        counter++;
        pthread_spin_unlock(&lock);
    }
    return NULL;
}

static void spin_lock(void)
{
    pthread_t t[COMPUTERS];

    pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE);
    for (int i = 0; i < COMPUTERS; i++)
        t[i] = start(count, NULL);
    for (int i = 0; i < COMPUTERS; i++)
        join(t[i]);
    printf("counted %ld\n", counter);
}

/* ---- others go on beside one that computes ---- */

static void *compute_for_ever(void *arg)
{
    (void)arg;
    while (!is_over)
        ;
    return NULL;
}

/* Timers are looked at, though there is always somebody who can run. */
static void ticker(void)
{
    pthread_t t[2];

    for (int i = 0; i < 2; i++)
        t[i] = start(compute_for_ever, NULL);
    for (int i = 0; i < TICKS; i++)
        nap_ms(1);
    is_over = 1;
    for (int i = 0; i < 2; i++)
        join(t[i]);
    puts("ticked beside two that compute");
}

static void *echo(void *arg)
{
    int fd = *(int *)arg;
    char c;

    while (read(fd, &c, 1) == 1)
        CHECK(write(fd, &c, 1) == 1);
    return NULL;
}

/* So are descriptors; the other end is a thread of a child, so that the loop
 * has to poll for it. */
static void descriptors(void)
{
    pthread_t computing;
    int fd[2];
    char c = 'x';

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
    fflush(stdout);
    if (fork() == 0) {
        close(fd[0]);
        echo(&fd[1]);
        _exit(0);
    }
    close(fd[1]);
    computing = start(compute_for_ever, NULL);
    for (int i = 0; i < TICKS; i++) {
        CHECK(write(fd[0], &c, 1) == 1);
        CHECK(read(fd[0], &c, 1) == 1);
    }
    is_over = 1;
    join(computing);
    puts("talked beside one that computes");
}

/* ---- registers ---- */

struct work {
    unsigned seed;
    double plain;
    long double extended;
    uint64_t vectors;
};

/* All sixteen vector registers hold something for a while, the x87 stack is
 * full, and each rounding mode is in force for some. */
static uint64_t in_vectors(unsigned seed)
{
    uint64_t out[32], sum = 0, n = 40000;

    for (int i = 0; i < 32; i++)
        out[i] = seed * 0x9e3779b97f4a7c15u + (uint64_t)i * 0x100000001b3u;
    __asm__ volatile("movdqu 0(%1), %%xmm0\n\tmovdqu 16(%1), %%xmm1\n\t"
                     "movdqu 32(%1), %%xmm2\n\tmovdqu 48(%1), %%xmm3\n\t"
                     "movdqu 64(%1), %%xmm4\n\tmovdqu 80(%1), %%xmm5\n\t"
                     "movdqu 96(%1), %%xmm6\n\tmovdqu 112(%1), %%xmm7\n\t"
                     "movdqu 128(%1), %%xmm8\n\tmovdqu 144(%1), %%xmm9\n\t"
                     "movdqu 160(%1), %%xmm10\n\tmovdqu 176(%1), %%xmm11\n\t"
                     "movdqu 192(%1), %%xmm12\n\tmovdqu 208(%1), %%xmm13\n\t"
                     "movdqu 224(%1), %%xmm14\n\tmovdqu 240(%1), %%xmm15\n"
                     "1:\tpaddq %%xmm1, %%xmm0\n\tpaddq %%xmm2, %%xmm1\n\t"
                     "pxor %%xmm3, %%xmm2\n\tpaddq %%xmm4, %%xmm3\n\t"
                     "paddq %%xmm5, %%xmm4\n\tpxor %%xmm6, %%xmm5\n\t"
                     "paddq %%xmm7, %%xmm6\n\tpaddq %%xmm8, %%xmm7\n\t"
                     "pxor %%xmm9, %%xmm8\n\tpaddq %%xmm10, %%xmm9\n\t"
                     "paddq %%xmm11, %%xmm10\n\tpxor %%xmm12, %%xmm11\n\t"
                     "paddq %%xmm13, %%xmm12\n\tpaddq %%xmm14, %%xmm13\n\t"
                     "pxor %%xmm15, %%xmm14\n\tpaddq %%xmm0, %%xmm15\n\t"
                     "decq %0\n\tjnz 1b\n\t"
                     "movdqu %%xmm0, 0(%1)\n\tmovdqu %%xmm5, 16(%1)\n\t"
                     "movdqu %%xmm10, 32(%1)\n\tmovdqu %%xmm15, 48(%1)\n\t"
                     : "+r"(n)
                     : "r"(out)
                     : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                       "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                       "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    for (int i = 0; i < 8; i++)
        sum = sum * 31 + out[i];
    return sum;
}

/* The upper halves, which only an extended frame keeps. */
static __attribute__((target("avx"))) uint64_t in_wide_vectors(unsigned seed)
{
    double out[8], n[4] = {1e9, 1e9, 1e9, 1e9};
    uint64_t sum = 0, word, rounds = 40000;

    for (int i = 0; i < 8; i++)
        out[i] = seed + i / 8.0;
    __asm__ volatile("vmovupd 0(%1), %%ymm1\n\tvmovupd 32(%1), %%ymm2\n\t"
                     "vmovupd 0(%2), %%ymm3\n"
                     "1:\tvaddpd %%ymm1, %%ymm2, %%ymm1\n\t"
                     "vsubpd %%ymm1, %%ymm3, %%ymm2\n\t"
                     "vminpd %%ymm1, %%ymm3, %%ymm1\n\t"
                     "decq %0\n\tjnz 1b\n\t"
                     "vmovupd %%ymm1, 0(%1)\n\tvmovupd %%ymm2, 32(%1)\n\t"
                     "vzeroupper"
                     : "+r"(rounds)
                     : "r"(out), "r"(n)
                     : "memory", "cc", "xmm1", "xmm2", "xmm3");
    for (int i = 0; i < 8; i++) {
        memcpy(&word, &out[i], sizeof word);
        sum = sum * 31 + word;
    }
    return sum;
}

static void *compute(void *arg)
{
    struct work *w = arg;
    uint16_t control, mine;

    __asm__ volatile("fnstcw %0" : "=m"(control));
    mine = (uint16_t)((control & ~0xc00) | w->seed % 4 << 10);
    __asm__ volatile("fldcw %0" : : "m"(mine));
    w->plain = w->seed;
    w->extended = w->seed;
    for (int i = 1; i < 1000000; i++) {
        w->plain = w->plain * 1.0000001 + 1.0 / i;
        w->extended = w->extended * 0.9999999L + 1.0L / i;
    }
    w->vectors = in_vectors(w->seed);
    if (__builtin_cpu_supports("avx"))
        w->vectors ^= in_wide_vectors(w->seed);
    __asm__ volatile("fldcw %0" : : "m"(control));
    return NULL;
}

static void registers(void)
{
    struct work w[COMPUTERS];
    pthread_t t[COMPUTERS];

    for (int i = 0; i < COMPUTERS; i++) {
        w[i].seed = (unsigned)i + 1;
        t[i] = start(compute, &w[i]);
    }
    for (int i = 0; i < COMPUTERS; i++) {
        join(t[i]);
        printf("%a %La %llx\n", w[i].plain, w[i].extended,
               (unsigned long long)w[i].vectors);
    }
}

/* ---- small stacks ---- */

static void *fill_page(void *arg)
{
    volatile char page[2048];

    for (int round = 0; round < 200; round++)
        for (size_t i = 0; i < sizeof page; i++)
            page[i] = (char)(i + (size_t)round);
    return page[100] == (char)(100 + 199) ? arg : NULL;
}

static void small_stacks(void)
{
    size_t bytes = (size_t)PTHREAD_STACK_MIN;
    pthread_attr_t attr;
    pthread_t t[8];
    int n = 0;

#ifndef __GLIBC__
    bytes += getauxval(AT_MINSIGSTKSZ); /* in glibc's it is contained */
#endif
    CHECK(pthread_attr_init(&attr) == 0);
    CHECK(pthread_attr_setstacksize(&attr, bytes) == 0);
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 8; i++)
            CHECK(pthread_create(&t[i], &attr, fill_page, &n) == 0);
        for (int i = 0; i < 8; i++)
            n += join(t[i]) == &n;
    }
    pthread_attr_destroy(&attr);
    printf("%d small stacks\n", n);
}

/* ---- what the program sees of the signal ---- */

enum { OURS = 33 };

static void masks(void)
{
    uint64_t all = ~(uint64_t)0, mask = 0, pending = 0;
    struct {
        void *handler;
        unsigned long flags;
        void *restorer;
        uint64_t mask;
    } action = {0};
    pthread_t computing = start(compute_for_ever, NULL);

    CHECK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8) == 0);
    for (int i = 0; i < TICKS; i++) {
        nap_ms(1); /* also with all signals blocked */
        CHECK(syscall(SYS_rt_sigpending, &pending, 8) == 0);
        CHECK(pending == 0);
    }
    CHECK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, 8) == 0);
    printf("signal %d is %s\n", OURS,
           mask >> (OURS - 1) & 1 ? "blocked" : "not blocked");
    CHECK(syscall(SYS_rt_sigaction, OURS, NULL, &action, 8) == 0);
    printf("and has %s\n", action.handler ? "a handler" : "no handler");
    is_over = 1;
    join(computing);
}

/* ---- a lock that is asked for ---- */

/* As Python has one: who wants it waits for a millisecond at a time, and then
 * asks for it; who has it computes until asked, and lets others have it. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t is_free, is_taken;
    bool is_held;
    atomic_int is_asked;
    const void *holder;
    unsigned turns;
} asked = {.mutex = PTHREAD_MUTEX_INITIALIZER,
          .is_free = PTHREAD_COND_INITIALIZER,
          .is_taken = PTHREAD_COND_INITIALIZER};

static void wait_or_ask(void)
{
    unsigned before = asked.turns;
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (pthread_cond_timedwait(&asked.is_free, &asked.mutex, &until) != 0 &&
        asked.is_held && asked.turns == before)
        asked.is_asked = 1;
}

/* Returns how many others had it meanwhile; less than `most`. */
static unsigned take(const void *me, unsigned most)
{
    unsigned before, n;

    pthread_mutex_lock(&asked.mutex);
    before = asked.turns;
    while (asked.is_held) {
        CHECK(asked.turns - before < most);
        wait_or_ask();
    }
    n = asked.turns++ - before;
    asked.is_held = true;
    asked.is_asked = 0;
    asked.holder = me;
    pthread_cond_signal(&asked.is_taken);
    pthread_mutex_unlock(&asked.mutex);
    return n;
}

static void give(const void *me)
{
    pthread_mutex_lock(&asked.mutex);
    asked.is_held = false;
    pthread_cond_signal(&asked.is_free);
    while (asked.is_asked && asked.holder == me)
        pthread_cond_wait(&asked.is_taken, &asked.mutex);
    pthread_mutex_unlock(&asked.mutex);
}

static void *compute_until_asked(void *arg)
{
    while (!is_over) {
        take(&arg, UINT_MAX);
        while (!asked.is_asked && !is_over)
            ;
        if (is_over)
            asked.is_asked = 0;
        give(&arg);
    }
    return NULL;
}

static void turns(void)
{
    enum { MOST = 100 }; /* for ever, if those two take turns without main */
    pthread_t t[2];
    unsigned n = 0;

    for (int i = 0; i < 2; i++)
        t[i] = start(compute_until_asked, NULL);
    for (int i = 0; i < 10; i++) {
        nap_ms(5);
        n += take(&n, MOST);
        asked.is_asked = 0;
        give(&n);
    }
    is_over = 1;
    for (int i = 0; i < 2; i++)
        join(t[i]);
    printf("a lock was had in turn %d\n", n < 10 * MOST);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } parts[] = {{"spinners", spinners},       {"spin-lock", spin_lock},
                 {"ticker", ticker},           {"descriptors", descriptors},
                 {"registers", registers},     {"masks", masks},
                 {"small-stacks", small_stacks}};

    if (argc > 1 && strcmp(argv[1], "turns") == 0)
        turns(); /* alone: libc's condition variables do not do it */
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (argc > 1 && strcmp(argv[1], parts[i].name) != 0)
            continue;
        flag = ticks = is_over = 0;
        parts[i].fn();
        fflush(stdout);
    }
    return 0;
}
