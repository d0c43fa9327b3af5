/* SPDX-License-Identifier: MIT */
/* net/transfer.c - bytes from one descriptor to another, within the kernel.
 *
 * sendfile() waits for its output only, and is an operation of the loop as
 * send() is. splice() may have to wait for either side. SPLICE_F_NONBLOCK is
 * about pipes alone: on anything else O_NONBLOCK counts, which a descriptor
 * that is not ours gets for the time of the one system call. When splice() says
 * EAGAIN, poll() tells which side it is; where it says that both are ready (a
 * socket with less room than is to be moved), the call is made again after a
 * pause. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <tendril/net.h>

#include "base/own.h"
#include "base/sys.h"
#include "net/fd.h"

ssize_t tn_sendfile(int out, int in, off_t *offset, size_t len,
                    tn_time deadline)
{
    struct tn__op op = {.code = TN__OP_SENDFILE, .fd = out, .flags = in,
                        .at = offset, .len = len};
    TN__NET_ENTER(h)

    return tn__hub_io(h, &op, deadline, "tn_sendfile");
}

/* Give `fd` O_NONBLOCK. Its flags before, to be put back if that changed them;
 * -1: nothing is to be put back. */
static long hold(int fd)
{
    long flags = tn__sys_fcntl(fd, F_GETFL, 0);

    if (flags < 0 || (flags & O_NONBLOCK))
        return -1;
    tn__sys_fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    return flags;
}

static void let_go(int fd, long flags)
{
    if (flags >= 0)
        tn__sys_fcntl(fd, F_SETFL, flags);
}

static ssize_t splice_once(int in, off_t *in_at, int out, off_t *out_at,
                           size_t len, unsigned flags)
{
    long in_flags = hold(in), out_flags = hold(out);
    int err_before = errno;
    ssize_t r =
        TN_OWN(splice(in, in_at, out, out_at, len, flags | SPLICE_F_NONBLOCK));

    if (r < 0) {
        r = -errno;
        errno = err_before;
    }
    let_go(out, out_flags);
    let_go(in, in_flags);
    return r;
}

/* splice() has said EAGAIN. 0: make it again; else a negative errno. */
static long await_side(struct tn_hub *h, int in, int out, int64_t *us,
                       tn_time deadline)
{
    struct tn__op op = {.code = TN__OP_POLL, .mode = TN__OP_NOTRY};
    struct pollfd p[2] = {{in, POLLIN, 0}, {out, POLLOUT, 0}};
    long r;

    if (deadline == TN_NOWAIT) {
        tn__hub_tick(h);
        return -EAGAIN;
    }
    r = tn__sys_poll_now(p, 2);
    if (r < 0)
        return r;
    if (p[0].revents && p[1].revents) {
        r = tn__net_pause(h, out, us, deadline, "tn_splice");
        return r == 1 ? -ETIME : r;
    }
    *us = 0;
    op.fd = p[0].revents ? out : in;
    op.flags = p[0].revents ? POLLOUT : POLLIN;
    r = tn__hub_poll(h, &op, 1, deadline, "tn_splice");
    if (r == 0)
        return -ETIME;
    return r > 0 && op.result < 0 ? op.result : r < 0 ? r : 0;
}

ssize_t tn_splice(int in, off_t *in_offset, int out, off_t *out_offset,
                  size_t len, unsigned flags, tn_time deadline)
{
    uint32_t in_generation, out_generation;
    int64_t us = 0;
    ssize_t r;
    TN__NET_ENTER(h)

    if (TN_UNLIKELY(h->current->alert)) {
        r = tn__hub_alert(h, h->current, deadline);
        if (r)
            return r;
    }
    in_generation = tn__net_generation(h, in);
    out_generation = tn__net_generation(h, out);
    for (;;) {
        r = splice_once(in, in_offset, out, out_offset, len, flags);
        if (r != -EAGAIN) {
            tn__hub_tick(h);
            return r;
        }
        r = await_side(h, in, out, &us, deadline);
        if (r < 0)
            return r;
        if (in_generation != tn__net_generation(h, in) ||
            out_generation != tn__net_generation(h, out))
            return -EBADF;
    }
}
