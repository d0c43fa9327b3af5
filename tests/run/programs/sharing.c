/* SPDX-License-Identifier: MIT */
/* tests/run/programs/sharing.c - descriptors that other processes share, and
 * programs that close all they do not know. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "support.h"

static int fds[2];

static int status_of(pid_t pid)
{
    int status;

    CHECK(pid > 0);
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void *beside(void *arg)
{
    while (!*(volatile int *)arg)
        nap_ms(1);
    return NULL;
}

static void set_nonblock(int is_on)
{
    int flags = fcntl(fds[0], F_GETFL);

    CHECK(fcntl(fds[0], F_SETFL,
                is_on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) == 0);
}

/* The child changes O_NONBLOCK of what both have: it holds for us, too. */
static void test_nonblock(void)
{
    char c = 'a';
    pid_t pid;
    ssize_t n;

    CHECK(pipe(fds) == 0);
    CHECK(write(fds[1], &c, 1) == 1);
    CHECK(read(fds[0], &c, 1) == 1);
    for (int is_on = 1; is_on >= 0; is_on--) {
        pid = fork();
        if (pid == 0) {
            nap_ms(5);
            set_nonblock(is_on);
            _exit(0);
        }
        CHECK(status_of(pid) == 0);
        pid = is_on ? -1 : fork();
        if (pid == 0) {
            nap_ms(10);
            CHECK(write(fds[1], &c, 1) == 1);
            _exit(0);
        }
        n = read(fds[0], &c, 1);
        printf("the child has set it to %d: read %d %d\n", is_on, (int)n,
               n < 0 && errno == EAGAIN);
        if (pid > 0)
            CHECK(status_of(pid) == 0);
    }
}

/* What is closed in the child stays open here, also for one who waits. */
static void *read_one(void *arg)
{
    char c = 0;

    CHECK(read(fds[0], &c, 1) == 1);
    return (void *)(intptr_t)(c + (arg != NULL));
}

/* The same where nothing tells which descriptors there are. */
static void test_without_proc(void)
{
    char folder[] = "/tmp/tendril-sharing-XXXXXX";
    volatile int is_over = 0;
    pid_t pid;

    CHECK(mkdtemp(folder) != NULL);
    pid = fork();
    if (pid == 0) {
        alarm(10);
        start(beside, (void *)&is_over);
        if (chroot(folder) == 0 && chdir("/") == 0)
            test_nonblock();
        else
            printf("skip chroot: %s\n", strerror(errno));
        _exit(0);
    }
    printf("without /proc: %d\n", status_of(pid));
    rmdir(folder);
}

static void test_close(void)
{
    pthread_t t;
    pid_t pid;

    CHECK(pipe(fds) == 0);
    t = start(read_one, NULL);
    nap_ms(5);
    pid = fork();
    if (pid == 0) {
        close(fds[0]);
        close(fds[1]);
        _exit(0);
    }
    CHECK(status_of(pid) == 0);
    CHECK(write(fds[1], "b", 1) == 1);
    printf("the child has closed it: %c\n", (int)(intptr_t)join(t));
}

/* ---- what another process sees meanwhile ---- */

enum { ROUNDS = 1000 };

static struct sockaddr_in address = {.sin_family = AF_INET};

/* Was O_NONBLOCK set on it, before the other end of `way` was closed? */
static int look_at(int fd, int way)
{
    int seen = 0;
    char c;

    fcntl(way, F_SETFL, O_NONBLOCK);
    while (read(way, &c, 1) < 0)
        for (int i = 0; i < 100; i++)
            seen += (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
    return seen > 0;
}

static void *connect_often(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct linger abort = {1, 0}; /* leave no number in TIME_WAIT */

        CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
        close(fd);
    }
    return arg;
}

static void accept_often(int fd)
{
    pthread_t t = start(connect_often, NULL);

    for (int i = 0; i < ROUNDS; i++) {
        int connection = accept(fd, NULL, NULL);

        CHECK(connection >= 0);
        close(connection);
    }
    join(t);
}

static void *read_all(void *arg)
{
    char buf[1024];

    while (read(fds[1], buf, sizeof buf) > 0)
        ;
    return arg;
}

static void send_often(int fd)
{
    pthread_t t = start(read_all, NULL);
    int file = open("/proc/self/exe", O_RDONLY), sides[2];

    CHECK(pipe(sides) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        off_t at = 0;

        CHECK(sendfile(fd, file, &at, 100) == 100);
        CHECK(write(sides[1], "x", 1) == 1);
        CHECK(splice(sides[0], NULL, fd, NULL, 1, 0) == 1);
    }
    shutdown(fd, SHUT_WR);
    join(t);
    close(file);
    close(sides[0]);
    close(sides[1]);
}

static void test_unseen(const char *what, int fd, void (*fn)(int fd))
{
    int way[2];
    pid_t pid;

    CHECK(pipe(way) == 0);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        close(way[1]);
        _exit(look_at(fd, way[0]));
    }
    close(way[0]);
    fn(fd);
    close(way[1]);
    printf("%s: O_NONBLOCK was seen %d\n", what, status_of(pid));
}

