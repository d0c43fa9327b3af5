/* SPDX-License-Identifier: MIT */
/* tls_blocking.c - the floor of the TLS benches: OpenSSL on blocking sockets,
 * one connection after the other, nothing else. */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "tls_common.h"

static char chunk[TLS_CHUNK];

static void send_bulk(SSL *ssl)
{
    for (size_t sent = 0; sent < TLS_BULK_BYTES; sent += sizeof chunk)
        if (SSL_write(ssl, chunk, sizeof chunk) != (int)sizeof chunk)
            return;
}

static void serve_one(SSL_CTX *ctx, int fd)
{
    SSL *ssl = SSL_new(ctx);
    char byte;

    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1 && SSL_read(ssl, &byte, 1) == 1) {
        if (byte == 'b')
            send_bulk(ssl);
        else
            SSL_write(ssl, &byte, 1);
        SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    close(fd);
}

static void serve(int listener, const char *pem)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    signal(SIGPIPE, SIG_IGN);
    if (SSL_CTX_use_certificate_chain_file(ctx, pem) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, pem, SSL_FILETYPE_PEM) != 1)
        bench_fail("the certificate");
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd >= 0)
            serve_one(ctx, fd);
    }
}

static size_t fetch_one(SSL_CTX *ctx, const struct sockaddr_in *addr, char byte)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), n;
    SSL *ssl = SSL_new(ctx);
    size_t got = 0;

    if (connect(fd, (const struct sockaddr *)addr, sizeof *addr) < 0)
        bench_fail("connect");
    SSL_set_fd(ssl, fd);
    if (SSL_connect(ssl) != 1 || SSL_write(ssl, &byte, 1) != 1)
        bench_fail("the handshake");
    while ((n = SSL_read(ssl, chunk, sizeof chunk)) > 0)
        got += (size_t)n;
    SSL_free(ssl);
    close(fd);
    return got;
}

static size_t fetch(int port, char byte, int times)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((unsigned short)port)};
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    size_t got = 0;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    for (int i = 0; i < times; i++)
        got += fetch_one(ctx, &addr, byte);
    SSL_CTX_free(ctx);
    return got;
}

int main(int argc, char **argv)
{
    static const struct tls_ends ends = {serve, fetch};

    return tls_bench(argc, argv, &ends);
}
