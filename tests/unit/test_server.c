/* SPDX-License-Identifier: MIT */
/* tests/unit/test_server.c - the stream server: serving, shortage of
 * descriptors, the bound on clients, stopping and starting again. */
#include <stdio.h>
#include <sys/socket.h>

#include "support/service.h"

static tn_stream_server *start(tn_stream_fn fn, void *arg, size_t clients_max)
{
    struct tn_stream_server_options options = quick_options();

    options.clients_max = clients_max;
    return start_service(fn, arg, &options);
}

enum { N_CLIENTS = 50 };

static int be_a_client(void *arg)
{
    int fd = dial_service(arg);

    for (int i = 0; i < 5; i++)
        exchange(fd);
    return tn_close(fd);
}

static void many_clients_are_served(void)
{
    tn_stream_server *s = start(echo, NULL, 0);
    tn_greenlet *g[N_CLIENTS];

    for (int i = 0; i < N_CLIENTS; i++)
        g[i] = spawn(be_a_client, s);
    for (int i = 0; i < N_CLIENTS; i++)
        assert_result(join(g[i]), 0);
    assert_result(tn_stream_server_start(s), 0); /* runs already */
    assert_result(tn_stream_server_stop(s, TN_FOREVER), 0);
    assert_result(tn_stream_server_clients(s), 0);
    assert_result(tn_stream_server_port(s), 0);
    tn_stream_server_free(s);
}

static void no_more_clients_than_the_bound_are_handled_at_once(void)
{
    tn_stream_server *s = start(echo, NULL, 2);
    int fds[4];
    char byte;

    for (int i = 0; i < 4; i++)
        fds[i] = dial_service(s);
    exchange(fds[0]);
    exchange(fds[1]);
    assert_result(tn_send(fds[2], "x", 1, 0, TN_FOREVER), 1);
    settle();
    assert_result(tn_stream_server_clients(s), 2);
    assert_result(tn_recv(fds[2], &byte, 1, 0, TN_NOWAIT), -EAGAIN);
    assert_result(tn_close(fds[0]), 0);
    assert_result(tn_recv(fds[2], &byte, 1, 0, TN_FOREVER), 1);
    exchange(fds[2]);
    for (int i = 1; i < 4; i++)
        assert_result(tn_close(fds[i]), 0);
    assert_result(tn_stream_server_stop(s, TN_FOREVER), 0);
    tn_stream_server_free(s);
}

static int stop_it(void *arg)
{
    return tn_stream_server_stop(arg, TN_FOREVER);
}

static void stop_lets_handlers_finish_until_the_drain(void)
{
    tn_stream_server *s = start(echo, NULL, 0);
    int fd = dial_service(s);
    tn_greenlet *g;

    exchange(fd);
    g = spawn(stop_it, s);
    settle();
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    exchange(fd); /* still served */
    assert_result(tn_close(fd), 0);
    assert_result(join(g), 0);
    assert_string_equal(notes(), "");
    tn_stream_server_free(s);
}

static void stop_kills_what_is_left_at_the_drain(void)
{
    static struct heard heard;
    tn_stream_server *s = start(echo, NULL, 0);
    int fd = dial_service(s);
    char byte;

    hear_errors(&heard);
    exchange(fd);
    assert_result(tn_stream_server_stop(s, tn_after_ms(2)), 0);
    assert_string_equal(notes(), "killed");
    assert_result(tn_recv(fd, &byte, 1, 0, TN_FOREVER), 0);
    assert_result(tn_close(fd), 0);
    assert_result(tn_stream_server_stop(s, TN_NOWAIT), 0); /* again */
    tn_stream_server_free(s);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    assert_int_equal(heard.n, 0); /* being stopped is no failure */
}

static void two_can_stop_it_at_once(void)
{
    tn_stream_server *s = start(echo, NULL, 0);
    int fd = dial_service(s);
    tn_greenlet *a, *b;

    exchange(fd);
    a = spawn(stop_it, s);
    b = spawn(stop_it, s);
    settle();
    assert_result(tn_close(fd), 0);
    assert_result(join(a), 0);
    assert_result(join(b), 0);
    tn_stream_server_free(s);
}

