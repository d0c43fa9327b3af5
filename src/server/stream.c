/* SPDX-License-Identifier: MIT */
/* server/stream.c - the stream server: a step of it accepts one connection,
 * whose handler gets it as a descriptor, over TLS, or as a buffered stream. The
 * life of a server is in common.c.
 *
 * A connection that was accepted while the pool is full is held until there is
 * room, also through a pause; the stop closes it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tendril/greenlet.h>
#include <tendril/net.h>
#include <tendril/server.h>

#include "base/assert.h"
#include "base/sized.h"
#include "server/common.h"

enum { BACKLOG = 128, ACCEPT_MAX = 100 };
#define HANDSHAKE_NS 10000000000

enum shape { SHAPE_FD, SHAPE_TLS, SHAPE_BUFFERED };

/* One connection. */
struct client {
    struct tn__handler handler;
    int fd; /* owned; -1: what was made of it has it */
    struct sockaddr_storage peer;
};

struct tn_stream_server {
    struct tn__server common;
    enum shape shape;
    union {
        tn_stream_fn fd;
        tn_tls_fn tls;
        tn_buffered_fn buffered;
    } fn; /* by `shape` */
    void *arg;
    tn_tls_context *tls; /* or NULL; the user's */
    int64_t handshake_ns;
    struct client *held; /* accepted, and not yet spawned; or NULL */
    struct tn_stream_server_stats stats;
};

static struct tn_stream_server *server_of(const struct tn__handler *handler)
{
    return TN_CONTAINER(handler->server, struct tn_stream_server, common);
}

/* ---- handlers ---- */

static void drop_client(struct client *c)
{
    if (c->fd >= 0)
        tn_close(c->fd);
    free(c);
}

/* It goes on without this connection; the error hook is the one to know. */
static void give_up(tn_stream_server *s, int error, const tn_tls *tls,
                    const char *what)
{
    char text[256];
    const char *more = tls ? tn_tls_error(tls) : "";

    if (error == -ECANCELED)
        return;
    snprintf(text, sizeof text, "tn_stream_server: %s%s%s", what,
             *more ? ": " : "", more);
    tn__hub_error(s->common.waitable.hub, tn_self(), error, text);
}

/* Make a TLS connection of `c` that has shaken hands, or NULL. */
static tn_tls *shake_hands(tn_stream_server *s, struct client *c)
{
    tn_tls *tls;
    int r = tn_tls_new(s->tls, c->fd, NULL, &tls);

    if (r < 0) {
        s->common.n_failed++;
        give_up(s, r, NULL, "no TLS for a connection");
        return NULL;
    }
    c->fd = -1;
    r = tn_tls_handshake(tls, tn_after_ns(s->handshake_ns));
    if (r == 0)
        return tls;
    s->stats.tls_failed++;
    give_up(s, r, tls, "a TLS handshake failed");
    tn_tls_close(tls, TN_NOWAIT);
    return NULL;
}

static void serve_tls(tn_stream_server *s, struct client *c)
{
    tn_tls *tls = shake_hands(s, c);

    if (!tls)
        return;
    s->fn.tls(tls, (struct sockaddr *)&c->peer, s->arg);
    tn_tls_close(tls, tn_after_ns(s->handshake_ns));
}

static void serve_buffered(tn_stream_server *s, struct client *c)
{
    tn_tls *tls = s->tls ? shake_hands(s, c) : NULL;
    tn_stream *stream;
    int r;

    if (s->tls && !tls)
        return;
    r = tls ? tn_stream_open_tls(tls, NULL, &stream)
            : tn_stream_open(c->fd, NULL, &stream);
    if (r < 0) {
        s->common.n_failed++;
        give_up(s, r, NULL, "no stream for a connection");
        tn_tls_close(tls, TN_NOWAIT);
        return;
    }
    c->fd = -1;
    s->fn.buffered(stream, (struct sockaddr *)&c->peer, s->arg);
    tn_stream_close(stream, tn_after_ns(s->handshake_ns));
}

