/* SPDX-License-Identifier: MIT */
/* patch/io.c - read, write and their kin, of any descriptor, and recv and send.
 *
 * An attempt never waits: sockets take MSG_DONTWAIT, pipes and the like
 * RWF_NOWAIT, others are asked by poll() first. Files, and what is written to
 * terminals, are libc's own business. A blocking descriptor takes all that is
 * written to it before write() returns. */
#include "patch/patch.h"

#include <limits.h>
#include <sys/stat.h>

enum kind { KIND_SOCKET, KIND_NOWAIT, KIND_POLL, KIND_PLAIN };

/* A read or a write. */
struct transfer {
    int fd;
    bool is_read;
    enum kind kind;
    struct tn__patch_parts parts; /* still to be done */
};

static enum kind kind_of(int fd, bool is_read)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return KIND_PLAIN;
    if (S_ISSOCK(st.st_mode))
        return KIND_SOCKET;
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
        return KIND_PLAIN;
    if (S_ISCHR(st.st_mode))
        return is_read ? KIND_POLL : KIND_PLAIN;
    return KIND_NOWAIT;
}

/* ---- one attempt ---- */

static ssize_t plain(const struct transfer *t, const struct iovec *iov, int n)
{
    const struct tn__patch_real *real = tn__real();

    if (n == 1)
        return t->is_read ? real->read(t->fd, iov->iov_base, iov->iov_len)
                          : real->write(t->fd, iov->iov_base, iov->iov_len);
    return t->is_read ? real->readv(t->fd, iov, n)
                      : real->writev(t->fd, iov, n);
}

static ssize_t by_socket(const struct transfer *t, int flags)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)t->parts.iov,
                         .msg_iovlen = (size_t)t->parts.n};

    flags |= MSG_DONTWAIT;
    return t->is_read ? tn__real()->recvmsg(t->fd, &msg, flags)
                      : tn__real()->sendmsg(t->fd, &msg, flags);
}

static ssize_t by_poll(const struct transfer *t)
{
    struct iovec part = *t->parts.iov;

    if (tn__patch_is_ready(t->fd, t->is_read ? POLLIN : POLLOUT) < 0)
        return -1;
    if (t->is_read)
        return plain(t, t->parts.iov, t->parts.n);
    /* There is room for so much, at least. */
    if (part.iov_len > PIPE_BUF)
        part.iov_len = PIPE_BUF;
    return plain(t, &part, 1);
}

/* `flags`: MSG_NOSIGNAL, or 0 as write() has it. */
static ssize_t attempt(struct transfer *t, int flags)
{
    ssize_t r;

    switch (t->kind) {
    case KIND_SOCKET:
        return by_socket(t, flags);
    case KIND_PLAIN:
        return plain(t, t->parts.iov, t->parts.n);
    case KIND_NOWAIT:
        r = t->is_read
                ? preadv2(t->fd, t->parts.iov, t->parts.n, -1, RWF_NOWAIT)
                : pwritev2(t->fd, t->parts.iov, t->parts.n, -1, RWF_NOWAIT);
        if (r >= 0 ||
            (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL))
            return r;
        t->kind = KIND_POLL;
        /* fall through */
    default:
        return by_poll(t);
    }
}

/* ---- the whole call ---- */

static ssize_t read_some(int fd, const struct iovec *iov, int n)
{
    struct tn__patch_wait w = TN_PATCH_WAIT(fd, POLLIN);
    struct transfer t = {fd, true, kind_of(fd, true), {iov, n}};
    ssize_t r;

    do
        r = attempt(&t, 0);
    while (r < 0 && tn__patch_again(&w));
    return tn__patch_done(&w, r);
}

static ssize_t write_all(int fd, const struct iovec *iov, int n)
{
    struct tn__patch_wait w = TN_PATCH_WAIT(fd, POLLOUT);
    struct transfer t = {fd, false, kind_of(fd, false), {iov, n}};
    ssize_t sent = 0, r;

    do {
        if (sent > 0 && t.kind == KIND_SOCKET &&
            tn__patch_has_ended(fd, POLLOUT))
            break;
        r = attempt(&t, sent > 0 ? MSG_NOSIGNAL : 0);
        if (r > 0)
            sent += r;
    } while (r < 0 ? tn__patch_again(&w)
                   : tn__patch_advance(&t.parts, (size_t)r) &&
                         t.kind != KIND_PLAIN && tn__patch_goes_on(&w));
    return tn__patch_done(&w, sent > 0 ? sent : r);
}

/* What the kernel refuses is the kernel's business. */
static bool is_vector(const struct iovec *iov, int n)
{
    return iov && n > 0 && n <= IOV_MAX;
}

ssize_t tn__patch_read(int fd, void *buf, size_t len)
{
    struct iovec part = {buf, len};

    if (!tn_patch_parks() || len == 0)
        return tn__real()->read(fd, buf, len);
    return read_some(fd, &part, 1);
}

ssize_t tn__patch_write(int fd, const void *buf, size_t len)
{
    struct iovec part = {(void *)buf, len};

    if (!tn_patch_parks() || len == 0)
        return tn__real()->write(fd, buf, len);
    return write_all(fd, &part, 1);
}

ssize_t tn__patch_readv(int fd, const struct iovec *iov, int n)
{
    if (!tn_patch_parks() || !is_vector(iov, n))
        return tn__real()->readv(fd, iov, n);
    return read_some(fd, iov, n);
}

ssize_t tn__patch_writev(int fd, const struct iovec *iov, int n)
{
    if (!tn_patch_parks() || !is_vector(iov, n))
        return tn__real()->writev(fd, iov, n);
    return write_all(fd, iov, n);
}

/* ---- what -D_FORTIFY_SOURCE makes of a call ---- */

ssize_t tn__patch_read_chk(int fd, void *buf, size_t len, size_t room)
{
    tn__patch_check(len <= room);
    return tn__patch_read(fd, buf, len);
}

TN_PATCH_ALIAS(__read, read);
TN_PATCH_ALIAS(__write, write);
