/* SPDX-License-Identifier: MIT */
/* base/sys.h - the only door to the kernel for base, stack, greenlet, loop, hub
 * and the descriptor part of net.
 *
 * Every function returns what the system call returns, or a negative errno, and
 * leaves errno alone. In the library build they are libc's calls, so that the
 * sanitizers see them; in the engine build (TN_ENGINE, `tendril run`) they are
 * system calls made from our own text, because there libc's would be trapped
 * and because the engine must not touch errno. */
#ifndef TN_BASE_SYS_H
#define TN_BASE_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sockaddr;
struct msghdr;
struct mmsghdr;
struct iovec;
struct pollfd;
struct epoll_event;
struct stat;

long tn__sys_recv(int fd, void *buf, size_t len, int flags);
long tn__sys_send(int fd, const void *buf, size_t len, int flags);
long tn__sys_recvfrom(int fd, void *buf, size_t len, int flags,
                      struct sockaddr *addr, void *addr_len);
long tn__sys_sendto(int fd, const void *buf, size_t len, int flags,
                    const struct sockaddr *addr, unsigned addr_len);
long tn__sys_recvmsg(int fd, struct msghdr *msg, int flags);
long tn__sys_sendmsg(int fd, const struct msghdr *msg, int flags);
long tn__sys_recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags);
long tn__sys_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags);
long tn__sys_sendfile(int out, int in, off_t *at, size_t n);
long tn__sys_read(int fd, void *buf, size_t len);
long tn__sys_write(int fd, const void *buf, size_t len);
long tn__sys_readv(int fd, const struct iovec *iov, int n);
long tn__sys_writev(int fd, const struct iovec *iov, int n);
/* With RWF_NOWAIT, at the current offset. -EOPNOTSUPP where the file has no
 * such thing, -ENOSYS before Linux 4.6. */
long tn__sys_readv_nowait(int fd, const struct iovec *iov, int n);
long tn__sys_writev_nowait(int fd, const struct iovec *iov, int n);
/* `addr_len` is a socklen_t pointer; declared so to keep headers out. */
long tn__sys_accept4(int fd, struct sockaddr *addr, void *addr_len, int flags);
long tn__sys_connect(int fd, const struct sockaddr *addr, unsigned len);
long tn__sys_getsockopt(int fd, int level, int name, void *value, void *len);
long tn__sys_fcntl(int fd, int op, long arg);
/* How many bytes are there to be read. */
long tn__sys_unread(int fd);
long tn__sys_fstat(int fd, struct stat *st);
long tn__sys_close(int fd);
/* Does not wait. */
long tn__sys_poll_now(struct pollfd *fds, size_t n);
/* Waits at most timeout_ns (< 0: for ever); may give -EINTR. */
long tn__sys_poll(struct pollfd *fds, size_t n, int64_t timeout_ns);

long tn__sys_epoll_create(void);
long tn__sys_epoll_ctl(int ep, int op, int fd, struct epoll_event *event);
/* Waits at most timeout_ns (< 0: for ever), by epoll_pwait2 where there is one,
 * else in whole milliseconds, rounded up. */
long tn__sys_epoll_wait(int ep, struct epoll_event *events, int n,
                        int64_t timeout_ns);
long tn__sys_eventfd(void);

/* PROT_READ|PROT_WRITE, private, anonymous, not reserved. NULL when there is no
 * room. */
void *tn__sys_map(size_t bytes);
void tn__sys_unmap(void *start, size_t bytes);
/* Grow a mapping, moving it if need be. NULL when there is no room; the old one
 * then stands. */
void *tn__sys_remap(void *start, size_t old_bytes, size_t new_bytes);
long tn__sys_madvise(void *start, size_t bytes, int advice);
/* madvise on many ranges of this process at once. Returns bytes advised. */
long tn__sys_madvise_many(const struct iovec *ranges, size_t n, int advice);
long tn__sys_mprotect(void *start, size_t bytes, int prot);
long tn__sys_mincore(void *start, size_t bytes, unsigned char *vec);

#endif /* TN_BASE_SYS_H */
