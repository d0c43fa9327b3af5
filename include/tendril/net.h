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
 * Manual     tn_net(3), tn_dial(3), tn_recvfrom(3).  Example: examples/echo.c.
 *
 * Errors     Those of the POSIX call, and -ETIME -EAGAIN -ECANCELED -EDEADLK
 *            as everywhere, and -EBADF when the descriptor was closed by
 *            tn_close() during the wait.
 */
#ifndef TN_NET_H
#define TN_NET_H

#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <tendril/base.h>

TN_BEGIN_DECLS

struct addrinfo; /* of netdb.h */
struct mmsghdr;  /* of sys/socket.h, with _GNU_SOURCE */

/* Hand `fd` to tendril: sets O_NONBLOCK, and from now on it must be closed by
 * tn_close(). Not for 0, 1 and 2, which others share (-EINVAL).
 * 0, -EBADF, -ENOMEM. Adopting twice is harmless. */
TN_API TN_MUST int tn_fd_adopt(int fd);

/* Close: greenlets that wait on `fd` wake with -EBADF, then the number is
 * free. Never waits, is never refused by a kill. For any descriptor. */
TN_API int tn_close(int fd);

/* For one who closes or replaces `fd` without tn_close(), by dup2(2) say: call
 * it right before. Greenlets that wait on `fd` wake with -EBADF. */
TN_API void tn_fd_forget(int fd);

/* Parse "127.0.0.1:80", "[::1]:80", ":80" (all addresses, IPv6 dual-stack
 * where there is IPv6), "*:80" or "unix:/path". Numeric only; never waits.
 * 0, -EINVAL (not an address), -ENAMETOOLONG. */
TN_API TN_MUST int tn_addr_parse(const char *text,
                                 struct sockaddr_storage *ret_addr,
                                 socklen_t *ret_len);

/* socket(2), whose descriptor is tendril's. What does not wait needs no
 * counterpart: bind(), listen(), getsockopt(), ... take it as it is. */
TN_API TN_MUST int tn_socket(int domain, int type, int protocol);

/* Bits of tn_listen_options.flags. */
enum {
    TN_LISTEN_REUSEPORT = 1,   /* others may listen at the same port */
    TN_LISTEN_V6ONLY = 2,      /* "[::]" is not for IPv4 too */
    TN_LISTEN_REPLACE_DEAD = 4 /* remove a unix socket at which nobody
                                * listens any more */
};

/* Start from TN_LISTEN_OPTIONS. */
struct tn_listen_options {
    size_t size; /* sizeof(struct tn_listen_options) */
    int backlog; /* connections that may wait to be accepted */
    int flags;   /* TN_LISTEN_REUSEPORT ... */
    int mode;    /* permissions of a unix socket; -1: as the umask has it */
};
#define TN_LISTEN_OPTIONS {sizeof(struct tn_listen_options), 128, 0, -1}

/* Listen on an address as above, with SO_REUSEADDR. Returns a descriptor.
 * `options` may be NULL. */
TN_API TN_MUST int tn_listen(const char *addr, int backlog);
TN_API TN_MUST int tn_listen_with(const char *addr,
                                  const struct tn_listen_options *options);

/* Connect to an address as above, or to "host:port", whose names are looked up
 * as by tn_getaddrinfo(): errors of that may be returned. Of several addresses
 * the first that answers is taken, as RFC 8305 has it: IPv6 and IPv4 by turns,
 * each 250 ms after the one before or when that one has failed. Returns a
 * descriptor. */
TN_API TN_MUST int tn_dial(const char *addr, tn_time deadline);

/* The same with addresses in hand: the first 32 of `list`. If all fail, the
 * error that tells most. */
TN_API TN_MUST int tn_dial_addrs(const struct addrinfo *list,
                                 tn_time deadline);

/* As accept4(2) with SOCK_CLOEXEC; the new descriptor is tendril's. `addr` and
 * `len` may be NULL. */
TN_API TN_MUST int tn_accept(int fd, struct sockaddr *addr, socklen_t *len,
                             tn_time deadline);

/* As connect(2). After an error the socket is to be closed. On a descriptor
 * that is not tendril's, O_NONBLOCK is set for the moment of the call. */
TN_API TN_MUST int tn_connect(int fd, const struct sockaddr *addr,
                              socklen_t len, tn_time deadline);

/* As shutdown(2). Those who wait in a direction that ends go on: they get what
 * the kernel says then, the end of the stream or -EPIPE. */
