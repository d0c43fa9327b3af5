/* SPDX-License-Identifier: MIT */
/* net/tls.c - TLS connections.
 *
 * OpenSSL works on the non-blocking socket itself and never waits: when it
 * wants to read or write, the call here parks until the descriptor is ready
 * and calls it again. So no greenlet switches inside of OpenSSL, its error
 * queue (the thread's) is never shared, and one greenlet may be in the middle
 * of receiving while another sends. Rejected: a BIO that parks. It would hold
 * OpenSSL's frames on the stack of each waiting greenlet, and its state machine
 * could be entered twice.
 *
 * A record that OpenSSL has encrypted and could not send whole must be offered
 * again, the same bytes, before anything else. A sender that has to leave then
 * (its deadline, a kill) leaves a copy of them as `rest`, and its bytes count
 * as sent, as those in a socket's buffer do; whoever comes next sends them
 * first. Readers do that too while they wait, so that a request whose sender
 * has left does go out.
 *
 * Any call moves the whole connection, so a greenlet may find done what another
 * waits for, and its bytes taken off the socket: such a one is nudged, which is
 * to say that its wait ends as if its descriptor were ready.
 *
 * Once the kernel encrypts (kTLS), data is sent by plain tn_send(). */
#include <errno.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tendril/net.h>

#include "base/assert.h"
#include "net/tls.h"

enum { RECORD_BYTES = 16384 }; /* the most that one record holds */

/* ---- turns, entering and leaving ---- */

/* Who waits with this turn is to look again. */
static void nudge(tn_tls *t, struct tn__tls_turn *turn)
{
    struct tn__op *op = turn->op;

    if (!op || !op->is_parked)
        return;
    tn__loop_cancel(&t->hub->loop, op);
    op->result = op->flags;
    op->is_done = 1;
    tn__hub_complete(op);
}

/* Before the running greenlet lets others run: the handshake may be done, for
 * which both directions wait. */
static void tell_shaken(tn_tls *t)
{
    if (TN_LIKELY(t->is_shaken) || !SSL_is_init_finished(t->ssl))
        return;
    t->is_shaken = true;
    tn__tls_settle_kernel(t);
    nudge(t, &t->reading);
    nudge(t, &t->writing);
}

static void forget(tn_tls *t)
{
    TN_ASSERT(t->users > 0);
    if (--t->users > 0)
        return;
    SSL_free(t->ssl);
    tn_tls_context_free(t->named);
    tn_tls_context_free(t->context);
    free(t->name);
    free(t->rest);
    free(t);
}

/* Begin a call. On 0, leave() must end it. */
static int enter(tn_tls *t, struct tn__tls_turn *turn, tn_time deadline,
                 const char *what)
{
    int r = tn__wait_enter(t->hub, deadline);

    if (r < 0)
        return r;
    t->users++;
    r = tn__turn_take(t->hub, &turn->right, deadline, what);
    if (r == 0 && (t->broken || t->fd < 0)) {
        r = t->fd < 0 ? -EBADF : t->broken;
        tn__turn_give(&turn->right);
    }
    if (r < 0)
        forget(t);
    return r;
}

static ssize_t leave(tn_tls *t, struct tn__tls_turn *turn, ssize_t r)
{
    tell_shaken(t);
    tn__turn_give(&turn->right);
    forget(t);
    return r;
}

/* ---- what OpenSSL says ---- */

static int fail_verify(tn_tls *t)
{
    long code = SSL_get_verify_result(t->ssl);

    snprintf(t->error, sizeof t->error, "the peer's certificate: %s",
             X509_verify_cert_error_string(code));
    ERR_clear_error();
    return -EKEYREJECTED;
}

/* The stream ended without close_notify. */
static int fail_ragged(tn_tls *t)
{
    ERR_clear_error();
    if (t->context->flags & TN_TLS_RAGGED_END)
        return 0;
    snprintf(t->error, sizeof t->error,
             "the peer closed the connection without close_notify");
    return -EPROTO;
}

/* OpenSSL's call has failed with `error` of SSL_get_error(), and the socket's
 * errno then: the end of the stream (0), or why the connection is broken. */
