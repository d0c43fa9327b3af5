/* SPDX-License-Identifier: MIT */
/* tls_common.h - what the TLS benches of tendril and of plain OpenSSL share: a
 * server in a process of its own on the first CPU, a client on the second. */
#ifndef TN_BENCH_TLS_COMMON_H
#define TN_BENCH_TLS_COMMON_H

#include <stddef.h>

enum { TLS_CHUNK = 65536, TLS_HANDSHAKES = 400 };
#define TLS_BULK_BYTES ((size_t)256 << 20)

struct tls_ends {
    /* Serve connections on `listener` until killed: read a byte; for 'b' send
     * TLS_BULK_BYTES, for any other send it back. Then end the stream. */
    void (*serve)(int listener, const char *pem);
    /* Connect to 127.0.0.1:port as often as said, send the byte, and read to
     * the end. How many bytes came. */
    size_t (*fetch)(int port, char byte, int times);
};

/* Run the bench that the arguments name (tls_bulk or tls_handshake) and print
 * its line. The exit status. */
int tls_bench(int argc, char **argv, const struct tls_ends *ends);

#endif /* TN_BENCH_TLS_COMMON_H */
