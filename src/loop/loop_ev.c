/* SPDX-License-Identifier: MIT */
/* loop/loop_ev.c - the loop on libev, for programs that live with it and for
 * systems whose only common ground it is.
 *
 * Each hub has an ev_loop of its own. libev is level-triggered: a descriptor's
 * watcher runs only for the directions in which somebody waits, and is stopped
 * when nobody does, else every turn would report what nobody reads. Stopping
 * and starting between two polls costs nothing: libev compares what it has told
 * the kernel only when it polls. A tracked descriptor keeps its watcher until
 * it is closed; on others the number may mean another file at each wait, so the
 * watcher is set anew, which makes libev tell the kernel.
 *
 * What differs from our own back end, because libev is as it is:
 *   - it allocates: a watcher here, its tables inside; when it finds no memory,
 *     or no descriptor for an epoll set made anew, it ends the process;
 *   - its timers have a resolution of about a millisecond;
 *   - it knows readable and writable only. A poll() is told the rest (urgent
 *     data, hang-up) by asking again when one of these happens; a poll() that
 *     waits for neither is -EOPNOTSUPP. */
#include <errno.h>
#include <ev.h>
#include <poll.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/sys.h"
#include "loop/loop.h"

enum {
    INPUT = POLLIN | POLLRDNORM,
    OUTPUT = POLLOUT | POLLWRNORM
};

struct backend {
    struct ev_loop *ev;    /* owned */
    struct ev_async wake;  /* always active: it also keeps ev_run() waiting */
    struct ev_timer until; /* active during a poll that has an end */
    struct tn__list watchers; /* all: the table of descriptors is a mapping,
                               * where no leak checker looks */
};

/* The watcher of a descriptor: tn__fd.backend, owned. */
struct watcher {
    struct ev_io io; /* io.data is the struct tn__loop */
    struct tn__list link;
    int fd;
};

/* ---- what libev calls ---- */

static void on_wake(struct ev_loop *ev, struct ev_async *w, int revents)
{
    (void)ev;
    (void)w;
    (void)revents;
}

static void on_until(struct ev_loop *ev, struct ev_timer *w, int revents)
{
    (void)ev;
    (void)w;
    (void)revents;
}

static int ev_events(int events)
{
    return (events & INPUT ? EV_READ : 0) | (events & OUTPUT ? EV_WRITE : 0);
}

/* Run the watcher for these events, or stop it for none. */
static void run_for(struct tn__loop *l, struct tn__fd *f, int events)
{
    struct backend *b = l->backend;
    struct watcher *w = f->backend;

    if (events == f->armed)
        return;
    ev_io_stop(b->ev, &w->io);
    f->armed = (uint8_t)events;
    if (events) {
        ev_io_modify(&w->io, events);
        ev_io_start(b->ev, &w->io);
    }
}

/* All that is the case now, where libev has said less. */
static int ask(int fd)
{
    struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0};

    return tn__sys_poll_now(&p, 1) < 0 ? 0 : p.revents & ~POLLNVAL;
}

static void on_io(struct ev_loop *ev, struct ev_io *io, int revents)
{
    struct tn__loop *l = io->data;
    struct watcher *w = (struct watcher *)io;
    struct tn__fd *f = tn__fdtab_peek(l, w->fd);
    int events = 0;

    (void)ev;
    if (revents & EV_READ)
        events |= POLLIN;
    if (revents & EV_WRITE)
        events |= POLLOUT;
    if (revents & EV_ERROR) {
        /* Not open, or the kernel had no memory: libev has stopped it, and
         * takes it for unchanged if it is started again. */
        events |= POLLERR;
        ev_io_set(&w->io, w->fd, 0);
        f->armed = 0;
    } else if (!tn__list_is_empty(&f->poll)) {
        events = ask(w->fd);
    }
    tn__fdtab_event(l, w->fd, f, events);
    if (f->backend == w)
        run_for(l, f, ev_events(tn__fdtab_wanted(f)));
}

/* ---- watchers ---- */

