/* SPDX-License-Identifier: MIT */
/* patch/wait.c - what a call does that would have to wait. */
#include "patch/patch.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>

int tn__patch_errno(int error)
{
    return error == -ETIME ? ETIMEDOUT : -error;
}

int tn__patch_fail(int error)
{
    errno = tn__patch_errno(error);
    return -1;
}

bool tn__patch_is_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && !(flags & O_NONBLOCK);
}

tn_time tn__patch_socket_deadline(int fd, int option)
{
    struct timeval t = {0, 0};
    socklen_t len = sizeof t;

    if (getsockopt(fd, SOL_SOCKET, option, &t, &len) < 0 ||
        (t.tv_sec == 0 && t.tv_usec == 0))
        return TN_FOREVER;
    return tn__patch_after(
        &(struct timespec){t.tv_sec, (long)t.tv_usec * 1000});
}

/* On the first wait of the call: may it wait at all, and for how long? */
static bool begin(struct tn__patch_wait *w)
{
    if (!tn__patch_is_blocking(w->fd)) {
        errno = EAGAIN;
        return false;
    }
    w->deadline = tn__patch_socket_deadline(
        w->fd, w->events == POLLOUT ? SO_SNDTIMEO : SO_RCVTIMEO);
    w->has_waited = true;
    return true;
}

bool tn__patch_again(struct tn__patch_wait *w)
{
    short end = w->events == POLLIN ? POLLRDHUP : 0;
    struct pollfd p = {w->fd, (short)(w->events | end), 0};
    int r;

    if (errno != EAGAIN)
        return false;
    if (!w->has_waited && !begin(w))
        return false;
    /* A socket for datagrams that was shut down: as one that does not wait it
     * goes on to give EAGAIN. */
    w->has_ended = w->is_shut;
    if (w->has_ended)
        return false;
    do
        r = tn_poll(&p, 1, w->deadline);
    while (r == -EINTR); /* a signal, during its first look */
    w->is_shut = r > 0 && (p.revents & end);
    if (r > 0 && !(p.revents & POLLNVAL))
        return true;
    if (r > 0)
        errno = EBADF;
    else if (r == -ETIME && tn_check() == 0)
        errno = EAGAIN; /* as a socket's own timeout has it */
    else
        errno = tn__patch_errno(r);
    return false;
}

int tn__patch_is_ready(int fd, short events)
{
    struct pollfd p = {fd, events, 0};
    int r;

    do
        r = tn__real()->poll(&p, 1, 0);
    while (r < 0 && errno == EINTR);
    if (r != 0)
        return r;
    errno = EAGAIN;
    return -1;
}

bool tn__patch_goes_on(struct tn__patch_wait *w)
{
    return w->has_waited || begin(w);
}

bool tn__patch_has_ended(int fd, short events)
{
    enum { CLOSED = 7 }; /* TCP_CLOSE; others have no TCP_INFO */
    struct pollfd p = {fd, events, 0};
    uint8_t state = 0; /* which that begins with */
    socklen_t len = sizeof state;
    int n_left = 0;

    if (tn__real()->poll(&p, 1, 0) <= 0 || !(p.revents & (POLLERR | POLLHUP)) ||
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &len) < 0 ||
        state != CLOSED)
        return false;
    if (events & POLLIN)
        ioctl(fd, FIONREAD, &n_left);
    return n_left == 0;
}

/* ---- parts ---- */

/* To the part behind the first. */
static bool step(struct tn__patch_parts *p)
{
    if (--p->n > 0) {
        p->iov++;
        return true;
    }
    p->iov = p->next;
    p->n = p->n_next;
    p->n_next = 0;
    return p->n > 0;
}

bool tn__patch_advance(struct tn__patch_parts *p, size_t done)
{
    while (done >= p->iov->iov_len) {
        done -= p->iov->iov_len;
        if (!step(p))
            return false;
    }
    if (done == 0)
        return true;
    if (p->iov != &p->piece) {
        p->next = p->iov + 1;
        p->n_next = p->n - 1;
    }
    p->piece =
        (struct iovec){(char *)p->iov->iov_base + done, p->iov->iov_len - done};
    p->iov = &p->piece;
    p->n = 1;
    return true;
}

size_t tn__patch_bytes(const struct iovec *iov, size_t n)
{
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += iov[i].iov_len;
    return bytes;
}

/* glibc's. */
void __chk_fail(void) __attribute__((weak));

void tn__patch_check(bool is_good)
{
    if (is_good)
        return;
    if (__chk_fail)
        __chk_fail();
    abort();
}

/* ---- time ---- */

bool tn__patch_is_time(const struct timespec *t)
{
    return t->tv_nsec >= 0 && t->tv_nsec < 1000000000;
}

tn_time tn__patch_after(const struct timespec *span)
{
    int64_t ns;

    if (span->tv_sec < 0)
        return tn_after_ns(0);
    if (__builtin_mul_overflow((int64_t)span->tv_sec, 1000000000, &ns) ||
        __builtin_add_overflow(ns, span->tv_nsec, &ns))
        return TN_FOREVER;
    return tn_after_ns(ns);
}

tn_time tn__patch_at(clockid_t clock, const struct timespec *at)
{
    struct timespec now, span;

    if (clock_gettime(clock, &now) < 0)
        return tn_after_ns(0);
    span.tv_sec = at->tv_sec - now.tv_sec;
    span.tv_nsec = at->tv_nsec - now.tv_nsec;
    if (span.tv_nsec < 0) {
        span.tv_sec--;
        span.tv_nsec += 1000000000;
    }
    return tn__patch_after(&span);
}
