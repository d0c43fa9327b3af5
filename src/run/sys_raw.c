/* SPDX-License-Identifier: MIT */
/* run/sys_raw.c - base/sys.h for the engine: system calls from our own text.
 *
 * Descriptors that the core opens for itself are moved out of the program's
 * way at once (tn__run_fd_hide()), so that the program counts its own from the
 * numbers it would have without us. */
#include "run/run.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#ifndef RWF_NOWAIT
# define RWF_NOWAIT 8
#endif

long tn__sys_recv(int fd, void *buf, size_t len, int flags)
{
    return tn__raw(SYS_recvfrom, fd, (long)buf, (long)len, flags, 0, 0);
}

long tn__sys_send(int fd, const void *buf, size_t len, int flags)
{
    return tn__raw(SYS_sendto, fd, (long)buf, (long)len, flags, 0, 0);
}

long tn__sys_recvfrom(int fd, void *buf, size_t len, int flags,
                      struct sockaddr *addr, void *addr_len)
{
    return tn__raw(SYS_recvfrom, fd, (long)buf, (long)len, flags, (long)addr,
                   (long)addr_len);
}

long tn__sys_sendto(int fd, const void *buf, size_t len, int flags,
                    const struct sockaddr *addr, unsigned addr_len)
{
    return tn__raw(SYS_sendto, fd, (long)buf, (long)len, flags, (long)addr,
                   (long)addr_len);
}

long tn__sys_recvmsg(int fd, struct msghdr *msg, int flags)
{
    return tn__raw3(SYS_recvmsg, fd, (long)msg, flags);
}

long tn__sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    return tn__raw3(SYS_sendmsg, fd, (long)msg, flags);
}

long tn__sys_recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
    return tn__raw4(SYS_recvmmsg, fd, (long)msgs, n, flags);
}

long tn__sys_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
    return tn__raw4(SYS_sendmmsg, fd, (long)msgs, n, flags);
}

long tn__sys_sendfile(int out, int in, off_t *at, size_t n)
{
    return tn__raw4(SYS_sendfile, out, in, (long)at, (long)n);
}

long tn__sys_read(int fd, void *buf, size_t len)
{
    return tn__raw3(SYS_read, fd, (long)buf, (long)len);
}

long tn__sys_write(int fd, const void *buf, size_t len)
{
    return tn__raw3(SYS_write, fd, (long)buf, (long)len);
}

long tn__sys_readv(int fd, const struct iovec *iov, int n)
{
    return tn__raw3(SYS_readv, fd, (long)iov, n);
}

long tn__sys_writev(int fd, const struct iovec *iov, int n)
{
    return tn__raw3(SYS_writev, fd, (long)iov, n);
}

long tn__sys_readv_nowait(int fd, const struct iovec *iov, int n)
{
    return tn__raw(SYS_preadv2, fd, (long)iov, n, -1, -1, RWF_NOWAIT);
}

long tn__sys_writev_nowait(int fd, const struct iovec *iov, int n)
{
    return tn__raw(SYS_pwritev2, fd, (long)iov, n, -1, -1, RWF_NOWAIT);
}

long tn__sys_accept4(int fd, struct sockaddr *addr, void *addr_len, int flags)
{
    return tn__raw4(SYS_accept4, fd, (long)addr, (long)addr_len, flags);
}

long tn__sys_connect(int fd, const struct sockaddr *addr, unsigned len)
{
    return tn__raw3(SYS_connect, fd, (long)addr, len);
}

long tn__sys_getsockopt(int fd, int level, int name, void *value, void *len)
{
    return tn__raw(SYS_getsockopt, fd, level, name, (long)value, (long)len, 0);
}

long tn__sys_fcntl(int fd, int op, long arg)
{
    return tn__raw3(SYS_fcntl, fd, op, arg);
}

long tn__sys_unread(int fd)
{
    int n = 0;
    long r = tn__raw3(SYS_ioctl, fd, FIONREAD, (long)&n);

    return r < 0 ? r : n;
}

/* What kind of thing it is, without asking a file system that may not answer:
 * only st_mode and st_rdev are set. */
long tn__sys_fstat(int fd, struct stat *st)
{
    struct statx sx;
    long r = tn__raw(SYS_statx, fd, (long)"",
                     AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE,
                     (long)&sx, 0);

    if (r < 0)
        return r == -EBADF ? r : tn__raw3(SYS_fstat, fd, (long)st, 0);
    st->st_mode = sx.stx_mode;
    st->st_rdev = (sx.stx_rdev_minor & 0xff) | sx.stx_rdev_major << 8;
    return 0;
}