static int handle(void *arg)
{
    struct client *c = TN_CONTAINER(arg, struct client, handler);
    tn_stream_server *s = server_of(arg);

    switch (s->shape) {
    case SHAPE_FD:
        s->fn.fd(c->fd, (struct sockaddr *)&c->peer, s->arg);
        break;
    case SHAPE_TLS:
        serve_tls(s, c);
        break;
    case SHAPE_BUFFERED:
        serve_buffered(s, c);
        break;
    }
    if (c->fd >= 0)
        tn_close(c->fd);
    c->fd = -1;
    return 0;
}

static void ended(struct tn__handler *handler)
{
    struct client *c = TN_CONTAINER(handler, struct client, handler);

    if (c->fd >= 0)
        server_of(handler)->stats.refused++; /* it was killed before it ran */
    drop_client(c);
}

/* ---- accepting ---- */

static int accept_one(tn_stream_server *s)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;
    int fd =
        tn_accept(s->common.fd, (struct sockaddr *)&peer, &len, TN_FOREVER);
    struct client *c;

    if (fd < 0)
        return fd;
    s->stats.accepted++;
    /* stop() may have come between the accept and this turn. */
    c = s->common.is_stopping ? NULL : malloc(sizeof *c);
    if (!c) {
        s->stats.refused++;
        tn_close(fd);
        return s->common.is_stopping ? -ECANCELED : -ENOMEM;
    }
    c->fd = fd;
    c->peer = peer;
    s->held = c;
    return 0;
}

static void drop(struct tn__server *common)
{
    tn_stream_server *s = TN_CONTAINER(common, struct tn_stream_server, common);

    if (!s->held)
        return;
    s->stats.refused++;
    drop_client(s->held);
    s->held = NULL;
}

static int step(struct tn__server *common)
{
    tn_stream_server *s = TN_CONTAINER(common, struct tn_stream_server, common);
    int r = tn__server_await_room(common);

    if (r == 0 && !s->held)
        r = accept_one(s);
    if (r < 0)
        return r;
    r = tn__server_spawn(common, &s->held->handler, handle);
    if (r == 0)
        s->held = NULL;
    else if (r != -ECANCELED)
        drop(common);
    return r;
}

static const struct tn__server_ops stream_ops = {
    .name = "tn_stream_server",
    .type = SOCK_STREAM,
    .text_pause = "tn_stream_server: cannot accept for want of descriptors or "
                  "memory; will try again",
    .text_end = "tn_stream_server: accepts no more",
    .step = step,
    .ended = ended,
    .drop = drop,
};

/* ---- making ---- */

/* What the address and the options say of the socket. */
static int find_place(const char *addr,
                      const struct tn_stream_server_options *o,
                      struct tn__server_place *ret)
{
    struct sockaddr_storage at;
    socklen_t len;

    *ret =
        (struct tn__server_place){.addr = (char *)addr,
                                  .given = addr ? -1 : o->listener,
                                  .backlog = o->backlog ? o->backlog : BACKLOG,
                                  .flags = o->flags};
    if (o->backlog < 0 || (o->flags & ~TN_SERVER_REUSEPORT))
        return -EINVAL;
    if (addr)
        return o->listener ? -EINVAL : tn_addr_parse(addr, &at, &len);
    if (o->backlog || o->flags)
        return -EINVAL;
    return tn__server_judge(o->listener, SOCK_STREAM);
}

static int set_up(tn_stream_server *s, const char *addr,
                  const struct tn_stream_server_options *o)
{
    struct tn__server_place place;
    struct tn__server *common = &s->common;
    bool is_shared = !addr || (o->flags & TN_SERVER_REUSEPORT);
    int r = find_place(addr, o, &place);

    if (r < 0)
        return r;
    if (o->accept_max < 0 || o->handshake_ns < 0)
        return -EINVAL;
    common->steps_max = o->accept_max ? o->accept_max
                        : is_shared   ? 1
                                      : ACCEPT_MAX;
    common->delay_ns_min = o->delay_ns_min;
    common->delay_ns_max = o->delay_ns_max;
    common->handlers_max = o->clients_max;
    common->stack_bytes = o->stack_bytes;
    common->pool = o->pool;
    common->ends_by_closing = true;
    s->tls = o->tls;
    s->handshake_ns = o->handshake_ns ? o->handshake_ns : HANDSHAKE_NS;
    return tn__server_init(common, &stream_ops, &place);
}

