/* SPDX-License-Identifier: MIT */
/* net/tls_bio.c - OpenSSL's socket BIO, but for SIGPIPE.
 *
 * OpenSSL writes to sockets by write(2), which raises SIGPIPE when the peer is
 * gone; a library must not do that to its program. The method here is the
 * socket's own with another write. Once the kernel encrypts (kTLS), records
 * other than data are written by the original, which passes their type along;
 * there the signal is held back. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "base/own.h"
#include "net/tls.h"

static BIO_METHOD *method;
static int (*socket_write)(BIO *bio, const char *buf, int len);
static int (*socket_read)(BIO *bio, char *buf, int len);

/* As the socket's own write, with SIGPIPE blocked and, if it came of this,
 * taken away. */
static int write_quietly(BIO *bio, const char *buf, int len)
{
    const struct timespec now = {0, 0};
    sigset_t pipe, before, pending;
    int r, error;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    r = socket_write(bio, buf, len);
    error = errno;
    if (r < 0 && error == EPIPE && !sigismember(&pending, SIGPIPE))
        while (sigtimedwait(&pipe, NULL, &now) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return r;
}

static int bio_write(BIO *bio, const char *buf, int len)
{
    int fd = -1;
    ssize_t r;

    BIO_get_fd(bio, &fd);
#ifdef BIO_get_ktls_send
    if (BIO_get_ktls_send(bio))
        return write_quietly(bio, buf, len);
#endif
    do
        r = TN_OWN(send(fd, buf, (size_t)len, MSG_NOSIGNAL));
    while (r < 0 && errno == EINTR);
    BIO_clear_retry_flags(bio);
    if (r < 0 && errno == EAGAIN)
        BIO_set_retry_write(bio);
    return (int)r;
}

/* The original takes a signal for a socket that is empty; ours would be waited
 * for then though it is not. */
static int bio_read(BIO *bio, char *buf, int len)
{
    int r;

    do {
        errno = 0;
        r = socket_read(bio, buf, len);
    } while (r < 0 && errno == EINTR);
    return r;
}

static void make_method(void)
{
    const BIO_METHOD *of = BIO_s_socket();
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOCKET, "socket without SIGPIPE");

    if (!m)
        return;
    socket_write = BIO_meth_get_write(of);
    socket_read = BIO_meth_get_read(of);
    if (BIO_meth_set_write(m, bio_write) && BIO_meth_set_read(m, bio_read) &&
        BIO_meth_set_puts(m, BIO_meth_get_puts(of)) &&
        BIO_meth_set_ctrl(m, BIO_meth_get_ctrl(of)) &&
        BIO_meth_set_create(m, BIO_meth_get_create(of)) &&
        BIO_meth_set_destroy(m, BIO_meth_get_destroy(of)))
        method = m; /* kept: the process's */
    else
        BIO_meth_free(m);
}

BIO *tn__tls_bio_new(int fd)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    BIO *bio;

    TN_OWN(pthread_mutex_lock(&lock));
    if (!method)
        make_method(); /* again, if there was no memory */
    pthread_mutex_unlock(&lock);
    bio = method ? BIO_new(method) : NULL;
    if (bio)
        BIO_set_fd(bio, fd, BIO_NOCLOSE);
    return bio;
}

/* Each renewal of keys that the kernel did not take would offer it the new
 * ones, and from OpenSSL 3.2 on a refusal loses what was read ahead. */
void tn__tls_settle_kernel(tn_tls *t)
{
#ifdef SSL_OP_ENABLE_KTLS
    int has = tn_tls_ktls(t);

    if (!has)
        SSL_clear_options(t->ssl, SSL_OP_ENABLE_KTLS);
    else if (!(has & TN_TLS_KTLS_RECV) && OpenSSL_version_num() >= 0x30200000)
        SSL_set_read_ahead(t->ssl, 0);
#else
    (void)t;
#endif
}
