/* SPDX-License-Identifier: MIT */
/* tests/unit/test_serve.c - the stream server: serving until it is stopped, or
 * a signal comes; its handlers' streams, its threads, what it counts. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "support/service.h"

static tn_stream_server *start(void)
{
    struct tn_stream_server_options options = quick_options();

    return start_service(echo, NULL, &options);
}

/* ---- serving ---- */

static int serve_it(void *arg)
{
    return tn_stream_server_serve(arg);
}

static void killing_who_serves_stops_it(void)
{
    tn_stream_server *s;
    tn_greenlet *g;
    int fd;

    assert_result(tn_stream_server_new("127.0.0.1:0", echo, NULL, NULL, &s), 0);
    g = spawn(serve_it, s);
    settle();
    fd = dial_service(s);
    exchange(fd);
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(join(g), -ECANCELED);
    assert_result(tn_stream_server_port(s), 0);
    assert_string_equal(notes(), "killed");
    assert_turned_away(fd);
    tn_stream_server_free(s);
}

static void a_scope_bounds_serving(void)
{
    tn_stream_server *s;
    tn_timeout scope;

    assert_result(tn_stream_server_new("127.0.0.1:0", echo, NULL, NULL, &s), 0);
    tn_timeout_begin(&scope, tn_after_ms(1));
    assert_result(tn_stream_server_serve(s), -ETIME);
    assert_int_equal(scope.fired, 1);
    assert_result(tn_stream_server_serve(s), -ETIME); /* does not start */
    assert_result(tn_stream_server_port(s), 0);
    tn_timeout_end(&scope);
    tn_stream_server_free(s);
}

static int stop_in_a_while(void *arg)
{
    int r = tn_stream_server_stop(arg, tn_after_ms(5));

    note("stopped");
    return r;
}

/* So who frees it after that does not cut the drain short. */
static void serve_returns_when_the_stop_has_ended(void)
{
    tn_stream_server *s;
    tn_greenlet *g, *stop;
    int fd;

    assert_result(tn_stream_server_new("127.0.0.1:0", echo, NULL, NULL, &s), 0);
    g = spawn(serve_it, s);
    settle();
    fd = dial_service(s);
    exchange(fd);
    stop = spawn(stop_in_a_while, s);
    settle();
    assert_false(tn_waitable_is_ready(tn_stream_server_waitable(s)));
    assert_result(join(g), 0);
    assert_string_equal(notes(), "killed stopped");
    assert_result(join(stop), 0);
    assert_result(tn_close(fd), 0);
    tn_stream_server_free(s);
}

static void it_is_ready_while_it_does_not_run(void)
{
    tn_stream_server *s;
    tn_waitable *w;

    assert_result(tn_stream_server_new("127.0.0.1:0", echo, NULL, NULL, &s), 0);
    w = tn_stream_server_waitable(s);
    assert_true(tn_waitable_is_ready(w));
    assert_result(tn_stream_server_start(s), 0);
    assert_false(tn_waitable_is_ready(w));
    assert_result(tn_wait_any(&w, 1, NULL, TN_NOWAIT), -EAGAIN);
    spawn_detached(stop_in_a_while, s);
    assert_result(tn_wait_any(&w, 1, NULL, TN_FOREVER), 0);
    assert_null(tn_stream_server_waitable(NULL));
    tn_stream_server_free(s);
    settle(); /* who stopped it may be the last to run */
}

struct until {
    tn_stream_server *s;
    int signo; /* 0: the usual */
};

static int serve_until(void *arg)
{
    struct until *me = arg;

    return me->signo
               ? tn_stream_server_serve_until(me->s, &me->signo, 1,
                                              3600000000000)
               : tn_stream_server_serve_until(me->s, NULL, 0, 3600000000000);
}

static void a_signal_ends_serving_and_handlers_finish(void)
{
    struct until me = {.signo = 0};
    tn_greenlet *g;
    int fd;

    assert_result(tn_stream_server_new("127.0.0.1:0", echo, NULL, NULL, &me.s),
                  0);
    g = spawn(serve_until, &me);
    settle();
    fd = dial_service(me.s);
    exchange(fd);
    assert_result(raise(SIGTERM), 0);
    while (tn_stream_server_port(me.s) > 0)
        assert_result(tn_yield(), 0);
    exchange(fd); /* still served */
    assert_result(tn_close(fd), 0);
    assert_result(join(g), SIGTERM);
    assert_string_equal(notes(), "");
    tn_stream_server_free(me.s);
}

