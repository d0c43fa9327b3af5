/* SPDX-License-Identifier: MIT */
/* tests/support/streams.h - two ends of a connection as buffered streams: over
 * sockets, or with OVER_TLS over TLS. */
#ifndef TN_TESTS_STREAMS_H
#define TN_TESTS_STREAMS_H

#include <string.h>

#ifdef OVER_TLS
# include "support/certificates.h"
#endif
#include "support/green.h"

/* Both ends of a connection: what s[0] writes s[1] reads. */
struct ends {
    tn_stream *s[2];
};

enum { SMALL = 64 }; /* buffers of open_small() */

#ifdef OVER_TLS

static struct certificate leaf;
static tn_tls_context *contexts[2];

static inline int shake(void *arg)
{
    return tn_tls_handshake(arg, TN_FOREVER);
}

static inline void wrap(int fd, const struct tn_stream_options *options,
                 struct ends *e, int i)
{
    tn_tls *tls;

    assert_result(tn_tls_new(contexts[i], fd, i ? NULL : "a.test", &tls), 0);
    assert_result(tn_stream_open_tls(tls, options, &e->s[i]), 0);
}

static inline void open_contexts(void)
{
    struct tn_tls_options options = TN_TLS_OPTIONS;

    certificate_make(&leaf, "DNS:a.test", NULL, 30);
    options.ca_file = leaf.file;
    assert_result(tn_tls_context_new(TN_TLS_CLIENT, &options, &contexts[0]), 0);
    options.certificate_file = leaf.file;
    assert_result(tn_tls_context_new(TN_TLS_SERVER, &options, &contexts[1]), 0);
}

static inline struct ends open_with(const struct tn_stream_options *options)
{
    struct ends e;
    tn_greenlet *g;
    int fds[2];

    open_contexts();
    open_pair(fds);
    wrap(fds[0], options, &e, 0);
    wrap(fds[1], options, &e, 1);
    g = spawn(shake, tn_stream_tls(e.s[0]));
    assert_result(shake(tn_stream_tls(e.s[1])), 0);
    assert_result(join(g), 0);
    tn_tls_context_free(contexts[0]);
    tn_tls_context_free(contexts[1]);
    certificate_drop(&leaf);
    return e;
}

#else

static inline struct ends open_with(const struct tn_stream_options *options)
{
    struct ends e;
    int fds[2];

    open_pair(fds);
    assert_result(tn_stream_open(fds[0], options, &e.s[0]), 0);
    assert_result(tn_stream_open(fds[1], options, &e.s[1]), 0);
    return e;
}

#endif

static inline struct ends open_ends(void)
{
    return open_with(NULL);
}

static inline struct ends open_small(void)
{
    struct tn_stream_options options = TN_STREAM_OPTIONS;

    options.read_bytes = options.write_bytes = SMALL;
    return open_with(&options);
}

static inline void close_ends(struct ends *e)
{
    assert_result(tn_stream_close(e->s[0], TN_FOREVER), 0);
    tn_stream_close(e->s[1], TN_NOWAIT); /* the other end is gone */
}

/* Write text and have it sent. */
static inline void say(tn_stream *s, const char *text)
{
    assert_result(tn_stream_write(s, text, strlen(text), NULL, TN_FOREVER), 0);
    assert_result(tn_stream_flush(s, TN_FOREVER), 0);
}

static inline void expect(tn_stream *s, const char *text)
{
    char buf[256];
    size_t len = strlen(text);

    assert_result(tn_stream_read_exactly(s, buf, len, TN_FOREVER), len);
    assert_memory_equal(buf, text, len);
}

struct reader {
    tn_stream *s;
    char *buf;
    size_t len;
    tn_time deadline;
};

static inline int read_all(void *arg)
{
    struct reader *me = arg;

    return (int)tn_stream_read_exactly(me->s, me->buf, me->len, me->deadline);
}

enum { MUCH = 300000, MOST = 280000 };

static inline char pattern_at(size_t i)
{
    return (char)(i * 7 + i / 251);
}

static inline char *pattern(void)
{
    static char much[MUCH];

    for (size_t i = 0; i < MUCH; i++)
        much[i] = pattern_at(i);
    return much;
}

struct writer {
    tn_stream *s;
    size_t written;
    tn_time deadline;
};

static inline int write_much(void *arg)
{
    struct writer *me = arg;

    me->written = MUCH; /* the call says 0 if it writes nothing */
    return tn_stream_write(me->s, pattern(), MUCH, &me->written, me->deadline);
}

static inline int write_and_flush(void *arg)
{
    struct writer *me = arg;
    int r = write_much(me);

    return r < 0 ? r : tn_stream_flush(me->s, TN_FOREVER);
}

#endif /* TN_TESTS_STREAMS_H */
