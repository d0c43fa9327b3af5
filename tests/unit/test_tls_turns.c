/* SPDX-License-Identifier: MIT */
/* TLS connections: what one greenlet does for another that waits on the same
 * connection, and what a server's names and a client's demand (S118, S120). */
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "support/certificates.h"
#include "support/green.h"
#include "support/virtual.h"

static struct certificate authority, leaf;
static tn_tls_context *client_context, *server_context;
static tn_tls *client, *server;

static tn_tls_context *make(enum tn_tls_role role,
                            const struct tn_tls_options *options)
{
    tn_tls_context *c = NULL;
    int r = tn_tls_context_new(role, options, &c);

    if (r < 0)
        fail_msg("%d: %s", r, tn_tls_error(NULL));
    return c;
}

static void open_contexts(const char *alt_name, int server_flags)
{
    struct tn_tls_options of_client = TN_TLS_OPTIONS,
                          of_server = TN_TLS_OPTIONS;

    certificate_make(&authority, NULL, NULL, 30);
    certificate_make(&leaf, alt_name, &authority, 30);
    of_client.ca_file = authority.file;
    of_server.certificate_file = leaf.file;
    of_server.flags = server_flags;
    client_context = make(TN_TLS_CLIENT, &of_client);
    server_context = make(TN_TLS_SERVER, &of_server);
}

static void close_contexts(void)
{
    tn_tls_context_free(client_context);
    tn_tls_context_free(server_context);
    certificate_drop(&leaf);
    certificate_drop(&authority);
}

static void open_ends(const char *name)
{
    int fds[2];

    open_pair(fds);
    assert_result(tn_tls_new(client_context, fds[0], name, &client), 0);
    assert_result(tn_tls_new(server_context, fds[1], NULL, &server), 0);
}

static void close_ends(void)
{
    tn_tls_close(client, TN_NOWAIT);
    tn_tls_close(server, TN_NOWAIT);
}

/* Shake hands, and end what the other end waits for if that fails. */
static int handshake(void *arg)
{
    int r = tn_tls_handshake(arg, TN_FOREVER);

    if (r < 0 && r != -EPROTO)
        (void)shutdown(tn_tls_fd(arg), SHUT_RDWR);
    return r;
}

/* What came of it at the client's end, and at the server's. */
static void shake(int *ret_client, int *ret_server)
{
    tn_greenlet *g = spawn(handshake, client), *other;

    other = spawn(handshake, server);
    *ret_client = join(g);
    *ret_server = join(other);
}

static void shake_well(void)
{
    int r[2];

    shake(&r[0], &r[1]);
    assert_int_equal(r[0], 0);
    assert_int_equal(r[1], 0);
}

static int send_byte(void *arg)
{
    return (int)tn_tls_send(arg, "x", 1, TN_FOREVER);
}

static int recv_byte(void *arg)
{
    char byte = 0;
    ssize_t r = tn_tls_recv(arg, &byte, 1, TN_FOREVER);

    return r == 1 ? byte : (int)r;
}

/* ---- one does what another waits for ---- */

static void who_waits_for_the_handshake_hears_that_another_has_done_it(void)
{
    tn_greenlet *writer, *reader, *peer;

    /* Without tickets, nothing comes after the server's part of it. */
    open_contexts("DNS:a.test", TN_TLS_NO_SESSIONS);
    open_ends("a.test");
    writer = spawn(send_byte, client);
    peer = spawn(recv_byte, server);
    reader = spawn(recv_byte, client);
    assert_int_equal(join(writer), 1);
    assert_int_equal(join(peer), 'x');
    assert_result(tn_tls_send(server, "y", 1, TN_FOREVER), 1);
    assert_int_equal(join(reader), 'y');
    close_ends();
    close_contexts();
}

static size_t n_sent;

static int drain_and_answer(void *arg)
{
    static char buf[65536];
    size_t got = 0;

    while (got < n_sent) {
        ssize_t r = tn_tls_recv(arg, buf, sizeof buf, TN_FOREVER);

        if (r <= 0)
            return (int)r;
        got += (size_t)r;
    }
    return (int)tn_tls_send(arg, "!", 1, TN_FOREVER);
}

static void a_reader_that_waits_already_sends_what_a_sender_leaves(void)
{
    static char buf[65536];
    tn_greenlet *reader, *peer;
    ssize_t r;

    open_contexts("DNS:a.test", 0);
    open_ends("a.test");
    shake_well();
    reader = spawn(recv_byte, client);
    settle();
    n_sent = 0;
    while ((r = tn_tls_send(client, buf, sizeof buf, TN_NOWAIT)) > 0)
        n_sent += (size_t)r;
    assert_int_equal(r, -EAGAIN);
    peer = spawn(drain_and_answer, server);
    assert_int_equal(join(peer), 1);
    assert_int_equal(join(reader), '!');
    close_ends();
    close_contexts();
}

