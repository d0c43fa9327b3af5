/* SPDX-License-Identifier: MIT */
/* echo_client.c - the load of the echo benches: each connection sends 64 bytes,
 * waits for the same 64 bytes, and sends the next. Every byte is compared.
 * After the window it waits for the answers that are still out.
 *
 * Options: load.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "load.h"

enum { MESSAGE_BYTES = 64, EVENTS = 256, STEP_MS = 100 };

struct conn {
    int fd;
    uint32_t have;   /* bytes of the answer that are there */
    uint64_t number; /* of the message; each has other bytes */
    int64_t sent_at;
    uint64_t out[MESSAGE_BYTES / 8];
    char in[MESSAGE_BYTES];
};

static struct load load;
static int n_waiting; /* answers that are out */

static void send_next(struct conn *conn, int64_t now)
{
    conn->number++;
    for (int i = 0; i < MESSAGE_BYTES / 8; i++)
        conn->out[i] = (conn->number * 8 + (uint64_t)i) * 0x9e3779b97f4a7c15;
    conn->have = 0;
    conn->sent_at = now;
    if (send(conn->fd, conn->out, MESSAGE_BYTES, 0) != MESSAGE_BYTES)
        bench_fail("send: %m");
    n_waiting++;
}

/* Read what is there; true when the answer is complete, and right. */
static int receive(struct conn *conn)
{
    ssize_t n =
        recv(conn->fd, conn->in + conn->have, MESSAGE_BYTES - conn->have, 0);

    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        bench_fail("recv: %s", n ? strerror(errno) : "the server hung up");
    conn->have += (uint32_t)n;
    if (conn->have < MESSAGE_BYTES)
        return 0;
    if (memcmp(conn->in, conn->out, MESSAGE_BYTES))
        bench_fail("a wrong answer: the bytes differ");
    n_waiting--;
    return 1;
}

static struct conn *connect_all(int epoll)
{
    struct conn *conns = calloc((size_t)load.connections, sizeof(*conns));

    if (!conns)
        bench_fail("no memory");
    for (int i = 0; i < load.connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &conns[i]};
        conns[i].fd = load_connect(&load, i, 0);
        if (conns[i].fd < 0)
            bench_fail("connection %d: %s", i, strerror(-conns[i].fd));
        conns[i].number = (uint64_t)i << 32;
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, conns[i].fd, &event))
            bench_fail("epoll_ctl: %m");
    }
    return conns;
}

/* One message each, so that the server has all connections at work. */
static void greet(int epoll, struct conn *conns)
{
    struct epoll_event events[EVENTS];

    for (int i = 0; i < load.connections; i++)
        send_next(&conns[i], bench_now_ns());
    while (n_waiting) {
        int n = epoll_wait(epoll, events, EVENTS, STEP_MS);
        for (int i = 0; i < n; i++)
            receive(events[i].data.ptr);
    }
}

static void drive(int epoll)
{
    struct epoll_event events[EVENTS];

    while (!load.ended || n_waiting) {
        int n = epoll_wait(epoll, events, EVENTS, STEP_MS);
        if (n < 0 && errno != EINTR)
            bench_fail("epoll_wait: %m");
        if (n <= 0)
            load_look(&load, bench_now_ns());
        for (int i = 0; i < n; i++) {
            struct conn *conn = events[i].data.ptr;
            if (!receive(conn))
                continue;
            int64_t now = bench_now_ns();
            load_answer(&load, conn->sent_at, now);
            if (!load.ended)
                send_next(conn, now);
        }
    }
}

int main(int argc, char **argv)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    load_init(&load, argc, argv);
    if (epoll < 0)
        bench_fail("epoll_create1: %m");
    struct conn *conns = connect_all(epoll);
    greet(epoll, conns);
    load_start(&load);
    for (int i = 0; i < load.connections; i++)
        send_next(&conns[i], bench_now_ns());
    drive(epoll);
    load_print(&load);
    return 0;
}
