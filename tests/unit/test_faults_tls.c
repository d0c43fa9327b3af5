/* SPDX-License-Identifier: MIT */
/* tests/unit/test_faults_tls.c - the n-th allocation and the n-th system call
 * fail, for every n, in TLS: contexts, and connections from the handshake to
 * the end, OpenSSL's own allocations included (see support/faults.h). */
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>

#include "support/certificates.h"
#include "support/faults.h"

/* OpenSSL does not tell of all that it could not do. */
#define OPENSSL_DOES_WITHOUT                                                   \
 "libcrypto libssl libc mmap madvise process_madvise setsockopt"

/* It allocates thousands of times. */
enum { STRIDE = 47 };

static struct certificate authority, leaf;
static struct tn_tls_options client_options = TN_TLS_OPTIONS,
                             server_options = TN_TLS_OPTIONS;
static tn_tls_context *client_context, *server_context;

static void set_up(void)
{
    certificate_make(&authority, NULL, NULL, 30);
    certificate_make(&leaf, "DNS:a.test", &authority, 30);
    client_options.ca_file = authority.file;
    client_options.alpn = "one,two";
    server_options.certificate_file = leaf.file;
    server_options.alpn = "two";
}

static void drop(void)
{
    certificate_drop(&leaf);
    certificate_drop(&authority);
}

/* ---- contexts ---- */

static int context_of_client_lives(void)
{
    tn_tls_context *c;
    int r = tn_tls_context_new(TN_TLS_CLIENT, &client_options, &c);

    if (r == 0)
        tn_tls_context_free(c);
    return r;
}

static int context_of_server_lives(void)
{
    tn_tls_context *c;
    int r = tn_tls_context_new(TN_TLS_SERVER, &server_options, &c);

    if (r == 0)
        tn_tls_context_free(c);
    return r;
}

static void a_context_of_a_client(void)
{
    set_up();
    faults_some(context_of_client_lives, OPENSSL_DOES_WITHOUT, STRIDE);
    drop();
}

static void a_context_of_a_server(void)
{
    set_up();
    faults_some(context_of_server_lives, OPENSSL_DOES_WITHOUT, STRIDE);
    server_options.ca_file = authority.file;
    server_options.verify = TN_TLS_VERIFY_PEER;
    faults_some(context_of_server_lives, OPENSSL_DOES_WITHOUT, STRIDE);
    drop();
}

/* ---- connections ---- */

struct ends {
    tn_tls *client, *server;
};

static int serve(void *arg)
{
    struct ends *e = arg;
    char byte;
    long r = tn_tls_handshake(e->server, TN_FOREVER);

    if (r == 0)
        r = tn_tls_recv(e->server, &byte, 1, TN_FOREVER);
    if (r == 1)
        r = tn_tls_send(e->server, "y", 1, TN_FOREVER);
    if (r < 0) /* or the client waits for ever */
        (void)shutdown(tn_tls_fd(e->server), SHUT_RDWR);
    return r < 0 ? (int)r : 0;
}

static int ask(struct ends *e)
{
    char byte;
    long r = tn_tls_handshake(e->client, TN_FOREVER);

    if (r == 0)
        r = tn_tls_send(e->client, "x", 1, TN_FOREVER);
    if (r == 1)
        r = tn_tls_recv(e->client, &byte, 1, TN_FOREVER);
    if (r < 0)
        (void)shutdown(tn_tls_fd(e->client), SHUT_RDWR);
    return r < 0 ? (int)r : r == 0 ? -EPIPE : 0;
}

static int talk(struct ends *e)
{
    tn_greenlet *g;
    int r = tn_spawn(serve, e, &g), result;

    if (r < 0)
        return r;
    r = ask(e);
    faults_pause();
    result = join(g);
    faults_resume();
    return r < 0 ? r : result;
}

static int connection_lives(void)
{
    struct ends e;
    int fds[2], r;

    faults_pause();
    open_pair(fds);
    faults_resume();
    r = tn_tls_new(client_context, fds[0], "a.test", &e.client);
    if (r < 0) {
        close_both(fds);
        return r;
    }
    r = tn_tls_new(server_context, fds[1], NULL, &e.server);
    if (r < 0) {
        tn_tls_close(e.client, TN_NOWAIT);
        assert_result(tn_close(fds[1]), 0);
        return r;
    }
    r = talk(&e);
    if (r == 0)
        r = tn_tls_shutdown(e.client, TN_FOREVER);
    if (r == 0)
        r = tn_tls_shutdown(e.server, TN_FOREVER);
    tn_tls_close(e.client, TN_NOWAIT);
    tn_tls_close(e.server, TN_NOWAIT);
    return r;
}

static void connections(int flags)
{
    set_up();
    client_options.flags = server_options.flags = flags;
    assert_result(
        tn_tls_context_new(TN_TLS_CLIENT, &client_options, &client_context), 0);
    assert_result(
        tn_tls_context_new(TN_TLS_SERVER, &server_options, &server_context), 0);
    faults_some(connection_lives, OPENSSL_DOES_WITHOUT, STRIDE);
    tn_tls_context_free(client_context);
    tn_tls_context_free(server_context);
    drop();
}

static void a_connection(void)
{
    connections(TN_TLS_NO_SESSIONS);
}

static void a_connection_that_goes_on_with_a_session(void)
{
    connections(0);
}

TEST_MAIN(TEST_LONG(a_context_of_a_client, 0, 600),
          TEST_LONG(a_context_of_a_server, 0, 600),
          TEST_LONG(a_connection, 0, 600),
          TEST_LONG(a_connection_that_goes_on_with_a_session, 0, 600))
