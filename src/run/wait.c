/* SPDX-License-Identifier: MIT */
/* run/wait.c - poll and epoll_wait, by the hub's poll of many.
 *
 * Each call looks first, without waiting. Then it waits for the first of its
 * descriptors, and looks again: what the program is told is always what the
 * kernel says about all of them at one moment. An epoll set of the program is
 * one descriptor that becomes readable. */
#include "run/wait.h"

#include <poll.h>

enum { FEW = 8 }; /* so many fit on the stack of a small thread */

static long plain(long r)
{
    return r == -ECANCELED ? -EINTR : r;
}

static struct tn__op op_for(int fd, int events)
{
    struct tn__run_fd *f = tn__run_fd_get(fd);
    bool is_mute = f && f->is_file && !tn__run_file_has_events(fd, f);

    return (struct tn__op){.code = TN__OP_POLL,
                           .fd = is_mute ? -1 : fd,
                           .flags = events};
}

long tn__run_wait_fd(int fd, int events, tn_time deadline, const char *what)
{
    struct tn__op op = {.code = TN__OP_POLL, .fd = fd, .flags = events};
    long r;

    tn__run_fd_get(fd);
    r = tn__hub_poll(&tn__run_hub, &op, 1, deadline, what);
    return r > 0 ? op.result : plain(r);
}

/* Wait until one of them may be ready. More than 0, 0 at the deadline. */
static long park(const struct pollfd *fds, size_t n, tn_time deadline,
                 struct tn__op *ops)
{
    for (size_t i = 0; i < n; i++) {
        ops[i] = op_for(fds[i].fd, fds[i].events);
        ops[i].mode = TN__OP_NOTRY; /* poll() has just said no */
    }
    return plain(tn__hub_poll(&tn__run_hub, ops, n, deadline, "poll"));
}

/* What poll() has found, if that is what the caller looks for. */
static long look(struct pollfd *fds, size_t n, tn__run_found *is_found)
{
    long r = tn__sys_poll_now(fds, n);

    return r > 0 && is_found && !is_found(fds, n) ? 0 : r;
}

static long poll_with(struct pollfd *fds, size_t n, tn_time deadline,
                      tn__run_found *is_found, struct tn__op *ops)
{
    for (;;) {
        long r = look(fds, n, is_found);

        if (r != 0)
            return r;
        r = park(fds, n, deadline, ops);
        if (r < 0)
            return r;
        if (r == 0)
            return look(fds, n, is_found);
    }
}

static long poll_one(struct pollfd *fds, tn_time deadline)
{
    struct pollfd p;
    long r;

    if (tn__run_copy(&p, fds, sizeof p) < 0)
        return -EFAULT;
    if (TN_UNLIKELY(tn__run_self()->g.alert)) {
        r = tn__sys_poll_now(fds, 1); /* what is ready goes before signals */
        if (r != 0)
            return r;
    }
    r = tn__run_wait_fd(p.fd, p.events, deadline, "poll");
    if (r < 0)
        return r == -EBADF ? tn__sys_poll_now(fds, 1) : r;
    p.revents = (short)r;
    if (tn__run_copy(&fds->revents, &p.revents, sizeof p.revents) < 0)
        return -EFAULT;
    return r != 0;
}

/* One that may wait, as far as can be seen. */
static bool is_waitable(const struct pollfd *fds)
{
    struct tn__run_fd *f;
    struct pollfd p;

    if (tn__run_copy(&p, fds, sizeof p) < 0)
        return false;
    f = tn__run_fd_get(p.fd);
    return f && !f->is_file;
}

long tn__run_poll_all(struct pollfd *fds, size_t n, tn_time deadline,
                      tn__run_found *is_found)
{
    struct tn__op few[FEW], *ops = few;
    long r;

    if (deadline == TN_NOWAIT)
        return look(fds, n, is_found);
    if (n == 1 && is_waitable(fds)) {
        r = poll_one(fds, deadline);
        if (r <= 0 || !is_found || is_found(fds, n))
            return r;
    }
    if (n > FEW) {
        r = look(fds, n, is_found); /* EINVAL, EFAULT, or ready */
        if (r != 0)
            return r;
        ops = tn__sys_map(n * sizeof *ops);
        if (!ops)
            return -ENOMEM;
    }
    r = poll_with(fds, n, deadline, is_found, ops);
    if (ops != few)
        tn__sys_unmap(ops, n * sizeof *ops);
    return r;
}

