/* SPDX-License-Identifier: MIT */
/* run/message.c - recv, send and their kin on sockets that block, as in io.c.
 *
 * A stream takes all that is sent before the call returns, and with MSG_WAITALL
 * gives all that is asked for. */
#include "run/io.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

static bool is_stream(int fd)
{
    int type = 0;
    unsigned len = sizeof type;

    return tn__sys_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
           type == SOCK_STREAM;
}

/* Calls that do not wait: nor does one for urgent data, on a stream. */
static bool is_at_once(int fd, int flags)
{
    return (flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) ||
           (TN_UNLIKELY(flags & MSG_OOB) && is_stream(fd));
}

/* MSG_WAITALL, where it says something: messages stay single. */
static bool wants_all(int fd, int flags)
{
    return TN_UNLIKELY(flags & MSG_WAITALL) && is_stream(fd);
}

/* With SO_RCVLOWAT little is left where it is; the kernel has nothing to tell
 * when more comes than what is only looked at; and of what comes with control
 * data it knows where to end. */
static bool is_whole(int fd, const struct tn__run_fd *f, int flags,
                     const struct msghdr *msg)
{
    struct msghdr head = {0};

    if (TN_UNLIKELY(f->has_low_mark))
        return true;
    if (TN_LIKELY(!(flags & MSG_WAITALL)))
        return false;
    if (msg && tn__run_copy(&head, msg, sizeof head) < 0)
        return false;
    return ((flags & MSG_PEEK) || head.msg_controllen > 0) && is_stream(fd);
}

/* A stream tells when it is done with the memory of a send, by the number of
 * the send: so there must not be one for each part. */
static bool is_counted(int fd, int flags)
{
    return TN_UNLIKELY(flags & MSG_ZEROCOPY) && is_stream(fd);
}

/* With MSG_WAITALL `total` bytes are there: go on until all are. */
static long receive_rest(struct tn__run_call *c, const struct tn__run_fd *f,
                         const struct iovec *iov, size_t n, int flags,
                         long total)
{
    size_t skip = (size_t)total;

    for (size_t i = 0; i < n; i++) {
        while (skip < iov[i].iov_len) {
            struct tn__op op = {.code = TN__OP_RECV, .fd = (int)c->a[0],
                                .buf = (char *)iov[i].iov_base + skip,
                                .len = iov[i].iov_len - skip, .flags = flags};
            long r = tn__io_again(c, &op, f, TN__RUN_IN, "recv");

            if (r <= 0)
                return total;
            skip += (size_t)r;
            total += r;
        }
        skip -= iov[i].iov_len;
    }
    return total;
}

long tn__run_recvfrom(struct tn__run_call *c)
{
    struct tn__run_fd *f = tn__io_blocking(c->a[0]);
    int flags = (int)c->a[3];
    struct tn__op op = {.code = TN__OP_RECV, .fd = (int)c->a[0],
                        .buf = (void *)c->a[1], .len = (size_t)c->a[2],
                        .flags = flags};
    long r;

    if (!f || is_at_once(op.fd, flags))
        return tn__run_kernel(c);
    if (is_whole(op.fd, f, flags, NULL))
        return tn__io_whole(c, f, TN__RUN_IN);
    if (c->a[4] || c->a[5]) {
        op.code = TN__OP_RECVFROM;
        op.addr = (struct sockaddr *)c->a[4];
        op.addr_len = (unsigned *)c->a[5];
    }
    r = tn__io_in(c, &op, f, "recv");
    if (r > 0 && wants_all(op.fd, flags))
        r = receive_rest(
            c, f, &(struct iovec){(void *)c->a[1], (size_t)c->a[2]}, 1, flags,
            r);
    return r;
}

