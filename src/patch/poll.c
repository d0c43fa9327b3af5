/* SPDX-License-Identifier: MIT */
/* patch/poll.c - waiting for one of several descriptors.
 *
 * A signal mask that a call brings along cannot be set while other greenlets
 * run. So a call with one asks libc again and again, without waiting, and
 * leaves pauses in between: a signal that only this mask lets through comes
 * late, by the pause at most. */
#include "patch/patch.h"

#include <limits.h>
#include <string.h>

#define MASK_PAUSE_NS 10000000

static tn_time earlier(tn_time a, tn_time b)
{
    return a < b ? a : b;
}

static tn_time deadline_of(const struct timespec *timeout)
{
    return timeout ? tn__patch_after(timeout) : TN_FOREVER;
}

static bool is_nothing(const struct timespec *t)
{
    return t && t->tv_sec == 0 && t->tv_nsec == 0;
}

/* What poll() and its kin return for a wait without result. */
static int late(int r)
{
    if (r == -EAGAIN || (r == -ETIME && tn_check() == 0))
        return 0;
    return tn__patch_fail(r);
}

/* ---- poll ---- */

static int poll_until(struct pollfd *fds, nfds_t n, tn_time deadline)
{
    int r;

    do
        r = tn_poll(fds, n, deadline);
    while (r == -EINTR); /* a signal, during its first look */
    return r < 0 ? late(r) : r;
}

int tn__patch_poll(struct pollfd *fds, nfds_t n, int ms)
{
    if (!tn_patch_parks() || ms == 0 || n > INT_MAX)
        return tn__real()->poll(fds, n, ms);
    return poll_until(fds, n, ms < 0 ? TN_FOREVER : tn_after_ms(ms));
}

int tn__patch_ppoll(struct pollfd *fds, nfds_t n,
                    const struct timespec *timeout, const sigset_t *mask)
{
    const struct timespec now = {0, 0};
    tn_time deadline;
    int r;

    if (!tn_patch_parks() || is_nothing(timeout) || n > INT_MAX ||
        (timeout && (timeout->tv_sec < 0 || !tn__patch_is_time(timeout))))
        return tn__real()->ppoll(fds, n, timeout, mask);
    deadline = deadline_of(timeout);
    if (!mask)
        return poll_until(fds, n, deadline);
    do {
        r = tn__real()->ppoll(fds, n, &now, mask);
        if (r == 0)
            r = poll_until(fds, n,
                           earlier(deadline, tn_after_ns(MASK_PAUSE_NS)));
    } while (r == 0 && tn_now() < deadline);
    return r;
}

/* ---- select ---- */

enum { WORD_BITS = 8 * (int)sizeof(unsigned long) };

/* Take all bits away. A set may be larger, or smaller, than fd_set. */
static void empty(fd_set *set, int n)
{
    if (set)
        memset(set, 0,
               (size_t)((n + WORD_BITS - 1) / WORD_BITS) *
                   sizeof(unsigned long));
}

static int select_until(int n, fd_set *readable, fd_set *writable,
                        fd_set *urgent, tn_time deadline)
{
    int r;

    do
        r = tn_select_fds(n, readable, writable, urgent, deadline);
    while (r == -EINTR);
    if (r < 0)
        r = late(r);
    if (r == 0) {
        empty(readable, n);
        empty(writable, n);
        empty(urgent, n);
    }
    return r;
}

static bool is_span(const struct timeval *t)
{
    return t->tv_sec >= 0 && t->tv_usec >= 0 && t->tv_usec < 1000000;
}

/* Linux stores what is left of the time. */
static void store_left(struct timeval *timeout, tn_time deadline)
{
    int64_t left = deadline - tn_now();

    if (left < 0)
        left = 0;
    timeout->tv_sec = left / 1000000000;
    timeout->tv_usec = left % 1000000000 / 1000;
}

int tn__patch_select(int n, fd_set *readable, fd_set *writable, fd_set *urgent,
                     struct timeval *timeout)
{
    tn_time deadline = TN_FOREVER;
    int r;

    if (!tn_patch_parks() || n < 0 ||
        (timeout && (!is_span(timeout) ||
                     (timeout->tv_sec == 0 && timeout->tv_usec == 0))))
        return tn__real()->select(n, readable, writable, urgent, timeout);
    if (timeout)
        deadline = tn__patch_after(
            &(struct timespec){timeout->tv_sec, (long)timeout->tv_usec * 1000});
    r = select_until(n, readable, writable, urgent, deadline);
    if (timeout)
        store_left(timeout, deadline);
    return r;
}