long tn__sys_close(int fd)
{
    tn__run_fd_disown(fd);
    return tn__raw1(SYS_close, fd);
}

long tn__sys_poll_now(struct pollfd *fds, size_t n)
{
    return tn__raw3(SYS_poll, (long)fds, (long)n, 0);
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

    return tn__raw(SYS_ppoll, (long)fds, (long)n,
                   (long)span_of(&t, timeout_ns), 0, 0, 0);
}

long tn__sys_epoll_create(void)
{
    return tn__run_fd_hide(tn__raw1(SYS_epoll_create1, EPOLL_CLOEXEC));
}

long tn__sys_epoll_ctl(int ep, int op, int fd, struct epoll_event *event)
{
    return tn__raw4(SYS_epoll_ctl, ep, op, fd, (long)event);
}

long tn__sys_epoll_wait(int ep, struct epoll_event *events, int n,
                        int64_t timeout_ns)
{
#ifdef SYS_epoll_pwait2
    static bool is_missing;
    struct timespec t;

    if (timeout_ns > 0 && !is_missing) {
        long r = tn__run_idle(SYS_epoll_pwait2, ep, events, n,
                              span_of(&t, timeout_ns), 0);

        if (r != -ENOSYS)
            return r;
        is_missing = true;
    }
#endif
    if (timeout_ns > 0) {
        timeout_ns = (timeout_ns - 1) / 1000000 + 1;
        if (timeout_ns > INT32_MAX)
            timeout_ns = INT32_MAX;
    }
    return tn__run_idle(SYS_epoll_wait, ep, events, n, NULL,
                        timeout_ns < 0 ? -1 : timeout_ns);
}

long tn__sys_eventfd(void)
{
    return tn__run_fd_hide(
        tn__raw3(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK, 0));
}

void *tn__sys_map(size_t bytes)
{
    long r = tn__raw(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    tn__run.counts.maps_refused += r == -ENOMEM;
    return r < 0 && r > -4096 ? NULL : (void *)r;
}

void tn__sys_unmap(void *start, size_t bytes)
{
    TN_ASSERT(tn__raw3(SYS_munmap, (long)start, (long)bytes, 0) == 0);
}

void *tn__sys_remap(void *start, size_t old_bytes, size_t new_bytes)
{
    long r = tn__raw4(SYS_mremap, (long)start, (long)old_bytes,
                      (long)new_bytes, MREMAP_MAYMOVE);

    return r < 0 && r > -4096 ? NULL : (void *)r;
}

long tn__sys_madvise(void *start, size_t bytes, int advice)
{
    return tn__raw3(SYS_madvise, (long)start, (long)bytes, advice);
}

/* Only stack slabs are advised so, and the engine has one stack in them. */
long tn__sys_madvise_many(const struct iovec *ranges, size_t n, int advice)
{
    (void)ranges;
    (void)n;
    (void)advice;
    return -ENOSYS;
}

long tn__sys_mprotect(void *start, size_t bytes, int prot)
{
    return tn__raw3(SYS_mprotect, (long)start, (long)bytes, prot);
}

long tn__sys_mincore(void *start, size_t bytes, unsigned char *vec)
{
    return tn__raw3(SYS_mincore, (long)start, (long)bytes, (long)vec);
}

static size_t length_of(const char *text)
{
    size_t n = 0;

    while (text[n])
        n++;
    return n;
}

void tn__panic(const char *file, int line, const char *text)
{
    static const char head[] = "tendril run: broken invariant: ";
    char digits[12];
    size_t at = sizeof digits;

    digits[--at] = '\n';
    do
        digits[--at] = (char)('0' + line % 10);
    while ((line /= 10) > 0);
    digits[--at] = ':';
    tn__raw3(SYS_write, 2, (long)head, sizeof head - 1);
    tn__raw3(SYS_write, 2, (long)text, (long)length_of(text));
    tn__raw3(SYS_write, 2, (long)" at ", 4);
    tn__raw3(SYS_write, 2, (long)file, (long)length_of(file));
    tn__raw3(SYS_write, 2, (long)(digits + at), (long)(sizeof digits - at));
    for (;;) { /* as abort(): SIGABRT with its default action */
        struct tn__run_action action = {SIG_DFL, 0, NULL, 0};
        tn__run_set none = 0;

        tn__raw4(SYS_rt_sigaction, SIGABRT, (long)&action, 0, 8);
        tn__raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, 8);
        tn__raw3(SYS_tgkill, tn__raw1(SYS_getpid, 0), tn__raw1(SYS_gettid, 0),
                 SIGABRT);
    }
}