static int fail(tn_tls *t, int error, int saved_errno)
{
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_REASON(code);

    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (error == SSL_ERROR_SYSCALL && saved_errno) {
        snprintf(t->error, sizeof t->error, "the socket: %s",
                 strerror(saved_errno));
        ERR_clear_error();
        t->broken = -saved_errno;
    } else if (error == SSL_ERROR_SYSCALL) {
        t->broken = fail_ragged(t);
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
    } else if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        t->broken = fail_ragged(t);
#endif
    } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        t->broken = fail_verify(t);
    } else {
        tn__tls_explain(t->error, "TLS");
        t->broken = reason == ERR_R_MALLOC_FAILURE ? -ENOMEM : -EPROTO;
    }
    return t->broken;
}

/* Wait with `turn` until the descriptor is ready for `events`, or there is
 * another reason to look again. 1 or a negative errno. */
static int await(tn_tls *t, struct tn__tls_turn *turn, int events,
                 tn_time deadline, const char *what)
{
    /* OpenSSL has just been told that it would block: no need to ask again. */
    struct tn__op op = {.code = TN__OP_POLL,
                        .mode = TN__OP_NOTRY,
                        .fd = t->fd,
                        .flags = events};
    long r;

    if (deadline == TN_NOWAIT)
        return -EAGAIN;
    tell_shaken(t);
    turn->op = &op;
    r = tn__hub_poll(t->hub, &op, 1, deadline, what);
    turn->op = NULL;
    if (r == 0)
        return -ETIME;
    if (r > 0 && op.result < 0)
        r = op.result;
    if (r > 0 && t->fd < 0)
        r = -EBADF;
    return r < 0 ? (int)r : 1;
}

/* What OpenSSL wants after its call returned `r` (not a success): poll events,
 * or 0 and *ret is the result of fail(). */
static int wants(tn_tls *t, int r, int *ret)
{
    int saved_errno = errno, error = SSL_get_error(t->ssl, r);

    if (error == SSL_ERROR_WANT_READ)
        return POLLIN;
    if (error == SSL_ERROR_WANT_WRITE)
        return POLLOUT;
    *ret = fail(t, error, saved_errno);
    return 0;
}

static void prepare(void)
{
    ERR_clear_error();
    errno = 0;
}

/* ---- sending ---- */

/* Send what an earlier sender has left, without waiting. 0 when nothing is
 * left; poll events to wait for; a negative errno. */
static int push_rest(tn_tls *t)
{
    while (t->rest_bytes > 0) {
        size_t sent = 0;
        int r, error = 0;

        prepare();
        r = SSL_write_ex(t->ssl, t->rest, t->rest_bytes, &sent);
        if (r != 1) {
            r = wants(t, r, &error);
            return r ? r : error < 0 ? error : -EPIPE;
        }
        t->rest_bytes -= sent;
        memmove(t->rest, t->rest + sent, t->rest_bytes);
    }
    free(t->rest);
    t->rest = NULL;
    return 0;
}

/* Send the rest, waiting. 0 or a negative errno. */
static int flush(tn_tls *t, tn_time deadline, const char *what)
{
    int r;

    for (;;) {
        r = t->rest ? push_rest(t) : 0;
        if (r <= 0)
            return r;
        r = await(t, &t->writing, r, deadline, what);
        if (r < 0)
            return r;
    }
}

/* A record of `buf` is half sent and the caller must leave because of `r`:
 * keep it. Returns how many bytes are thereby sent, or `r`. */
static ssize_t keep_rest(tn_tls *t, const void *buf, size_t len, int r)
{
    bool is_transient = r == -ETIME || r == -EAGAIN || r == -ECANCELED ||
                        r == -EDEADLK || r == -ENOMEM;

    if (!is_transient || t->rest)
        return r;
    t->rest = malloc(len);
    if (!t->rest) {
        t->broken = -ENOMEM; /* its bytes cannot be offered again */
        return r;
    }
    memcpy(t->rest, buf, len);
    t->rest_bytes = len;
    nudge(t, &t->reading); /* it sends that from now on */
    return (ssize_t)len;
}

