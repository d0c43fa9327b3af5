/* SPDX-License-Identifier: MIT */
/* table_fd.c - rows of table.h: descriptors. */
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Names and entries that no header declares. */
ssize_t __read(int, void *, size_t);
ssize_t __read_chk(int, void *, size_t, size_t);
ssize_t __recv_chk(int, void *, size_t, size_t, int);
ssize_t __recvfrom_chk(int, void *, size_t, size_t, int, struct sockaddr *,
                       socklen_t *);
ssize_t __write(int, const void *, size_t);
ssize_t __send(int, const void *, size_t, int);
int __connect(int, const struct sockaddr *, socklen_t);
int __close(int);
int __dup2(int, int);

/* ---- reading: one byte, 'x' ---- */

static int is_x(ssize_t n, const char *buf)
{
    return n == 1 && buf[0] == 'x' ? 0 : -1;
}

#define READER(name, ...)                                                      \
 static int call_##name(struct scene *s)                                       \
 {                                                                             \
  char buf[8] = "";                                                            \
  struct iovec iov[2] = {{buf, 1}, {buf + 1, 7}};                              \
  (void)iov;                                                                   \
  return is_x(__VA_ARGS__, buf);                                               \
 }

READER(read, read(s->in, buf, sizeof buf))
READER(read_also, __read(s->in, buf, sizeof buf))
READER(read_chk, __read_chk(s->in, buf, sizeof buf, sizeof buf))
READER(readv, readv(s->in, iov, 2))
READER(recv, recv(s->in, buf, sizeof buf, 0))
READER(recv_chk, __recv_chk(s->in, buf, sizeof buf, sizeof buf, 0))
READER(recvfrom, recvfrom(s->in, buf, sizeof buf, 0, NULL, NULL))
READER(recvfrom_chk,
       __recvfrom_chk(s->in, buf, sizeof buf, sizeof buf, 0, NULL, NULL))
READER(recvmsg,
       recvmsg(s->in, &(struct msghdr){.msg_iov = iov, .msg_iovlen = 2}, 0))

/* Two datagrams, of which each wants to be waited for. */
static int call_recvmmsg(struct scene *s)
{
    char buf[2][4];
    struct iovec iov[2] = {{buf[0], 4}, {buf[1], 4}};
    struct mmsghdr msgs[2] = {
        {.msg_hdr = {.msg_iov = &iov[0], .msg_iovlen = 1}},
        {.msg_hdr = {.msg_iov = &iov[1], .msg_iovlen = 1}}};

    return recvmmsg(s->in, msgs, 2, 0, NULL) == 2 && msgs[1].msg_len == 1 ? 0
                                                                          : -1;
}

static void put_two(struct scene *s)
{
    put(s);
    nanosleep(&(struct timespec){0, 1000000}, NULL);
    put(s);
}

/* ---- writing: more than there is room for ---- */

#define WRITER(name, ...)                                                      \
 static int call_##name(struct scene *s)                                       \
 {                                                                             \
  char *bytes = pattern();                                                     \
  struct iovec iov[3] = {                                                      \
      {bytes, 1000}, {bytes + 1000, BIG - 3000}, {bytes + BIG - 2000, 2000}};  \
  ssize_t r = (__VA_ARGS__);                                                   \
  (void)iov;                                                                   \
  free(bytes);                                                                 \
  return r == BIG ? 0 : -1;                                                    \
 }

WRITER(write, write(s->out, bytes, BIG))
WRITER(write_also, __write(s->out, bytes, BIG))
WRITER(writev, writev(s->out, iov, 3))
WRITER(send, send(s->out, bytes, BIG, 0))
WRITER(send_also, __send(s->out, bytes, BIG, 0))
WRITER(sendto, sendto(s->out, bytes, BIG, 0, NULL, 0))
WRITER(sendmsg,
       sendmsg(s->out, &(struct msghdr){.msg_iov = iov, .msg_iovlen = 3}, 0))

enum { MANY = 40 };

static int call_sendmmsg(struct scene *s)
{
    char bytes[2000] = "";
    struct iovec iov = {bytes, sizeof bytes};
    struct mmsghdr msgs[MANY];

    memset(msgs, 0, sizeof msgs);
    for (int i = 0; i < MANY; i++) {
        msgs[i].msg_hdr.msg_iov = &iov;
        msgs[i].msg_hdr.msg_iovlen = 1;
    }
    return sendmmsg(s->out, msgs, MANY, 0) == MANY ? 0 : -1;
}

static void with_little_room(struct scene *s)
{
    int room = 4096;

    with_datagrams(s);
    setsockopt(s->out, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
}

static void drain_many(struct scene *s)
{
    char buf[3000];

    for (int i = 0; i < MANY; i++)
        if (read(s->in, buf, sizeof buf) != 2000)
            _exit(1);
}

/* A file of the pattern, and a pair. */
static void with_file(struct scene *s)
{
    char path[] = "/tmp/tendril-patch-XXXXXX", *bytes = pattern();

    with_pair(s);
    s->other = mkstemp(path);
    unlink(path);
    if (write(s->other, bytes, BIG) != BIG)
        _exit(1);
    lseek(s->other, 0, SEEK_SET);
    free(bytes);
}

static int call_sendfile(struct scene *s)
{
    return sendfile(s->out, s->other, NULL, BIG) == BIG ? 0 : -1;
}

static int call_sendfile64(struct scene *s)
{
    off64_t at = 0;

    return sendfile64(s->out, s->other, &at, BIG) == BIG && at == BIG ? 0 : -1;
}

static void with_two_pipes(struct scene *s)
{
    with_pipe(s);
    s->other = open("/dev/null", O_WRONLY);
}

static int call_splice(struct scene *s)
{
    return splice(s->in, NULL, s->other, NULL, 100, 0) == 1 ? 0 : -1;
}

/* ---- connections ---- */

static struct sockaddr_un address;

/* A listener at which one may wait to be accepted, and no more. */
static void with_listener(struct scene *s)
{
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1,
             "tendril-patch-%d", (int)getpid());
    s->in = socket(AF_UNIX, SOCK_STREAM, 0);
    s->out = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(s->in, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(s->in, 0) < 0)
        _exit(1);
}

