/* SPDX-License-Identifier: MIT */
/* net/tls_context.c - what TLS connections share: OpenSSL's SSL_CTX, made from
 * our options with the defaults that are safe. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/sized.h"
#include "net/tls.h"

static __thread char thread_error[TN__TLS_ERROR_MAX];

char *tn__tls_thread_error(void)
{
    return thread_error;
}

void tn__tls_explain(char *buf, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *why = ERR_reason_error_string(code);

    if (!why && code)
        why = strerror(ERR_GET_REASON(code));
    snprintf(buf, TN__TLS_ERROR_MAX, "%s%s%s", what, why ? ": " : "",
             why ? why : "");
    ERR_clear_error();
}

static int refuse(int r, const char *what)
{
    tn__tls_explain(thread_error, what);
    return r;
}

/* ---- files ---- */

/* Whether `file` can be read; says why not. */
static int check_file(const char *file)
{
    int r = access(file, R_OK) == 0 ? 0 : -errno;

    if (r < 0)
        snprintf(thread_error, sizeof thread_error, "%s: %s", file,
                 strerror(-r));
    return r;
}

/* Never ask on the terminal. */
static int on_password(char *buf, int size, int is_writing, void *arg)
{
    tn_tls_context *c = arg;
    size_t len = c->password ? strlen(c->password) : 0;

    (void)is_writing;
    if (len > (size_t)size)
        return 0;
    memcpy(buf, c->password ? c->password : "", len);
    return (int)len;
}

static int load_certificate(tn_tls_context *c, const struct tn_tls_options *o)
{
    const char *key = o->key_file ? o->key_file : o->certificate_file;
    int r;

    if (!o->certificate_file) {
        if (!c->is_server && !o->key_file)
            return 0;
        snprintf(thread_error, sizeof thread_error,
                 "a %s needs a certificate_file",
                 c->is_server ? "server" : "key_file");
        return -EINVAL;
    }
    r = check_file(o->certificate_file);
    if (r == 0)
        r = check_file(key);
    if (r < 0)
        return r;
    c->password = (char *)o->key_password;
    SSL_CTX_set_default_passwd_cb(c->ctx, on_password);
    SSL_CTX_set_default_passwd_cb_userdata(c->ctx, c);
    if (SSL_CTX_use_certificate_chain_file(c->ctx, o->certificate_file) != 1)
        r = refuse(-EBADMSG, o->certificate_file);
    else if (SSL_CTX_use_PrivateKey_file(c->ctx, key, SSL_FILETYPE_PEM) != 1 ||
             SSL_CTX_check_private_key(c->ctx) != 1)
        r = refuse(-EBADMSG, key);
    c->password = NULL;
    return r;
}

static int load_trust(tn_tls_context *c, const struct tn_tls_options *o)
{
    int r = o->ca_file ? check_file(o->ca_file) : 0;

    if (r == 0 && o->ca_dir)
        r = check_file(o->ca_dir);
    if (r < 0)
        return r;
    if (o->ca_file || o->ca_dir) {
        if (SSL_CTX_load_verify_locations(c->ctx, o->ca_file, o->ca_dir) != 1)
            return refuse(-EBADMSG, o->ca_file ? o->ca_file : o->ca_dir);
    } else if (SSL_CTX_set_default_verify_paths(c->ctx) != 1) {
        return refuse(-ENOENT, "the system's certificates");
    }
    if (c->is_server && o->ca_file)
        SSL_CTX_set_client_CA_list(c->ctx, SSL_load_client_CA_file(o->ca_file));
    return 0;
}

/* ---- ALPN and names ---- */

