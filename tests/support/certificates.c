/* SPDX-License-Identifier: MIT */
/* Certificates for tests, by OpenSSL. */
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/certificates.h"
#include "support/test.h"

static EVP_PKEY *make_key(void)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    EVP_PKEY *key = NULL;

    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1);
    assert_int_equal(EVP_PKEY_keygen(ctx, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static void add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *e;

    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(e);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

static void write_files(struct certificate *c)
{
    FILE *f;
    int fd;

    snprintf(c->file, sizeof c->file, "/tmp/tendril-cert-XXXXXX");
    fd = mkstemp(c->file);
    assert_true(fd >= 0);
    f = fdopen(fd, "w");
    assert_int_equal(PEM_write_X509(f, c->x509), 1);
    assert_int_equal(PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL),
                     1);
    fclose(f);
}

void certificate_make(struct certificate *c, const char *alt_name,
                      const struct certificate *issuer, int days)
{
    static long serial = 1;
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);
    const unsigned char *common =
        (const unsigned char *)(alt_name ? alt_name : "authority");

    c->x509 = x;
    c->key = make_key();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), -86400 * 30);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400 * (long)days);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common, -1, -1, 0);
    X509_set_issuer_name(x,
                         issuer ? X509_get_subject_name(issuer->x509) : name);
    X509_set_pubkey(x, c->key);
    if (alt_name)
        add_extension(x, NID_subject_alt_name, alt_name);
    else
        add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(x, issuer ? issuer->key : c->key, EVP_sha256()) > 0);
    write_files(c);
}

void certificate_drop(struct certificate *c)
{
    unlink(c->file);
    X509_free(c->x509);
    EVP_PKEY_free(c->key);
}
