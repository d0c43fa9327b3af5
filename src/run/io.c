/* SPDX-License-Identifier: MIT */
/* run/io.c - read, write and their kin on descriptors that block.
 *
 * A blocking call becomes an operation of the hub (loop/op.c makes it without
 * blocking whatever the descriptor is); the description keeps the program's
 * O_NONBLOCK. Where the program has set that itself, or the file never waits,
 * the kernel does the call as it is.
 *
 * A blocking write returns when everything is written, so what the hub writes
 * in part goes on here. Once something was transferred an interruption or an
 * error gives that count, as in Linux. */
#include "run/io.h"

#include <asm/termbits.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

long tn__io_ask_terminal(const struct tn__run_call *c, long nr)
{
    struct tn__run_call nothing = {.nr = nr, .a = {c->a[0]}};
    int group = 0;

    if (tn__raw3(SYS_ioctl, c->a[0], TIOCGPGRP, (long)&group) < 0 ||
        group == tn__raw1(SYS_getpgid, 0))
        return 0;
    return tn__run_kernel(&nothing);
}

/* Without lines a terminal may be told to wait for several bytes, or for so
 * long: poll() knows neither. */
static bool has_own_wait(int fd)
{
    struct termios t;

    return tn__raw3(SYS_ioctl, fd, TCGETS, (long)&t) == 0 &&
           !(t.c_lflag & ICANON) && (t.c_cc[VMIN] != 1 || t.c_cc[VTIME] != 0);
}

long tn__io_whole(struct tn__run_call *c, const struct tn__run_fd *f,
                  int direction)
{
    tn__run_fd_deadline(c, f, direction);
    return tn__run_offload(c);
}

long tn__io_connected(struct tn__run_call *c, struct tn__op *op,
                      tn_time deadline, const char *what)
{
    long r = tn__run_wait_fd(op->fd, POLLOUT, deadline, what);

    if (r <= 0)
        return r < 0 ? r : -EINPROGRESS;
    op->flags &= ~MSG_FASTOPEN;
    return tn__io_plain(tn__run_io(c, op, deadline, what));
}

/* Another process may take what poll() has seen. */
static long read_fifo(struct tn__run_call *c)
{
    long r = tn__run_wait_fd((int)c->a[0], POLLIN, TN_FOREVER, "read");

    return r < 0 ? r : tn__run_offload(c);
}

static long read_in(struct tn__run_call *c, struct tn__op *op,
                    const struct tn__run_fd *f, const char *what)
{
    long r;

    if (TN_UNLIKELY(f->has_low_mark))
        return tn__io_whole(c, f, TN__RUN_IN);
    if (TN_UNLIKELY(f->is_fifo))
        return read_fifo(c);
    if (TN_UNLIKELY(f->is_terminal)) {
        r = tn__io_ask_terminal(c, SYS_read);
        if (r < 0)
            return r;
        if (has_own_wait(op->fd))
            return tn__io_whole(c, f, TN__RUN_IN);
    }
    return tn__io_in(c, op, f, what);
}

long tn__run_read(struct tn__run_call *c)
{
    struct tn__run_fd *f = tn__io_blocking(c->a[0]);
    struct tn__op op = {.code = TN__OP_READ, .fd = (int)c->a[0],
                        .buf = (void *)c->a[1], .len = (size_t)c->a[2]};

    return f ? read_in(c, &op, f, "read") : tn__run_file_io(c);
}

/* The vector of a call can be read; what is wrong with it the kernel says. */
static bool has_vector(const struct tn__run_call *c)
{
    const struct iovec *iov = (const void *)c->a[1];
    struct iovec one;

    if ((unsigned long)c->a[2] > IOV_MAX)
        return false;
    for (long i = 0; i < c->a[2]; i++)
        if (tn__run_copy(&one, &iov[i], sizeof one) < 0)
            return false;
    return true;
}

long tn__run_readv(struct tn__run_call *c)
{
    struct tn__run_fd *f = tn__io_blocking(c->a[0]);
    struct tn__op op = {.code = TN__OP_READV, .fd = (int)c->a[0],
                        .iov = (void *)c->a[1], .len = (size_t)c->a[2]};

    if (!f)
        return tn__run_file_io(c);
    return has_vector(c) ? read_in(c, &op, f, "readv") : tn__run_kernel(c);
}