static void new_keys_go_out_before_the_end_of_the_stream(void)
{
    open_contexts("DNS:a.test", 0);
    open_ends("a.test");
    shake_well();
    assert_int_equal(
        SSL_key_update(tn_tls_native(client), SSL_KEY_UPDATE_REQUESTED), 1);
    assert_result(tn_tls_shutdown(client, TN_FOREVER), 0);
    assert_int_equal(recv_byte(server), 0);
    close_ends();

    open_ends("a.test");
    shake_well();
    assert_int_equal(
        SSL_key_update(tn_tls_native(client), SSL_KEY_UPDATE_REQUESTED), 1);
    assert_result(tn_tls_close(client, TN_NOWAIT), 0);
    assert_int_equal(recv_byte(server), 0);
    tn_tls_close(server, TN_NOWAIT);
    close_contexts();
}

static void new_keys_do_not_disturb_what_is_half_sent(void)
{
    static char buf[65536];
    tn_greenlet *peer;
    ssize_t r;

    open_contexts("DNS:a.test", 0);
    open_ends("a.test");
    shake_well();
    n_sent = 0;
    while ((r = tn_tls_send(client, buf, sizeof buf, TN_NOWAIT)) > 0)
        n_sent += (size_t)r;
    /* The peer wants them, and the client hears of it while it reads. */
    assert_int_equal(
        SSL_key_update(tn_tls_native(server), SSL_KEY_UPDATE_REQUESTED), 1);
    assert_result(tn_tls_send(server, "?", 1, TN_FOREVER), 1);
    assert_int_equal(recv_byte(client), '?');
    peer = spawn(drain_and_answer, server);
    assert_int_equal(recv_byte(client), '!');
    assert_int_equal(join(peer), 1);
    assert_result(tn_tls_send(client, "x", 1, TN_FOREVER), 1);
    assert_int_equal(recv_byte(server), 'x');
    close_ends();
    close_contexts();
}

/* ---- names ---- */

static void a_name_of_the_server_is_(const char *name, bool is_good)
{
    int r[2];

    open_ends(name);
    shake(&r[0], &r[1]);
    if (r[0] != (is_good ? 0 : -EKEYREJECTED))
        fail_msg("%s: %d", name, r[0]);
    close_ends();
}

static void a_wildcard_stands_for_one_whole_label(void)
{
    open_contexts("DNS:*.a.test,DNS:b*.test", 0);
    a_name_of_the_server_is_("x.a.test", true);
    a_name_of_the_server_is_("X.A.Test", true);
    a_name_of_the_server_is_("a.test", false);
    a_name_of_the_server_is_("x.y.a.test", false);
    a_name_of_the_server_is_("bc.test", false);
    close_contexts();
}

static void the_subject_of_a_certificate_is_no_name(void)
{
    /* Its common name is "email:a.test" here; an address is no host name. */
    open_contexts("email:a.test", 0);
    a_name_of_the_server_is_("email:a.test", false);
    close_contexts();
}

static void names_that_mean_any_are_refused(void)
{
    tn_tls *t;
    int fds[2];

    open_contexts("DNS:a.test", 0);
    open_pair(fds);
    assert_result(tn_tls_new(client_context, fds[0], "", &t), -EINVAL);
    assert_result(tn_tls_new(client_context, fds[0], ".test", &t), -EINVAL);
    close_both(fds);
    close_contexts();
}

static tn_tls_context *choose(const char *name, void *arg)
{
    return strcmp(name, "b.test") == 0 ? arg : NULL;
}

static tn_tls_context *make_strict(const struct certificate *c, int version)
{
    struct tn_tls_options options = TN_TLS_OPTIONS;

    options.certificate_file = c->file;
    options.ca_file = authority.file;
    options.verify = TN_TLS_VERIFY_PEER;
    options.version_min = version;
    return make(TN_TLS_SERVER, &options);
}

/* The client's first error: TLS 1.3 tells it after its handshake. */
static int error_of_client(int r)
{
    return r < 0 ? r : recv_byte(client);
}

