/* SPDX-License-Identifier: MIT */
/* server/common.c - the life of a server.
 *
 * One greenlet, the runner, takes what comes, step by step. It waits within a
 * cancel scope, which a pause raises; then it rests until it is resumed. A stop
 * kills it. When a step fails for want of descriptors or memory, or for an
 * unknown reason, the runner pauses, longer each time, and then goes on: the
 * server survives. Only errors that say that the socket is none end it.
 *
 * The server outlives its greenlets: stop() waits for all of them. Several may
 * stop a server at once, and start it meanwhile; each start is a life of its
 * own, and a stop closes the socket of no other than its own. */
#include "server/common.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <tendril/greenlet.h>
#include <tendril/net.h>

#include "base/assert.h"
#include "hub/timeout.h"

#define DELAY_NS_MIN 10000000
#define DELAY_NS_MAX 1000000000

/* ---- what a server is ---- */

static bool is_at_rest(const struct tn_waitable *w)
{
    const struct tn__server *s = TN_CONTAINER(w, struct tn__server, waitable);

    return !s->is_serving && s->n_stops == 0;
}

static const struct tn__waitable_ops server_ops = {
    .what = "server",
    .is_ready = is_at_rest,
};

static void tell_if_at_rest(struct tn__server *s)
{
    if (is_at_rest(&s->waitable))
        tn__waitable_notify(&s->waitable);
}

/* The defaults of the fields that options set. */
static int set_defaults(struct tn__server *s)
{
    if (s->steps_max < 0 || s->delay_ns_min < 0 || s->delay_ns_max < 0)
        return -EINVAL;
    if (!s->delay_ns_min)
        s->delay_ns_min = DELAY_NS_MIN;
    if (!s->delay_ns_max)
        s->delay_ns_max = DELAY_NS_MAX;
    return 0;
}

int tn__server_init(struct tn__server *s, const struct tn__server_ops *ops,
                    const struct tn__server_place *place)
{
    struct tn_hub *h;
    int r = set_defaults(s);

    if (r == 0)
        r = tn__hub_self(&h);
    if (r < 0)
        return r;
    s->place = *place;
    if (place->addr) {
        s->place.addr = strdup(place->addr);
        if (!s->place.addr)
            return -ENOMEM;
    }
    tn__waitable_init(&s->waitable, &server_ops, h);
    s->ops = ops;
    s->fd = -1;
    tn__list_init(&s->handlers);
    tn__list_init(&s->stoppers);
    return 0;
}

void tn__server_fini(struct tn__server *s)
{
    TN_ASSERT(s->n_handlers == 0 && !s->runner && s->fd < 0);
    tn__waitable_fini(&s->waitable);
    if (s->place.given >= 0)
        tn_close(s->place.given);
    free(s->place.addr);
}

/* ---- the runner ---- */

void tn__server_begin_waits(struct tn__server *s)
{
    tn__cancel_begin(&s->pause);
    s->may_cancel = true;
}

void tn__server_end_waits(struct tn__server *s)
{
    s->may_cancel = false;
    tn__cancel_end(&s->pause);
}

/* Errors after which no step can ever go well. */
static bool is_final(int error)
{
    return error == -EBADF || error == -EINVAL || error == -ENOTSOCK ||
           error == -EDEADLK;
}

/* Errors of the one connection or message, not of the socket (accept(2)). */
static bool is_passing(int error)
{
    switch (error) {
    case -ECONNABORTED:
    case -ECONNREFUSED:
    case -EINTR:
    case -ENETDOWN:
    case -EPROTO:
    case -ENOPROTOOPT:
    case -EHOSTDOWN:
    case -ENONET:
    case -EHOSTUNREACH:
    case -EOPNOTSUPP:
    case -ENETUNREACH:
    case -EPERM:
        return true;
    default:
        return false;
    }
}

/* A step has failed: wait a little. 0, or why the runner goes on no more. */
static int get_over(struct tn__server *s, int error)
{
    int64_t delay = s->delay_ns;

    if (error == -ECANCELED || is_final(error))
        return error;
    s->n_failed++;
    if (is_passing(error))
        return tn_yield();
    tn__hub_error(s->waitable.hub, tn_self(), error, s->ops->text_pause);
    s->delay_ns = delay < s->delay_ns_max / 2 ? delay * 2 : s->delay_ns_max;
    if (tn__server_must_rest(s))
        return -ECANCELED;
    return tn_sleep(tn_after_ns(delay));
}

/* Take what comes until it is time to rest, or an error ends it. */
static int take(struct tn__server *s)
{
    int n_in_a_row = 0, r = 0;

    while (r == 0 && !tn__server_must_rest(s)) {
        r = s->ops->step(s);
        if (r < 0) {
            r = get_over(s, r);
            continue;
        }
        s->delay_ns = s->delay_ns_min;
        if (++n_in_a_row >= s->steps_max) {
            n_in_a_row = 0;
            r = tn_yield();
        }
    }
    return r;
}

static int rest(struct tn__server *s)
{
    int r = 0;

    while (r == 0 && s->is_paused && !s->is_stopping) {
        s->is_resumed = 0;
        r = tn__hub_park(s->waitable.hub, &s->is_resumed, TN_FOREVER,
                         "a server that is paused", s->fd);
    }
    return r;
}

