/* SPDX-License-Identifier: MIT */
/* tendril/stream.h - a buffered stream of bytes over a descriptor or TLS.
 *
 * What is read ahead and what is not yet sent lies in the stream's buffers,
 * which grow and shrink with use; much at once passes by them uncopied.
 *
 * Ownership  tn_stream_open() takes over the descriptor, unless it is told to
 *            keep it, and tn_stream_open_tls() the connection;
 *            tn_stream_close() closes it. On an error of open the caller still
 *            owns it.
 * Blocking   Functions that take a deadline may switch greenlets. One may read
 *            while another writes; several readers, and several writers, take
 *            turns in order: each call is done whole before the next.
 * Threads    A stream belongs to the hub of the thread that opened it (-EXDEV).
 * Manual     tn_stream(3).  Example: examples/lines.c.
 *
 * Errors     Those of tn_recv() and tn_send() or of their TLS counterparts.
 *            Nothing is lost when a read fails (-ETIME, -ECANCELED, the end,
 *            whatever): what came stays in the buffer and is what the next read
 *            gives. So the same call again goes on where the first one stopped.
 */
#ifndef TN_STREAM_H
#define TN_STREAM_H

#include <sys/types.h>
#include <sys/uio.h>
#include <tendril/base.h>
#include <tendril/tls.h>

TN_BEGIN_DECLS

typedef struct tn_stream tn_stream;

/* Bits of tn_stream_options.flags. */
enum {
    TN_STREAM_KEEP = 1 /* the descriptor stays the caller's: its flags are left
                        * alone, and tn_stream_close() does not close it */
};

/* Start from TN_STREAM_OPTIONS. */
struct tn_stream_options {
    size_t size;        /* sizeof(struct tn_stream_options) */
    size_t read_bytes;  /* read ahead at most so much; 0: 16 KiB */
    size_t write_bytes; /* keep at most so much unsent; 0: 16 KiB */
    int flags;          /* TN_STREAM_KEEP */
};
#define TN_STREAM_OPTIONS {sizeof(struct tn_stream_options), 0, 0, 0}

/* Make a stream of `fd`, a socket, pipe or terminal, which is adopted (see
 * tn_fd_adopt()). `options` may be NULL. 0, -EINVAL, -EBADF, -ENOMEM. */
TN_API TN_MUST int tn_stream_open(int fd,
                                  const struct tn_stream_options *options,
                                  tn_stream **ret_stream);

/* Make a stream of a TLS connection, of which nobody else uses any more. */
TN_API TN_MUST int tn_stream_open_tls(tn_tls *tls,
                                      const struct tn_stream_options *options,
                                      tn_stream **ret_stream);

/* Send what is in the buffer, until `deadline`, whatever comes of it; then
 * close the descriptor or connection and free the stream. Others who are in a
 * call on it get -EBADF. NULL is ignored. Never refused: after a kill it does
 * not wait. Returns what the sending returned. (-EBUSY: with TN_STREAM_KEEP,
 * when others are in a call on it; nothing happened.) */
TN_API int tn_stream_close(tn_stream *s, tn_time deadline);

/* ---- reading ---- */

/* At least one byte, or 0 at the end of the stream. */
TN_API TN_MUST ssize_t tn_stream_read(tn_stream *s, void *buf, size_t len,
                                      tn_time deadline);

/* Exactly `len` bytes: returns `len`. 0: the stream has ended, before the first
 * of them; -EPIPE: in the midst of them (they can still be read). */
TN_API TN_MUST ssize_t tn_stream_read_exactly(tn_stream *s, void *buf,
                                              size_t len, tn_time deadline);

/* Up to and with the first `delim`, a string ("" stands for the byte 0), at
 * most `size` bytes. Returns how many. 0: the stream has ended; -EPIPE: with
 * bytes but no delimiter; -EMSGSIZE: there is none in the first `size` bytes.
 * These can still be read. */
TN_API TN_MUST ssize_t tn_stream_read_until(tn_stream *s, const char *delim,
                                            void *buf, size_t size,
                                            tn_time deadline);

/* A line with its '\n', which only the last may lack, and a byte 0 behind it.
 * Returns its length, 0 at the end; -EMSGSIZE: there is no '\n' in the first
 * `size` - 1 bytes. */
TN_API TN_MUST ssize_t tn_stream_read_line(tn_stream *s, char *buf, size_t size,
                                           tn_time deadline);

/* Wait until at least `n` bytes are in the buffer (0: do not wait) and let
 * *ret_data point to them, without taking them out. Returns how many there are,
 * 0 at the end, -EPIPE if it ends with fewer than `n`. They are valid until the
 * next call that reads or skips. */
TN_API TN_MUST ssize_t tn_stream_peek(tn_stream *s, size_t n,
                                      const void **ret_data, tn_time deadline);

/* Take `n` bytes out of the buffer. -EINVAL: there are fewer. -EBUSY: a
 * greenlet is reading. */
TN_API TN_MUST int tn_stream_skip(tn_stream *s, size_t n);

/* How many bytes are in the buffer: read, and not yet taken. */
TN_API size_t tn_stream_unread(const tn_stream *s);

/* ---- writing ---- */

/* Put `len` bytes into the buffer, sending what does not fit. 0, or an error
 * after *ret_written bytes (may be NULL): those are in the buffer or sent. */
TN_API TN_MUST int tn_stream_write(tn_stream *s, const void *buf, size_t len,
                                   size_t *ret_written, tn_time deadline);
TN_API TN_MUST int tn_stream_writev(tn_stream *s, const struct iovec *iov,
                                    int n, size_t *ret_written,
                                    tn_time deadline);

/* Send what is in the buffer. On an error what was not sent stays there. */
TN_API TN_MUST int tn_stream_flush(tn_stream *s, tn_time deadline);

/* Until the matching tn_stream_uncork() hold back what would be sent before the
 * buffer is full: flushes do nothing, and TCP sends full packets only. May be
 * nested. tn_stream_uncork() flushes; the cork is off whatever it returns.
 * -EINVAL: it was not corked. */
TN_API int tn_stream_cork(tn_stream *s);
TN_API TN_MUST int tn_stream_uncork(tn_stream *s, tn_time deadline);

/* Flush, corked or not, and end our direction: the peer reads the end. */
TN_API TN_MUST int tn_stream_shutdown(tn_stream *s, tn_time deadline);

/* How many bytes are in the buffer: written, and not yet sent. */
TN_API size_t tn_stream_unsent(const tn_stream *s);

/* Its descriptor, and its TLS connection or NULL: still the stream's. */
TN_API int tn_stream_fd(const tn_stream *s);
TN_API tn_tls *tn_stream_tls(const tn_stream *s);

TN_END_DECLS
#endif /* TN_STREAM_H */
