/* SPDX-License-Identifier: MIT */
/* server/until.c - serve until the server is stopped, or a signal comes. The
 * signals are watched from before the start to after the stop, so that none is
 * lost; their callback only takes note, and kills handlers. */
#include <errno.h>
#include <signal.h>
#include <tendril/greenlet.h>
#include <tendril/watch.h>

#include "base/assert.h"
#include "server/common.h"

enum { SIGNALS_MAX = 16 };

struct until {
    struct tn__server *server;
    struct tn_greenlet *g; /* who serves */
    tn_link rest;          /* linked to the server's waitable */
    uint8_t is_over;       /* it is at rest, or a signal came */
    int signo;             /* which came first; 0: none */
    bool is_hurried;       /* another came */
    size_t n_watches;
    tn_watch *watches[SIGNALS_MAX]; /* owned */
};

static void signal_came(tn_watch *w, int signo, void *arg)
{
    struct until *u = arg;
    struct tn__server *s = u->server;

    (void)w;
    if (!u->signo) {
        u->signo = signo;
        u->is_over = 1;
        tn__hub_wake(u->g);
        return;
    }
    u->is_hurried = true;
    tn__server_kill(s);
    if (s->is_stopping && s->runner)
        tn_kill(s->runner, TN_NOWAIT); /* it may be a handler, inline */
    for (size_t i = 0; i < u->n_watches; i++)
        tn_watch_stop(u->watches[i]);
}

static void is_at_rest(tn_link *link)
{
    struct until *u = TN_CONTAINER(link, struct until, rest);

    u->is_over = 1;
    tn__hub_wake(u->g);
}

static int watch(struct until *u, const int *signos, size_t n)
{
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        r = tn_watch_signal_new(signos[i], signal_came, u, &u->watches[i]);
        if (r < 0)
            break;
        u->n_watches++;
        r = tn_watch_start(u->watches[i]);
    }
    return r;
}

static int await_end(struct until *u)
{
    struct tn__server *s = u->server;
    int r;

    tn__waitable_add(&s->waitable, &u->rest, TN__LINK_WAITER,
                     (void (*)(void))is_at_rest, NULL);
    r = tn__hub_park(s->waitable.hub, &u->is_over, TN_FOREVER,
                     "serve of a server", s->fd);
    tn__waitable_unlink(&u->rest);
    return r;
}

/* Stop because the wait is over: a signal came, or the caller is to leave. */
static int end(struct until *u, int r, int64_t drain_ns)
{
    tn_shield shield;

    if (r == 0)
        return tn__server_stop(
            u->server, u->is_hurried ? TN_NOWAIT : tn_after_ns(drain_ns));
    tn_shield_begin(&shield, TN_FOREVER);
    tn__server_stop(u->server, TN_NOWAIT);
    tn_shield_end(&shield);
    return r;
}

static int serve(struct tn__server *s, const int *signos, size_t n,
                 int64_t drain_ns)
{
    struct until u = {.server = s};
    int r = tn__server_is_ours(s) ? 0 : -EXDEV;

    if (r == 0 && s->waitable.hub->current->alert)
        r = tn__hub_alert(s->waitable.hub, s->waitable.hub->current,
                          TN_FOREVER);
    if (r < 0)
        return r;
    u.g = s->waitable.hub->current;
    r = watch(&u, signos, n);
    if (r == 0)
        r = tn__server_start(s);
    if (r == 0) {
        r = await_end(&u);
        if (r < 0 || u.signo)
            r = end(&u, r, drain_ns);
        else
            r = s->result;
    }
    for (size_t i = 0; i < u.n_watches; i++)
        tn_watch_free(u.watches[i]);
    return r < 0 ? r : u.signo;
}

int tn__server_serve(struct tn__server *s)
{
    return serve(s, NULL, 0, 0);
}

int tn__server_serve_until(struct tn__server *s, const int *signos, size_t n,
                           int64_t drain_ns)
{
    static const int usual[] = {SIGTERM, SIGINT};

    if (drain_ns < 0 || n > SIGNALS_MAX || (!signos && n > 0))
        return -EINVAL;
    if (!signos)
        return serve(s, usual, sizeof usual / sizeof usual[0], drain_ns);
    return n > 0 ? serve(s, signos, n, drain_ns) : -EINVAL;
}
