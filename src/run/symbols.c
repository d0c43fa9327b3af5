/* SPDX-License-Identifier: MIT */
/* run/symbols.c - libc's hot functions, without the trap.
 *
 * Each does what libc's would: the call, errno, and cancellation. The names are
 * in symbols.txt, which is also all that the engine exports. Whatever is not
 * interposed, or called from within libc, arrives by the trap instead.
 *
 * libc's cancellation point makes itself cancellable by a signal for the time
 * of its call. Here pthread_cancel() wakes its target, which finds itself by
 * its FS base: pthread_t and FS base are the same address, in glibc and musl.
 * The call then ends with EINTR, and pthread_testcancel() does the rest. */
#include "run/symbols.h"

#include <stdarg.h>

#define EXPORT TN__RUN_EXPORT

int *__errno_location(void); /* declared under another name by some libcs */

/* The one place where an error goes from our convention to libc's. */
static long result(long r)
{
    if (TN_LIKELY((unsigned long)r <= -4096ul))
        return r;
    *__errno_location() = (int)-r;
    return -1;
}

/* A call that is a cancellation point. A negative errno on failure. One that
 * has failed has done nothing that could be lost: who was cancelled before, as
 * before its descriptor was closed, is not told of it. */
static long cancellable(struct tn__run_call *c)
{
    struct tn__run_green *green;
    long r;

    if (TN_UNLIKELY(!tn__run_is_on()))
        return tn__raw(c->nr, c->a[0], c->a[1], c->a[2], c->a[3], c->a[4],
                       c->a[5]);
    green = tn__run_self();
    tn__run_here()->calls.by_symbol++;
    c->can_cancel = true;
    for (;;) {
        green->is_poked = false;
        pthread_testcancel();
        r = tn__run_syscall(c);
        if (TN_LIKELY(r >= 0) || !green->is_poked || !c->can_cancel)
            return r;
        if (r != -EINTR) {
            pthread_testcancel();
            return r;
        }
    }
}

static long call3(long nr, long a, long b, long d)
{
    struct tn__run_call c = {.nr = nr, .a = {a, b, d, 0, 0, 0}};

    return result(cancellable(&c));
}

static long call4(long nr, long a, long b, long d, long e)
{
    struct tn__run_call c = {.nr = nr, .a = {a, b, d, e, 0, 0}};

    return result(cancellable(&c));
}

/* One that is no cancellation point. */
static long quiet(struct tn__run_call *c)
{
    if (TN_UNLIKELY(!tn__run_is_on()))
        return tn__raw(c->nr, c->a[0], c->a[1], c->a[2], c->a[3], c->a[4],
                       c->a[5]);
    tn__run_here()->calls.by_symbol++;
    return tn__run_syscall(c);
}

EXPORT ssize_t read(int fd, void *buf, size_t len)
{
    TN__RUN_BYPASS(read, fd, buf, len);
    return call3(SYS_read, fd, (long)buf, (long)len);
}

EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
    TN__RUN_BYPASS(write, fd, buf, len);
    return call3(SYS_write, fd, (long)buf, (long)len);
}

EXPORT ssize_t readv(int fd, const struct iovec *iov, int n)
{
    TN__RUN_BYPASS(readv, fd, iov, n);
    return call3(SYS_readv, fd, (long)iov, n);
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int n)
{
    TN__RUN_BYPASS(writev, fd, iov, n);
    return call3(SYS_writev, fd, (long)iov, n);
}

EXPORT ssize_t recvfrom(int fd, void *buf, size_t len, int flags,
                        __SOCKADDR_ARG addr, socklen_t *addr_len)
{
    TN__RUN_BYPASS(recvfrom, fd, buf, len, flags, addr.__sockaddr__, addr_len);
    struct tn__run_call c = {
        .nr = SYS_recvfrom,
        .a = {fd, (long)buf, (long)len, flags, (long)addr.__sockaddr__,
              (long)addr_len}};

    return result(cancellable(&c));
}

EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags)
{
    TN__RUN_BYPASS(recv, fd, buf, len, flags);
    return call4(SYS_recvfrom, fd, (long)buf, (long)len, flags);
}

EXPORT ssize_t sendto(int fd, const void *buf, size_t len, int flags,
                      __CONST_SOCKADDR_ARG addr, socklen_t addr_len)
{
    TN__RUN_BYPASS(sendto, fd, buf, len, flags, addr.__sockaddr__, addr_len);
    struct tn__run_call c = {
        .nr = SYS_sendto,
        .a = {fd, (long)buf, (long)len, flags, (long)addr.__sockaddr__,
              addr_len}};

    return result(cancellable(&c));
}

EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
{
    TN__RUN_BYPASS(send, fd, buf, len, flags);
    return call4(SYS_sendto, fd, (long)buf, (long)len, flags);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    TN__RUN_BYPASS(recvmsg, fd, msg, flags);
    return call3(SYS_recvmsg, fd, (long)msg, flags);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    TN__RUN_BYPASS(sendmsg, fd, msg, flags);
    return call3(SYS_sendmsg, fd, (long)msg, flags);
}

EXPORT int accept(int fd, __SOCKADDR_ARG addr, socklen_t *addr_len)
{
    TN__RUN_BYPASS(accept, fd, addr.__sockaddr__, addr_len);
    return (int)call3(SYS_accept, fd, (long)addr.__sockaddr__,
                      (long)addr_len);
}

EXPORT int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *addr_len, int flags)
{
    TN__RUN_BYPASS(accept4, fd, addr.__sockaddr__, addr_len, flags);
    return (int)call4(SYS_accept4, fd, (long)addr.__sockaddr__,
                      (long)addr_len, flags);
}

EXPORT int connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t addr_len)
{
    TN__RUN_BYPASS(connect, fd, addr.__sockaddr__, addr_len);
    return (int)call3(SYS_connect, fd, (long)addr.__sockaddr__, addr_len);
}

EXPORT int poll(struct pollfd *fds, nfds_t n, int ms)
{
    TN__RUN_BYPASS(poll, fds, n, ms);
    return (int)call3(SYS_poll, (long)fds, (long)n, ms);
}

EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                 const sigset_t *mask)
{
    TN__RUN_BYPASS(ppoll, fds, n, timeout, mask);
    struct timespec t = timeout ? *timeout : (struct timespec){0, 0};
    struct tn__run_call c = {
        .nr = SYS_ppoll,
        .a = {(long)fds, (long)n, timeout ? (long)&t : 0, (long)mask,
              sizeof(tn__run_set), 0}};

    return (int)result(cancellable(&c));
}

EXPORT int select(int n, fd_set *in, fd_set *out, fd_set *urgent,
                  struct timeval *timeout)
{
    TN__RUN_BYPASS(select, n, in, out, urgent, timeout);
    struct tn__run_call c = {.nr = SYS_select,
                             .a = {n, (long)in, (long)out, (long)urgent,
                                   (long)timeout, 0}};

    return (int)result(cancellable(&c));
}

EXPORT int pselect(int n, fd_set *in, fd_set *out, fd_set *urgent,
                   const struct timespec *timeout, const sigset_t *mask)
{
    TN__RUN_BYPASS(pselect, n, in, out, urgent, timeout, mask);
    struct timespec t = timeout ? *timeout : (struct timespec){0, 0};
    struct {
        const sigset_t *mask;
        size_t bytes;
    } sixth = {mask, sizeof(tn__run_set)};
    struct tn__run_call c = {.nr = SYS_pselect6,
                             .a = {n, (long)in, (long)out, (long)urgent,
                                   timeout ? (long)&t : 0, (long)&sixth}};

    return (int)result(cancellable(&c));
}

