/* SPDX-License-Identifier: MIT */
/* run/io.c - read, write and their kin on descriptors that block.
 *
 * A blocking call becomes an operation of the hub (loop/op.c makes it without
 * blocking whatever the descriptor is); the description keeps the program's
 * O_NONBLOCK. Where the program has set that itself, or asks with
 * MSG_DONTWAIT, or the file never waits, the kernel does the call as it is.
 *
 * A blocking write returns when everything is written, so what the hub writes
 * in part goes on here; so does a read with MSG_WAITALL. Once something was
 * transferred an interruption gives that count, as in Linux. */
#include "run/run.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* What the program is told when a wait of the hub ended without a result. */
static long plain(long r)
{
    if (r == -ECANCELED)
        return -EINTR;
    return r == -ETIME ? -EAGAIN : r;
}

/* The entry of a descriptor on which a call has to wait here; NULL: let the
 * kernel do the call. */
static struct tn__run_fd *blocking(long fd)
{
    struct tn__run_fd *f = tn__run_fd_get((int)fd);

    if (!f || f->is_file || tn__run_fd_is_nonblock((int)fd, f))
        return NULL;
    return f;
}

static long wait_in(struct tn__run_call *c, struct tn__op *op,
                    const struct tn__run_fd *f, const char *what)
{
    tn_time deadline = tn__run_fd_deadline(c, f, TN__RUN_IN);

    return plain(tn__run_io(c, op, deadline, what));
}

static long wait_out(struct tn__run_call *c, struct tn__op *op,
                     const struct tn__run_fd *f, const char *what)
{
    tn_time deadline = tn__run_fd_deadline(c, f, TN__RUN_OUT);

    return plain(tn__run_io(c, op, deadline, what));
}

/* A process that is not in the foreground gets SIGTTIN when it reads from its
 * terminal, not when there is a line: a read of nothing raises it. 0, or what
 * the call is to give. */
static long ask_terminal(const struct tn__run_call *c)
{
    struct tn__run_call nothing = {.nr = SYS_read, .a = {c->a[0]}};
    int group = 0;

    if (tn__raw3(SYS_ioctl, c->a[0], TIOCGPGRP, (long)&group) < 0 ||
        group == tn__raw1(SYS_getpgid, 0))
        return 0;
    return tn__run_kernel(&nothing);
}

/* The kernel makes the call as it stands, and knows when it is done. */
static long receive_whole(struct tn__run_call *c, const struct tn__run_fd *f)
{
    tn__run_fd_deadline(c, f, TN__RUN_IN);
    return tn__run_offload(c);
}

static long read_in(struct tn__run_call *c, struct tn__op *op,
                    const struct tn__run_fd *f, const char *what)
{
    long r;

    if (TN_UNLIKELY(f->has_low_mark))
        return receive_whole(c, f);
    r = TN_UNLIKELY(f->is_terminal) ? ask_terminal(c) : 0;
    return r < 0 ? r : wait_in(c, op, f, what);
}

long tn__run_read(struct tn__run_call *c)
{
    struct tn__run_fd *f = blocking(c->a[0]);
    struct tn__op op = {.code = TN__OP_READ, .fd = (int)c->a[0],
                        .buf = (void *)c->a[1], .len = (size_t)c->a[2]};

    return f ? read_in(c, &op, f, "read") : tn__run_file_io(c);
}

long tn__run_readv(struct tn__run_call *c)
{
    struct tn__run_fd *f = blocking(c->a[0]);
    struct tn__op op = {.code = TN__OP_READV, .fd = (int)c->a[0],
                        .iov = (void *)c->a[1], .len = (size_t)c->a[2]};

    return f ? read_in(c, &op, f, "readv") : tn__run_file_io(c);
}

/* Go on with an operation that has a buffer, until all is written. `done` is
 * what was written already, or an error. */
static long write_rest(struct tn__run_call *c, struct tn__op *op,
                       const struct tn__run_fd *f, long done,
                       const char *what)
{
    long total = done, r;
    size_t len = op->len;

    while (total >= 0 && (size_t)total < len && done > 0) {
        op->buf = (char *)op->buf + done;
        op->len = len - (size_t)total;
        r = wait_out(c, op, f, what);
        if (r < 0)
            return total;
        done = r;
        total += r;
    }
    return total;
}

