/* SPDX-License-Identifier: MIT */
/* net/fd.c - the calls on descriptors: each builds an operation on its own
 * stack and gives it to the hub. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <tendril/net.h>

#include "base/own.h"
#include "base/sys.h"
#include "hub/hub.h"
#include "net/fd.h"

static int is_stream(int fd)
{
    int type = 0;
    unsigned len = sizeof type;

    return tn__sys_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
           type == SOCK_STREAM;
}

long tn__net_pause(struct tn_hub *h, int fd, int64_t *us, tn_time deadline,
                   const char *what)
{
    const int64_t pause_min = 100, pause_max = 10000;
    struct tn__op op = {.code = TN__OP_CLOSE, .fd = fd};
    tn_time until = tn_after_us(*us ? *us : pause_min);
    bool is_last = until >= deadline;
    long r;

    *us = (*us ? *us : pause_min) * 2;
    if (*us > pause_max)
        *us = pause_max;
    r = tn__hub_poll(h, &op, 1, is_last ? deadline : until, what);
    if (r > 0)
        return op.result;
    return r == 0 && is_last ? 1 : r;
}

/* The peer sends no more than is there. */
static bool has_ended(int fd)
{
    struct pollfd p = {fd, POLLRDHUP, 0};

    return tn__sys_poll_now(&p, 1) != 0;
}

/* MSG_WAITALL with MSG_PEEK: what is there already is seen each time, so the
 * kernel has nothing to tell when more comes: look again. */
static ssize_t peek_all(struct tn_hub *h, struct tn__op *op, tn_time deadline)
{
    uint32_t generation = tn__net_generation(h, op->fd);
    int64_t us = 0;
    ssize_t seen = 0;

    for (;;) {
        ssize_t r = tn__hub_io(h, op, deadline, "tn_recv");

        if (r <= 0 && seen > 0)
            return seen;
        if (r <= 0 || (size_t)r >= op->len || deadline == TN_NOWAIT ||
            generation != tn__net_generation(h, op->fd) || !is_stream(op->fd) ||
            has_ended(op->fd))
            return r;
        seen = r;
        if (tn__net_pause(h, op->fd, &us, deadline, "tn_recv") != 0)
            return seen;
    }
}

/* A part is there. Is there more, by `deadline`? An error is left for the next
 * call to tell. */
static bool has_more(struct tn_hub *h, int fd, tn_time deadline)
{
    struct tn__op op = {.code = TN__OP_POLL, .fd = fd, .flags = POLLIN};

    return tn__hub_poll(h, &op, 1, deadline, "tn_recv") > 0 && op.result > 0 &&
           !tn__fd_has_ended(fd, POLLIN, (int)op.result);
}

/* With MSG_WAITALL: all of it, or as much as came before the end, an error or
 * the deadline. Messages stay single: there the flag says nothing. */
static ssize_t recv_all(struct tn_hub *h, struct tn__op *op, tn_time deadline)
{
    enum { NOT_IN_ORDER = MSG_OOB | MSG_ERRQUEUE };
    uint32_t generation = tn__net_generation(h, op->fd);
    ssize_t got = tn__hub_io(h, op, deadline, "tn_recv"), r = got;
    size_t left = op->len;

    while (r > 0 && (size_t)r < left && !(op->flags & NOT_IN_ORDER) &&
           generation == tn__net_generation(h, op->fd) && is_stream(op->fd)) {
        left -= (size_t)r;
        op->buf = (char *)op->buf + r;
        op->len = left;
        do
            r = has_more(h, op->fd, deadline)
                    ? tn__hub_io(h, op, TN_NOWAIT, "tn_recv")
                    : 0;
        while (r == -EAGAIN);
        if (r > 0)
            got += r;
    }
    return got;
}

ssize_t tn_recv(int fd, void *buf, size_t len, int flags, tn_time deadline)
{
    struct tn__op op = {
        .code = TN__OP_RECV, .fd = fd, .buf = buf, .len = len, .flags = flags};
    TN__NET_ENTER(h)

    if (TN_UNLIKELY(flags & MSG_WAITALL)) {
        op.flags &= ~MSG_WAITALL;
        if ((flags & MSG_PEEK) && !(flags & (MSG_OOB | MSG_ERRQUEUE)))
            return peek_all(h, &op, deadline);
        return recv_all(h, &op, deadline);
    }
    return tn__hub_io(h, &op, deadline, "tn_recv");
}

