/* SPDX-License-Identifier: MIT */
/* net/udp.c - messages: datagrams with their addresses, and what travels
 * beside the bytes. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <tendril/net.h>

#include "net/fd.h"

ssize_t tn_recvfrom(int fd, void *buf, size_t len, int flags,
                    struct sockaddr *addr, socklen_t *addr_len,
                    tn_time deadline)
{
    struct tn__op op = {.code = TN__OP_RECVFROM,
                        .fd = fd,
                        .buf = buf,
                        .len = len,
                        .flags = flags,
                        .addr = addr,
                        .addr_len = addr_len};
    TN__NET_ENTER(h)

    return tn__hub_io(h, &op, deadline, "tn_recvfrom");
}

/* A send to a unix socket that `op->fd` is not connected to. The kernel says
 * EAGAIN when the peer's queue is full, and offers no way to wait for room
 * there: try again, at growing distances. */
static long send_again(struct tn_hub *h, struct tn__op *op, tn_time deadline,
                       const char *what)
{
    int64_t us = 0;
    long r, sent;

    do {
        r = tn__net_pause(h, op->fd, &us, deadline, what);
        if (r < 0)
            return r;
        sent = tn__hub_io(h, op, TN_NOWAIT, what);
    } while (r == 0 && sent == -EAGAIN);
    return sent == -EAGAIN ? -ETIME : sent;
}

/* Send what may have the address of a peer. */
static long send_to(struct tn_hub *h, struct tn__op *op,
                    const struct sockaddr *addr, tn_time deadline,
                    const char *what)
{
    bool is_unix = addr && addr->sa_family == AF_UNIX;
    long r = tn__hub_io(h, op, is_unix ? TN_NOWAIT : deadline, what);

    if (r == -EAGAIN && is_unix && deadline != TN_NOWAIT)
        r = send_again(h, op, deadline, what);
    return r;
}

ssize_t tn_sendto(int fd, const void *buf, size_t len, int flags,
                  const struct sockaddr *addr, socklen_t addr_len,
                  tn_time deadline)
{
    struct tn__op op = {.code = TN__OP_SENDTO,
                        .fd = fd,
                        .buf = (void *)buf,
                        .len = len,
                        .flags = flags | MSG_NOSIGNAL,
                        .addr = (struct sockaddr *)addr,
                        .addr_n = addr_len};
    TN__NET_ENTER(h)

    return send_to(h, &op, addr_len > 0 ? addr : NULL, deadline, "tn_sendto");
}

ssize_t tn_recvmsg(int fd, struct msghdr *msg, int flags, tn_time deadline)
{
    struct tn__op op = {
        .code = TN__OP_RECVMSG, .fd = fd, .msg = msg, .flags = flags};
    TN__NET_ENTER(h)

    return tn__hub_io(h, &op, deadline, "tn_recvmsg");
}

ssize_t tn_sendmsg(int fd, const struct msghdr *msg, int flags,
                   tn_time deadline)
{
    struct tn__op op = {.code = TN__OP_SENDMSG,
                        .fd = fd,
                        .msg = (struct msghdr *)msg,
                        .flags = flags | MSG_NOSIGNAL};
    TN__NET_ENTER(h)

    return send_to(h, &op, msg && msg->msg_namelen > 0 ? msg->msg_name : NULL,
                   deadline, "tn_sendmsg");
}

int tn_recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags,
                tn_time deadline)
{
    struct tn__op op = {.code = TN__OP_RECVMMSG,
                        .fd = fd,
                        .msgs = msgs,
                        .len = n,
                        .flags = flags};
    TN__NET_ENTER(h)

    if (n == 0 || !msgs)
        return -EINVAL;
    return (int)tn__hub_io(h, &op, deadline, "tn_recvmmsg");
}

int tn_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags,
                tn_time deadline)
{
    struct tn__op op = {.code = TN__OP_SENDMMSG,
                        .fd = fd,
                        .msgs = msgs,
                        .len = n,
                        .flags = flags | MSG_NOSIGNAL};
    TN__NET_ENTER(h)

    if (n == 0 || !msgs)
        return -EINVAL;
    return (int)send_to(
        h, &op, msgs->msg_hdr.msg_namelen > 0 ? msgs->msg_hdr.msg_name : NULL,
        deadline, "tn_sendmmsg");
}
