/* SPDX-License-Identifier: MIT */
/* tests/run/programs/waits.c - waiting for children, by several threads. */
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "support.h"

#ifndef P_PIDFD
# define P_PIDFD 3
#endif

enum { CHILDREN = 24, WAITERS = 4 };

static pid_t child(int status, int ms)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        nap_ms(ms);
        _exit(status);
    }
    return pid;
}

/* One that sleeps until it is killed, in a group of its own or ours. */
static pid_t sleeper(int has_group)
{
    pid_t parent = getpid(), pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        if (has_group)
            setpgid(0, 0);
        while (getppid() == parent)
            nap_ms(500);
        _exit(1);
    }
    if (has_group)
        setpgid(pid, pid);
    return pid;
}

static void *keep_busy(void *arg)
{
    while (!*(volatile int *)arg)
        nap_ms(1);
    return NULL;
}

/* ---- many waiters ---- */

static int n_reaped[CHILDREN], n_none;

static void *reap_any(void *arg)
{
    int status;

    while (wait(&status) > 0)
        __atomic_add_fetch(&n_reaped[WEXITSTATUS(status)], 1,
                           __ATOMIC_RELAXED);
    __atomic_add_fetch(&n_none, errno == ECHILD, __ATOMIC_RELAXED);
    return arg;
}

static void test_any(void)
{
    pthread_t t[WAITERS];
    int wrong = 0;

    for (int i = 0; i < CHILDREN; i++)
        child(i, 5 + i % 7);
    for (int i = 0; i < WAITERS; i++)
        t[i] = start(reap_any, NULL);
    for (int i = 0; i < WAITERS; i++)
        join(t[i]);
    for (int i = 0; i < CHILDREN; i++)
        wrong += n_reaped[i] != 1;
    printf("any, by several: wrong %d, ECHILD %d\n", wrong, n_none);
}

static void *reap_one(void *arg)
{
    int status, r = waitpid((pid_t)(intptr_t)arg, &status, 0);

    return (void *)(intptr_t)(r > 0 ? WEXITSTATUS(status) : -errno);
}

static void test_same(void)
{
    pid_t pid = child(40, 20);
    pthread_t t[WAITERS];
    int sum = 0, right = 40 - (WAITERS - 1) * ECHILD;

    for (int i = 0; i < WAITERS; i++)
        t[i] = start(reap_one, (void *)(intptr_t)pid);
    for (int i = 0; i < WAITERS; i++)
        sum += (int)(intptr_t)join(t[i]);
    printf("one, by several: %d\n", sum == right);
}

static void *make_later(void *arg)
{
    nap_ms(10);
    child(41, 10);
    return arg;
}

/* A child that does not exist yet when the wait begins. */
static void test_later(void)
{
    pid_t other = sleeper(0);
    pthread_t t = start(make_later, NULL);
    int status;

    CHECK(wait(&status) > 0);
    printf("a later one %d\n", WEXITSTATUS(status));
    join(t);
    kill(other, SIGKILL);
    CHECK(waitpid(other, &status, 0) == other);
    printf("killed by %d\n", WTERMSIG(status));
}

/* ---- kinds of waits ---- */

static sem_t was_told;

static void *stop_and_go(void *arg)
{
    pid_t pid = (pid_t)(intptr_t)arg;

    nap_ms(20);
    kill(pid, SIGSTOP);
    sem_wait(&was_told);
    nap_ms(20);
    kill(pid, SIGCONT);
    sem_wait(&was_told);
    nap_ms(20);
    kill(pid, SIGTERM);
    return NULL;
}

static void test_stops(int by_pid)
{
    pid_t pid = sleeper(1);
    pthread_t t;
    int status;

    CHECK(sem_init(&was_told, 0, 0) == 0);
    t = start(stop_and_go, (void *)(intptr_t)pid);
    printf("stops%s:", by_pid ? " by number" : "");
    do {
        CHECK(waitpid(by_pid ? pid : -1, &status, WUNTRACED | WCONTINUED) ==
              pid);
        printf(" %s", WIFSTOPPED(status)     ? "stopped"
                      : WIFCONTINUED(status) ? "continued"
                                             : "ended");
        CHECK(sem_post(&was_told) == 0);
    } while (!WIFSIGNALED(status));
    printf(" %d\n", WTERMSIG(status));
    join(t);
}

static void test_groups(void)
{
    pid_t grouped = sleeper(1), here = child(42, 10);
    int status;
    siginfo_t info;

    CHECK(waitpid(0, &status, 0) == here);
    printf("our group %d\n", WEXITSTATUS(status));
    printf("no such group %d\n", waitpid(-here, &status, 0) == -1 &&
                                     errno == ECHILD);
    kill(grouped, SIGTERM);
    CHECK(waitid(P_PGID, (id_t)grouped, &info, WEXITED | WNOWAIT) == 0);
    printf("its group, kept: %d %d %d\n", info.si_pid == grouped,
           info.si_code == CLD_KILLED, info.si_status);
    CHECK(waitpid(-grouped, &status, 0) == grouped);
    printf("its group: %d\n", WTERMSIG(status));
}

