/* SPDX-License-Identifier: MIT */
/* tests/unit/test_server_tls.c - the stream server over TLS: its handlers get
 * connections that have shaken hands; one that has not harms nobody else
 * (S113). */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "support/certificates.h"
#include "support/service.h"

static struct certificate leaf;
static tn_tls_context *client_context, *server_context;

static void open_contexts(void)
{
    struct tn_tls_options options = TN_TLS_OPTIONS;

    certificate_make(&leaf, "DNS:a.test,IP:127.0.0.1", NULL, 30);
    options.ca_file = leaf.file;
    assert_result(tn_tls_context_new(TN_TLS_CLIENT, &options, &client_context),
                  0);
    options.certificate_file = leaf.file;
    assert_result(tn_tls_context_new(TN_TLS_SERVER, &options, &server_context),
                  0);
}

static void close_contexts(void)
{
    tn_tls_context_free(client_context);
    tn_tls_context_free(server_context);
    certificate_drop(&leaf);
}

static void echo_tls(tn_tls *tls, const struct sockaddr *peer, void *arg)
{
    char buf[64];
    ssize_t n;

    (void)peer;
    (void)arg;
    while ((n = tn_tls_recv(tls, buf, sizeof buf, TN_FOREVER)) > 0)
        if (tn_tls_send_all(tls, buf, (size_t)n, NULL, TN_FOREVER) < 0)
            return;
    if (n == -ECANCELED)
        note("killed");
}

static struct tn_stream_server_options tls_options(void)
{
    struct tn_stream_server_options options = quick_options();

    options.tls = server_context;
    return options;
}

static tn_stream_server *start(const struct tn_stream_server_options *options)
{
    tn_stream_server *s;

    assert_result(
        tn_stream_server_new_tls("127.0.0.1:0", echo_tls, NULL, options, &s),
        0);
    assert_result(tn_stream_server_start(s), 0);
    return s;
}

static tn_tls *dial_tls(const tn_stream_server *s)
{
    char text[32];
    tn_tls *tls;

    snprintf(text, sizeof text, "127.0.0.1:%d", tn_stream_server_port(s));
    assert_result(tn_tls_dial(client_context, text, &tls, TN_FOREVER), 0);
    return tls;
}

static void exchange_tls(tn_tls *tls)
{
    char buf[8];

    assert_result(tn_tls_send_all(tls, "hello", 5, NULL, TN_FOREVER), 0);
    assert_result(tn_tls_recv(tls, buf, sizeof buf, TN_FOREVER), 5);
    assert_memory_equal(buf, "hello", 5);
}

static void clients_are_served_over_tls_and_told_the_end(void)
{
    struct tn_stream_server_options options;
    tn_stream_server *s;
    tn_tls *tls;
    char byte;

    open_contexts();
    options = tls_options();
    s = start(&options);
    tls = dial_tls(s);
    exchange_tls(tls);
    assert_result(tn_tls_shutdown(tls, TN_FOREVER), 0);
    assert_result(tn_tls_recv(tls, &byte, 1, TN_FOREVER), 0); /* its end */
    tn_tls_close(tls, TN_NOWAIT);
    finish_service(s);
    close_contexts();
}

static void a_handshake_that_fails_affects_only_that_client(void)
{
    static struct heard heard;
    struct tn_stream_server_options options;
    tn_stream_server *s;
    tn_tls *tls;
    int fd;

    open_contexts();
    options = tls_options();
    s = start(&options);
    tls = dial_tls(s);
    hear_errors(&heard);
    fd = dial_service(s);
    assert_result(tn_send(fd, "GET / HTTP/1.0\r\n\r\n", 18, 0, TN_FOREVER), 18);
    while (count_service(s).tls_failed == 0)
        assert_result(tn_yield(), 0);
    assert_result(tn_close(fd), 0);
    settle();
    assert_int_equal(heard.n, 1);
    assert_result(heard.error, -EPROTO);
    assert_non_null(strstr(heard.text, "a TLS handshake failed: "));
    exchange_tls(tls);
    assert_int_equal(count_service(s).accepted, 2);
    tn_tls_close(tls, TN_NOWAIT);
    tls = dial_tls(s);
    exchange_tls(tls);
    tn_tls_close(tls, TN_NOWAIT);
    finish_service(s);
    close_contexts();
}

