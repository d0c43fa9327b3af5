/* SPDX-License-Identifier: MIT */
/* tests/run/programs/descriptors.c - descriptors that are closed, replaced and
 * reused, under a waiter too, and waits that need none. With an argument: also
 * what differs from native threads, where a thread that waits does not learn
 * that its descriptor was closed. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "support.h"

static int pair[2];
static int hold[2]; /* children end when nobody can write to it */

static void make_pair(void)
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
}

static void close_pair(void)
{
    close(pair[0]);
    close(pair[1]);
}

static void *read_one(void *arg)
{
    char c = 0;
    ssize_t n = read((int)(intptr_t)arg, &c, 1);

    return (void *)(intptr_t)(n == 1 ? c : n < 0 ? -errno : 0);
}

static void test_close_under_a_waiter(void)
{
    pthread_t t[3];

    make_pair();
    for (int i = 0; i < 3; i++)
        t[i] = start(read_one, (void *)(intptr_t)pair[0]);
    nap_ms(10);
    close(pair[0]);
    for (int i = 0; i < 3; i++)
        printf("close under a waiter: EBADF %d\n",
               (intptr_t)join(t[i]) == -EBADF);
    close(pair[1]);
}

static void test_dup2_under_a_waiter(void)
{
    int old[2], fd;
    pthread_t t;
    char c;

    make_pair();
    old[0] = pair[0];
    old[1] = pair[1];
    make_pair();
    t = start(read_one, (void *)(intptr_t)old[0]);
    nap_ms(10);
    CHECK(dup2(pair[0], old[0]) == old[0]);
    printf("dup2 under a waiter: EBADF %d\n", (intptr_t)join(t) == -EBADF);
    CHECK(write(pair[1], "y", 1) == 1);
    t = start(read_one, (void *)(intptr_t)old[0]);
    printf("then it is another: %c\n", (char)(intptr_t)join(t));
    t = start(read_one, (void *)(intptr_t)old[0]);
    nap_ms(10);
    CHECK(write(pair[1], "z", 1) == 1);
    printf("and wakes: %c\n", (char)(intptr_t)join(t));
    fd = (int)write(old[1], "q", 1); /* its peer is gone */
    printf("the old peer: %d %d\n", fd, errno == EPIPE);
    CHECK(recv(pair[0], &c, 1, MSG_DONTWAIT) == -1);
    close(old[0]);
    close(old[1]);
    close_pair();
}

/* The same numbers again and again, with waiters each time. */
static void test_reuse(void)
{
    long sum = 0;

    for (int i = 0; i < 200; i++) {
        pthread_t t;

        make_pair();
        t = start(read_one, (void *)(intptr_t)pair[i % 2]);
        if (i % 3)
            sched_yield();
        CHECK(write(pair[!(i % 2)], "a", 1) == 1);
        sum += (intptr_t)join(t);
        close_pair();
    }
    printf("reuse: %ld\n", sum / 'a');
}

/* Did a call fail with EAGAIN? */
static int would_wait(ssize_t r)
{
    return r == -1 && errno == EAGAIN;
}

static void test_nonblock(void)
{
    int one = 1, copy;
    char c;

    make_pair();
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    printf("O_NONBLOCK: %d\n", would_wait(read(pair[0], &c, 1)));
    fcntl(pair[0], F_SETFL, 0);
    copy = dup(pair[0]);
    ioctl(copy, FIONBIO, &one);
    printf("by a duplicate: %d\n", would_wait(recv(pair[0], &c, 1, 0)));
    one = 0;
    ioctl(pair[0], FIONBIO, &one);
    CHECK(!(fcntl(copy, F_GETFL) & O_NONBLOCK));
    printf("MSG_DONTWAIT: %d\n",
           would_wait(recv(copy, &c, 1, MSG_DONTWAIT)));
    close(copy);
    close_pair();
}

/* A program that closes all it does not know, and takes any number. */
static void test_sweep(void)
{
    struct rlimit limit;
    pthread_t t;
    struct stat st;
    int closed = 0, high, seen = 0;

    getrlimit(RLIMIT_NOFILE, &limit);
    for (int fd = 3; fd < (int)limit.rlim_cur && fd < 70000; fd++) {
        seen += fstat(fd, &st) == 0 || dup2(fd, fd) == fd;
        closed += close(fd) == 0;
    }
    printf("close all: %d of %d were open\n", closed, seen);
    CHECK(syscall(SYS_close_range, 3u, ~0u, 0) == 0);
    make_pair();
    for (high = 100; high < 4200 && high < (int)limit.rlim_cur; high++)
        CHECK(dup2(pair[0], high) == high);
    t = start(read_one, (void *)(intptr_t)(high - 1));
    nap_ms(10);
    CHECK(write(pair[1], "w", 1) == 1);
    printf("after dup2 to every number: %c\n", (char)(intptr_t)join(t));
    CHECK(syscall(SYS_close_range, 100u, ~0u, 0) == 0);
    CHECK(close(100) == -1 && errno == EBADF);
    close_pair();
    make_pair();
    printf("the lowest number comes first: %d\n", pair[0] == 3);
    close_pair();
}

