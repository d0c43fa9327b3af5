/* SPDX-License-Identifier: MIT */
/* tls_tendril.c - the TLS benches on tendril, one greenlet a connection. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <tendril/tendril.h>

#include "bench.h"
#include "tls_common.h"

static tn_tls_context *context;

static void send_bulk(tn_tls *t)
{
    static char chunk[TLS_CHUNK];

    for (size_t sent = 0; sent < TLS_BULK_BYTES; sent += sizeof chunk)
        if (tn_tls_send_all(t, chunk, sizeof chunk, NULL, TN_FOREVER) < 0)
            return;
}

static int serve_one(void *arg)
{
    int fd = *(int *)arg;
    tn_tls *t;
    char byte;

    free(arg);
    if (tn_tls_new(context, fd, NULL, &t) < 0)
        return tn_close(fd);
    if (tn_tls_recv(t, &byte, 1, TN_FOREVER) == 1) {
        if (byte == 'b')
            send_bulk(t);
        else if (tn_tls_send(t, &byte, 1, TN_FOREVER) < 0)
            bench_fail("send");
    }
    tn_tls_close(t, TN_FOREVER);
    return 0;
}

static void serve(int listener, const char *pem)
{
    struct tn_tls_options options = TN_TLS_OPTIONS;

    options.certificate_file = pem;
    if (tn_tls_context_new(TN_TLS_SERVER, &options, &context) < 0 ||
        tn_fd_adopt(listener) < 0)
        bench_fail("%s", tn_tls_error(NULL));
    for (;;) {
        int *fd = malloc(sizeof *fd);

        *fd = tn_accept(listener, NULL, NULL, TN_FOREVER);
        if (*fd < 0 || tn_spawn(serve_one, fd, NULL) < 0)
            bench_fail("accept");
    }
}

static size_t fetch_one(const char *addr, char byte)
{
    static char chunk[TLS_CHUNK];
    size_t got = 0;
    ssize_t n;
    tn_tls *t;

    if (tn_tls_dial(context, addr, &t, TN_FOREVER) < 0 ||
        tn_tls_send(t, &byte, 1, TN_FOREVER) != 1)
        bench_fail("the handshake: %s", tn_tls_error(NULL));
    while ((n = tn_tls_recv(t, chunk, sizeof chunk, TN_FOREVER)) > 0)
        got += (size_t)n;
    tn_tls_close(t, TN_NOWAIT);
    return got;
}

static size_t fetch(int port, char byte, int times)
{
    struct tn_tls_options options = TN_TLS_OPTIONS;
    size_t got = 0;
    char addr[32];

    options.verify = TN_TLS_VERIFY_NONE;
    options.flags = TN_TLS_NO_SESSIONS;
    if (tn_tls_context_new(TN_TLS_CLIENT, &options, &context) < 0)
        bench_fail("%s", tn_tls_error(NULL));
    snprintf(addr, sizeof addr, "127.0.0.1:%d", port);
    for (int i = 0; i < times; i++)
        got += fetch_one(addr, byte);
    tn_tls_context_free(context);
    return got;
}

int main(int argc, char **argv)
{
    static const struct tls_ends ends = {serve, fetch};

    return tls_bench(argc, argv, &ends);
}
