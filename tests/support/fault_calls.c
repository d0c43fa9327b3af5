/* SPDX-License-Identifier: MIT */
/* tests/support/fault_calls.c - the system calls that fail when they are told
 * to; see fault_memory.c for how they come to be called.
 *
 * Each call has the errors that the kernel may give for it where the library
 * uses it, and no others: a non-blocking receive that says EAGAIN though there
 * is something would lose an edge of epoll, which no kernel does. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include "support/fault_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "support/test.h"

/* ---- system calls ---- */

/* type NAME(PARAMETERS) { fail, or original(ARGUMENTS) } */
#define FAIL_CALL(type, name, parameters, arguments, ...)                      \
 type name parameters                                                          \
 {                                                                             \
  REAL(name)                                                                   \
  if (fault_is_due(FAULT_CALL, #name, ERRORS(__VA_ARGS__), CALLER))            \
   return -1;                                                                  \
  return real arguments;                                                       \
 }

FAIL_CALL(int, socket, (int domain, int type, int protocol),
          (domain, type, protocol), EMFILE, ENFILE, ENOBUFS)
FAIL_CALL(int, socketpair, (int domain, int type, int protocol, int fds[2]),
          (domain, type, protocol, fds), EMFILE, ENOMEM)
FAIL_CALL(int, bind, (int fd, const struct sockaddr *addr, socklen_t len),
          (fd, addr, len), EADDRINUSE)
FAIL_CALL(int, listen, (int fd, int backlog), (fd, backlog), EADDRINUSE)
FAIL_CALL(int, accept4,
          (int fd, struct sockaddr *restrict addr, socklen_t *restrict len,
           int flags),
          (fd, addr, len, flags), EMFILE, ENFILE, ENOBUFS, ECONNABORTED, EINTR)
FAIL_CALL(int, connect, (int fd, const struct sockaddr *addr, socklen_t len),
          (fd, addr, len), ECONNREFUSED, ENOBUFS)
FAIL_CALL(int, getsockname,
          (int fd, struct sockaddr *restrict addr, socklen_t *restrict len),
          (fd, addr, len), ENOBUFS)
FAIL_CALL(int, setsockopt,
          (int fd, int level, int name, const void *value, socklen_t len),
          (fd, level, name, value, len), ENOMEM)
FAIL_CALL(int, pipe2, (int fds[2], int flags), (fds, flags), EMFILE, ENFILE)
FAIL_CALL(int, epoll_create1, (int flags), (flags), EMFILE, ENOMEM)
FAIL_CALL(int, epoll_wait,
          (int ep, struct epoll_event *events, int n, int timeout),
          (ep, events, n, timeout), EINTR)
FAIL_CALL(int, ppoll,
          (struct pollfd * fds, nfds_t n, const struct timespec *timeout,
           const sigset_t *mask),
          (fds, n, timeout, mask), EINTR)
FAIL_CALL(int, eventfd, (unsigned count, int flags), (count, flags), EMFILE,
          ENOMEM)
FAIL_CALL(int, signalfd, (int fd, const sigset_t *mask, int flags),
          (fd, mask, flags), EMFILE, ENOMEM)
FAIL_CALL(int, inotify_init1, (int flags), (flags), EMFILE, ENOMEM)
FAIL_CALL(int, inotify_add_watch, (int fd, const char *path, uint32_t mask),
          (fd, path, mask), ENOSPC, ENOMEM)
FAIL_CALL(ssize_t, recv, (int fd, void *buf, size_t len, int flags),
          (fd, buf, len, flags), EINTR, ECONNRESET)
FAIL_CALL(ssize_t, recvfrom,
          (int fd, void *restrict buf, size_t len, int flags,
           struct sockaddr *restrict addr, socklen_t *restrict addr_len),
          (fd, buf, len, flags, addr, addr_len), EINTR, ENOMEM)
FAIL_CALL(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags),
          (fd, msg, flags), EINTR, ENOMEM)
FAIL_CALL(ssize_t, send, (int fd, const void *buf, size_t len, int flags),
          (fd, buf, len, flags), EINTR, ECONNRESET, ENOBUFS)
FAIL_CALL(ssize_t, sendto,
          (int fd, const void *buf, size_t len, int flags,
           const struct sockaddr *addr, socklen_t addr_len),
          (fd, buf, len, flags, addr, addr_len), EINTR, ENOBUFS)
FAIL_CALL(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags),
          (fd, msg, flags), EINTR, ENOBUFS)