static int run(void *arg)
{
    struct tn__server *s = arg;
    int r = 0;

    while (r == 0 && !s->is_stopping) {
        tn__server_begin_waits(s);
        r = take(s);
        tn__server_end_waits(s);
        if (r == -ECANCELED && !s->is_stopping)
            r = tn_check(); /* 0: it was for a pause, which may be over */
        if (r == 0)
            r = rest(s);
    }
    if (s->is_stopping || r == -ECANCELED)
        return 0;
    s->result = r;
    tn__hub_error(s->waitable.hub, tn_self(), r, s->ops->text_end);
    s->is_serving = false;
    tell_if_at_rest(s);
    return r;
}

/* ---- life ---- */

/* Have the runner leave, which uses the server. It does at once: it is killed;
 * so this is not interrupted. */
static void end_runner(struct tn__server *s)
{
    tn_greenlet *g = s->runner;
    tn_shield shield;

    if (!g || g == tn_self())
        return;
    tn_ref(g);
    tn_kill(g, TN_NOWAIT);
    tn_shield_begin(&shield, TN_FOREVER);
    if (tn_join(g, NULL, TN_FOREVER) < 0)
        tn_unref(g); /* on the hub, which may not wait: it is left there */
    tn_shield_end(&shield);
    if (s->runner == g && tn_greenlet_is_done(g)) {
        s->runner = NULL;
        tn_unref(g);
    }
}

static void close_socket(struct tn__server *s)
{
    int fd = s->fd;

    if (fd < 0)
        return;
    s->fd = -1;
    tn__server_close(&s->place, fd);
}

/* Wait until `deadline` for the runner: it may be in a handler. */
static void await_runner(struct tn__server *s, tn_time deadline)
{
    tn_greenlet *g = s->runner;

    if (g && g != tn_self() && tn_join(tn_ref(g), NULL, deadline) < 0)
        tn_unref(g);
}

static int stop(struct tn__server *s, tn_time drain)
{
    unsigned life = s->life;
    int r;

    s->is_serving = false;
    s->is_stopping = true;
    if (s->ends_by_closing) {
        close_socket(s);
    } else if (s->runner) {
        tn__server_pause(s, true);
        await_runner(s, drain);
    }
    end_runner(s);
    if (s->life == life)
        s->ops->drop(s);
    r = tn__server_await_idle(s, drain);
    if (r < 0 && s->life == life) {
        tn__server_kill(s);
        if (r == -ETIME || r == -EAGAIN || r == -EDEADLK)
            r = tn__server_await_idle(s, TN_FOREVER);
    }
    if (s->life == life)
        close_socket(s);
    return r;
}

int tn__server_stop(struct tn__server *s, tn_time drain)
{
    int r;

    if (!tn__server_is_ours(s))
        return -EXDEV;
    s->n_stops++;
    r = stop(s, drain);
    s->n_stops--;
    tell_if_at_rest(s);
    tn__server_tell_stoppers(s);
    return r;
}

static int begin(struct tn__server *s)
{
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    bool was_given = s->place.given >= 0;
    int r = tn__server_open(&s->place, s->ops->type);

    if (r < 0)
        return r;
    s->fd = r;
    options.name = s->ops->name;
    r = tn_spawn_with(&options, run, s, &s->runner);
    if (r < 0 && was_given) {
        s->place.given = s->fd; /* for another try */
        s->fd = -1;
    }
    if (r < 0) {
        close_socket(s);
        return r;
    }
    s->life++;
    s->is_serving = true;
    s->is_stopping = false;
    s->is_paused = false;
    s->result = 0;
    s->delay_ns = s->delay_ns_min;
    tn__server_tell_stoppers(s);
    return 0;
}

int tn__server_start(struct tn__server *s)
{
    if (!tn__server_is_ours(s))
        return -EXDEV;
    if (s->is_serving)
        return 0;
    tn__server_stop(s, TN_NOWAIT);
    if (s->is_serving)
        return 0; /* another has started it meanwhile */
    if (s->runner)
        return -EDEADLK; /* on the hub, or its own hook: it cannot leave now */
    close_socket(s);     /* a handler of before may have stopped it */
    return begin(s);
}

int tn__server_pause(struct tn__server *s, bool is_paused)
{
    if (!tn__server_is_ours(s))
        return -EXDEV;
    if (!s->runner || s->is_paused == is_paused)
        return 0;
    s->is_paused = is_paused;
    if (is_paused) {
        if (s->may_cancel)
            tn__cancel_raise(&s->pause);
        return 0;
    }
    s->is_resumed = 1;
    tn__hub_wake(s->runner);
    return 0;
}

void tn__server_halt(struct tn__server *s)
{
    tn_shield shield;

    /* The handlers use the server: it stays until the last of them has left,
     * also when the caller is being killed. */
    tn_shield_begin(&shield, TN_FOREVER);
    tn__server_stop(s, TN_NOWAIT);
    tn__server_await_stops(s);
    tn_shield_end(&shield);
    /* Else a handler, the runner's error hook, or the hub frees it. */
    TN_ASSERT(s->n_handlers == 0 && !s->runner);
}
