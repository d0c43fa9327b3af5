/* SPDX-License-Identifier: MIT */
/* tests/run/programs/processes.c - children of all kinds, made by a thread
 * while others run. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "support.h"

extern char **environ;

static int n_prepare, n_parent, n_child;
static int is_blocked; /* SIGUSR2, by the thread that forks */

static void in_prepare(void)
{
    n_prepare++;
}

static void in_parent(void)
{
    n_parent++;
}

static void in_child(void)
{
    n_child++;
}

static void on_signal(int sig)
{
    (void)sig;
}

static void *add(void *arg)
{
    nap_ms(2);
    return (void *)((intptr_t)arg + 1);
}

/* A forked child is a process as any: threads, handlers, sleeps. */
static int child_work(void)
{
    struct sigaction a;
    pthread_t t[4];
    int sum = 0;
    sigset_t set;

    for (intptr_t i = 0; i < 4; i++)
        t[i] = start(add, (void *)i);
    for (int i = 0; i < 4; i++)
        sum += (int)(intptr_t)join(t[i]);
    sigaction(SIGUSR1, NULL, &a);
    if (a.sa_handler != on_signal)
        return 101;
    raise(SIGUSR1);
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    if (sigismember(&set, SIGUSR2) != is_blocked || sigismember(&set, SIGUSR1))
        return 102;
    return sum + n_child;
}

static int status_of(pid_t pid)
{
    int status;

    CHECK(pid > 0);
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static pid_t fork_one(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(child_work());
    return pid;
}

static pid_t vfork_one(const char *program)
{
    pid_t pid = vfork();

    if (pid == 0) {
        execl(program, program, "-c", "exit 6", NULL);
        _exit(9);
    }
    return pid;
}

static pid_t spawn_one(const char *program)
{
    char name[] = "sh", option[] = "-c", script[] = "echo spawned; exit 8";
    char *argv[] = {name, option, script, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    pid_t pid;
    int r;

    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, 1, 5);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    r = posix_spawn(&pid, program, &actions, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return r == 0 ? pid : -r;
}

static void *make_children(void *arg)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    is_blocked = 1;
    printf("fork %d\n", status_of(fork_one()));
    printf("vfork %d\n", status_of(vfork_one("/bin/sh")));
    printf("vfork, no program %d\n", status_of(vfork_one("/none")));
    fflush(stdout);
    printf("posix_spawn %d\n", status_of(spawn_one("/bin/sh")));
    printf("posix_spawn, no program %d\n", -spawn_one("/none") == ENOENT);
    fflush(stdout);
    printf("system %d\n", WEXITSTATUS((system)("echo system; exit 5")));
    return arg;
}

static void *many(void *arg)
{
    int bad = 0;

    for (int i = 0; i < 5; i++) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(7);
        bad += status_of(pid) != 7;
    }
    return (void *)(intptr_t)(bad + (arg != NULL));
}

static void test_pipeline(void)
{
    FILE *f = popen("cat; exit 3", "w");
    int r;

    fprintf(f, "through cat\n");
    r = pclose(f);
    printf("popen %d\n", WEXITSTATUS(r));
}

/* ---- signals while a child is made ---- */

enum { FORKS = 400, DELAYS_US = 200 };

static volatile int n_handled, n_wrong;

static void look_at_mask(int sig)
{
    sigset_t set;

    n_handled++;
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    n_wrong += !sigismember(&set, sig) || !sigismember(&set, SIGUSR1) ||
               sigismember(&set, SIGUSR2);
}

static void test_signal_within_fork(void)
{
    struct sigaction a = {.sa_handler = look_at_mask, .sa_flags = SA_RESTART};
    int bad = 0;

    sigaddset(&a.sa_mask, SIGUSR1);
    sigaction(SIGALRM, &a, NULL);
    for (int i = 0; i < FORKS; i++) {
        struct itimerval it = {.it_value = {0, 1 + i % DELAYS_US}};
        int before = n_handled;
        pid_t pid;

        setitimer(ITIMER_REAL, &it, NULL);
        pid = fork();
        if (pid == 0)
            _exit(7);
        while (n_handled == before)
            ;
        bad += status_of(pid) != 7;
    }
    printf("signals within fork %d: wrong mask %d, bad %d\n", n_handled,
           n_wrong, bad);
}

