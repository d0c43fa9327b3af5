/* SPDX-License-Identifier: MIT */
/* soak_processes.c - tasks of the soak: signals, and other processes. */
#include "soak.h"

#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { CHILD_STATUS = 9 };

extern char **environ;

static __thread volatile sig_atomic_t n_handled;

static void on_signal(int sig)
{
    (void)sig;
    n_handled++;
}

static sigset_t the(int sig)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, sig);
    return set;
}

void block_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = SA_RESTART};
    sigset_t all;

    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(sigaction(SIGRTMIN + 2, &action, NULL) == 0);
    sigemptyset(&all);
    sigaddset(&all, SIGUSR1);
    sigaddset(&all, SIGUSR2);
    for (int i = 0; i < 4; i++)
        sigaddset(&all, SIGRTMIN + i);
    CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
}

/* ---- signals ---- */

/* One more thread handles a signal in a call that it interrupts. */
static void *be_signalled(void *arg)
{
    sigset_t set = the(SIGUSR1);

    n_handled = 0;
    CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
    sem_post(arg);
    while (!n_handled)
        nap_ms(1);
    CHECK(n_handled == 1);
    return NULL;
}

void signal_a_thread(struct dice *dice)
{
    sem_t is_ready;
    pthread_t t;

    CHECK(sem_init(&is_ready, 0, 0) == 0);
    t = start(be_signalled, &is_ready);
    while (sem_wait(&is_ready) < 0)
        CHECK(errno == EINTR);
    nap_ms((long)roll(dice, 2));
    CHECK(pthread_kill(t, SIGUSR1) == 0);
    join(t);
    sem_destroy(&is_ready);
}

static void *wait_for_signal(void *arg)
{
    sigset_t set = the(SIGRTMIN);
    struct timespec long_time = {60, 0};
    siginfo_t info;

    (void)arg;
    while (sigtimedwait(&set, &info, &long_time) < 0)
        CHECK(errno == EINTR);
    CHECK(info.si_signo == SIGRTMIN);
    return (void *)(long)info.si_value.sival_int;
}

void await_a_signal(struct dice *dice)
{
    int value = (int)roll(dice, 1000);
    struct timespec short_time = {0, 1000000};
    sigset_t set = the(SIGUSR2);
    pthread_t t = start(wait_for_signal, NULL);

    CHECK(pthread_sigqueue(t, SIGRTMIN, (union sigval){value}) == 0);
    CHECK(join(t) == (void *)(long)value);
    while (sigtimedwait(&set, NULL, &short_time) < 0 && errno == EINTR)
        ; /* what goes on elsewhere in the process may do that on Linux */
    CHECK(errno == EAGAIN);
}

void timer_with_a_signal(struct dice *dice)
{
    struct itimerspec in = {{0, 0}, {0, 1 + (long)roll(dice, 2000000)}};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                             .sigev_signo = SIGRTMIN + 2};
    sigset_t set = the(SIGRTMIN + 2);
    timer_t timer;

    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    n_handled = 0;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CHECK(timer_settime(timer, 0, &in, NULL) == 0);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
    while (!n_handled)
        nap_ms(1);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(n_handled == 1);
    CHECK(timer_delete(timer) == 0);
}

void signal_by_fd(struct dice *dice)
{
    sigset_t set = the(SIGRTMIN + 3);
    struct signalfd_siginfo info;
    int fd = signalfd(-1, &set, SFD_CLOEXEC);

    (void)dice;
    CHECK(fd >= 0);
    CHECK(pthread_kill(pthread_self(), SIGRTMIN + 3) == 0);
    CHECK(read(fd, &info, sizeof info) == sizeof info);
    CHECK(info.ssi_signo == (uint32_t)SIGRTMIN + 3);
    close(fd);
}

/* ---- processes ---- */

static int status_of(pid_t pid)
{
    int status;

    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void *of_a_child(void *arg)
{
    nap_ms(1);
    return arg;
}

static int have_threads(void)
{
    pthread_t a = start(of_a_child, NULL), b = start(of_a_child, NULL);

    join(a);
    join(b);
    return CHILD_STATUS;
}

int be_a_child(void)
{
    return have_threads();
}

void fork_a_child(struct dice *dice)
{
    bool is_killed = roll(dice, 4) == 0;
    int fds[2];
    char byte = 0;
    pid_t pid;

    CHECK(pipe2(fds, O_CLOEXEC) == 0);
    CHECK((pid = fork()) >= 0);
    if (pid == 0) {
        CHECK(write(fds[1], "x", 1) == 1);
        if (is_killed)
            for (;;)
                pause();
        _exit(have_threads());
    }
    CHECK(read(fds[0], &byte, 1) == 1 && byte == 'x');
    if (is_killed)
        CHECK(kill(pid, SIGKILL) == 0);
    CHECK(status_of(pid) == (is_killed ? -SIGKILL : CHILD_STATUS));
    close(fds[0]);
    close(fds[1]);
}

static int status_of_spawned(const char *path, char **argv)
{
    pid_t pid;

    CHECK(posix_spawn(&pid, path, NULL, NULL, argv, environ) == 0);
    return status_of(pid);
}

void spawn_ourselves(struct dice *dice)
{
    char name[] = "soak", word[] = "child", *argv[] = {name, word, NULL};

    (void)dice;
    CHECK(status_of_spawned("/proc/self/exe", argv) == CHILD_STATUS);
}

void spawn_a_shell(struct dice *dice)
{
    char name[] = "sh", option[] = "-c", command[] = "exit 3";
    char *argv[] = {name, option, command, NULL}, line[32] = "";
    FILE *f;

    if (roll(dice, 2)) {
        CHECK(status_of_spawned("/bin/sh", argv) == 3);
        return;
    }
    CHECK((f = popen("echo here; exit 4", "re")) != NULL);
    CHECK(fgets(line, sizeof line, f) && strcmp(line, "here\n") == 0);
    CHECK(WEXITSTATUS(pclose(f)) == 4);
}

void start_vfork(struct dice *dice)
{
    pid_t pid = vfork();

    (void)dice;
    if (pid == 0) {
        execl("/bin/true", "true", NULL);
        _exit(1);
    }
    CHECK(status_of(pid) == 0);
}
