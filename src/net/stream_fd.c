/* SPDX-License-Identifier: MIT */
/* net/stream_fd.c - a buffered stream over a descriptor. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <tendril/net.h>

#include "base/own.h"
#include "base/sized.h"
#include "net/fd.h"
#include "net/stream.h"

static ssize_t fd_recv(struct tn__transport *t, void *buf, size_t len,
                       tn_time deadline)
{
    return t->is_socket ? tn_recv(t->fd, buf, len, 0, deadline)
                        : tn_read(t->fd, buf, len, deadline);
}

static ssize_t fd_send(struct tn__transport *t, const struct iovec *iov, int n,
                       tn_time deadline)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)iov,
                         .msg_iovlen = (size_t)n};

    if (t->is_socket && n == 1)
        return tn_send(t->fd, iov->iov_base, iov->iov_len, 0, deadline);
    if (t->is_socket)
        return tn_sendmsg(t->fd, &msg, 0, deadline);
    return tn_writev(t->fd, iov, n, deadline);
}

static void fd_cork(struct tn__transport *t, bool on)
{
    int value = on, err_before = errno;

    setsockopt(t->fd, IPPROTO_TCP, TCP_CORK, &value, sizeof value);
    errno = err_before; /* what is not TCP has no such option */
}

static int fd_shutdown(struct tn__transport *t, tn_time deadline)
{
    int err_before = errno, r = 0;

    (void)deadline;
    if (TN_OWN(shutdown(t->fd, SHUT_WR)) < 0)
        r = -errno;
    errno = err_before;
    return r;
}

static int fd_close(struct tn__transport *t, tn_time deadline)
{
    int fd = t->fd;

    (void)deadline;
    t->fd = -1;
    return t->is_kept ? 0 : tn_close(fd);
}

static const struct tn__transport_ops fd_ops = {
    .gathers = true,
    .recv = fd_recv,
    .send = fd_send,
    .cork = fd_cork,
    .shutdown = fd_shutdown,
    .close = fd_close,
};

int tn_stream_open(int fd, const struct tn_stream_options *options,
                   tn_stream **ret_stream)
{
    struct tn_stream_options full = TN_STREAM_OPTIONS;
    struct tn__transport under = {.ops = &fd_ops, .fd = fd};
    int type, r, err_before = errno;
    socklen_t len = sizeof type;

    r = tn__sized_read(&full, sizeof full, options);
    if (!ret_stream || r < 0)
        return -EINVAL;
    under.is_kept = full.flags & TN_STREAM_KEEP;
    r = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ? -errno : 0;
    errno = err_before;
    if (r < 0 && r != -ENOTSOCK)
        return r;
    under.is_socket = r == 0;
    if (under.is_socket && type != SOCK_STREAM)
        return -EINVAL; /* reading ahead would cut messages */
    r = under.is_kept ? 0 : tn_fd_adopt(fd);
    return r < 0 ? r : tn__stream_new(&under, &full, ret_stream);
}
