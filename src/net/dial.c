/* SPDX-License-Identifier: MIT */
/* net/dial.c - connecting: to an address, and to a name that has several.
 *
 * Of several addresses the first that answers is taken, as RFC 8305 has it. The
 * families take turns, IPv6 first. An attempt begins 250 ms after the one
 * before, or at once when that one fails, and those before go on. One greenlet
 * waits for all of them with one poll: there is nothing to clean up after a
 * deadline or a kill but sockets. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <tendril/dns.h>
#include <tendril/net.h>

#include "base/sys.h"
#include "net/fd.h"

enum { ATTEMPTS_MAX = 32, HOST_MAX = 256 };
#define ATTEMPT_DELAY_MS 250

/* ---- one address ---- */

/* connect() once, without waiting for its verdict. */
static long begin_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    long flags = tn__sys_fcntl(fd, F_GETFL, 0), r;

    if (flags < 0)
        return flags;
    if (flags & O_NONBLOCK)
        return tn__sys_connect(fd, addr, len);
    r = tn__sys_fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    if (r < 0)
        return r;
    r = tn__sys_connect(fd, addr, len);
    tn__sys_fcntl(fd, F_SETFL, flags);
    return r;
}

/* A unix socket whose peer's queue is full says EAGAIN, and the kernel offers
 * no way to wait for room: try again, at growing distances. */
static long connect_again(struct tn_hub *h, int fd, const struct sockaddr *addr,
                          socklen_t len, tn_time deadline)
{
    int64_t us = 0;
    long r, connected;

    do {
        r = tn__net_pause(h, fd, &us, deadline, "tn_connect");
        if (r < 0)
            return r;
        connected = begin_connect(fd, addr, len);
    } while (r == 0 && connected == -EAGAIN);
    return connected == -EAGAIN ? -ETIME : connected;
}

int tn_connect(int fd, const struct sockaddr *addr, socklen_t len,
               tn_time deadline)
{
    struct tn__op op = {.code = TN__OP_CONNECT, .fd = fd};
    long r;
    TN__NET_ENTER(h)

    if (TN_UNLIKELY(h->current->alert)) {
        r = tn__hub_alert(h, h->current, deadline);
        if (r)
            return (int)r;
    }
    r = begin_connect(fd, addr, len);
    if (r == -EAGAIN && deadline != TN_NOWAIT)
        r = connect_again(h, fd, addr, len, deadline);
    if (r == -EINPROGRESS)
        return (int)tn__hub_io(h, &op, deadline, "tn_connect");
    tn__hub_tick(h);
    return (int)r;
}

static int dial_one(const struct sockaddr *addr, socklen_t len,
                    tn_time deadline)
{
    int fd = tn__net_socket(addr->sa_family, SOCK_STREAM, 0), r;

    if (fd < 0)
        return fd;
    r = tn_connect(fd, addr, len, deadline);
    if (r == 0)
        return fd;
    tn_close(fd);
    return r;
}

/* ---- several ---- */

struct attempts {
    const struct addrinfo *order[ATTEMPTS_MAX];
    int n;                          /* of `order` */
    int next;                       /* of these, which to begin */
    struct tn__op ops[ATTEMPTS_MAX]; /* of those under way: POLLOUT */
    int n_open;                     /* of `ops` */
    int error;                      /* the most telling so far */
};

/* Of several errors one is told: ours before what the network says, and what a
 * peer said before what nobody could reach. */
static int weight_of(int error)
{
    switch (error) {
    case -ECONNREFUSED:
    case -ECONNRESET:
        return 3;
    case -ETIMEDOUT:
        return 2;
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -EADDRNOTAVAIL:
    case -EAFNOSUPPORT:
        return 1;
    default:
        return error ? 4 : 0;
    }
}

static void note_error(struct attempts *a, int error)
{
    if (weight_of(error) >= weight_of(a->error))
        a->error = error;
}

/* The next of a family, or of any other than it. */
static const struct addrinfo *skip(const struct addrinfo *i, int family,
                                   bool is_it)
{
    while (i && (i->ai_family == family) != is_it)
        i = i->ai_next;
    return i;
}

/* IPv6 and the others by turns; within each as they are listed. */
static void put_in_order(struct attempts *a, const struct addrinfo *list)
{
    const struct addrinfo *six = skip(list, AF_INET6, true);
    const struct addrinfo *other = skip(list, AF_INET6, false);

    while ((six || other) && a->n < ATTEMPTS_MAX) {
        if (six) {
            a->order[a->n++] = six;
            six = skip(six->ai_next, AF_INET6, true);
        }
        if (other && a->n < ATTEMPTS_MAX) {
            a->order[a->n++] = other;
            other = skip(other->ai_next, AF_INET6, false);
        }
    }
}

/* Begin the next attempt. A descriptor: it is connected already; else -1. */
static int begin(struct attempts *a)
{
    const struct addrinfo *to = a->order[a->next++];
    int fd = tn__net_socket(to->ai_family, SOCK_STREAM, 0);
    long r = fd < 0 ? fd : begin_connect(fd, to->ai_addr, to->ai_addrlen);

    if (r == 0)
        return fd;
    if (r == -EINPROGRESS) {
        a->ops[a->n_open++] = (struct tn__op){.code = TN__OP_POLL, .fd = fd,
                                              .flags = POLLOUT};
        return -1;
    }
    note_error(a, (int)r);
    if (fd >= 0)
        tn_close(fd);
    return -1;
}

