/* SPDX-License-Identifier: MIT */
/* 4: callbacks.c - an event loop (libev): no table to search, any number of
 * clients, and the unsent rest that select.c left out. The code is cut at each
 * place that waits; what echo() had in its frame lies in a struct. */
#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct client {
    ev_io io; /* first: callbacks get a pointer to it */
    size_t n; /* bytes that are not sent yet */
    char buf[4096];
};

static void drop(struct ev_loop *loop, struct client *c)
{
    ev_io_stop(loop, &c->io);
    close(c->io.fd);
    free(c);
}

static void on_ready(struct ev_loop *loop, ev_io *io, int events)
{
    struct client *c = (struct client *)io;
    ssize_t n =
        c->n > 0 ? (ssize_t)c->n : recv(io->fd, c->buf, sizeof c->buf, 0);
    ssize_t sent = n > 0 ? send(io->fd, c->buf, (size_t)n, MSG_NOSIGNAL) : n;

    (void)events;
    if (n < 0 && errno == EAGAIN)
        return; /* nothing had come */
    if (sent == 0 || (sent < 0 && errno != EAGAIN)) {
        drop(loop, c);
        return;
    }
    c->n = (size_t)(sent < 0 ? n : n - sent);
    memmove(c->buf, c->buf + ((size_t)n - c->n), c->n);
    ev_io_stop(loop, io);
    ev_io_set(io, io->fd, c->n > 0 ? EV_WRITE : EV_READ);
    ev_io_start(loop, io);
}

static void on_client(struct ev_loop *loop, ev_io *io, int events)
{
    int fd = accept(io->fd, NULL, NULL);
    struct client *c = fd < 0 ? NULL : calloc(1, sizeof *c);

    (void)events;
    if (!c)
        return;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    ev_io_init(&c->io, on_ready, fd, EV_READ);
    ev_io_start(loop, &c->io);
}

int main(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof addr;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    ev_io io;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&addr, len) < 0 ||
        listen(listener, 1024) < 0 ||
        getsockname(listener, (struct sockaddr *)&addr, &len) < 0)
        return 1;
    printf("listening on port %d\n", ntohs(addr.sin_port));
    fflush(stdout);
    ev_io_init(&io, on_client, listener, EV_READ);
    ev_io_start(EV_DEFAULT, &io);
    return ev_run(EV_DEFAULT, 0);
}