static void *compute(void *arg)
{
    for (volatile long i = 0; i < 20000000; i++)
        ;
    return arg;
}

static int exec_grep(void *arg)
{
    execl("/bin/grep", "grep", "SigBlk", "/proc/self/status", NULL);
    return arg != NULL;
}

/* A child with a stack of its own, not by posix_spawn(), keeps the mask. */
static void test_clone(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    sigset_t set, old;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &set, &old);
    printf("clone %d\n",
           status_of(clone(exec_grep, stack + sizeof stack,
                           CLONE_VM | CLONE_VFORK | SIGCHLD, NULL)));
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static int be_seven(void *arg)
{
    return arg != NULL ? 7 : 8;
}

/* One that has our descriptors but not our memory, on a stack of its own. */
static void test_clone_files(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    pid_t self = getpid();
    pid_t pid = clone(be_seven, stack + sizeof stack, CLONE_FILES | SIGCHLD,
                      &stack);

    if (getpid() != self)
        _exit(99); /* it has come back on ours */
    printf("clone with CLONE_FILES %d\n", status_of(pid));
}

/* CLONE_CLEAR_SIGHAND: the child has no handlers, and is a process as any. */
static int child_without_handlers(void)
{
    struct sigaction a;
    pthread_t t[4];
    int bad = 0;

    for (int i = 0; i < 4; i++)
        t[i] = start(compute, NULL);
    for (int i = 0; i < 4; i++)
        join(t[i]);
    sigaction(SIGUSR1, NULL, &a);
    bad |= a.sa_handler != SIG_DFL;
    sigaction(SIGWINCH, NULL, &a);
    bad |= (a.sa_handler != SIG_IGN) << 1;
    bad |= (syscall(SYS_rt_sigprocmask, SIG_BLOCK, 8, NULL, 8) != -1 ||
            errno != EFAULT) << 2;
    return bad;
}

static void test_clear_handlers(void)
{
    uint64_t args[11] = {0x100000000ul, 0, 0, 0, SIGCHLD};
    pid_t pid;

    signal(SIGWINCH, SIG_IGN);
    pid = (pid_t)syscall(SYS_clone3, args, sizeof args);
    if (pid == 0)
        _exit(child_without_handlers());
    printf("without handlers: bad %d\n", status_of(pid));
    pid = (pid_t)syscall(SYS_clone3, args, sizeof args);
    if (pid == 0) {
        kill(getpid(), SIGUSR1); /* musl's raise() takes us for our parent */
        _exit(0);
    }
    printf("killed by SIGUSR1 %d\n", status_of(pid) == -SIGUSR1);
    signal(SIGWINCH, SIG_DFL);
}

/* ---- a child is scheduled as the thread that forked ---- */

static void *fork_as_batch(void *arg)
{
    const struct sched_param none = {0};
    int fds[2];
    char c;
    pid_t pid;

    CHECK(sched_setscheduler(0, SCHED_BATCH, &none) == 0);
    CHECK(setpriority(PRIO_PROCESS, 0, 5) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        close(fds[1]);
        CHECK(write(fds[0], "", 1) == 1);
        CHECK(read(fds[0], &c, 1) == 0);
        printf("child: policy %d, niceness %d\n", sched_getscheduler(0),
               getpriority(PRIO_PROCESS, 0));
        fflush(stdout);
        _exit(0);
    }
    CHECK(read(fds[1], &c, 1) == 1);
    printf("parent sees policy %d, niceness %d\n", sched_getscheduler(pid),
           getpriority(PRIO_PROCESS, (id_t)pid));
    close(fds[0]);
    close(fds[1]);
    printf("child ended with %d\n", status_of(pid));
    return arg;
}

/* ---- children that are traced ---- */

