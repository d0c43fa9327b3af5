/* SPDX-License-Identifier: MIT */
/* net/tls_session.c - the sessions of a client, by the name of their server.
 *
 * A session is taken off when it is used: TLS 1.3 wants each ticket used once,
 * and every connection brings new ones. (A server's sessions are OpenSSL's
 * affair.) The table is small and the oldest entry gives way. */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "net/tls.h"

static void drop(struct tn__tls_session *e)
{
    SSL_SESSION_free(e->session);
    free(e->server);
    *e = (struct tn__tls_session){0};
}

/* The entry of `server`, or the one to be used for it. With the lock held. */
static struct tn__tls_session *find(tn_tls_context *c, const char *server)
{
    struct tn__tls_session *oldest = &c->sessions[0];

    for (int i = 0; i < TN__TLS_SESSIONS; i++) {
        struct tn__tls_session *e = &c->sessions[i];

        if (e->server && strcmp(e->server, server) == 0)
            return e;
        if (e->used < oldest->used)
            oldest = e;
    }
    return oldest;
}

/* OpenSSL's: the connection has a new session. 1: it is kept here. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    tn_tls *t = SSL_get_app_data(ssl);
    struct tn__tls_session *e;
    char *server;

    if (!t || !t->name || !SSL_SESSION_is_resumable(session))
        return 0;
    server = strdup(t->name);
    if (!server)
        return 0;
    TN_OWN(pthread_mutex_lock(&t->context->lock));
    e = find(t->context, server);
    drop(e);
    e->server = server;
    e->session = session;
    e->used = ++t->context->clock;
    pthread_mutex_unlock(&t->context->lock);
    return 1;
}

void tn__tls_sessions_begin(tn_tls_context *c)
{
    SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT |
                                               SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c->ctx, on_session);
}

void tn__tls_sessions_end(tn_tls_context *c)
{
    for (int i = 0; i < TN__TLS_SESSIONS; i++)
        drop(&c->sessions[i]);
}

void tn__tls_session_resume(tn_tls *t)
{
    SSL_SESSION *session = NULL;
    struct tn__tls_session *e;

    TN_OWN(pthread_mutex_lock(&t->context->lock));
    e = find(t->context, t->name);
    if (e->server && strcmp(e->server, t->name) == 0) {
        session = e->session;
        e->session = NULL;
        drop(e);
    }
    pthread_mutex_unlock(&t->context->lock);
    if (session)
        (void)SSL_set_session(t->ssl, session); /* else a full handshake */
    SSL_SESSION_free(session);
}