static void it_can_start_again_on_the_same_port(void)
{
    struct tn_stream_server_options options = TN_STREAM_SERVER_OPTIONS;
    tn_stream_server *s = start(echo, NULL, 0);
    int fd, port = tn_stream_server_port(s);
    char text[32];

    fd = dial_service(s);
    exchange(fd);
    assert_result(tn_stream_server_stop(s, TN_NOWAIT), 0);
    assert_result(tn_close(fd), 0);
    tn_stream_server_free(s);
    snprintf(text, sizeof text, "127.0.0.1:%d", port);
    assert_result(tn_stream_server_new(text, echo, NULL, &options, &s), 0);
    for (int i = 0; i < 3; i++) {
        assert_result(tn_stream_server_start(s), 0);
        assert_result(tn_stream_server_port(s), port);
        fd = dial_service(s);
        exchange(fd);
        assert_result(tn_close(fd), 0);
        assert_result(tn_stream_server_stop(s, TN_FOREVER), 0);
    }
    tn_stream_server_free(s);
}

static int serve_it(void *arg)
{
    return tn_stream_server_serve(arg);
}

static void serve_returns_when_it_is_stopped(void)
{
    struct tn_stream_server_options options = TN_STREAM_SERVER_OPTIONS;
    tn_stream_server *s;
    tn_greenlet *g;

    assert_result(tn_stream_server_new("127.0.0.1:0", echo, NULL, &options, &s),
                  0);
    g = spawn(serve_it, s);
    settle();
    assert_result(be_a_client(s), 0);
    assert_result(tn_stream_server_stop(s, TN_FOREVER), 0);
    assert_result(join(g), 0);
    tn_stream_server_free(s);
}

static int free_it(void *arg)
{
    assert_result(tn_kill(tn_self(), TN_NOWAIT), 0);
    tn_stream_server_free(arg);
    return 0;
}

static void a_killed_greenlet_can_free_it_with_clients_left(void)
{
    tn_stream_server *s = start(echo, NULL, 0);
    int fd = dial_service(s);

    exchange(fd);
    assert_result(join(spawn(free_it, s)), 0);
    assert_result(tn_close(fd), 0);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    assert_string_equal(notes(), "killed");
}

static void it_survives_a_shortage_of_descriptors(void)
{
    static struct heard heard;
    tn_stream_server *s;
    int fd;

    limit_descriptors(1024);
    hear_errors(&heard);
    s = start(echo, NULL, 0);
    settle();
    /* Room for the client's own end, and none for the server's. */
    limit_descriptors(first_free() + 1);
    fd = dial_service(s);
    for (int i = 0; i < 1000 && heard.n < 3; i++)
        assert_result(tn_sleep(tn_after_ms(1)), 0);
    assert_true(heard.n >= 3); /* it tries again and again */
    assert_result(heard.error, -EMFILE);
    assert_string_equal(heard.name, "tn_stream_server");
    limit_descriptors(1024);
    exchange(fd); /* and recovers by itself */
    assert_result(tn_close(fd), 0);
    assert_result(be_a_client(s), 0);
    assert_result(tn_stream_server_stop(s, TN_FOREVER), 0);
    tn_stream_server_free(s);
}

static void a_taken_port_is_an_error_and_nothing_runs(void)
{
    struct tn_stream_server_options options = TN_STREAM_SERVER_OPTIONS;
    tn_stream_server *s = start(echo, NULL, 0), *second;
    char text[32];

    snprintf(text, sizeof text, "127.0.0.1:%d", tn_stream_server_port(s));
    assert_result(tn_stream_server_new(text, echo, NULL, &options, &second), 0);
    assert_result(tn_stream_server_start(second), -EADDRINUSE);
    assert_result(tn_stream_server_serve(second), -EADDRINUSE);
    tn_stream_server_free(second);
    assert_result(tn_stream_server_stop(s, TN_FOREVER), 0);
    tn_stream_server_free(s);
    tn_stream_server_free(NULL);
    settle(); /* the acceptor that never ran leaves the queue */
}

static int find_listener(void)
{
    for (int fd = 3; fd < 100; fd++) {
        int is_listening = 0;
        socklen_t len = sizeof is_listening;

        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) ==
                0 &&
            is_listening)
            return fd;
    }
    fail_msg("no listener");
    return -1;
}

