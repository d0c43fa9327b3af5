/* SPDX-License-Identifier: MIT */
/* net/addr.c - numeric addresses from text, and the sockets made with them. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <tendril/net.h>
#include <unistd.h>

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

/* A socket for an address, as tendril's. */
static int open_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r;

    if (fd < 0)
        return -errno;
    r = tn__net_own(fd);
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

static int bind_and_listen(int fd, const struct sockaddr_storage *addr,
                           socklen_t len, int backlog)
{
    int on = 1, off = 0;

    if (addr->ss_family != AF_UNIX &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return -errno;
    if (addr->ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, (const struct sockaddr *)addr, len) < 0 ||
        listen(fd, backlog) < 0)
        return -errno;
    return 0;
}

int tn_listen(const char *addr, int backlog)
{
    struct sockaddr_storage at;
    socklen_t len;
    int r = tn_addr_parse(addr, &at, &len), fd, err_before = errno;

    if (r < 0)
        return r;
    fd = open_socket(at.ss_family);
    if (fd >= 0) {
        r = bind_and_listen(fd, &at, len, backlog);
        if (r < 0)
            tn_close(fd);
    }
    errno = err_before;
    return fd < 0 ? fd : r < 0 ? r : fd;
}

int tn_dial(const char *addr, tn_time deadline)
{
    struct sockaddr_storage at;
    socklen_t len;
    int r = tn_addr_parse(addr, &at, &len), fd, err_before = errno;

    if (r < 0)
        return r;
    fd = open_socket(at.ss_family);
    errno = err_before;
    if (fd < 0)
        return fd;
    r = tn_connect(fd, (struct sockaddr *)&at, len, deadline);
    if (r < 0) {
        tn_close(fd);
        return r;
    }
    return fd;
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

    if (socketpair(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol,
                   fds) < 0) {
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