static void count_signal(int signo)
{
    (void)signo;
    note("third");
}

static void a_second_signal_kills_and_a_third_is_not_ours(void)
{
    struct until me = {.signo = SIGUSR1};
    tn_greenlet *g;
    int fd;

    assert_true(signal(SIGUSR1, count_signal) != SIG_ERR);
    assert_result(tn_stream_server_new("127.0.0.1:0", echo, NULL, NULL, &me.s),
                  0);
    g = spawn(serve_until, &me);
    settle();
    fd = dial_service(me.s);
    exchange(fd);
    assert_result(raise(SIGUSR1), 0);
    while (tn_stream_server_port(me.s) > 0)
        assert_result(tn_yield(), 0);
    assert_result(raise(SIGUSR1), 0);
    assert_result(join(g), SIGUSR1);
    assert_string_equal(notes(), "killed");
    assert_result(raise(SIGUSR1), 0);
    assert_string_equal(notes(), "killed third");
    assert_turned_away(fd);
    tn_stream_server_free(me.s);
}

static void serving_until_ends_with_a_stop_or_an_error_too(void)
{
    struct until me = {.signo = 0};
    int bad = SIGKILL;
    tn_greenlet *g;

    assert_result(tn_stream_server_new("127.0.0.1:0", echo, NULL, NULL, &me.s),
                  0);
    g = spawn(serve_until, &me);
    settle();
    assert_result(tn_stream_server_stop(me.s, TN_FOREVER), 0);
    assert_result(join(g), 0);
    assert_result(tn_stream_server_serve_until(me.s, &bad, 1, 0), -EINVAL);
    assert_result(tn_stream_server_serve_until(me.s, NULL, 1, 0), -EINVAL);
    assert_result(tn_stream_server_serve_until(me.s, &bad, 0, 0), -EINVAL);
    assert_result(tn_stream_server_serve_until(me.s, NULL, 0, -1), -EINVAL);
    assert_result(tn_stream_server_port(me.s), 0);
    tn_stream_server_free(me.s);
}

/* ---- buffered ---- */

static void echo_lines(tn_stream *stream, const struct sockaddr *peer,
                       void *arg)
{
    char line[64];
    ssize_t n;

    (void)peer;
    (void)arg;
    while ((n = tn_stream_read_line(stream, line, sizeof line, TN_FOREVER)) > 0)
        if (tn_stream_write(stream, line, (size_t)n, NULL, TN_FOREVER) < 0)
            return;
}

static void a_handler_may_have_a_stream_that_is_sent_at_its_end(void)
{
    tn_stream_server *s;
    char text[32], buf[16];
    int fd;

    assert_result(tn_stream_server_new_buffered("127.0.0.1:0", echo_lines, NULL,
                                                NULL, &s),
                  0);
    assert_result(tn_stream_server_start(s), 0);
    snprintf(text, sizeof text, "127.0.0.1:%d", tn_stream_server_port(s));
    fd = tn_dial(text, TN_FOREVER);
    assert_true(fd >= 0);
    assert_result(tn_send_all(fd, "one\ntwo\n", 8, 0, NULL, TN_FOREVER), 0);
    assert_result(shutdown(fd, SHUT_WR), 0);
    assert_result(tn_recv(fd, buf, 8, MSG_WAITALL, TN_FOREVER), 8);
    assert_memory_equal(buf, "one\ntwo\n", 8);
    assert_turned_away(fd);
    finish_service(s);
}

/* ---- threads ---- */

static void *be_a_stranger(void *arg)
{
    struct tn_stream_server *s = arg;

    assert_result(tn_stream_server_start(s), -EXDEV);
    assert_result(tn_stream_server_pause(s), -EXDEV);
    assert_result(tn_stream_server_resume(s), -EXDEV);
    assert_result(tn_stream_server_stop(s, TN_NOWAIT), -EXDEV);
    assert_result(tn_stream_server_serve(s), -EXDEV);
    return NULL;
}