static void an_error_it_cannot_pass_over_is_told_and_ends_it(void)
{
    static struct heard heard;
    tn_stream_server *s = start(echo, NULL, 0);
    tn_greenlet *g = spawn(serve_it, s);
    int fd;

    hear_errors(&heard);
    settle();
    assert_result(shutdown(find_listener(), SHUT_RDWR), 0);
    assert_result(join(g), -EINVAL);
    assert_int_equal(heard.n, 1);
    assert_result(heard.error, -EINVAL);
    assert_string_equal(heard.name, "tn_stream_server");
    assert_string_equal(heard.text, "tn_stream_server: accepts no more");
    assert_result(tn_stream_server_start(s), 0); /* with a listener anew */
    fd = dial_service(s);
    exchange(fd);
    assert_result(tn_close(fd), 0);
    assert_result(tn_stream_server_stop(s, TN_FOREVER), 0);
    tn_stream_server_free(s);
}

static int start_it(void *arg)
{
    return tn_stream_server_start(arg);
}

static void a_start_during_a_stop_awaits_it_and_starts(void)
{
    tn_stream_server *s = start(echo, NULL, 0);
    tn_greenlet *stop, *begin;

    test_not_seeded("the stop comes before the start");
    settle();
    stop = spawn(stop_it, s);
    begin = spawn(start_it, s);
    assert_result(join(stop), 0);
    assert_result(join(begin), 0);
    assert_true(tn_stream_server_port(s) > 0);
    assert_result(be_a_client(s), 0);
    assert_result(tn_stream_server_stop(s, TN_FOREVER), 0);
    tn_stream_server_free(s);
}

static void stop_and_start_in_a_post(void *arg)
{
    assert_result(tn_stream_server_stop(arg, TN_NOWAIT), 0);
    assert_result(tn_stream_server_start(arg), -EDEADLK);
    note("posted");
}

static void the_hub_may_stop_it_but_not_start_it_at_once(void)
{
    tn_stream_server *s = start(echo, NULL, 0);
    tn_hub *hub;

    settle();
    assert_result(tn_hub_get(&hub), 0);
    assert_result(tn_hub_post(hub, stop_and_start_in_a_post, s), 0);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    assert_string_equal(notes(), "posted");
    assert_result(tn_stream_server_start(s), 0);
    assert_result(be_a_client(s), 0);
    assert_result(tn_stream_server_stop(s, TN_FOREVER), 0);
    tn_stream_server_free(s);
}

static void wrong_arguments_are_refused(void)
{
    struct tn_stream_server_options options = TN_STREAM_SERVER_OPTIONS;
    tn_stream_server *s = NULL;
    struct sockaddr_storage addr;
    socklen_t len;
    static const char *const bad[] = {
        "",           "127.0.0.1", "localhost:80", ":",     "1.2.3.4:65536",
        "1.2.3.4:-1", "::1:80",    "[::1]",        "unix:", ":8o",
        "[1.2.3.4:5"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (tn_addr_parse(bad[i], &addr, &len) != -EINVAL)
            fail_msg("\"%s\" was taken for an address", bad[i]);
        assert_result(tn_stream_server_new(bad[i], echo, NULL, &options, &s),
                      -EINVAL);
    }
    assert_result(tn_addr_parse(NULL, &addr, &len), -EINVAL);
    assert_result(tn_stream_server_new(":0", NULL, NULL, &options, &s),
                  -EINVAL);
    assert_result(tn_stream_server_new(":0", echo, NULL, &options, NULL),
                  -EINVAL);
    options.backlog = -1;
    assert_result(tn_stream_server_new(":0", echo, NULL, &options, &s),
                  -EINVAL);
    assert_null(s);
}

TEST_MAIN(TEST(many_clients_are_served),
          TEST(no_more_clients_than_the_bound_are_handled_at_once),
          TEST(stop_lets_handlers_finish_until_the_drain),
          TEST(stop_kills_what_is_left_at_the_drain),
          TEST(two_can_stop_it_at_once),
          TEST(it_can_start_again_on_the_same_port),
          TEST(serve_returns_when_it_is_stopped),
          TEST(a_killed_greenlet_can_free_it_with_clients_left),
          TEST(it_survives_a_shortage_of_descriptors),
          TEST(a_taken_port_is_an_error_and_nothing_runs),
          TEST(an_error_it_cannot_pass_over_is_told_and_ends_it),
          TEST(a_start_during_a_stop_awaits_it_and_starts),
          TEST(the_hub_may_stop_it_but_not_start_it_at_once),
          TEST(wrong_arguments_are_refused))
