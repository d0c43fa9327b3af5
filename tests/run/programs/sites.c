/* SPDX-License-Identifier: MIT */
/* sites - system call sites of a program's own, hot enough to be rewritten.
 *
 * usage: sites frames | places | cancel | reload LIBRARY | refused | writable |
 *              stack | fork | hot */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { ROUNDS = 20 };

static int ends[2];

static void rest(long ms)
{
    struct timespec t = {0, ms * 1000000};

    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

/* As libc has it: the number is loaded right before the call. */
long site(long nr, long a, const void *b, long c)
{
    register long r __asm__("rax") = nr;

    if (nr == SYS_read)
        __asm__ volatile("movl $0, %%eax\n syscall"
                         : "+a"(r)
                         : "D"(a), "S"(b), "d"(c)
                         : "rcx", "r11", "memory");
    else
        __asm__ volatile("movl $110, %%eax\n syscall" /* getppid */
                         : "+a"(r)
                         : "D"(a), "S"(b), "d"(c)
                         : "rcx", "r11", "memory");
    return r;
}

/* ---- what an unwinder sees, from a handler within such a call ---- */

static const char *const mine[] = {"on_signal", "site", "take_one",
                                   "take_many"};

static void print_mine(void *const *frames, int n)
{
    for (int i = 0; i < n; i++) {
        Dl_info info;

        if (!dladdr(frames[i], &info) || !info.dli_sname)
            continue;
        for (size_t k = 0; k < sizeof mine / sizeof *mine; k++)
            if (strcmp(info.dli_sname, mine[k]) == 0)
                printf(" %s", mine[k]);
    }
    printf("\n");
    fflush(stdout);
}

void on_signal(int sig)
{
    void *frames[64];

    (void)sig;
    print_mine(frames, backtrace(frames, 64));
    if (write(ends[1], "s", 1) != 1)
        abort();
}

__attribute__((noinline)) long take_one(void)
{
    char c = '?';
    long r = site(SYS_read, ends[0], &c, 1);

    __asm__ volatile("" : : "r"(&c) : "memory");
    return r == 1 ? c : r;
}

__attribute__((noinline)) long take_many(int n)
{
    long sum = 0;

    for (int i = 0; i < n; i++)
        sum += take_one();
    __asm__ volatile("" : "+r"(sum));
    return sum;
}

static void *read_some(void *arg)
{
    printf("read %ld\n", take_many(ROUNDS));
    return arg;
}

static int frames(void)
{
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = SA_RESTART};
    void *warm[4];
    pthread_t thread;

    backtrace(warm, 4); /* it loads a library the first time */
    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&thread, NULL, read_some, NULL);
    for (int i = 0; i < ROUNDS - 3; i++) {
        if (write(ends[1], "x", 1) != 1)
            return 1;
        rest(2);
    }
    for (int i = 0; i < 3; i++) {
        pthread_kill(thread, SIGUSR1);
        rest(20);
    }
    pthread_join(thread, NULL);
    return 0;
}

/* ---- where a handler finds the program ---- */

enum { INTERRUPTIONS = 3000 };

static volatile int n_seen, n_nowhere;

static void look(int sig, siginfo_t *info, void *context)
{
    const ucontext_t *uc = context;
    Dl_info found;

    (void)sig;
    (void)info;
    n_seen++;
    n_nowhere += !dladdr((void *)uc->uc_mcontext.gregs[REG_RIP], &found);
}

static int places(void)
{
    struct sigaction action = {.sa_sigaction = look,
                               .sa_flags = SA_SIGINFO | SA_RESTART};
    struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    while (n_seen < INTERRUPTIONS)
        site(SYS_getppid, 0, NULL, 0);
    setitimer(ITIMER_REAL, &never, NULL);
    printf("%d times in no object\n", n_nowhere);
    return 0;
}

/* ---- cancellation within libc's own site ---- */

static void clean_up(void *arg)
{
    ++*(int *)arg;
}

static void *read_line(void *arg)
{
    FILE *in = fdopen(dup(ends[0]), "r");
    char line[64];

    pthread_cleanup_push(clean_up, arg);
    while (fgets(line, sizeof line, in))
        ;
    pthread_cleanup_pop(0);
    return NULL;
}

