/* SPDX-License-Identifier: MIT */
/* peer_tls - either end of TLS, for those who are not ours to talk to.
 *
 * usage: peer_tls serve CERTIFICATE
 *        peer_tls ask HOST:PORT CA ALPN LINE
 *
 * serve: prints its port, then answers each connection: an HTTP request with
 * the page "hello over PROTOCOL", any other line with the line itself, and 32
 * MiB of zeros for the line "much". Ends when its standard input does.
 * ask: sends LINE, prints what comes back to the end, then what was agreed
 * on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tendril/tendril.h>

static tn_tls_context *context;

static int fail(const char *what, int r, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", what, strerror(-r), why);
    return 1;
}

/* Read to the end of a line, or of an HTTP request's head. */
static int read_request(tn_tls *t, char *buf, size_t size)
{
    size_t got = 0;

    while (got + 1 < size) {
        ssize_t r = tn_tls_recv(t, buf + got, size - 1 - got, tn_after_s(10));

        if (r <= 0)
            return (int)r;
        got += (size_t)r;
        buf[got] = '\0';
        if (strncmp(buf, "GET ", 4) == 0 ? strstr(buf, "\r\n\r\n") != NULL
                                         : strchr(buf, '\n') != NULL)
            return 1;
    }
    return -1;
}

static int answer(tn_tls *t, const char *request)
{
    static const char zeros[65536];
    char page[128], text[256];
    int r = 0;

    if (strncmp(request, "GET ", 4) == 0) {
        snprintf(page, sizeof page, "hello over %s\n", tn_tls_version(t));
        snprintf(text, sizeof text,
                 "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n"
                 "Connection: close\r\n\r\n%s",
                 strlen(page), page);
        return tn_tls_send_all(t, text, strlen(text), NULL, tn_after_s(10));
    }
    if (strncmp(request, "much\n", 5) != 0)
        return tn_tls_send_all(t, request, strlen(request), NULL,
                               tn_after_s(10));
    for (int i = 0; r == 0 && i < 512; i++)
        r = tn_tls_send_all(t, zeros, sizeof zeros, NULL, tn_after_s(10));
    return r;
}

static void serve(tn_tls *t, const struct sockaddr *peer, void *arg)
{
    char request[4096];

    (void)peer;
    (void)arg;
    while (read_request(t, request, sizeof request) == 1)
        if (answer(t, request) < 0 || strncmp(request, "GET ", 4) == 0)
            break;
}

static int be_server(const char *certificate)
{
    struct tn_stream_server_options how = TN_STREAM_SERVER_OPTIONS;
    struct tn_tls_options options = TN_TLS_OPTIONS;
    tn_stream_server *server;
    char byte;
    int r;

    options.certificate_file = certificate;
    options.alpn = "http/1.1,echo";
    r = tn_tls_context_new(TN_TLS_SERVER, &options, &context);
    if (r < 0)
        return fail(certificate, r, tn_tls_error(NULL));
    how.tls = context;
    r = tn_stream_server_new_tls("127.0.0.1:0", serve, NULL, &how, &server);
    if (r < 0)
        return fail("server", r, "");
    r = tn_stream_server_start(server);
    if (r < 0)
        return fail("listen", r, "");
    printf("%d\n", tn_stream_server_port(server));
    fflush(stdout);
    while (tn_read(0, &byte, 1, TN_FOREVER) > 0)
        ;
    tn_stream_server_free(server);
    tn_tls_context_free(context);
    return 0;
}

static int be_client(char **argv)
{
    struct tn_tls_options options = TN_TLS_OPTIONS;
    tn_time until = tn_after_s(20);
    char buf[4096];
    tn_tls *t;
    ssize_t n = 0;
    int r;

    options.ca_file = argv[3];
    options.alpn = argv[4][0] ? argv[4] : NULL;
    r = tn_tls_context_new(TN_TLS_CLIENT, &options, &context);
    if (r == 0)
        r = tn_tls_dial(context, argv[2], &t, until);
    if (r < 0)
        return fail(argv[2], r, tn_tls_error(NULL));
    r = tn_tls_send_all(t, argv[5], strlen(argv[5]), NULL, until);
    if (r == 0)
        r = tn_tls_send_all(t, "\r\n\r\n", 4, NULL, until);
    if (r == 0)
        r = tn_tls_shutdown(t, until);
    while (r == 0 && (n = tn_tls_recv(t, buf, sizeof buf, until)) > 0)
        fwrite(buf, 1, (size_t)n, stdout);
    if (r < 0 || n < 0)
        return fail(argv[2], r < 0 ? r : (int)n, tn_tls_error(t));
    printf("\n[%s %s]\n", tn_tls_version(t), tn_tls_alpn(t));
    tn_tls_close(t, until);
    tn_tls_context_free(context);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return be_server(argv[2]);
    if (argc == 6 && strcmp(argv[1], "ask") == 0)
        return be_client(argv);
    fprintf(stderr, "usage: see the head of peer_tls.c\n");
    return 2;
}
