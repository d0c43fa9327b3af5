/* SPDX-License-Identifier: MIT */
/* server/stream.c - the stream server.
 *
 * One greenlet accepts; each connection gets a greenlet of its own. When accept
 * fails for want of descriptors or memory, the acceptor pauses, longer each
 * time, and then goes on: the listener survives. When a bound on connections is
 * set, the acceptor waits for one to end.
 *
 * The server outlives its greenlets: stop() waits for all of them. Handlers are
 * on a list, so that stop() can kill those that are left. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <tendril/greenlet.h>
#include <tendril/net.h>
#include <tendril/server.h>
#include <tendril/timeout.h>

#include "base/assert.h"
#include "base/list.h"
#include "hub/hub.h"

enum { BACKLOG = 128, ACCEPT_MAX = 100 };
#define DELAY_NS_MIN 10000000
#define DELAY_NS_MAX 1000000000

/* One connection: in the frame of its handler's greenlet. */
struct client {
    struct tn__list link; /* on tn_stream_server.clients */
    tn_greenlet *g;
};

/* One who waits for handlers to end: in the frame of stop(). */
struct stopper {
    struct tn__list link; /* on tn_stream_server.stoppers */
    tn_greenlet *g;
    uint8_t is_told;      /* a handler has ended */
};

struct tn_stream_server {
    char *addr; /* owned */
    tn_stream_fn fn;
    void *arg;
    struct tn_stream_server_options options;
    int fd;                 /* listener; -1: not listening */
    tn_greenlet *acceptor;  /* owned reference, NULL while stopped */
    struct tn__list clients;
    size_t n_clients;
    int is_killing;         /* stop() does not wait any more: handlers that
                             * have not begun do not */
    uint8_t has_room;       /* wakes an acceptor that waits for room */
    struct tn_greenlet *waits_room;
    struct tn__list stoppers;
    struct tn_hub *hub;     /* of the thread that made it */
};

/* What a new handler's greenlet is told; freed by it. */
struct handover {
    tn_stream_server *s;
    int fd;
    struct sockaddr_storage peer;
};

/* ---- handlers ---- */

static void client_ended(tn_stream_server *s)
{
    s->n_clients--;
    if (s->waits_room) {
        s->has_room = 1;
        tn__hub_wake(s->waits_room);
    }
    for (struct tn__list *n = s->stoppers.next; n != &s->stoppers;
         n = n->next) {
        struct stopper *stopper = TN_CONTAINER(n, struct stopper, link);

        stopper->is_told = 1;
        tn__hub_wake(stopper->g);
    }
}

static int handle(void *arg)
{
    struct handover to = *(struct handover *)arg;
    struct client me = {.g = tn_self()};

    free(arg);
    tn__list_insert(&to.s->clients, &me.link);
    if (!to.s->is_killing)
        to.s->fn(to.fd, (struct sockaddr *)&to.peer, to.s->arg);
    tn__list_remove(&me.link);
    tn_close(to.fd);
    client_ended(to.s);
    return 0;
}

/* Give `fd` to a handler. On an error the caller still owns it. */
static int start_handler(tn_stream_server *s, int fd,
                         const struct sockaddr_storage *peer)
{
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    struct handover *to = malloc(sizeof *to);
    int r;

    if (!to)
        return -ENOMEM;
    *to = (struct handover){s, fd, *peer};
    options.stack_bytes = s->options.stack_bytes;
    r = tn_spawn_with(&options, handle, to, NULL);
    if (r < 0) {
        free(to);
        return r;
    }
    s->n_clients++;
    return 0;
}

/* ---- accepting ---- */

static int is_shortage(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOBUFS ||
           error == -ENOMEM;
}

/* Errors of the one connection, not of the listener (accept(2)). */
static int is_passing(int error)
{
    switch (error) {
    case -ECONNABORTED:
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
        return 1;
    default:
        return 0;
    }
}

