/* SPDX-License-Identifier: MIT */
/* net/fd.c - the calls on descriptors: each builds an operation on its own
 * stack and gives it to the hub. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <tendril/net.h>

#include "base/sys.h"
#include "hub/hub.h"
#include "net/fd.h"

#define ENTER(h)                                                               \
    struct tn_hub *h = tn__hub_peek();                                         \
    if (TN_UNLIKELY(!h)) {                                                     \
        int hub_error = tn__hub_self(&h);                                      \
        if (hub_error < 0)                                                     \
            return hub_error;                                                  \
    }

static int is_stream(int fd)
{
    int type = 0;
    unsigned len = sizeof type;

    return tn__sys_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
           type == SOCK_STREAM;
}

/* With MSG_WAITALL: all of it, or as much as came before the end, an error or
 * the deadline. Messages stay single, and what is only looked at would be seen
 * again: there the flag says nothing. */
static ssize_t recv_all(int fd, char *buf, size_t len, int flags,
                        tn_time deadline)
{
    enum { NOT_IN_ORDER = MSG_PEEK | MSG_OOB | MSG_ERRQUEUE };
    ssize_t r = tn_recv(fd, buf, len, flags, deadline);
    size_t got = r > 0 ? (size_t)r : 0;

    if (r <= 0 || got >= len || (flags & NOT_IN_ORDER) || !is_stream(fd))
        return r;
    while (r > 0 && got < len) {
        r = tn_recv(fd, buf + got, len - got, flags, deadline);
        if (r > 0)
            got += (size_t)r;
    }
    return (ssize_t)got;
}

ssize_t tn_recv(int fd, void *buf, size_t len, int flags, tn_time deadline)
{
    struct tn__op op = {.code = TN__OP_RECV, .fd = fd, .buf = buf, .len = len,
                        .flags = flags};
    ENTER(h)

    if (TN_UNLIKELY(flags & MSG_WAITALL))
        return recv_all(fd, buf, len, flags & ~MSG_WAITALL, deadline);
    return tn__hub_io(h, &op, deadline, "tn_recv");
}

ssize_t tn_send(int fd, const void *buf, size_t len, int flags,
                tn_time deadline)
{
    struct tn__op op = {.code = TN__OP_SEND, .fd = fd, .buf = (void *)buf,
                        .len = len, .flags = flags | MSG_NOSIGNAL};
    ENTER(h)

    return tn__hub_io(h, &op, deadline, "tn_send");
}

ssize_t tn_read(int fd, void *buf, size_t len, tn_time deadline)
{
    struct tn__op op = {.code = TN__OP_READ, .fd = fd, .buf = buf, .len = len};
    ENTER(h)

    return tn__hub_io(h, &op, deadline, "tn_read");
}

ssize_t tn_write(int fd, const void *buf, size_t len, tn_time deadline)
{
    struct tn__op op = {.code = TN__OP_WRITE, .fd = fd, .buf = (void *)buf,
                        .len = len};
    ENTER(h)

    return tn__hub_io(h, &op, deadline, "tn_write");
}

int tn_send_all(int fd, const void *buf, size_t len, int flags,
                size_t *ret_sent, tn_time deadline)
{
    size_t sent = 0;
    ssize_t r = 0;

    do {
        r = tn_send(fd, (const char *)buf + sent, len - sent, flags, deadline);
        if (r < 0)
            break;
        sent += (size_t)r;
    } while (sent < len);
    if (ret_sent)
        *ret_sent = sent;
    return r < 0 ? (int)r : 0;
}

int tn_write_all(int fd, const void *buf, size_t len, size_t *ret_written,
                 tn_time deadline)
{
    size_t written = 0;
    ssize_t r = 0;

    do {
        r = tn_write(fd, (const char *)buf + written, len - written, deadline);
        if (r < 0)
            break;
        written += (size_t)r;
    } while (written < len);
    if (ret_written)
        *ret_written = written;
    return r < 0 ? (int)r : 0;
}

int tn_fd_adopt(int fd)
{
    long flags;
    ENTER(h)

    if (fd >= 0 && fd <= 2)
        return -EINVAL;
    flags = tn__sys_fcntl(fd, F_GETFL, 0);
    if (flags < 0)
        return (int)flags;
    if (!(flags & O_NONBLOCK)) {
        long r = tn__sys_fcntl(fd, F_SETFL, flags | O_NONBLOCK);

        if (r < 0)
            return (int)r;
    }
    return tn__fd_track(&h->loop, fd, TN__FD_NONBLOCK, TN__KIND_UNKNOWN);
}

int tn__net_own(int fd)
{
    ENTER(h)

    tn__fd_made(&h->loop, fd);
    return tn__fd_track(&h->loop, fd, TN__FD_NONBLOCK, TN__KIND_UNKNOWN);
}