EXPORT int epoll_wait(int ep, struct epoll_event *events, int n, int ms)
{
    TN__RUN_BYPASS(epoll_wait, ep, events, n, ms);
    return (int)call4(SYS_epoll_wait, ep, (long)events, n, ms);
}

EXPORT int epoll_pwait(int ep, struct epoll_event *events, int n, int ms,
                       const sigset_t *mask)
{
    TN__RUN_BYPASS(epoll_pwait, ep, events, n, ms, mask);
    struct tn__run_call c = {.nr = SYS_epoll_pwait,
                             .a = {ep, (long)events, n, ms, (long)mask,
                                   sizeof(tn__run_set)}};

    return (int)result(cancellable(&c));
}

EXPORT int nanosleep(const struct timespec *span, struct timespec *rest)
{
    TN__RUN_BYPASS(nanosleep, span, rest);
    return (int)call3(SYS_nanosleep, (long)span, (long)rest, 0);
}

EXPORT int clock_nanosleep(clockid_t clock, int flags,
                           const struct timespec *t, struct timespec *rest)
{
    TN__RUN_BYPASS(clock_nanosleep, clock, flags, t, rest);
    struct tn__run_call c = {
        .nr = SYS_clock_nanosleep,
        .a = {clock, flags, (long)t, (long)rest, 0, 0}};

    if (clock == CLOCK_THREAD_CPUTIME_ID)
        return EINVAL; /* as libc's: the kernel has another error for it */
    return (int)-cancellable(&c);
}

/* The names are in parentheses because the tree's rules ban calls of them. */
EXPORT int(usleep)(useconds_t us)
{
    TN__RUN_BYPASS(usleep, us);
    struct timespec span = {us / 1000000, us % 1000000 * 1000L};

    return nanosleep(&span, NULL);
}

EXPORT unsigned sleep(unsigned seconds)
{
    TN__RUN_BYPASS(sleep, seconds);
    struct timespec span = {seconds, 0};

    return nanosleep(&span, &span) < 0 ? (unsigned)span.tv_sec : 0;
}

EXPORT int close(int fd)
{
    TN__RUN_BYPASS(close, fd);
    return (int)call3(SYS_close, fd, 0, 0);
}

EXPORT int dup2(int from, int to)
{
    TN__RUN_BYPASS(dup2, from, to);
    struct tn__run_call c = {.nr = SYS_dup2, .a = {from, to, 0, 0, 0, 0}};

    return (int)result(quiet(&c));
}

EXPORT int sched_yield(void)
{
    TN__RUN_BYPASS(sched_yield);
    struct tn__run_call c = {.nr = SYS_sched_yield};

    return (int)result(quiet(&c));
}

/* These need all registers of the caller: they take the trap after all. */
static bool needs_trap(long nr)
{
    return nr == SYS_clone || nr == 435 /* clone3 */ || nr == SYS_fork ||
           nr == SYS_vfork || nr == SYS_rt_sigreturn || nr == SYS_exit ||
           nr == SYS_sigaltstack || nr == SYS_rt_sigprocmask;
}

EXPORT long syscall(long nr, ...)
{
    struct tn__run_call c = {.nr = nr};
    va_list list;

    va_start(list, nr);
    for (int i = 0; i < 6; i++)
        c.a[i] = va_arg(list, long);
    va_end(list);
    TN__RUN_BYPASS(syscall, nr, c.a[0], c.a[1], c.a[2], c.a[3], c.a[4],
                   c.a[5]);
    return result(needs_trap(nr) && tn__run_is_on() ? tn__run_trap(nr, c.a)
                                                  : quiet(&c));
}

EXPORT int pthread_cancel(pthread_t target)
{
    int r;

    TN__RUN_BYPASS(pthread_cancel, target);
    r = tn__run_next.pthread_cancel(target);
    if (r == 0 && tn__run_is_on()) {
        tn__run_begin();
        tn__run_poke((uint64_t)target);
        tn__run_leave();
    }
    return r;
}
