/* SPDX-License-Identifier: MIT */
/* soak_files.c - tasks of the soak: descriptors, and memory. */
#include "soak.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

enum { BYTES = 70000 };

/* ---- streams ---- */

static void *echo(void *arg)
{
    int fd = *(int *)arg;
    char buf[2000];
    ssize_t n;

    while ((n = read(fd, buf, sizeof buf)) > 0)
        for (ssize_t done = 0, r; done < n; done += r)
            CHECK((r = send(fd, buf + done, (size_t)(n - done), 0)) > 0);
    CHECK(n == 0);
    CHECK(shutdown(fd, SHUT_WR) == 0);
    return NULL;
}

struct sending {
    int fd;
    size_t bytes;
    unsigned char first;
};

static void *send_all(void *arg)
{
    struct sending *s = arg;
    unsigned char buf[1000];

    for (size_t done = 0; done < s->bytes;) {
        size_t n = s->bytes - done < sizeof buf ? s->bytes - done : sizeof buf;
        ssize_t r;

        for (size_t i = 0; i < n; i++)
            buf[i] = (unsigned char)(s->first + (done + i) * 7);
        CHECK((r = write(s->fd, buf, n)) > 0);
        done += (size_t)r;
    }
    CHECK(shutdown(s->fd, SHUT_WR) == 0);
    return NULL;
}

static void receive_all(const struct sending *s)
{
    unsigned char buf[1500];
    size_t done = 0;
    ssize_t n;

    while ((n = recv(s->fd, buf, sizeof buf, 0)) > 0)
        for (ssize_t i = 0; i < n; i++, done++)
            CHECK(buf[i] == (unsigned char)(s->first + done * 7));
    CHECK(n == 0 && done == s->bytes);
}

/* `fds`: two ends. What is sent into the first comes back there. */
static void exchange(int fds[2], struct dice *dice)
{
    struct sending s = {fds[0], 1 + roll(dice, BYTES),
                        (unsigned char)roll(dice, 256)};
    pthread_t other = start(echo, &fds[1]), sender = start(send_all, &s);

    receive_all(&s);
    join(sender);
    join(other);
    close(fds[0]);
    close(fds[1]);
}

void echo_on_a_pair(struct dice *dice)
{
    int fds[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    exchange(fds, dice);
}

static void *accept_one(void *arg)
{
    int fd = *(int *)arg;

    return (void *)(long)accept4(fd, NULL, NULL, SOCK_CLOEXEC);
}

void echo_by_tcp(struct dice *dice)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    struct linger now = {1, 0};
    socklen_t bytes = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[2];
    pthread_t t;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(listener >= 0 && bind(listener, (void *)&a, sizeof a) == 0);
    CHECK(listen(listener, 1) == 0);
    CHECK(getsockname(listener, (void *)&a, &bytes) == 0);
    t = start(accept_one, &listener);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fds[0] >= 0 && connect(fds[0], (void *)&a, sizeof a) == 0);
    fds[1] = (int)(long)join(t);
    CHECK(fds[1] >= 0);
    /* Else the hours would use up the ports of the machine. */
    CHECK(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    CHECK(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    close(listener);
    exchange(fds, dice);
}

void send_a_datagram(struct dice *dice)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    struct timeval soon = {0, 2000};
    socklen_t bytes = sizeof a;
    int in = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint64_t sent = roll(dice, 1000), got = 0;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(in >= 0 && bind(in, (void *)&a, sizeof a) == 0);
    CHECK(getsockname(in, (void *)&a, &bytes) == 0);
    CHECK(sendto(in, &sent, sizeof sent, 0, (void *)&a, sizeof a) ==
          sizeof sent);
    CHECK(recv(in, &got, sizeof got, 0) == sizeof got && got == sent);
    CHECK(setsockopt(in, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon) == 0);
    CHECK(recv(in, &got, sizeof got, 0) < 0 && errno == EAGAIN);
    close(in);
}

/* ---- pipes ---- */

static bool is_readable(int fd, int by)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    struct pollfd p = {.fd = fd, .events = POLLIN};
    fd_set set;
    int set_fd, r;

    if (by == 0)
        return poll(&p, 1, -1) == 1;
    if (by == 1 && fd < FD_SETSIZE) {
        FD_ZERO(&set);
        FD_SET(fd, &set);
        return select(fd + 1, &set, NULL, NULL, NULL) == 1;
    }
    CHECK((set_fd = epoll_create1(EPOLL_CLOEXEC)) >= 0);
    CHECK(epoll_ctl(set_fd, EPOLL_CTL_ADD, fd, &event) == 0);
    r = epoll_wait(set_fd, &event, 1, 60000);
    close(set_fd);
    return r == 1 && event.data.fd == fd;
}

