/* SPDX-License-Identifier: MIT */
/* net/tls.h - what the files of TLS share. */
#ifndef TN_NET_TLS_H
#define TN_NET_TLS_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <tendril/tls.h>

#include "net/turn.h"

enum { TN__TLS_ERROR_MAX = 256, TN__TLS_SESSIONS = 64 };

/* A session a client may resume. */
struct tn__tls_session {
    char *server;         /* whose; owned; NULL: the entry is free */
    SSL_SESSION *session; /* owned */
    uint64_t used;        /* when, in counts of tn_tls_context.clock */
};

struct tn_tls_context {
    SSL_CTX *ctx;  /* owned */
    uint32_t refs; /* atomic: the user's, and one for each connection */
    bool is_server;
    bool has_verify;     /* the peer's certificate is verified */
    int flags;           /* TN_TLS_NO_SESSIONS ... */
    unsigned char *alpn; /* as in the protocol: lengths and names; owned */
    unsigned alpn_bytes;
    char *password; /* of the key, while it is read; not owned */
    tn_tls_name_fn on_name;
    void *on_name_arg;
    pthread_mutex_t lock; /* of the sessions */
    uint64_t clock;
    struct tn__tls_session sessions[TN__TLS_SESSIONS];
};

/* The right to read, or to write. */
struct tn__tls_turn {
    struct tn__turn right;
    struct tn__op *op; /* what its holder waits for, or NULL */
};

struct tn_tls {
    struct tn_hub *hub;
    tn_tls_context *context; /* a reference */
    tn_tls_context *named;   /* the one chosen by name; a reference, or NULL */
    SSL *ssl;                /* owned */
    int fd;                  /* owned; -1: closed */
    uint32_t users;          /* calls that are inside, and the owner */
    int broken;              /* the error that ended it for good, or 0 */
    bool is_shaken;          /* the first handshake is done */
    bool has_ended;          /* we have sent close_notify */
    char *name;              /* of the server, for a client; owned */
    struct tn__tls_turn reading, writing;
    char *rest; /* what tn_tls_send() took and could not send
                                  * before it had to leave; owned, or NULL */
    size_t rest_bytes;
    char alpn[64];
    char error[TN__TLS_ERROR_MAX];
};

/* ---- tls_context.c ---- */

void tn__tls_context_ref(tn_tls_context *c);

/* Write what OpenSSL's queue says, after `what`, to `buf`, and empty it. */
void tn__tls_explain(char *buf, const char *what);

/* The text of tn_tls_error(NULL), of TN__TLS_ERROR_MAX bytes. */
char *tn__tls_thread_error(void);

/* ---- tls_session.c ---- */

/* Have the sessions of this client's context kept and resumed. */
void tn__tls_sessions_begin(tn_tls_context *c);
void tn__tls_sessions_end(tn_tls_context *c);

/* Resume a session with the server of `t`, if there is one. */
void tn__tls_session_resume(tn_tls *t);

/* ---- tls_bio.c ---- */

/* A BIO on a socket that never raises SIGPIPE. NULL: no memory. */
BIO *tn__tls_bio_new(int fd);

/* After the first handshake: is the kernel to have later keys too? */
void tn__tls_settle_kernel(tn_tls *t);

#endif /* TN_NET_TLS_H */
