/* SPDX-License-Identifier: MIT */
/* net/stream_write.c - the writing side of a buffered stream.
 *
 * What fits into the buffer is copied there. What does not is sent together
 * with what is there, from where it lies. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/assert.h"
#include "net/stream.h"

/* Send once: of the buffer, and of `len` bytes behind it. How many of these, or
 * a negative errno. */
static ssize_t send_once(tn_stream *s, const void *data, size_t len,
                         tn_time deadline)
{
    struct iovec parts[2];
    int n = 0;
    size_t sent, of_buffer;
    ssize_t r;

    if (s->corks && !s->is_corked_below && s->under.ops->cork) {
        s->under.ops->cork(&s->under, true);
        s->is_corked_below = true;
    }
    if (s->out.n)
        parts[n++] = (struct iovec){s->out.data + s->out.at, s->out.n};
    if (len)
        parts[n++] = (struct iovec){(void *)data, len};
    TN_ASSERT(n > 0);
    r = s->under.ops->send(&s->under, parts, n, deadline);
    if (r < 0)
        return r;
    sent = (size_t)r;
    of_buffer = sent < s->out.n ? sent : s->out.n;
    if (of_buffer)
        tn__buffer_drop(&s->out, of_buffer);
    return (ssize_t)(sent - of_buffer);
}

int tn__stream_push(tn_stream *s, tn_time deadline)
{
    while (s->out.n > 0) {
        ssize_t r = send_once(s, NULL, 0, deadline);

        if (r < 0)
            return (int)r;
    }
    return s->under.ops->flush ? s->under.ops->flush(&s->under, deadline) : 0;
}

/* Put some of `len` bytes into the buffer, or send some. How many, possibly 0,
 * or a negative errno. */
static ssize_t put(tn_stream *s, const char *data, size_t len, tn_time deadline)
{
    struct tn__buffer *out = &s->out;
    size_t room = out->usual - out->n;

    TN_ASSERT(out->n <= out->usual);
    if (len >= out->usual && (out->n == 0 || s->under.ops->gathers))
        return send_once(s, data, len, deadline);
    if (len > room && (room == 0 || s->under.ops->gathers))
        return send_once(s, data, len, deadline);
    if (len > room)
        len = room;
    if (tn__buffer_reserve(out, out->n + len) < 0)
        return -ENOMEM;
    memcpy(out->data + out->at + out->n, data, len);
    out->n += len;
    return (ssize_t)len;
}

static int put_all(tn_stream *s, const struct iovec *part, size_t *written,
                   tn_time deadline)
{
    size_t done = 0;

    while (done < part->iov_len) {
        ssize_t r = put(s, (const char *)part->iov_base + done,
                        part->iov_len - done, deadline);

        if (r < 0)
            return (int)r;
        done += (size_t)r;
        *written += (size_t)r;
    }
    return 0;
}

int tn_stream_writev(tn_stream *s, const struct iovec *iov, int n,
                     size_t *ret_written, tn_time deadline)
{
    size_t written = 0;
    int r;

    if (ret_written)
        *ret_written = 0;
    if (!s || n < 0 || n > IOV_MAX || (!iov && n))
        return -EINVAL;
    r = tn__stream_enter(s, &s->writing, deadline, "tn_stream_write");
    if (r < 0)
        return r;
    for (int i = 0; r == 0 && i < n; i++)
        r = put_all(s, &iov[i], &written, deadline);
    if (ret_written)
        *ret_written = written;
    tn__hub_tick(s->hub);
    return (int)tn__stream_leave(s, &s->writing, r);
}

int tn_stream_write(tn_stream *s, const void *buf, size_t len,
                    size_t *ret_written, tn_time deadline)
{
    struct iovec part = {(void *)buf, len};

    if (!buf && len)
        return -EINVAL;
    return tn_stream_writev(s, &part, 1, ret_written, deadline);
}

static int flush(tn_stream *s, tn_time deadline)
{
    if (s->corks > 0 || (s->out.n == 0 && !s->under.ops->flush)) {
        tn__hub_tick(s->hub);
        return 0;
    }
    return tn__stream_push(s, deadline);
}

int tn_stream_flush(tn_stream *s, tn_time deadline)
{
    int r;

    if (!s)
        return -EINVAL;
    r = tn__stream_enter(s, &s->writing, deadline, "tn_stream_flush");
    if (r < 0)
        return r;
    return (int)tn__stream_leave(s, &s->writing, flush(s, deadline));
}

int tn_stream_cork(tn_stream *s)
{
    if (!s)
        return -EINVAL;
    if (s->hub != tn__hub_peek())
        return -EXDEV;
    s->corks++;
    return 0;
}

int tn_stream_uncork(tn_stream *s, tn_time deadline)
{
    int r;

    if (!s || s->corks == 0)
        return -EINVAL;
    if (s->hub != tn__hub_peek())
        return -EXDEV;
    if (--s->corks > 0)
        return 0;
    s->users++;
    r = tn_stream_flush(s, deadline);
    if (s->is_corked_below) {
        s->is_corked_below = false;
        s->under.ops->cork(&s->under, false);
    }
    tn__stream_unref(s);
    return r;
}

int tn_stream_shutdown(tn_stream *s, tn_time deadline)
{
    int r;

    if (!s)
        return -EINVAL;
    r = tn__stream_enter(s, &s->writing, deadline, "tn_stream_shutdown");
    if (r < 0)
        return r;
    r = tn__stream_push(s, deadline);
    if (r == 0)
        r = s->under.ops->shutdown(&s->under, deadline);
    return (int)tn__stream_leave(s, &s->writing, r);
}