static void connect_to_it(struct scene *s)
{
    if (connect(s->out, (struct sockaddr *)&address, sizeof address) < 0)
        _exit(1);
}

static int is_blocking(int fd)
{
    return fd >= 0 && !(fcntl(fd, F_GETFL) & O_NONBLOCK) ? 0 : -1;
}

static int call_accept(struct scene *s)
{
    return is_blocking(accept(s->in, NULL, NULL));
}

static int call_accept4(struct scene *s)
{
    int fd = accept4(s->in, NULL, NULL, SOCK_CLOEXEC);

    return fcntl(fd, F_GETFD) == FD_CLOEXEC ? is_blocking(fd) : -1;
}

static void with_full_listener(struct scene *s)
{
    with_listener(s);
    connect_to_it(s);
    s->other = socket(AF_UNIX, SOCK_STREAM, 0);
}

static int call_connect(struct scene *s)
{
    return connect(s->other, (struct sockaddr *)&address, sizeof address) == 0
               ? is_blocking(s->other)
               : -1;
}

static int call_connect_also(struct scene *s)
{
    return __connect(s->other, (struct sockaddr *)&address, sizeof address);
}

static void accept_one(struct scene *s)
{
    if (accept(s->in, NULL, NULL) < 0)
        _exit(1);
}

/* ---- what does not wait ---- */

static int is_at_end(struct scene *s)
{
    char c;

    return read(s->in, &c, 1) == 0 ? 0 : -1;
}

static int call_shutdown(struct scene *s)
{
    return shutdown(s->out, SHUT_WR) == 0 ? is_at_end(s) : -1;
}

static int is_closed(int r, struct scene *s)
{
    if (r < 0 || fcntl(s->out, F_GETFD) != -1 || errno != EBADF)
        return -1;
    return is_at_end(s);
}

static int call_close(struct scene *s)
{
    return is_closed(close(s->out), s);
}

static int call_close_also(struct scene *s)
{
    return is_closed(__close(s->out), s);
}

/* `out` becomes another description: its pipe has no writer any more. */
static int is_replaced(int r, struct scene *s)
{
    return r == s->out ? is_at_end(s) : -1;
}

static int call_dup2(struct scene *s)
{
    return is_replaced(dup2(s->other, s->out), s);
}

static int call_dup2_also(struct scene *s)
{
    return is_replaced(__dup2(s->other, s->out), s);
}

static int call_dup3(struct scene *s)
{
    return is_replaced(dup3(s->other, s->out, O_CLOEXEC), s);
}

const struct row rows_fd[] = {
    {"read", with_pipe, call_read, put, true},
    {"__read", with_pipe, call_read_also, put, true},
    {"__read_chk", with_pair, call_read_chk, put, true},
    {"readv", with_pipe, call_readv, put, true},
    {"write", with_pipe, call_write, drain, true},
    {"__write", with_pair, call_write_also, drain, true},
    {"writev", with_pipe, call_writev, drain, true},
    {"recv", with_pair, call_recv, put, true},
    {"__recv_chk", with_pair, call_recv_chk, put, true},
    {"recvfrom", with_datagrams, call_recvfrom, put, true},
    {"__recvfrom_chk", with_datagrams, call_recvfrom_chk, put, true},
    {"recvmsg", with_pair, call_recvmsg, put, true},
    {"recvmmsg", with_datagrams, call_recvmmsg, put_two, true},
    {"send", with_pair, call_send, drain, true},
    {"__send", with_pair, call_send_also, drain, true},
    {"sendto", with_pair, call_sendto, drain, true},
    {"sendmsg", with_pair, call_sendmsg, drain, true},
    {"sendmmsg", with_little_room, call_sendmmsg, drain_many, true},
    {"sendfile", with_file, call_sendfile, drain, true},
    {"sendfile64", with_file, call_sendfile64, drain, true},
    {"splice", with_two_pipes, call_splice, put, true},
    {"accept", with_listener, call_accept, connect_to_it, true},
    {"accept4", with_listener, call_accept4, connect_to_it, true},
    {"connect", with_full_listener, call_connect, accept_one, true},
    {"__connect", with_full_listener, call_connect_also, accept_one, true},
    {"shutdown", with_pair, call_shutdown, NULL, false},
    {"close", with_pipe, call_close, NULL, false},
    {"__close", with_pipe, call_close_also, NULL, false},
    {"dup2", with_two_pipes, call_dup2, NULL, false},
    {"__dup2", with_two_pipes, call_dup2_also, NULL, false},
    {"dup3", with_two_pipes, call_dup3, NULL, false},
    {NULL}};