static ssize_t send_some(tn_tls *t, const void *buf, size_t len,
                         tn_time deadline)
{
    size_t sent = 0;
    int r, events, error = 0;
    bool is_begun = false;

    r = flush(t, deadline, "tn_tls_send");
    if (r < 0)
        return r;
    if (len > RECORD_BYTES)
        len = RECORD_BYTES;
    for (;;) {
        prepare();
        r = SSL_write_ex(t->ssl, buf, len, &sent);
        if (r == 1) {
            tn__hub_tick(t->hub);
            return (ssize_t)sent;
        }
        events = wants(t, r, &error);
        if (!events)
            return error < 0 ? error : -EPIPE;
        /* Before the handshake is done nothing of `buf` was taken. */
        is_begun = events == POLLOUT && SSL_is_init_finished(t->ssl);
        r = await(t, &t->writing, events, deadline, "tn_tls_send");
        if (r < 0)
            return is_begun ? keep_rest(t, buf, len, r) : r;
    }
}

ssize_t tn_tls_send(tn_tls *tls, const void *buf, size_t len, tn_time deadline)
{
    ssize_t r;

    if (!tls || (!buf && len))
        return -EINVAL;
    r = enter(tls, &tls->writing, deadline, "tn_tls_send");
    if (r < 0)
        return r;
    if (tls->has_ended)
        r = len ? -EPIPE : 0;
    else if (len == 0)
        r = flush(tls, deadline, "tn_tls_send");
    else if (!tls->rest && (tn_tls_ktls(tls) & TN_TLS_KTLS_SEND))
        r = tn_send(tls->fd, buf, len, 0, deadline);
    else
        r = send_some(tls, buf, len, deadline);
    return leave(tls, &tls->writing, r);
}

int tn_tls_send_all(tn_tls *tls, const void *buf, size_t len, size_t *ret_sent,
                    tn_time deadline)
{
    size_t sent = 0;
    ssize_t r = 0;

    do {
        r = tn_tls_send(tls, (const char *)buf + sent, len - sent, deadline);
        if (r < 0)
            break;
        sent += (size_t)r;
    } while (sent < len);
    if (ret_sent)
        *ret_sent = sent;
    return r < 0 ? (int)r : 0;
}

/* ---- receiving ---- */

static ssize_t recv_some(tn_tls *t, void *buf, size_t len, tn_time deadline)
{
    size_t got = 0;
    int r, events, error = 0;

    for (;;) {
        prepare();
        r = SSL_read_ex(t->ssl, buf, len, &got);
        if (r == 1) {
            tn__hub_tick(t->hub);
            return (ssize_t)got;
        }
        events = wants(t, r, &error);
        if (!events)
            return error;
        if (t->rest && !t->writing.right.is_taken) {
            r = push_rest(t);
            if (r < 0)
                return r;
            events |= r;
        }
        r = await(t, &t->reading, events, deadline, "tn_tls_recv");
        if (r < 0)
            return r;
    }
}

ssize_t tn_tls_recv(tn_tls *tls, void *buf, size_t len, tn_time deadline)
{
    ssize_t r;

    if (!tls || (!buf && len))
        return -EINVAL;
    r = enter(tls, &tls->reading, deadline, "tn_tls_recv");
    if (r < 0)
        return r;
    return leave(tls, &tls->reading,
                 len ? recv_some(tls, buf, len, deadline) : 0);
}

size_t tn_tls_pending(const tn_tls *tls)
{
    return tls && tls->ssl ? (size_t)SSL_pending(tls->ssl) : 0;
}

/* ---- beginning and ending ---- */

static int shake(tn_tls *t, tn_time deadline)
{
    int r, events, error = 0;

    for (;;) {
        prepare();
        r = SSL_do_handshake(t->ssl);
        if (r == 1) {
            tn__hub_tick(t->hub);
            return 0;
        }
        events = wants(t, r, &error);
        if (!events && error == 0) {
            snprintf(t->error, sizeof t->error,
                     "the peer ended the connection in the handshake");
            t->broken = -EPROTO;
        }
        if (!events)
            return error < 0 ? error : -EPROTO;
        r = await(t, &t->writing, events, deadline, "tn_tls_handshake");
        if (r < 0)
            return r;
    }
}

