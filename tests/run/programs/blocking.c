/* SPDX-License-Identifier: MIT */
/* tests/run/programs/blocking.c - while main blocks in a call, another thread
 * must go on: it ticks some times and then does what ends the call. Each case
 * is one way to block, by libc's function, from within libc, or by a system
 * call of its own. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "support.h"

enum { TICKS = 5 };

static int pipe_fds[2], pair[2], listener, extra, word;
static struct sockaddr_in address = {.sin_family = AF_INET};
static sem_t sem;
static pid_t child;
static char path[] = "/tmp/tendril-lock-XXXXXX";
static volatile int ticks;

/* ---- how the other thread ends it ---- */

static void write_pipe(void)
{
    CHECK(write(pipe_fds[1], "x\n", 2) == 2);
}

static void write_pair(void)
{
    CHECK(write(pair[1], "x\n", 2) == 2);
}

static void drain_pair(void)
{
    char buf[4096];
    long left = 4000000;

    while (left > 0) {
        ssize_t n = read(pair[1], buf, sizeof buf);

        CHECK(n > 0);
        left -= n;
    }
}

static void connect_to(void)
{
    extra = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(extra, (struct sockaddr *)&address, sizeof address) == 0);
}

static void wake_word(void)
{
    word = 1;
    syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void post(void)
{
    sem_post(&sem);
}

static void end_child(void)
{
    CHECK(write(pipe_fds[1], "x", 1) == 1);
}

static void unlock(void)
{
    close(extra);
}

static void nothing(void)
{
}

static void send_signal(void)
{
    kill(getpid(), SIGUSR2);
}

/* ---- the calls that block ---- */

static void read_pipe(void)
{
    char c[2];

    CHECK(read(pipe_fds[0], c, 2) == 2);
}

static void raw_read(void)
{
    char c[2];
    long r;

    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "0"(SYS_read), "D"(pipe_fds[0]), "S"(c), "d"(2)
                     : "rcx", "r11", "memory");
    CHECK(r == 2);
}

static void stdio_read(void)
{
    FILE *f = fdopen(dup(pair[0]), "r");
    char line[8];

    CHECK(fgets(line, sizeof line, f) && line[0] == 'x');
    fclose(f);
}

static void do_recv(void)
{
    char c[2];

    CHECK(recv(pair[0], c, 2, MSG_WAITALL) == 2);
}

static void do_recvmsg(void)
{
    char c[2];
    struct iovec iov = {c, 2};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

    CHECK(recvmsg(pair[0], &m, 0) == 2);
}

static void do_recvmmsg(void)
{
    char c[2];
    struct iovec iov = {c, 2};
    struct mmsghdr m = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};

    CHECK(recvmmsg(pair[0], &m, 1, 0, NULL) == 1 && m.msg_len == 2);
}

static void write_much(void)
{
    char *buf = calloc(1, 4000000);

    CHECK(write(pair[0], buf, 4000000) == 4000000);
    free(buf);
}

static void writev_much(void)
{
    char *buf = calloc(1, 4000000);
    struct iovec iov[3] = {{buf, 1}, {buf + 1, 1999999}, {buf, 2000000}};

    CHECK(writev(pair[0], iov, 3) == 4000000);
    free(buf);
}

static void do_accept(void)
{
    int fd = accept(listener, NULL, NULL);

    CHECK(fd >= 0);
    CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
    CHECK(!(fcntl(listener, F_GETFL) & O_NONBLOCK));
    close(fd);
    close(extra);
}

static void do_poll(void)
{
    struct pollfd p[2] = {{pair[0], POLLIN, 0}, {pipe_fds[0], POLLIN, 0}};

    CHECK(poll(p, 2, -1) == 1 && p[1].revents == POLLIN);
    read_pipe();
}

static void poll_in_time(void)
{
    struct pollfd p = {pair[0], POLLIN, 0};

    CHECK(poll(&p, 1, 30) == 0 && p.revents == 0);
    CHECK(poll(NULL, 0, 10) == 0);
}

static void do_select(void)
{
    struct timeval t = {10, 0};
    fd_set in;

    FD_ZERO(&in);
    FD_SET(pipe_fds[0], &in);
    FD_SET(pair[0], &in);
    CHECK(select(pair[0] + pipe_fds[0] + 1, &in, NULL, NULL, &t) == 1);
    CHECK(FD_ISSET(pipe_fds[0], &in) && !FD_ISSET(pair[0], &in));
    CHECK(t.tv_sec < 10);
    read_pipe();
}

static void do_epoll(void)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = 5};
    int ep = epoll_create1(0);

    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, pipe_fds[0], &e) == 0);
    CHECK(epoll_wait(ep, &e, 1, -1) == 1 && e.data.u32 == 5);
    read_pipe();
    CHECK(epoll_wait(ep, &e, 1, 10) == 0);
    close(ep);
}

