/* SPDX-License-Identifier: MIT */
/* echo_libev.c - echo on libev, as its manual would have it. */
#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum { BUF_BYTES = 1024 };

static void echo(struct ev_loop *loop, ev_io *watcher, int events)
{
    static char buf[BUF_BYTES];
    ssize_t n = recv(watcher->fd, buf, sizeof(buf), 0);

    (void)events;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || send(watcher->fd, buf, (size_t)n, MSG_NOSIGNAL) != n) {
        ev_io_stop(loop, watcher);
        close(watcher->fd);
        free(watcher);
    }
}

static void accept_all(struct ev_loop *loop, ev_io *listener, int events)
{
    (void)events;
    for (;;) {
        int fd =
            accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && errno == EAGAIN)
            return;
        ev_io *watcher = malloc(sizeof(*watcher));
        if (fd < 0 || !watcher)
            bench_fail("accept: %m");
        ev_io_init(watcher, echo, fd, EV_READ);
        ev_io_start(loop, watcher);
    }
}

int main(void)
{
    struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL);
    int fd = bench_listen(SOCK_NONBLOCK);
    ev_io listener;

    if (!loop)
        bench_fail("libev has no epoll");
    ev_io_init(&listener, accept_all, fd, EV_READ);
    ev_io_start(loop, &listener);
    bench_print_port(fd);
    ev_run(loop, 0);
    return 0;
}