static long write_all(struct tn__run_call *c, struct tn__op *op,
                      const struct tn__run_fd *f, const char *what)
{
    long r = wait_out(c, op, f, what);

    return TN_LIKELY(r == (long)op->len) ? r : write_rest(c, op, f, r, what);
}

long tn__run_write(struct tn__run_call *c)
{
    struct tn__run_fd *f = blocking(c->a[0]);
    struct tn__op op = {.code = TN__OP_WRITE, .fd = (int)c->a[0],
                        .buf = (void *)c->a[1], .len = (size_t)c->a[2]};
    long r;

    if (!f)
        return tn__run_file_io(c);
    if (TN_UNLIKELY(tn__run_device_write(c, f, &r)))
        return r;
    return write_all(c, &op, f, "write");
}

/* The rest of a vector of which `done` bytes are written, piece by piece. */
static long write_pieces(struct tn__run_call *c, struct tn__op *op,
                         const struct tn__run_fd *f, const struct iovec *iov,
                         size_t n, long done)
{
    long total = done, skip = done, r;

    for (size_t i = 0; i < n; i++) {
        if ((size_t)skip >= iov[i].iov_len) {
            skip -= (long)iov[i].iov_len;
            continue;
        }
        op->buf = (char *)iov[i].iov_base + skip;
        op->len = iov[i].iov_len - (size_t)skip;
        r = write_all(c, op, f, "write");
        if (r < 0)
            return total;
        total += r;
        if ((size_t)r + (size_t)skip < iov[i].iov_len)
            return total;
        skip = 0;
    }
    return total;
}

long tn__run_writev(struct tn__run_call *c)
{
    struct tn__run_fd *f = blocking(c->a[0]);
    const struct iovec *iov = (const void *)c->a[1];
    struct tn__op op = {.code = TN__OP_WRITEV, .fd = (int)c->a[0],
                        .iov = iov, .len = (size_t)c->a[2]};
    long r;

    if (!f)
        return tn__run_file_io(c);
    if (TN_UNLIKELY(tn__run_device_write(c, f, &r)))
        return r;
    r = wait_out(c, &op, f, "writev");
    if (r <= 0)
        return r;
    op = (struct tn__op){.code = TN__OP_WRITE, .fd = (int)c->a[0]};
    return write_pieces(c, &op, f, iov, (size_t)c->a[2], r);
}

/* preadv2() or pwritev2() at the current place, with flags that mean nothing to
 * what one waits on: as readv(), writev(). */
static bool is_plain_vector(const struct tn__run_call *c)
{
    enum { FLAGS = 1 | 2 | 4 | 0x10 | 0x20 }; /* HIPRI SYNC DSYNC (NO)APPEND */

    return c->a[3] == -1 && !(c->a[5] & ~FLAGS);
}

long tn__run_preadv2(struct tn__run_call *c)
{
    return is_plain_vector(c) && blocking(c->a[0]) ? tn__run_readv(c)
                                                   : tn__run_file_io(c);
}

long tn__run_pwritev2(struct tn__run_call *c)
{
    return is_plain_vector(c) && blocking(c->a[0]) ? tn__run_writev(c)
                                                   : tn__run_file_io(c);
}

/* ---- sockets ---- */

static bool is_stream(int fd)
{
    int type = 0;
    unsigned len = sizeof type;

    return tn__sys_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
           type == SOCK_STREAM;
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
            long r = wait_in(c, &op, f, "recv");

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
    struct tn__run_fd *f = blocking(c->a[0]);
    int flags = (int)c->a[3];
    struct tn__op op = {.code = TN__OP_RECV, .fd = (int)c->a[0],
                        .buf = (void *)c->a[1], .len = (size_t)c->a[2],
                        .flags = flags};
    long r;

    if (!f || (flags & (MSG_DONTWAIT | MSG_ERRQUEUE)))
        return tn__run_kernel(c);
    if (is_whole(op.fd, f, flags, NULL))
        return receive_whole(c, f);
    if (c->a[4] || c->a[5]) {
        op.code = TN__OP_RECVFROM;
        op.addr = (struct sockaddr *)c->a[4];
        op.addr_len = (unsigned *)c->a[5];
    }
    r = wait_in(c, &op, f, "recv");
    if (r > 0 && !(flags & MSG_OOB) && wants_all(op.fd, flags))
        r = receive_rest(
            c, f, &(struct iovec){(void *)c->a[1], (size_t)c->a[2]}, 1, flags,
            r);
    return r;
}