static void wait_word(void)
{
    while (word == 0)
        syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
    word = 0;
}

static void do_sem(void)
{
    CHECK(sem_wait(&sem) == 0);
}

static void do_sleep(void)
{
    struct timespec t = {0, 30000000};

    CHECK(clock_nanosleep(CLOCK_REALTIME, 0, &t, NULL) == 0);
}

static void start_child(void)
{
    char c;

    child = fork();
    if (child == 0)
        _exit(read(pipe_fds[0], &c, 1) == 1 ? 9 : 1);
    CHECK(child > 0);
}

static void do_waitpid(void)
{
    int status;

    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 9);
}

static void do_wait(void)
{
    int status;

    CHECK(wait(&status) == child && WEXITSTATUS(status) == 9);
}

static void do_waitid(void)
{
    siginfo_t info;

    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED) == 0);
    CHECK(info.si_status == 9);
}

static void do_popen(void)
{
    FILE *f = popen("sleep 0.05; echo out", "r");
    char line[16];

    CHECK(fgets(line, sizeof line, f) && strcmp(line, "out\n") == 0);
    CHECK(pclose(f) == 0);
    CHECK(WEXITSTATUS((system)("sleep 0.02; exit 4")) == 4);
}

static void take_lock(void)
{
    extra = open(path, O_RDWR);
    CHECK(flock(extra, LOCK_EX) == 0);
}

static void do_flock(void)
{
    int fd = open(path, O_RDWR);

    CHECK(flock(fd, LOCK_EX) == 0);
    close(fd);
}

static void do_sigwait(void)
{
    sigset_t set;
    int sig;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK(sigwait(&set, &sig) == 0 && sig == SIGUSR2);
}

static void do_eventfd(void)
{
    struct itimerspec t = {.it_value = {0, 20000000}};
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    uint64_t n;

    CHECK(timerfd_settime(fd, 0, &t, NULL) == 0);
    CHECK(read(fd, &n, sizeof n) == sizeof n && n == 1);
    close(fd);
}

static void receive_in_time(void)
{
    struct timeval t = {0, 30000};
    char c;

    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    CHECK(recv(pair[0], &c, 1, 0) == -1 && errno == EAGAIN);
    t.tv_usec = 0;
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
}

struct test {
    const char *name;
    void (*prepare)(void);
    void (*block)(void);
    void (*end)(void);
};

static const struct test tests[] = {
    {"read a pipe", nothing, read_pipe, write_pipe},
    {"read by an instruction of its own", nothing, raw_read, write_pipe},
    {"fgets on a socket", nothing, stdio_read, write_pair},
    {"recv", nothing, do_recv, write_pair},
    {"recvmsg", nothing, do_recvmsg, write_pair},
    {"recvmmsg", nothing, do_recvmmsg, write_pair},
    {"write more than fits", nothing, write_much, drain_pair},
    {"writev more than fits", nothing, writev_much, drain_pair},
    {"accept", nothing, do_accept, connect_to},
    {"poll", nothing, do_poll, write_pipe},
    {"poll with a timeout", nothing, poll_in_time, nothing},
    {"select", nothing, do_select, write_pipe},
    {"epoll_wait", nothing, do_epoll, write_pipe},
    {"futex", nothing, wait_word, wake_word},
    {"sem_wait", nothing, do_sem, post},
    {"clock_nanosleep", nothing, do_sleep, nothing},
    {"waitpid", start_child, do_waitpid, end_child},
    {"wait", start_child, do_wait, end_child},
    {"waitid", start_child, do_waitid, end_child},
    {"popen and system", nothing, do_popen, nothing},
    {"flock", take_lock, do_flock, unlock},
    {"sigwait", nothing, do_sigwait, send_signal},
    {"read a timerfd", nothing, do_eventfd, nothing},
    {"recv with SO_RCVTIMEO", nothing, receive_in_time, nothing},
    {"accept after a fork", nothing, do_accept, connect_to},
};

static void *tick(void *arg)
{
    const struct test *t = arg;

    for (int i = 0; i < TICKS; i++) {
        nap_ms(1);
        ticks++;
    }
    t->end();
    return NULL;
}

static void set_up(void)
{
    socklen_t len = sizeof address;
    sigset_t set;
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    close(fd);
    CHECK(pipe(pipe_fds) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, len) == 0);
    CHECK(listen(listener, 5) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    sem_init(&sem, 0, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int main(void)
{
    set_up();
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        pthread_t other;

        tests[i].prepare();
        ticks = 0;
        other = start(tick, (void *)&tests[i]);
        tests[i].block();
        join(other);
        printf("%s: %d ticks\n", tests[i].name, ticks);
        fflush(stdout);
    }
    unlink(path);
    return 0;
}