static int wait_for_room(tn_stream_server *s)
{
    size_t most = s->options.clients_max;
    int r = 0;

    while (r == 0 && most && s->n_clients >= most) {
        s->has_room = 0;
        s->waits_room = tn_self();
        r = tn__hub_park(s->hub, &s->has_room, TN_FOREVER,
                         "tn_stream_server: room for a connection", s->fd);
        s->waits_room = NULL;
    }
    return r;
}

/* Accept one connection and start its handler. 0 or a negative errno. */
static int accept_one(tn_stream_server *s)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;
    int fd = tn_accept(s->fd, (struct sockaddr *)&peer, &len, TN_FOREVER);
    int r;

    if (fd < 0)
        return fd;
    /* stop() may have come between the accept and this turn. */
    r = s->fd < 0 ? -EBADF : start_handler(s, fd, &peer);
    if (r < 0)
        tn_close(fd);
    return r;
}

static int accept_loop(void *arg)
{
    tn_stream_server *s = arg;
    int64_t delay = s->options.delay_ns_min;
    int n_in_a_row = 0;

    for (;;) {
        int r = wait_for_room(s);

        if (r == 0)
            r = accept_one(s);
        if (r == 0) {
            delay = s->options.delay_ns_min;
            if (++n_in_a_row < s->options.accept_max)
                continue;
            n_in_a_row = 0;
            r = tn_yield();
        } else if (is_shortage(r)) {
            tn__hub_error(s->hub, tn_self(), r,
                          "tn_stream_server: cannot accept for want of "
                          "descriptors or memory; will try again");
            r = tn_sleep(tn_after_ns(delay));
            delay = delay * 2 < s->options.delay_ns_max
                        ? delay * 2
                        : s->options.delay_ns_max;
        } else if (is_passing(r)) {
            r = tn_yield();
        }
        if (r == -EBADF || r == -ECANCELED || s->fd < 0)
            return 0; /* closing the listener is how a server is stopped */
        if (r < 0) {
            tn__hub_error(s->hub, tn_self(), r,
                          "tn_stream_server: accepts no more");
            return r;
        }
    }
}

/* ---- life ---- */

static void set_default(int64_t *value, int64_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

int tn_stream_server_new(const char *addr, tn_stream_fn fn, void *arg,
                         const struct tn_stream_server_options *options,
                         tn_stream_server **ret_server)
{
    static const struct tn_stream_server_options defaults =
        TN_STREAM_SERVER_OPTIONS;
    struct sockaddr_storage at;
    socklen_t len;
    tn_stream_server *s;
    int r = tn_addr_parse(addr, &at, &len);

    if (!options)
        options = &defaults;
    if (r < 0)
        return r;
    if (!fn || !ret_server || options->size < sizeof *options ||
        options->backlog < 0 || options->accept_max < 0 ||
        options->delay_ns_min < 0 || options->delay_ns_max < 0)
        return -EINVAL;
    s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    r = tn__hub_self(&s->hub);
    s->addr = r == 0 ? strdup(addr) : NULL;
    if (!s->addr) {
        free(s);
        return r < 0 ? r : -ENOMEM;
    }
    s->fn = fn;
    s->arg = arg;
    s->options = *options;
    s->fd = -1;
    tn__list_init(&s->clients);
    tn__list_init(&s->stoppers);
    if (!s->options.backlog)
        s->options.backlog = BACKLOG;
    if (!s->options.accept_max)
        s->options.accept_max = ACCEPT_MAX;
    set_default(&s->options.delay_ns_min, DELAY_NS_MIN);
    set_default(&s->options.delay_ns_max, DELAY_NS_MAX);
    *ret_server = s;
    return 0;
}

int tn_stream_server_start(tn_stream_server *s)
{
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    int fd, r;

    if (s->fd >= 0 && s->acceptor && !tn_greenlet_is_done(s->acceptor))
        return 0;
    tn_stream_server_stop(s, TN_NOWAIT);
    if (s->acceptor)
        return -EDEADLK; /* on the hub, or its own hook: it cannot leave now */
    fd = tn_listen(s->addr, s->options.backlog);
    if (fd < 0)
        return fd;
    s->fd = fd;
    s->is_killing = 0;
    options.name = "tn_stream_server";
    r = tn_spawn_with(&options, accept_loop, s, &s->acceptor);
    if (r < 0) {
        tn_close(fd);
        s->fd = -1;
    }
    return r;
}

int tn_stream_server_port(const tn_stream_server *s)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;

    if (s->fd < 0 || getsockname(s->fd, (struct sockaddr *)&at, &len) < 0)
        return 0;
    if (at.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&at)->sin_port);
    if (at.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&at)->sin6_port);
    return 0;
}

