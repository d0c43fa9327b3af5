/* SPDX-License-Identifier: MIT */
/* TLS connections: who is trusted, what is agreed on, and that all that holds
 * for sockets holds for them (S118, S119, S120, S123, S126). */
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/certificates.h"
#include "support/green.h"
#include "support/virtual.h"

/* Two ends of a connection over a socket pair. */
struct ends {
    tn_tls *client, *server;
};

static struct certificate authority, leaf;
static tn_tls_context *client_context, *server_context;

static tn_tls_context *make(enum tn_tls_role role,
                            const struct tn_tls_options *options)
{
    tn_tls_context *c = NULL;
    int r = tn_tls_context_new(role, options, &c);

    if (r < 0)
        fail_msg("%d: %s", r, tn_tls_error(NULL));
    return c;
}

static void open_contexts_with(int client_flags, int server_flags)
{
    struct tn_tls_options client = TN_TLS_OPTIONS, server = TN_TLS_OPTIONS;

    certificate_make(&authority, NULL, NULL, 30);
    certificate_make(&leaf, "DNS:a.test,IP:127.0.0.1", &authority, 30);
    client.ca_file = authority.file;
    client.flags = client_flags;
    server.certificate_file = leaf.file;
    server.flags = server_flags;
    client_context = make(TN_TLS_CLIENT, &client);
    server_context = make(TN_TLS_SERVER, &server);
}

static void open_contexts(void)
{
    open_contexts_with(0, 0);
}

static void close_contexts(void)
{
    tn_tls_context_free(client_context);
    tn_tls_context_free(server_context);
    certificate_drop(&leaf);
    certificate_drop(&authority);
}

/* Both ends over a new socket pair; nobody has shaken hands. */
static struct ends connect_as(const char *name)
{
    struct ends e;
    int fds[2];

    open_pair(fds);
    assert_result(tn_tls_new(client_context, fds[0], name, &e.client), 0);
    assert_result(tn_tls_new(server_context, fds[1], NULL, &e.server), 0);
    return e;
}

static int shake_client(void *arg)
{
    return tn_tls_handshake(((struct ends *)arg)->client, TN_FOREVER);
}

static int shake_server(void *arg)
{
    return tn_tls_handshake(((struct ends *)arg)->server, TN_FOREVER);
}

/* Shake hands on both ends; what each of them got. */
static void shake(struct ends *e, int *ret_client, int *ret_server)
{
    tn_greenlet *client = spawn(shake_client, e), *server;

    server = spawn(shake_server, e);
    *ret_client = join(client);
    if (*ret_client < 0 && *ret_client != -EPROTO)
        (void)shutdown(tn_tls_fd(e->client), SHUT_RDWR);
    *ret_server = join(server);
}

static struct ends open_ends(void)
{
    struct ends e = connect_as("a.test");
    int client, server;

    shake(&e, &client, &server);
    if (client < 0)
        fail_msg("client: %s", tn_tls_error(e.client));
    if (server < 0)
        fail_msg("server: %s", tn_tls_error(e.server));
    return e;
}

static void close_ends(struct ends *e)
{
    tn_tls_close(e->client, TN_NOWAIT);
    tn_tls_close(e->server, TN_NOWAIT);
}

/* ---- trust ---- */

static void a_message_crosses_both_ways(void)
{
    struct ends e;
    char buf[16];

    open_contexts();
    e = open_ends();
    assert_result(tn_tls_send_all(e.client, "ping", 4, NULL, TN_FOREVER), 0);
    assert_result(tn_tls_recv(e.server, buf, sizeof buf, TN_FOREVER), 4);
    assert_memory_equal(buf, "ping", 4);
    assert_result(tn_tls_send_all(e.server, "pong", 4, NULL, TN_FOREVER), 0);
    assert_result(tn_tls_recv(e.client, buf, 2, TN_FOREVER), 2);
    assert_int_equal(tn_tls_pending(e.client), 2);
    assert_result(tn_tls_recv(e.client, buf + 2, 9, TN_FOREVER), 2);
    assert_memory_equal(buf, "pong", 4);
    assert_string_equal(tn_tls_version(e.client), "TLSv1.3");
    assert_string_equal(tn_tls_server_name(e.server), "a.test");
    assert_true(strlen(tn_tls_cipher(e.server)) > 0);
    close_ends(&e);
    close_contexts();
}