static void calls_from_another_thread_are_refused(void)
{
    tn_stream_server *s = start();
    pthread_t thread;

    assert_result(pthread_create(&thread, NULL, be_a_stranger, s), 0);
    assert_result(pthread_join(thread, NULL), 0);
    finish_service(s);
}

enum { N_HUBS = 3 };

struct shared_port {
    char addr[32];
    int n_ready; /* atomic: servers that run */
};

static void note_self(int fd, const struct sockaddr *peer, void *arg)
{
    char byte = (char)('0' + *(int *)arg);

    (void)peer;
    (void)!tn_send(fd, &byte, 1, 0, TN_FOREVER);
}

static int serve_on_a_hub(int index, void *arg)
{
    struct tn_stream_server_options options = quick_options();
    struct shared_port *port = arg;
    tn_stream_server *s;
    int r;

    options.flags = TN_SERVER_REUSEPORT;
    r = tn_stream_server_new(port->addr, note_self, &index, &options, &s);
    if (r == 0)
        r = tn_stream_server_start(s);
    __atomic_fetch_add(&port->n_ready, 1, __ATOMIC_RELEASE);
    if (r == 0)
        r = tn_stream_server_serve(s);
    tn_stream_server_free(s);
    return r;
}

/* Each hub has a server of its own at one port; the kernel spreads over them.
 * 64 connections from random ports would all be one's in 3 of 10^30 cases. */
static void a_server_for_each_hub_shares_the_load(void)
{
    struct tn_stream_server_options options = quick_options();
    struct shared_port port = {.n_ready = 0};
    int n_by[N_HUBS] = {0}, n_serving = 0;
    tn_stream_server *s;
    tn_hubs *hubs;

    options.flags = TN_SERVER_REUSEPORT; /* finds a port, and holds it */
    assert_result(tn_stream_server_new("127.0.0.1:0", echo, NULL, &options, &s),
                  0);
    assert_result(tn_stream_server_start(s), 0);
    snprintf(port.addr, sizeof port.addr, "127.0.0.1:%d",
             tn_stream_server_port(s));
    assert_result(tn_hubs_start(N_HUBS, serve_on_a_hub, &port, &hubs), 0);
    while (__atomic_load_n(&port.n_ready, __ATOMIC_ACQUIRE) < N_HUBS)
        assert_result(tn_sleep(tn_after_us(100)), 0);
    finish_service(s);
    for (int i = 0; i < 64; i++) {
        int fd = tn_dial(port.addr, TN_FOREVER);
        char byte = 0;

        assert_result(tn_recv(fd, &byte, 1, 0, TN_FOREVER), 1);
        n_by[byte - '0']++;
        assert_result(tn_close(fd), 0);
    }
    for (int i = 0; i < N_HUBS; i++)
        n_serving += n_by[i] > 0;
    assert_true(n_serving >= 2);
    tn_hubs_stop(hubs);
    assert_result(tn_hubs_join(hubs, NULL, TN_FOREVER), 0);
}

static void it_counts(void)
{
    struct tn_stream_server_stats stats = {.size = 1};
    tn_stream_server *s = start();
    int fd = dial_service(s);

    exchange(fd);
    assert_result(tn_stream_server_stats(s, &stats), -EINVAL);
    assert_result(tn_stream_server_stats(s, NULL), -EINVAL);
    stats = count_service(s);
    assert_int_equal(stats.accepted, 1);
    assert_int_equal(stats.active, 1);
    assert_int_equal(stats.failed + stats.refused + stats.tls_failed, 0);
    assert_result(tn_close(fd), 0);
    finish_service(s);
}

TEST_MAIN(TEST(killing_who_serves_stops_it), TEST(a_scope_bounds_serving),
          TEST(serve_returns_when_the_stop_has_ended),
          TEST(it_is_ready_while_it_does_not_run),
          TEST(a_signal_ends_serving_and_handlers_finish),
          TEST(a_second_signal_kills_and_a_third_is_not_ours),
          TEST(serving_until_ends_with_a_stop_or_an_error_too),
          TEST(a_handler_may_have_a_stream_that_is_sent_at_its_end),
          TEST(calls_from_another_thread_are_refused),
          TEST(a_server_for_each_hub_shares_the_load), TEST(it_counts))
