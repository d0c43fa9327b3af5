/* SPDX-License-Identifier: MIT */
/* tests/unit/test_faults_server.c - the n-th allocation and the n-th system
 * call fail, in the whole lives of servers. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "support/faults.h"

#define HUB_DOES_WITHOUT "mmap sigaltstack process_madvise pidfd_open madvise"

/* What a server gets over by itself, or does not need. */
static const char *gets_over(const char *more)
{
    static char words[200];

    snprintf(words, sizeof words, "%s %s %s", HUB_DOES_WITHOUT, more,
             strcmp(tn_hub_loop_name(), "ev") == 0 ? "malloc" : "epoll_ctl");
    return words;
}

static void quicken(int64_t *delay_ns_min, int64_t *delay_ns_max)
{
    *delay_ns_min = *delay_ns_max = 1000000;
}

/* ---- streams in a pool ---- */

static void echo_line(tn_stream *stream, const struct sockaddr *peer, void *arg)
{
    char line[64];
    ssize_t n = tn_stream_read_line(stream, line, sizeof line, TN_FOREVER);

    (void)peer;
    (void)arg;
    if (n > 0)
        (void)!tn_stream_write(stream, line, (size_t)n, NULL, TN_FOREVER);
}

static int talk(const char *addr)
{
    char buf[8];
    ssize_t r;
    int fd = tn_dial(addr, TN_FOREVER);

    if (fd < 0)
        return fd;
    r = tn_send_all(fd, "line\n", 5, 0, NULL, TN_FOREVER);
    if (r == 0)
        r = tn_recv(fd, buf, 5, MSG_WAITALL, TN_FOREVER);
    tn_close(fd);
    return r < 0 ? (int)r : r == 5 ? 0 : -EPIPE; /* it was turned away */
}

static int serve_and_talk(tn_stream_server *s)
{
    int r = tn_stream_server_start(s), stopped;
    char addr[32];

    if (r < 0)
        return r;
    snprintf(addr, sizeof addr, "127.0.0.1:%d", tn_stream_server_port(s));
    r = tn_stream_server_pause(s);
    if (r == 0)
        r = tn_stream_server_resume(s);
    if (r == 0)
        r = talk(addr);
    stopped = tn_stream_server_stop(s, tn_after_s(10));
    return r < 0 ? r : stopped;
}

static int stream_server_lives(void)
{
    struct tn_stream_server_options options = TN_STREAM_SERVER_OPTIONS;
    tn_stream_server *s;
    int r = tn_pool_new(3, &options.pool);

    if (r < 0)
        return r;
    quicken(&options.delay_ns_min, &options.delay_ns_max);
    r = tn_stream_server_new_buffered("127.0.0.1:0", echo_line, NULL, &options,
                                      &s);
    if (r == 0) {
        r = serve_and_talk(s);
        tn_stream_server_free(s);
    }
    tn_group_free(options.pool);
    return r;
}

static void a_stream_server_with_a_pool(void)
{
    faults_each(stream_server_lives, gets_over("accept4 setsockopt"));
}

/* ---- datagrams ---- */

static void answer(tn_datagram_server *s, const struct tn_datagram *d,
                   void *arg)
{
    (void)arg;
    (void)!tn_datagram_server_send(s, d, TN_FOREVER);
}

/* A datagram may be lost: it asks until there is an answer, or asked enough. */
static int ask(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    int fd = tn_socket(AF_INET, SOCK_DGRAM, 0);
    char byte;
    long r = fd;

    if (fd < 0)
        return fd;
    at.sin_port = htons((uint16_t)port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 20; i++) {
        r = tn_sendto(fd, "x", 1, 0, (struct sockaddr *)&at, sizeof at,
                      TN_FOREVER);
        if (r == 1)
            r = tn_recv(fd, &byte, 1, 0, tn_after_ms(20));
        if (r != -ETIME)
            break;
    }
    tn_close(fd);
    return r < 0 ? (int)r : 0;
}

static int datagram_server_lives_with(int flags)
{
    struct tn_datagram_server_options options = TN_DATAGRAM_SERVER_OPTIONS;
    tn_datagram_server *s;
    int r, stopped;

    quicken(&options.delay_ns_min, &options.delay_ns_max);
    options.flags = flags;
    r = tn_datagram_server_new("127.0.0.1:0", answer, NULL, &options, &s);
    if (r < 0)
        return r;
    r = tn_datagram_server_start(s);
    if (r == 0) {
        r = ask(tn_datagram_server_port(s));
        stopped = tn_datagram_server_stop(s, tn_after_s(10));
        r = r < 0 ? r : stopped;
    }
    tn_datagram_server_free(s);
    return r;
}

static int datagram_server_lives(void)
{
    return datagram_server_lives_with(0);
}

static int inline_server_lives(void)
{
    return datagram_server_lives_with(TN_SERVER_INLINE);
}

static void a_datagram_server(void)
{
    faults_each(datagram_server_lives,
                gets_over("recvmmsg sendto setsockopt malloc calloc"));
}

static void an_inline_datagram_server(void)
{
    faults_each(inline_server_lives,
                gets_over("recvmmsg sendto setsockopt malloc calloc"));
}

/* ---- serving until ---- */

static int stop_it(void *arg)
{
    return tn_stream_server_stop(arg, TN_FOREVER);
}

static void turn_away(int fd, const struct sockaddr *peer, void *arg)
{
    (void)fd;
    (void)peer;
    (void)arg;
}

static int serves_until_a_stop(void)
{
    tn_stream_server *s;
    int r = tn_stream_server_new("127.0.0.1:0", turn_away, NULL, NULL, &s);
    tn_greenlet *g;

    if (r < 0)
        return r;
    r = tn_spawn(stop_it, s, &g);
    if (r == 0) {
        r = tn_stream_server_serve_until(s, NULL, 0, 0);
        tn_kill(g, TN_FOREVER);
        tn_unref(g);
    }
    tn_stream_server_free(s);
    return r;
}

static void a_server_that_serves_until_a_signal(void)
{
    faults_each(serves_until_a_stop, gets_over("accept4 setsockopt"));
}

TEST_MAIN(TEST(a_stream_server_with_a_pool), TEST(a_datagram_server),
          TEST(an_inline_datagram_server),
          TEST(a_server_that_serves_until_a_signal))
