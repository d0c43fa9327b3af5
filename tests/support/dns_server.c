/* SPDX-License-Identifier: MIT */
/* A name server for tests. Answers one question of a message; RFC 1035. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "support/dns_server.h"

enum { A = 1, CNAME = 5, PTR = 12, AAAA = 28, MESSAGE_MAX = 512 };
enum { SERVFAIL = 2, NXDOMAIN = 3, REFUSED = 5 };

struct message {
    unsigned char bytes[MESSAGE_MAX + 2];
    size_t n;
};

static void put16(struct message *m, unsigned value)
{
    m->bytes[m->n++] = (unsigned char)(value >> 8);
    m->bytes[m->n++] = (unsigned char)value;
}

/* "a.test" as labels. */
static void put_name(struct message *m, const char *name)
{
    while (*name) {
        size_t n = strcspn(name, ".");

        m->bytes[m->n++] = (unsigned char)n;
        memcpy(m->bytes + m->n, name, n);
        m->n += n;
        name += n + (name[n] == '.');
    }
    m->bytes[m->n++] = 0;
}

/* The question's name as text, and its type. */
static int read_question(const struct message *m, char *name, int *ret_type)
{
    size_t at = 12, to = 0;

    while (at < m->n && m->bytes[at]) {
        size_t n = m->bytes[at++];

        if (n > 63 || at + n >= m->n || to + n + 2 > 256)
            return -1;
        memcpy(name + to, m->bytes + at, n);
        to += n;
        name[to++] = '.';
        at += n;
    }
    if (to == 0 || at + 5 > m->n)
        return -1;
    name[to - 1] = '\0';
    *ret_type = m->bytes[at + 1] << 8 | m->bytes[at + 2];
    return (int)at + 5;
}

static void put_record(struct message *m, const char *name, int type,
                       unsigned ttl, const void *data, size_t n)
{
    put_name(m, name);
    put16(m, (unsigned)type);
    put16(m, 1);
    put16(m, ttl >> 16);
    put16(m, ttl);
    put16(m, (unsigned)n);
    memcpy(m->bytes + m->n, data, n);
    m->n += n;
    m->bytes[7]++; /* answers */
}

static void put_name_record(struct message *m, const char *name, int type,
                            const char *target)
{
    struct message data = {.n = 0};

    put_name(&data, target);
    put_record(m, name, type, 3600, data.bytes, data.n);
}

static void put_addr(struct message *m, const char *name, int type,
                     unsigned ttl, const char *four, const char *six)
{
    unsigned char addr[16];

    if (type == A && four && inet_pton(AF_INET, four, addr))
        put_record(m, name, A, ttl, addr, 4);
    if (type == AAAA && six && inet_pton(AF_INET6, six, addr))
        put_record(m, name, AAAA, ttl, addr, 16);
}

static bool is(const char *name, const char *other)
{
    return strcmp(name, other) == 0;
}

/* Write the answers to the question; the error code. */
static int answer(struct message *m, const char *name, int type)
{
    static const char *const fours[] = {"four.test", "late.test", "wrong.test",
                                        "long.test"};

    if (is(name, "a.test") || is(name, "short.test")) {
        put_addr(m, name, type, is(name, "a.test") ? 3600 : 2, "192.0.2.1",
                 "2001:db8::1");
        return 0;
    }
    if (is(name, "alias.test")) {
        put_name_record(m, name, CNAME, "a.test");
        put_addr(m, "a.test", type, 3600, "192.0.2.1", "2001:db8::1");
        return 0;
    }
    if (is(name, "4.2.0.192.in-addr.arpa")) {
        put_name_record(m, name, PTR, "four.test");
        return 0;
    }
    for (size_t i = 0; i < sizeof fours / sizeof fours[0]; i++) {
        if (is(name, fours[i])) {
            put_addr(m, name, type, 3600, "192.0.2.4", NULL);
            return 0;
        }
    }
    return is(name, "fail.test")     ? SERVFAIL
           : is(name, "refuse.test") ? REFUSED
                                     : NXDOMAIN;
}

/* Turn a question into its answer. The question's name goes to `name`; -1 when
 * it is none. */
static int reply(struct message *m, char *name)
{
    int type, end = read_question(m, name, &type), code;

    if (end < 0)
        return -1;
    m->n = (size_t)end;
    m->bytes[2] = 0x85; /* an answer, with authority, recursion wanted */
    memset(m->bytes + 6, 0, 6);
    code = answer(m, name, type);
    m->bytes[3] = (unsigned char)(0x80 | code);
    return 0;
}

