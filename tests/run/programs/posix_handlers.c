/* SPDX-License-Identifier: MIT */
/* tests/run/programs/posix_handlers.c - handlers that are left by a jump, and
 * handlers on alternate stacks. */
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "told.h"

static int fds[2];

static void change(int how, int sig)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, sig);
    CHECK(pthread_sigmask(how, &set, NULL) == 0);
}

/* ---- leaving a handler by a jump ---- */

static sigjmp_buf out;

static void jump(int sig)
{
    siglongjmp(out, sig);
}

static void *jump_out(void *arg)
{
    volatile int n = 0;
    sigset_t now;
    char c;

    signal(SIGUSR1, jump);
    if (sigsetjmp(out, 1) == 0)
        raise(SIGUSR1);
    n++;
    if (sigsetjmp(out, 1) == 0)
        CHECK(read(fds[0], &c, 1) == 0); /* never */
    n++;
    if (sigsetjmp(out, 0) == 0)
        CHECK(nanosleep(&(struct timespec){9, 0}, NULL) == 0);
    n++;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    printf("jumps %d, blocked without the mask %d\n", n,
           sigismember(&now, SIGUSR1));
    change(SIG_UNBLOCK, SIGUSR1);
    for (volatile int i = 0; i < 500; i++)
        if (sigsetjmp(out, 1) == 0)
            raise(SIGUSR1);
    printf("and 500 more\n");
    return arg;
}

static void test_jumps(void)
{
    pthread_t t = start(jump_out, NULL);

    for (int i = 0; i < 2; i++) {
        nap_ms(20);
        pthread_kill(t, SIGUSR1);
    }
    join(t);
}

/* ---- alternate stacks ---- */

static char *alt_low;

static void on_alt(int sig, siginfo_t *info, void *context)
{
    stack_t now, other = {.ss_flags = SS_DISABLE};
    char here;

    (void)info;
    (void)context;
    sigaltstack(NULL, &now);
    tell(&here >= alt_low && &here < alt_low + 65536 ? " on" : " off");
    tell(now.ss_flags & SS_ONSTACK ? " ONSTACK" : "");
    tell(now.ss_flags & SS_DISABLE ? " DISABLE" : "");
    if (sigaltstack(&other, NULL) < 0)
        tell(errno == EPERM ? " EPERM" : " ?");
    nap_ms(1);
    if (sig == SIGUSR1)
        raise(SIGUSR2);
}

static void *alternate(void *arg)
{
    char *own = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t alt = {.ss_sp = own, .ss_size = 65536}, old;

    alt_low = own;
    CHECK(sigaltstack(&alt, &old) == 0);
    CHECK(sigaltstack(NULL, &old) == 0);
    printf("alternate stack: same %d flags %d\n", old.ss_sp == own,
           old.ss_flags);
    CHECK(raise(SIGUSR1) == 0);
    show("first");
    alt.ss_flags = SS_DISABLE | SS_ONSTACK;
    printf("both flags %d\n", sigaltstack(&alt, NULL) < 0 ? errno : 0);
    alt.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&alt, NULL) == 0);
    CHECK(raise(SIGUSR2) == 0);
    show("disabled");
    munmap(own, 65536);
    return arg;
}

static void test_alternate(void)
{
    struct sigaction a = {.sa_sigaction = on_alt,
                          .sa_flags = SA_SIGINFO | SA_ONSTACK};

    sigaction(SIGUSR1, &a, NULL);
    sigaction(SIGUSR2, &a, NULL);
    for (int i = 0; i < 2; i++)
        join(start(alternate, NULL));
}

/* ---- waiting on an alternate stack, while signals come for others ---- */

static int inner[2];
static int n_whole;

/* What is at the top of the stack is there after the wait. */
static void wait_on_alt(int sig)
{
    unsigned char filled[1000];
    int n = 0;
    char c;

    memset(filled, sig, sizeof filled);
    CHECK(read(inner[0], &c, 1) == 1);
    for (size_t i = 0; i < sizeof filled; i++)
        n += filled[i] == sig;
    n_whole += n == sizeof filled;
    if (c == 'e')
        pthread_exit(NULL);
}

static void *with_alternate(void *arg)
{
    stack_t alt = {.ss_sp = arg, .ss_size = 65536};
    char c;

    CHECK(sigaltstack(&alt, NULL) == 0);
    CHECK(read(inner[0], &c, 1) == 1);
    return arg;
}

static volatile int n_alarms;