static void test_waitid(void)
{
    pid_t pid = child(43, 10);
    int fd = (int)syscall(SYS_pidfd_open, pid, 0), r;
    siginfo_t info;
    struct rusage usage = {.ru_maxrss = -1};

    CHECK(fd >= 0);
    info.si_pid = 1;
    CHECK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG) == 0);
    printf("not yet %d\n", info.si_pid);
    CHECK(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOWAIT) == 0);
    printf("by pidfd %d %d\n", info.si_pid == pid, info.si_status);
    CHECK(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) == 0);
    printf("any %d\n", info.si_status);
    r = (int)syscall(SYS_waitid, P_PIDFD, fd, NULL, WEXITED, &usage);
    printf("reaped %d, usage %d\n", r, usage.ru_maxrss > 0);
    r = waitid(P_PIDFD, (id_t)fd, &info, WEXITED);
    printf("again %d ECHILD %d\n", r, errno == ECHILD);
    close(fd);
    pid = sleeper(0);
    fd = (int)syscall(SYS_pidfd_open, pid, O_NONBLOCK);
    CHECK(fd >= 0);
    r = waitid(P_PIDFD, (id_t)fd, &info, WEXITED);
    printf("pidfd that does not block %d EAGAIN %d\n", r, errno == EAGAIN);
    kill(pid, SIGKILL);
    CHECK(waitpid(pid, NULL, 0) == pid);
    r = waitid(P_PID, 1, &info, WEXITED);
    printf("not a child %d ECHILD %d\n", r, errno == ECHILD);
    r = waitid(P_ALL, 0, &info, 0);
    printf("no kind %d EINVAL %d\n", r, errno == EINVAL);
    r = waitpid(-1, NULL, 0x123450);
    printf("no option %d EINVAL %d\n", r, errno == EINVAL);
}

static int quiet_child(void *arg)
{
    nap_ms(10);
    return (int)(intptr_t)arg;
}

/* A child that tells by no SIGCHLD is only found by those who ask for it. */
static void test_clone(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    pid_t pid = clone(quiet_child, stack + sizeof stack, 0, (void *)44);
    int status, r;

    CHECK(pid > 0);
    r = waitpid(pid, &status, 0);
    printf("a clone: %d ECHILD %d", r, errno == ECHILD);
    CHECK(waitpid(-1, &status, __WALL) == pid);
    printf(", with __WALL %d\n", WEXITSTATUS(status));
    pid = clone(quiet_child, stack + sizeof stack, 0, (void *)45);
    CHECK(waitpid(pid, &status, __WCLONE) == pid);
    printf("with __WCLONE %d\n", WEXITSTATUS(status));
}

/* ---- signals ---- */

static volatile int n_told;

static void on_child(int sig)
{
    (void)sig;
    n_told++;
}

static void on_alarm(int sig)
{
    (void)sig;
}

static void *kill_later(void *arg)
{
    for (int i = 0; i < 5; i++)
        nap_ms(10);
    kill((pid_t)(intptr_t)arg, SIGKILL);
    return NULL;
}

/* Again and again: the first may come before the call that it is to meet. */
static void ring(int is_on)
{
    struct itimerval it = {{0, is_on * 10000}, {0, is_on * 10000}};

    setitimer(ITIMER_REAL, &it, NULL);
}

static void test_signals(void)
{
    struct sigaction a = {.sa_handler = on_child, .sa_flags = SA_RESTART};
    struct sigaction alarm = {.sa_handler = on_alarm};
    pthread_t t;
    pid_t pid;
    int status, r;

    sigaction(SIGCHLD, &a, NULL);
    pid = child(46, 10);
    CHECK(waitpid(pid, &status, 0) == pid);
    printf("told %d\n", n_told);
    sigaction(SIGALRM, &alarm, NULL);
    pid = sleeper(0);
    ring(1);
    r = waitpid(pid, &status, 0);
    printf("interrupted %d EINTR %d\n", r, errno == EINTR);
    r = wait(&status);
    printf("interrupted, any %d EINTR %d\n", r, errno == EINTR);
    alarm.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &alarm, NULL);
    t = start(kill_later, (void *)(intptr_t)pid);
    printf("restarted %d\n", wait(&status) == pid);
    ring(0);
    join(t);
    signal(SIGCHLD, SIG_IGN);
    child(1, 5);
    child(2, 10);
    r = wait(&status);
    printf("ignored: %d ECHILD %d\n", r, errno == ECHILD);
    a.sa_flags = SA_NOCLDWAIT;
    n_told = 0;
    sigaction(SIGCHLD, &a, NULL);
    pid = child(3, 5);
    do
        r = waitpid(pid, &status, 0);
    while (r < 0 && errno == EINTR);
    printf("SA_NOCLDWAIT: %d ECHILD %d, told %d\n", r, errno == ECHILD,
           n_told);
    signal(SIGCHLD, SIG_DFL);
}

int main(void)
{
    volatile int is_over = 0;
    pthread_t t = start(keep_busy, (void *)(uintptr_t)&is_over);

    setvbuf(stdout, NULL, _IOLBF, 0);
    test_any();
    test_same();
    test_later();
    test_stops(0);
    test_stops(1);
    test_groups();
    test_waitid();
    test_clone();
    test_signals();
    is_over = 1;
    join(t);
    return 0;
}
