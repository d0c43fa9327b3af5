/* SPDX-License-Identifier: MIT */
/* net/addr.c - numeric addresses from text, sockets, and listening at them. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <tendril/net.h>
#include <unistd.h>

#include "base/own.h"
#include "base/sized.h"
#include "base/sys.h"
#include "hub/hub.h"
#include "net/fd.h"

enum { HOST_MAX = 64 };

static int parse_unix(const char *path, struct sockaddr_storage *addr,
                      socklen_t *len)
{
    struct sockaddr_un *un = (struct sockaddr_un *)addr;
    size_t n = strlen(path);

    if (n == 0)
        return -EINVAL;
    if (n >= sizeof un->sun_path)
        return -ENAMETOOLONG;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, n + 1);
    if (path[0] == '@') /* the abstract name space, as ss(8) writes it */
        un->sun_path[0] = '\0';
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n +
                       (path[0] != '@'));
    return 0;
}

static int parse_port(const char *text)
{
    int port = 0;

    if (!*text)
        return -EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        port = port * 10 + (*text - '0');
        if (port > 65535)
            return -EINVAL;
    }
    return port;
}

static int has_ipv6(void)
{
    int err_before = errno;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0)
        close(fd);
    errno = err_before;
    return fd >= 0;
}

static int fill(const char *host, int port, struct sockaddr_storage *addr,
                socklen_t *len)
{
    struct sockaddr_in *in4 = (struct sockaddr_in *)addr;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)addr;
    int is_any = host[0] == '\0' || strcmp(host, "*") == 0;

    if (inet_pton(AF_INET, host, &in4->sin_addr) == 1 ||
        (is_any && !has_ipv6())) {
        in4->sin_family = AF_INET;
        in4->sin_port = htons((uint16_t)port);
        *len = sizeof *in4;
        return 0;
    }
    if (is_any || inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        *len = sizeof *in6;
        return 0;
    }
    return -EINVAL;
}

int tn_addr_parse(const char *text, struct sockaddr_storage *ret_addr,
                  socklen_t *ret_len)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = 0;
    const char *colon, *start = text;
    char host[HOST_MAX];
    size_t n;
    int r;

    if (!text || !ret_addr || !ret_len)
        return -EINVAL;
    if (strncmp(text, "unix:", 5) == 0) {
        r = parse_unix(text + 5, &addr, &len);
    } else {
        colon = strrchr(text, ':');
        if (!colon)
            return -EINVAL;
        n = (size_t)(colon - text);
        if (n >= 2 && text[0] == '[' && colon[-1] == ']') {
            start++;
            n -= 2;
            if (!memchr(start, ':', n))
                return -EINVAL; /* brackets are for IPv6 */
        } else if (memchr(text, ':', n)) {
            return -EINVAL; /* an IPv6 address without brackets */
        }
        if (n >= sizeof host)
            return -EINVAL;
        memcpy(host, start, n);
        host[n] = '\0';
        r = parse_port(colon + 1);
        if (r >= 0)
            r = fill(host, r, &addr, &len);
    }
    if (r < 0)
        return r;
    *ret_addr = addr;
    *ret_len = len;
    return 0;
}

int tn__net_socket(int domain, int type, int protocol)
{
    int err_before = errno, r;
    int fd = socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

    if (fd < 0)
        fd = -errno;
    errno = err_before;
    r = fd < 0 ? fd : tn__net_own(fd);
    if (r < 0 && fd >= 0)
        tn_close(fd);
    return r < 0 ? r : fd;
}

int tn_socket(int domain, int type, int protocol)
{
    return tn__net_socket(domain, type, protocol);
}

/* ---- listening ---- */

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

/* Nobody listens at the unix socket of this path: a connection to it is
 * refused. */
static bool is_dead(const struct sockaddr_un *un, socklen_t len)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_refused;

    if (fd < 0)
        return false;
    is_refused = TN_OWN(connect(fd, (const struct sockaddr *)un, len)) < 0 &&
                 errno == ECONNREFUSED;
    close(fd);
    return is_refused;
}