static void count_alarm(int sig)
{
    n_alarms += sig == SIGALRM;
}

/* Main takes them, which sleeps: nothing else runs when the first comes. */
static void take_alarms(void)
{
    struct itimerval every = {{0, 2000}, {0, 2000}}, none = {0};

    n_alarms = 0;
    CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
    while (n_alarms < 3)
        nap_ms(10);
    CHECK(setitimer(ITIMER_REAL, &none, NULL) == 0);
}

static void test_waits(void)
{
    struct sigaction a = {.sa_handler = wait_on_alt,
                          .sa_flags = SA_ONSTACK | SA_RESTART};
    char *own = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_t t;

    CHECK(pipe(inner) == 0);
    CHECK(sigaction(SIGUSR1, &a, NULL) == 0);
    a.sa_handler = count_alarm;
    a.sa_flags = SA_ONSTACK;
    CHECK(sigaction(SIGALRM, &a, NULL) == 0);
    change(SIG_BLOCK, SIGALRM);
    t = start(with_alternate, own);
    change(SIG_UNBLOCK, SIGALRM);
    nap_ms(20);
    for (int i = 0; i < 10; i++) {
        CHECK(pthread_kill(t, SIGUSR1) == 0);
        take_alarms();
        CHECK(write(inner[1], i < 9 ? "x" : "e", 1) == 1);
        nap_ms(5);
    }
    join(t);
    munmap(own, 65536);
    take_alarms();
    printf("waited on an alternate stack: whole %d times\n", n_whole);
    close(inner[0]);
    close(inner[1]);
}

/* ---- no room for a signal frame ---- */

/* As what keeps a stack of its own: below this one there is nothing, so that a
 * signal must come on the alternate stack. */
static void count_down(char *sp, long n)
{
    __asm__ volatile("movq %%rsp, %%rbx\n\tmovq %1, %%rsp\n"
                     "1:\tdecq %0\n\tjnz 1b\n\tmovq %%rbx, %%rsp"
                     : "+r"(n)
                     : "r"(sp)
                     : "rbx", "cc", "memory");
}

static void *compute_without_room(void *arg)
{
    char *pages = mmap(NULL, 2 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
                       -1, 0);
    char *own = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t alt = {.ss_sp = own, .ss_size = 65536};

    CHECK(mprotect(pages + 4096, 4096, PROT_READ | PROT_WRITE) == 0);
    CHECK(sigaltstack(&alt, NULL) == 0);
    count_down(pages + 4096, 100000000);
    alt.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&alt, NULL) == 0);
    munmap(own, 65536);
    munmap(pages, 2 * 4096);
    return arg;
}

/* The handlers of this program, on alternate stacks, are what says that there
 * may be none elsewhere. */
static void test_no_room(void)
{
    pthread_t t[2];

    for (int i = 0; i < 2; i++)
        t[i] = start(compute_without_room, NULL);
    for (int i = 0; i < 2; i++)
        join(t[i]);
    printf("two have computed without room for a frame\n");
}

/* ---- a handler that changes where its thread goes on ---- */

static volatile int n_moved;
extern const char spin_first[], spin_behind[];

static void *spin(void *arg)
{
    __asm__ volatile(".globl spin_first, spin_behind\n"
                     "spin_first:\tjmp spin_first\n"
                     "spin_behind:");
    return arg;
}

static void move(int sig, siginfo_t *info, void *context)
{
    greg_t *pc = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

    (void)sig;
    (void)info;
    if (*pc < (greg_t)spin_first || *pc >= (greg_t)spin_behind)
        return;
    *pc = (greg_t)spin_behind;
    n_moved++;
}

/* As runtimes do that stop a thread, or throw an exception in it, wherever it
 * is. The first may come before it spins. */
static void test_moves(void)
{
    struct sigaction a = {.sa_sigaction = move, .sa_flags = SA_SIGINFO};
    pthread_t t = start(spin, NULL);

    CHECK(sigaction(SIGUSR1, &a, NULL) == 0);
    for (int i = 0; n_moved == 0; i++) {
        CHECK(i < 500);
        CHECK(pthread_kill(t, SIGUSR1) == 0);
        nap_ms(2);
    }
    join(t);
    printf("moved out of a loop %d times\n", n_moved);
}

/* ---- many at once on a small stack ---- */

enum { MANY = 100 };

static int n_counted;

static void count(int sig)
{
    n_counted += sig == SIGRTMIN + 3;
}

