/* SPDX-License-Identifier: MIT */
/* tests/unit/test_datagram.c - the datagram server: answering, its bounds, its
 * socket. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/datagrams.h"

/* ---- answering ---- */

enum { N_CLIENTS = 20 };

static void many_clients_are_answered(void)
{
    tn_datagram_server *s = start(answer, NULL, NULL);
    tn_greenlet *g[N_CLIENTS];

    for (int i = 0; i < N_CLIENTS; i++)
        g[i] = spawn(be_a_client, s);
    for (int i = 0; i < N_CLIENTS; i++)
        assert_result(join(g[i]), 0);
    assert_int_equal(count(s).received, 5 * N_CLIENTS);
    assert_int_equal(count(s).sent, 5 * N_CLIENTS);
    finish(s);
}

struct to {
    tn_datagram_server *s;
    const struct tn_datagram *d;
};

static int send_it(void *arg)
{
    struct to *to = arg;

    return tn_datagram_server_send(to->s, to->d, TN_FOREVER);
}

/* Send what can be, to a peer that does not read. */
static int fill_up(tn_datagram_server *s, const struct tn_datagram *d)
{
    int n = 0, r;

    while ((r = tn_datagram_server_send(s, d, TN_NOWAIT)) == 0)
        n++;
    assert_result(r, -EAGAIN);
    return n;
}

static int bind_unix(const char *path, struct sockaddr_un *addr)
{
    int fd = tn_socket(AF_UNIX, SOCK_DGRAM, 0);

    *addr = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(addr->sun_path, sizeof addr->sun_path, "%s", path);
    assert_result(bind(fd, (struct sockaddr *)addr, sizeof *addr), 0);
    return fd;
}

/* The peer's queue is full: the first waits for room, the other for its turn;
 * one that is killed meanwhile lets the next have it. */
static void those_who_send_take_turns_in_order(void)
{
    char dir[] = "/tmp/tn-datagram-XXXXXX", path[64], text[80];
    struct sockaddr_un addr;
    struct tn_datagram d = {.data = "0", .len = 1};
    struct tn_datagram a = {.data = "a", .len = 1}, b = {.data = "b", .len = 1};
    struct to to[3];
    tn_datagram_server *s;
    tn_greenlet *g[3];
    int peer, n;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/peer", dir);
    snprintf(text, sizeof text, "unix:%s/server", dir);
    peer = bind_unix(path, &addr);
    assert_result(tn_datagram_server_new(text, answer, NULL, NULL, &s), 0);
    assert_result(tn_datagram_server_start(s), 0);
    d.peer = a.peer = b.peer = (struct sockaddr *)&addr;
    d.peer_len = a.peer_len = b.peer_len = sizeof addr;
    n = fill_up(s, &d);
    to[0] = (struct to){s, &d};
    to[1] = (struct to){s, &a};
    to[2] = (struct to){s, &b};
    for (int i = 0; i < 3; i++)
        g[i] = spawn(send_it, &to[i]);
    settle();
    assert_result(tn_datagram_server_send(s, &d, TN_NOWAIT), -EAGAIN);
    assert_result(tn_datagram_server_send(s, &d, tn_after_ms(1)), -ETIME);
    assert_result(tn_kill(g[0], TN_FOREVER), 0);
    assert_result(join(g[0]), -ECANCELED);
    for (int i = 0; i < n; i++)
        hear(peer, "0");
    hear(peer, "a");
    hear(peer, "b");
    assert_result(join(g[1]), 0);
    assert_result(join(g[2]), 0);
    assert_result(tn_close(peer), 0);
    finish(s);
    assert_result(unlink(path), 0);
    assert_result(rmdir(dir), 0); /* the server's own was removed */
}

/* The number of the socket is another's when there is room at last. */
static void who_waits_for_room_sends_by_no_other_socket(void)
{
    char dir[] = "/tmp/tn-datagram-XXXXXX", path[64], text[80];
    struct sockaddr_un addr;
    struct tn_datagram d = {.data = "0", .len = 1};
    struct to to = {.d = &d};
    tn_datagram_server *s;
    tn_greenlet *g;
    int peer, other, n;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/peer", dir);
    snprintf(text, sizeof text, "unix:%s/server", dir);
    peer = bind_unix(path, &addr);
    assert_result(tn_datagram_server_new(text, answer, NULL, NULL, &s), 0);
    assert_result(tn_datagram_server_start(s), 0);
    d.peer = (struct sockaddr *)&addr;
    d.peer_len = sizeof addr;
    n = fill_up(s, &d);
    to.s = s;
    g = spawn(send_it, &to);
    settle();
    other = tn_datagram_server_fd(s);
    assert_result(tn_datagram_server_stop(s, TN_NOWAIT), 0);
    assert_result(tn_socket(AF_UNIX, SOCK_DGRAM, 0), other);
    for (int i = 0; i < n; i++)
        hear(peer, "0");
    assert_result(join(g), -EBADF);
    assert_result(tn_close(other), 0);
    assert_result(tn_close(peer), 0);
    tn_datagram_server_free(s);
    assert_result(unlink(path), 0);
    assert_result(rmdir(dir), 0);
}

