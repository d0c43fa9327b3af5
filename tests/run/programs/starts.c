/* SPDX-License-Identifier: MIT */
/* tests/run/programs/starts.c - programs that are started: vfork, posix_spawn,
 * popen, system, and exec by whichever thread.
 *
 * usage: starts               all that can be seen from within
 *        starts exec-main     exec by main, while others wait
 *        starts exec-thread   by another thread
 *        starts exec-fails    the same, after one that fails
 *        starts show          what exec has left: descriptors, signals */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "support.h"

extern char **environ;

static const char *self; /* this program */

static int status_of(pid_t pid)
{
    int status;

    CHECK(pid > 0);
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* ---- vfork ---- */

static int vfork_writes(int *there)
{
    volatile int local = 1;
    pid_t pid = vfork();

    if (pid == 0) {
        local = 2;
        *there = 3;
        execl("/none", "none", NULL);
        *there += errno == ENOENT;
        _exit(9);
    }
    printf("vfork: status %d, local %d, elsewhere %d\n", status_of(pid), local,
           *there);
    return 0;
}

static pid_t vfork_true(void)
{
    pid_t pid = vfork();

    if (pid == 0) {
        close(0);
        execl("/bin/sh", "sh", "-c", "exit 5", NULL);
        _exit(9);
    }
    return pid;
}

static void *vfork_many(void *arg)
{
    intptr_t bad = (intptr_t)arg < 0;

    for (int i = 0; i < 10; i++)
        bad += status_of(vfork_true()) != 5;
    return (void *)bad;
}

/* Values in all registers that a call keeps, over a vfork(). */
static int vfork_keeps(int a, int b, int c, int d, int e, int f)
{
    double x = a * 0.5, y = b * 0.25;
    char text[200];

    memset(text, 'a' + f, sizeof text);
    CHECK(status_of(vfork_true()) == 5);
    for (size_t i = 0; i < sizeof text; i++)
        CHECK(text[i] == 'a' + f);
    return (int)(x * 100 + y * 100) + a + b + c + d + e + f;
}

/* ---- many at once ---- */

static pid_t spawn_sh(const char *script)
{
    char name[] = "sh", option[] = "-c", text[100];
    char *argv[] = {name, option, text, NULL};
    pid_t pid;

    snprintf(text, sizeof text, "%s", script);
    CHECK(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) == 0);
    return pid;
}

static void *spawn_many(void *arg)
{
    char script[32];
    intptr_t bad = 0;

    for (int i = 0; i < 10; i++) {
        int status = (int)(intptr_t)arg * 10 + i;
        char line[32] = "";
        FILE *f;

        snprintf(script, sizeof script, "exit %d", status);
        bad += status_of(spawn_sh(script)) != status;
        snprintf(script, sizeof script, "echo %d", status);
        f = popen(script, "r");
        CHECK(f && fgets(line, sizeof line, f));
        bad += pclose(f) != 0 || strtol(line, NULL, 10) != status;
        snprintf(script, sizeof script, "exit %d", i);
        bad += WEXITSTATUS((system)(script)) != i;
    }
    return (void *)bad;
}

static int run_all(void *(*fn)(void *), int n)
{
    pthread_t t[16];
    int bad = 0;

    for (intptr_t i = 0; i < n; i++)
        t[i] = start(fn, (void *)i);
    for (int i = 0; i < n; i++)
        bad += (int)(intptr_t)join(t[i]);
    return bad;
}

/* ---- exec ---- */

static void on_signal(int sig)
{
    (void)sig;
}

/* What a program that was exec'ed finds. */
static int show(void)
{
    struct sigaction a;
    sigset_t set;
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    while (readdir(d))
        n++;
    printf("descriptors %d\n", n - 3);
    closedir(d);
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    printf("blocked %d %d\n", sigismember(&set, SIGUSR1),
           sigismember(&set, SIGUSR2));
    sigpending(&set);
    printf("pending %d %d\n", sigismember(&set, SIGUSR1),
           sigismember(&set, SIGUSR2));
    for (int sig = 1; sig < 32; sig++)
        if (sigaction(sig, NULL, &a) == 0 && a.sa_handler != SIG_DFL)
            printf("signal %d %s\n", sig,
                   a.sa_handler == SIG_IGN ? "ignored" : "handled");
    printf("it is main %d\n", syscall(SYS_gettid) == getpid());
    return 3;
}

