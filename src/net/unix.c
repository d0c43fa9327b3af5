/* SPDX-License-Identifier: MIT */
/* net/unix.c - what only unix sockets can do: pass descriptors, and tell who is
 * at the other end.
 *
 * A message is received with room for as many descriptors as the kernel lets
 * one carry, so none can come unseen: what is more than the caller takes is
 * closed here. The kernel says MSG_CTRUNC then only if it could not install
 * them. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <errno.h>
#include <string.h>
#include <tendril/net.h>

#include "base/sys.h"
#include "net/fd.h"

enum { FDS_MAX = 253 /* SCM_MAX_FD */ };

union control {
    struct cmsghdr align;
    char room[CMSG_SPACE(FDS_MAX * sizeof(int)) +
              CMSG_SPACE(sizeof(struct ucred))];
};

ssize_t tn_send_fds(int fd, const void *buf, size_t len, const int *fds,
                    size_t n, tn_time deadline)
{
    union control control;
    struct iovec part = {(void *)buf, len};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
    struct cmsghdr *c;

    if (!buf || len == 0 || n > FDS_MAX || (!fds && n))
        return -EINVAL;
    if (n == 0)
        return tn_send(fd, buf, len, 0, deadline);
    memset(&control, 0, sizeof control);
    msg.msg_control = &control;
    msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
    c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n * sizeof(int));
    memcpy(CMSG_DATA(c), fds, n * sizeof(int));
    return tn_sendmsg(fd, &msg, 0, deadline);
}

/* The descriptors of a message that was received. How many. */
static size_t collect(struct tn_hub *h, struct msghdr *msg, int *fds)
{
    size_t n = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        TN_ASSERT(n + here <= FDS_MAX);
        memcpy(fds + n, CMSG_DATA(c), here * sizeof(int));
        for (size_t i = 0; i < here; i++)
            tn__fd_made(&h->loop, fds[n + i]);
        n += here;
    }
    return n;
}

ssize_t tn_recv_fds(int fd, void *buf, size_t len, int *ret_fds, size_t *n,
                    tn_time deadline)
{
    union control control;
    struct iovec part = {buf, len};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    int fds[FDS_MAX];
    size_t got;
    ssize_t r;
    TN__NET_ENTER(h)

    if (!buf || len == 0 || !n || (!ret_fds && *n))
        return -EINVAL;
    r = tn_recvmsg(fd, &msg, MSG_CMSG_CLOEXEC, deadline);
    if (r < 0)
        return r;
    got = collect(h, &msg, fds);
    if ((msg.msg_flags & MSG_CTRUNC) || got > *n) {
        for (size_t i = 0; i < got; i++)
            tn__sys_close(fds[i]);
        return msg.msg_flags & MSG_CTRUNC ? -EMFILE : -EMSGSIZE;
    }
    if (got)
        memcpy(ret_fds, fds, got * sizeof(int));
    *n = got;
    return r;
}

int tn_peer_credentials(int fd, struct tn_credentials *ret_credentials)
{
    struct ucred peer;
    unsigned len = sizeof peer;
    long r;

    if (!ret_credentials)
        return -EINVAL;
    r = tn__sys_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
    if (r < 0)
        return (int)r;
    if (peer.pid == 0)
        return -ENOTCONN;
    ret_credentials->pid = peer.pid;
    ret_credentials->uid = peer.uid;
    ret_credentials->gid = peer.gid;
    return 0;
}