static void a_handshake_that_fails(const char *name, const char *words)
{
    struct ends e = connect_as(name);
    int client, server;
    char byte;

    shake(&e, &client, &server);
    assert_int_equal(client, -EKEYREJECTED);
    assert_non_null(strstr(tn_tls_error(e.client), words));
    assert_true(server < 0 || tn_tls_recv(e.server, &byte, 1, TN_FOREVER) < 0);
    assert_result(tn_tls_send(e.client, "x", 1, TN_FOREVER), -EKEYREJECTED);
    close_ends(&e);
}

static void a_certificate_for_another_name_is_refused(void)
{
    open_contexts();
    a_handshake_that_fails("b.test", "ostname mismatch");
    a_handshake_that_fails("127.0.0.2", "IP address mismatch");
    close_contexts();
}

static void an_address_in_the_certificate_is_accepted(void)
{
    struct ends e;
    int client, server;

    open_contexts();
    e = connect_as("127.0.0.1");
    shake(&e, &client, &server);
    assert_int_equal(client, 0);
    assert_string_equal(tn_tls_server_name(e.server), ""); /* not sent */
    close_ends(&e);
    close_contexts();
}

static void an_unknown_authority_is_refused_by_default(void)
{
    open_contexts();
    tn_tls_context_free(client_context);
    client_context = make(TN_TLS_CLIENT, NULL);
    a_handshake_that_fails("a.test", "certificate");
    close_contexts();
}

static void an_expired_certificate_is_refused(void)
{
    struct tn_tls_options options = TN_TLS_OPTIONS;
    struct certificate old;

    open_contexts();
    certificate_make(&old, "DNS:a.test", &authority, -1);
    tn_tls_context_free(server_context);
    options.certificate_file = old.file;
    server_context = make(TN_TLS_SERVER, &options);
    a_handshake_that_fails("a.test", "expired");
    certificate_drop(&old);
    close_contexts();
}

static void a_client_that_verifies_must_name_its_server(void)
{
    struct tn_tls_options options = TN_TLS_OPTIONS;
    tn_tls *t;
    int fds[2];

    open_contexts();
    open_pair(fds);
    assert_result(tn_tls_new(client_context, fds[0], NULL, &t), -EINVAL);
    assert_result(tn_tls_new(server_context, fds[0], "a.test", &t), -EINVAL);
    tn_tls_context_free(client_context);
    options.verify = TN_TLS_VERIFY_NONE;
    client_context = make(TN_TLS_CLIENT, &options);
    assert_result(tn_tls_new(client_context, fds[0], NULL, &t), 0);
    tn_tls_close(t, TN_NOWAIT);
    tn_close(fds[1]);
    close_contexts();
}

static void a_server_may_demand_a_certificate(void)
{
    struct tn_tls_options options = TN_TLS_OPTIONS;
    struct certificate mine;
    struct ends e;
    int client, server;

    open_contexts();
    tn_tls_context_free(server_context);
    options.certificate_file = leaf.file;
    options.ca_file = authority.file;
    options.verify = TN_TLS_VERIFY_PEER;
    server_context = make(TN_TLS_SERVER, &options);
    e = connect_as("a.test");
    shake(&e, &client, &server);
    assert_int_equal(server, -EPROTO);
    close_ends(&e);
    certificate_make(&mine, "DNS:me.test", &authority, 30);
    options.certificate_file = mine.file;
    tn_tls_context_free(client_context);
    client_context = make(TN_TLS_CLIENT, &options);
    e = open_ends();
    close_ends(&e);
    certificate_drop(&mine);
    close_contexts();
}