int tn_tls_handshake(tn_tls *tls, tn_time deadline)
{
    int r;

    if (!tls)
        return -EINVAL;
    r = enter(tls, &tls->writing, deadline, "tn_tls_handshake");
    if (r < 0)
        return r;
    return (int)leave(tls, &tls->writing, shake(tls, deadline));
}

/* Say that our stream ends, after what the handshake's layer has to say before
 * (new keys). 0 or above: done; else as of SSL_shutdown(). */
static int say_end(SSL *ssl)
{
    prepare();
    if (!SSL_is_init_finished(ssl) && SSL_do_handshake(ssl) != 1)
        return -1;
    return SSL_shutdown(ssl);
}

static int end_stream(tn_tls *t, tn_time deadline)
{
    int r, events, error = 0;

    if (!t->is_shaken)
        return 0; /* nothing was agreed on, so nothing is to be ended */
    r = flush(t, deadline, "tn_tls_shutdown");
    if (r < 0)
        return r;
    for (;;) {
        r = say_end(t->ssl);
        if (r >= 0) {
            t->has_ended = true;
            tn__hub_tick(t->hub);
            return 0;
        }
        events = wants(t, r, &error);
        if (!events)
            return error;
        r = await(t, &t->writing, events, deadline, "tn_tls_shutdown");
        if (r < 0)
            return r;
    }
}

int tn_tls_shutdown(tn_tls *tls, tn_time deadline)
{
    int r;

    if (!tls)
        return -EINVAL;
    r = enter(tls, &tls->writing, deadline, "tn_tls_shutdown");
    if (r < 0)
        return r;
    if (!tls->has_ended)
        r = end_stream(tls, deadline);
    return (int)leave(tls, &tls->writing, r);
}

/* Say that our stream ends if that can be done at once, also in a greenlet
 * that was killed. */
static void end_quietly(tn_tls *t)
{
    if (t->fd < 0 || t->has_ended || t->broken || t->rest ||
        t->writing.right.is_taken || !t->is_shaken)
        return;
    (void)say_end(t->ssl); /* nobody is there to hear of a failure */
    ERR_clear_error();
}

int tn_tls_close(tn_tls *tls, tn_time deadline)
{
    int r, fd;

    if (!tls)
        return 0;
    if (tls->hub != tn__hub_peek())
        return -EXDEV;
    r = tn_tls_shutdown(tls, deadline);
    fd = tls->fd;
    if (fd >= 0) {
        end_quietly(tls);
        tls->fd = -1;
        tn_close(fd);
        forget(tls); /* the owner's */
    }
    return r;
}

/* ---- making ---- */

/* Have the certificate verified against `name`, and send it. Of a certificate
 * its alternative names count, not its subject (RFC 9525). */
static int set_name(tn_tls *t, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
    bool is_address = X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;

    /* To OpenSSL a dot in front means any name below. */
    if (name[0] == '.')
        return -EINVAL;
    t->name = strdup(name);
    if (!t->name)
        return -ENOMEM;
    if (is_address)
        return 0;
    ERR_clear_error();
    SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(t->ssl, name) != 1 ||
        SSL_set_tlsext_host_name(t->ssl, name) != 1) {
        ERR_clear_error();
        return -EINVAL;
    }
    return 0;
}

static int set_up(tn_tls *t, tn_tls_context *c, int fd, const char *name)
{
    BIO *bio;
    int r = 0;

    t->ssl = SSL_new(c->ctx);
    bio = t->ssl ? tn__tls_bio_new(fd) : NULL;
    if (!bio)
        return -ENOMEM;
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_app_data(t->ssl, t);
    if (c->is_server)
        SSL_set_accept_state(t->ssl);
    else
        SSL_set_connect_state(t->ssl);
    if (name)
        r = set_name(t, name);
    if (r == 0 && name && !(c->flags & TN_TLS_NO_SESSIONS))
        tn__tls_session_resume(t);
    return r < 0 ? r : tn_fd_adopt(fd);
}