static void *write_some(void *arg)
{
    int fd = *(int *)arg;

    for (int i = 0; i < 20; i++) {
        if (i % 8 == 7)
            nap_ms(1);
        CHECK(write(fd, &i, sizeof i) == sizeof i);
    }
    close(fd);
    return NULL;
}

void pipe_and_poll(struct dice *dice)
{
    int fds[2], got, by = (int)roll(dice, 3);
    pthread_t t;

    CHECK(pipe2(fds, O_CLOEXEC) == 0);
    t = start(write_some, &fds[1]);
    for (int i = 0; i < 20; i++) {
        CHECK(is_readable(fds[0], by));
        CHECK(read(fds[0], &got, sizeof got) == sizeof got && got == i);
    }
    CHECK(read(fds[0], &got, sizeof got) == 0);
    join(t);
    close(fds[0]);
}

/* ---- files ---- */

/* Open, without a name; 0: nor an O_TMPFILE. */
static int make_file(char path[32])
{
    int fd;

    memcpy(path, "soak-XXXXXX", 12);
    CHECK((fd = mkostemp(path, O_CLOEXEC)) >= 0);
    return fd;
}

void write_a_file(struct dice *dice)
{
    char path[32], block[4096], back[4096];
    int fd = make_file(path), n = 1 + (int)roll(dice, 8), copy[2];
    off_t from = 0;

    memset(block, (int)roll(dice, 256), sizeof block);
    for (int i = 0; i < n; i++)
        CHECK(write(fd, block, sizeof block) == sizeof block);
    if (roll(dice, 4) == 0)
        CHECK(fsync(fd) == 0);
    for (int i = 0; i < n; i++) {
        CHECK(pread(fd, back, sizeof back, i * (off_t)sizeof back) ==
              sizeof back);
        CHECK(memcmp(block, back, sizeof back) == 0);
    }
    CHECK(pipe2(copy, O_CLOEXEC) == 0);
    CHECK(sendfile(copy[1], fd, &from, 100) == 100);
    CHECK(read(copy[0], back, 200) == 100);
    CHECK(memcmp(block, back, 100) == 0);
    CHECK(unlink(path) == 0);
    close(copy[0]);
    close(copy[1]);
    close(fd);
}

static void *lock_and_leave(void *arg)
{
    int fd = open(arg, O_RDWR | O_CLOEXEC);

    CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
    close(fd);
    return NULL;
}

void lock_a_file(struct dice *dice)
{
    char path[32];
    int fd = make_file(path);
    pthread_t t;

    CHECK(flock(fd, LOCK_EX) == 0);
    t = start(lock_and_leave, path);
    nap_ms((long)roll(dice, 3));
    CHECK(flock(fd, LOCK_UN) == 0);
    join(t);
    CHECK(unlink(path) == 0);
    close(fd);
}

/* ---- timers, memory ---- */

static void *tell(void *arg)
{
    CHECK(eventfd_write(*(int *)arg, 5) == 0);
    return NULL;
}

void wait_for_a_timer(struct dice *dice)
{
    struct itimerspec in = {{0, 500000}, {0, 1 + (long)roll(dice, 2000000)}};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    int event = eventfd(0, EFD_CLOEXEC);
    uint64_t n;
    pthread_t t;

    CHECK(timer >= 0 && event >= 0);
    CHECK(timerfd_settime(timer, 0, &in, NULL) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(read(timer, &n, sizeof n) == sizeof n && n > 0);
    t = start(tell, &event);
    CHECK(eventfd_read(event, &n) == 0 && n == 5);
    join(t);
    close(timer);
    close(event);
}

void map_memory(struct dice *dice)
{
    size_t pages = 1 + roll(dice, 60), bytes = pages * 4096;
    char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *more = malloc(100 + roll(dice, 300000));

    CHECK(at != MAP_FAILED && more != NULL);
    memset(more, 1, 100);
    for (size_t i = 0; i < bytes; i += 4096)
        at[i] = 1;
    CHECK(mprotect(at, 4096, PROT_READ) == 0);
    CHECK(madvise(at, bytes, MADV_DONTNEED) == 0);
    CHECK(at[0] == 0);
    CHECK(munmap(at, bytes) == 0);
    free(more);
}
