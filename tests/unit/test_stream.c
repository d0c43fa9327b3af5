/* SPDX-License-Identifier: MIT */
/* tests/unit/test_stream.c - stream sockets: short reads, the end, urgent data,
 * large transfers, peers that leave. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "support/green.h"
#include "support/virtual.h"

/* One who receives once, and notes what. */
struct receiver {
    int fd;
    const char *name;
    long r;
};

static int receive_one(void *arg)
{
    struct receiver *me = arg;
    char byte;

    me->r = tn_recv(me->fd, &byte, 1, 0, TN_FOREVER);
    note(me->name);
    return 0;
}

static void the_end_of_a_stream_is_seen_after_a_short_read(void)
{
    char buf[64];
    int fds[2];

    for (int way = 0; way < 2; way++) {
        struct receiver who = {.name = "a"};
        tn_greenlet *g;

        open_tcp(fds);
        who.fd = fds[0];
        g = spawn(receive_one, &who); /* registers it */
        settle();
        assert_result(tn_send(fds[1], "abc", 3, 0, TN_FOREVER), 3);
        if (way == 0) /* data and the end in one event */
            assert_result(shutdown(fds[1], SHUT_WR), 0);
        assert_result(join(g), 0);
        assert_result(tn_recv(fds[0], buf, sizeof buf, 0, TN_FOREVER), 2);
        if (way == 1)
            assert_result(shutdown(fds[1], SHUT_WR), 0);
        assert_result(tn_recv(fds[0], buf, sizeof buf, 0, TN_FOREVER), 0);
        assert_result(tn_recv(fds[0], buf, sizeof buf, 0, TN_FOREVER), 0);
        close_both(fds);
    }
}

static int peek(void *arg)
{
    char buf[64];

    assert_result(tn_recv(*(int *)arg, buf, sizeof buf, MSG_PEEK, TN_FOREVER),
                  3);
    assert_result(tn_recv(*(int *)arg, buf, sizeof buf, MSG_PEEK, TN_FOREVER),
                  3);
    assert_result(tn_recv(*(int *)arg, buf, sizeof buf, 0, TN_FOREVER), 3);
    return 0;
}

static void a_short_peek_does_not_hide_what_is_there(void)
{
    tn_greenlet *g;
    int fds[2];

    open_tcp(fds);
    g = spawn(peek, &fds[0]);
    settle();
    assert_result(tn_send(fds[1], "abc", 3, 0, TN_FOREVER), 3);
    assert_result(join(g), 0);
    close_both(fds);
}

static int receive_around_the_mark(void *arg)
{
    char buf[64];
    int fd = *(int *)arg;

    /* A read stops at the mark, and again behind it. */
    assert_result(tn_recv(fd, buf, sizeof buf, 0, TN_FOREVER), 3);
    assert_result(tn_recv(fd, buf, sizeof buf, MSG_OOB, TN_NOWAIT), 1);
    assert_result(tn_recv(fd, buf, sizeof buf, 0, TN_FOREVER), 3);
    return 0;
}

static void a_read_that_stops_at_urgent_data_is_not_the_end(void)
{
    tn_greenlet *g;
    int fds[2];

    open_tcp(fds);
    g = spawn(receive_around_the_mark, &fds[0]);
    settle();
    assert_result(tn_send(fds[1], "abcU", 4, MSG_OOB, TN_FOREVER), 4);
    assert_result(tn_send(fds[1], "def", 3, 0, TN_FOREVER), 3);
    assert_result(join(g), 0);
    close_both(fds);
}

enum { BULK = 4 << 20 };

static int send_bulk(void *arg)
{
    static char bulk[BULK];
    size_t sent = 0;
    int r;

    memset(bulk, 'b', sizeof bulk);
    r = tn_send_all(*(int *)arg, bulk, sizeof bulk, 0, &sent, TN_FOREVER);
    assert_true(r < 0 || sent == BULK);
    return r < 0 ? r : 0;
}

