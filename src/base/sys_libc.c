/* SPDX-License-Identifier: MIT */
/* base/sys_libc.c - base/sys.h by libc's calls, for the library build. Each
 * returns a negative errno and leaves errno as it was. */
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/own.h"

__thread int tn__own_depth;

/* The value of `call`, or a negative errno, with errno left alone. */
#define RESULT(call)                                                           \
    int err_before = errno;                                                    \
    long r = TN_OWN(call);                                                     \
    if (TN_UNLIKELY(r == -1)) {                                                \
        r = -errno;                                                            \
        errno = err_before;                                                    \
    }                                                                          \
    return r

long tn__sys_recv(int fd, void *buf, size_t len, int flags)
{
    RESULT(recv(fd, buf, len, flags));
}

long tn__sys_send(int fd, const void *buf, size_t len, int flags)
{
    RESULT(send(fd, buf, len, flags));
}

long tn__sys_recvfrom(int fd, void *buf, size_t len, int flags,
                      struct sockaddr *addr, void *addr_len)
{
    RESULT(recvfrom(fd, buf, len, flags, addr, addr_len));
}

long tn__sys_sendto(int fd, const void *buf, size_t len, int flags,
                    const struct sockaddr *addr, unsigned addr_len)
{
    RESULT(sendto(fd, buf, len, flags, addr, addr_len));
}

long tn__sys_recvmsg(int fd, struct msghdr *msg, int flags)
{
    RESULT(recvmsg(fd, msg, flags));
}

long tn__sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    RESULT(sendmsg(fd, msg, flags));
}

long tn__sys_recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
    RESULT(recvmmsg(fd, msgs, n, flags, NULL));
}

long tn__sys_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
    RESULT(sendmmsg(fd, msgs, n, flags));
}

long tn__sys_sendfile(int out, int in, off_t *at, size_t n)
{
    RESULT(sendfile(out, in, at, n));
}

long tn__sys_read(int fd, void *buf, size_t len)
{
    RESULT(read(fd, buf, len));
}

long tn__sys_write(int fd, const void *buf, size_t len)
{
    RESULT(write(fd, buf, len));
}

long tn__sys_readv(int fd, const struct iovec *iov, int n)
{
    RESULT(readv(fd, iov, n));
}

long tn__sys_writev(int fd, const struct iovec *iov, int n)
{
    RESULT(writev(fd, iov, n));
}

long tn__sys_readv_nowait(int fd, const struct iovec *iov, int n)
{
    RESULT(preadv2(fd, iov, n, -1, RWF_NOWAIT));
}

long tn__sys_writev_nowait(int fd, const struct iovec *iov, int n)
{
    RESULT(pwritev2(fd, iov, n, -1, RWF_NOWAIT));
}

long tn__sys_accept4(int fd, struct sockaddr *addr, void *addr_len, int flags)
{
    RESULT(accept4(fd, addr, addr_len, flags));
}

long tn__sys_connect(int fd, const struct sockaddr *addr, unsigned len)
{
    RESULT(connect(fd, addr, len));
}

long tn__sys_getsockopt(int fd, int level, int name, void *value, void *len)
{
    RESULT(getsockopt(fd, level, name, value, len));
}

long tn__sys_fcntl(int fd, int op, long arg)
{
    RESULT(fcntl(fd, op, arg));
}

static int unread(int fd)
{
    int n = 0;

    return ioctl(fd, FIONREAD, &n) < 0 ? -1 : n;
}

long tn__sys_unread(int fd)
{
    RESULT(unread(fd));
}

long tn__sys_fstat(int fd, struct stat *st)
{
    RESULT(fstat(fd, st));
}

long tn__sys_close(int fd)
{
    RESULT(close(fd));
}

long tn__sys_poll_now(struct pollfd *fds, size_t n)
{
    RESULT(poll(fds, n, 0));
}