TN_API TN_MUST int tn_shutdown(int fd, int how);

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

/* As readv(2) and writev(2); at least one byte, or 0 at the end. */
TN_API TN_MUST ssize_t tn_readv(int fd, const struct iovec *iov, int n,
                                tn_time deadline);
TN_API TN_MUST ssize_t tn_writev(int fd, const struct iovec *iov, int n,
                                 tn_time deadline);

/* As recvfrom(2), sendto(2), recvmsg(2) and sendmsg(2), without SIGPIPE. */
TN_API TN_MUST ssize_t tn_recvfrom(int fd, void *buf, size_t len, int flags,
                                   struct sockaddr *addr, socklen_t *addr_len,
                                   tn_time deadline);
TN_API TN_MUST ssize_t tn_sendto(int fd, const void *buf, size_t len, int flags,
                                 const struct sockaddr *addr,
                                 socklen_t addr_len, tn_time deadline);
TN_API TN_MUST ssize_t tn_recvmsg(int fd, struct msghdr *msg, int flags,
                                  tn_time deadline);
TN_API TN_MUST ssize_t tn_sendmsg(int fd, const struct msghdr *msg, int flags,
                                  tn_time deadline);

/* As recvmmsg(2), without its timeout, and sendmmsg(2): at least one message,
 * and as many of `n` as can be without waiting again. */
TN_API TN_MUST int tn_recvmmsg(int fd, struct mmsghdr *msgs, unsigned n,
                               int flags, tn_time deadline);
TN_API TN_MUST int tn_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n,
                               int flags, tn_time deadline);

/* Send at least one byte, and with the first the `n` descriptors (at most
 * 253), which stay the caller's too. Over a unix socket. */
TN_API TN_MUST ssize_t tn_send_fds(int fd, const void *buf, size_t len,
                                   const int *fds, size_t n, tn_time deadline);

/* Receive bytes, and at most *n descriptors, whose number is stored in *n: they
 * are the caller's, closed on exec, and not adopted. If more came: -EMSGSIZE;
 * if there was no room for them: -EMFILE; then all of them are closed, and the
 * bytes lost. */
TN_API TN_MUST ssize_t tn_recv_fds(int fd, void *buf, size_t len, int *ret_fds,
                                   size_t *n, tn_time deadline);

/* Who is at the other end of a connected unix socket, as of when it connected
 * or listened (SO_PEERCRED). -ENOTCONN. Never waits. */
struct tn_credentials {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};
TN_API TN_MUST int tn_peer_credentials(int fd,
                                       struct tn_credentials *ret_credentials);

/* As sendfile(2): at least one byte of the file `in` to `out`; 0 at its end.
 * `offset`, if it is not NULL, is moved on. SIGPIPE as with tn_write(). */
TN_API TN_MUST ssize_t tn_sendfile(int out, int in, off_t *offset, size_t len,
                                   tn_time deadline);

/* As splice(2): either side is waited for; one of them is a pipe. */
TN_API TN_MUST ssize_t tn_splice(int in, off_t *in_offset, int out,
                                 off_t *out_offset, size_t len, unsigned flags,
                                 tn_time deadline);

/* All of it. Returns 0, or an error after *ret_sent bytes (may be NULL). */
TN_API TN_MUST int tn_send_all(int fd, const void *buf, size_t len, int flags,
                               size_t *ret_sent, tn_time deadline);
TN_API TN_MUST int tn_write_all(int fd, const void *buf, size_t len,
                                size_t *ret_written, tn_time deadline);

/* As poll(2): the number of entries with events; -ETIME when there were none
 * in time (-EAGAIN for TN_NOWAIT). One closed during the wait has POLLNVAL. */
TN_API TN_MUST int tn_poll(struct pollfd *fds, size_t n, tn_time deadline);

/* As select(2): the number of bits that are left in the sets, which may be NULL
 * and may be larger than fd_set: `n` is how many bits each has. On an error
 * they are as before; -EBADF: one is not open. */
TN_API TN_MUST int tn_select_fds(int n, fd_set *readable, fd_set *writable,
                                 fd_set *urgent, tn_time deadline);

/* socketpair(2) and pipe2(2), whose descriptors are tendril's. */
TN_API TN_MUST int tn_socketpair(int domain, int type, int protocol,
                                 int ret_fds[2]);
TN_API TN_MUST int tn_pipe(int ret_fds[2]);

TN_END_DECLS
#endif /* TN_NET_H */