static void a_large_transfer_arrives_whole(void)
{
    static char buf[30000];
    size_t got = 0;
    tn_greenlet *g;
    int fds[2];

    open_pair(fds);
    g = spawn(send_bulk, &fds[1]);
    while (got < BULK) {
        ssize_t n = tn_recv(fds[0], buf, sizeof buf, 0, TN_FOREVER);

        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_result(join(g), 0);
    assert_true(got == BULK);
    close_both(fds);
}

static void send_to_one_who_left_is_epipe_without_a_signal(void)
{
    tn_greenlet *g;
    int fds[2];

    open_pair(fds);
    g = spawn(send_bulk, &fds[1]);
    settle();
    assert_result(tn_close(fds[0]), 0);
    assert_result(join(g), -EPIPE);
    assert_result(tn_send(fds[1], "x", 1, 0, TN_FOREVER), -EPIPE);
    assert_result(tn_close(fds[1]), 0);
}

static void a_refused_connection_says_so(void)
{
    struct sockaddr_in addr;
    char text[32];
    int fd = open_listener(&addr);

    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(addr.sin_port));
    assert_result(tn_close(fd), 0);
    assert_result(tn_dial(text, TN_FOREVER), -ECONNREFUSED);
}

/* ---- MSG_WAITALL ---- */

struct all {
    int fd;
    char buf[8];
    tn_time deadline;
};

static int receive_all(void *arg)
{
    struct all *me = arg;

    return (int)tn_recv(me->fd, me->buf, 6, MSG_WAITALL, me->deadline);
}

static void waitall_waits_for_all(void)
{
    struct all me = {.deadline = TN_FOREVER};
    tn_greenlet *g;
    int fds[2];

    for (int way = 0; way < 2; way++) {
        if (way)
            open_foreign_pair(fds);
        else
            open_tcp(fds);
        me.fd = fds[0];
        g = spawn(receive_all, &me);
        for (int i = 0; i < 3; i++) {
            assert_result(tn_sleep(tn_after_ms(1)), 0); /* the loop polls */
            assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
            assert_result(tn_send(fds[1], &"abcdefgh"[2 * i], 2, 0, TN_FOREVER),
                          2);
        }
        assert_result(join(g), 6);
        assert_memory_equal(me.buf, "abcdef", 6);
        close_both(fds);
    }
}

static void waitall_gives_what_came_before_the_end_or_the_deadline(void)
{
    struct all me;
    int fds[2];

    open_pair(fds);
    me.fd = fds[0];
    me.deadline = tn_after_ms(1);
    assert_result(receive_all(&me), -ETIME); /* nothing came */
    assert_result(tn_send(fds[1], "abc", 3, 0, TN_FOREVER), 3);
    me.deadline = tn_after_ms(1);
    assert_result(receive_all(&me), 3);
    me.deadline = TN_NOWAIT;
    assert_result(receive_all(&me), -EAGAIN);
    assert_result(tn_send(fds[1], "de", 2, 0, TN_FOREVER), 2);
    assert_result(receive_all(&me), 2);
    assert_result(tn_send(fds[1], "f", 1, 0, TN_FOREVER), 1);
    assert_result(shutdown(fds[1], SHUT_WR), 0);
    me.deadline = TN_FOREVER;
    assert_result(receive_all(&me), 1);
    assert_result(receive_all(&me), 0);
    close_both(fds);
}

static void waitall_leaves_an_error_to_the_next_call(void)
{
    struct linger at_once = {1, 0};
    struct all me = {.deadline = TN_FOREVER};
    tn_greenlet *g;
    int fds[2];

    open_tcp(fds);
    me.fd = fds[0];
    g = spawn(receive_all, &me);
    assert_result(tn_send(fds[1], "abc", 3, 0, TN_FOREVER), 3);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    assert_result(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &at_once,
                             sizeof at_once),
                  0);
    assert_result(tn_close(fds[1]), 0);
    assert_result(join(g), 3);
    assert_result(tn_recv(fds[0], me.buf, 1, 0, TN_FOREVER), -ECONNRESET);
    assert_result(tn_recv(fds[0], me.buf, 1, 0, TN_FOREVER), 0);
    assert_result(tn_close(fds[0]), 0);
}