static void bad_files_are_refused_with_their_name(void)
{
    struct tn_tls_options options = TN_TLS_OPTIONS;
    tn_tls_context *c;

    assert_result(tn_tls_context_new(TN_TLS_SERVER, NULL, &c), -EINVAL);
    assert_non_null(strstr(tn_tls_error(NULL), "certificate_file"));
    options.size = offsetof(struct tn_tls_options, key_file);
    options.version_min = 11; /* beyond what it says it has */
    assert_result(tn_tls_context_new(TN_TLS_CLIENT, &options, &c), 0);
    tn_tls_context_free(c);
    options.version_min = 0;
    options.size = sizeof options;
    options.certificate_file = "/no/such.pem";
    assert_result(tn_tls_context_new(TN_TLS_SERVER, &options, &c), -ENOENT);
    assert_non_null(strstr(tn_tls_error(NULL), "/no/such.pem"));
    options.certificate_file = "/dev/null";
    assert_result(tn_tls_context_new(TN_TLS_SERVER, &options, &c), -EBADMSG);
    assert_non_null(strstr(tn_tls_error(NULL), "/dev/null"));
    options.certificate_file = NULL;
    options.version_min = 11;
    assert_result(tn_tls_context_new(TN_TLS_CLIENT, &options, &c), -EINVAL);
    options.version_min = 0;
    options.alpn = "h2,,x";
    assert_result(tn_tls_context_new(TN_TLS_CLIENT, &options, &c), -EINVAL);
    options.alpn = NULL;
    options.ciphers = "NO-SUCH-CIPHER";
    assert_result(tn_tls_context_new(TN_TLS_CLIENT, &options, &c), -EINVAL);
}

/* ---- what is agreed on ---- */

static void the_server_chooses_the_protocol_by_alpn(void)
{
    struct tn_tls_options client = TN_TLS_OPTIONS, server = TN_TLS_OPTIONS;
    struct ends e;
    int r, s;

    open_contexts();
    tn_tls_context_free(client_context);
    tn_tls_context_free(server_context);
    client.ca_file = authority.file;
    client.alpn = "http/1.1,h2";
    server.certificate_file = leaf.file;
    server.alpn = "h2,http/1.1";
    client_context = make(TN_TLS_CLIENT, &client);
    server_context = make(TN_TLS_SERVER, &server);
    e = open_ends();
    assert_string_equal(tn_tls_alpn(e.client), "h2");
    assert_string_equal(tn_tls_alpn(e.server), "h2");
    close_ends(&e);

    tn_tls_context_free(client_context);
    client.alpn = "smtp";
    client_context = make(TN_TLS_CLIENT, &client);
    e = connect_as("a.test");
    shake(&e, &r, &s);
    assert_int_equal(r, -EPROTO);
    assert_int_equal(s, -EPROTO);
    close_ends(&e);
    close_contexts();
}

static tn_tls_context *choose_context(const char *server_name, void *arg)
{
    return strcmp(server_name, "b.test") == 0 ? arg : NULL;
}

static void the_name_the_client_asks_for_chooses_the_certificate(void)
{
    struct tn_tls_options options = TN_TLS_OPTIONS;
    struct certificate other;
    tn_tls_context *b;
    struct ends e;
    int client, server;

    open_contexts();
    certificate_make(&other, "DNS:b.test", &authority, 30);
    options.certificate_file = other.file;
    b = make(TN_TLS_SERVER, &options);
    assert_result(tn_tls_context_on_name(server_context, choose_context, b), 0);
    assert_result(tn_tls_context_on_name(client_context, choose_context, b),
                  -EINVAL);
    e = connect_as("b.test");
    shake(&e, &client, &server);
    assert_int_equal(client, 0);
    close_ends(&e);
    e = open_ends(); /* a.test */
    close_ends(&e);
    tn_tls_context_free(b);
    certificate_drop(&other);
    close_contexts();
}

static void talk_once(struct ends *e)
{
    char byte;

    assert_result(tn_tls_send(e->server, "x", 1, TN_FOREVER), 1);
    assert_result(tn_tls_recv(e->client, &byte, 1, TN_FOREVER), 1);
}

static void the_next_connection_resumes_the_session(void)
{
    struct ends e;

    open_contexts();
    for (int i = 0; i < 3; i++) {
        e = open_ends();
        assert_int_equal(tn_tls_is_resumed(e.client), i > 0);
        assert_int_equal(tn_tls_is_resumed(e.server), i > 0);
        talk_once(&e); /* tickets come with the first data */
        close_ends(&e);
    }
    close_contexts();
}

