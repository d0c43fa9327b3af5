/* SPDX-License-Identifier: MIT */
/* loop/op.c - one attempt at an operation, without waiting.
 *
 * Sockets take MSG_DONTWAIT in the call. For read() and write() it depends on
 * whose descriptor it is: ours have O_NONBLOCK; on others the flag would be
 * seen by every process that shares the open file, so we use recv(), or
 * RWF_NOWAIT, or ask poll() first. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/assert.h"
#include "base/sys.h"
#include "loop/loop.h"

enum tn__fd_kind tn__fd_kind_of(int fd)
{
    struct stat st;

    if (tn__sys_fstat(fd, &st) < 0)
        return TN__KIND_UNKNOWN;
    if (S_ISSOCK(st.st_mode))
        return TN__KIND_SOCKET;
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
        return TN__KIND_FILE;
    return TN__KIND_NOWAIT; /* until it says that it cannot */
}

static int option_of(int fd, int name)
{
    int value = -1;
    unsigned len = sizeof value;

    return tn__sys_getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value
                                                                       : -1;
}

void tn__fd_learn(int fd, struct tn__fd *f)
{
    if (f->kind == TN__KIND_UNKNOWN)
        f->kind = (uint8_t)tn__fd_kind_of(fd);
    if (f->kind != TN__KIND_SOCKET || option_of(fd, SO_TYPE) != SOCK_STREAM)
        return;
    f->flags |= TN__FD_STREAM;
    if (option_of(fd, SO_DOMAIN) == AF_UNIX)
        f->flags |= TN__FD_MARKS;
}

bool tn__fd_has_ended(int fd, int events, int revents)
{
    enum { CLOSED = 7 }; /* TCP_CLOSE; others have no TCP_INFO */
    uint8_t state = 0;   /* which that begins with */
    unsigned len = sizeof state;

    if (!(revents & (POLLERR | POLLHUP)) ||
        tn__sys_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &len) < 0 ||
        state != CLOSED)
        return false;
    return !(events & POLLIN) || tn__sys_unread(fd) <= 0;
}

static long poll_one(int fd, int events)
{
    struct pollfd p = {fd, (short)events, 0};
    long n = tn__sys_poll_now(&p, 1);

    if (n < 0)
        return n;
    return n == 0 ? -EAGAIN : p.revents;
}

/* read, write, readv, writev on a descriptor with O_NONBLOCK, or one that never
 * waits. */
static long plain(const struct tn__op *op)
{
    switch (op->code) {
    case TN__OP_READ:
        return tn__sys_read(op->fd, op->buf, op->len);
    case TN__OP_WRITE:
        return tn__sys_write(op->fd, op->buf, op->len);
    case TN__OP_READV:
        return tn__sys_readv(op->fd, op->iov, (int)op->len);
    default:
        return tn__sys_writev(op->fd, op->iov, (int)op->len);
    }
}

static bool is_read(const struct tn__op *op)
{
    return op->code == TN__OP_READ || op->code == TN__OP_READV;
}

static bool is_vector(const struct tn__op *op)
{
    return op->code == TN__OP_READV || op->code == TN__OP_WRITEV;
}

bool tn__op_is_nothing(const struct tn__op *op)
{
    if (!is_vector(op))
        return op->len == 0 &&
               (op->code == TN__OP_READ || op->code == TN__OP_WRITE ||
                op->code == TN__OP_SEND || op->code == TN__OP_SENDFILE);
    for (size_t i = 0; i < op->len && i < IOV_MAX; i++)
        if (op->iov[i].iov_len)
            return false;
    return true;
}

/* The same on a socket that may block. */
static long by_socket(const struct tn__op *op)
{
    struct msghdr msg = {0};

    if (op->code == TN__OP_READ)
        return tn__sys_recv(op->fd, op->buf, op->len, MSG_DONTWAIT);
    if (op->code == TN__OP_WRITE)
        return tn__sys_send(op->fd, op->buf, op->len, MSG_DONTWAIT);
    msg.msg_iov = (struct iovec *)op->iov;
    msg.msg_iovlen = op->len;
    return is_read(op) ? tn__sys_recvmsg(op->fd, &msg, MSG_DONTWAIT)
                       : tn__sys_sendmsg(op->fd, &msg, MSG_DONTWAIT);
}

static long by_nowait(const struct tn__op *op)
{
    struct iovec one = {op->buf, op->len};
    const struct iovec *iov = is_vector(op) ? op->iov : &one;
    int n = is_vector(op) ? (int)op->len : 1;

    return is_read(op) ? tn__sys_readv_nowait(op->fd, iov, n)
                       : tn__sys_writev_nowait(op->fd, iov, n);
}

/* A write of so many bytes does not block when poll() says that there is room:
 * one to a terminal, which promises no more, and PIPE_BUF to a pipe. */
static size_t room_of(int fd)
{
    struct stat st;

    return tn__sys_fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) ? 1 : PIPE_BUF;
}

/* The first part of a write, as large as does not block. */
static struct tn__op first_part(const struct tn__op *op)
{
    struct tn__op part = *op;
    size_t room = room_of(op->fd), i = 0;

    if (is_vector(op)) {
        while (i + 1 < op->len && op->iov[i].iov_len == 0)
            i++;
        part.code = TN__OP_WRITE;
        part.buf = op->len ? op->iov[i].iov_base : NULL;
        part.len = op->len ? op->iov[i].iov_len : 0;
    }
    if (part.len > room)
        part.len = room;
    return part;
}