int tn__run_keep_deadline(struct tn__run_call *c, const struct timespec *t)
{
    struct timespec given;
    int r;

    if (c->has_deadline)
        return 0;
    if (t && tn__run_copy(&given, t, sizeof given) < 0)
        return -EFAULT;
    r = tn__run_deadline(t ? &given : NULL, false, &c->deadline);
    if (t && given.tv_sec == 0 && given.tv_nsec == 0)
        c->deadline = TN_NOWAIT;
    c->has_deadline = r == 0;
    return r;
}

static int keep_deadline_ms(struct tn__run_call *c, int ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};

    return tn__run_keep_deadline(c, ms < 0 ? NULL : &t);
}

long tn__run_poll(struct tn__run_call *c)
{
    keep_deadline_ms(c, (int)c->a[2]);
    return tn__run_poll_all((struct pollfd *)c->a[0], (size_t)c->a[1],
                            c->deadline, NULL);
}

struct timespec tn__run_rest_of(tn_time deadline)
{
    int64_t span = deadline - tn__run_clock(CLOCK_MONOTONIC);

    if (span < 0 || deadline == TN_NOWAIT)
        span = 0;
    return (struct timespec){span / 1000000000, span % 1000000000};
}

void tn__run_tell_rest(const struct tn__run_call *c, struct timespec *given)
{
    struct timespec t;

    if (!given || !c->has_deadline || c->deadline == TN_FOREVER ||
        c->deadline == TN_NOWAIT)
        return;
    t = tn__run_rest_of(c->deadline);
    tn__run_copy(given, &t, sizeof t);
}

long tn__run_found_or_signal(long r)
{
    const struct tn__run_green *self = tn__run_self();

    if (r != 0 || !self->has_restore_mask)
        return r;
    tn__run_signals_drain();
    return tn__run_signal_due(self, 0) ? -EINTR : 0;
}

long tn__run_ppoll(struct tn__run_call *c)
{
    long r = tn__run_keep_deadline(c, (const struct timespec *)c->a[2]);

    if (r == 0)
        r = tn__run_mask_borrow((const void *)c->a[3], (size_t)c->a[4]);
    if (r == 0)
        r = tn__run_found_or_signal(
            tn__run_poll_all((struct pollfd *)c->a[0], (size_t)c->a[1],
                             c->deadline, NULL));
    tn__run_tell_rest(c, (struct timespec *)c->a[2]);
    tn__run_mask_give_back(r);
    return r;
}

/* ---- epoll ---- */

static long epoll_now(struct tn__run_call *c)
{
    return tn__raw4(SYS_epoll_wait, c->a[0], c->a[1], c->a[2], 0);
}

static long epoll_until(struct tn__run_call *c)
{
    for (;;) {
        long r = epoll_now(c);

        if (r != 0 || c->deadline == TN_NOWAIT)
            return r;
        r = tn__run_wait_fd((int)c->a[0], POLLIN, c->deadline, "epoll_wait");
        if (r < 0)
            return r;
        if (r == 0)
            return epoll_now(c);
    }
}

static long epoll_masked(struct tn__run_call *c)
{
    long r = tn__run_mask_borrow((const void *)c->a[4], (size_t)c->a[5]);

    if (r == 0)
        r = epoll_until(c);
    tn__run_mask_give_back(r);
    return r;
}

/* epoll_wait() and epoll_pwait(). */
long tn__run_epoll_wait(struct tn__run_call *c)
{
    keep_deadline_ms(c, (int)c->a[3]);
    return c->nr == SYS_epoll_wait ? epoll_until(c) : epoll_masked(c);
}

long tn__run_epoll_pwait2(struct tn__run_call *c)
{
    long r = tn__run_keep_deadline(c, (const struct timespec *)c->a[3]);

    return r < 0 ? r : epoll_masked(c);
}
