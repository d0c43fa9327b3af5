/* SPDX-License-Identifier: MIT */
/* server/datagram.c - the datagram server: a step of it receives a batch by one
 * system call, as many as there is room for handlers, and gives each a greenlet
 * and a copy as long as the datagram is. Inline, the function gets them where
 * they were received, in the runner, outside of the scope by which that is told
 * to rest. The life of a server is in common.c.
 *
 * What has been received and has no handler yet, because the pool is full or
 * the server pauses, stays in the batch for the next step; a stop drops it. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE /* struct mmsghdr */
#endif
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <tendril/datagram.h>
#include <tendril/greenlet.h>
#include <tendril/net.h>

#include "base/assert.h"
#include "base/sized.h"
#include "net/turn.h"
#include "server/common.h"

enum { BUFFER_BYTES = 65536, HANDLERS_MAX = 1000, BATCH_MAX = 16 };

/* One datagram that has a handler. */
struct message {
    struct tn__handler handler;
    struct tn_datagram datagram; /* its data and peer are those below */
    bool has_begun;
    struct sockaddr_storage peer;
    char data[];
};

/* What one system call receives, and where. */
struct batch {
    struct mmsghdr *headers; /* owned, with all the rest behind it */
    struct iovec *parts;
    struct sockaddr_storage *peers;
    char *data;
    unsigned max; /* how many it can have */
    unsigned n;   /* received */
    unsigned at;  /* of these, the next to be handled */
};

struct tn_datagram_server {
    struct tn__server common;
    tn_datagram_fn fn;
    void *arg;
    size_t buffer_bytes; /* of each in the batch */
    bool is_inline;
    struct batch batch;
    struct tn__turn sending; /* who sends; others wait in order */
    struct tn_datagram_server_stats stats;
};

static tn_datagram_server *server_of(struct tn__server *common)
{
    return TN_CONTAINER(common, struct tn_datagram_server, common);
}

/* ---- handlers ---- */

static int handle(void *arg)
{
    struct message *m = TN_CONTAINER(arg, struct message, handler);
    tn_datagram_server *s = server_of(m->handler.server);

    m->has_begun = true;
    s->fn(s, &m->datagram, s->arg);
    return 0;
}

static void ended(struct tn__handler *handler)
{
    struct message *m = TN_CONTAINER(handler, struct message, handler);

    if (!m->has_begun)
        server_of(handler->server)->stats.dropped++;
    free(m);
}

/* ---- the batch ---- */

/* The datagram that is next, where it was received. */
static struct tn_datagram next_of(const struct batch *b)
{
    const struct mmsghdr *header = &b->headers[b->at];

    TN_ASSERT(b->at < b->n);
    return (struct tn_datagram){
        .data = b->parts[b->at].iov_base,
        .len = header->msg_len,
        .peer = (const struct sockaddr *)&b->peers[b->at],
        .peer_len = header->msg_hdr.msg_namelen,
        .is_truncated = (header->msg_hdr.msg_flags & MSG_TRUNC) != 0};
}

static int receive(tn_datagram_server *s)
{
    struct batch *b = &s->batch;
    size_t room = s->is_inline ? b->max : tn__server_room(&s->common);
    unsigned most = room < b->max ? (unsigned)room : b->max;
    int r;

    if (most == 0)
        most = 1; /* others of the pool were quicker: it will wait for room */
    for (unsigned i = 0; i < most; i++)
        b->headers[i].msg_hdr =
            (struct msghdr){.msg_name = &b->peers[i],
                            .msg_namelen = sizeof b->peers[i],
                            .msg_iov = &b->parts[i],
                            .msg_iovlen = 1};
    r = tn_recvmmsg(s->common.fd, b->headers, most, 0, TN_FOREVER);
    if (r < 0)
        return r;
    b->at = 0;
    b->n = (unsigned)r;
    s->stats.received += b->n;
    for (unsigned i = 0; i < b->n; i++)
        if (b->headers[i].msg_hdr.msg_flags & MSG_TRUNC)
            s->stats.truncated++;
    return 0;
}

static int make_batch(struct batch *b, size_t buffer_bytes)
{
    size_t each =
        sizeof *b->headers + sizeof *b->peers + sizeof *b->parts + buffer_bytes;
    char *memory;

    if (buffer_bytes > SIZE_MAX / b->max / 2)
        return -ENOMEM;
    memory = malloc(b->max * each); /* not touched before it is used */
    if (!memory)
        return -ENOMEM;
    b->headers = (struct mmsghdr *)(void *)memory;
    b->peers = (struct sockaddr_storage *)(void *)(b->headers + b->max);
    b->parts = (struct iovec *)(void *)(b->peers + b->max);
    b->data = (char *)(b->parts + b->max);
    for (unsigned i = 0; i < b->max; i++)
        b->parts[i] = (struct iovec){b->data + i * buffer_bytes, buffer_bytes};
    return 0;
}

