/* SPDX-License-Identifier: MIT */
/* run/wait.c - poll, select and epoll_wait, by the hub's poll of many.
 *
 * Each call looks first, without waiting. Then it waits for the first of its
 * descriptors, and looks again: what the program is told is always what the
 * kernel says about all of them at one moment. An epoll set of the program is
 * one descriptor that becomes readable. */
#include "run/run.h"

#include <poll.h>
#include <sys/select.h>
#include <sys/time.h>

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

static long poll_with(struct pollfd *fds, size_t n, tn_time deadline,
                      struct tn__op *ops)
{
    for (;;) {
        long r = tn__sys_poll_now(fds, n);

        if (r != 0)
            return r;
        r = park(fds, n, deadline, ops);
        if (r < 0)
            return r;
        if (r == 0)
            return tn__sys_poll_now(fds, n);
    }
}

static long poll_one(struct pollfd *p, tn_time deadline)
{
    long r = tn__run_wait_fd(p->fd, p->events, deadline, "poll");

    if (r < 0)
        return r == -EBADF ? tn__sys_poll_now(p, 1) : r;
    p->revents = (short)r;
    return r != 0;
}

static long poll_all(struct pollfd *fds, size_t n, tn_time deadline)
{
    struct tn__op few[FEW], *ops = few;
    struct tn__run_fd *f;
    long r;

    if (deadline == TN_NOWAIT)
        return tn__sys_poll_now(fds, n);
    if (n == 1) {
        f = tn__run_fd_get(fds[0].fd);
        if (f && !f->is_file)
            return poll_one(fds, deadline);
    }
    if (n > FEW) {
        r = tn__sys_poll_now(fds, n); /* EINVAL, EFAULT, or ready */
        if (r != 0)
            return r;
        ops = tn__sys_map(n * sizeof *ops);
        if (!ops)
            return -ENOMEM;
    }
    r = poll_with(fds, n, deadline, ops);
    if (ops != few)
        tn__sys_unmap(ops, n * sizeof *ops);
    return r;
}

static int keep_deadline(struct tn__run_call *c, const struct timespec *t)
{
    int r;

    if (c->has_deadline)
        return 0;
    r = tn__run_deadline(t, CLOCK_MONOTONIC, false, &c->deadline);
    if (t && t->tv_sec == 0 && t->tv_nsec == 0)
        c->deadline = TN_NOWAIT;
    c->has_deadline = r == 0;
    return r;
}

static int keep_deadline_ms(struct tn__run_call *c, int ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};

    return keep_deadline(c, ms < 0 ? NULL : &t);
}

long tn__run_poll(struct tn__run_call *c)
{
    keep_deadline_ms(c, (int)c->a[2]);
    return poll_all((struct pollfd *)c->a[0], (size_t)c->a[1], c->deadline);
}

/* What is left until `deadline`. */
static struct timespec rest_of(tn_time deadline)
{
    int64_t span = deadline - tn__run_clock(CLOCK_MONOTONIC);

    if (span < 0 || deadline == TN_NOWAIT)
        span = 0;
    return (struct timespec){span / 1000000000, span % 1000000000};
}

/* The calls below select() and others say how much of the timeout is left, if
 * they can: it may be constant. */
static void tell_rest(struct timespec *given, tn_time deadline)
{
    struct timespec t;

    if (!given || deadline == TN_FOREVER || deadline == TN_NOWAIT)
        return;
    t = rest_of(deadline);
    tn__run_copy(given, &t, sizeof t);
}

long tn__run_ppoll(struct tn__run_call *c)
{
    long r = keep_deadline(c, (const struct timespec *)c->a[2]);

    if (r == 0)
        r = tn__run_mask_borrow((const void *)c->a[3], (size_t)c->a[4]);
    if (r == 0)
        r = poll_all((struct pollfd *)c->a[0], (size_t)c->a[1], c->deadline);
    tell_rest((struct timespec *)c->a[2], c->deadline);
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
    long r = keep_deadline(c, (const struct timespec *)c->a[3]);

    return r < 0 ? r : epoll_masked(c);
}

/* ---- select ---- */

/* The three sets of select(), as given; NULL: none. */
struct sets {
    uint64_t *in, *out, *urgent;
    int n;
};