/* ---- the rest of a call ---- */

long tn__io_again(struct tn__run_call *c, struct tn__op *op,
                  const struct tn__run_fd *f, int direction, const char *what)
{
    int events = direction == TN__RUN_IN ? POLLIN : POLLOUT;
    long r;

    if (!f->is_socket)
        return direction == TN__RUN_IN ? tn__io_in(c, op, f, what)
                                       : tn__io_out(c, op, f, what);
    op->code = direction == TN__RUN_IN ? TN__OP_RECV : TN__OP_SEND;
    if (direction == TN__RUN_OUT)
        op->flags = (op->flags & ~MSG_FASTOPEN) | MSG_NOSIGNAL;
    do {
        r = tn__run_wait_fd(op->fd, events,
                            tn__run_fd_deadline(c, f, direction), what);
        if (r <= 0)
            return r < 0 ? r : -EAGAIN;
        if (tn__fd_has_ended(op->fd, events, (int)r))
            return -EPIPE;
        tn__run_unlock();
        r = tn__op_try(op, NULL);
        tn__run_lock();
    } while (r == -EAGAIN);
    return r;
}

/* Write all that is left. How much is written, or an error; a pipe has raised
 * its signal then, though the call gives what was written before. */
static long write_all(struct tn__run_call *c, struct tn__op *op,
                      const struct tn__run_fd *f, const char *what)
{
    size_t len = op->len;
    long total = 0, r;

    while ((size_t)total < len) {
        r = tn__io_again(c, op, f, TN__RUN_OUT, what);
        if (r == -EPIPE && !f->is_socket)
            tn__run_pass_raised(r);
        if (r <= 0)
            return total ? total : r;
        total += r;
        op->buf = (char *)op->buf + r;
        op->len -= (size_t)r;
    }
    return total;
}

long tn__io_write_rest(struct tn__run_call *c, struct tn__op *op,
                       const struct tn__run_fd *f, long done,
                       const char *what)
{
    long r;

    if (done <= 0 || (size_t)done >= op->len)
        return done;
    op->buf = (char *)op->buf + done;
    op->len -= (size_t)done;
    r = write_all(c, op, f, what);
    return r > 0 ? done + r : done;
}

long tn__run_write(struct tn__run_call *c)
{
    struct tn__run_fd *f = tn__io_blocking(c->a[0]);
    struct tn__op op = {.code = TN__OP_WRITE, .fd = (int)c->a[0],
                        .buf = (void *)c->a[1], .len = (size_t)c->a[2]};
    long r;

    if (!f)
        return tn__run_file_io(c);
    if (TN_UNLIKELY(tn__run_device_write(c, f, &r)))
        return r;
    return tn__io_write(c, &op, f, "write");
}

long tn__io_write_pieces(struct tn__run_call *c, struct tn__op *op,
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
    struct tn__run_fd *f = tn__io_blocking(c->a[0]);
    const struct iovec *iov = (const void *)c->a[1];
    struct tn__op op = {.code = TN__OP_WRITEV, .fd = (int)c->a[0],
                        .iov = iov, .len = (size_t)c->a[2]};
    long r;

    if (!f)
        return tn__run_file_io(c);
    if (!has_vector(c))
        return tn__run_kernel(c);
    if (TN_UNLIKELY(tn__run_device_write(c, f, &r)))
        return r;
    r = tn__io_out(c, &op, f, "writev");
    if (r <= 0)
        return r;
    op = (struct tn__op){.code = TN__OP_WRITE, .fd = (int)c->a[0]};
    return tn__io_write_pieces(c, &op, f, iov, (size_t)c->a[2], r);
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
    return is_plain_vector(c) && tn__io_blocking(c->a[0]) ? tn__run_readv(c)
                                                   : tn__run_file_io(c);
}

long tn__run_pwritev2(struct tn__run_call *c)
{
    return is_plain_vector(c) && tn__io_blocking(c->a[0]) ? tn__run_writev(c)
                                                   : tn__run_file_io(c);
}