static void send_to(int fd, const struct message *m,
                    const struct sockaddr_in *to)
{
    assert_true(sendto(fd, m->bytes, m->n, MSG_DONTWAIT, (const void *)to,
                       sizeof *to) == (ssize_t)m->n);
}

/* What must be ignored: another number, and another question. (What c-ares does
 * with a message that cannot be read differs by its version.) */
static void send_wrong(int fd, const struct message *m,
                       const struct sockaddr_in *to)
{
    struct message w = *m;

    w.bytes[0] ^= 0x55;
    send_to(fd, &w, to);
    w = *m;
    w.bytes[13] ^= 3; /* a letter of the name asked for */
    w.bytes[w.n - 1] ^= 0xff;
    send_to(fd, &w, to);
}

struct later {
    int fd;
    struct message m;
    struct sockaddr_in to;
};

static int send_later(void *arg)
{
    struct later later = *(struct later *)arg;

    if (tn_sleep(tn_after_ms(30)) == 0)
        send_to(later.fd, &later.m, &later.to);
    return 0;
}

static void serve_one(struct dns_server *s)
{
    struct later l = {.fd = s->udp};
    socklen_t len = sizeof l.to;
    char name[256];
    ssize_t n = recvfrom(s->udp, l.m.bytes, MESSAGE_MAX, MSG_DONTWAIT,
                         (struct sockaddr *)&l.to, &len);

    if (n < 0)
        return;
    l.m.n = (size_t)n;
    s->n_queries++;
    if (reply(&l.m, name) < 0 || is(name, "silent.test"))
        return;
    if (is(name, "long.test")) {
        l.m.bytes[2] |= 2; /* cut short */
        l.m.bytes[7] = 0;
    }
    if (is(name, "wrong.test"))
        send_wrong(s->udp, &l.m, &l.to);
    if (is(name, "late.test")) {
        spawn_detached(send_later, &l);
        assert_result(tn_yield(), 0); /* it takes its copy */
        return;
    }
    send_to(s->udp, &l.m, &l.to);
}

static int serve_udp(void *arg)
{
    struct dns_server *s = arg;
    struct pollfd p = {.fd = s->udp, .events = POLLIN};

    while (tn_poll(&p, 1, TN_FOREVER) == 1)
        serve_one(s);
    return 0;
}

static int read_exactly(int fd, unsigned char *buf, size_t n)
{
    size_t got = 0;

    while (got < n) {
        ssize_t r = tn_read(fd, buf + got, n - got, TN_FOREVER);

        if (r <= 0)
            return -1;
        got += (size_t)r;
    }
    return 0;
}

static int serve_tcp(void *arg)
{
    struct dns_server *s = arg;
    int fd;

    while ((fd = tn_accept(s->tcp, NULL, NULL, TN_FOREVER)) >= 0) {
        unsigned char size[2];
        struct message m;
        char name[256];

        while (read_exactly(fd, size, 2) == 0) {
            m.n = (size_t)(size[0] << 8 | size[1]);
            if (m.n > MESSAGE_MAX || read_exactly(fd, m.bytes, m.n) < 0)
                break;
            s->n_tcp++;
            if (reply(&m, name) < 0)
                break;
            size[0] = (unsigned char)(m.n >> 8);
            size[1] = (unsigned char)m.n;
            if (tn_write_all(fd, size, 2, NULL, TN_FOREVER) < 0 ||
                tn_write_all(fd, m.bytes, m.n, NULL, TN_FOREVER) < 0)
                break; /* it has gone */
        }
        tn_close(fd);
    }
    return 0;
}

void dns_server_start(struct dns_server *s)
{
    struct sockaddr_in addr;

    memset(s, 0, sizeof *s);
    s->tcp = open_listener(&addr);
    s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->udp, (void *)&addr, sizeof addr), 0);
    snprintf(s->address, sizeof s->address, "127.0.0.1:%d",
             ntohs(addr.sin_port));
    assert_result(tn_config_set("dns_servers", s->address), 0);
    assert_result(tn_config_set("dns", "ares"), 0);
    s->udp_g = spawn(serve_udp, s);
    s->tcp_g = spawn(serve_tcp, s);
}

void dns_server_stop(struct dns_server *s)
{
    tn_kill(s->udp_g, TN_FOREVER);
    tn_kill(s->tcp_g, TN_FOREVER);
    join(s->udp_g);
    join(s->tcp_g);
    tn_close(s->udp);
    tn_close(s->tcp);
}