static void *poll_one(void *arg)
{
    struct pollfd p = {(int)(intptr_t)arg, POLLIN, 0};

    CHECK(poll(&p, 1, 5000) == 1);
    return (void *)(intptr_t)p.revents;
}

/* Several wait on one descriptor, some only for readiness. */
static void test_many_waiters(void)
{
    pthread_t p[3], r[4];
    int sum = 0;

    make_pair();
    for (int i = 0; i < 3; i++)
        p[i] = start(poll_one, (void *)(intptr_t)pair[0]);
    nap_ms(5);
    CHECK(write(pair[1], "k", 1) == 1);
    for (int i = 0; i < 3; i++)
        sum += (intptr_t)join(p[i]) == POLLIN;
    for (int i = 0; i < 4; i++)
        r[i] = start(read_one, (void *)(intptr_t)pair[0]);
    nap_ms(5);
    CHECK(write(pair[1], "kkk", 3) == 3);
    for (int i = 0; i < 4; i++)
        sum += (intptr_t)join(r[i]) == 'k';
    printf("many waiters: %d\n", sum);
    shutdown(pair[1], SHUT_RDWR);
    printf("end of stream: %d\n",
           (int)(intptr_t)join(start(read_one, (void *)(intptr_t)pair[0])));
    close_pair();
}

/* The other threads must not lose it. */
static int test_unshare(void)
{
    enum { UNSHARE = 2 };
    pthread_t t;
    int r;

    make_pair();
    t = start(read_one, (void *)(intptr_t)pair[0]);
    r = (int)syscall(SYS_close_range, pair[1] + 1, ~0u, UNSHARE);
    CHECK(write(pair[1], "u", 1) == 1);
    join(t);
    close_pair();
    return r;
}

/* ---- closed behind us ---- */

/* By a child that shares the table, so that the next is the same number. What
 * it was known as does not hold any more. */
static int close_behind(void)
{
    int status, fd;
    long pid;
    char c;

    make_pair();
    fd = pair[0];
    CHECK(write(pair[1], "a", 1) == 1 && read(fd, &c, 1) == 1);
    pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        syscall(SYS_close, fd);
        syscall(SYS_exit, 0);
    }
    CHECK(pid > 0 && waitpid((pid_t)pid, &status, 0) == pid);
    return fd;
}

static void end_behind(const char *what, int fd, int want, long n)
{
    printf("closed behind, %s: %d %s\n", what, fd == want,
           n < 0 ? strerrorname_np(errno) : "works");
    close(fd);
    close(pair[1]);
}

static void *write_one(void *arg)
{
    nap_ms(5);
    CHECK(write((int)(intptr_t)arg, "b", 1) == 1);
    return NULL;
}

static void test_closed_behind(void)
{
    int want, fd, two[2], old;
    pthread_t t;
    char buf[8];

    t = start(read_one, (void *)(intptr_t)dup(hold[0]));
    want = close_behind();
    fd = open("/proc/self/stat", O_RDONLY);
    end_behind("open", fd, want, read(fd, buf, 8));
    want = close_behind();
    CHECK(pipe(two) == 0);
    close(two[1]);
    end_behind("pipe", two[0], want, read(two[0], buf, 8));
    want = close_behind();
    fd = (int)syscall(SYS_eventfd2, 5, 0);
    end_behind("eventfd", fd, want, read(fd, buf, 8));
    two[0] = open("/proc/self/stat", O_RDONLY);
    want = close_behind();
    fd = dup(two[0]);
    end_behind("dup", fd, want, read(fd, buf, 8));
    close(two[0]);
    want = close_behind();
    old = pair[1];
    make_pair(); /* a socket again, and it waits */
    start(write_one, (void *)(intptr_t)pair[1]);
    fd = pair[0];
    close(old);
    end_behind("socketpair", fd, want, read(fd, buf, 1));
    CHECK(write(hold[1], "e", 1) == 1);
    join(t);
}

/* ---- SO_LINGER ---- */

static volatile int is_closed;

static void *close_it(void *arg)
{
    close((int)(intptr_t)arg);
    is_closed = 1;
    return NULL;
}

static void *replace_it(void *arg)
{
    CHECK(dup2(hold[0], (int)(intptr_t)arg) == (int)(intptr_t)arg);
    is_closed = 1;
    return NULL;
}

static void *close_as_range(void *arg)
{
    unsigned fd = (unsigned)(intptr_t)arg;

    CHECK(syscall(SYS_close_range, fd, fd, 0) == 0);
    is_closed = 1;
    return NULL;
}

