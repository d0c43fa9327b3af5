/* SPDX-License-Identifier: MIT */
/* tests/support/waits.c - see waits.h. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include "support/waits.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static char byte;

static void swap_ends(struct wait *w)
{
    int fd = w->fds[0];

    w->fds[0] = w->fds[1];
    w->fds[1] = fd;
}

/* ---- input ---- */

static void open_recv(struct wait *w)
{
    open_pair(w->fds);
}

static void open_recv_foreign(struct wait *w)
{
    open_foreign_pair(w->fds);
}

static void open_read(struct wait *w)
{
    open_pipe(w->fds);
}

static void open_read_foreign(struct wait *w)
{
    open_foreign_pipe(w->fds);
}

static void write_one(struct wait *w)
{
    assert_result(write(w->fds[1], "x", 1), 1);
}

static long call_recv(struct wait *w, tn_time deadline)
{
    return tn_recv(w->fds[0], &byte, 1, 0, deadline);
}

static long call_read(struct wait *w, tn_time deadline)
{
    return tn_read(w->fds[0], &byte, 1, deadline);
}

/* ---- output ---- */

static void open_send(struct wait *w)
{
    open_pair(w->fds);
    fill(w->fds[0]);
}

static void open_send_foreign(struct wait *w)
{
    open_foreign_pair(w->fds);
    fill(w->fds[0]);
}

static void open_write(struct wait *w)
{
    open_pipe(w->fds);
    swap_ends(w);
    fill(w->fds[0]);
}

static void open_write_foreign(struct wait *w)
{
    open_foreign_pipe(w->fds);
    swap_ends(w);
    fill(w->fds[0]);
}

static void drain_peer(struct wait *w)
{
    drain(w->fds[1]);
}

static long call_send(struct wait *w, tn_time deadline)
{
    return tn_send(w->fds[0], "x", 1, 0, deadline);
}

static long call_send_all(struct wait *w, tn_time deadline)
{
    return tn_send_all(w->fds[0], "x", 1, 0, NULL, deadline);
}

static long call_write(struct wait *w, tn_time deadline)
{
    return tn_write(w->fds[0], "x", 1, deadline);
}

static long call_write_all(struct wait *w, tn_time deadline)
{
    return tn_write_all(w->fds[0], "x", 1, NULL, deadline);
}

/* ---- accept and connect ---- */

static void open_accept(struct wait *w)
{
    struct sockaddr_in addr;

    w->fds[0] = open_listener(&addr);
}

static int raw_connect(const struct sockaddr *addr, socklen_t len)
{
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    if (connect(fd, addr, len) < 0)
        assert_result(errno, EINPROGRESS);
    return fd;
}

static void connect_to_it(struct wait *w)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;

    assert_result(getsockname(w->fds[0], (struct sockaddr *)&addr, &len), 0);
    w->fds[1] = raw_connect((struct sockaddr *)&addr, len);
}

static long call_accept(struct wait *w, tn_time deadline)
{
    int fd = tn_accept(w->fds[0], NULL, NULL, deadline);

    return fd < 0 ? fd : tn_close(fd);
}

/* A listener whose queue is full: the next connection is not answered. */
static void open_connect(struct wait *w)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;

    w->fds[1] = tn_listen("127.0.0.1:0", 0);
    assert_true(w->fds[1] >= 0);
    assert_result(getsockname(w->fds[1], (struct sockaddr *)&addr, &len), 0);
    w->fds[2] = raw_connect((struct sockaddr *)&addr, len);
    w->fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_result(tn_fd_adopt(w->fds[0]), 0);
}

static long call_connect(struct wait *w, tn_time deadline)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;

    assert_result(getsockname(w->fds[1], (struct sockaddr *)&addr, &len), 0);
    return tn_connect(w->fds[0], (struct sockaddr *)&addr, len, deadline);
}

/* Ends the attempt: a result too. */
static void disconnect(struct wait *w)
{
    struct sockaddr addr = {.sa_family = AF_UNSPEC};

    connect(w->fds[0], &addr, sizeof addr);
}

/* ---- poll ---- */

static long call_poll(struct wait *w, tn_time deadline)
{
    struct pollfd fds[3] = {
        {-1, POLLIN, 0}, {w->fds[1], POLLIN, 0}, {w->fds[0], POLLIN, 0}};
    int r = tn_poll(fds, 3, deadline);

    if (r > 0) {
        assert_int_equal(fds[0].revents, 0);
        assert_int_equal(fds[1].revents, 0);
        assert_int_not_equal(fds[2].revents, 0);
        return fds[2].revents;
    }
    return r;
}

/* ---- the end of a greenlet ---- */

static int never_runs(void *arg)
{
    (void)arg;
    fail_msg("it ran");
    return 0;
}

static void open_join(struct wait *w)
{
    assert_result(tn_greenlet_new(NULL, never_runs, NULL, &w->other), 0);
}

static void end_other(struct wait *w)
{
    assert_result(tn_kill(w->other, TN_NOWAIT), 0);
}

static long call_join(struct wait *w, tn_time deadline)
{
    int r = tn_join(w->other, NULL, deadline);

    if (r == 0)
        w->other = NULL;
    return r;
}

/* ---- time ---- */

static void open_nothing(struct wait *w)
{
    (void)w;
}

static long call_sleep(struct wait *w, tn_time deadline)
{
    (void)w;
    return tn_sleep(deadline);
}

const struct wait_kind wait_kinds[] = {
    {"recv", open_recv, call_recv, write_one, 1, -EBADF, true},
    {"recv, foreign", open_recv_foreign, call_recv, write_one, 1, -EBADF, true},
    {"read", open_read, call_read, write_one, 1, -EBADF, true},
    {"read, foreign", open_read_foreign, call_read, write_one, 1, -EBADF, true},
    {"read of a socket", open_recv_foreign, call_read, write_one, 1, -EBADF,
     true},
    {"send", open_send, call_send, drain_peer, 1, -EBADF, true},
    {"send, foreign", open_send_foreign, call_send, drain_peer, 1, -EBADF,
     true},
    {"send_all", open_send, call_send_all, drain_peer, 0, -EBADF, true},
    {"write", open_write, call_write, drain_peer, 1, -EBADF, true},
    {"write, foreign", open_write_foreign, call_write, drain_peer, 1, -EBADF,
     true},
    {"write_all", open_write, call_write_all, drain_peer, 0, -EBADF, true},
    {"accept", open_accept, call_accept, connect_to_it, 0, -EBADF, true},
    {"connect", open_connect, call_connect, disconnect, -ECONNRESET, -EBADF,
     true},
    {"poll", open_recv, call_poll, write_one, POLLIN, POLLNVAL, true},
    {"poll, foreign", open_recv_foreign, call_poll, write_one, POLLIN, POLLNVAL,
     true},
    {"join", open_join, call_join, end_other, 0, 0, false},
    {"sleep", open_nothing, call_sleep, NULL, 0, 0, false},
};

const size_t n_wait_kinds = sizeof wait_kinds / sizeof wait_kinds[0];

void wait_end(struct wait *w)
{
    for (int i = 0; i < 4; i++)
        if (w->fds[i] >= 0)
            assert_result(tn_close(w->fds[i]), 0);
    if (w->other)
        tn_unref(w->other);
}
