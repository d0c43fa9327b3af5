/* SPDX-License-Identifier: MIT */
/* server/bind.c - the socket of a server: made at an address, or given.
 *
 * A unix socket leaves its path behind when it is closed, where the next start
 * would find it in use. So the server removes it: if what is there still is
 * what it made, for a successor may have put its own there. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <tendril/net.h>
#include <tendril/server.h>
#include <unistd.h>

#include "server/common.h"

static int option_of(int fd, int name, int *ret)
{
    socklen_t len = sizeof *ret;

    return getsockopt(fd, SOL_SOCKET, name, ret, &len) < 0 ? -errno : 0;
}

int tn__server_judge(int fd, int type)
{
    int is = 0, is_listening = 1, err_before = errno;
    int r = fd > 2 ? option_of(fd, SO_TYPE, &is) : -EINVAL;

    if (r == 0 && type == SOCK_STREAM)
        r = option_of(fd, SO_ACCEPTCONN, &is_listening);
    errno = err_before;
    if (r < 0)
        return r;
    return is == type && is_listening ? 0 : -EINVAL;
}

static int listen_at(const struct tn__server_place *place)
{
    struct tn_listen_options options = TN_LISTEN_OPTIONS;

    options.backlog = place->backlog;
    options.flags = TN_LISTEN_REPLACE_DEAD;
    if (place->flags & TN_SERVER_REUSEPORT)
        options.flags |= TN_LISTEN_REUSEPORT;
    return tn_listen_with(place->addr, &options);
}

/* Without SO_REUSEADDR, by which two datagram sockets could have one port. */
static int bind_to(int fd, const struct sockaddr_storage *at, socklen_t len,
                   int flags)
{
    int on = 1, off = 0;

    if (at->ss_family != AF_UNIX && (flags & TN_SERVER_REUSEPORT) &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
        return -errno;
    if (at->ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    return bind(fd, (const struct sockaddr *)at, len) < 0 ? -errno : 0;
}

static int bind_at(const struct tn__server_place *place,
                   const struct sockaddr_storage *at, socklen_t len)
{
    int fd = tn_socket(at->ss_family, SOCK_DGRAM, 0), r;

    if (fd < 0)
        return fd;
    r = bind_to(fd, at, len, place->flags);
    if (r < 0) {
        tn_close(fd);
        return r;
    }
    return fd;
}

static const char *path_of(const struct sockaddr_storage *at)
{
    return ((const struct sockaddr_un *)(const void *)at)->sun_path;
}

static int take_given(struct tn__server_place *place)
{
    int fd = place->given, r;

    if (fd < 0)
        return -EBADF;
    r = tn_fd_adopt(fd);
    if (r < 0)
        return r;
    place->given = -1;
    return fd;
}

int tn__server_open(struct tn__server_place *place, int type)
{
    int err_before = errno, fd, r;
    struct sockaddr_storage at;
    struct stat made;
    socklen_t len;

    if (!place->addr)
        return take_given(place);
    r = tn_addr_parse(place->addr, &at, &len);
    if (r < 0)
        return r;
    fd = type == SOCK_STREAM ? listen_at(place) : bind_at(place, &at, len);
    if (fd >= 0 && at.ss_family == AF_UNIX && stat(path_of(&at), &made) == 0) {
        place->path_dev = made.st_dev;
        place->path_ino = made.st_ino;
    }
    errno = err_before;
    return fd;
}

void tn__server_close(struct tn__server_place *place, int fd)
{
    int err_before = errno;
    struct sockaddr_storage at;
    struct stat found;
    socklen_t len;

    if (place->path_ino && tn_addr_parse(place->addr, &at, &len) == 0 &&
        stat(path_of(&at), &found) == 0 && found.st_dev == place->path_dev &&
        found.st_ino == place->path_ino)
        unlink(path_of(&at));
    place->path_ino = 0;
    tn_close(fd);
    errno = err_before;
}

int tn__server_port(int fd)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;

    if (fd < 0 || getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        return 0;
    if (at.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&at)->sin_port);
    if (at.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&at)->sin6_port);
    return 0;
}
