/* SPDX-License-Identifier: MIT */
/* echo_epoll.c - echo on a raw level-triggered epoll loop: the floor. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum { EVENTS = 256, BUF_BYTES = 1024 };

static void add(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        bench_fail("epoll_ctl: %m");
}

static void accept_all(int epoll, int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && errno == EAGAIN)
            return;
        if (fd < 0)
            bench_fail("accept: %m");
        add(epoll, fd);
    }
}

static void echo(int fd)
{
    static char buf[BUF_BYTES];
    ssize_t n = recv(fd, buf, sizeof(buf), 0);

    if (n < 0 && errno == EAGAIN)
        return;
    /* A client that does not take 64 bytes at once is not ours. */
    if (n <= 0 || send(fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
        close(fd);
}

int main(void)
{
    struct epoll_event events[EVENTS];
    int listener = bench_listen(SOCK_NONBLOCK);
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (epoll < 0)
        bench_fail("epoll_create1: %m");
    add(epoll, listener);
    bench_print_port(listener);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            bench_fail("epoll_wait: %m");
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_all(epoll, listener);
            else
                echo(events[i].data.fd);
        }
    }
}