static void sessions_can_be_turned_off(void)
{
    struct ends e;

    open_contexts_with(TN_TLS_NO_SESSIONS, 0);
    for (int i = 0; i < 2; i++) {
        e = open_ends();
        assert_int_equal(tn_tls_is_resumed(e.client), 0);
        talk_once(&e);
        close_ends(&e);
    }
    close_contexts();
}

/* ---- the end of the stream ---- */

static void a_stream_that_is_shut_down_ends_with_0(void)
{
    struct ends e;
    char buf[8];

    open_contexts();
    e = open_ends();
    assert_result(tn_tls_send(e.client, "last", 4, TN_FOREVER), 4);
    assert_result(tn_tls_shutdown(e.client, TN_FOREVER), 0);
    assert_result(tn_tls_shutdown(e.client, TN_FOREVER), 0);
    assert_result(tn_tls_send(e.client, "more", 4, TN_FOREVER), -EPIPE);
    assert_result(tn_tls_recv(e.server, buf, sizeof buf, TN_FOREVER), 4);
    assert_result(tn_tls_recv(e.server, buf, sizeof buf, TN_FOREVER), 0);
    assert_result(tn_tls_recv(e.server, buf, sizeof buf, TN_FOREVER), 0);
    /* The other direction is open. */
    assert_result(tn_tls_send(e.server, "bye", 3, TN_FOREVER), 3);
    assert_result(tn_tls_recv(e.client, buf, sizeof buf, TN_FOREVER), 3);
    close_ends(&e);
    close_contexts();
}

static void a_stream_that_is_cut_is_an_error_unless_asked_for(void)
{
    struct ends e;
    char byte;

    for (int flags = 0; flags <= TN_TLS_RAGGED_END;
         flags += TN_TLS_RAGGED_END) {
        open_contexts_with(0, flags);
        e = open_ends();
        shutdown(tn_tls_fd(e.client), SHUT_WR);
        assert_result(tn_tls_recv(e.server, &byte, 1, TN_FOREVER),
                      flags ? 0 : -EPROTO);
        close_ends(&e);
        close_contexts();
    }
}

static void sending_to_one_that_is_gone_raises_no_signal(void)
{
    struct ends e;
    ssize_t r = 0;

    open_contexts();
    signal(SIGPIPE, SIG_DFL);
    e = open_ends();
    shutdown(tn_tls_fd(e.server), SHUT_RDWR);
    while (r >= 0)
        r = tn_tls_send(e.client, "x", 1, TN_FOREVER);
    assert_true(r == -EPIPE || r == -ECONNRESET);
    assert_true(tn_tls_send(e.client, "x", 1, TN_FOREVER) == r);
    close_ends(&e);
    close_contexts();
}

/* ---- waiting ---- */

static void a_silent_peer_ends_the_handshake_at_its_deadline(void)
{
    struct ends e;

    open_contexts();
    e = connect_as("a.test");
    assert_result(tn_tls_handshake(e.client, TN_NOWAIT), -EAGAIN);
    assert_result(tn_tls_handshake(e.client, tn_after_ms(5)), -ETIME);
    /* It can go on after that. */
    {
        int client, server;

        shake(&e, &client, &server);
        assert_int_equal(client, 0);
        assert_int_equal(server, 0);
    }
    close_ends(&e);
    close_contexts();
}

static void without_data_the_deadline_passes_and_nothing_is_lost(void)
{
    struct ends e;
    char byte;

    open_contexts();
    e = open_ends();
    assert_result(tn_tls_recv(e.server, &byte, 1, TN_NOWAIT), -EAGAIN);
    assert_result(tn_tls_recv(e.server, &byte, 1, tn_after_ms(5)), -ETIME);
    assert_result(tn_tls_send(e.client, "x", 1, TN_FOREVER), 1);
    assert_result(tn_tls_recv(e.server, &byte, 1, TN_NOWAIT), 1);
    close_ends(&e);
    close_contexts();
}

