/* SPDX-License-Identifier: MIT */
/* tendril/tls.h - TLS over a descriptor, by OpenSSL.
 *
 * A context holds what many connections share: certificates, whom to trust,
 * protocols, sessions. A client's connection verifies its peer unless it is
 * told not to.
 *
 * Ownership  A context may be freed while connections use it: it stays until
 *            the last is closed. tn_tls_new() takes over the descriptor, which
 *            tn_tls_close() closes. Texts given in are copied.
 * Blocking   Functions that take a deadline may switch greenlets. One may read
 *            while another writes; several readers, and several writers, take
 *            turns in order. Making a context reads files.
 * Threads    A connection belongs to the hub that made it (-EXDEV). A context
 *            may be used by all threads.
 * Manual     tn_tls(3).  Example: examples/secure.c.
 *
 * Errors     Those of the calls of tendril/net.h, and
 *              -EPROTO        the peer broke the protocol, refused us, or
 *                             ended the stream without saying so
 *              -EKEYREJECTED  the peer's certificate is not to be trusted
 *              -EOPNOTSUPP    tendril was built without OpenSSL
 *            tn_tls_error() says more. After an error other than -ETIME
 *            -EAGAIN -ECANCELED -EDEADLK -EINVAL the connection is of no
 *            further use.
 */
#ifndef TN_TLS_H
#define TN_TLS_H

#include <sys/types.h>
#include <tendril/base.h>

TN_BEGIN_DECLS

typedef struct tn_tls tn_tls;
typedef struct tn_tls_context tn_tls_context;

enum tn_tls_role { TN_TLS_CLIENT, TN_TLS_SERVER };

enum tn_tls_verify {
    TN_TLS_VERIFY_DEFAULT, /* a client verifies its server; a server does not
                            * ask for a certificate */
    TN_TLS_VERIFY_PEER,    /* the peer must have a good certificate */
    TN_TLS_VERIFY_NONE     /* anybody may be at the other end */
};

/* Bits of tn_tls_options.flags. */
enum {
    TN_TLS_NO_SESSIONS = 1, /* every handshake is a full one */
    TN_TLS_NO_KTLS = 2,     /* leave encryption out of the kernel */
    TN_TLS_RAGGED_END = 4   /* a stream that ends without close_notify ends
                             * well: what is read must show its own end */
};

/* Start from TN_TLS_OPTIONS. Files are PEM. */
struct tn_tls_options {
    size_t size;                  /* sizeof(struct tn_tls_options) */
    const char *certificate_file; /* ours, with its chain; servers need one */
    const char *key_file;         /* its key; NULL: in certificate_file */
    const char *key_password;     /* of the key; NULL: it has none */
    const char *ca_file;          /* whom to trust; both NULL: the system's */
    const char *ca_dir;
    const char *alpn;             /* "h2,http/1.1", best first; NULL: none */
    const char *ciphers;          /* of TLS 1.2, as ciphers(1); NULL: default */
    int verify;                   /* enum tn_tls_verify */
    int version_min;              /* 12 or 13; 0: 12 */
    int flags;                    /* TN_TLS_NO_SESSIONS ... */
};
#define TN_TLS_OPTIONS                                                         \
    {sizeof(struct tn_tls_options), NULL, NULL, NULL, NULL, NULL, NULL, NULL,  \
     0, 0, 0}

/* Make a context. `options` may be NULL for a client.
 * -EINVAL; -ENOENT -EACCES a file cannot be read; -EBADMSG it is not what it
 * should be; -ENOMEM. tn_tls_error(NULL) says more. */
TN_API TN_MUST int tn_tls_context_new(enum tn_tls_role role,
                                      const struct tn_tls_options *options,
                                      tn_tls_context **ret_context);

/* Give the context back. NULL is ignored. */
TN_API void tn_tls_context_free(tn_tls_context *context);