static void test_all_unseen(void)
{
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(listener, (struct sockaddr *)&address, len) == 0);
    CHECK(listen(listener, 50) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    test_unseen("accept", listener, accept_often);
    close(listener);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    test_unseen("sendfile and splice", fds[0], send_often);
    close(fds[0]);
    close(fds[1]);
}

/* Whoever reads first has it; nobody is stuck. */
static void test_readers(void)
{
    enum { READERS = 4, BYTES = 200 };
    pid_t pids[READERS];
    int sum = 0;
    char c;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    for (int i = 0; i < READERS; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            int n = 0;

            close(fds[1]);
            while (read(fds[0], &c, 1) == 1)
                n++;
            _exit(n);
        }
    }
    for (int i = 0; i < BYTES; i++)
        CHECK(write(fds[1], "c", 1) == 1);
    close(fds[1]);
    for (int i = 0; i < READERS; i++)
        sum += status_of(pids[i]);
    printf("read by all children: %d\n", sum);
    close(fds[0]);
}

/* ---- FIFOs ---- */

enum { TAKERS = 4, TURNS = 1500 };

static char fifo_name[] = "/tmp/fifo-XXXXXX";

static void *take(void *arg)
{
    int fifo = (int)(intptr_t)arg;
    char c;

    while (read(fifo, &c, 1) == 1)
        if (c-- > 0)
            CHECK(write(fifo, &c, 1) == 1);
    return NULL;
}

/* One thread takes from the FIFO and gives back, a hundred times in all; the
 * other answers. */
static void take_and_answer(int ask, int answer)
{
    int fifo = open(fifo_name, O_RDWR);
    pthread_t t = start(take, (void *)(intptr_t)fifo);
    char c;

    while (read(ask, &c, 1) == 1)
        CHECK(write(answer, &c, 1) == 1);
    pthread_detach(t);
    _exit(0);
}

/* Is there an answer? By the time that is waited for, there should be. */
static int has_answer(int ask, int answer)
{
    struct pollfd p = {answer, POLLIN, 0};
    char c = '?';

    CHECK(write(ask, &c, 1) == 1);
    return poll(&p, 1, 8000) == 1 && read(answer, &c, 1) == 1;
}

/* Several wait for the same byte: who does not get it still runs. */
static void test_fifo(void)
{
    int ask[TAKERS][2], answer[TAKERS][2], file = mkstemp(fifo_name);
    pid_t pids[TAKERS];
    int fifo, stuck = 0;

    CHECK(file >= 0 && unlink(fifo_name) == 0 && close(file) == 0);
    CHECK(mkfifo(fifo_name, 0600) == 0);
    fifo = open(fifo_name, O_RDWR);
    for (int i = 0; i < TAKERS; i++) {
        CHECK(pipe(ask[i]) == 0 && pipe(answer[i]) == 0);
        fflush(stdout);
        pids[i] = fork();
        if (pids[i] == 0)
            take_and_answer(ask[i][0], answer[i][1]);
    }
    for (int turn = 0; turn < TURNS && !stuck; turn++) {
        CHECK(write(fifo, "d", 1) == 1);
        for (int i = 0; i < TAKERS; i++)
            stuck += !has_answer(ask[i][1], answer[i][0]);
    }
    printf("stuck by a FIFO: %d\n", stuck);
    for (int i = 0; i < TAKERS; i++) {
        kill(pids[i], SIGKILL);
        CHECK(status_of(pids[i]) == -SIGKILL);
        close(ask[i][0]);
        close(ask[i][1]);
        close(answer[i][0]);
        close(answer[i][1]);
    }
    close(fifo);
    unlink(fifo_name);
}

/* ---- closing all ---- */

static int work_after(void)
{
    pthread_t t;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    t = start(read_one, NULL);
    nap_ms(5);
    CHECK(write(fds[1], "d", 1) == 1);
    return (int)(intptr_t)join(t) == 'd' ? 3 : 4;
}

static int close_by_loop(void)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (int fd = 3; fd < (int)limit.rlim_cur && fd < 70000; fd++)
        close(fd);
    return work_after();
}

static int close_by_range(void)
{
    CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
    return work_after();
}

static int close_unshared(void)
{
    CHECK(syscall(SYS_close_range, 3, ~0u, 2 /* CLOSE_RANGE_UNSHARE */) == 0);
    return work_after();
}

static int replace_all(void)
{
    for (int fd = 3; fd < 5000; fd++)
        if (dup2(2, fd) != fd)
            return 5;
    return work_after();
}

static void test_all(const char *name, int (*fn)(void))
{
    volatile int is_over = 0;
    pthread_t t = start(beside, (void *)(uintptr_t)&is_over);
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0)
        _exit(fn());
    printf("%s %d\n", name, status_of(pid));
    is_over = 1;
    join(t);
}

int main(void)
{
    struct rlimit limit = {8000, 8000};

    setvbuf(stdout, NULL, _IOLBF, 0);
    setrlimit(RLIMIT_NOFILE, &limit);
    test_nonblock();
    test_without_proc();
    test_close();
    test_readers();
    test_all_unseen();
    test_fifo();
    test_all("close() of all", close_by_loop);
    test_all("close_range() of all", close_by_range);
    test_all("the same, unshared", close_unshared);
    test_all("dup2() to all", replace_all);
    printf("and at last in this process %d\n", close_by_range());
    return close_by_loop();
}
