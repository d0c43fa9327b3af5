/* SPDX-License-Identifier: MIT */
/* tendril/server.h - a stream server: accepts connections and runs each in a
 * greenlet of its own.
 *
 * Ownership  tn_stream_server_new() gives the server to the caller, who frees
 *            it. The listener is the server's from tn_stream_server_start() on.
 *            A connection is closed when its handler returns.
 * Blocking   tn_stream_server_stop() and _serve() wait.
 * Threads    A server belongs to the hub of the thread that made it.
 * Manual     tn_server(3).  Example: examples/echo.c.
 */
#ifndef TN_SERVER_H
#define TN_SERVER_H

#include <sys/socket.h>
#include <tendril/base.h>

TN_BEGIN_DECLS

typedef struct tn_stream_server tn_stream_server;

/* Serves one connection. `fd` is closed after it returns. */
typedef void (*tn_stream_fn)(int fd, const struct sockaddr *peer, void *arg);

struct tn_stream_server_options {
    size_t size;           /* sizeof(struct tn_stream_server_options) */
    int backlog;           /* of listen(2); 0: 128 */
    int accept_max;        /* accepted in one go before others run; 0: 100 */
    size_t clients_max;    /* connections at once; 0: no bound */
    int64_t delay_ns_min;  /* first pause when accept fails for want of
                            * descriptors or memory; 0: 10 ms */
    int64_t delay_ns_max;  /* each next pause doubles up to this; 0: 1 s */
    size_t stack_bytes;    /* of the handlers; 0: the default */
};
#define TN_STREAM_SERVER_OPTIONS                                               \
    {sizeof(struct tn_stream_server_options), 0, 0, 0, 0, 0, 0}

/* A server for `addr` (see tn_addr_parse()) that calls fn(fd, peer, arg) for
 * each connection. Nothing is opened yet. `options` may be NULL.
 * 0; -EINVAL, -ENAMETOOLONG, -ENOMEM, or why the thread has no hub. */
TN_API TN_MUST int
tn_stream_server_new(const char *addr, tn_stream_fn fn, void *arg,
                     const struct tn_stream_server_options *options,
                     tn_stream_server **ret_server);

/* Bind, listen and begin to accept. 0, or the error of the call that failed.
 * A server that runs already: 0. May be called again after a stop. */
TN_API TN_MUST int tn_stream_server_start(tn_stream_server *s);

/* The port the server listens on; 0 when it has none. */
TN_API int tn_stream_server_port(const tn_stream_server *s);

/* Connections being handled. */
TN_API size_t tn_stream_server_clients(const tn_stream_server *s);

/* Close the listener, wait until `drain` for the handlers, then kill those
 * left and wait for them. 0, or why the wait ended. */
TN_API int tn_stream_server_stop(tn_stream_server *s, tn_time drain);

/* Start, and wait until the server is stopped. */
TN_API TN_MUST int tn_stream_server_serve(tn_stream_server *s);

/* Stop at once, and free. NULL is ignored. */
TN_API void tn_stream_server_free(tn_stream_server *s);

TN_END_DECLS
#endif /* TN_SERVER_H */