ssize_t tn_send(int fd, const void *buf, size_t len, int flags,
                tn_time deadline)
{
    struct tn__op op = {.code = TN__OP_SEND,
                        .fd = fd,
                        .buf = (void *)buf,
                        .len = len,
                        .flags = flags | MSG_NOSIGNAL};
    TN__NET_ENTER(h)

    return tn__hub_io(h, &op, deadline, "tn_send");
}

ssize_t tn_read(int fd, void *buf, size_t len, tn_time deadline)
{
    struct tn__op op = {.code = TN__OP_READ, .fd = fd, .buf = buf, .len = len};
    TN__NET_ENTER(h)

    return tn__hub_io(h, &op, deadline, "tn_read");
}

ssize_t tn_write(int fd, const void *buf, size_t len, tn_time deadline)
{
    struct tn__op op = {
        .code = TN__OP_WRITE, .fd = fd, .buf = (void *)buf, .len = len};
    TN__NET_ENTER(h)

    return tn__hub_io(h, &op, deadline, "tn_write");
}

/* The number of parts as an operation has it; the kernel would refuse it. */
static bool is_count(const struct iovec *iov, int n)
{
    return n >= 0 && n <= IOV_MAX && (iov || n == 0);
}

ssize_t tn_readv(int fd, const struct iovec *iov, int n, tn_time deadline)
{
    struct tn__op op = {
        .code = TN__OP_READV, .fd = fd, .iov = iov, .len = (size_t)n};
    TN__NET_ENTER(h)

    if (!is_count(iov, n))
        return -EINVAL;
    return tn__hub_io(h, &op, deadline, "tn_readv");
}

ssize_t tn_writev(int fd, const struct iovec *iov, int n, tn_time deadline)
{
    struct tn__op op = {
        .code = TN__OP_WRITEV, .fd = fd, .iov = iov, .len = (size_t)n};
    TN__NET_ENTER(h)

    if (!is_count(iov, n))
        return -EINVAL;
    return tn__hub_io(h, &op, deadline, "tn_writev");
}

int tn_send_all(int fd, const void *buf, size_t len, int flags,
                size_t *ret_sent, tn_time deadline)
{
    size_t sent = 0;
    uint32_t generation;
    ssize_t r = 0;
    TN__NET_ENTER(h)

    generation = tn__net_generation(h, fd);
    do {
        r = tn_send(fd, (const char *)buf + sent, len - sent, flags, deadline);
        if (r < 0)
            break;
        sent += (size_t)r;
        if (sent < len && generation != tn__net_generation(h, fd))
            r = -EBADF;
    } while (r >= 0 && sent < len);
    if (ret_sent)
        *ret_sent = sent;
    return r < 0 ? (int)r : 0;
}

int tn_write_all(int fd, const void *buf, size_t len, size_t *ret_written,
                 tn_time deadline)
{
    size_t written = 0;
    uint32_t generation;
    ssize_t r = 0;
    TN__NET_ENTER(h)

    generation = tn__net_generation(h, fd);
    do {
        r = tn_write(fd, (const char *)buf + written, len - written, deadline);
        if (r < 0)
            break;
        written += (size_t)r;
        if (written < len && generation != tn__net_generation(h, fd))
            r = -EBADF;
    } while (r >= 0 && written < len);
    if (ret_written)
        *ret_written = written;
    return r < 0 ? (int)r : 0;
}

int tn_fd_adopt(int fd)
{
    long flags;
    TN__NET_ENTER(h)

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
    TN__NET_ENTER(h)

    tn__fd_made(&h->loop, fd);
    return tn__fd_track(&h->loop, fd, TN__FD_NONBLOCK, TN__KIND_UNKNOWN);
}

void tn_fd_forget(int fd)
{
    struct tn_hub *h = tn__hub_peek();

    if (h)
        tn__fd_closing(&h->loop, fd);
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
    struct tn__op op = {.code = TN__OP_ACCEPT,
                        .fd = fd,
                        .addr = addr,
                        .addr_len = len,
                        .flags = SOCK_NONBLOCK | SOCK_CLOEXEC};
    long r;
    int error;
    TN__NET_ENTER(h)

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

int tn_shutdown(int fd, int how)
{
    struct tn_hub *h = tn__hub_peek();
    int err_before = errno, r = TN_OWN(shutdown(fd, how));

    if (r < 0)
        r = -errno;
    errno = err_before;
    if (r == 0 && h)
        tn__fd_shut(&h->loop, fd,
                    (how == SHUT_WR ? 0 : POLLIN) |
                        (how == SHUT_RD ? 0 : POLLOUT));
    return r;
}