/* Which context serves the name that a client asks for (SNI); NULL: the
 * server's own. Called during the handshake; may not wait. */
typedef tn_tls_context *(*tn_tls_name_fn)(const char *server_name, void *arg);
TN_API int tn_tls_context_on_name(tn_tls_context *context, tn_tls_name_fn fn,
                                  void *arg);

/* Make a connection over the connected socket `fd`, which is adopted. A client
 * gives the name of its server, which is sent (unless it is an address) and
 * against which the certificate is verified; a server gives NULL.
 * On an error the caller still owns `fd`. -EINVAL: a client that verifies must
 * have a name. */
TN_API TN_MUST int tn_tls_new(tn_tls_context *context, int fd,
                              const char *server_name, tn_tls **ret_tls);

/* tn_dial() and the handshake; the server's name is that of `addr`. */
TN_API TN_MUST int tn_tls_dial(tn_tls_context *context, const char *addr,
                               tn_tls **ret_tls, tn_time deadline);

/* Shake hands. The first tn_tls_recv() or tn_tls_send() does it otherwise. */
TN_API TN_MUST int tn_tls_handshake(tn_tls *tls, tn_time deadline);

/* At least one byte, or 0 when the peer has ended its stream. */
TN_API TN_MUST ssize_t tn_tls_recv(tn_tls *tls, void *buf, size_t len,
                                   tn_time deadline);

/* Send at least one byte. Bytes count as sent once they are encrypted: what
 * then does not fit into the socket goes out with the calls that follow, of
 * which one with no bytes does only that, and returns 0. */
TN_API TN_MUST ssize_t tn_tls_send(tn_tls *tls, const void *buf, size_t len,
                                   tn_time deadline);

/* All of it. 0, or an error after *ret_sent bytes (may be NULL). */
TN_API TN_MUST int tn_tls_send_all(tn_tls *tls, const void *buf, size_t len,
                                   size_t *ret_sent, tn_time deadline);

/* Bytes that tn_tls_recv() has without asking the socket. */
TN_API size_t tn_tls_pending(const tn_tls *tls);

/* End our stream (close_notify), after what was sent. The peer's can still be
 * read to its end. */
TN_API TN_MUST int tn_tls_shutdown(tn_tls *tls, tn_time deadline);

/* tn_tls_shutdown() until `deadline`, however that ends; close the descriptor
 * and free the connection. Others who wait on it wake with -EBADF. NULL is
 * ignored. Never refused: after a kill it does not wait. Returns what the
 * shutdown returned. */
TN_API int tn_tls_close(tn_tls *tls, tn_time deadline);

/* ---- what came of the handshake ---- */

/* Its descriptor, still the connection's; 1 if a session was resumed. */
TN_API int tn_tls_fd(const tn_tls *tls);
TN_API int tn_tls_is_resumed(const tn_tls *tls);

/* "TLSv1.3", the cipher, the protocol chosen by ALPN ("" none), the name that
 * the client asked for ("" none). Valid until the connection is closed. */
TN_API const char *tn_tls_version(const tn_tls *tls);
TN_API const char *tn_tls_cipher(const tn_tls *tls);
TN_API const char *tn_tls_alpn(const tn_tls *tls);
TN_API const char *tn_tls_server_name(const tn_tls *tls);

/* What the kernel encrypts (kTLS): bits of these. */
enum { TN_TLS_KTLS_SEND = 1, TN_TLS_KTLS_RECV = 2 };
TN_API int tn_tls_ktls(const tn_tls *tls);

/* OpenSSL's SSL *, for everything else; do no I/O with it. */
TN_API void *tn_tls_native(const tn_tls *tls);

/* What went wrong last, in words; "" if nothing did. With NULL: with a context,
 * or with tn_tls_dial(), on this thread. */
TN_API const char *tn_tls_error(const tn_tls *tls);

TN_END_DECLS
#endif /* TN_TLS_H */
