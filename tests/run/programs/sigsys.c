/* SPDX-License-Identifier: MIT */
/* tests/run/programs/sigsys.c - SIGSYS, by which the engine gets its calls, can
 * be blocked, sent, waited for and deadly as any other signal. */
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>

#include "support.h"

static volatile int n_handled, was_blocked;

static void set_mask(int how)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    CHECK(pthread_sigmask(how, &set, NULL) == 0);
}

static int is_blocked(void)
{
    sigset_t set;

    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &set) == 0);
    return sigismember(&set, SIGSYS);
}

static int is_pending(void)
{
    sigset_t set;

    CHECK(sigpending(&set) == 0);
    return sigismember(&set, SIGSYS);
}

static void handler(int sig)
{
    (void)sig;
    n_handled++;
    was_blocked = is_blocked();
}

static void *ask_mask(void *arg)
{
    (void)arg;
    return (void *)(long)is_blocked();
}

static void *take(void *arg)
{
    sigset_t set;
    int sig = 0;

    (void)arg;
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    CHECK(sigwait(&set, &sig) == 0);
    return (void *)(long)sig;
}

static void stays_pending(const char *name, int by_kill)
{
    n_handled = 0;
    set_mask(SIG_BLOCK);
    printf("%s: blocked %d, in a new thread %d\n", name, is_blocked(),
           (int)(long)join(start(ask_mask, NULL)));
    CHECK(by_kill ? kill(getpid(), SIGSYS) == 0 : raise(SIGSYS) == 0);
    printf("handled %d, pending %d\n", n_handled, is_pending());
    set_mask(SIG_UNBLOCK);
    printf("handled %d, pending %d, blocked in its handler %d, after it %d\n",
           n_handled, is_pending(), was_blocked, is_blocked());
}

static void is_waited_for(void)
{
    pthread_t t;

    set_mask(SIG_BLOCK);
    t = start(take, NULL);
    nap_ms(5);
    CHECK(kill(getpid(), SIGSYS) == 0);
    printf("waited for: %d\n", (long)join(t) == SIGSYS);
    set_mask(SIG_UNBLOCK);
}

/* By default it kills, as soon as it is not blocked. */
static void kills(int by_kill)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        set_mask(SIG_BLOCK);
        CHECK(by_kill ? kill(getpid(), SIGSYS) == 0 : raise(SIGSYS) == 0);
        printf("in the child: pending %d\n", is_pending());
        fflush(stdout);
        set_mask(SIG_UNBLOCK);
        _exit(1);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    printf("killed by it: %d\n",
           WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

/* ---- int $0x80 ---- */

static sigjmp_buf no_such_way;

static void leave(int sig)
{
    siglongjmp(no_such_way, sig);
}

/* Its numbers are those of 32-bit programs: no other call is to be made. */
static void test_other_numbers(void)
{
    enum { GETPID = 20 };
    long r = GETPID;

    signal(SIGSEGV, leave);
    if (sigsetjmp(no_such_way, 1) == 0) {
        __asm__ volatile("int $0x80"
                         : "+a"(r)
                         : "b"(0L), "c"(0L), "d"(0L)
                         : "r8", "r9", "r10", "r11", "memory");
        printf("getpid() or nothing: %d\n", r == getpid() || r == -ENOSYS);
    }
    signal(SIGSEGV, SIG_DFL);
}

int main(void)
{
    struct sigaction a = {.sa_handler = handler};

    setvbuf(stdout, NULL, _IOLBF, 0);
    CHECK(sigaction(SIGSYS, &a, NULL) == 0);
    stays_pending("raise", 0);
    stays_pending("kill", 1);
    is_waited_for();
    signal(SIGSYS, SIG_DFL);
    fflush(stdout);
    kills(0);
    kills(1);
    test_other_numbers();
    return 0;
}