/* ---- steps ---- */

/* Have the next of the batch handled by a greenlet of its own. */
static int spawn_next(tn_datagram_server *s)
{
    struct tn_datagram next = next_of(&s->batch);
    struct message *m = malloc(sizeof *m + next.len);
    int r = -ENOMEM;

    if (m) {
        m->has_begun = false;
        m->datagram = next;
        m->datagram.data = memcpy(m->data, next.data, next.len);
        m->datagram.peer = memcpy(&m->peer, next.peer, sizeof m->peer);
        r = tn__server_spawn(&s->common, &m->handler, handle);
    }
    if (r < 0)
        free(m);
    if (r == -ECANCELED)
        return r; /* it stays for later */
    s->stats.dropped += r < 0;
    s->batch.at++;
    return r;
}

static int handle_next(tn_datagram_server *s)
{
    struct tn_datagram next = next_of(&s->batch);

    s->batch.at++;
    tn__server_end_waits(&s->common);
    s->fn(s, &next, s->arg);
    tn__server_begin_waits(&s->common);
    return tn_check();
}

static int step(struct tn__server *common)
{
    tn_datagram_server *s = server_of(common);
    struct batch *b = &s->batch;
    int r = 0;

    if (b->at == b->n) {
        r = s->is_inline ? 0 : tn__server_await_room(common);
        if (r == 0)
            r = receive(s);
    }
    while (r == 0 && b->at < b->n && !tn__server_must_rest(common))
        r = s->is_inline ? handle_next(s) : spawn_next(s);
    return r;
}

static void drop(struct tn__server *common)
{
    tn_datagram_server *s = server_of(common);

    s->stats.dropped += s->batch.n - s->batch.at;
    s->batch.at = s->batch.n = 0;
}

static const struct tn__server_ops datagram_ops = {
    .name = "tn_datagram_server",
    .type = SOCK_DGRAM,
    .text_pause = "tn_datagram_server: cannot take a datagram for want of "
                  "memory; will try again",
    .text_end = "tn_datagram_server: receives no more",
    .step = step,
    .ended = ended,
    .drop = drop,
};

/* ---- making ---- */

/* What the address and the options say of the socket. */
static int find_place(const char *addr,
                      const struct tn_datagram_server_options *o,
                      struct tn__server_place *ret)
{
    struct sockaddr_storage at;
    socklen_t len;

    *ret = (struct tn__server_place){.addr = (char *)addr,
                                     .given = addr ? -1 : o->socket,
                                     .flags = o->flags};
    if (o->flags & ~(TN_SERVER_REUSEPORT | TN_SERVER_INLINE))
        return -EINVAL;
    if (addr)
        return o->socket ? -EINVAL : tn_addr_parse(addr, &at, &len);
    if (o->flags & TN_SERVER_REUSEPORT)
        return -EINVAL;
    return tn__server_judge(o->socket, SOCK_DGRAM);
}

static int set_up(tn_datagram_server *s, const char *addr,
                  const struct tn_datagram_server_options *o)
{
    struct tn__server_place place;
    struct tn__server *common = &s->common;
    int r = find_place(addr, o, &place);

    if (r == 0 && o->batch_max < 0)
        r = -EINVAL;
    if (r < 0)
        return r;
    common->steps_max = 1;
    common->delay_ns_min = o->delay_ns_min;
    common->delay_ns_max = o->delay_ns_max;
    common->handlers_max = o->handlers_max ? o->handlers_max : HANDLERS_MAX;
    common->stack_bytes = o->stack_bytes;
    common->pool = o->pool;
    s->is_inline = (o->flags & TN_SERVER_INLINE) != 0;
    s->buffer_bytes = o->buffer_bytes ? o->buffer_bytes : BUFFER_BYTES;
    s->batch.max = o->batch_max ? (unsigned)o->batch_max : BATCH_MAX;
    tn__turn_init(&s->sending);
    r = make_batch(&s->batch, s->buffer_bytes);
    if (r == 0)
        r = tn__server_init(common, &datagram_ops, &place);
    if (r < 0)
        free(s->batch.headers);
    return r;
}