/* Its peer reads only when another thread has gone on while it was closed. */
static void test_linger(const char *what, void *(*close_with)(void *))
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    struct linger l = {1, 30};
    socklen_t len = sizeof addr;
    static char buf[65536];
    int server = socket(AF_INET, SOCK_STREAM, 0), client, fd;
    pthread_t t;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(setsockopt(server, SOL_SOCKET, SO_LINGER, &l, sizeof l) == 0);
    CHECK(bind(server, (struct sockaddr *)&addr, len) == 0);
    CHECK(listen(server, 1) == 0);
    CHECK(getsockname(server, (struct sockaddr *)&addr, &len) == 0);
    client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(client, (struct sockaddr *)&addr, len) == 0);
    fd = accept(server, NULL, NULL);
    while (send(fd, buf, sizeof buf, MSG_DONTWAIT) > 0)
        ;
    is_closed = 0;
    t = start(close_with, (void *)(intptr_t)fd);
    nap_ms(5);
    printf("%s lingers: %d\n", what, !is_closed);
    while (recv(client, buf, sizeof buf, 0) > 0)
        ;
    join(t);
    close(fd); /* what dup2() has made of it */
    close(client);
    close(server);
}

/* ---- waits for which the engine needs descriptors ---- */

enum { WAITERS = 100 };

static pid_t hanging_child(void)
{
    pid_t pid = fork();
    char c;

    CHECK(pid >= 0);
    if (pid > 0)
        return pid;
    close(hold[1]);
    while (read(hold[0], &c, 1) > 0)
        ;
    _exit(3);
}

static void *wait_child(void *arg)
{
    int status = 0;
    pid_t pid = (pid_t)(intptr_t)arg;

    return (void *)(intptr_t)(waitpid(pid, &status, 0) == pid &&
                              WEXITSTATUS(status) == 3);
}

static void *wait_signal(void *arg)
{
    const struct timespec limit = {20, 0};

    return (void *)(intptr_t)sigtimedwait(arg, NULL, &limit);
}

static void start_waiters(pthread_t *t, int n, sigset_t *set)
{
    CHECK(pipe(hold) == 0);
    for (int i = 0; i < n; i++)
        t[i] = start(wait_child, (void *)(intptr_t)hanging_child());
    t[n] = start(wait_signal, set);
    nap_ms(20);
}

static void end_waiters(const char *what, pthread_t *t, int n)
{
    int good = 0;

    close(hold[1]);
    for (int i = 0; i < n; i++)
        good += (int)(intptr_t)join(t[i]);
    kill(getpid(), SIGUSR1);
    printf("%s: %d of %d, signal %d\n", what, good, n,
           (intptr_t)join(t[n]) == SIGUSR1);
    close(hold[0]);
}

/* Whatever the program does with numbers that it has not got from open(). */
static void test_waits(sigset_t *set)
{
    pthread_t t[WAITERS + 1];
    struct rlimit limit;
    int fd;

    getrlimit(RLIMIT_NOFILE, &limit);
    start_waiters(t, WAITERS, set);
    fd = dup(0);
    printf("waits: the next is %d\n", fd - hold[1]);
    for (fd = hold[1] + 1; fd < 1000; fd++)
        close(fd);
    CHECK(syscall(SYS_close_range, 1000u, ~0u, 0) == 0);
    end_waiters("waits, and all others closed", t, WAITERS);
    start_waiters(t, WAITERS, set);
    for (fd = 100; fd < 4300 && fd < (int)limit.rlim_cur; fd++)
        CHECK(dup2(0, fd) == fd);
    nap_ms(5);
    end_waiters("waits, and all numbers taken", t, WAITERS);
    CHECK(syscall(SYS_close_range, 100u, ~0u, 0) == 0);
}

/* In a child: the limit does not come back. */
static void test_waits_without_descriptors(sigset_t *set)
{
    struct rlimit limit = {64, 64};
    pthread_t t[3];
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0 && pipe(hold) == 0);
        for (int i = 0; i < 2; i++)
            t[i] = start(wait_child, (void *)(intptr_t)hanging_child());
        while (dup(0) >= 0)
            ;
        t[2] = start(wait_signal, set);
        nap_ms(20);
        end_waiters("waits without a descriptor", t, 2);
        exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

int main(int argc, char **argv)
{
    sigset_t set;

    (void)argv;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1) {
        printf("a table of its own: EINVAL %d\n",
               test_unshare() == -1 && errno == EINVAL);
        test_close_under_a_waiter();
        test_dup2_under_a_waiter();
    }
    test_reuse();
    test_nonblock();
    test_many_waiters();
    test_sweep();
    CHECK(pipe(hold) == 0);
    test_closed_behind();
    test_linger("close", close_it);
    test_linger("dup2", replace_it);
    test_linger("close_range", close_as_range);
    close(hold[0]);
    close(hold[1]);
    test_waits(&set);
    test_waits_without_descriptors(&set);
    return 0;
}