/* OpenSSL's: choose our best protocol that the client offers. */
static int on_alpn(SSL *ssl, const unsigned char **ret,
                   unsigned char *ret_bytes, const unsigned char *offered,
                   unsigned offered_bytes, void *arg)
{
    tn_tls_context *c = arg;
    unsigned char *chosen;

    (void)ssl;
    if (SSL_select_next_proto(&chosen, ret_bytes, c->alpn, c->alpn_bytes,
                              offered, offered_bytes) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301, 3.2 */
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* "h2,http/1.1" as lengths and names. */
static int set_alpn(tn_tls_context *c, const char *names)
{
    size_t bytes = strlen(names) + 1, at = 0;

    c->alpn = malloc(bytes);
    if (!c->alpn)
        return -ENOMEM;
    for (;;) {
        size_t n = strcspn(names, ",");

        if (n == 0 || n > 63) {
            snprintf(thread_error, sizeof thread_error,
                     "alpn: names of 1 to 63 bytes with a comma between");
            return -EINVAL;
        }
        c->alpn[at++] = (unsigned char)n;
        memcpy(c->alpn + at, names, n);
        at += n;
        names += n;
        if (!*names)
            break;
        names++;
    }
    TN_ASSERT(at == bytes);
    c->alpn_bytes = (unsigned)bytes;
    if (c->is_server)
        SSL_CTX_set_alpn_select_cb(c->ctx, on_alpn, c);
    else if (SSL_CTX_set_alpn_protos(c->ctx, c->alpn, c->alpn_bytes) != 0)
        return -ENOMEM;
    return 0;
}

/* What a context demands of its peer, beyond what SSL_set_SSL_CTX() takes over.
 * A session that was resumed was made before the name was looked at: what was
 * verified then must have been for this name. */
static bool take_over(tn_tls *t, tn_tls_context *other, const char *name)
{
    SSL_SESSION *session = SSL_get_session(t->ssl);
    const char *of = session ? SSL_SESSION_get0_hostname(session) : NULL;

    if (!SSL_set_SSL_CTX(t->ssl, other->ctx))
        return false;
    tn__tls_context_ref(other);
    tn_tls_context_free(t->named);
    t->named = other;
    SSL_set_verify(t->ssl, SSL_CTX_get_verify_mode(other->ctx), NULL);
    if (SSL_version(t->ssl) < SSL_CTX_get_min_proto_version(other->ctx))
        return false;
    return !other->has_verify || !SSL_session_reused(t->ssl) ||
           (of && strcasecmp(of, name) == 0);
}

/* OpenSSL's: the client has named its server. */
static int on_name(SSL *ssl, int *alert, void *arg)
{
    tn_tls_context *c = arg, *other;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    if (!name || !c->on_name)
        return SSL_TLSEXT_ERR_NOACK;
    other = c->on_name(name, c->on_name_arg);
    if (other && other != c && !take_over(SSL_get_app_data(ssl), other, name)) {
        *alert = SSL_AD_ACCESS_DENIED;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    return SSL_TLSEXT_ERR_OK;
}

int tn_tls_context_on_name(tn_tls_context *context, tn_tls_name_fn fn,
                           void *arg)
{
    if (!context || !context->is_server)
        return -EINVAL;
    context->on_name = fn;
    context->on_name_arg = arg;
    SSL_CTX_set_tlsext_servername_callback(context->ctx, on_name);
    SSL_CTX_set_tlsext_servername_arg(context->ctx, context);
    return 0;
}

/* ---- life ---- */

static int set_up(tn_tls_context *c, const struct tn_tls_options *o)
{
    static const unsigned char id[] = "tendril";
    int verify = SSL_VERIFY_NONE, r;

    SSL_CTX_set_mode(c->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(c->ctx,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
#ifdef SSL_OP_ENABLE_KTLS
    if (!(c->flags & TN_TLS_NO_KTLS))
        SSL_CTX_set_options(c->ctx, SSL_OP_ENABLE_KTLS);
#endif
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
    if (c->flags & TN_TLS_RAGGED_END)
        SSL_CTX_set_options(c->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
#endif
    SSL_CTX_set_read_ahead(c->ctx, 1);
    SSL_CTX_set_min_proto_version(
        c->ctx, o->version_min == 13 ? TLS1_3_VERSION : TLS1_2_VERSION);
    if (o->ciphers && SSL_CTX_set_cipher_list(c->ctx, o->ciphers) != 1)
        return refuse(-EINVAL, o->ciphers);
    r = load_certificate(c, o);
    if (r == 0 && c->has_verify)
        r = load_trust(c, o);
    if (r == 0 && o->alpn)
        r = set_alpn(c, o->alpn);
    if (c->has_verify)
        verify = SSL_VERIFY_PEER |
                 (c->is_server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    SSL_CTX_set_verify(c->ctx, verify, NULL);
    SSL_CTX_set_session_id_context(c->ctx, id, sizeof id - 1);
    if (c->flags & TN_TLS_NO_SESSIONS) {
        SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(c->ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(c->ctx, 0);
    } else if (!c->is_server) {
        tn__tls_sessions_begin(c);
    }
    return r;
}

static bool is_sane(enum tn_tls_role role, const struct tn_tls_options *o)
{
    bool is_good =
        (role == TN_TLS_CLIENT || role == TN_TLS_SERVER) && o->verify >= 0 &&
        o->verify <= TN_TLS_VERIFY_NONE &&
        (o->version_min == 0 || o->version_min == 12 || o->version_min == 13);

    if (!is_good)
        snprintf(thread_error, sizeof thread_error,
                 "role, verify or version_min has a value that is not "
                 "allowed");
    return is_good;
}

int tn_tls_context_new(enum tn_tls_role role,
                       const struct tn_tls_options *options,
                       tn_tls_context **ret_context)
{
    struct tn_tls_options full = TN_TLS_OPTIONS, *o = &full;
    tn_tls_context *c;
    int r;

    thread_error[0] = '\0';
    if (!ret_context || tn__sized_read(&full, sizeof full, options) < 0 ||
        !is_sane(role, o))
        return -EINVAL;
    c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->refs = 1;
    c->is_server = role == TN_TLS_SERVER;
    c->has_verify = o->verify == TN_TLS_VERIFY_PEER ||
                    (o->verify == TN_TLS_VERIFY_DEFAULT && !c->is_server);
    c->flags = o->flags;
    pthread_mutex_init(&c->lock, NULL);
    ERR_clear_error();
    c->ctx =
        SSL_CTX_new(c->is_server ? TLS_server_method() : TLS_client_method());
    r = c->ctx ? set_up(c, o) : refuse(-ENOMEM, "SSL_CTX_new");
    ERR_clear_error();
    if (r < 0) {
        tn_tls_context_free(c);
        return r;
    }
    *ret_context = c;
    return 0;
}

void tn__tls_context_ref(tn_tls_context *c)
{
    __atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
}

void tn_tls_context_free(tn_tls_context *context)
{
    if (!context || __atomic_sub_fetch(&context->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    tn__tls_sessions_end(context);
    SSL_CTX_free(context->ctx);
    pthread_mutex_destroy(&context->lock);
    free(context->alpn);
    free(context);
}