FAIL_CALL(int, recvmmsg,
          (int fd, struct mmsghdr *messages, unsigned n, int flags,
           struct timespec *timeout),
          (fd, messages, n, flags, timeout), EINTR, ENOMEM)
FAIL_CALL(int, sendmmsg,
          (int fd, struct mmsghdr *messages, unsigned n, int flags),
          (fd, messages, n, flags), EINTR, ENOBUFS)
FAIL_CALL(ssize_t, readv, (int fd, const struct iovec *iov, int n),
          (fd, iov, n), EINTR, EIO)
FAIL_CALL(ssize_t, writev, (int fd, const struct iovec *iov, int n),
          (fd, iov, n), EINTR, ENOSPC)
FAIL_CALL(ssize_t, pread, (int fd, void *buf, size_t len, off_t at),
          (fd, buf, len, at), EINTR, EIO)
FAIL_CALL(ssize_t, pwrite, (int fd, const void *buf, size_t len, off_t at),
          (fd, buf, len, at), EINTR, ENOSPC)
FAIL_CALL(ssize_t, sendfile, (int out, int in, off_t *offset, size_t n),
          (out, in, offset, n), EINTR, EIO)
FAIL_CALL(ssize_t, splice,
          (int in, off_t *in_at, int out, off_t *out_at, size_t n,
           unsigned flags),
          (in, in_at, out, out_at, n, flags), EINTR, ENOMEM)
FAIL_CALL(int, dup, (int fd), (fd), EMFILE)
FAIL_CALL(int, dup3, (int from, int to, int flags), (from, to, flags), EMFILE)
FAIL_CALL(pid_t, fork, (void), (), EAGAIN, ENOMEM)
/* A sanitizer calls it for each thread, and cannot do without. */
#if !TEST_SANITIZED
FAIL_CALL(int, sigaltstack,
          (const stack_t *restrict new, stack_t *restrict old), (new, old),
          ENOMEM)
#endif

/* An eventfd that is neither full nor empty reads and writes without fail: what
 * wakes a loop need not be prepared for less. */
static bool is_eventfd(int fd)
{
    char path[40], to[40];
    ssize_t n;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    n = readlink(path, to, sizeof to - 1);
    to[n > 0 ? n : 0] = '\0';
    return strcmp(to, "anon_inode:[eventfd]") == 0;
}

int epoll_ctl(int ep, int op, int fd, struct epoll_event *event)
{
    REAL(epoll_ctl)
    if (op != EPOLL_CTL_DEL && !fault_is_libev(CALLER) &&
        fault_is_due(FAULT_CALL, "epoll_ctl", ERRORS(ENOMEM, ENOSPC), CALLER))
        return -1;
    return real(ep, op, fd, event);
}

ssize_t read(int fd, void *buf, size_t len)
{
    REAL(read)
    if (fault_state.target && !is_eventfd(fd) &&
        fault_is_due(FAULT_CALL, "read", ERRORS(EINTR, EIO), CALLER))
        return -1;
    return real(fd, buf, len);
}

ssize_t write(int fd, const void *buf, size_t len)
{
    REAL(write)
    if (fault_state.target && getpid() == fault_state.pid && !is_eventfd(fd) &&
        fault_is_due(FAULT_CALL, "write", ERRORS(EINTR, ENOSPC), CALLER))
        return -1;
    return real(fd, buf, len);
}

/* ---- those that are asked with varying arguments ---- */

int fcntl(int fd, int op, ...)
{
    va_list more;
    long arg;

    REAL(fcntl)
    va_start(more, op);
    arg = va_arg(more, long);
    va_end(more);
    if ((op == F_DUPFD || op == F_DUPFD_CLOEXEC) &&
        fault_is_due(FAULT_CALL, "fcntl", ERRORS(EMFILE), CALLER))
        return -1;
    return real(fd, op, arg);
}