/* Three sets of at most FD_SETSIZE bits, which libc's call overwrites. */
struct sets {
    fd_set *theirs[3];
    fd_set asked[3];
};

static void keep(struct sets *s)
{
    for (int i = 0; i < 3; i++)
        if (s->theirs[i])
            s->asked[i] = *s->theirs[i];
}

static void give_back(const struct sets *s)
{
    for (int i = 0; i < 3; i++)
        if (s->theirs[i])
            *s->theirs[i] = s->asked[i];
}

static int select_with_mask(int n, struct sets *s, tn_time deadline,
                            const sigset_t *mask)
{
    const struct timespec now = {0, 0};
    int r;

    keep(s);
    for (;;) {
        r = tn__real()->pselect(n, s->theirs[0], s->theirs[1], s->theirs[2],
                                &now, mask);
        if (r != 0)
            return r;
        give_back(s);
        r = select_until(n, s->theirs[0], s->theirs[1], s->theirs[2],
                         earlier(deadline, tn_after_ns(MASK_PAUSE_NS)));
        if (r != 0 || tn_now() >= deadline)
            return r;
        give_back(s);
    }
}

int tn__patch_pselect(int n, fd_set *readable, fd_set *writable, fd_set *urgent,
                      const struct timespec *timeout, const sigset_t *mask)
{
    struct sets s = {.theirs = {readable, writable, urgent}};

    if (!tn_patch_parks() || n < 0 || n > FD_SETSIZE || is_nothing(timeout) ||
        (timeout && (timeout->tv_sec < 0 || !tn__patch_is_time(timeout))))
        return tn__real()->pselect(n, readable, writable, urgent, timeout,
                                   mask);
    if (mask)
        return select_with_mask(n, &s, deadline_of(timeout), mask);
    return select_until(n, readable, writable, urgent, deadline_of(timeout));
}

/* ---- epoll ---- */

/* An epoll descriptor is readable when it has events. */
static int epoll_until(int ep, struct epoll_event *events, int n,
                       tn_time deadline, const sigset_t *mask)
{
    int r;

    do {
        struct pollfd p = {ep, POLLIN, 0};

        r = tn__real()->epoll_pwait(ep, events, n, 0, mask);
        if (r != 0)
            return r;
        r = poll_until(&p, 1,
                       mask ? earlier(deadline, tn_after_ns(MASK_PAUSE_NS))
                            : deadline);
        if (r > 0 && (p.revents & POLLNVAL))
            return tn__patch_fail(-EBADF);
    } while (r > 0 || (r == 0 && tn_now() < deadline));
    return r;
}

int tn__patch_epoll_pwait(int ep, struct epoll_event *events, int n, int ms,
                          const sigset_t *mask)
{
    if (!tn_patch_parks() || ms == 0)
        return tn__real()->epoll_pwait(ep, events, n, ms, mask);
    return epoll_until(ep, events, n, ms < 0 ? TN_FOREVER : tn_after_ms(ms),
                       mask);
}

int tn__patch_epoll_wait(int ep, struct epoll_event *events, int n, int ms)
{
    if (!tn_patch_parks() || ms == 0)
        return tn__real()->epoll_wait(ep, events, n, ms);
    return tn__patch_epoll_pwait(ep, events, n, ms, NULL);
}

int tn__patch_epoll_pwait2(int ep, struct epoll_event *events, int n,
                           const struct timespec *timeout, const sigset_t *mask)
{
    if (!tn__real()->epoll_pwait2) /* before glibc 2.35 */
        return tn__patch_fail(-ENOSYS);
    if (!tn_patch_parks() || is_nothing(timeout) ||
        (timeout && (timeout->tv_sec < 0 || !tn__patch_is_time(timeout))))
        return tn__real()->epoll_pwait2(ep, events, n, timeout, mask);
    return epoll_until(ep, events, n, deadline_of(timeout), mask);
}

/* ---- what -D_FORTIFY_SOURCE makes of a call, and other names ---- */

int tn__patch_poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t room)
{
    tn__patch_check(n <= room / sizeof *fds);
    return tn__patch_poll(fds, n, ms);
}

int tn__patch_ppoll_chk(struct pollfd *fds, nfds_t n,
                        const struct timespec *timeout, const sigset_t *mask,
                        size_t room)
{
    tn__patch_check(n <= room / sizeof *fds);
    return tn__patch_ppoll(fds, n, timeout, mask);
}

TN_PATCH_ALIAS(__poll, poll);
TN_PATCH_ALIAS(__select, select);
