/* SPDX-License-Identifier: MIT */
/* run/connect.c - accept, connect and sendfile on sockets that block.
 *
 * These have no flag that says "do not wait". So the description gets
 * O_NONBLOCK for the time of the one system call: nothing of ours runs in
 * between. Where another process may share it, and would see that, a helper
 * makes the call as it stands. So is connect() made where there is one green
 * thread: a peer that accepts and resets at once may do so before we hear that
 * there is a connection, and the kernel has told that already. */
#include "run/run.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

enum { BACKOFF_MIN_NS = 200000, BACKOFF_MAX_NS = 10000000 };

/* The call, on a description that has O_NONBLOCK while it lasts. */
static long without_waiting(struct tn__run_call *c, int fd)
{
    long flags = tn__raw3(SYS_fcntl, fd, F_GETFL, 0), r;

    if (flags < 0)
        return flags;
    tn__raw3(SYS_fcntl, fd, F_SETFL, flags | O_NONBLOCK);
    r = tn__raw(c->nr, c->a[0], c->a[1], c->a[2], c->a[3], c->a[4], c->a[5]);
    tn__raw3(SYS_fcntl, fd, F_SETFL, flags);
    return r;
}

static bool is_blocking(int fd, struct tn__run_fd **ret_fd)
{
    struct tn__run_fd *f = tn__run_fd_get(fd);

    if (!f || f->is_file || tn__run_fd_is_nonblock(fd, f))
        return false;
    *ret_fd = f;
    return true;
}

/* ---- accept ---- */

/* Another process may take the connection that poll() has seen. */
static long accept_shared(struct tn__run_call *c, tn_time deadline)
{
    long r = tn__run_wait_fd((int)c->a[0], POLLIN, deadline, "accept");

    if (r <= 0)
        return r < 0 ? r : -EAGAIN;
    return tn__run_offload(c);
}

/* Once it is, it stays one, or there is an event for what has become of it. */
static bool is_listener(int fd, struct tn__run_fd *f)
{
    int value = 0;
    unsigned len = sizeof value;

    if (TN_UNLIKELY(!f->is_listener))
        f->is_listener = tn__sys_getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN,
                                            &value, &len) == 0 &&
                         value;
    return f->is_listener;
}

static long accept_one(struct tn__run_call *c, int flags)
{
    struct tn__op op = {.code = TN__OP_ACCEPT, .fd = (int)c->a[0],
                        .addr = (struct sockaddr *)c->a[1],
                        .addr_len = (unsigned *)c->a[2], .flags = flags};
    struct tn__run_fd *f;
    tn_time deadline;
    long r;

    if (!is_blocking((int)c->a[0], &f))
        return tn__run_kernel(c);
    if (!is_listener(op.fd, f))
        return tn__run_offload(c); /* an error, most likely */
    deadline = tn__run_fd_deadline(c, f, TN__RUN_IN);
    if (f->is_foreign)
        return accept_shared(c, deadline);
    r = tn__hub_io(&tn__run_hub, &op, deadline, "accept");
    if (r == -ECANCELED)
        return -EINTR;
    return r == -ETIME ? -EAGAIN : r;
}

long tn__run_accept(struct tn__run_call *c)
{
    return tn__run_fd_new(accept_one(c, 0));
}

long tn__run_accept4(struct tn__run_call *c)
{
    return tn__run_fd_new(accept_one(c, (int)c->a[3]));
}

/* ---- connect ---- */

/* The backlog of a local socket is full: the kernel would wait for room, and
 * has no event for it. */
static long knock_again(struct tn__run_call *c, tn_time deadline)
{
    int64_t backoff = BACKOFF_MIN_NS;
    long r;

    do {
        tn_time until = tn__clock_after(tn__clock_now(), backoff);

        if (until > deadline)
            return -EAGAIN;
        r = tn__run_sleep_until(until, "connect");
        if (r < 0)
            return r;
        if (backoff < BACKOFF_MAX_NS)
            backoff *= 2;
        r = without_waiting(c, (int)c->a[0]);
    } while (r == -EAGAIN);
    return r;
}

/* After a shutdown() the socket is as new. */
static long verdict_of_shut(int fd)
{
    int error = 0;
    unsigned len = sizeof error;

    tn__sys_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return error ? -error : -ECONNRESET;
}

/* The call is made again for its verdict, for by that the socket becomes a
 * connected one, or one that can be tried anew. */
static long await_verdict(struct tn__run_call *c, const struct tn__run_fd *f,
                          tn_time deadline)
{
    uint8_t n_shut = f->n_shut;
    long r;

    do {
        r = tn__run_wait_fd((int)c->a[0], POLLOUT, deadline, "connect");
        if (r <= 0)
            return r < 0 ? r : -EINPROGRESS;
        if (f->n_shut != n_shut)
            return verdict_of_shut((int)c->a[0]);
        r = without_waiting(c, (int)c->a[0]);
    } while (r == -EINPROGRESS || r == -EALREADY);
    return r == -EISCONN ? 0 : r; /* another thread has heard it */
}

long tn__run_connect(struct tn__run_call *c)
{
    struct tn__run_fd *f;
    tn_time deadline;
    long r;

    if (!is_blocking((int)c->a[0], &f))
        return tn__run_kernel(c);
    deadline = tn__run_fd_deadline(c, f, TN__RUN_OUT);
    if (f->is_foreign || tn__run.counts.alive == 1)
        return tn__run_offload(c);
    r = without_waiting(c, (int)c->a[0]);
    if (r == -EAGAIN)
        r = knock_again(c, deadline);
    return r == -EINPROGRESS || r == -EALREADY ? await_verdict(c, f, deadline)
                                               : r;
}

/* Who waits in connect() must not begin anew. */
long tn__run_shutdown(struct tn__run_call *c)
{
    struct tn__run_fd *f = tn__run_fd_get((int)c->a[0]);

    if (f)
        f->n_shut++;
    return tn__run_kernel(c);
}

/* ---- sendfile ---- */

long tn__run_sendfile(struct tn__run_call *c)
{
    struct tn__run_call part = *c;
    struct tn__run_fd *f;
    long total = 0, r;

    if (!is_blocking((int)c->a[0], &f))
        return tn__run_file_copy(c);
    if (f->is_foreign) {
        tn__run_fd_deadline(c, f, TN__RUN_OUT);
        return tn__run_offload(c);
    }
    while (total < c->a[3]) {
        part.a[3] = c->a[3] - total;
        r = without_waiting(&part, (int)c->a[0]);
        if (r == 0)
            break;
        if (r > 0) {
            total += r;
            c->has_deadline = false; /* the timeout is of each piece */
            continue;
        }
        if (r == -EAGAIN)
            r = tn__run_wait_fd((int)c->a[0], POLLOUT,
                                tn__run_fd_deadline(c, f, TN__RUN_OUT),
                                "sendfile");
        if (r <= 0)
            return total ? total : r < 0 ? r : -EAGAIN;
    }
    return total;
}