static void say_status(const char *what, pid_t pid)
{
    int status = 0;

    CHECK(waitpid(pid, &status, 0) == pid);
    if (WIFSTOPPED(status))
        printf("%s: stopped by %d\n", what, WSTOPSIG(status));
    else
        printf("%s: ended by %d, with %d\n", what,
               WIFSIGNALED(status) ? WTERMSIG(status) : 0,
               WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

/* Until a child that has told us so has gone to sleep. */
static void await_sleep(int told, pid_t pid)
{
    char path[64], state = 0, c;
    FILE *f;

    CHECK(read(told, &c, 1) == 1);
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    for (int i = 0; i < 1000 && state != 'S'; i++) {
        nap_ms(5);
        CHECK((f = fopen(path, "re")) != NULL);
        CHECK(fscanf(f, "%*d (%*[^)]) %c", &state) == 1);
        fclose(f);
    }
}

/* A stop ends a wait for it, whatever its options say. */
static void *trace(void *arg)
{
    siginfo_t info = {0};
    pid_t pid = fork();
    int told[2];

    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        nap_ms(1);
        _exit(7);
    }
    say_status("it asks to be traced", pid);
    ptrace(PTRACE_CONT, pid, NULL, NULL);
    say_status("and goes on", pid);
    CHECK(pipe(told) == 0);
    pid = fork();
    if (pid == 0) {
        CHECK(write(told[1], "x", 1) == 1);
        for (;;)
            pause();
    }
    await_sleep(told[0], pid);
    close(told[0]);
    close(told[1]);
    if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) < 0) {
        printf("attach: %s\n", strerrorname_np(errno));
    } else {
        say_status("it is traced", pid);
        kill(pid, SIGUSR2);
        ptrace(PTRACE_CONT, pid, NULL, NULL);
        CHECK(waitid(P_PID, (id_t)pid, &info, WEXITED) == 0);
        printf("waitid: code %d, status %d\n", info.si_code, info.si_status);
        ptrace(PTRACE_DETACH, pid, NULL, NULL);
    }
    kill(pid, SIGKILL);
    say_status("its end", pid);
    return arg;
}

enum { TURNS = 300 };

/* Turns with the other process, each spinning until its own comes. Returns how
 * often it had to give way. */
static long spin(volatile int *turn, int me)
{
    long n = 0;

    for (int i = 0; i < TURNS; i++) {
        for (; *turn != me; n++)
            sched_yield();
        *turn = !me;
    }
    return n;
}

/* Two processes on one CPU: who gives way does so to the other one. A third
 * may come in between, but not always. */
static void test_yield(void)
{
    volatile int *turn = mmap(NULL, sizeof *turn, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cpu_set_t all, one;
    bool is_good = false;

    CHECK(turn != MAP_FAILED);
    CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    fflush(stdout);
    for (int i = 0; i < 10 && !is_good; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            spin(turn, 1);
            _exit(0);
        }
        is_good = spin(turn, 0) < 100L * TURNS;
        CHECK(status_of(pid) == 0);
    }
    CHECK(sched_setaffinity(0, sizeof all, &all) == 0);
    printf("gave way to another process: %d\n", is_good);
}

int main(int argc, char **argv)
{
    struct sigaction a = {.sa_handler = on_signal};
    pthread_t t[8];
    int bad = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1)
        execv(argv[1], argv + 1);
    pthread_atfork(in_prepare, in_parent, in_child);
    sigaction(SIGUSR1, &a, NULL);
    join(start(make_children, NULL));
    for (int i = 0; i < 8; i++)
        t[i] = start(many, NULL);
    for (int i = 0; i < 8; i++)
        bad += (int)(intptr_t)join(t[i]);
    printf("many: bad %d\n", bad);
    test_pipeline();
    test_signal_within_fork();
    test_clone();
    test_clone_files();
    test_clear_handlers();
    test_yield();
    join(start(fork_as_batch, NULL));
    join(start(trace, NULL));
    printf("atfork %d %d %d\n", n_prepare, n_parent, n_child);
    fflush(stdout);
    is_blocked = 0;
    return status_of(fork_one());
}