static int read_one(void *arg)
{
    char byte;

    return (int)tn_tls_recv(arg, &byte, 1, TN_FOREVER);
}

static void a_kill_ends_the_wait_and_the_connection_goes_on(void)
{
    struct ends e;
    tn_greenlet *g;

    open_contexts();
    e = open_ends();
    g = spawn(read_one, e.server);
    settle();
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_int_equal(join(g), -ECANCELED);
    talk_once(&e);
    close_ends(&e);
    close_contexts();
}

static void readers_take_turns_and_a_close_wakes_them_all(void)
{
    struct ends e;
    tn_greenlet *g[3];

    open_contexts();
    e = open_ends();
    for (int i = 0; i < 3; i++)
        g[i] = spawn(read_one, e.server);
    settle();
    assert_result(tn_tls_send(e.client, "x", 1, TN_FOREVER), 1);
    assert_int_equal(join(g[0]), 1);
    assert_int_equal(tn_greenlet_is_done(g[1]), 0);
    tn_tls_close(e.server, TN_NOWAIT);
    assert_int_equal(join(g[1]), -EBADF);
    assert_int_equal(join(g[2]), -EBADF);
    tn_tls_close(e.client, TN_NOWAIT);
    close_contexts();
}

/* ---- much data ---- */

enum { MUCH = 3 * 1000 * 1000 };

static unsigned char byte_at(size_t i)
{
    return (unsigned char)((i * 2654435761u) >> 11);
}

static int send_much(void *arg)
{
    unsigned char *buf = malloc(MUCH);
    int r;

    for (size_t i = 0; i < MUCH; i++)
        buf[i] = byte_at(i);
    r = tn_tls_send_all(arg, buf, MUCH, NULL, TN_FOREVER);
    free(buf);
    return r == 0 ? tn_tls_shutdown(arg, TN_FOREVER) : r;
}

/* Read to the end and look at each byte. How many there were. */
static int recv_much(void *arg)
{
    unsigned char buf[5000];
    size_t got = 0;
    ssize_t r;

    while ((r = tn_tls_recv(arg, buf, sizeof buf, TN_FOREVER)) > 0)
        for (ssize_t i = 0; i < r; i++)
            if (buf[i] != byte_at(got++))
                return -EILSEQ;
    return r < 0 ? (int)r : (int)got;
}

static void both_ends_send_and_receive_at_the_same_time(void)
{
    tn_greenlet *g[4];
    struct ends e;

    open_contexts();
    e = open_ends();
    g[0] = spawn(send_much, e.client);
    g[1] = spawn(send_much, e.server);
    g[2] = spawn(recv_much, e.client);
    g[3] = spawn(recv_much, e.server);
    assert_int_equal(join(g[0]), 0);
    assert_int_equal(join(g[1]), 0);
    assert_int_equal(join(g[2]), MUCH);
    assert_int_equal(join(g[3]), MUCH);
    close_ends(&e);
    close_contexts();
}

/* Send the pattern, giving up again and again; what counts as sent must come
 * out at the other end, once. */
static void what_a_sender_left_half_sent_goes_out_with_the_next(void)
{
    unsigned char *buf = malloc(MUCH);
    int n_given_up = 0;
    size_t sent = 0;
    tn_greenlet *g;
    struct ends e;
    ssize_t r;

    open_contexts();
    e = open_ends();
    for (size_t i = 0; i < MUCH; i++)
        buf[i] = byte_at(i);
    while (sent < MUCH && n_given_up < 3) {
        r = tn_tls_send(e.client, buf + sent, MUCH - sent, TN_NOWAIT);
        if (r == -EAGAIN) {
            n_given_up++;
            assert_result(
                tn_tls_send(e.client, buf + sent, MUCH - sent, tn_after_ms(2)),
                -ETIME);
            continue;
        }
        assert_true(r > 0);
        sent += (size_t)r;
    }
    assert_int_equal(n_given_up, 3);
    g = spawn(recv_much, e.server);
    while (sent < MUCH) {
        r = tn_tls_send(e.client, buf + sent, MUCH - sent, TN_FOREVER);
        assert_true(r > 0);
        sent += (size_t)r;
    }
    assert_result(tn_tls_shutdown(e.client, TN_FOREVER), 0);
    assert_int_equal(join(g), MUCH);
    close_ends(&e);
    close_contexts();
    free(buf);
}