size_t tn_stream_server_clients(const tn_stream_server *s)
{
    return s->n_clients;
}

/* 1 if the current greenlet is a handler of `s`: it does not await itself. */
static size_t count_self(const tn_stream_server *s)
{
    const struct tn__list *n = s->clients.next;

    for (; n != &s->clients; n = n->next)
        if (TN_CONTAINER(n, struct client, link)->g == tn_self())
            return 1;
    return 0;
}

static int wait_idle(tn_stream_server *s, tn_time deadline)
{
    struct tn_greenlet *self = tn_self();
    struct stopper me = {.g = self};
    size_t n_self = count_self(s);
    int r = 0;

    if (self->alert)
        r = tn__hub_alert(s->hub, self, deadline);
    while (r == 0 && s->n_clients > n_self) {
        if (deadline == TN_NOWAIT)
            return -EAGAIN;
        me.is_told = 0;
        tn__list_insert(&s->stoppers, &me.link);
        r = tn__hub_park(s->hub, &me.is_told, deadline,
                         "tn_stream_server_stop", -1);
        tn__list_remove(&me.link);
    }
    return r;
}

static void kill_clients(tn_stream_server *s)
{
    s->is_killing = 1;
    for (struct tn__list *n = s->clients.next; n != &s->clients; n = n->next) {
        tn_greenlet *g = TN_CONTAINER(n, struct client, link)->g;

        if (g != tn_self())
            tn_kill(g, TN_NOWAIT);
    }
}

/* Have the acceptor leave, which uses the server. It does at once: its listener
 * is closed and it is killed; so this is not interrupted. */
static void end_acceptor(tn_stream_server *s)
{
    tn_greenlet *g = s->acceptor;
    tn_shield shield;

    if (!g || g == tn_self())
        return;
    tn_ref(g);
    tn_kill(g, TN_NOWAIT);
    tn_shield_begin(&shield, TN_FOREVER);
    if (tn_join(g, NULL, TN_FOREVER) < 0)
        tn_unref(g); /* on the hub, which may not wait: it is left there */
    tn_shield_end(&shield);
    if (s->acceptor == g && tn_greenlet_is_done(g)) {
        s->acceptor = NULL;
        tn_unref(g);
    }
}

int tn_stream_server_stop(tn_stream_server *s, tn_time drain)
{
    int r;

    if (s->fd >= 0) {
        tn_close(s->fd);
        s->fd = -1;
    }
    end_acceptor(s);
    r = wait_idle(s, drain);
    if (r == 0)
        return 0;
    kill_clients(s);
    return r == -ETIME || r == -EAGAIN ? wait_idle(s, TN_FOREVER) : r;
}

int tn_stream_server_serve(tn_stream_server *s)
{
    tn_greenlet *acceptor;
    int r = tn_stream_server_start(s), result = 0;

    if (r < 0)
        return r;
    acceptor = tn_ref(s->acceptor);
    r = tn_join(acceptor, &result, TN_FOREVER);
    if (r < 0) {
        tn_unref(acceptor);
        return r;
    }
    return result == -ECANCELED ? 0 : result; /* it never ran */
}

void tn_stream_server_free(tn_stream_server *s)
{
    tn_shield shield;

    if (!s)
        return;
    /* The handlers use the server: it stays until the last of them has left,
     * also when the caller is being killed. */
    tn_shield_begin(&shield, TN_FOREVER);
    tn_stream_server_stop(s, TN_NOWAIT);
    tn_shield_end(&shield);
    /* Else a handler, the acceptor's error hook, or the hub frees it. */
    TN_ASSERT(s->n_clients == 0 && !s->acceptor);
    free(s->addr);
    free(s);
}