/* Two of them are such that the engine has handlers for. */
static void ignore_some(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGSEGV, SIG_IGN);
    signal(SIGBUS, SIG_IGN);
}

static void *exec_it(void *arg)
{
    const char *how = arg;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    pthread_kill(pthread_self(), SIGUSR1);
    if (strcmp(how, "exec-fails") == 0) {
        int r = execl("/none", "none", NULL);
        sigset_t now;

        printf("exec %d ENOENT %d\n", r, errno == ENOENT);
        sigpending(&now);
        printf("pending %d\n", sigismember(&now, SIGUSR1));
        pthread_sigmask(SIG_SETMASK, NULL, &now);
        printf("blocked %d %d\n", sigismember(&now, SIGUSR1),
               sigismember(&now, SIGUSR2));
        fflush(stdout);
    }
    setenv("TENDRIL_RUN", "0", 1); /* its descriptors shall be its own */
    execl(self, self, "show", NULL);
    return NULL;
}

static void *wait_for_ever(void *arg)
{
    poll(NULL, 0, -1);
    return arg;
}

static int exec_by(const char *how)
{
    struct sigaction a = {.sa_handler = on_signal};
    sigset_t set;

    fflush(stdout);
    sigaction(SIGUSR1, &a, NULL);
    ignore_some();
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    for (int i = 0; i < 3; i++)
        start(wait_for_ever, NULL);
    if (strcmp(how, "exec-main") == 0)
        exec_it((void *)(uintptr_t)how);
    join(start(exec_it, (void *)(uintptr_t)how));
    return 1;
}

/* ---- */

/* A child that sets the parent's memory, on a stack of its own. */
static int set_there(void *there)
{
    *(int *)there = 7;
    close(0);
    return 2;
}

static void test_clone_vm(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    volatile int there = 0;

    printf("clone(CLONE_VM | CLONE_VFORK) %d",
           status_of(clone(set_there, stack + sizeof stack,
                           CLONE_VM | CLONE_VFORK | SIGCHLD,
                           (void *)(uintptr_t)&there)));
    printf(", there %d\n", there);
}

static void test_session(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        CHECK(setsid() == getpid() && getpgrp() == getpid());
        pid = fork();
        if (pid == 0)
            _exit(getsid(0) == getppid() ? 4 : 1);
        _exit(status_of(pid));
    }
    printf("in a session of its own: %d\n", status_of(pid));
}

/* What is ignored stays so, however the program is started. */
static void test_ignored(void)
{
    char *args[] = {(char *)(uintptr_t)self, (char *)(uintptr_t)"show", NULL};
    pid_t pid;

    ignore_some();
    setenv("TENDRIL_RUN", "0", 1);
    fflush(stdout);
    CHECK(posix_spawn(&pid, self, NULL, NULL, args, environ) == 0);
    printf("spawned: %d\n", status_of(pid));
    pid = vfork();
    if (pid == 0) {
        execv(self, args);
        _exit(1);
    }
    printf("after vfork: %d\n", status_of(pid));
    pid = fork();
    if (pid == 0) {
        execv("/none", args);
        execv(self, args);
        _exit(1);
    }
    printf("after fork: %d\n", status_of(pid));
}

int main(int argc, char **argv)
{
    int there = 0;

    self = argv[0];
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1)
        return strcmp(argv[1], "show") == 0 ? show() : exec_by(argv[1]);
    vfork_writes(&there);
    printf("vfork keeps %d\n", vfork_keeps(1, 2, 3, 4, 5, 6));
    printf("vfork by many: bad %d\n", run_all(vfork_many, 8));
    printf("spawned by many: bad %d\n", run_all(spawn_many, 8));
    test_clone_vm();
    test_session();
    test_ignored();
    return 0;
}