static int cancel(void)
{
    int n_cleaned = 0, n_canceled = 0;

    for (int i = 0; i < ROUNDS; i++) {
        pthread_t thread;
        void *result;

        pthread_create(&thread, NULL, read_line, &n_cleaned);
        if (write(ends[1], "one\n", 4) != 4)
            return 1;
        rest(2);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        n_canceled += result == PTHREAD_CANCELED;
    }
    printf("%d cancelled, %d cleaned up\n", n_canceled, n_cleaned);
    return 0;
}

/* ---- text that comes and goes ---- */

static int reload(const char *library)
{
    long sum = 0;

    for (int i = 0; i < ROUNDS * 5; i++) {
        void *handle = dlopen(library, RTLD_NOW);
        long (*call)(int n);

        if (!handle)
            return 1;
        call = (long (*)(int))dlsym(handle, "call_parent");
        sum += call(8) == 8L * getppid();
        dlclose(handle);
    }
    printf("%ld of %d\n", sum, ROUNDS * 5);
    return 0;
}

/* ---- text that cannot be written ---- */

static void *ask(void *arg)
{
    for (int i = 0; i < ROUNDS; i++)
        *(int *)arg += site(SYS_getppid, 0, NULL, 0) == getppid();
    return NULL;
}

static int hot(void)
{
    int n = 0;
    pthread_t thread;

    pthread_create(&thread, NULL, ask, &n);
    ask(&n);
    pthread_join(thread, NULL);
    printf("%d right\n", n);
    return 0;
}

static int refused(void)
{
    if (prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0) < 0) {
        printf("%s\n", strerror(errno));
        return 77;
    }
    return hot();
}

/* As those do who put hooks into text: it stays writable. */
static int writable(void)
{
    enum { PAGE = 4096 };
    volatile char *at = (volatile char *)(void *)site;
    unsigned long page = (unsigned long)at & -(unsigned long)PAGE;
    pid_t parent = getppid();
    char byte;
    int n = 0;

    for (int i = 0; i < ROUNDS; i++) /* its text is known from now on */
        n += write(ends[1], "x", 1) == 1 &&
             site(SYS_read, ends[0], &byte, 1) == 1;
    if (mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) < 0) {
        printf("%s\n", strerror(errno));
        return 77;
    }
    for (int i = 0; i < ROUNDS; i++)
        n += site(SYS_getppid, 0, NULL, 0) == parent;
    *at = *at;
    printf("%d right\n", n);
    return 0;
}

/* ---- what such a call needs of the stack: most of it is for those vector
 * registers that are in use ---- */

enum { SEEN = 65536, OWN = 512 };

static _Alignas(4096) volatile char seen[SEEN];

/* How far below its caller a call has written to `seen`, our stack. */
static void *measure(void *arg)
{
    volatile char *end = (volatile char *)__builtin_frame_address(0) - OWN;
    long low = 0;

    for (volatile char *p = seen; p < end; p++)
        *p = 0x5a;
    site(SYS_getppid, 0, NULL, 0);
    while (low < SEEN && seen[low] == 0x5a)
        low++;
    (void)arg;
    return (void *)(end - seen - low);
}

static int stack(void)
{
    long least = SEEN;
    pthread_attr_t attr;

    hot();
    pthread_attr_init(&attr);
    pthread_attr_setstack(&attr, (void *)seen, SEEN);
    for (int i = 0; i < ROUNDS; i++) { /* a signal may come */
        pthread_t t;
        void *bytes;

        pthread_create(&t, &attr, measure, NULL);
        pthread_join(t, &bytes);
        least = (long)bytes < least ? (long)bytes : least;
    }
    printf("less than 2,300 bytes: %d\n", least < 2300);
    return 0;
}

static int forked(void)
{
    int status;

    hot();
    fflush(stdout);
    if (fork() == 0) {
        hot();
        fflush(stdout);
        _exit(7);
    }
    wait(&status);
    printf("child %d\n", WEXITSTATUS(status));
    return hot();
}

int main(int argc, char **argv)
{
    if (argc < 2 || pipe(ends) < 0)
        return 2;
    if (strcmp(argv[1], "frames") == 0)
        return frames();
    if (strcmp(argv[1], "places") == 0)
        return places();
    if (strcmp(argv[1], "cancel") == 0)
        return cancel();
    if (strcmp(argv[1], "reload") == 0 && argc > 2)
        return reload(argv[2]);
    if (strcmp(argv[1], "refused") == 0)
        return refused();
    if (strcmp(argv[1], "writable") == 0)
        return writable();
    if (strcmp(argv[1], "stack") == 0)
        return stack();
    return strcmp(argv[1], "fork") == 0 ? forked() : hot();
}