static void *take_many(void *arg)
{
    struct sigaction a = {.sa_handler = count};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(sigaction(SIGRTMIN + 3, &a, NULL) == 0);
    for (int i = 0; i < MANY; i++)
        CHECK(pthread_kill(pthread_self(), SIGRTMIN + 3) == 0);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
    return arg;
}

static void test_many(void)
{
    pthread_attr_t attr;
    pthread_t t;

    CHECK(pthread_attr_init(&attr) == 0);
    CHECK(pthread_attr_setstacksize(&attr, 64 * 1024) == 0);
    CHECK(pthread_create(&t, &attr, take_many, NULL) == 0);
    join(t);
    pthread_attr_destroy(&attr);
    printf("%d of %d handled\n", n_counted, MANY);
}

/* ---- a fault, on the stack of the one that makes it ---- */

static char *guarded;
static int there[2], back[2];

static void on_fault(int sig, siginfo_t *info, void *context)
{
    char here;

    (void)sig;
    (void)info;
    (void)context;
    tell(&here >= alt_low && &here < alt_low + 65536 ? " on" : " off");
    mprotect(guarded, 4096, PROT_READ | PROT_WRITE);
}

static void fault(void)
{
    mprotect(guarded, 4096, PROT_NONE);
    *(volatile char *)guarded = 1;
}

static void *answer(void *arg)
{
    char c;

    while (read(there[0], &c, 1) == 1 && c != 'q') {
        if (c == 'f')
            fault();
        CHECK(write(back[1], &c, 1) == 1);
    }
    return arg;
}

static void ask(char c, int n)
{
    for (int i = 0; i < n; i++) {
        CHECK(write(there[1], &c, 1) == 1);
        CHECK(read(back[0], &c, 1) == 1);
    }
}

/* Two take turns, by calls that do not trap once they are hot. Main alone has
 * an alternate stack. */
static void test_faults(void)
{
    struct sigaction a = {.sa_sigaction = on_fault,
                          .sa_flags = SA_SIGINFO | SA_ONSTACK};
    char *own = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t alt = {.ss_sp = own, .ss_size = 65536};
    pthread_t t;

    guarded = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    alt_low = own;
    CHECK(pipe(there) == 0 && pipe(back) == 0);
    CHECK(sigaction(SIGSEGV, &a, NULL) == 0);
    CHECK(sigaltstack(&alt, NULL) == 0);
    t = start(answer, NULL);
    for (int i = 0; i < 3; i++) {
        mprotect(guarded, 4096, PROT_NONE);
        ask('x', 100);
        *(volatile char *)guarded = 1; /* with no call before it */
        ask('f', 1);
    }
    show("faults in main and in a thread");
    CHECK(write(there[1], "q", 1) == 1);
    join(t);
    alt.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&alt, NULL) == 0);
    munmap(own, 65536);
}

/* ---- threads with one and the same alternate stack, for their end ---- */

static void *compute_with(void *arg)
{
    stack_t alt = {.ss_sp = arg, .ss_size = 65536};
    struct timespec t;
    unsigned long a = 1, b = 1;
    time_t end;

    CHECK(sigaltstack(&alt, NULL) == 0);
    clock_gettime(CLOCK_MONOTONIC, &t);
    for (end = t.tv_sec * 1000 + t.tv_nsec / 1000000 + 50;
         t.tv_sec * 1000 + t.tv_nsec / 1000000 < end;
         clock_gettime(CLOCK_MONOTONIC, &t))
        for (int i = 0; i < 1000; i++) {
            a = a * 6364136223846793005ul + 1;
            b = b * 6364136223846793005ul + 1;
        }
    alt.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&alt, NULL) == 0);
    return (void *)(long)(a == b);
}

static void test_shared(void)
{
    struct sigaction a = {.sa_handler = wait_on_alt, .sa_flags = SA_ONSTACK};
    char *own = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_t t[4];
    int n = 0;

    CHECK(sigaction(SIGUSR2, &a, NULL) == 0);
    for (int i = 0; i < 4; i++)
        t[i] = start(compute_with, own);
    for (int i = 0; i < 4; i++)
        n += join(t[i]) != NULL;
    printf("with one alternate stack: %d computed\n", n);
    munmap(own, 65536);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    CHECK(pipe(fds) == 0);
    test_jumps();
    test_alternate();
    test_waits();
    test_no_room();
    test_moves();
    test_many();
    test_faults();
    test_shared();
    return 0;
}
