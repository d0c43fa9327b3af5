/* SPDX-License-Identifier: MIT */
/* net/tls_none.c - the calls of tendril/tls.h where there is no OpenSSL.
 * Without a context nothing else can be called. */
#include <errno.h>
#include <tendril/tls.h>

int tn_tls_context_new(enum tn_tls_role role,
                       const struct tn_tls_options *options,
                       tn_tls_context **ret_context)
{
    (void)role;
    (void)options;
    (void)ret_context;
    return -EOPNOTSUPP;
}

void tn_tls_context_free(tn_tls_context *context)
{
    (void)context;
}

int tn_tls_context_on_name(tn_tls_context *context, tn_tls_name_fn fn,
                           void *arg)
{
    (void)context;
    (void)fn;
    (void)arg;
    return -EOPNOTSUPP;
}

int tn_tls_new(tn_tls_context *context, int fd, const char *server_name,
               tn_tls **ret_tls)
{
    (void)context;
    (void)fd;
    (void)server_name;
    (void)ret_tls;
    return -EOPNOTSUPP;
}

int tn_tls_dial(tn_tls_context *context, const char *addr, tn_tls **ret_tls,
                tn_time deadline)
{
    (void)context;
    (void)addr;
    (void)ret_tls;
    (void)deadline;
    return -EOPNOTSUPP;
}

int tn_tls_handshake(tn_tls *tls, tn_time deadline)
{
    (void)tls;
    (void)deadline;
    return -EOPNOTSUPP;
}

ssize_t tn_tls_recv(tn_tls *tls, void *buf, size_t len, tn_time deadline)
{
    (void)tls;
    (void)buf;
    (void)len;
    (void)deadline;
    return -EOPNOTSUPP;
}

ssize_t tn_tls_send(tn_tls *tls, const void *buf, size_t len, tn_time deadline)
{
    (void)tls;
    (void)buf;
    (void)len;
    (void)deadline;
    return -EOPNOTSUPP;
}

int tn_tls_send_all(tn_tls *tls, const void *buf, size_t len, size_t *ret_sent,
                    tn_time deadline)
{
    (void)tls;
    (void)buf;
    (void)len;
    (void)ret_sent;
    (void)deadline;
    return -EOPNOTSUPP;
}

size_t tn_tls_pending(const tn_tls *tls)
{
    (void)tls;
    return 0;
}

int tn_tls_shutdown(tn_tls *tls, tn_time deadline)
{
    (void)tls;
    (void)deadline;
    return -EOPNOTSUPP;
}

int tn_tls_close(tn_tls *tls, tn_time deadline)
{
    (void)tls;
    (void)deadline;
    return 0;
}

int tn_tls_fd(const tn_tls *tls)
{
    (void)tls;
    return -EOPNOTSUPP;
}

int tn_tls_is_resumed(const tn_tls *tls)
{
    (void)tls;
    return 0;
}

const char *tn_tls_version(const tn_tls *tls)
{
    (void)tls;
    return "";
}

const char *tn_tls_cipher(const tn_tls *tls)
{
    (void)tls;
    return "";
}

const char *tn_tls_alpn(const tn_tls *tls)
{
    (void)tls;
    return "";
}

const char *tn_tls_server_name(const tn_tls *tls)
{
    (void)tls;
    return "";
}

int tn_tls_ktls(const tn_tls *tls)
{
    (void)tls;
    return 0;
}

void *tn_tls_native(const tn_tls *tls)
{
    (void)tls;
    return NULL;
}

const char *tn_tls_error(const tn_tls *tls)
{
    (void)tls;
    return "tendril was built without OpenSSL";
}