/* Also beside others who wait for what libev knows: they may leave first. */
static bool is_told_all(const struct tn__fd *f)
{
    for (struct tn__list *n = f->poll.next; n != &f->poll; n = n->next) {
        struct tn__op *op = TN_CONTAINER(n, struct tn__op, link);

        if (op->code == TN__OP_POLL && !ev_events(op->flags))
            return false;
    }
    return true;
}

static int ev_arm(struct tn__loop *l, int fd, struct tn__fd *f, int events)
{
    struct backend *b = l->backend;
    struct watcher *w = f->backend;

    if (!is_told_all(f))
        return -EOPNOTSUPP;
    if (!w) {
        w = malloc(sizeof *w);
        if (!w)
            return -ENOMEM;
        ev_io_init(&w->io, on_io, fd, 0);
        w->io.data = l;
        w->fd = fd;
        tn__list_insert(&b->watchers, &w->link);
        f->backend = w;
        f->flags |= TN__FD_REGISTERED;
        f->armed = 0;
        l->n_armed++;
    }
    if (!(f->flags & TN__FD_TRACKED)) {
        ev_io_stop(b->ev, &w->io);
        ev_io_set(&w->io, fd, 0); /* it may be another file now */
        f->armed = 0;
    }
    run_for(l, f, ev_events(events));
    return 0;
}

static void ev_disarm(struct tn__loop *l, int fd, struct tn__fd *f)
{
    struct backend *b = l->backend;
    struct watcher *w = f->backend;

    (void)fd;
    if (!(f->flags & TN__FD_REGISTERED))
        return;
    ev_io_stop(b->ev, &w->io);
    tn__list_remove(&w->link);
    free(w);
    f->backend = NULL;
    f->armed = 0;
    f->flags &= (uint8_t)~TN__FD_REGISTERED;
    l->n_armed--;
}

/* ---- life ---- */

static int ev_open(struct tn__loop *l)
{
    struct backend *b = malloc(sizeof *b);

    if (!b)
        return -ENOMEM;
    b->ev = ev_loop_new(EVFLAG_AUTO);
    if (!b->ev) {
        free(b);
        return -EMFILE;
    }
    tn__list_init(&b->watchers);
    ev_async_init(&b->wake, on_wake);
    ev_async_start(b->ev, &b->wake);
    ev_timer_init(&b->until, on_until, 0., 0.);
    l->backend = b;
    return 0;
}

static void ev_close(struct tn__loop *l)
{
    struct backend *b = l->backend;

    tn__fdtab_each(l, ev_disarm);
    ev_async_stop(b->ev, &b->wake);
    ev_loop_destroy(b->ev);
    free(b);
}

/* ---- polling ---- */

static int ev_poll(struct tn__loop *l, tn_time until)
{
    struct backend *b = l->backend;
    int64_t span = 0;

    if (until != TN_NOWAIT && until != TN_FOREVER) {
        tn_time now = tn__clock_now();

        span = until > now ? until - now : 0;
    }
    if (until != TN_FOREVER && span == 0) {
        ev_run(b->ev, EVRUN_NOWAIT);
        return 0;
    }
    if (span) {
        ev_now_update(b->ev);
        ev_timer_set(&b->until, (double)span * 1e-9, 0.);
        ev_timer_start(b->ev, &b->until);
    }
    ev_run(b->ev, EVRUN_ONCE);
    ev_timer_stop(b->ev, &b->until);
    return 0;
}

static void ev_wake(struct tn__loop *l)
{
    struct backend *b = l->backend;

    ev_async_send(b->ev, &b->wake);
}

static tn_time ev_clock(struct tn__loop *l)
{
    (void)l;
    return tn__clock_now();
}

const struct tn__loop_ops tn__loop_ev = {
    .name = "ev",
    .is_level = true,
    .open = ev_open,
    .close = ev_close,
    .arm = ev_arm,
    .disarm = ev_disarm,
    .poll = ev_poll,
    .wake = ev_wake,
    .now = ev_clock,
};