static void a_client_that_says_nothing_is_given_up(void)
{
    static struct heard heard;
    struct tn_stream_server_options options;
    tn_stream_server *s;
    int fd;

    open_contexts();
    options = tls_options();
    options.handshake_ns = 1000000;
    s = start(&options);
    hear_errors(&heard);
    fd = dial_service(s);
    assert_turned_away(fd);
    assert_result(heard.error, -ETIME);
    assert_int_equal(count_service(s).tls_failed, 1);
    finish_service(s);
    close_contexts();
}

static void a_stop_during_a_handshake_is_no_failure_to_tell_of(void)
{
    static struct heard heard;
    struct tn_stream_server_options options;
    tn_stream_server *s;
    tn_tls *tls;
    char byte;
    int fd;

    open_contexts();
    options = tls_options();
    s = start(&options);
    tls = dial_tls(s);
    exchange_tls(tls);
    hear_errors(&heard);
    fd = dial_service(s);
    while (tn_stream_server_clients(s) < 2)
        assert_result(tn_yield(), 0);
    settle();
    assert_result(tn_stream_server_stop(s, TN_NOWAIT), 0);
    assert_string_equal(notes(), "killed");
    assert_turned_away(fd);
    assert_result(tn_tls_recv(tls, &byte, 1, TN_FOREVER), 0);
    tn_tls_close(tls, TN_NOWAIT);
    tn_stream_server_free(s);
    assert_int_equal(heard.n, 0);
    close_contexts();
}

static void say_it_back(tn_stream *stream, const struct sockaddr *peer,
                        void *arg)
{
    char line[64];
    ssize_t n = tn_stream_read_line(stream, line, sizeof line, TN_FOREVER);

    (void)peer;
    (void)arg;
    assert_non_null(tn_stream_tls(stream));
    if (n > 0 && tn_stream_write(stream, line, (size_t)n, NULL, TN_FOREVER) < 0)
        note("lost");
}

static void a_handler_may_have_a_stream_over_tls(void)
{
    struct tn_stream_server_options options;
    tn_stream_server *s;
    char buf[8];
    tn_tls *tls;

    open_contexts();
    options = tls_options();
    assert_result(tn_stream_server_new_buffered("127.0.0.1:0", say_it_back,
                                                NULL, &options, &s),
                  0);
    assert_result(tn_stream_server_start(s), 0);
    tls = dial_tls(s);
    assert_result(tn_tls_send_all(tls, "line\n", 5, NULL, TN_FOREVER), 0);
    assert_result(tn_tls_recv(tls, buf, sizeof buf, TN_FOREVER), 5);
    assert_result(tn_tls_recv(tls, buf, sizeof buf, TN_FOREVER), 0);
    tn_tls_close(tls, TN_NOWAIT);
    finish_service(s);
    close_contexts();
}

static void a_context_is_wanted_where_it_is_used_and_only_there(void)
{
    struct tn_stream_server_options options = quick_options();
    tn_stream_server *s = NULL;

    assert_result(tn_stream_server_new_tls(":0", echo_tls, NULL, NULL, &s),
                  -EINVAL);
    open_contexts();
    options.tls = server_context;
    assert_result(tn_stream_server_new(":0", echo, NULL, &options, &s),
                  -EINVAL);
    options.handshake_ns = -1;
    assert_result(tn_stream_server_new_tls(":0", echo_tls, NULL, &options, &s),
                  -EINVAL);
    assert_null(s);
    close_contexts();
}

TEST_MAIN(TEST(clients_are_served_over_tls_and_told_the_end),
          TEST(a_handshake_that_fails_affects_only_that_client),
          TEST(a_client_that_says_nothing_is_given_up),
          TEST(a_stop_during_a_handshake_is_no_failure_to_tell_of),
          TEST(a_handler_may_have_a_stream_over_tls),
          TEST(a_context_is_wanted_where_it_is_used_and_only_there))
