/* SPDX-License-Identifier: MIT */
/* tls_common.c - see tls_common.h. The certificate is made on the spot (P-256),
 * and nobody verifies it: that costs both sides the same. */
#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "tls_common.h"

static EVP_PKEY *make_key(void)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    EVP_PKEY *key = NULL;

    if (!ctx || EVP_PKEY_keygen_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) !=
            1 ||
        EVP_PKEY_keygen(ctx, &key) != 1)
        bench_fail("no key");
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* A certificate and its key in a new file, whose name goes to `path`. */
static void make_pem(char *path)
{
    EVP_PKEY *key = make_key();
    X509 *x = X509_new();
    int fd = mkstemp(path);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

    if (!f)
        bench_fail("no file for the certificate");
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"bench", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, key);
    if (!X509_sign(x, key, EVP_sha256()) || !PEM_write_X509(f, x) ||
        !PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL))
        bench_fail("no certificate");
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(key);
}

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
        sched_setaffinity(0, sizeof set, &set);
}

static pid_t start_server(const struct tls_ends *ends, int listener,
                          const char *pem)
{
    pid_t pid = fork();

    if (pid < 0)
        bench_fail("fork");
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(0);
    ends->serve(listener, pem);
    _exit(1);
}

int tls_bench(int argc, char **argv, const struct tls_ends *ends)
{
    char pem[] = "/tmp/tendril-bench-XXXXXX";
    const char *name = argc == 2 ? argv[1] : "";
    int is_bulk = !strcmp(name, "tls_bulk"), listener = bench_listen(0);
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;
    int64_t begin, ns;
    int port, status;
    size_t wanted;
    pid_t server;

    if (!is_bulk && strcmp(name, "tls_handshake") != 0)
        bench_fail("usage: %s tls_bulk|tls_handshake", argv[0]);
    getsockname(listener, (struct sockaddr *)&addr, &len);
    port = ntohs(addr.sin_port);
    make_pem(pem);
    server = start_server(ends, listener, pem);
    close(listener);
    pin(1);
    ends->fetch(port, 'w', 3); /* warm */
    wanted = is_bulk ? TLS_BULK_BYTES : TLS_HANDSHAKES;
    begin = bench_now_ns();
    if (ends->fetch(port, is_bulk ? 'b' : 'w', is_bulk ? 1 : TLS_HANDSHAKES) !=
        wanted)
        bench_fail("the connection gave other than %zu bytes", wanted);
    ns = bench_now_ns() - begin;
    kill(server, SIGKILL);
    waitpid(server, &status, 0);
    unlink(pem);
    printf("{\"name\": \"%s\", \"value\": %.1f, \"unit\": \"%s\"}\n", name,
           is_bulk ? (double)wanted * 1000 / (double)ns
                   : (double)wanted * 1e9 / (double)ns,
           is_bulk ? "MB/s" : "1/s");
    return 0;
}