int tn_datagram_server_new(const char *addr, tn_datagram_fn fn, void *arg,
                           const struct tn_datagram_server_options *given,
                           tn_datagram_server **ret_server)
{
    struct tn_datagram_server_options options = TN_DATAGRAM_SERVER_OPTIONS;
    tn_datagram_server *s;
    int r;

    if (!fn || !ret_server ||
        tn__sized_read(&options, sizeof options, given) < 0)
        return -EINVAL;
    s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->fn = fn;
    s->arg = arg;
    r = set_up(s, addr, &options);
    if (r < 0) {
        free(s);
        return r;
    }
    *ret_server = s;
    return 0;
}

void tn_datagram_server_free(tn_datagram_server *s)
{
    if (!s)
        return;
    tn__server_halt(&s->common);
    tn__server_fini(&s->common);
    free(s->batch.headers);
    free(s);
}

/* ---- the calls on a server ---- */

/* The kernel has no way to wait for room in the queue of a unix socket that one
 * is not connected to: try again, at growing distances. A stop may close the
 * socket meanwhile, and its number be another's. */
static ssize_t send_again(tn_datagram_server *s, const struct tn_datagram *to,
                          tn_time deadline)
{
    enum { PAUSE_US_MAX = 10000 };
    int64_t us = 100;
    ssize_t r;

    do {
        tn_time until = tn_after_us(us);

        r = tn_sleep(until < deadline ? until : deadline);
        if (r == 0)
            r = tn_sendto(s->common.fd, to->data, to->len, 0, to->peer,
                          to->peer_len, TN_NOWAIT);
        if (r != -EAGAIN)
            return r;
        us = us < PAUSE_US_MAX / 2 ? us * 2 : PAUSE_US_MAX;
    } while (tn_now() < deadline);
    return -ETIME;
}

static ssize_t send_one(tn_datagram_server *s, const struct tn_datagram *to,
                        tn_time deadline)
{
    bool is_unix = to->peer_len > 0 && to->peer->sa_family == AF_UNIX;
    ssize_t r = tn_sendto(s->common.fd, to->data, to->len, 0, to->peer,
                          to->peer_len, is_unix ? TN_NOWAIT : deadline);

    if (r == -EAGAIN && is_unix && deadline != TN_NOWAIT)
        r = send_again(s, to, deadline);
    return r;
}

int tn_datagram_server_send(tn_datagram_server *s, const struct tn_datagram *to,
                            tn_time deadline)
{
    struct tn_hub *h = s->common.waitable.hub;
    bool is_sane = to && (to->peer || to->peer_len == 0);
    ssize_t r = is_sane ? tn__wait_enter(h, deadline) : -EINVAL;

    if (r == 0)
        r = tn__turn_take(h, &s->sending, deadline, "tn_datagram_server_send");
    if (r < 0)
        return (int)r;
    r = send_one(s, to, deadline);
    tn__turn_give(&s->sending);
    if (r < 0)
        return (int)r;
    s->stats.sent++;
    return 0;
}

int tn_datagram_server_start(tn_datagram_server *s)
{
    return tn__server_start(&s->common);
}

int tn_datagram_server_pause(tn_datagram_server *s)
{
    return tn__server_pause(&s->common, true);
}

int tn_datagram_server_resume(tn_datagram_server *s)
{
    return tn__server_pause(&s->common, false);
}

int tn_datagram_server_stop(tn_datagram_server *s, tn_time drain)
{
    return tn__server_stop(&s->common, drain);
}

int tn_datagram_server_serve(tn_datagram_server *s)
{
    return tn__server_serve(&s->common);
}

int tn_datagram_server_serve_until(tn_datagram_server *s, const int *signos,
                                   size_t n, int64_t drain_ns)
{
    return tn__server_serve_until(&s->common, signos, n, drain_ns);
}

tn_waitable *tn_datagram_server_waitable(tn_datagram_server *s)
{
    return s ? &s->common.waitable : NULL;
}

int tn_datagram_server_port(const tn_datagram_server *s)
{
    return tn__server_port(s->common.fd);
}

int tn_datagram_server_fd(const tn_datagram_server *s)
{
    return s->common.fd;
}

int tn_datagram_server_stats(const tn_datagram_server *s,
                             struct tn_datagram_server_stats *stats)
{
    struct tn_datagram_server_stats full = s->stats;

    full.failed = s->common.n_failed;
    full.active = s->common.n_handlers;
    return tn__sized_write(stats, &full, sizeof full);
}