static int verdict_of(int fd)
{
    int error = 0;
    unsigned len = sizeof error;
    long r = tn__sys_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);

    return r < 0 ? (int)r : -error;
}

/* Look at those that poll() found done. The descriptor of one that succeeded,
 * which is no attempt any more; or -1. */
static int settle(struct attempts *a)
{
    int kept = 0, winner = -1;

    for (int i = 0; i < a->n_open; i++) {
        int fd = a->ops[i].fd, r = 0;

        if (winner >= 0 || !a->ops[i].is_done) {
            a->ops[kept++] = a->ops[i];
            continue;
        }
        r = a->ops[i].result < 0 ? (int)a->ops[i].result : verdict_of(fd);
        if (r == 0) {
            winner = fd;
            continue;
        }
        note_error(a, r);
        tn_close(fd);
    }
    a->n_open = kept;
    return winner;
}

static void give_up(struct attempts *a)
{
    for (int i = 0; i < a->n_open; i++)
        tn_close(a->ops[i].fd);
    a->n_open = 0;
}

/* A descriptor or a negative errno. Attempts may be left. */
static int race(struct tn_hub *h, struct attempts *a, tn_time deadline)
{
    tn_time begin_at = 0;

    for (;;) {
        bool is_more = a->next < a->n, is_own;
        int n_before = a->n_open, fd;
        tn_time until;
        long r;

        if (is_more && (a->n_open == 0 || tn_now() >= begin_at)) {
            fd = begin(a);
            if (fd >= 0)
                return fd;
            if (a->n_open == n_before)
                continue; /* it has failed at once */
            begin_at = tn_after_ms(ATTEMPT_DELAY_MS);
            is_more = a->next < a->n;
        }
        if (a->n_open == 0)
            return a->error;
        is_own = !is_more || deadline <= begin_at;
        until = is_own ? deadline : begin_at;
        r = tn__hub_poll(h, a->ops, (size_t)a->n_open, until, "tn_dial");
        if (r < 0 || (r == 0 && is_own))
            return r < 0 ? (int)r : deadline == TN_NOWAIT ? -EAGAIN : -ETIME;
        n_before = a->n_open;
        fd = settle(a);
        if (fd >= 0)
            return fd;
        if (a->n_open < n_before)
            begin_at = 0; /* one has failed: no need to wait for the next */
    }
}

int tn_dial_addrs(const struct addrinfo *list, tn_time deadline)
{
    struct attempts a = {.n = 0};
    int r;
    TN__NET_ENTER(h)

    if (!list)
        return -EINVAL;
    if (TN_UNLIKELY(h->current->alert)) {
        r = tn__hub_alert(h, h->current, deadline);
        if (r)
            return r;
    }
    put_in_order(&a, list);
    if (a.n == 1)
        return dial_one(list->ai_addr, list->ai_addrlen, deadline);
    r = race(h, &a, deadline);
    give_up(&a);
    tn__hub_tick(h);
    return r;
}

/* ---- names ---- */

/* Split "host:port" or "[host]:port". The port, in `addr`; or NULL. */
static const char *split(const char *addr, char *host)
{
    const char *from = addr, *colon = strrchr(addr, ':'), *to = colon;

    if (addr[0] == '[') {
        from++;
        to = strchr(addr, ']');
        if (!to || to + 1 != colon)
            return NULL;
    }
    if (!colon || to == from || colon[1] == '\0' || to - from >= HOST_MAX ||
        (addr[0] != '[' && memchr(from, ':', (size_t)(to - from))))
        return NULL;
    memcpy(host, from, (size_t)(to - from));
    host[to - from] = '\0';
    return colon + 1;
}

/* The name of a service, or a number that is a port: libc would take the low
 * 16 bits of any number, and blanks and a sign before it. */
static bool is_port(const char *text)
{
    const char *c = text;
    long port = 0;

    if (*c == ' ' || (*c >= '\t' && *c <= '\r') || *c == '+' || *c == '-')
        return false;
    for (; *c >= '0' && *c <= '9'; c++)
        if (port <= 65535)
            port = port * 10 + (*c - '0');
    return port <= 65535 || *c != '\0';
}

static int dial_name(const char *addr, tn_time deadline)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    char host[HOST_MAX];
    const char *port = split(addr, host);
    int r;

    if (!port || !is_port(port))
        return -EINVAL;
    r = tn_getaddrinfo(host, port, &hints, &list, deadline);
    if (r < 0)
        return r;
    r = tn_dial_addrs(list, deadline);
    tn_freeaddrinfo(list);
    return r;
}

int tn_dial(const char *addr, tn_time deadline)
{
    struct sockaddr_storage at;
    socklen_t len;
    int r = tn_addr_parse(addr, &at, &len);

    if (r == -EINVAL && addr && strncmp(addr, "unix:", 5) != 0)
        return dial_name(addr, deadline);
    if (r < 0)
        return r;
    return dial_one((const struct sockaddr *)&at, len, deadline);
}
