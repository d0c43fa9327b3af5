/* SPDX-License-Identifier: MIT */
/* run/splice.c - splice, tee and vmsplice, where a pipe is empty or full.
 *
 * SPLICE_F_NONBLOCK is for pipes; what is at the other end gets O_NONBLOCK for
 * the time of the one system call, or a helper makes that, as in connect.c.
 * Then poll() says on which side there is something to wait for. */
#include "run/run.h"

#include <fcntl.h>
#include <poll.h>

enum { BACKOFF_NS = 1000000 };

/* One side of a call. */
struct side {
    int fd;
    int events;            /* what it has to be ready for */
    int direction;         /* TN__RUN_IN, TN__RUN_OUT */
    struct tn__run_fd *f;  /* NULL: it never waits */
    bool is_nonblock;      /* the program has set O_NONBLOCK */
    bool is_pipe;
};

static struct side side_of(long fd, int direction)
{
    struct side s = {.fd = (int)fd, .direction = direction,
                     .events = direction == TN__RUN_IN ? POLLIN : POLLOUT,
                     .f = tn__run_fd_get((int)fd)};

    if (!s.f || s.f->is_file) {
        s.f = NULL;
        return s;
    }
    s.is_nonblock = tn__run_fd_is_nonblock(s.fd, s.f);
    s.is_pipe = tn__raw3(SYS_fcntl, s.fd, F_GETPIPE_SZ, 0) >= 0;
    return s;
}

/* SPLICE_F_NONBLOCK is not for it. */
static bool may_block(const struct side *s)
{
    return s->f && !s->is_pipe && !s->is_nonblock;
}

/* Set or put back O_NONBLOCK of such a side. */
static void hold(const struct side *s, long flag)
{
    long flags;

    if (!may_block(s))
        return;
    flags = tn__raw3(SYS_fcntl, s->fd, F_GETFL, 0);
    if (flags >= 0)
        tn__raw3(SYS_fcntl, s->fd, F_SETFL,
                 (flags & ~(long)O_NONBLOCK) | flag);
}

static bool is_ready(const struct side *s)
{
    struct pollfd p = {s->fd, (short)s->events, 0};

    return !s->f || tn__sys_poll_now(&p, 1) != 0;
}

/* The call has said EAGAIN. 0: make it again. */
static long wait_for(struct tn__run_call *c, const struct side *sides)
{
    for (int i = 0; i < 2; i++) {
        const struct side *s = &sides[i];
        long r;

        if (is_ready(s))
            continue;
        if (s->is_nonblock)
            return -EAGAIN;
        r = tn__run_wait_fd(s->fd, s->events,
                            tn__run_fd_deadline(c, s->f, s->direction),
                            "splice");
        return r > 0 ? 0 : r < 0 ? r : -EAGAIN;
    }
    return tn__run_sleep_until(tn__clock_after(tn__clock_now(), BACKOFF_NS),
                               "splice");
}

/* `flags` is the argument that has SPLICE_F_NONBLOCK. */
static long transfer(struct tn__run_call *c, const struct side *sides,
                     int flags)
{
    struct tn__run_call now = *c;
    long r;

    now.a[flags] |= SPLICE_F_NONBLOCK;
    do {
        for (int i = 0; i < 2; i++)
            hold(&sides[i], O_NONBLOCK);
        r = tn__raw(now.nr, now.a[0], now.a[1], now.a[2], now.a[3], now.a[4],
                    now.a[5]);
        for (int i = 0; i < 2; i++)
            hold(&sides[i], 0);
        if (r != -EAGAIN)
            return r;
        r = wait_for(c, sides);
    } while (r == 0);
    return r;
}

static long between(struct tn__run_call *c, long in, long out, int flags)
{
    struct side sides[2] = {side_of(in, TN__RUN_IN),
                            side_of(out, TN__RUN_OUT)};
    bool are_pipes = sides[0].is_pipe && sides[1].is_pipe;

    if (c->a[flags] & SPLICE_F_NONBLOCK)
        return tn__run_kernel(c);
    if (are_pipes && (sides[0].is_nonblock || sides[1].is_nonblock))
        return tn__run_kernel(c); /* one counts for both */
    for (int i = 0; i < 2; i++)
        if (may_block(&sides[i]) && sides[i].f->is_foreign)
            return tn__run_offload(c);
    return transfer(c, sides, flags);
}

long tn__run_splice(struct tn__run_call *c)
{
    return between(c, c->a[0], c->a[2], 5);
}

long tn__run_tee(struct tn__run_call *c)
{
    return between(c, c->a[0], c->a[1], 3);
}

long tn__run_vmsplice(struct tn__run_call *c)
{
    long mode = tn__raw3(SYS_fcntl, c->a[0], F_GETFL, 0) & O_ACCMODE;
    struct side sides[2] = {
        side_of(c->a[0], mode == O_RDONLY ? TN__RUN_IN : TN__RUN_OUT)};

    if (!sides[0].is_pipe || sides[0].is_nonblock ||
        (c->a[3] & SPLICE_F_NONBLOCK))
        return tn__run_kernel(c);
    return transfer(c, sides, 3);
}
