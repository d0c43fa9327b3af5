/* SPDX-License-Identifier: MIT */
/* tests/support/certificates.h - certificates made on the spot, in files. */
#ifndef TN_TESTS_CERTIFICATES_H
#define TN_TESTS_CERTIFICATES_H

struct certificate {
    char file[64]; /* PEM: the certificate and its key */
    void *x509;    /* OpenSSL's X509 * and EVP_PKEY * */
    void *key;
};

/* Make a certificate for `alt_name` ("DNS:a.test,IP:127.0.0.1"; NULL: an
 * authority's) that `issuer` (NULL: itself) has signed and that is good for
 * `days` from now (below 0: it has expired). */
void certificate_make(struct certificate *c, const char *alt_name,
                      const struct certificate *issuer, int days);

/* Remove the file and what lies in memory. */
void certificate_drop(struct certificate *c);

#endif /* TN_TESTS_CERTIFICATES_H */
