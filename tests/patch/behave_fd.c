/* SPDX-License-Identifier: MIT */
/* behave_fd.c - descriptors: flags, timeouts, kills, ends, signals. */
#include "behave.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

ssize_t __read_chk(int, void *, size_t, size_t);

static void set_nonblocking(int fd)
{
    check(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
}

/* Main is a greenlet as soon as there is a hub. */
static void make_hub(void)
{
    check(tn_patch_parks() == 0);
    check(tn_yield() == 0 && tn_patch_parks() == 1);
}

static void what_is_nonblocking_gives_eagain(void)
{
    static char bytes[1 << 20];
    int fds[2], pair[2];

    make_hub();
    make_pipe(fds);
    make_pair(pair);
    check(recv(pair[0], bytes, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
    set_nonblocking(fds[0]);
    set_nonblocking(fds[1]);
    set_nonblocking(pair[0]);
    check(read(fds[0], bytes, 1) == -1 && errno == EAGAIN);
    check(recv(pair[0], bytes, 1, 0) == -1 && errno == EAGAIN);
    check(write(fds[1], bytes, sizeof bytes) == 65536);
    check(write(fds[1], bytes, sizeof bytes) == -1 && errno == EAGAIN);
    check(send(pair[0], bytes, sizeof bytes, 0) < (ssize_t)sizeof bytes);
    check(send(pair[0], bytes, sizeof bytes, 0) == -1 && errno == EAGAIN);
}

static void a_socket_has_its_own_timeouts(void)
{
    struct timeval span = {0, 30000};
    static char bytes[1 << 20];
    int pair[2];
    tn_time begin;
    ssize_t n;

    make_hub();
    make_pair(pair);
    check(
        setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &span, sizeof span) == 0 &&
        setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &span, sizeof span) == 0);
    begin = tn_now();
    check(read(pair[0], bytes, 1) == -1 && errno == EAGAIN);
    check(tn_now() - begin >= 30000000);
    n = send(pair[0], bytes, sizeof bytes, 0);
    check(n > 0 && n < (ssize_t)sizeof bytes);
    check(send(pair[0], bytes, 1000000, 0) == -1 && errno == EAGAIN);
    check(tn_now() - begin >= 90000000);
}

static int read_until_killed(void *arg)
{
    struct outcome *o = arg;
    char c;

    o->state = 1;
    o->result = read(o->fd, &c, 1);
    o->error = errno;
    o->state = 2;
    while (tn_sleep(TN_FOREVER) != -ECANCELED)
        ;
    /* What need not wait is not refused. */
    check(write(o->fd, "y", 1) == 1 && read(o->fd, &c, 1) == 1 && c == 'x');
    check(read(o->fd, &c, 1) == -1 && errno == ECANCELED);
    return 0;
}

static void a_kill_ends_a_read_and_keeps_the_socket(void)
{
    struct outcome o = {0};
    tn_greenlet *g;
    int pair[2];
    char c;

    make_pair(pair);
    o.fd = pair[0];
    g = go(read_until_killed, &o);
    rest_ms(2);
    check(o.state == 1);
    check(tn_kill(g, TN_NOWAIT) == -EAGAIN);
    check(write(pair[1], "x", 1) == 1); /* after the kill */
    await(g);
    check(o.state == 2 && o.result == -1 && o.error == ECANCELED);
    check(read(pair[1], &c, 1) == 1 && c == 'y');
}

static int write_much(void *arg)
{
    struct outcome *o = arg;
    static char bytes[1 << 20];

    o->state = 1;
    o->result = write(o->fd, bytes, sizeof bytes);
    o->error = errno;
    o->state = 2;
    return 0;
}

static void a_killed_write_says_how_much_it_wrote(void)
{
    struct outcome o = {0};
    tn_greenlet *g;
    int fds[2];

    make_pipe(fds);
    o.fd = fds[1];
    g = go(write_much, &o);
    rest_ms(2);
    check(o.state == 1);
    check(tn_kill(g, TN_FOREVER) == 0);
    check(o.result == 65536);
}

static void a_scope_ends_a_read_with_etimedout(void)
{
    tn_timeout scope;
    int fds[2];
    char c;

    make_hub();
    make_pipe(fds);
    tn_timeout_begin(&scope, tn_after_ms(10));
    check(read(fds[0], &c, 1) == -1 && errno == ETIMEDOUT && scope.fired);
    tn_timeout_end(&scope);
    check(write(fds[1], "x", 1) == 1 && read(fds[0], &c, 1) == 1);
}

static int read_one(void *arg)
{
    struct outcome *o = arg;
    char c;

    o->state = 1;
    o->result = read(o->fd, &c, 1);
    o->error = errno;
    o->state = 2;
    return 0;
}

static void closing_wakes_who_reads(void)
{
    struct outcome o = {0}, p = {0};
    tn_greenlet *g[2];
    int fds[2], pair[2];

    make_pipe(fds);
    make_pair(pair);
    o.fd = fds[0];
    p.fd = pair[0];
    g[0] = go(read_one, &o);
    g[1] = go(read_one, &p);
    rest_ms(1);
    check(o.state == 1 && p.state == 1);
    check(close(fds[0]) == 0);
    check(dup2(fds[1], pair[0]) == pair[0]);
    await(g[0]);
    await(g[1]);
    check(o.result == -1 && o.error == EBADF);
    check(p.result == -1 && p.error == EBADF);
}

static int shut(void *arg)
{
    check(shutdown(*(int *)arg, SHUT_RD) == 0);
    return 0;
}

static void shutdown_ends_a_read(void)
{
    int pair[2];
    char c;
    tn_greenlet *g;

    make_pair(pair);
    g = go(shut, &pair[0]);
    check(read(pair[0], &c, 1) == 0);
    await(g);
}

static void shutdown_ends_a_wait_for_a_datagram(void)
{
    struct msghdr msg = {.msg_iovlen = 0};
    int pair[2];
    tn_greenlet *g;
    char c;

    for (int way = 0; way < 3; way++) {
        check(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
        g = go(shut, &pair[0]);
        check((way == 0   ? read(pair[0], &c, 1)
               : way == 1 ? recv(pair[0], &c, 1, 0)
                          : recvmsg(pair[0], &msg, 0)) == 0);
        await(g);
        check(recv(pair[0], &c, 1, 0) == 0);
        check(recv(pair[0], &c, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
        check(close(pair[0]) == 0 && close(pair[1]) == 0);
    }
}

static int put_pieces(void *arg)
{
    int fd = *(int *)arg;

    for (int i = 0; i < 10; i++) {
        check(write(fd, "0123456789", 10) == 10);
        rest_ms(1);
    }
    return 0;
}

static void waitall_waits_for_all(void)
{
    char bytes[100];
    struct iovec parts[2] = {{bytes, 7}, {bytes + 7, 43}};
    struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};
    int pair[2];
    tn_greenlet *g;

    make_pair(pair);
    g = go(put_pieces, &pair[1]);
    check(recv(pair[0], bytes, 50, MSG_WAITALL | MSG_PEEK) == 50);
    check(recv(pair[0], bytes, 50, MSG_WAITALL) == 50);
    check(recvmsg(pair[0], &msg, MSG_WAITALL) == 50 &&
          memcmp(bytes + 40, "0123456789", 10) == 0);
    await(g);
    check(close(pair[1]) == 0 && recv(pair[0], bytes, 9, MSG_WAITALL) == 0);
}

static volatile sig_atomic_t n_signals;

static void count(int signo)
{
    (void)signo;
    n_signals++;
}

static void sigpipe_comes_as_it_would(void)
{
    int pair[2];

    make_hub();
    make_pair(pair);
    signal(SIGPIPE, count);
    close(pair[1]);
    check(send(pair[0], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
    check(n_signals == 0);
    check(send(pair[0], "x", 1, 0) == -1 && errno == EPIPE);
    check(n_signals == 1);
    check(write(pair[0], "x", 1) == -1 && errno == EPIPE && n_signals == 2);
}

static void make_tcp_pair(int pair[2])
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(bind(fd, (struct sockaddr *)&in, sizeof in) == 0 &&
          listen(fd, 1) == 0 &&
          getsockname(fd, (struct sockaddr *)&in, &len) == 0);
    pair[0] = socket(AF_INET, SOCK_STREAM, 0);
    check(connect(pair[0], (struct sockaddr *)&in, sizeof in) == 0);
    pair[1] = accept(fd, NULL, NULL);
    check(pair[1] >= 0 && close(fd) == 0);
}

static int reset(void *arg)
{
    struct linger at_once = {1, 0};
    int fd = *(int *)arg;

    check(write(fd, "abc", 3) == 3);
    rest_ms(20);
    check(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    return close(fd);
}

static void a_part_leaves_the_error_to_the_next_call(void)
{
    enum { MUCH = 16 << 20 };
    static char bytes[MUCH];
    struct iovec part = {bytes, MUCH};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
    int pair[2];

    make_hub();
    signal(SIGPIPE, count);
    for (int way = 0; way < 3; way++) {
        tn_greenlet *g;
        ssize_t n;

        n_signals = 0;
        make_tcp_pair(pair);
        g = go(reset, &pair[1]);
        n = way == 0   ? write(pair[0], bytes, MUCH)
            : way == 1 ? send(pair[0], bytes, MUCH, 0)
                       : sendmsg(pair[0], &msg, 0);
        await(g);
        check(n > 0 && n < MUCH && n_signals == 0);
        check(send(pair[0], "x", 1, 0) == -1 && errno == ECONNRESET);
        check(n_signals == 0);
        check(send(pair[0], "x", 1, 0) == -1 && errno == EPIPE);
        check(n_signals == 1 && close(pair[0]) == 0);
        make_tcp_pair(pair);
        g = go(reset, &pair[1]);
        check(recv(pair[0], bytes, 9, MSG_WAITALL) == 3);
        await(g);
        check(recv(pair[0], bytes, 9, 0) == -1 && errno == ECONNRESET);
        check(close(pair[0]) == 0);
    }
}

static void connect_fails_as_it_would(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_un un = {AF_UNIX, "/nonexistent"};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0), other;

    make_hub();
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(bind(fd, (struct sockaddr *)&in, sizeof in) == 0 &&
          getsockname(fd, (struct sockaddr *)&in, &len) == 0);
    other = socket(AF_INET, SOCK_STREAM, 0);
    check(connect(other, (struct sockaddr *)&in, sizeof in) == -1 &&
          errno == ECONNREFUSED);
    check(!(fcntl(other, F_GETFL) & O_NONBLOCK));
    check(accept(fd, NULL, NULL) == -1 && errno == EINVAL);
    other = socket(AF_UNIX, SOCK_STREAM, 0);
    check(connect(other, (struct sockaddr *)&un, sizeof un) == -1 &&
          errno == ENOENT);
    check(connect(-1, (struct sockaddr *)&un, sizeof un) == -1 &&
          errno == EBADF);
    check(read(-1, &len, 1) == -1 && errno == EBADF);
    check(recv(0x7fffffff, &len, 1, 0) == -1 && errno == EBADF);
}

static int put_one(void *arg)
{
    return write(*(int *)arg, "x", 1) == 1 ? 0 : -1;
}

static void success_leaves_errno(void)
{
    int fds[2], pair[2];
    tn_greenlet *g;
    char c;

    make_pipe(fds);
    make_pair(pair);
    g = go(put_one, &fds[1]);
    errno = 77;
    check(read(fds[0], &c, 1) == 1 && errno == 77);
    await(g);
    g = go(put_one, &pair[1]);
    errno = 77;
    check(recv(pair[0], &c, 1, 0) == 1 && errno == 77);
    await(g);
}

static void a_buffer_too_small_aborts(void)
{
    char bytes[4];

    make_hub();
    close(2); /* libc says what it thinks */
    __read_chk(0, bytes, 8, sizeof bytes);
}

/* ---- a signal handler writes ---- */

static int handler_fd;

static void tell(int signo)
{
    int errno_before = errno;

    (void)signo;
    if (write(handler_fd, "x", 1) == 1)
        n_signals++;
    errno = errno_before;
}

static int be_busy(void *arg)
{
    volatile int *is_over = arg;

    while (!*is_over)
        check(tn_yield() == 0);
    return 0;
}

/* The handler runs at any place, those of the hub included. */
static void a_signal_handler_may_write(void)
{
    int fds[2], is_over = 0, n = 0;
    tn_greenlet *g[3];
    char bytes[100];

    make_pipe(fds);
    handler_fd = fds[1];
    for (int i = 0; i < 3; i++)
        g[i] = go(be_busy, &is_over);
    call_every_us(200, tell);
    while (n < 2000) {
        ssize_t r = read(fds[0], bytes, sizeof bytes);

        check(r > 0);
        n += (int)r;
    }
    is_over = 1;
    call_every_us(0, NULL);
    for (int i = 0; i < 3; i++)
        await(g[i]);
    check(n_signals >= n);
}

const struct behaviour behaviours_fd[] = {
    BEHAVIOUR(what_is_nonblocking_gives_eagain),
    BEHAVIOUR(a_socket_has_its_own_timeouts),
    BEHAVIOUR(a_kill_ends_a_read_and_keeps_the_socket),
    BEHAVIOUR(a_killed_write_says_how_much_it_wrote),
    BEHAVIOUR(a_scope_ends_a_read_with_etimedout),
    BEHAVIOUR(closing_wakes_who_reads),
    BEHAVIOUR(shutdown_ends_a_read),
    BEHAVIOUR(shutdown_ends_a_wait_for_a_datagram),
    BEHAVIOUR(waitall_waits_for_all),
    BEHAVIOUR(sigpipe_comes_as_it_would),
    BEHAVIOUR(a_part_leaves_the_error_to_the_next_call),
    BEHAVIOUR(connect_fails_as_it_would),
    BEHAVIOUR(success_leaves_errno),
    BEHAVIOUR(a_signal_handler_may_write),
    {"a_buffer_too_small_aborts", a_buffer_too_small_aborts, SIGABRT},
    {NULL}};