int tn_close(int fd)
{
    struct tn_hub *h = tn__hub_peek();

    if (h)
        tn__fd_closing(&h->loop, fd);
    return (int)tn__sys_close(fd);
}

int tn_accept(int fd, struct sockaddr *addr, socklen_t *len, tn_time deadline)
{
    struct tn__op op = {.code = TN__OP_ACCEPT, .fd = fd, .addr = addr,
                        .addr_len = len,
                        .flags = SOCK_NONBLOCK | SOCK_CLOEXEC};
    long r;
    int error;
    ENTER(h)

    r = tn__hub_io(h, &op, deadline, "tn_accept");
    if (r < 0)
        return (int)r;
    tn__fd_made(&h->loop, (int)r);
    error = tn__fd_track(&h->loop, (int)r, TN__FD_NONBLOCK, TN__KIND_SOCKET);
    if (error < 0) {
        tn_close((int)r);
        return error;
    }
    return (int)r;
}

/* connect() once, without waiting for its verdict. */
static long begin_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    long flags = tn__sys_fcntl(fd, F_GETFL, 0), r;

    if (flags < 0)
        return flags;
    if (flags & O_NONBLOCK)
        return tn__sys_connect(fd, addr, len);
    r = tn__sys_fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    if (r < 0)
        return r;
    r = tn__sys_connect(fd, addr, len);
    tn__sys_fcntl(fd, F_SETFL, flags);
    return r;
}

/* A unix socket whose peer's queue is full says EAGAIN, and the kernel offers
 * no way to wait for room: try again, at growing distances. */
static long connect_again(int fd, const struct sockaddr *addr, socklen_t len,
                          tn_time deadline)
{
    enum { PAUSE_US_MAX = 10000 };
    int64_t us = 100;
    long r;

    do {
        tn_time until = tn_after_us(us);

        r = tn_sleep(until < deadline ? until : deadline);
        if (r < 0)
            return r;
        r = begin_connect(fd, addr, len);
        if (r == -EAGAIN && tn_now() >= deadline)
            return -ETIME;
        us = us * 2 < PAUSE_US_MAX ? us * 2 : PAUSE_US_MAX;
    } while (r == -EAGAIN);
    return r;
}

int tn_connect(int fd, const struct sockaddr *addr, socklen_t len,
               tn_time deadline)
{
    struct tn__op op = {.code = TN__OP_CONNECT, .fd = fd};
    long r;
    ENTER(h)

    if (TN_UNLIKELY(h->current->alert)) {
        r = tn__hub_alert(h, h->current, deadline);
        if (r)
            return (int)r;
    }
    r = begin_connect(fd, addr, len);
    if (r == -EAGAIN && deadline != TN_NOWAIT)
        r = connect_again(fd, addr, len, deadline);
    if (r == -EINPROGRESS)
        return (int)tn__hub_io(h, &op, deadline, "tn_connect");
    tn__hub_tick(h);
    return (int)r;
}

/* ---- poll ---- */

enum { POLL_ON_STACK = 32 };

static long poll_ops(struct tn_hub *h, struct tn__op *ops, struct pollfd *fds,
                     size_t n, tn_time deadline)
{
    long r;

    if (TN_UNLIKELY(h->current->alert)) {
        r = tn__hub_alert(h, h->current, deadline);
        if (r)
            return r;
    }
    r = tn__sys_poll_now(fds, n);
    if (r != 0 || deadline == TN_NOWAIT) {
        tn__hub_tick(h);
        return r;
    }
    for (size_t i = 0; i < n; i++)
        ops[i] = (struct tn__op){.code = TN__OP_POLL, .mode = TN__OP_NOTRY,
                                 .fd = fds[i].fd, .flags = fds[i].events};
    r = tn__hub_poll(h, ops, n, deadline, "tn_poll");
    for (size_t i = 0; r > 0 && i < n; i++)
        if (ops[i].fd >= 0 && ops[i].is_done)
            fds[i].revents = ops[i].result < 0 ? POLLNVAL /* it was closed */
                                               : (short)ops[i].result;
    return r;
}

int tn_poll(struct pollfd *fds, size_t n, tn_time deadline)
{
    struct tn__op few[POLL_ON_STACK], *ops = few;
    size_t bytes = n * sizeof few[0];
    long r;
    ENTER(h)

    if (n > INT_MAX) /* the kernel would look at the low half */
        return -EINVAL;
    if (n > POLL_ON_STACK) {
        ops = tn__sys_map(bytes);
        if (!ops)
            return -ENOMEM;
    }
    r = poll_ops(h, ops, fds, n, deadline);
    if (ops != few)
        tn__sys_unmap(ops, bytes);
    if (r != 0)
        return (int)r;
    return deadline == TN_NOWAIT ? -EAGAIN : -ETIME;
}