/* Remove the socket that one who has ended has left at the path. */
static void remove_dead(const struct sockaddr_un *un, socklen_t len)
{
    struct stat before, now;

    if (un->sun_path[0] == '\0' || lstat(un->sun_path, &before) < 0 ||
        !S_ISSOCK(before.st_mode) || !is_dead(un, len))
        return;
    /* Another may have replaced it meanwhile. */
    if (lstat(un->sun_path, &now) == 0 && now.st_ino == before.st_ino &&
        now.st_dev == before.st_dev)
        unlink(un->sun_path);
}

static int bind_unix(int fd, const struct sockaddr_un *un, socklen_t len,
                     const struct tn_listen_options *options)
{
    const struct sockaddr *addr = (const struct sockaddr *)un;
    bool has_mode = options->mode >= 0 && un->sun_path[0] != '\0';
    int r;

    /* Before it has a name: it is never open to more than it shall be. */
    if (has_mode && fchmod(fd, (mode_t)options->mode) < 0)
        return -errno;
    r = bind(fd, addr, len) < 0 ? -errno : 0;
    if (r == -EADDRINUSE && (options->flags & TN_LISTEN_REPLACE_DEAD)) {
        remove_dead(un, len);
        r = bind(fd, addr, len) < 0 ? -errno : 0;
    }
    /* The umask has taken from it. */
    if (r == 0 && has_mode && chmod(un->sun_path, (mode_t)options->mode) < 0) {
        r = -errno;
        unlink(un->sun_path);
    }
    return r;
}

static int bind_inet(int fd, const struct sockaddr *addr, socklen_t len,
                     int flags)
{
    int r = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);

    if (r == 0 && (flags & TN_LISTEN_REUSEPORT))
        r = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (r == 0 && addr->sa_family == AF_INET6)
        r = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY,
                       !!(flags & TN_LISTEN_V6ONLY));
    if (r == 0 && bind(fd, addr, len) < 0)
        r = -errno;
    return r;
}

int tn_listen_with(const char *addr, const struct tn_listen_options *options)
{
    struct tn_listen_options full = TN_LISTEN_OPTIONS;
    struct sockaddr_storage at;
    socklen_t len;
    int r, fd, err_before = errno;

    r = tn__sized_read(&full, sizeof full, options);
    if (r < 0 || full.mode > 07777)
        return -EINVAL;
    r = tn_addr_parse(addr, &at, &len);
    fd = r < 0 ? r : tn__net_socket(at.ss_family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    if (at.ss_family == AF_UNIX)
        r = bind_unix(fd, (const struct sockaddr_un *)&at, len, &full);
    else
        r = bind_inet(fd, (const struct sockaddr *)&at, len, full.flags);
    if (r == 0 && listen(fd, full.backlog) < 0) {
        r = -errno;
        if (at.ss_family == AF_UNIX) /* it is dead */
            unlink(((struct sockaddr_un *)&at)->sun_path);
    }
    if (r < 0)
        tn_close(fd);
    errno = err_before;
    return r < 0 ? r : fd;
}

int tn_listen(const char *addr, int backlog)
{
    struct tn_listen_options options = TN_LISTEN_OPTIONS;

    options.backlog = backlog;
    return tn_listen_with(addr, &options);
}

static int adopt_both(int fds[2], int ret_fds[2])
{
    int r = tn__net_own(fds[0]);

    if (r == 0)
        r = tn__net_own(fds[1]);
    if (r < 0) {
        tn_close(fds[0]);
        tn_close(fds[1]);
        return r;
    }
    ret_fds[0] = fds[0];
    ret_fds[1] = fds[1];
    return 0;
}

int tn_socketpair(int domain, int type, int protocol, int ret_fds[2])
{
    int fds[2], err_before = errno, r;

    if (socketpair(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol, fds) <
        0) {
        r = -errno;
        errno = err_before;
        return r;
    }
    return adopt_both(fds, ret_fds);
}

int tn_pipe(int ret_fds[2])
{
    int fds[2], err_before = errno, r;

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
        r = -errno;
        errno = err_before;
        return r;
    }
    return adopt_both(fds, ret_fds);
}