long tn__run_sendto(struct tn__run_call *c)
{
    struct tn__run_fd *f = tn__io_blocking(c->a[0]);
    struct tn__op op = {.code = TN__OP_SEND, .fd = (int)c->a[0],
                        .buf = (void *)c->a[1], .len = (size_t)c->a[2],
                        .flags = (int)c->a[3]};

    if (!f || (op.flags & MSG_DONTWAIT))
        return tn__run_kernel(c);
    if (is_counted(op.fd, op.flags))
        return tn__io_whole(c, f, TN__RUN_OUT);
    if (c->a[4]) {
        op.code = TN__OP_SENDTO;
        op.addr = (struct sockaddr *)c->a[4];
        op.addr_n = (unsigned)c->a[5];
    }
    return tn__io_write(c, &op, f, "send");
}

static void note_rights(const unsigned char *data, size_t bytes)
{
    int fd;

    for (size_t at = 0; at + sizeof fd <= bytes; at += sizeof fd)
        if (tn__run_copy(&fd, data + at, sizeof fd) == 0)
            tn__run_fd_received(fd);
}

/* Has a message brought descriptors? */
static void look_for_rights(const struct msghdr *msg)
{
    const char *control = msg->msg_control;
    size_t at = 0;

    while (control && at + sizeof(struct cmsghdr) <= msg->msg_controllen) {
        const struct cmsghdr *head = (const void *)(control + at);

        if (head->cmsg_len < sizeof *head)
            return;
        if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
            note_rights(CMSG_DATA(head), head->cmsg_len - CMSG_LEN(0));
        at += CMSG_ALIGN(head->cmsg_len);
    }
}

static long receive_message(struct tn__run_call *c, const struct tn__run_fd *f,
                            struct msghdr *msg)
{
    struct tn__op op = {.code = TN__OP_RECVMSG, .fd = (int)c->a[0],
                        .msg = msg, .flags = (int)c->a[2]};
    long r;

    if (is_whole(op.fd, f, op.flags, msg))
        return tn__io_whole(c, f, TN__RUN_IN);
    r = tn__io_in(c, &op, f, "recvmsg");
    if (r > 0 && wants_all(op.fd, op.flags))
        r = receive_rest(c, f, msg->msg_iov, msg->msg_iovlen, op.flags, r);
    return r;
}

long tn__run_recvmsg(struct tn__run_call *c)
{
    struct tn__run_fd *f = tn__io_blocking(c->a[0]);
    struct msghdr *msg = (struct msghdr *)c->a[1];
    long r;

    if (!f || is_at_once((int)c->a[0], (int)c->a[2]))
        r = tn__run_kernel(c);
    else
        r = receive_message(c, f, msg);
    if (r >= 0)
        look_for_rights(msg);
    return r;
}

long tn__run_sendmsg(struct tn__run_call *c)
{
    struct tn__run_fd *f = tn__io_blocking(c->a[0]);
    struct msghdr *msg = (struct msghdr *)c->a[1];
    struct tn__op op = {.code = TN__OP_SENDMSG, .fd = (int)c->a[0],
                        .msg = msg, .flags = (int)c->a[2]};
    long r;

    if (!f || (op.flags & MSG_DONTWAIT))
        return tn__run_kernel(c);
    if (is_counted(op.fd, op.flags))
        return tn__io_whole(c, f, TN__RUN_OUT);
    r = tn__io_out(c, &op, f, "sendmsg");
    if (r <= 0)
        return r;
    op = (struct tn__op){.code = TN__OP_SEND, .fd = (int)c->a[0],
                         .flags = (int)c->a[2]};
    return tn__io_write_pieces(c, &op, f, msg->msg_iov, msg->msg_iovlen, r);
}

/* recvmmsg(): as many messages as there are without waiting, then wait for the
 * next. `is_enough` ends it after the first. */
static long receive_each(struct tn__run_call *c, bool is_enough,
                         tn_time deadline)
{
    const long size = (long)sizeof(struct mmsghdr);
    long total = 0, r = 0;

    while (total < c->a[2]) {
        bool is_shut = r > 0 && (r & POLLRDHUP);

        r = tn__raw(c->nr, c->a[0], c->a[1] + total * size, c->a[2] - total,
                    c->a[3] | MSG_DONTWAIT, 0, 0);
        if (r > 0) {
            total += r;
            if (is_enough)
                break;
            continue;
        }
        if (r != -EAGAIN)
            return total ? total : r;
        if (is_shut) /* who would wait gets empty ones */
            return total ? total : tn__run_offload(c);
        r = tn__run_wait_fd((int)c->a[0], POLLIN | POLLRDHUP, deadline,
                            "recvmmsg");
        if (r <= 0)
            return total ? total : r < 0 ? r : -EAGAIN;
    }
    return total;
}

