/* SPDX-License-Identifier: MIT */
/* net/stream_read.c - the reading side of a buffered stream. See stream.c for
 * why nothing is lost. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE /* memmem() */
#endif
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "net/stream.h"

/* Read once into the buffer, which is made to hold `want` bytes. At least one,
 * 0 at the end, or a negative errno. */
static ssize_t fill(tn_stream *s, size_t want, tn_time deadline)
{
    struct tn__buffer *in = &s->in;
    int error = tn__buffer_reserve(in, want);
    size_t end = in->at + in->n;
    ssize_t r;

    if (error < 0)
        return error;
    TN_ASSERT(end < in->room);
    r = s->under.ops->recv(&s->under, in->data + end, in->room - end, deadline);
    if (r > 0)
        in->n += (size_t)r;
    return r;
}

/* Give the caller `len` bytes of the buffer. */
static ssize_t take(tn_stream *s, void *buf, size_t len)
{
    if (len)
        memcpy(buf, s->in.data + s->in.at, len);
    tn__buffer_drop(&s->in, len);
    return (ssize_t)len;
}

/* What a call returns at the end of the stream that wanted more. */
static ssize_t ended(const tn_stream *s)
{
    return s->in.n ? -EPIPE : 0;
}

static ssize_t read_some(tn_stream *s, void *buf, size_t len, tn_time deadline)
{
    ssize_t r;

    if (s->in.n > 0) {
        tn__hub_tick(s->hub);
    } else {
        if (len >= s->in.usual)
            return s->under.ops->recv(&s->under, buf, len, deadline);
        r = fill(s, 1, deadline);
        if (r <= 0)
            return r;
    }
    return take(s, buf, len < s->in.n ? len : s->in.n);
}

ssize_t tn_stream_read(tn_stream *s, void *buf, size_t len, tn_time deadline)
{
    int r;

    if (!s || (!buf && len))
        return -EINVAL;
    r = tn__stream_enter(s, &s->reading, deadline, "tn_stream_read");
    if (r < 0)
        return r;
    return tn__stream_leave(s, &s->reading,
                            len ? read_some(s, buf, len, deadline) : 0);
}

/* Much: behind what is in the buffer, straight to the caller. */
static ssize_t read_much(tn_stream *s, char *buf, size_t len, tn_time deadline)
{
    size_t had = s->in.n, got = had;
    ssize_t r = tn__buffer_reserve(&s->in, len);

    if (r < 0)
        return r;
    memcpy(buf, s->in.data + s->in.at, had);
    do {
        r = s->under.ops->recv(&s->under, buf + got, len - got, deadline);
        if (r > 0)
            got += (size_t)r;
    } while (r > 0 && got < len);
    if (got == len) {
        tn__buffer_drop(&s->in, had);
        return (ssize_t)len;
    }
    memcpy(s->in.data + s->in.at + had, buf + had, got - had);
    s->in.n = got;
    return r < 0 ? r : ended(s);
}

static ssize_t read_exactly(tn_stream *s, void *buf, size_t len,
                            tn_time deadline)
{
    ssize_t r;

    if (s->in.n >= len)
        tn__hub_tick(s->hub);
    while (s->in.n < len) {
        if (len - s->in.n >= s->in.usual)
            return read_much(s, buf, len, deadline);
        r = fill(s, len, deadline);
        if (r <= 0)
            return r < 0 ? r : ended(s);
    }
    return take(s, buf, len);
}

ssize_t tn_stream_read_exactly(tn_stream *s, void *buf, size_t len,
                               tn_time deadline)
{
    int r;

    if (!s || (!buf && len))
        return -EINVAL;
    r = tn__stream_enter(s, &s->reading, deadline, "tn_stream_read_exactly");
    if (r < 0)
        return r;
    return tn__stream_leave(s, &s->reading,
                            read_exactly(s, buf, len, deadline));
}

/* Wait until `delim` is among the first `limit` bytes. How many there are up to
 * and with it, or what read_until returns. */
static ssize_t find(tn_stream *s, const char *delim, size_t limit,
                    tn_time deadline)
{
    size_t len = delim[0] ? strlen(delim) : 1, seen = 0;

    if (s->in.n > 0)
        tn__hub_tick(s->hub);
    for (;;) {
        size_t n = s->in.n < limit ? s->in.n : limit;
        const char *start = s->in.data + s->in.at, *found = NULL;
        ssize_t r;

        if (n - seen >= len)
            found = memmem(start + seen, n - seen, delim, len);
        if (found)
            return found - start + (ssize_t)len;
        if (n == limit)
            return -EMSGSIZE;
        seen = n >= len ? n - len + 1 : 0; /* where it may begin */
        r = fill(s, n + 1, deadline);
        if (r <= 0)
            return r < 0 ? r : ended(s);
    }
}

ssize_t tn_stream_read_until(tn_stream *s, const char *delim, void *buf,
                             size_t size, tn_time deadline)
{
    ssize_t r;

    if (!s || !delim || !buf || size == 0)
        return -EINVAL;
    r = tn__stream_enter(s, &s->reading, deadline, "tn_stream_read_until");
    if (r < 0)
        return r;
    r = find(s, delim, size, deadline);
    if (r > 0)
        r = take(s, buf, (size_t)r);
    return tn__stream_leave(s, &s->reading, r);
}

ssize_t tn_stream_read_line(tn_stream *s, char *buf, size_t size,
                            tn_time deadline)
{
    ssize_t r;

    if (!s || !buf || size < 2)
        return -EINVAL;
    r = tn__stream_enter(s, &s->reading, deadline, "tn_stream_read_line");
    if (r < 0)
        return r;
    r = find(s, "\n", size - 1, deadline);
    if (r == -EPIPE)
        r = (ssize_t)s->in.n; /* the last one */
    if (r > 0)
        r = take(s, buf, (size_t)r);
    if (r >= 0)
        buf[r] = '\0';
    return tn__stream_leave(s, &s->reading, r);
}

static ssize_t peek(tn_stream *s, size_t n, tn_time deadline)
{
    ssize_t r;

    if (s->in.n >= n)
        tn__hub_tick(s->hub);
    while (s->in.n < n) {
        r = fill(s, n, deadline);
        if (r <= 0)
            return r < 0 ? r : ended(s);
    }
    return (ssize_t)s->in.n;
}

ssize_t tn_stream_peek(tn_stream *s, size_t n, const void **ret_data,
                       tn_time deadline)
{
    ssize_t r;

    if (!s || !ret_data)
        return -EINVAL;
    r = tn__stream_enter(s, &s->reading, deadline, "tn_stream_peek");
    if (r < 0)
        return r;
    r = peek(s, n, deadline);
    if (r >= 0)
        *ret_data = r ? s->in.data + s->in.at : "";
    return tn__stream_leave(s, &s->reading, r);
}

int tn_stream_skip(tn_stream *s, size_t n)
{
    if (!s || n > s->in.n)
        return -EINVAL;
    if (s->hub != tn__hub_peek())
        return -EXDEV;
    if (s->reading.is_taken)
        return -EBUSY;
    tn__buffer_drop(&s->in, n);
    return 0;
}
