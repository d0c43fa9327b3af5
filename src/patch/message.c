/* SPDX-License-Identifier: MIT */
/* patch/message.c - recv, send and their kin: sockets alone, so MSG_DONTWAIT
 * makes an attempt of any call. A blocking stream socket takes all that is sent
 * before the call returns, and with MSG_WAITALL gives all that is asked for. */
#include "patch/patch.h"

#include <limits.h>

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t len = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
           type == SOCK_STREAM;
}

/* ---- receiving ---- */

/* As recvmsg() of a blocking socket: `got` are there; with MSG_WAITALL come the
 * others too, unless it ends, or fails, before. */
static ssize_t receive_rest(struct tn__patch_wait *w, struct msghdr *msg,
                            int flags, ssize_t got)
{
    enum { SINGLE = MSG_PEEK | MSG_OOB | MSG_ERRQUEUE };
    struct tn__patch_parts parts = {msg->msg_iov, (int)msg->msg_iovlen};
    ssize_t r = got;

    if (!(flags & MSG_WAITALL) || (flags & SINGLE) || got <= 0 ||
        msg->msg_iovlen > IOV_MAX || !is_stream(w->fd))
        return got;
    while (r < 0 ? tn__patch_again(w)
                 : r > 0 && tn__patch_advance(&parts, (size_t)r) &&
                       tn__patch_goes_on(w)) {
        struct msghdr rest = {.msg_iov = (struct iovec *)parts.iov,
                              .msg_iovlen = (size_t)parts.n};

        if (tn__patch_has_ended(w->fd, POLLIN))
            break;
        r = tn__real()->recvmsg(w->fd, &rest, flags | MSG_DONTWAIT);
        if (r > 0)
            got += r;
    }
    return got;
}

static ssize_t receive(int fd, struct msghdr *msg, int flags)
{
    struct tn__patch_wait w = TN_PATCH_WAIT(fd, POLLIN);
    struct msghdr asked = *msg;
    ssize_t r;

    do {
        *msg = asked;
        r = tn__real()->recvmsg(fd, msg, flags | MSG_DONTWAIT);
    } while (r < 0 && tn__patch_again(&w));
    r = receive_rest(&w, msg, flags, r);
    return tn__patch_done(&w, r);
}

ssize_t tn__patch_recvmsg(int fd, struct msghdr *msg, int flags)
{
    if (!tn_patch_parks() || !msg || (flags & MSG_DONTWAIT))
        return tn__real()->recvmsg(fd, msg, flags);
    return receive(fd, msg, flags);
}

/* MSG_WAITALL with MSG_PEEK: what is there is seen each time, and the kernel
 * has nothing to tell when more comes. tendril's own call knows how. */
static ssize_t peek_all(int fd, void *buf, size_t len, int flags)
{
    ssize_t r;

    if (!tn__patch_is_blocking(fd))
        return tn__real()->recv(fd, buf, len, flags);
    r = tn_recv(fd, buf, len, flags,
                tn__patch_socket_deadline(fd, SO_RCVTIMEO));
    if (r == -ETIME && tn_check() == 0)
        r = -EAGAIN;
    return r < 0 ? tn__patch_fail((int)r) : r;
}

ssize_t tn__patch_recvfrom(int fd, void *buf, size_t len, int flags,
                           struct sockaddr *addr, socklen_t *addr_len)
{
    struct tn__patch_wait w = TN_PATCH_WAIT(fd, POLLIN);
    ssize_t r;

    if (!tn_patch_parks() || (flags & MSG_DONTWAIT))
        return tn__real()->recvfrom(fd, buf, len, flags, addr, addr_len);
    if ((flags & (MSG_WAITALL | MSG_PEEK)) == (MSG_WAITALL | MSG_PEEK))
        return peek_all(fd, buf, len, flags);
    do
        r = tn__real()->recvfrom(fd, buf, len, flags | MSG_DONTWAIT, addr,
                                 addr_len);
    while (r < 0 && tn__patch_again(&w));
    if ((flags & MSG_WAITALL) && r > 0) {
        struct iovec part = {buf, len};

        r = receive_rest(
            &w, &(struct msghdr){.msg_iov = &part, .msg_iovlen = 1}, flags, r);
    }
    return tn__patch_done(&w, r);
}

ssize_t tn__patch_recv(int fd, void *buf, size_t len, int flags)
{
    if (!tn_patch_parks() || (flags & MSG_DONTWAIT))
        return tn__real()->recv(fd, buf, len, flags);
    return tn__patch_recvfrom(fd, buf, len, flags, NULL, NULL);
}

/* Blocking, it wants all `n` messages, or one with MSG_WAITFORONE; it looks at
 * `timeout` after each. */
int tn__patch_recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags,
                       struct timespec *timeout)
{
    struct tn__patch_wait w = TN_PATCH_WAIT(fd, POLLIN);
    tn_time until = TN_FOREVER;
    unsigned got = 0;
    int r;

