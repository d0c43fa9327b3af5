/* SPDX-License-Identifier: MIT */
/* net/poll.c - waiting for many descriptors at once. */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/select.h>
#include <tendril/net.h>

#include "base/sys.h"
#include "net/fd.h"

enum { POLL_ON_STACK = 32 };

static long poll_ops(struct tn_hub *h, struct tn__op *ops, struct pollfd *fds,
                     size_t n, tn_time deadline)
{
    long r;

    if (TN_UNLIKELY(h->current->alert)) {
        r = tn__hub_alert(h, h->current, deadline);
        if (r)
            return r;
    }
    r = tn__sys_poll_now(fds, n);
    if (r != 0 || deadline == TN_NOWAIT) {
        tn__hub_tick(h);
        return r;
    }
    for (size_t i = 0; i < n; i++)
        ops[i] = (struct tn__op){.code = TN__OP_POLL,
                                 .mode = TN__OP_NOTRY,
                                 .fd = fds[i].fd,
                                 .flags = fds[i].events};
    r = tn__hub_poll(h, ops, n, deadline, "tn_poll");
    for (size_t i = 0; r > 0 && i < n; i++)
        if (ops[i].fd >= 0 && ops[i].is_done)
            fds[i].revents =
                (short)(ops[i].result < 0 ? POLLNVAL /* it was closed */
                                          : ops[i].result);
    return r;
}

int tn_poll(struct pollfd *fds, size_t n, tn_time deadline)
{
    struct tn__op few[POLL_ON_STACK], *ops = few;
    size_t bytes = n * sizeof few[0];
    long r;
    TN__NET_ENTER(h)

    if (n > INT_MAX) /* the kernel would look at the low half */
        return -EINVAL;
    if (n > POLL_ON_STACK) {
        ops = tn__sys_map(bytes);
        if (!ops)
            return -ENOMEM;
    }
    r = poll_ops(h, ops, fds, n, deadline);
    if (ops != few)
        tn__sys_unmap(ops, bytes);
    if (r != 0)
        return (int)r;
    return deadline == TN_NOWAIT ? -EAGAIN : -ETIME;
}

/* ---- select ----
 *
 * The sets are arrays of words of as many bits as the caller says, which may be
 * more than FD_SETSIZE: they are never touched by the macros of select(2). */

enum { WORD_BITS = 8 * (int)sizeof(unsigned long) };

struct sets {
    unsigned long *of[3]; /* to read, to write, exceptions; or NULL */
};

static const short set_events[3] = {POLLIN, POLLOUT, POLLPRI};
/* A descriptor that is broken is ready for all. */
static const short broken = POLLHUP | POLLERR;

static bool has_bit(const unsigned long *words, int fd)
{
    return words && (words[fd / WORD_BITS] >> (fd % WORD_BITS) & 1);
}

static short events_of(const struct sets *s, int fd)
{
    short events = 0;

    for (int i = 0; i < 3; i++)
        if (has_bit(s->of[i], fd))
            events = (short)(events | set_events[i]);
    return events;
}

/* How many of them are asked about; stored in `fds`, if it is not NULL. */
static size_t gather(const struct sets *s, int n, struct pollfd *fds)
{
    size_t found = 0;

    for (int fd = 0; fd < n; fd++) {
        short events = events_of(s, fd);

        if (!events)
            continue;
        if (fds)
            fds[found] = (struct pollfd){fd, events, 0};
        found++;
    }
    return found;
}

/* Leave the bits of what happened. How many, or -EBADF. */
static int scatter(const struct sets *s, const struct pollfd *fds, size_t n_fds)
{
    int n_bits = 0;

    for (size_t k = 0; k < n_fds; k++)
        if (fds[k].revents & POLLNVAL)
            return -EBADF;
    for (size_t k = 0; k < n_fds; k++)
        for (int i = 0; i < 3; i++) {
            unsigned long *words = s->of[i];
            int fd = fds[k].fd;

            if (!has_bit(words, fd))
                continue;
            if (fds[k].revents & (set_events[i] | broken))
                n_bits++;
            else
                words[fd / WORD_BITS] &= ~(1UL << (fd % WORD_BITS));
        }
    return n_bits;
}

int tn_select_fds(int n, fd_set *readable, fd_set *writable, fd_set *urgent,
                  tn_time deadline)
{
    struct sets s = {{(unsigned long *)readable, (unsigned long *)writable,
                      (unsigned long *)urgent}};
    struct pollfd few[POLL_ON_STACK], *fds = few;
    size_t n_fds, bytes;
    int r;

    if (n < 0)
        return -EINVAL;
    n_fds = gather(&s, n, NULL);
    bytes = n_fds * sizeof *fds;
    if (n_fds > POLL_ON_STACK) {
        fds = tn__sys_map(bytes);
        if (!fds)
            return -ENOMEM;
    }
    gather(&s, n, fds);
    r = tn_poll(fds, n_fds, deadline);
    if (r > 0)
        r = scatter(&s, fds, n_fds);
    if (fds != few)
        tn__sys_unmap(fds, bytes);
    return r;
}