static int bit(const uint64_t *set, int fd)
{
    return set ? (int)(set[fd / 64] >> (fd % 64) & 1) : 0;
}

static int events_of(const struct sets *s, int fd)
{
    return (bit(s->in, fd) ? POLLIN : 0) | (bit(s->out, fd) ? POLLOUT : 0) |
           (bit(s->urgent, fd) ? POLLPRI : 0);
}

static size_t count_fds(const struct sets *s)
{
    size_t n = 0;

    for (int fd = 0; fd < s->n; fd++)
        n += events_of(s, fd) != 0;
    return n;
}

static void fill(const struct sets *s, struct pollfd *fds)
{
    for (int fd = 0; fd < s->n; fd++) {
        int events = events_of(s, fd);

        if (events)
            *fds++ = (struct pollfd){.fd = fd, .events = (short)events};
    }
}

static void clear(uint64_t *set, int n)
{
    for (int i = 0; set && i < (n + 63) / 64; i++)
        set[i] = 0;
}

static long put(uint64_t *set, int fd)
{
    set[fd / 64] |= (uint64_t)1 << (fd % 64);
    return 1;
}

/* Answer in the program's sets. How many bits are set. */
static long answer(const struct sets *s, const struct pollfd *fds, size_t n)
{
    long total = 0;

    for (size_t i = 0; i < n; i++)
        if (fds[i].revents & POLLNVAL)
            return -EBADF;
    clear(s->in, s->n);
    clear(s->out, s->n);
    clear(s->urgent, s->n);
    for (size_t i = 0; i < n; i++) {
        int asked = fds[i].events, got = fds[i].revents;

        if ((asked & POLLIN) && (got & (POLLIN | POLLHUP | POLLERR)))
            total += put(s->in, fds[i].fd);
        if ((asked & POLLOUT) && (got & (POLLOUT | POLLERR)))
            total += put(s->out, fds[i].fd);
        if ((asked & POLLPRI) && (got & POLLPRI))
            total += put(s->urgent, fds[i].fd);
    }
    return total;
}

static long select_until(struct tn__run_call *c)
{
    struct sets s = {(uint64_t *)c->a[1], (uint64_t *)c->a[2],
                     (uint64_t *)c->a[3], (int)c->a[0]};
    struct pollfd few[FEW], *fds = few;
    size_t n;
    long r;

    if (s.n < 0)
        return -EINVAL;
    n = count_fds(&s);
    if (n > FEW) {
        fds = tn__sys_map(n * sizeof *fds);
        if (!fds)
            return -ENOMEM;
    }
    fill(&s, fds);
    r = poll_all(fds, n, c->deadline);
    if (r >= 0)
        r = answer(&s, fds, n);
    if (fds != few)
        tn__sys_unmap(fds, n * sizeof *fds);
    return r;
}

long tn__run_select(struct tn__run_call *c)
{
    struct timeval *given = (struct timeval *)c->a[4];
    struct timespec t;
    long r;

    if (given && !c->has_deadline) {
        if (given->tv_sec < 0 || given->tv_usec < 0)
            return -EINVAL;
        t.tv_sec = given->tv_sec + given->tv_usec / 1000000;
        t.tv_nsec = given->tv_usec % 1000000 * 1000;
    }
    r = keep_deadline(c, given ? &t : NULL);
    if (r == 0)
        r = select_until(c);
    if (given && c->deadline != TN_FOREVER) {
        t = rest_of(c->deadline);
        given->tv_sec = t.tv_sec;
        given->tv_usec = t.tv_nsec / 1000;
    }
    return r;
}

long tn__run_pselect6(struct tn__run_call *c)
{
    const struct {
        const tn__run_set *mask;
        size_t bytes;
    } *mask = (const void *)c->a[5];
    long r = keep_deadline(c, (const struct timespec *)c->a[4]);

    if (r == 0 && mask)
        r = tn__run_mask_borrow(mask->mask, mask->bytes);
    if (r == 0)
        r = select_until(c);
    tell_rest((struct timespec *)c->a[4], c->deadline);
    tn__run_mask_give_back(r);
    return r;
}
