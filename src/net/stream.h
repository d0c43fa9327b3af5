/* SPDX-License-Identifier: MIT */
/* net/stream.h - what the files of the buffered stream share, and the seam to
 * what it runs over. */
#ifndef TN_NET_STREAM_H
#define TN_NET_STREAM_H

#include <stdbool.h>
#include <tendril/stream.h>

#include "net/turn.h"

struct tn__transport;

/* What a stream runs over: a descriptor (stream_fd.c) or TLS (stream_tls.c).
 * Each is called by one greenlet at a time for each direction, and does what
 * design.md asks of a call that waits. */
struct tn__transport_ops {
    bool gathers; /* send() takes more than the first part */
    /* At least one byte, or 0 at the end. `len` is not 0. */
    ssize_t (*recv)(struct tn__transport *t, void *buf, size_t len,
                    tn_time deadline);
    /* Send at least one byte of `n` parts (1 or 2), of which none is empty.
     * Never raises SIGPIPE on a socket. */
    ssize_t (*send)(struct tn__transport *t, const struct iovec *iov, int n,
                    tn_time deadline);
    /* Send what send() took and has not sent. Or NULL: it does so itself. */
    int (*flush)(struct tn__transport *t, tn_time deadline);
    /* Have packets filled, or send what was held back. Or NULL. */
    void (*cork)(struct tn__transport *t, bool on);
    /* End our direction. */
    int (*shutdown)(struct tn__transport *t, tn_time deadline);
    /* Others who wait in recv() or send() wake with -EBADF. Never refused. */
    int (*close)(struct tn__transport *t, tn_time deadline);
};

struct tn__transport {
    const struct tn__transport_ops *ops;
    int fd;       /* of what it runs over */
    tn_tls *tls;  /* or NULL */
    bool is_kept; /* TN_STREAM_KEEP: the descriptor is not ours to close */
    bool is_socket;
};

struct tn__buffer {
    char *data;   /* owned; NULL: none yet, or not any more */
    size_t at;    /* where its bytes begin */
    size_t n;     /* how many there are */
    size_t room;  /* of `data` */
    size_t usual; /* the room it has when nothing asks for more */
};

struct tn_stream {
    struct tn_hub *hub;
    struct tn__transport under;
    struct tn__turn reading;
    struct tn__turn writing;
    struct tn__buffer in;  /* read, and not yet taken */
    struct tn__buffer out; /* written, and not yet sent */
    uint32_t users;        /* calls that are inside, and the owner */
    uint32_t corks;        /* tn_stream_cork() without tn_stream_uncork() */
    bool is_corked_below;  /* the transport was told */
    bool is_closed;
};

/* ---- stream.c ---- */

/* Make a stream; it owns what `under` holds when this returns 0. `options` are
 * whole. */
int tn__stream_new(const struct tn__transport *under,
                   const struct tn_stream_options *options,
                   tn_stream **ret_stream);

/* Begin a call in one direction. On 0, tn__stream_leave() must end it; it
 * returns `r`. */
int tn__stream_enter(tn_stream *s, struct tn__turn *turn, tn_time deadline,
                     const char *what);
ssize_t tn__stream_leave(tn_stream *s, struct tn__turn *turn, ssize_t r);

/* One of its `users` leaves. The last one frees it. */
void tn__stream_unref(tn_stream *s);

/* ---- buffers: stream.c ---- */

/* Have room for `want` bytes, those that are there included. 0 or -ENOMEM. */
int tn__buffer_reserve(struct tn__buffer *b, size_t want);

/* Take `n` bytes off the beginning; what is more than usual is given back when
 * that was all. */
void tn__buffer_drop(struct tn__buffer *b, size_t n);

/* ---- stream_write.c ---- */

/* Send all that is in the buffer. The caller has the turn. */
int tn__stream_push(tn_stream *s, tn_time deadline);

#endif /* TN_NET_STREAM_H */