static int make(const char *addr, const tn_stream_server *model,
                const struct tn_stream_server_options *given,
                tn_stream_server **ret_server)
{
    struct tn_stream_server_options options = TN_STREAM_SERVER_OPTIONS;
    tn_stream_server *s;
    int r;

    if (!model->fn.fd || !ret_server ||
        tn__sized_read(&options, sizeof options, given) < 0)
        return -EINVAL;
    if (options.tls ? model->shape == SHAPE_FD : model->shape == SHAPE_TLS)
        return -EINVAL;
    s = malloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    *s = *model;
    r = set_up(s, addr, &options);
    if (r < 0) {
        free(s);
        return r;
    }
    *ret_server = s;
    return 0;
}

int tn_stream_server_new(const char *addr, tn_stream_fn fn, void *arg,
                         const struct tn_stream_server_options *options,
                         tn_stream_server **ret_server)
{
    const tn_stream_server model = {.shape = SHAPE_FD, .fn.fd = fn, .arg = arg};

    return make(addr, &model, options, ret_server);
}

int tn_stream_server_new_tls(const char *addr, tn_tls_fn fn, void *arg,
                             const struct tn_stream_server_options *options,
                             tn_stream_server **ret_server)
{
    const tn_stream_server model = {
        .shape = SHAPE_TLS, .fn.tls = fn, .arg = arg};

    return make(addr, &model, options, ret_server);
}

int tn_stream_server_new_buffered(
    const char *addr, tn_buffered_fn fn, void *arg,
    const struct tn_stream_server_options *options,
    tn_stream_server **ret_server)
{
    const tn_stream_server model = {
        .shape = SHAPE_BUFFERED, .fn.buffered = fn, .arg = arg};

    return make(addr, &model, options, ret_server);
}

void tn_stream_server_free(tn_stream_server *s)
{
    if (!s)
        return;
    tn__server_halt(&s->common);
    tn__server_fini(&s->common);
    free(s);
}

/* ---- the calls on a server ---- */

int tn_stream_server_start(tn_stream_server *s)
{
    return tn__server_start(&s->common);
}

int tn_stream_server_pause(tn_stream_server *s)
{
    return tn__server_pause(&s->common, true);
}

int tn_stream_server_resume(tn_stream_server *s)
{
    return tn__server_pause(&s->common, false);
}

int tn_stream_server_stop(tn_stream_server *s, tn_time drain)
{
    return tn__server_stop(&s->common, drain);
}

int tn_stream_server_serve(tn_stream_server *s)
{
    return tn__server_serve(&s->common);
}

int tn_stream_server_serve_until(tn_stream_server *s, const int *signos,
                                 size_t n, int64_t drain_ns)
{
    return tn__server_serve_until(&s->common, signos, n, drain_ns);
}

tn_waitable *tn_stream_server_waitable(tn_stream_server *s)
{
    return s ? &s->common.waitable : NULL;
}

int tn_stream_server_port(const tn_stream_server *s)
{
    return tn__server_port(s->common.fd);
}

int tn_stream_server_fd(const tn_stream_server *s)
{
    return s->common.fd;
}

size_t tn_stream_server_clients(const tn_stream_server *s)
{
    return s->common.n_handlers;
}

int tn_stream_server_stats(const tn_stream_server *s,
                           struct tn_stream_server_stats *stats)
{
    struct tn_stream_server_stats full = s->stats;

    full.failed = s->common.n_failed;
    full.active = s->common.n_handlers;
    return tn__sized_write(stats, &full, sizeof full);
}