static void waitall_leaves_messages_single(void)
{
    static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
    struct all me = {.deadline = TN_FOREVER};
    int fds[2];

    for (int i = 0; i < 2; i++) {
        assert_result(tn_socketpair(AF_UNIX, types[i], 0, fds), 0);
        me.fd = fds[0];
        assert_result(tn_send(fds[1], "abc", 3, 0, TN_FOREVER), 3);
        assert_result(tn_send(fds[1], "de", 2, 0, TN_FOREVER), 2);
        assert_result(receive_all(&me), 3);
        assert_result(receive_all(&me), 2);
        close_both(fds);
    }
}

static int peek_at_all(void *arg)
{
    struct all *me = arg;

    return (int)tn_recv(me->fd, me->buf, 6, MSG_WAITALL | MSG_PEEK,
                        me->deadline);
}

static void waitall_peeks_at_all(void)
{
    struct all me = {.deadline = TN_FOREVER};
    tn_greenlet *g;
    int fds[2];

    open_pair(fds);
    me.fd = fds[0];
    for (int i = 0; i < 2; i++) {
        g = spawn(peek_at_all, &me);
        assert_result(tn_send(fds[1], "abc", 3, 0, TN_FOREVER), 3);
        assert_result(tn_sleep(tn_after_ms(2)), 0);
        assert_result(tn_greenlet_is_done(g), 0);
        assert_result(tn_send(fds[1], "def", i ? 2 : 3, 0, TN_FOREVER),
                      i ? 2 : 3);
        if (i) /* the end comes before the rest */
            assert_result(tn_shutdown(fds[1], SHUT_WR), 0);
        assert_result(join(g), i ? 5 : 6);
        assert_memory_equal(me.buf, "abcde", 5);
        assert_result(receive_all(&me), i ? 5 : 6);
    }
    assert_result(peek_at_all(&me), 0);
    close_both(fds);
}

static void a_close_or_a_kill_ends_a_peek_at_all(void)
{
    struct all me = {.deadline = TN_FOREVER};
    tn_greenlet *g;
    int fds[2];

    for (int is_killed = 0; is_killed < 2; is_killed++) {
        open_pair(fds);
        me.fd = fds[0];
        assert_result(tn_send(fds[1], "abc", 3, 0, TN_FOREVER), 3);
        g = spawn(peek_at_all, &me);
        assert_result(tn_sleep(tn_after_ms(2)), 0);
        if (is_killed)
            assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
        else
            assert_result(tn_close(fds[0]), 0);
        assert_result(join(g), 3); /* what it has seen */
        assert_result(tn_close(fds[1]), 0);
        if (is_killed)
            assert_result(tn_close(fds[0]), 0);
    }
}

static void waitall_does_not_peek_at_the_same_bytes_twice(void)
{
    char buf[8] = "";
    int fds[2];

    open_pair(fds);
    assert_result(tn_send(fds[1], "abc", 3, 0, TN_FOREVER), 3);
    assert_result(tn_recv(fds[0], buf, 6, MSG_PEEK | MSG_WAITALL,
                          tn_after_ms(1)),
                  3);
    assert_string_equal(buf, "abc");
    close_both(fds);
}

TEST_MAIN(TEST(waitall_peeks_at_all),
          TEST(a_close_or_a_kill_ends_a_peek_at_all),
          TEST(waitall_waits_for_all),
          TEST(waitall_gives_what_came_before_the_end_or_the_deadline),
          TEST(waitall_leaves_an_error_to_the_next_call),
          TEST(waitall_leaves_messages_single),
          TEST(waitall_does_not_peek_at_the_same_bytes_twice),
          TEST(the_end_of_a_stream_is_seen_after_a_short_read),
          TEST(a_short_peek_does_not_hide_what_is_there),
          TEST(a_read_that_stops_at_urgent_data_is_not_the_end),
          TEST(a_large_transfer_arrives_whole),
          TEST(send_to_one_who_left_is_epipe_without_a_signal),
          TEST(a_refused_connection_says_so))