    if (!tn_patch_parks() || (flags & MSG_DONTWAIT) || n == 0 ||
        (timeout && !tn__patch_is_time(timeout)))
        return tn__real()->recvmmsg(fd, msgs, n, flags, timeout);
    if (timeout)
        until = tn__patch_after(timeout);
    do {
        r = tn__real()->recvmmsg(fd, msgs + got, n - got, flags | MSG_DONTWAIT,
                                 NULL);
        if (r > 0)
            got += (unsigned)r;
        if (r >= 0 &&
            (got == n || (flags & MSG_WAITFORONE) || tn_now() >= until))
            break;
    } while (r < 0 ? tn__patch_again(&w) : tn__patch_goes_on(&w));
    return (int)tn__patch_done(&w, got > 0 ? (int)got : r);
}

/* ---- sending ---- */

/* As send() of a blocking socket: `sent` are gone; on a stream all others go
 * too, unless it fails before. */
static ssize_t send_rest(struct tn__patch_wait *w, const struct iovec *iov,
                         size_t n, int flags, ssize_t sent)
{
    struct tn__patch_parts parts = {iov, (int)n};
    ssize_t r = sent;

    if (sent <= 0 || n > IOV_MAX || (size_t)sent >= tn__patch_bytes(iov, n) ||
        !is_stream(w->fd))
        return sent;
    while (r < 0
               ? tn__patch_again(w)
               : tn__patch_advance(&parts, (size_t)r) && tn__patch_goes_on(w)) {
        struct msghdr rest = {.msg_iov = (struct iovec *)parts.iov,
                              .msg_iovlen = (size_t)parts.n};

        if (tn__patch_has_ended(w->fd, POLLOUT))
            break;
        r = tn__real()->sendmsg(w->fd, &rest,
                                flags | MSG_DONTWAIT | MSG_NOSIGNAL);
        if (r > 0)
            sent += r;
    }
    return sent;
}

ssize_t tn__patch_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    struct tn__patch_wait w = TN_PATCH_WAIT(fd, POLLOUT);
    ssize_t r;

    if (!tn_patch_parks() || !msg || (flags & MSG_DONTWAIT))
        return tn__real()->sendmsg(fd, msg, flags);
    do
        r = tn__real()->sendmsg(fd, msg, flags | MSG_DONTWAIT);
    while (r < 0 && tn__patch_again(&w));
    r = send_rest(&w, msg->msg_iov, msg->msg_iovlen, flags, r);
    return tn__patch_done(&w, r);
}

ssize_t tn__patch_sendto(int fd, const void *buf, size_t len, int flags,
                         const struct sockaddr *addr, socklen_t addr_len)
{
    struct tn__patch_wait w = TN_PATCH_WAIT(fd, POLLOUT);
    struct iovec part = {(void *)buf, len};
    ssize_t r;

    if (!tn_patch_parks() || (flags & MSG_DONTWAIT))
        return tn__real()->sendto(fd, buf, len, flags, addr, addr_len);
    do
        r = tn__real()->sendto(fd, buf, len, flags | MSG_DONTWAIT, addr,
                               addr_len);
    while (r < 0 && tn__patch_again(&w));
    r = send_rest(&w, &part, 1, flags, r);
    return tn__patch_done(&w, r);
}

ssize_t tn__patch_send(int fd, const void *buf, size_t len, int flags)
{
    if (!tn_patch_parks() || (flags & MSG_DONTWAIT))
        return tn__real()->send(fd, buf, len, flags);
    return tn__patch_sendto(fd, buf, len, flags, NULL, 0);
}

int tn__patch_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
    unsigned sent = 0;
    ssize_t r = 0;

    if (!tn_patch_parks() || (flags & MSG_DONTWAIT) || n == 0)
        return tn__real()->sendmmsg(fd, msgs, n, flags);
    for (; sent < n; sent++) {
        r = tn__patch_sendmsg(fd, &msgs[sent].msg_hdr, flags);
        if (r < 0)
            break;
        msgs[sent].msg_len = (unsigned)r;
    }
    return sent > 0 ? (int)sent : (int)r;
}

/* ---- what -D_FORTIFY_SOURCE makes of a call, and other names ---- */

ssize_t tn__patch_recv_chk(int fd, void *buf, size_t len, size_t room,
                           int flags)
{
    tn__patch_check(len <= room);
    return tn__patch_recv(fd, buf, len, flags);
}

ssize_t tn__patch_recvfrom_chk(int fd, void *buf, size_t len, size_t room,
                               int flags, struct sockaddr *addr,
                               socklen_t *addr_len)
{
    tn__patch_check(len <= room);
    return tn__patch_recvfrom(fd, buf, len, flags, addr, addr_len);
}

TN_PATCH_ALIAS(__send, send);