static long by_poll(const struct tn__op *op)
{
    struct tn__op part;
    long r = poll_one(op->fd, is_read(op) ? POLLIN : POLLOUT);

    if (r < 0)
        return r;
    if (is_read(op))
        return plain(op);
    part = first_part(op);
    return plain(&part);
}

/* read() and write() by whatever way does not block. */
static long transfer(const struct tn__op *op, struct tn__fd *f)
{
    bool is_known = f && (f->flags & TN__FD_TRACKED);
    int kind = is_known ? f->kind : TN__KIND_UNKNOWN;
    long r;

    if (is_known && (f->flags & TN__FD_NONBLOCK))
        return plain(op);
    if (kind == TN__KIND_UNKNOWN) {
        kind = tn__fd_kind_of(op->fd);
        if (is_known)
            f->kind = (uint8_t)kind;
    }
    /* Nothing is read or written at once, in whatever way; but write() sends
     * an empty datagram, for which there may be no room. */
    if (tn__op_is_nothing(op) &&
        (kind != TN__KIND_SOCKET || op->code != TN__OP_WRITE))
        return plain(op);
    switch (kind) {
    case TN__KIND_SOCKET:
        return by_socket(op);
    case TN__KIND_NOWAIT:
        r = by_nowait(op);
        if (r != -EOPNOTSUPP && r != -ENOSYS)
            return r;
        if (is_known)
            f->kind = TN__KIND_POLL;
        return by_poll(op);
    case TN__KIND_POLL:
        return by_poll(op);
    default:
        return plain(op);
    }
}

/* The file is read at once, from wherever it is. `out` may block: then it gets
 * O_NONBLOCK for the time of the call. */
static long send_file(const struct tn__op *op, const struct tn__fd *f)
{
    bool is_ours = f && (f->flags & TN__FD_NONBLOCK);
    long flags = is_ours ? O_NONBLOCK : tn__sys_fcntl(op->fd, F_GETFL, 0), r;

    if (flags < 0)
        return flags;
    if (!(flags & O_NONBLOCK))
        tn__sys_fcntl(op->fd, F_SETFL, flags | O_NONBLOCK);
    r = tn__sys_sendfile(op->fd, op->flags, op->at, op->len);
    if (!(flags & O_NONBLOCK))
        tn__sys_fcntl(op->fd, F_SETFL, flags);
    return r;
}

static long accept_one(const struct tn__op *op, const struct tn__fd *f)
{
    bool is_ours = f && (f->flags & TN__FD_NONBLOCK);

    if (!is_ours) {
        long r = poll_one(op->fd, POLLIN);

        if (r < 0)
            return r;
    }
    return tn__sys_accept4(op->fd, op->addr, op->addr_len, op->flags);
}

static long connect_verdict(int fd)
{
    int error = 0;
    unsigned len = sizeof error;
    long r = poll_one(fd, POLLOUT);

    if (r < 0)
        return r;
    r = tn__sys_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return r < 0 ? r : -error;
}

static long try_once(struct tn__op *op, struct tn__fd *f)
{
    switch (op->code) {
    case TN__OP_RECV:
        return tn__sys_recv(op->fd, op->buf, op->len,
                            op->flags | MSG_DONTWAIT);
    case TN__OP_SEND:
        return tn__sys_send(op->fd, op->buf, op->len,
                            op->flags | MSG_DONTWAIT);
    case TN__OP_RECVFROM:
        return tn__sys_recvfrom(op->fd, op->buf, op->len,
                                op->flags | MSG_DONTWAIT, op->addr,
                                op->addr_len);
    case TN__OP_SENDTO:
        return tn__sys_sendto(op->fd, op->buf, op->len,
                              op->flags | MSG_DONTWAIT, op->addr, op->addr_n);
    case TN__OP_RECVMSG:
        return tn__sys_recvmsg(op->fd, op->msg, op->flags | MSG_DONTWAIT);
    case TN__OP_SENDMSG:
        return tn__sys_sendmsg(op->fd, op->msg, op->flags | MSG_DONTWAIT);
    case TN__OP_RECVMMSG:
        return tn__sys_recvmmsg(op->fd, op->msgs, (unsigned)op->len,
                                op->flags | MSG_DONTWAIT);
    case TN__OP_SENDMMSG:
        return tn__sys_sendmmsg(op->fd, op->msgs, (unsigned)op->len,
                                op->flags | MSG_DONTWAIT);
    case TN__OP_SENDFILE:
        return send_file(op, f);
    case TN__OP_ACCEPT:
        return accept_one(op, f);
    case TN__OP_CONNECT:
        return connect_verdict(op->fd);
    case TN__OP_POLL:
        return poll_one(op->fd, op->flags);
    default:
        return transfer(op, f);
    }
}

/* A socket for datagrams that does not receive any more: who would wait in the
 * kernel gets 0, who does not wait gets EAGAIN. */
static bool is_shut(const struct tn__op *op)
{
    long r;

    switch (op->code) {
    case TN__OP_RECV:
    case TN__OP_RECVFROM:
    case TN__OP_RECVMSG:
    case TN__OP_READ:
    case TN__OP_READV:
        r = poll_one(op->fd, POLLRDHUP);
        return r > 0 && (r & POLLRDHUP);
    default:
        return false;
    }
}

long tn__op_try(struct tn__op *op, struct tn__fd *f)
{
    long r = try_once(op, f);

    if (TN_UNLIKELY(r == -EAGAIN && f &&
                    (f->flags & (TN__FD_HUP | TN__FD_STREAM)) == TN__FD_HUP &&
                    is_shut(op)))
        return 0;
    return r;
}