long tn__run_sendto(struct tn__run_call *c)
{
    struct tn__run_fd *f = blocking(c->a[0]);
    struct tn__op op = {.code = TN__OP_SEND, .fd = (int)c->a[0],
                        .buf = (void *)c->a[1], .len = (size_t)c->a[2],
                        .flags = (int)c->a[3]};

    if (!f || (op.flags & MSG_DONTWAIT))
        return tn__run_kernel(c);
    if (c->a[4]) {
        op.code = TN__OP_SENDTO;
        op.addr = (struct sockaddr *)c->a[4];
        op.addr_n = (unsigned)c->a[5];
    }
    return write_all(c, &op, f, "send");
}

/* Has a message brought descriptors? */
static void look_for_rights(const struct msghdr *msg)
{
    const char *control = msg->msg_control;
    size_t at = 0;

    while (control && at + sizeof(struct cmsghdr) <= msg->msg_controllen) {
        const struct cmsghdr *head = (const void *)(control + at);

        if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
            tn__run_fd_received();
        if (head->cmsg_len < sizeof *head)
            return;
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
        return receive_whole(c, f);
    r = wait_in(c, &op, f, "recvmsg");
    if (r > 0 && !(op.flags & MSG_OOB) && wants_all(op.fd, op.flags))
        r = receive_rest(c, f, msg->msg_iov, msg->msg_iovlen, op.flags, r);
    return r;
}

long tn__run_recvmsg(struct tn__run_call *c)
{
    struct tn__run_fd *f = blocking(c->a[0]);
    struct msghdr *msg = (struct msghdr *)c->a[1];
    long r;

    if (!f || (c->a[2] & (MSG_DONTWAIT | MSG_ERRQUEUE)))
        r = tn__run_kernel(c);
    else
        r = receive_message(c, f, msg);
    if (r >= 0)
        look_for_rights(msg);
    return r;
}

long tn__run_sendmsg(struct tn__run_call *c)
{
    struct tn__run_fd *f = blocking(c->a[0]);
    struct msghdr *msg = (struct msghdr *)c->a[1];
    struct tn__op op = {.code = TN__OP_SENDMSG, .fd = (int)c->a[0],
                        .msg = msg, .flags = (int)c->a[2]};
    long r;

    if (!f || (op.flags & MSG_DONTWAIT))
        return tn__run_kernel(c);
    r = wait_out(c, &op, f, "sendmsg");
    if (r <= 0)
        return r;
    op = (struct tn__op){.code = TN__OP_SEND, .fd = (int)c->a[0],
                         .flags = (int)c->a[2]};
    return write_pieces(c, &op, f, msg->msg_iov, msg->msg_iovlen, r);
}

/* recvmmsg(): as many messages as there are without waiting, then wait for the
 * next. `is_enough` ends it after the first. */
static long receive_each(struct tn__run_call *c, bool is_enough,
                         tn_time deadline)
{
    const long size = (long)sizeof(struct mmsghdr);
    long total = 0, r;

    while (total < c->a[2]) {
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
        r = tn__run_wait_fd((int)c->a[0], 1 /* POLLIN */, deadline, "recvmmsg");
        if (r <= 0)
            return total ? total : r < 0 ? r : -EAGAIN;
    }
    return total;
}

static long receive_many(struct tn__run_call *c, struct tn__run_fd *f)
{
    long r;

    if (!c->has_deadline) {
        r = tn__run_deadline((const struct timespec *)c->a[4],
                             CLOCK_MONOTONIC, false, &c->deadline);
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
    struct tn__run_fd *f = blocking(c->a[0]);
    long r;

    if (!f || (c->a[3] & (MSG_DONTWAIT | MSG_ERRQUEUE)))
        r = tn__run_kernel(c);
    else if (f->has_low_mark || wants_all((int)c->a[0], (int)c->a[3]))
        r = receive_whole(c, f);
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
    sent = (unsigned)write_pieces(c, &op, f, iov, n, m->msg_len);
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
    struct tn__run_fd *f = blocking(c->a[0]);
    unsigned n = (unsigned)c->a[2];

    if (!f || n == 0 || (c->a[3] & MSG_DONTWAIT))
        return tn__run_kernel(c);
    return send_each(c, f, n < MANY ? n : MANY);
}
