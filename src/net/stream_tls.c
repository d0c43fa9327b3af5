/* SPDX-License-Identifier: MIT */
/* net/stream_tls.c - a buffered stream over TLS, by its public calls. A call
 * that goes on after the stream was closed finds no connection any more. */
#include <errno.h>

#include "base/sized.h"
#include "net/stream.h"

static ssize_t tls_recv(struct tn__transport *t, void *buf, size_t len,
                        tn_time deadline)
{
    return t->tls ? tn_tls_recv(t->tls, buf, len, deadline) : -EBADF;
}

static ssize_t tls_send(struct tn__transport *t, const struct iovec *iov, int n,
                        tn_time deadline)
{
    (void)n;
    if (!t->tls)
        return -EBADF;
    return tn_tls_send(t->tls, iov->iov_base, iov->iov_len, deadline);
}

static int tls_flush(struct tn__transport *t, tn_time deadline)
{
    return t->tls ? (int)tn_tls_send(t->tls, NULL, 0, deadline) : -EBADF;
}

static int tls_shutdown(struct tn__transport *t, tn_time deadline)
{
    return t->tls ? tn_tls_shutdown(t->tls, deadline) : -EBADF;
}

static int tls_close(struct tn__transport *t, tn_time deadline)
{
    tn_tls *tls = t->tls;

    t->tls = NULL;
    t->fd = -1;
    return tn_tls_close(tls, deadline);
}

static const struct tn__transport_ops tls_ops = {
    .gathers = false,
    .recv = tls_recv,
    .send = tls_send,
    .flush = tls_flush,
    .shutdown = tls_shutdown,
    .close = tls_close,
};

int tn_stream_open_tls(tn_tls *tls, const struct tn_stream_options *options,
                       tn_stream **ret_stream)
{
    struct tn_stream_options full = TN_STREAM_OPTIONS;
    struct tn__transport under = {.ops = &tls_ops, .tls = tls};

    if (!tls || !ret_stream ||
        tn__sized_read(&full, sizeof full, options) < 0 ||
        (full.flags & TN_STREAM_KEEP))
        return -EINVAL;
    under.fd = tn_tls_fd(tls);
    return tn__stream_new(&under, &full, ret_stream);
}
