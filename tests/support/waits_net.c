/* SPDX-License-Identifier: MIT */
/* tests/support/waits_net.c - see waits_net.h. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include "support/waits_net.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

static char byte;
static struct iovec part = {&byte, 1};

static struct msghdr one_part(void)
{
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};

    return msg;
}

/* ---- input ---- */

void open_datagrams(struct wait *w)
{
    assert_result(tn_socketpair(AF_UNIX, SOCK_DGRAM, 0, w->fds), 0);
}

long call_recvfrom(struct wait *w, tn_time deadline)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;

    return tn_recvfrom(w->fds[0], &byte, 1, 0, (struct sockaddr *)&addr, &len,
                       deadline);
}

long call_recvmsg(struct wait *w, tn_time deadline)
{
    struct msghdr msg = one_part();

    return tn_recvmsg(w->fds[0], &msg, 0, deadline);
}

long call_recvmmsg(struct wait *w, tn_time deadline)
{
    struct mmsghdr msgs[2] = {{one_part(), 0}, {one_part(), 0}};

    return tn_recvmmsg(w->fds[0], msgs, 2, 0, deadline);
}

long call_recv_fds(struct wait *w, tn_time deadline)
{
    size_t n = 0;

    return tn_recv_fds(w->fds[0], &byte, 1, NULL, &n, deadline);
}

long call_readv(struct wait *w, tn_time deadline)
{
    return tn_readv(w->fds[0], &part, 1, deadline);
}

long call_select_fds(struct wait *w, tn_time deadline)
{
    fd_set set;

    FD_ZERO(&set);
    if (w->fds[0] >= 0)
        FD_SET(w->fds[0], &set);
    return tn_select_fds(FD_SETSIZE, &set, NULL, NULL, deadline);
}

/* ---- output ---- */

void open_full_datagrams(struct wait *w)
{
    open_datagrams(w);
    fill(w->fds[0]);
}

void open_full_pair(struct wait *w)
{
    open_pair(w->fds);
    fill(w->fds[0]);
}

void open_full_pair_and_file(struct wait *w)
{
    open_full_pair(w);
    w->fds[2] = memfd_create("waits", MFD_CLOEXEC);
    assert_result(write(w->fds[2], "x", 1), 1);
}

long call_sendto(struct wait *w, tn_time deadline)
{
    return tn_sendto(w->fds[0], "x", 1, 0, NULL, 0, deadline);
}

long call_sendmsg(struct wait *w, tn_time deadline)
{
    struct msghdr msg = one_part();

    return tn_sendmsg(w->fds[0], &msg, 0, deadline);
}

long call_sendmmsg(struct wait *w, tn_time deadline)
{
    struct mmsghdr msg = {one_part(), 0};

    return tn_sendmmsg(w->fds[0], &msg, 1, 0, deadline);
}

long call_writev(struct wait *w, tn_time deadline)
{
    return tn_writev(w->fds[0], &part, 1, deadline);
}

long call_sendfile(struct wait *w, tn_time deadline)
{
    off_t at = 0;

    return tn_sendfile(w->fds[0], w->fds[2], &at, 1, deadline);
}

/* From a socket to a pipe. */
void open_pair_and_pipe(struct wait *w)
{
    int fds[2];

    open_pair(w->fds);
    open_pipe(fds);
    w->fds[2] = fds[0];
    w->fds[3] = fds[1];
}

long call_splice(struct wait *w, tn_time deadline)
{
    return tn_splice(w->fds[0], NULL, w->fds[3], NULL, 1, 0, deadline);
}