static int recv_echo(void *arg)
{
    char byte = 0;
    ssize_t r = tn_tls_recv(arg, &byte, 1, TN_FOREVER);

    return r == 1 ? byte : (int)r;
}

static int drain_and_answer(void *arg)
{
    static char buf[65536];
    size_t got = 0;
    ssize_t r = 0;
    size_t wanted = *(size_t *)((void **)arg)[1];

    while (got < wanted) {
        r = tn_tls_recv(((void **)arg)[0], buf, sizeof buf, TN_FOREVER);
        if (r <= 0)
            return (int)r;
        got += (size_t)r;
    }
    return (int)tn_tls_send(((void **)arg)[0], "!", 1, TN_FOREVER);
}

static void a_reader_sends_what_a_sender_left(void)
{
    static char buf[65536];
    void *about[2];
    size_t sent = 0;
    tn_greenlet *g, *peer;
    struct ends e;
    ssize_t r;

    open_contexts();
    e = open_ends();
    while ((r = tn_tls_send(e.client, buf, sizeof buf, TN_NOWAIT)) > 0)
        sent += (size_t)r;
    assert_int_equal(r, -EAGAIN);
    about[0] = e.server;
    about[1] = &sent;
    g = spawn(recv_echo, e.client);
    settle();
    peer = spawn(drain_and_answer, about);
    assert_int_equal(join(peer), 1);
    assert_int_equal(join(g), '!');
    close_ends(&e);
    close_contexts();
}

static void what_is_wrong_is_refused(void)
{
    struct ends e;
    char byte;

    open_contexts();
    e = open_ends();
    assert_result(tn_tls_recv(NULL, &byte, 1, TN_NOWAIT), -EINVAL);
    assert_result(tn_tls_send(e.client, NULL, 1, TN_NOWAIT), -EINVAL);
    assert_result(tn_tls_send(e.client, "", 0, TN_NOWAIT), 0);
    assert_result(tn_tls_send_all(e.client, "", 0, NULL, TN_NOWAIT), 0);
    assert_result(tn_tls_recv(e.client, &byte, 0, TN_NOWAIT), 0);
    assert_result(tn_tls_close(NULL, TN_NOWAIT), 0);
    assert_result(tn_tls_handshake(NULL, TN_NOWAIT), -EINVAL);
    assert_non_null(tn_tls_native(e.client));
    tn_tls_context_free(NULL);
    close_ends(&e);
    close_contexts();
}

TEST_MAIN(TEST(a_message_crosses_both_ways),
          TEST(a_certificate_for_another_name_is_refused),
          TEST(an_address_in_the_certificate_is_accepted),
          TEST(an_unknown_authority_is_refused_by_default),
          TEST(an_expired_certificate_is_refused),
          TEST(a_client_that_verifies_must_name_its_server),
          TEST(a_server_may_demand_a_certificate),
          TEST(bad_files_are_refused_with_their_name),
          TEST(the_server_chooses_the_protocol_by_alpn),
          TEST(the_name_the_client_asks_for_chooses_the_certificate),
          TEST(the_next_connection_resumes_the_session),
          TEST(sessions_can_be_turned_off),
          TEST(a_stream_that_is_shut_down_ends_with_0),
          TEST(a_stream_that_is_cut_is_an_error_unless_asked_for),
          TEST(sending_to_one_that_is_gone_raises_no_signal),
          TEST(a_silent_peer_ends_the_handshake_at_its_deadline),
          TEST(without_data_the_deadline_passes_and_nothing_is_lost),
          TEST(a_kill_ends_the_wait_and_the_connection_goes_on),
          TEST(readers_take_turns_and_a_close_wakes_them_all),
          TEST(both_ends_send_and_receive_at_the_same_time),
          TEST(what_a_sender_left_half_sent_goes_out_with_the_next),
          TEST(a_reader_sends_what_a_sender_left),
          TEST(what_is_wrong_is_refused))
