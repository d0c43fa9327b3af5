/* SPDX-License-Identifier: MIT */
/* loop/loop_epoll.c - the back end on epoll.
 *
 * A tracked descriptor is registered once, edge-triggered, for everything; any
 * other is armed with EPOLLONESHOT for each wait. Event data is the descriptor
 * and the generation of its table entry: an event of a file that was closed
 * behind our back, while a duplicate of it lives on, is recognised by its old
 * generation and dropped. epoll offers no way to remove such a registration,
 * so when they keep coming the whole set is made anew. */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/sys.h"
#include "loop/loop.h"

enum { EVENTS_MAX = 256, STALE_MAX = 64 };

#define WAKE_DATA UINT64_MAX

static const uint32_t ALL_EDGES =
    EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;

static int add_wake(struct tn__loop *l, int ep)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = WAKE_DATA};

    return (int)tn__sys_epoll_ctl(ep, EPOLL_CTL_ADD, l->wake_fd, &event);
}

static int epoll_open(struct tn__loop *l)
{
    int r;

    l->ep = (int)tn__sys_epoll_create();
    if (l->ep < 0)
        return l->ep;
    l->wake_fd = (int)tn__sys_eventfd();
    if (l->wake_fd < 0) {
        r = l->wake_fd;
        tn__sys_close(l->ep);
        return r;
    }
    r = add_wake(l, l->ep);
    if (r < 0) {
        tn__sys_close(l->wake_fd);
        tn__sys_close(l->ep);
    }
    return r;
}

static void epoll_close(struct tn__loop *l)
{
    tn__sys_close(l->wake_fd);
    tn__sys_close(l->ep);
}

static struct epoll_event event_for(int fd, const struct tn__fd *f, int events)
{
    struct epoll_event event;

    event.data.u64 = (uint64_t)f->generation << 32 | (uint32_t)fd;
    /* POLLIN and the others have the values of EPOLLIN and so on. */
    event.events = f->flags & TN__FD_TRACKED
                       ? ALL_EDGES
                       : (uint32_t)events | EPOLLONESHOT;
    return event;
}

static int try_arm(struct tn__loop *l, int fd, struct tn__fd *f, int events)
{
    struct epoll_event event = event_for(fd, f, events);
    bool is_in = f->flags & TN__FD_REGISTERED;
    long r = tn__sys_epoll_ctl(l->ep, is_in ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
                               fd, &event);

    /* The number may have been closed, or reused, behind our back. */
    if (r == -ENOENT)
        r = tn__sys_epoll_ctl(l->ep, EPOLL_CTL_ADD, fd, &event);
    else if (r == -EEXIST)
        r = tn__sys_epoll_ctl(l->ep, EPOLL_CTL_MOD, fd, &event);
    if (r < 0)
        return (int)r;
    if (!is_in) {
        f->flags |= TN__FD_REGISTERED;
        l->n_armed++;
    }
    return 0;
}

/* For closing, and for an untracked descriptor whose wait was cancelled. (One
 * whose event came stays in the set, disabled by EPOLLONESHOT.) */
static void epoll_disarm(struct tn__loop *l, int fd, struct tn__fd *f)
{
    struct epoll_event event = {0};

    if (!(f->flags & TN__FD_REGISTERED))
        return;
    tn__sys_epoll_ctl(l->ep, EPOLL_CTL_DEL, fd, &event);
    f->flags &= (uint8_t)~TN__FD_REGISTERED;
    l->n_armed--;
}

/* ---- making the set anew ---- */

static void register_again(struct tn__loop *l, int fd, struct tn__fd *f)
{
    if (!(f->flags & TN__FD_REGISTERED))
        return;
    f->flags &= (uint8_t)~TN__FD_REGISTERED;
    l->n_armed--;
    try_arm(l, fd, f, POLLIN | POLLOUT);
}

/* A new set in place of l->ep, which the caller closes if it is still ours. */
static int rebuild(struct tn__loop *l)
{
    int ep = (int)tn__sys_epoll_create();
    int r;

    if (ep < 0)
        return ep;
    r = add_wake(l, ep);
    if (r < 0) {
        tn__sys_close(ep);
        return r;
    }
    l->ep = ep;
    tn__fdtab_each(l, register_again);
    return 0;
}

static int replace(struct tn__loop *l)
{
    int old = l->ep, r = rebuild(l);

    if (r == 0)
        tn__sys_close(old);
    return r;
}

/* Somebody closed our descriptors (and perhaps has their numbers now), as
 * programs do that close all they do not know. */
static int start_anew(struct tn__loop *l)
{
    int wake_fd = (int)tn__sys_eventfd();

    if (wake_fd < 0)
        return wake_fd;
    l->wake_fd = wake_fd;
    l->wake_pending = 0;
    return rebuild(l);
}

/* The set is not there any more, or does not have our wake-up. */
static bool is_lost(struct tn__loop *l)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = WAKE_DATA};

    return tn__sys_epoll_ctl(l->ep, EPOLL_CTL_MOD, l->wake_fd, &event) < 0;
}

#ifdef TN_ENGINE
int tn__loop_epoll_in_child(struct tn__loop *l)
{
    if (!is_lost(l)) {
        tn__sys_close(l->wake_fd);
        tn__sys_close(l->ep);
    }
    return start_anew(l);
}
#endif

static int epoll_arm(struct tn__loop *l, int fd, struct tn__fd *f, int events)
{
    int r = try_arm(l, fd, f, events);

    if (TN_LIKELY(r != -EBADF && r != -EINVAL) || !is_lost(l))
        return r;
    r = start_anew(l);
    return r < 0 ? r : try_arm(l, fd, f, events);
}

/* ---- polling ---- */

static void dispatch(struct tn__loop *l, const struct epoll_event *event)
{
    int fd = (int)(uint32_t)event->data.u64;
    struct tn__fd *f;

    if (event->data.u64 == WAKE_DATA) {
        tn__loop_read_eventfd(l);
        return;
    }
    f = tn__fdtab_peek(l, fd);
    TN_ASSERT(f != NULL);
    if (f->generation != (uint32_t)(event->data.u64 >> 32)) {
        l->n_stale++;
        return;
    }
    tn__fdtab_event(l, fd, f, (int)event->events);
}

static int epoll_poll(struct tn__loop *l, tn_time until)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t span = -1;
    int ep = l->ep;
    long n;

    if (until == TN_NOWAIT) {
        span = 0;
    } else if (until != TN_FOREVER) {
        tn_time now = tn__clock_now();

        span = until > now ? until - now : 0;
    }
    n = tn__sys_epoll_wait(ep, events, EVENTS_MAX, span);
    if (n == -EBADF || n == -EINVAL) /* or it was moved away from there */
        return l->ep == ep ? start_anew(l) : 0;
    if (n < 0)
        return (int)n;
    for (long i = 0; i < n; i++)
        dispatch(l, &events[i]);
    if (TN_UNLIKELY(l->n_stale >= STALE_MAX)) {
        l->n_stale = 0;
        replace(l); /* without a descriptor for it the old set stays */
    }
    return 0;
}

static tn_time epoll_now(struct tn__loop *l)
{
    (void)l;
    return tn__clock_now();
}

const struct tn__loop_ops tn__loop_epoll = {
    .name = "epoll",
    .open = epoll_open,
    .close = epoll_close,
    .arm = epoll_arm,
    .disarm = epoll_disarm,
    .poll = epoll_poll,
    .wake = tn__loop_wake_by_eventfd,
    .now = epoll_now,
};
