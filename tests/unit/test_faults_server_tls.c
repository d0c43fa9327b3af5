/* SPDX-License-Identifier: MIT */
/* tests/unit/test_faults_server_tls.c - the n-th allocation and the n-th system
 * call fail, OpenSSL's too, in the life of a TLS server. */
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "support/certificates.h"
#include "support/faults.h"

static struct certificate leaf;
static tn_tls_context *server_context;

static void open_contexts(void)
{
    struct tn_tls_options options = TN_TLS_OPTIONS;

    certificate_make(&leaf, "IP:127.0.0.1", NULL, 30);
    options.certificate_file = leaf.file;
    assert_result(tn_tls_context_new(TN_TLS_SERVER, &options, &server_context),
                  0);
}

static void close_contexts(void)
{
    tn_tls_context_free(server_context);
    certificate_drop(&leaf);
}

static void echo_byte(tn_tls *tls, const struct sockaddr *peer, void *arg)
{
    char byte;

    (void)peer;
    (void)arg;
    if (tn_tls_recv(tls, &byte, 1, TN_FOREVER) == 1)
        (void)!tn_tls_send_all(tls, &byte, 1, NULL, TN_FOREVER);
}

/* A client that breaks the protocol: what a handshake takes before it is known
 * that there will be none. A whole one, for each of its hundreds of
 * allocations, would take minutes. */
static int talk(const char *addr)
{
    static const char what[] = "GET / HTTP/1.0\r\n\r\n";
    char buf[64];
    ssize_t r;
    int fd = tn_dial(addr, TN_FOREVER);

    if (fd < 0)
        return fd;
    r = tn_send_all(fd, what, strlen(what), 0, NULL, TN_FOREVER);
    while (r == 0 && (r = tn_recv(fd, buf, sizeof buf, 0, TN_FOREVER)) > 0)
        r = 0; /* the alert */
    tn_close(fd);
    return r == -ECONNRESET ? 0 : (int)r;
}

static int tls_server_lives(void)
{
    struct tn_stream_server_options options = TN_STREAM_SERVER_OPTIONS;
    tn_stream_server *s;
    char addr[32];
    int r, stopped;

    options.tls = server_context;
    options.delay_ns_min = options.delay_ns_max = 1000000;
    r = tn_stream_server_new_tls("127.0.0.1:0", echo_byte, NULL, &options, &s);
    if (r < 0)
        return r;
    r = tn_stream_server_start(s);
    if (r == 0) {
        snprintf(addr, sizeof addr, "127.0.0.1:%d", tn_stream_server_port(s));
        r = talk(addr);
        stopped = tn_stream_server_stop(s, TN_FOREVER);
        r = r < 0 ? r : stopped;
    }
    tn_stream_server_free(s);
    ERR_clear_error(); /* the thread's queue of errors has names of files */
    return r;
}

/* OpenSSL does without some of its memory, kTLS, and random seeds. */
static void a_tls_server(void)
{
    open_contexts();
    faults_each(
        tls_server_lives,
        "mmap sigaltstack process_madvise pidfd_open madvise accept4 send recv "
        "setsockopt epoll_ctl malloc calloc realloc getrandom open "
        "read");
    close_contexts();
}

TEST_MAIN(TEST(a_tls_server))