static void look(tn_datagram_server *s, const struct tn_datagram *d, void *arg)
{
    char text[32];

    (void)s;
    assert_true(d->peer_len >= sizeof(struct sockaddr_in));
    assert_true(d->len == 0 || ((const char *)d->data)[d->len - 1] == 'x');
    snprintf(text, sizeof text, "%zu%s", d->len, d->is_truncated ? "!" : "");
    note(text);
    tn_event_set(arg);
}

static void one_that_is_longer_than_the_buffer_is_marked(void)
{
    struct tn_datagram_server_options options = TN_DATAGRAM_SERVER_OPTIONS;
    tn_datagram_server *s;
    tn_event *e;
    int fd;

    assert_result(tn_event_new(&e), 0);
    options.buffer_bytes = 4;
    s = start(look, e, &options);
    fd = dial(s);
    assert_result(tn_send(fd, "", 0, 0, TN_FOREVER), 0);
    say(fd, "xxxx");
    say(fd, "xxxxx");
    while (count(s).received < 3)
        assert_result(tn_yield(), 0);
    assert_int_equal(count(s).truncated, 1);
    assert_result(tn_close(fd), 0);
    finish(s);
    assert_string_equal(notes(), "0 4 4!");
    tn_event_free(e);
}

static void the_longest_of_udp_fits(void)
{
    static char much[65507];
    tn_datagram_server *s;
    tn_event *e;
    int fd;

    memset(much, 'x', sizeof much);
    assert_result(tn_event_new(&e), 0);
    s = start(look, e, NULL);
    fd = dial(s);
    assert_result(tn_send(fd, much, sizeof much, 0, TN_FOREVER), sizeof much);
    assert_result(tn_event_wait(e, TN_FOREVER), 0);
    assert_string_equal(notes(), "65507");
    assert_result(tn_close(fd), 0);
    finish(s);
    tn_event_free(e);
}

/* ---- bounds ---- */

static void while_all_handlers_are_busy_nothing_is_read(void)
{
    struct tn_datagram_server_options options = TN_DATAGRAM_SERVER_OPTIONS;
    tn_datagram_server *s;
    tn_event *e;
    int fd;

    assert_result(tn_event_new(&e), 0);
    options.handlers_max = 2;
    s = start(answer_later, e, &options);
    fd = dial(s);
    for (int i = 0; i < 5; i++)
        say(fd, "hello");
    hears_nothing(fd);
    assert_int_equal(count(s).received, 2);
    assert_int_equal(count(s).active, 2);
    assert_result(tn_event_set(e), 0);
    for (int i = 0; i < 5; i++)
        hear(fd, "hello"); /* none was lost */
    assert_result(tn_close(fd), 0);
    finish(s);
    tn_event_free(e);
}

static void what_a_full_pool_does_not_take_is_kept(void)
{
    struct tn_datagram_server_options options = TN_DATAGRAM_SERVER_OPTIONS;
    tn_datagram_server *s;
    tn_event *e;
    int fd;

    assert_result(tn_event_new(&e), 0);
    assert_result(tn_pool_new(1, &options.pool), 0);
    s = start(answer_later, e, &options);
    fd = dial(s);
    for (int i = 0; i < 3; i++)
        say(fd, "hello");
    hears_nothing(fd);
    assert_result(tn_group_count(options.pool), 1);
    assert_result(tn_event_set(e), 0);
    for (int i = 0; i < 3; i++)
        hear(fd, "hello");
    assert_result(tn_close(fd), 0);
    finish(s);
    tn_group_free(options.pool);
    tn_event_free(e);
}

static void memory_of_a_batch_is_bounded_by_what_there_is(void)
{
    struct tn_datagram_server_options options = TN_DATAGRAM_SERVER_OPTIONS;
    tn_datagram_server *s = NULL;

    options.buffer_bytes = SIZE_MAX / 4;
    assert_result(tn_datagram_server_new(":0", answer, NULL, &options, &s),
                  -ENOMEM);
    assert_null(s);
}

