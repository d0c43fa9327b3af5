/* SPDX-License-Identifier: MIT */
/* net/stream.c - buffered streams: how they begin and end, turns, buffers.
 *
 * A call takes the turn of its direction for all it does, so that the calls of
 * several greenlets do not mix. Buffers are made when they are first needed, so
 * a stream that only passes on large blocks has none.
 *
 * Nothing that came from the transport is ever lost, because a call takes bytes
 * out of the buffer only when it can return all of them. Large reads go to the
 * caller's memory and are copied into the buffer if they fail: room for that is
 * reserved before, so that it cannot fail in turn. Reserved room that is not
 * touched costs address space only.
 *
 * The stream stays until the last call has left it: close() wakes those inside,
 * who find it closed. */
#include "net/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { USUAL_BYTES = 16384 };

/* ---- buffers ---- */

int tn__buffer_reserve(struct tn__buffer *b, size_t want)
{
    size_t room = b->room * 2;
    char *data;

    TN_ASSERT(b->at + b->n <= b->room);
    /* Not for a few bytes behind many that are taken. */
    if (want <= b->room - b->at &&
        (b->at == 0 || b->room - b->at - b->n >= b->usual / 4))
        return 0;
    if (want <= b->room) {
        memmove(b->data, b->data + b->at, b->n);
        b->at = 0;
        return 0;
    }
    if (room < b->usual)
        room = b->usual;
    if (room < want)
        room = want;
    data = malloc(room);
    if (!data)
        return -ENOMEM;
    if (b->n)
        memcpy(data, b->data + b->at, b->n);
    free(b->data);
    b->data = data;
    b->at = 0;
    b->room = room;
    return 0;
}

void tn__buffer_drop(struct tn__buffer *b, size_t n)
{
    TN_ASSERT(n <= b->n);
    b->at += n;
    b->n -= n;
    if (b->n > 0)
        return;
    b->at = 0;
    if (b->room > b->usual) {
        free(b->data);
        b->data = NULL;
        b->room = 0;
    }
}

/* ---- turns ---- */

void tn__stream_unref(tn_stream *s)
{
    TN_ASSERT(s->users > 0);
    if (--s->users > 0)
        return;
    free(s->in.data);
    free(s->out.data);
    free(s);
}

int tn__stream_enter(tn_stream *s, struct tn__turn *turn, tn_time deadline,
                     const char *what)
{
    int r = tn__wait_enter(s->hub, deadline);

    if (r < 0)
        return r;
    s->users++;
    r = tn__turn_take(s->hub, turn, deadline, what);
    if (r == 0 && s->is_closed) {
        tn__turn_give(turn);
        r = -EBADF;
    }
    if (r < 0)
        tn__stream_unref(s);
    return r;
}

ssize_t tn__stream_leave(tn_stream *s, struct tn__turn *turn, ssize_t r)
{
    tn__turn_give(turn);
    tn__stream_unref(s);
    return r;
}

/* ---- beginning and ending ---- */

int tn__stream_new(const struct tn__transport *under,
                   const struct tn_stream_options *options,
                   tn_stream **ret_stream)
{
    struct tn_hub *h;
    tn_stream *s;
    int r = tn__hub_self(&h);

    if (r < 0)
        return r;
    s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->hub = h;
    s->under = *under;
    s->users = 1;
    tn__turn_init(&s->reading);
    tn__turn_init(&s->writing);
    s->in.usual = options->read_bytes ? options->read_bytes : USUAL_BYTES;
    s->out.usual = options->write_bytes ? options->write_bytes : USUAL_BYTES;
    *ret_stream = s;
    return 0;
}

/* Send what is left, also when corked. */
static int flush_at_last(tn_stream *s, tn_time deadline)
{
    int r;

    if (s->out.n == 0 && !s->writing.is_taken)
        return 0;
    r = tn__stream_enter(s, &s->writing, deadline, "tn_stream_close");
    if (r < 0)
        return r;
    return (int)tn__stream_leave(s, &s->writing, tn__stream_push(s, deadline));
}

int tn_stream_close(tn_stream *s, tn_time deadline)
{
    int r, closed;

    if (!s)
        return 0;
    if (s->hub != tn__hub_peek())
        return -EXDEV;
    if (s->under.is_kept && s->users > 1)
        return -EBUSY;
    r = flush_at_last(s, deadline);
    s->is_closed = true;
    if (s->is_corked_below)
        s->under.ops->cork(&s->under, false);
    closed = s->under.ops->close(&s->under, deadline);
    tn__stream_unref(s); /* the owner's */
    return r < 0 ? r : closed;
}

int tn_stream_fd(const tn_stream *s)
{
    return s ? s->under.fd : -EINVAL;
}

tn_tls *tn_stream_tls(const tn_stream *s)
{
    return s ? s->under.tls : NULL;
}

size_t tn_stream_unread(const tn_stream *s)
{
    return s ? s->in.n : 0;
}

size_t tn_stream_unsent(const tn_stream *s)
{
    return s ? s->out.n : 0;
}
