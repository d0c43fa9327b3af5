/* SPDX-License-Identifier: MIT */
/* tests/support/datagrams.h - a datagram server that answers, and its clients.
 */
#ifndef TN_TESTS_DATAGRAMS_H
#define TN_TESTS_DATAGRAMS_H

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "support/service.h"

/* Sends back what it got. */
static inline void answer(tn_datagram_server *s, const struct tn_datagram *d,
                          void *arg)
{
    (void)arg;
    assert_true(((const char *)d->data)[0] != '!');
    assert_result(tn_datagram_server_send(s, d, TN_FOREVER), 0);
}

/* Waits for the event, then sends back; notes when it is killed. */
static inline void answer_later(tn_datagram_server *s,
                                const struct tn_datagram *d, void *arg)
{
    if (tn_event_wait(arg, TN_FOREVER) < 0) {
        note("killed");
        return;
    }
    assert_result(tn_datagram_server_send(s, d, TN_FOREVER), 0);
}

static inline tn_datagram_server *
start(tn_datagram_fn fn, void *arg, const struct tn_datagram_server_options *o)
{
    tn_datagram_server *s;

    assert_result(tn_datagram_server_new("127.0.0.1:0", fn, arg, o, &s), 0);
    assert_result(tn_datagram_server_port(s), 0);
    assert_result(tn_datagram_server_start(s), 0);
    assert_result(tn_datagram_server_start(s), 0); /* runs already */
    assert_true(tn_datagram_server_port(s) > 0);
    return s;
}

static inline void finish(tn_datagram_server *s)
{
    assert_result(tn_datagram_server_stop(s, TN_FOREVER), 0);
    assert_result(tn_datagram_server_port(s), 0);
    assert_result(tn_datagram_server_fd(s), -1);
    tn_datagram_server_free(s);
    settle();
}

static inline struct tn_datagram_server_stats count(const tn_datagram_server *s)
{
    struct tn_datagram_server_stats stats = {.size = sizeof stats};

    assert_result(tn_datagram_server_stats(s, &stats), 0);
    return stats;
}

static inline int dial(const tn_datagram_server *s)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    int fd = tn_socket(AF_INET, SOCK_DGRAM, 0);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    addr.sin_port = htons((uint16_t)tn_datagram_server_port(s));
    assert_result(
        tn_connect(fd, (struct sockaddr *)&addr, sizeof addr, TN_FOREVER), 0);
    return fd;
}

static inline void say(int fd, const char *text)
{
    size_t len = strlen(text);

    assert_result(tn_send(fd, text, len, 0, TN_FOREVER), len);
}

static inline void hear(int fd, const char *text)
{
    char buf[64];
    size_t len = strlen(text);

    assert_result(tn_recv(fd, buf, sizeof buf, 0, TN_FOREVER), len);
    assert_memory_equal(buf, text, len);
}

static inline void hears_nothing(int fd)
{
    char buf[64];

    let_loop_look();
    assert_result(tn_recv(fd, buf, sizeof buf, 0, TN_NOWAIT), -EAGAIN);
}

static inline int be_a_client(void *arg)
{
    int fd = dial(arg);

    for (int i = 0; i < 5; i++) {
        say(fd, "hello");
        hear(fd, "hello");
    }
    return tn_close(fd);
}

#endif /* TN_TESTS_DATAGRAMS_H */