/* ---- sockets ---- */

static void a_socket_that_is_given_is_used_and_closed(void)
{
    struct tn_datagram_server_options options = TN_DATAGRAM_SERVER_OPTIONS;
    struct sockaddr_in addr = {.sin_family = AF_INET};
    tn_datagram_server *s;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_result(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    options.socket = fd;
    assert_result(
        tn_datagram_server_new("127.0.0.1:0", answer, NULL, &options, &s),
        -EINVAL);
    assert_result(tn_datagram_server_new(NULL, answer, NULL, &options, &s), 0);
    assert_result(tn_datagram_server_start(s), 0);
    assert_result(tn_datagram_server_fd(s), fd);
    assert_result(be_a_client(s), 0);
    assert_result(tn_datagram_server_stop(s, TN_FOREVER), 0);
    assert_true(fcntl(fd, F_GETFD) < 0);
    assert_result(tn_datagram_server_start(s), -EBADF);
    tn_datagram_server_free(s);
}

static void wrong_arguments_are_refused(void)
{
    struct tn_datagram_server_options options = TN_DATAGRAM_SERVER_OPTIONS;
    struct tn_datagram_server_stats stats = {.size = 1};
    struct tn_datagram nowhere = {.data = "x", .len = 1, .peer_len = 16};
    tn_datagram_server *s = NULL;
    struct sockaddr_in addr;

    assert_result(tn_datagram_server_new(":x", answer, NULL, NULL, &s),
                  -EINVAL);
    assert_result(tn_datagram_server_new(":0", NULL, NULL, NULL, &s), -EINVAL);
    assert_result(tn_datagram_server_new(":0", answer, NULL, NULL, NULL),
                  -EINVAL);
    options.batch_max = -1;
    assert_result(tn_datagram_server_new(":0", answer, NULL, &options, &s),
                  -EINVAL);
    options.batch_max = 0;
    options.flags = 4;
    assert_result(tn_datagram_server_new(":0", answer, NULL, &options, &s),
                  -EINVAL);
    options.flags = 0;
    options.socket = open_listener(&addr);
    assert_result(tn_datagram_server_new(NULL, answer, NULL, &options, &s),
                  -EINVAL);
    assert_null(s);
    assert_result(tn_close(options.socket), 0);
    assert_result(tn_datagram_server_new(":0", answer, NULL, NULL, &s), 0);
    assert_result(tn_datagram_server_stats(s, &stats), -EINVAL);
    assert_result(tn_datagram_server_send(s, NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_datagram_server_send(s, &nowhere, TN_NOWAIT), -EINVAL);
    tn_datagram_server_free(s);
    tn_datagram_server_free(NULL);
    assert_null(tn_datagram_server_waitable(NULL));
}

static void a_taken_port_is_an_error_unless_it_is_shared(void)
{
    struct tn_datagram_server_options options = TN_DATAGRAM_SERVER_OPTIONS;
    tn_datagram_server *s = start(answer, NULL, NULL), *second;
    char text[32];

    snprintf(text, sizeof text, "127.0.0.1:%d", tn_datagram_server_port(s));
    assert_result(tn_datagram_server_new(text, answer, NULL, NULL, &second), 0);
    assert_result(tn_datagram_server_start(second), -EADDRINUSE);
    assert_result(tn_datagram_server_serve(second), -EADDRINUSE);
    tn_datagram_server_free(second);
    finish(s);
    options.flags = TN_SERVER_REUSEPORT;
    s = start(answer, NULL, &options);
    snprintf(text, sizeof text, "127.0.0.1:%d", tn_datagram_server_port(s));
    assert_result(tn_datagram_server_new(text, answer, NULL, &options, &second),
                  0);
    assert_result(tn_datagram_server_start(second), 0);
    assert_result(be_a_client(s), 0);
    assert_int_equal(count(s).sent + count(second).sent, 5);
    finish(s);
    finish(second);
}

TEST_MAIN(TEST(many_clients_are_answered),
          TEST(those_who_send_take_turns_in_order),
          TEST(who_waits_for_room_sends_by_no_other_socket),
          TEST(one_that_is_longer_than_the_buffer_is_marked),
          TEST(the_longest_of_udp_fits),
          TEST(while_all_handlers_are_busy_nothing_is_read),
          TEST(what_a_full_pool_does_not_take_is_kept),
          TEST(memory_of_a_batch_is_bounded_by_what_there_is),
          TEST(a_socket_that_is_given_is_used_and_closed),
          TEST(wrong_arguments_are_refused),
          TEST(a_taken_port_is_an_error_unless_it_is_shared))