int tn_tls_new(tn_tls_context *context, int fd, const char *server_name,
               tn_tls **ret_tls)
{
    struct tn_hub *h;
    tn_tls *t;
    int r;

    if (!context || !ret_tls || fd < 0 ||
        (context->is_server ? server_name != NULL
                            : context->has_verify && !server_name))
        return -EINVAL;
    r = tn__hub_self(&h);
    if (r < 0)
        return r;
    t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->hub = h;
    t->users = 1;
    t->fd = fd;
    t->context = context;
    tn__tls_context_ref(context);
    tn__turn_init(&t->reading.right);
    tn__turn_init(&t->writing.right);
    r = set_up(t, context, fd, server_name);
    if (r < 0) {
        forget(t);
        return r;
    }
    *ret_tls = t;
    return 0;
}

/* The host of "host:port" or "[host]:port". False: there is none. */
static bool host_of(const char *addr, char *host, size_t size)
{
    const char *from = addr, *to = strrchr(addr, ':');

    if (addr[0] == '[') {
        from++;
        to = strchr(addr, ']');
    }
    if (!to || to <= from || (size_t)(to - from) >= size ||
        strncmp(addr, "unix:", strlen("unix:")) == 0)
        return false;
    memcpy(host, from, (size_t)(to - from));
    host[to - from] = '\0';
    return true;
}

int tn_tls_dial(tn_tls_context *context, const char *addr, tn_tls **ret_tls,
                tn_time deadline)
{
    char host[256], *error = tn__tls_thread_error();
    tn_tls *t;
    int fd, r;

    error[0] = '\0';
    if (!context || context->is_server || !addr || !ret_tls ||
        !host_of(addr, host, sizeof host))
        return -EINVAL;
    fd = tn_dial(addr, deadline);
    if (fd < 0)
        return fd;
    r = tn_tls_new(context, fd, host, &t);
    if (r < 0) {
        tn_close(fd);
        return r;
    }
    r = tn_tls_handshake(t, deadline);
    if (r < 0) {
        snprintf(error, TN__TLS_ERROR_MAX, "%s", t->error);
        tn_tls_close(t, TN_NOWAIT);
        return r;
    }
    *ret_tls = t;
    return 0;
}

/* ---- what came of it ---- */

int tn_tls_fd(const tn_tls *tls)
{
    return tls ? tls->fd : -EINVAL;
}

int tn_tls_is_resumed(const tn_tls *tls)
{
    return tls && SSL_session_reused(tls->ssl);
}

const char *tn_tls_version(const tn_tls *tls)
{
    return tls ? SSL_get_version(tls->ssl) : "";
}

const char *tn_tls_cipher(const tn_tls *tls)
{
    const char *name = tls ? SSL_get_cipher_name(tls->ssl) : NULL;

    return name ? name : "";
}

const char *tn_tls_alpn(const tn_tls *tls)
{
    const unsigned char *name = NULL;
    tn_tls *t = (tn_tls *)tls;
    unsigned len = 0;

    if (!t)
        return "";
    SSL_get0_alpn_selected(t->ssl, &name, &len);
    if (len >= sizeof t->alpn)
        len = 0;
    memcpy(t->alpn, len ? (const char *)name : "", len);
    t->alpn[len] = '\0';
    return t->alpn;
}

const char *tn_tls_server_name(const tn_tls *tls)
{
    const char *name =
        tls ? SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name) : NULL;

    return name ? name : "";
}

int tn_tls_ktls(const tn_tls *tls)
{
    int r = 0;

#ifdef BIO_get_ktls_send
    if (tls && BIO_get_ktls_send(SSL_get_wbio(tls->ssl)))
        r |= TN_TLS_KTLS_SEND;
    if (tls && BIO_get_ktls_recv(SSL_get_rbio(tls->ssl)))
        r |= TN_TLS_KTLS_RECV;
#else
    (void)tls;
#endif
    return r;
}

void *tn_tls_native(const tn_tls *tls)
{
    return tls ? tls->ssl : NULL;
}

const char *tn_tls_error(const tn_tls *tls)
{
    return tls ? tls->error : tn__tls_thread_error();
}