static long receive_many(struct tn__run_call *c, struct tn__run_fd *f)
{
    long r;

    if (!c->has_deadline) {
        r = tn__run_deadline((const struct timespec *)c->a[4], false,
                             &c->deadline);
        if (r < 0)
            return r;
        if (c->deadline == TN_FOREVER)
            c->deadline = tn__run_fd_deadline(c, f, TN__RUN_IN);
        c->has_deadline = true;
    }
    return receive_each(c, c->a[3] & MSG_WAITFORONE, c->deadline);
}

long tn__run_recvmmsg(struct tn__run_call *c)
{
    struct tn__run_fd *f = tn__io_blocking(c->a[0]);
    long r;

    if (!f || (c->a[3] & (MSG_DONTWAIT | MSG_ERRQUEUE)))
        r = tn__run_kernel(c);
    else if (f->has_low_mark || wants_all((int)c->a[0], (int)c->a[3]))
        r = tn__io_whole(c, f, TN__RUN_IN);
    else
        r = receive_many(c, f);
    for (long i = 0; i < r; i++)
        look_for_rights(&((struct mmsghdr *)c->a[1])[i].msg_hdr);
    return r;
}

/* A stream may have room for a part of the last message that was sent: send the
 * others too. False: that failed, and the next is not to be sent. */
static bool finish_message(struct tn__run_call *c, const struct tn__run_fd *f,
                           struct mmsghdr *m)
{
    const struct iovec *iov = m->msg_hdr.msg_iov;
    size_t n = m->msg_hdr.msg_iovlen, len = 0;
    struct tn__op op = {.code = TN__OP_SEND, .fd = (int)c->a[0],
                        .flags = (int)c->a[3]};
    unsigned sent;

    for (size_t i = 0; i < n; i++)
        len += iov[i].iov_len;
    if (m->msg_len == 0 || m->msg_len >= len || !is_stream(op.fd))
        return true;
    sent = (unsigned)tn__io_write_pieces(c, &op, f, iov, n, m->msg_len);
    tn__run_copy(&m->msg_len, &sent, sizeof sent);
    return sent == len;
}

/* As many messages as go without waiting, then wait for room. */
static long send_each(struct tn__run_call *c, const struct tn__run_fd *f,
                      long n)
{
    struct mmsghdr *msgs = (struct mmsghdr *)c->a[1];
    long total = 0, r;

    while (total < n) {
        r = tn__raw(c->nr, c->a[0], (long)&msgs[total], n - total,
                    c->a[3] | MSG_DONTWAIT, 0, 0);
        if (r > 0) {
            total += r;
            if (!finish_message(c, f, &msgs[total - 1]))
                break;
            continue;
        }
        if (r != -EAGAIN)
            return total ? total : r;
        r = tn__run_wait_fd((int)c->a[0], 4 /* POLLOUT */,
                            tn__run_fd_deadline(c, f, TN__RUN_OUT),
                            "sendmmsg");
        if (r <= 0)
            return total ? total : r < 0 ? r : -EAGAIN;
    }
    return total;
}

long tn__run_sendmmsg(struct tn__run_call *c)
{
    enum { MANY = 1024 }; /* the kernel takes no more at a time */
    struct tn__run_fd *f = tn__io_blocking(c->a[0]);
    unsigned n = (unsigned)c->a[2];

    if (!f || n == 0 || (c->a[3] & MSG_DONTWAIT))
        return tn__run_kernel(c);
    if (is_counted((int)c->a[0], (int)c->a[3]))
        return tn__io_whole(c, f, TN__RUN_OUT);
    return send_each(c, f, n < MANY ? n : MANY);
}
