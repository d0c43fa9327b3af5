/* SPDX-License-Identifier: MIT */
/* tendril/net.h - descriptors: POSIX with a deadline.
 *
 * Each call takes a plain descriptor and does what the POSIX call of its name
 * does, except that only the calling greenlet waits, and that errors are
 * returned as negative errno.
 *
 * Ownership  Descriptors made here, or given with tn_fd_adopt(), are tendril's:
 *            non-blocking, kept registered with the loop, and to be closed by
 *            tn_close() and nothing else. On any other descriptor the calls
 *            work too, at the price of one more system call per wait; tendril
 *            leaves its flags alone.
 * Blocking   Functions that take a deadline may switch greenlets, also when
 *            they complete at once (a fast peer starves nobody).
 *            Several greenlets may wait on one descriptor: served in order.
 * Threads    A descriptor belongs to the hub that waited on it first.
 * Manual     tn_net(3).  Example: examples/echo.c.
 *
 * Errors     Those of the POSIX call, and -ETIME -EAGAIN -ECANCELED -EDEADLK
 *            as everywhere, and -EBADF when the descriptor was closed by
 *            tn_close() during the wait.
 */
#ifndef TN_NET_H
#define TN_NET_H

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <tendril/base.h>

TN_BEGIN_DECLS

/* Hand `fd` to tendril: sets O_NONBLOCK, and from now on it must be closed by
 * tn_close(). Not for 0, 1 and 2, which others share (-EINVAL).
 * 0, -EBADF, -ENOMEM. Adopting twice is harmless. */
TN_API TN_MUST int tn_fd_adopt(int fd);

/* Close: greenlets that wait on `fd` wake with -EBADF, then the number is
 * free. Never waits, is never refused by a kill. For any descriptor. */
TN_API int tn_close(int fd);

/* Parse "127.0.0.1:80", "[::1]:80", ":80" (all addresses, IPv6 dual-stack
 * where there is IPv6), "*:80" or "unix:/path". Numeric only; never waits.
 * 0, -EINVAL (not an address), -ENAMETOOLONG. */
TN_API TN_MUST int tn_addr_parse(const char *text,
                                 struct sockaddr_storage *ret_addr,
                                 socklen_t *ret_len);

/* Listen on an address as above, with SO_REUSEADDR. Returns a descriptor. */
TN_API TN_MUST int tn_listen(const char *addr, int backlog);

/* Connect to an address as above. Returns a descriptor. */
TN_API TN_MUST int tn_dial(const char *addr, tn_time deadline);

/* As accept4(2) with SOCK_CLOEXEC; the new descriptor is tendril's. `addr` and
 * `len` may be NULL. */
TN_API TN_MUST int tn_accept(int fd, struct sockaddr *addr, socklen_t *len,
                             tn_time deadline);

/* As connect(2). After an error the socket is to be closed. On a descriptor
 * that is not tendril's, O_NONBLOCK is set for the moment of the call. */
TN_API TN_MUST int tn_connect(int fd, const struct sockaddr *addr,
                              socklen_t len, tn_time deadline);

/* At least one byte, or 0 at the end of the stream. */
TN_API TN_MUST ssize_t tn_recv(int fd, void *buf, size_t len, int flags,
                               tn_time deadline);
TN_API TN_MUST ssize_t tn_read(int fd, void *buf, size_t len,
                               tn_time deadline);

/* At least one byte; SIGPIPE is not raised by tn_send(): -EPIPE. */
TN_API TN_MUST ssize_t tn_send(int fd, const void *buf, size_t len, int flags,
                               tn_time deadline);
TN_API TN_MUST ssize_t tn_write(int fd, const void *buf, size_t len,
                                tn_time deadline);

/* All of it. Returns 0, or an error after *ret_sent bytes (may be NULL). */
TN_API TN_MUST int tn_send_all(int fd, const void *buf, size_t len, int flags,
                               size_t *ret_sent, tn_time deadline);
TN_API TN_MUST int tn_write_all(int fd, const void *buf, size_t len,
                                size_t *ret_written, tn_time deadline);

/* As poll(2): the number of entries with events; -ETIME when there were none
 * in time (-EAGAIN for TN_NOWAIT). One closed during the wait has POLLNVAL. */
TN_API TN_MUST int tn_poll(struct pollfd *fds, size_t n, tn_time deadline);

/* socketpair(2) and pipe2(2), whose descriptors are tendril's. */
TN_API TN_MUST int tn_socketpair(int domain, int type, int protocol,
                                 int ret_fds[2]);
TN_API TN_MUST int tn_pipe(int ret_fds[2]);

TN_END_DECLS
#endif /* TN_NET_H */
