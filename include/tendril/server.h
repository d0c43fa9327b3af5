/* SPDX-License-Identifier: MIT */
/* tendril/server.h - a stream server: accepts connections and runs each in a
 * greenlet of its own, as a descriptor, over TLS, or as a buffered stream.
 *
 * Ownership  tn_stream_server_new() gives the server to the caller, who frees
 *            it. A listener that is given to it is the server's from then on.
 *            A connection is closed when its handler returns. The pool and the
 *            TLS context of the options stay the caller's and must outlive the
 *            server.
 * Blocking   tn_stream_server_stop(), _free(), _serve() and _serve_until()
 *            wait, and _start() for what is left of before.
 * Threads    A server belongs to the hub of the thread that made it; calls from
 *            another thread are -EXDEV.
 * Manual     tn_server(3).  Example: examples/echo.c.
 */
#ifndef TN_SERVER_H
#define TN_SERVER_H

#include <sys/socket.h>
#include <tendril/base.h>
#include <tendril/group.h>
#include <tendril/stream.h>
#include <tendril/tls.h>
#include <tendril/wait.h>

TN_BEGIN_DECLS

typedef struct tn_stream_server tn_stream_server;

/* Serves one connection, which is closed after it returns: a descriptor; a TLS
 * connection that has shaken hands; a stream, whose buffer is sent first. */
typedef void (*tn_stream_fn)(int fd, const struct sockaddr *peer, void *arg);
typedef void (*tn_tls_fn)(tn_tls *tls, const struct sockaddr *peer, void *arg);
typedef void (*tn_buffered_fn)(tn_stream *stream, const struct sockaddr *peer,
                               void *arg);

/* Bits of the flags of servers' options. */
enum {
    TN_SERVER_REUSEPORT = 1 /* others, as the servers of other hubs, may have
                             * the same port: the kernel spreads over them */
};

/* Start from TN_STREAM_SERVER_OPTIONS. */
struct tn_stream_server_options {
    size_t size;           /* sizeof(struct tn_stream_server_options) */
    int backlog;           /* of listen(2); 0: 128 */
    int accept_max;        /* accepted in one go before others run; 0: 100, and
                            * 1 where the port or listener may be shared */
    size_t clients_max;    /* connections at once; 0: no bound */
    int64_t delay_ns_min;  /* first pause when accept fails for want of
                            * descriptors or memory; 0: 10 ms */
    int64_t delay_ns_max;  /* each next pause doubles up to this; 0: 1 s */
    size_t stack_bytes;    /* of the handlers; 0: the default */
    int flags;             /* TN_SERVER_REUSEPORT */
    int listener;          /* without an address: a socket that listens */
    tn_pool *pool;         /* where the handlers are members; NULL: nowhere */
    tn_tls_context *tls;   /* of _new_tls() and _new_buffered() */
    int64_t handshake_ns;  /* bound of a TLS handshake, and of sending what is
                            * left when the handler has returned; 0: 10 s */
};
#define TN_STREAM_SERVER_OPTIONS                                               \
    {sizeof(struct tn_stream_server_options), 0, 0, 0, 0, 0, 0, 0, 0, NULL,    \
     NULL, 0}

/* What a server has counted since it was made. */
struct tn_stream_server_stats {
    size_t size;         /* set by the caller: sizeof of this */
    uint64_t accepted;   /* connections */
    uint64_t failed;     /* times that accepting or spawning failed */
    uint64_t refused;    /* of those accepted, closed without a handler */
    uint64_t tls_failed; /* of those accepted, did not shake hands */
    uint64_t active;     /* being handled now */
};

/* A server for `addr` (see tn_addr_parse()) that calls fn(fd, peer, arg) for
 * each connection. Nothing is opened yet. Or `addr` is NULL and the option
 * `listener` a socket that listens already; then there is no backlog or
 * SO_REUSEPORT to set (-EINVAL), and after a stop no start (-EBADF). On an
 * error it stays the caller's. `options` may be NULL.
 * 0; -EINVAL, -ENAMETOOLONG, -ENOMEM, -EBADF, -ENOTSOCK, or why the thread has
 * no hub. */
TN_API TN_MUST int
tn_stream_server_new(const char *addr, tn_stream_fn fn, void *arg,
                     const struct tn_stream_server_options *options,
                     tn_stream_server **ret_server);

/* The same over TLS: the option `tls` is a server's context (-EINVAL for none).
 * The handshake is the handler's greenlet's: one that fails, or takes too long,
 * ends that connection, is counted, and told to the error hook. */
TN_API TN_MUST int
tn_stream_server_new_tls(const char *addr, tn_tls_fn fn, void *arg,
                         const struct tn_stream_server_options *options,
                         tn_stream_server **ret_server);

/* The same as a buffered stream; over TLS if there is a context. */
TN_API TN_MUST int
tn_stream_server_new_buffered(const char *addr, tn_buffered_fn fn, void *arg,
                              const struct tn_stream_server_options *options,
                              tn_stream_server **ret_server);

/* Bind, listen and begin to accept. 0, or the error of the call that failed.
 * A server that runs already: 0. May be called again after a stop. */
TN_API TN_MUST int tn_stream_server_start(tn_stream_server *s);

/* Stop accepting: new connections wait in the kernel's queue until
 * tn_stream_server_resume(). Those that are handled go on. Neither waits. A
 * server that does not run: nothing. A start begins unpaused. 0, -EXDEV. */
TN_API int tn_stream_server_pause(tn_stream_server *s);
TN_API int tn_stream_server_resume(tn_stream_server *s);

/* The port the server listens on; 0 when it has none. Its listener; -1. */
TN_API int tn_stream_server_port(const tn_stream_server *s);
TN_API int tn_stream_server_fd(const tn_stream_server *s);

/* Connections being handled. */
TN_API size_t tn_stream_server_clients(const tn_stream_server *s);

/* 0; -EINVAL when stats->size was not set. */
TN_API int tn_stream_server_stats(const tn_stream_server *s,
                                  struct tn_stream_server_stats *stats);

/* Close the listener, wait until `drain` for the handlers, then kill those
 * left and wait for them. 0, or why the wait ended. */
TN_API int tn_stream_server_stop(tn_stream_server *s, tn_time drain);

/* Start, and wait until the server is stopped. When that wait ends early (the
 * caller is killed, a scope expires) the server is stopped, its handlers
 * killed. 0 after a stop; the error that ended it; or why the wait ended. */
TN_API TN_MUST int tn_stream_server_serve(tn_stream_server *s);

/* The same until one of the `n` (at most 16) signals comes; without `signos`:
 * SIGTERM or SIGINT. Then stop, with so much time for the handlers; a second
 * signal has them killed at once; a third does what it did before. Returns the
 * first signal, or as tn_stream_server_serve(). */
TN_API TN_MUST int tn_stream_server_serve_until(tn_stream_server *s,
                                                const int *signos, size_t n,
                                                int64_t drain_ns);

/* Ready while the server does not run: it was not started, a stop has ended,
 * or an error ended it. NULL for NULL. */
TN_API tn_waitable *tn_stream_server_waitable(tn_stream_server *s);

/* Stop at once, and free. NULL is ignored. */
TN_API void tn_stream_server_free(tn_stream_server *s);

TN_END_DECLS
#endif /* TN_SERVER_H */
