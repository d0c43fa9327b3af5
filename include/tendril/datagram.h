/* SPDX-License-Identifier: MIT */
/* tendril/datagram.h - a datagram server: calls a function for each datagram
 * that comes to an address, in a greenlet of its own or one after the other.
 *
 * Ownership  tn_datagram_server_new() gives the server to the caller, who frees
 *            it. A socket that is given to it is the server's from then on.
 *            A datagram is the handler's until it returns. The pool stays the
 *            caller's and must outlive the server.
 * Blocking   As of the stream server; tn_datagram_server_send() waits too.
 * Threads    A server belongs to the hub of the thread that made it; calls from
 *            another thread are -EXDEV.
 * Manual     tn_datagram_server(3).  Example: examples/shout.c.
 */
#ifndef TN_DATAGRAM_H
#define TN_DATAGRAM_H

#include <sys/socket.h>
#include <tendril/base.h>
#include <tendril/group.h>
#include <tendril/server.h> /* TN_SERVER_REUSEPORT */
#include <tendril/wait.h>

TN_BEGIN_DECLS

typedef struct tn_datagram_server tn_datagram_server;

/* A datagram that came, or is to be sent. */
struct tn_datagram {
    const void *data;
    size_t len;
    const struct sockaddr *peer; /* from or to whom */
    socklen_t peer_len;          /* 0: a peer without an address */
    int is_truncated;            /* it was longer than the server's buffer */
};

typedef void (*tn_datagram_fn)(tn_datagram_server *s,
                               const struct tn_datagram *datagram, void *arg);

/* More bits of the flags. */
enum {
    TN_SERVER_INLINE = 2 /* call the function in the greenlet that receives,
                          * one datagram after the other: for what is quick */
};

/* Start from TN_DATAGRAM_SERVER_OPTIONS. */
struct tn_datagram_server_options {
    size_t size;          /* sizeof(struct tn_datagram_server_options) */
    size_t buffer_bytes;  /* what of a longer datagram is kept; 0: 64 KiB, as
                           * long as UDP's can be */
    size_t handlers_max;  /* at once: while there are so many, nothing is read,
                           * and what the socket's buffer cannot take is lost;
                           * 0: 1000 */
    int batch_max;        /* received by one system call; 0: 16 */
    int flags;            /* TN_SERVER_REUSEPORT, TN_SERVER_INLINE */
    int socket;           /* without an address: a datagram socket */
    tn_pool *pool;        /* where the handlers are members; NULL: nowhere */
    int64_t delay_ns_min; /* as of the stream server */
    int64_t delay_ns_max;
    size_t stack_bytes;
};
#define TN_DATAGRAM_SERVER_OPTIONS                                             \
    {sizeof(struct tn_datagram_server_options), 0, 0, 0, 0, 0, NULL, 0, 0, 0}

/* What a server has counted since it was made. */
struct tn_datagram_server_stats {
    size_t size;        /* set by the caller: sizeof of this */
    uint64_t received;  /* datagrams */
    uint64_t truncated; /* of those, longer than the buffer */
    uint64_t dropped;   /* of those, not handled: stopped, or no memory */
    uint64_t failed;    /* times that receiving or spawning failed */
    uint64_t sent;      /* by tn_datagram_server_send() */
    uint64_t active;    /* handlers now */
};

/* A server for `addr` (see tn_addr_parse(); a "unix:/path" is bound as a
 * datagram socket and removed at the stop) that calls fn(server, datagram, arg)
 * for each datagram. Nothing is opened yet. Or `addr` is NULL and the option
 * `socket` a bound datagram socket, without SO_REUSEPORT to set (-EINVAL);
 * after a stop it cannot be started (-EBADF). On an error it stays the
 * caller's. `options` may be NULL.
 * 0; -EINVAL, -ENAMETOOLONG, -ENOMEM, -EBADF, -ENOTSOCK, or why the thread has
 * no hub. */
TN_API TN_MUST int
tn_datagram_server_new(const char *addr, tn_datagram_fn fn, void *arg,
                       const struct tn_datagram_server_options *options,
                       tn_datagram_server **ret_server);

/* Send to->data to to->peer from the server's socket; those who send take turns
 * in order. 0; -EBADF: it has no socket; the errors of tn_sendto(). */
TN_API TN_MUST int tn_datagram_server_send(tn_datagram_server *s,
                                           const struct tn_datagram *to,
                                           tn_time deadline);

/* Bind and begin to receive. As tn_stream_server_start(). */
TN_API TN_MUST int tn_datagram_server_start(tn_datagram_server *s);

/* Stop receiving: datagrams wait in the socket's buffer. As
 * tn_stream_server_pause(). */
TN_API int tn_datagram_server_pause(tn_datagram_server *s);
TN_API int tn_datagram_server_resume(tn_datagram_server *s);

/* The port; 0 when it has none. The socket; -1. */
TN_API int tn_datagram_server_port(const tn_datagram_server *s);
TN_API int tn_datagram_server_fd(const tn_datagram_server *s);

/* 0; -EINVAL when stats->size was not set. */
TN_API int tn_datagram_server_stats(const tn_datagram_server *s,
                                    struct tn_datagram_server_stats *stats);

/* Receive no more, wait until `drain` for the handlers, who can still send;
 * kill those left and wait for them; then close the socket. As
 * tn_stream_server_stop(). */
TN_API int tn_datagram_server_stop(tn_datagram_server *s, tn_time drain);

/* As tn_stream_server_serve() and _serve_until(). */
TN_API TN_MUST int tn_datagram_server_serve(tn_datagram_server *s);
TN_API TN_MUST int tn_datagram_server_serve_until(tn_datagram_server *s,
                                                  const int *signos, size_t n,
                                                  int64_t drain_ns);

/* Ready while the server does not run. NULL for NULL. */
TN_API tn_waitable *tn_datagram_server_waitable(tn_datagram_server *s);

/* Stop at once, and free. Nobody but its handlers may be in
 * tn_datagram_server_send() then. NULL is ignored. */
TN_API void tn_datagram_server_free(tn_datagram_server *s);

TN_END_DECLS
#endif /* TN_DATAGRAM_H */
