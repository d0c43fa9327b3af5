/* SPDX-License-Identifier: MIT */
/* patch/socket.c - connections, ends, and what moves bytes in the kernel. */
#include "patch/patch.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <unistd.h>

/* ---- accept ---- */

static bool is_listening(int fd)
{
    int is = 0;
    socklen_t len = sizeof is;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is, &len) == 0 && is;
}

/* There is no flag with which accept() would not wait: poll() says that
 * somebody is there. Between the two another process may have taken him. */
static int accept_when_ready(int fd, struct sockaddr *addr, socklen_t *len,
                             int flags)
{
    struct tn__patch_wait w = TN_PATCH_WAIT(fd, POLLIN);
    int r;

    do {
        r = tn__patch_is_ready(fd, POLLIN);
        if (r > 0)
            r = tn__real()->accept4(fd, addr, len, flags);
    } while (r < 0 && tn__patch_again(&w));
    return (int)tn__patch_done(&w, r);
}

int tn__patch_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    if (!tn_patch_parks() || !is_listening(fd) || !tn__patch_is_blocking(fd))
        return tn__real()->accept4(fd, addr, len, flags);
    return accept_when_ready(fd, addr, len, flags);
}

int tn__patch_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
    if (!tn_patch_parks() || !is_listening(fd) || !tn__patch_is_blocking(fd))
        return tn__real()->accept(fd, addr, len);
    return accept_when_ready(fd, addr, len, 0);
}

/* ---- connect ---- */

int tn__patch_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    int r;

    if (!tn_patch_parks() || !tn__patch_is_blocking(fd))
        return tn__real()->connect(fd, addr, len);
    r = tn_connect(fd, addr, len, tn__patch_socket_deadline(fd, SO_SNDTIMEO));
    if (r == -ETIME && tn_check() == 0)
        r = addr && addr->sa_family == AF_UNIX ? -EAGAIN : -EINPROGRESS;
    return r < 0 ? tn__patch_fail(r) : 0;
}

/* ---- ends ---- */

int tn__patch_shutdown(int fd, int how)
{
    int r;

    if (!tn_patch_parks())
        return tn__real()->shutdown(fd, how);
    r = tn_shutdown(fd, how);
    return r < 0 ? tn__patch_fail(r) : 0;
}

/* Who waits on it here learns of it, wherever it is called. */
int tn__patch_close(int fd)
{
    if (tn__patch_is_us())
        tn_fd_forget(fd);
    return tn__real()->close(fd);
}

static void replace(int from, int to)
{
    if (from != to && tn__patch_is_us() && fcntl(from, F_GETFD) >= 0)
        tn_fd_forget(to);
}

int tn__patch_dup2(int from, int to)
{
    replace(from, to);
    return tn__real()->dup2(from, to);
}

int tn__patch_dup3(int from, int to, int flags)
{
    replace(from, to);
    return tn__real()->dup3(from, to, flags);
}

/* ---- sendfile, splice ---- */

ssize_t tn__patch_sendfile(int out, int in, off_t *offset, size_t n)
{
    ssize_t sent = 0, r = 0;
    tn_time deadline;

    if (!tn_patch_parks() || !tn__patch_is_blocking(out))
        return tn__real()->sendfile(out, in, offset, n);
    deadline = tn__patch_socket_deadline(out, SO_SNDTIMEO);
    do {
        r = tn_sendfile(out, in, offset, n - (size_t)sent, deadline);
        if (r > 0)
            sent += r;
    } while (r > 0 && (size_t)sent < n);
    if (r == -ETIME && tn_check() == 0)
        r = -EAGAIN;
    if (sent > 0)
        return sent;
    return r < 0 ? tn__patch_fail((int)r) : r;
}

ssize_t tn__patch_splice(int in, off_t *in_offset, int out, off_t *out_offset,
                         size_t n, unsigned flags)
{
    ssize_t r;

    if (!tn_patch_parks() || (flags & SPLICE_F_NONBLOCK))
        return tn__real()->splice(in, in_offset, out, out_offset, n, flags);
    r = tn_splice(in, in_offset, out, out_offset, n, flags, TN_NOWAIT);
    if (r == -EAGAIN && tn__patch_is_blocking(in) && tn__patch_is_blocking(out))
        r = tn_splice(in, in_offset, out, out_offset, n, flags, TN_FOREVER);
    return r < 0 ? tn__patch_fail((int)r) : r;
}

TN_PATCH_ALIAS(__connect, connect);
TN_PATCH_ALIAS(__close, close);
TN_PATCH_ALIAS(__dup2, dup2);
TN_PATCH_ALIAS(sendfile64, sendfile);