static void a_name_may_demand_a_certificate_that_others_do_not(void)
{
    struct tn_tls_options options = TN_TLS_OPTIONS;
    struct certificate mine;
    tn_tls_context *strict;
    int r[2];

    open_contexts("DNS:a.test,DNS:b.test", 0);
    strict = make_strict(&leaf, 0);
    assert_result(tn_tls_context_on_name(server_context, choose, strict), 0);
    open_ends("a.test");
    shake_well();
    close_ends();
    open_ends("b.test");
    shake(&r[0], &r[1]);
    assert_int_equal(r[1], -EPROTO);
    assert_int_equal(error_of_client(r[0]), -EPROTO);
    close_ends();

    certificate_make(&mine, "DNS:me.test", &authority, 30);
    options.certificate_file = mine.file;
    options.ca_file = authority.file;
    tn_tls_context_free(client_context);
    client_context = make(TN_TLS_CLIENT, &options);
    open_ends("b.test");
    shake_well();
    close_ends();
    certificate_drop(&mine);
    tn_tls_context_free(strict);
    close_contexts();
}

static void a_session_of_one_name_does_not_open_another(void)
{
    tn_tls_context *strict;
    SSL_SESSION *session;
    int r[2];

    open_contexts("DNS:a.test,DNS:b.test", 0);
    strict = make_strict(&leaf, 0);
    assert_result(tn_tls_context_on_name(server_context, choose, strict), 0);
    open_ends("a.test");
    shake_well();
    assert_result(tn_tls_send(server, "x", 1, TN_FOREVER), 1);
    assert_int_equal(recv_byte(client), 'x'); /* and the ticket */
    session = SSL_get1_session(tn_tls_native(client));
    close_ends();

    open_ends("b.test");
    assert_int_equal(SSL_set_session(tn_tls_native(client), session), 1);
    SSL_SESSION_free(session);
    shake(&r[0], &r[1]);
    assert_int_equal(r[1], -EPROTO);
    close_ends();
    tn_tls_context_free(strict);
    close_contexts();
}

static void a_context_may_be_freed_by_its_own_choice(void)
{
    tn_tls_context *strict;
    int r[2];

    open_contexts("DNS:a.test,DNS:b.test", 0);
    strict = make_strict(&leaf, 13);
    assert_result(tn_tls_context_on_name(server_context, choose, strict), 0);
    open_ends("b.test");
    assert_result(tn_tls_handshake(client, TN_NOWAIT), -EAGAIN);
    assert_result(tn_tls_handshake(server, TN_NOWAIT), -EAGAIN);
    assert_result(tn_tls_context_on_name(server_context, choose, NULL), 0);
    tn_tls_context_free(strict); /* the connection has it still */
    shake(&r[0], &r[1]);
    assert_int_equal(r[1], -EPROTO);
    close_ends();
    close_contexts();
}

static void a_name_may_demand_a_newer_version(void)
{
    tn_tls_context *strict;
    int r[2];

    open_contexts("DNS:a.test,DNS:b.test", 0);
    strict = make_strict(&leaf, 13);
    assert_result(tn_tls_context_on_name(server_context, choose, strict), 0);
    open_ends("b.test");
    assert_int_equal(
        SSL_set_max_proto_version(tn_tls_native(client), TLS1_2_VERSION), 1);
    shake(&r[0], &r[1]);
    assert_int_equal(r[0], -EPROTO);
    assert_int_equal(r[1], -EPROTO);
    close_ends();
    tn_tls_context_free(strict);
    close_contexts();
}

static void options_may_be_those_of_an_older_header(void)
{
    struct tn_tls_options options = TN_TLS_OPTIONS;
    tn_tls_context *c;

    options.size = offsetof(struct tn_tls_options, flags);
    options.flags = -1; /* not looked at */
    assert_result(tn_tls_context_new(TN_TLS_CLIENT, &options, &c), 0);
    tn_tls_context_free(c);
    options.size = 0;
    assert_result(tn_tls_context_new(TN_TLS_CLIENT, &options, &c), -EINVAL);
}

TEST_MAIN(TEST(who_waits_for_the_handshake_hears_that_another_has_done_it),
          TEST(a_reader_that_waits_already_sends_what_a_sender_leaves),
          TEST(new_keys_go_out_before_the_end_of_the_stream),
          TEST(new_keys_do_not_disturb_what_is_half_sent),
          TEST(a_wildcard_stands_for_one_whole_label),
          TEST(the_subject_of_a_certificate_is_no_name),
          TEST(names_that_mean_any_are_refused),
          TEST(a_name_may_demand_a_certificate_that_others_do_not),
          TEST(a_session_of_one_name_does_not_open_another),
          TEST(a_context_may_be_freed_by_its_own_choice),
          TEST(a_name_may_demand_a_newer_version),
          TEST(options_may_be_those_of_an_older_header))
