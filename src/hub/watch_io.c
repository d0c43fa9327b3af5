/* SPDX-License-Identifier: MIT */
/* hub/watch_io.c - watchers of descriptors and of time.
 *
 * A watcher of a descriptor is an operation of the loop that asks for
 * readiness. Such an operation is done once; so the watcher is submitted again,
 * not right after its callback, which may not have read yet what was there, but
 * before the next poll. What is ready then is called back in that turn. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "base/sys.h"
#include "hub/watch.h"

/* ---- descriptors ---- */

enum { IO_EVENTS = POLLIN | POLLOUT | POLLPRI | POLLRDHUP };

struct io {
    struct tn_watch w;
    struct tn__hub_op call;
    int fd;
    int events;
};

static struct io *io_of(struct tn_watch *w)
{
    return TN_CONTAINER(w, struct io, w);
}

static void io_done(struct tn__hub_op *call)
{
    struct io *io = TN_CONTAINER(call, struct io, call);

    tn__watch_queue(&io->w,
                    call->op.result < 0 ? POLLNVAL : (int)call->op.result);
}

static int io_submit(struct io *io)
{
    long r;

    io->call.fn = io_done;
    io->call.op =
        (struct tn__op){.code = TN__OP_POLL, .fd = io->fd, .flags = io->events};
    r = tn__loop_submit(&io->w.hub->loop, &io->call.op);
    if (r == TN__PENDING)
        return 0;
    if (r < 0)
        return (int)r;
    tn__watch_queue(&io->w, (int)r);
    return 0;
}

static int io_start(struct tn_watch *w)
{
    struct io *io = io_of(w);
    long r = tn__sys_fcntl(io->fd, F_GETFD, 0);

    return r < 0 ? (int)r : io_submit(io);
}

static void io_stop(struct tn_watch *w)
{
    tn__loop_cancel(&w->hub->loop, &io_of(w)->call.op);
}

static void io_fired(struct tn_watch *w)
{
    struct io *io = io_of(w);

    if (!w->is_active || io->call.op.is_parked)
        return; /* it was only fed */
    if (io->call.op.is_done && io->call.op.result < 0)
        tn__watch_stop(w); /* closed */
    else if (tn__list_is_empty(&w->role))
        tn__list_insert(&w->hub->watches->rearm, &w->role);
}

static const struct tn__watch_ops io_ops = {
    .start = io_start, .stop = io_stop, .fired = io_fired};

void tn__watch_rearm(struct tn__watches *ws)
{
    while (!tn__list_is_empty(&ws->rearm)) {
        struct tn_watch *w =
            TN_CONTAINER(ws->rearm.next, struct tn_watch, role);
        struct io *io = io_of(w);
        int r;

        TN_ASSERT(w->is_active && !io->call.op.is_parked);
        tn__list_remove(&w->role);
        r = io_submit(io);
        if (r < 0) {
            /* The loop has no room: said as if it had been closed. */
            io->call.op.is_done = 1;
            io->call.op.result = r;
            tn__watch_queue(w, POLLNVAL);
        }
    }
}

static int io_judge(int fd, int events)
{
    if (fd < 0)
        return -EBADF;
    return events && !(events & ~IO_EVENTS) ? 0 : -EINVAL;
}

int tn_watch_io_new(int fd, int events, tn_watch_fn fn, void *arg,
                    tn_watch **ret_w)
{
    int r = io_judge(fd, events);

    if (r == 0)
        r = tn__watch_make(&io_ops, sizeof(struct io), fn, arg, ret_w);
    if (r < 0)
        return r;
    io_of(*ret_w)->fd = fd;
    io_of(*ret_w)->events = events;
    return 0;
}

/* 0 if it may be changed and is of this kind. */
static int may_change(const struct tn_watch *w, const struct tn__watch_ops *ops)
{
    if (!w || w->ops != ops)
        return -EINVAL;
    if (!w->hub || w->hub != tn__hub_peek())
        return -EXDEV;
    return w->is_active ? -EBUSY : 0;
}

int tn_watch_io_set(tn_watch *w, int fd, int events)
{
    int r = may_change(w, &io_ops);

    if (r == 0)
        r = io_judge(fd, events);
    if (r < 0)
        return r;
    io_of(w)->fd = fd;
    io_of(w)->events = events;
    return 0;
}

/* ---- time ---- */

struct timer {
    struct tn_watch w;
    struct tn__hub_call call;
    int64_t after_ns;
    int64_t repeat_ns; /* 0: once */
};

static struct timer *timer_of(struct tn_watch *w)
{
    return TN_CONTAINER(w, struct timer, w);
}

static tn_time later(tn_time from, int64_t ns)
{
    tn_time to;

    if (ns < 0)
        return from;
    return __builtin_add_overflow(from, ns, &to) ? TN_FOREVER : to;
}

static tn_time now_of(const struct tn_watch *w)
{
    return w->hub->loop.ops->now(&w->hub->loop);
}

/* From run_timers(), on the hub: the order of callbacks is that of time. */
static void timer_due(struct tn__hub_call *call)
{
    struct timer *t = TN_CONTAINER(call, struct timer, call);
    struct tn_watch *w = &t->w;
    tn_time next;

    tn__list_remove(&w->due);
    w->events = 0;
    if (t->repeat_ns == 0) {
        tn__watch_stop(w);
    } else {
        next = later(call->timer.when, t->repeat_ns);
        if (next <= w->hub->now)
            next = later(w->hub->now, t->repeat_ns);
        /* There is room: this timer has just left the heap. */
        if (tn__hub_call_at(w->hub, call, next) < 0)
            tn__watch_stop(w);
    }
    w->fn(w, 0, w->arg);
}

static int timer_start(struct tn_watch *w)
{
    struct timer *t = timer_of(w);

    t->call.fn = timer_due;
    return tn__hub_call_at(w->hub, &t->call, later(now_of(w), t->after_ns));
}

static void timer_stop(struct tn_watch *w)
{
    tn__hub_call_cancel(w->hub, &timer_of(w)->call);
}

static const struct tn__watch_ops timer_ops = {.start = timer_start,
                                               .stop = timer_stop};

int tn_watch_timer_new(int64_t after_ns, int64_t repeat_ns, tn_watch_fn fn,
                       void *arg, tn_watch **ret_w)
{
    int r = repeat_ns < 0 ? -EINVAL
                          : tn__watch_make(&timer_ops, sizeof(struct timer), fn,
                                           arg, ret_w);

    if (r < 0)
        return r;
    timer_of(*ret_w)->after_ns = after_ns;
    timer_of(*ret_w)->repeat_ns = repeat_ns;
    return 0;
}

int tn_watch_timer_set(tn_watch *w, int64_t after_ns, int64_t repeat_ns)
{
    int r = may_change(w, &timer_ops);

    if (r == 0 && repeat_ns < 0)
        r = -EINVAL;
    if (r < 0)
        return r;
    timer_of(w)->after_ns = after_ns;
    timer_of(w)->repeat_ns = repeat_ns;
    return 0;
}

int tn_watch_timer_again(tn_watch *w)
{
    int r = may_change(w, &timer_ops);
    struct timer *t;
    int64_t after_ns;

    if (r < 0 && r != -EBUSY)
        return r;
    t = timer_of(w);
    tn_watch_stop(w);
    if (t->repeat_ns == 0)
        return 0;
    after_ns = t->after_ns;
    t->after_ns = t->repeat_ns;
    r = tn_watch_start(w);
    t->after_ns = after_ns;
    return r;
}