static struct timespec *span_of(struct timespec *t, int64_t ns)
{
    t->tv_sec = ns / 1000000000;
    t->tv_nsec = ns % 1000000000;
    return ns < 0 ? NULL : t;
}

long tn__sys_poll(struct pollfd *fds, size_t n, int64_t timeout_ns)
{
    struct timespec t;

    RESULT(ppoll(fds, n, span_of(&t, timeout_ns), NULL));
}

long tn__sys_epoll_create(void)
{
    RESULT(epoll_create1(EPOLL_CLOEXEC));
}

long tn__sys_epoll_ctl(int ep, int op, int fd, struct epoll_event *event)
{
    RESULT(epoll_ctl(ep, op, fd, event));
}

static long wait_ms(int ep, struct epoll_event *events, int n, int64_t ns)
{
    int64_t ms = ns < 0 ? -1 : ns / 1000000 + (ns % 1000000 != 0);

    RESULT(epoll_wait(ep, events, n, ms > INT32_MAX ? INT32_MAX : (int)ms));
}

#ifdef SYS_epoll_pwait2
static long wait_ns(int ep, struct epoll_event *events, int n, int64_t ns)
{
    struct timespec t;

    RESULT(syscall(SYS_epoll_pwait2, ep, events, n, span_of(&t, ns), NULL,
                   (size_t)0));
}
#endif

long tn__sys_epoll_wait(int ep, struct epoll_event *events, int n,
                        int64_t timeout_ns)
{
#ifdef SYS_epoll_pwait2
    static int is_missing; /* benign race: set once, to 1 */

    if (timeout_ns > 0 && !__atomic_load_n(&is_missing, __ATOMIC_RELAXED)) {
        long r = wait_ns(ep, events, n, timeout_ns);

        if (r != -ENOSYS)
            return r;
        __atomic_store_n(&is_missing, 1, __ATOMIC_RELAXED);
    }
#endif
    return wait_ms(ep, events, n, timeout_ns);
}

long tn__sys_eventfd(void)
{
    RESULT(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

void *tn__sys_map(size_t bytes)
{
    int err_before = errno;
    void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    errno = err_before;
    return start == MAP_FAILED ? NULL : start;
}

void tn__sys_unmap(void *start, size_t bytes)
{
    TN_ASSERT(munmap(start, bytes) == 0);
}

void *tn__sys_remap(void *start, size_t old_bytes, size_t new_bytes)
{
    int err_before = errno;
    void *moved = mremap(start, old_bytes, new_bytes, MREMAP_MAYMOVE);

    errno = err_before;
    return moved == MAP_FAILED ? NULL : moved;
}

long tn__sys_madvise(void *start, size_t bytes, int advice)
{
    RESULT(madvise(start, bytes, advice));
}

long tn__sys_madvise_many(const struct iovec *ranges, size_t n, int advice)
{
#if defined SYS_process_madvise && defined SYS_pidfd_open
    int err_before = errno;
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    long r = -1;

    if (self >= 0) {
        r = syscall(SYS_process_madvise, self, ranges, n, advice, 0);
        if (r < 0)
            r = -errno;
        close(self);
    } else {
        r = -errno;
    }
    errno = err_before;
    return r;
#else
    (void)ranges;
    (void)n;
    (void)advice;
    return -ENOSYS;
#endif
}

long tn__sys_mprotect(void *start, size_t bytes, int prot)
{
    RESULT(mprotect(start, bytes, prot));
}

long tn__sys_mincore(void *start, size_t bytes, unsigned char *vec)
{
    RESULT(mincore(start, bytes, vec));
}

void tn__panic(const char *file, int line, const char *text)
{
    char message[256];
    int n = snprintf(message, sizeof message,
                     "tendril: %s:%d: broken invariant: %s\n", file, line,
                     text);

    if (n > (int)sizeof message - 1)
        n = (int)sizeof message - 1;
    if (TN_OWN(write(2, message, (size_t)n)) < 0)
        abort();
    abort();
}