int open(const char *path, int flags, ...)
{
    va_list more;
    mode_t mode;

    REAL(open)
    va_start(more, flags);
    mode = va_arg(more, mode_t);
    va_end(more);
    if (fault_is_due(FAULT_CALL, "open", ERRORS(EMFILE, ENFILE, ENOMEM),
                     CALLER))
        return -1;
    return real(path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list more;
    mode_t mode;

    REAL(openat)
    va_start(more, flags);
    mode = va_arg(more, mode_t);
    va_end(more);
    if (fault_is_due(FAULT_CALL, "openat", ERRORS(EMFILE, ENFILE, ENOMEM),
                     CALLER))
        return -1;
    return real(dir, path, flags, mode);
}

/* What is called by number, and with what it fails. */
static const struct numbered {
    long number;
    const char *name;
    int errors[3];
} numbered[] = {
    {SYS_epoll_pwait2, "epoll_pwait2", {EINTR, 0, 0}},
    {SYS_pidfd_open, "pidfd_open", {EMFILE, ENOMEM, 0}},
    {SYS_process_madvise, "process_madvise", {EINVAL, ENOMEM, 0}},
    {SYS_io_uring_setup, "io_uring_setup", {EMFILE, ENOMEM, 0}},
};

long syscall(long number, ...)
{
    long a[6];
    va_list more;

    REAL(syscall)
    va_start(more, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(more, long);
    va_end(more);
    for (size_t i = 0; i < sizeof numbered / sizeof numbered[0]; i++)
        if (numbered[i].number == number &&
            fault_is_due(FAULT_CALL, numbered[i].name, numbered[i].errors,
                         CALLER))
            return -1;
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int pthread_create(pthread_t *restrict thread,
                   const pthread_attr_t *restrict attr, void *(*fn)(void *),
                   void *restrict arg)
{
    REAL(pthread_create)
    if (fault_is_due(FAULT_CALL, "pthread_create", ERRORS(EAGAIN), CALLER))
        return EAGAIN;
    return real(thread, attr, fn, arg);
}

/* ---- of children and signals ---- */

/* The child of clone() with CLONE_VM is here too, with the same counts. Its
 * report of a failure goes through: what else could it do? */
int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
    va_list more;
    void *pid;

    REAL(clone)
    va_start(more, arg);
    pid = va_arg(more, void *);
    va_end(more);
    if (fault_is_due(FAULT_CALL, "clone", ERRORS(EAGAIN, ENOMEM), CALLER))
        return -1;
    return flags & CLONE_PIDFD ? real(fn, stack, flags, arg, pid)
                               : real(fn, stack, flags, arg);
}

/* In such a child, to put its descriptors in place. */
FAIL_CALL(int, dup2, (int from, int to), (from, to), EMFILE)
FAIL_CALL(int, chdir, (const char *path), (path), ENOMEM)

/* ---- what liburing asks of the kernel, without libc ---- */

int io_uring_queue_init(unsigned entries, void *ring, unsigned flags);
int io_uring_submit(void *ring);
int io_uring_ring_dontfork(void *ring);
void *io_uring_get_probe_ring(void *ring);

int io_uring_queue_init(unsigned entries, void *ring, unsigned flags)
{
    REAL(io_uring_queue_init)
    if (fault_is_due(FAULT_CALL, "io_uring_queue_init",
                     ERRORS(EMFILE, ENOMEM, ENOSYS, EPERM), CALLER))
        return -errno;
    return real(entries, ring, flags);
}

int io_uring_submit(void *ring)
{
    REAL(io_uring_submit)
    if (fault_is_due(FAULT_CALL, "io_uring_submit",
                     ERRORS(EAGAIN, EBUSY, EINTR), CALLER))
        return -errno;
    return real(ring);
}

int io_uring_ring_dontfork(void *ring)
{
    REAL(io_uring_ring_dontfork)
    if (fault_is_due(FAULT_CALL, "io_uring_ring_dontfork", ERRORS(ENOMEM),
                     CALLER))
        return -errno;
    return real(ring);
}

void *io_uring_get_probe_ring(void *ring)
{
    REAL(io_uring_get_probe_ring)
    if (fault_is_due(FAULT_CALL, "io_uring_get_probe_ring", ERRORS(ENOMEM),
                     CALLER))
        return NULL;
    return real(ring);
}
