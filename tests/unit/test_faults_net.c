/* SPDX-License-Identifier: MIT */
/* tests/unit/test_faults_net.c - the n-th allocation and the n-th system call
 * fail, for every n, in descriptors: adopted ones, datagrams, descriptors that
 * are passed along, polls, sockets with a path, buffered streams (see
 * support/faults.h). Sockets and pipes are in test_faults.c. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/faults.h"

#define GREENLET_DOES_WITHOUT "mmap madvise process_madvise"

static int close_all(const int *fds, int n, int r)
{
    for (int i = 0; i < n; i++)
        assert_result(tn_close(fds[i]), 0);
    return r;
}

/* ---- descriptors of others ---- */

static int adopted_one_lives(void)
{
    int fds[2], r;
    char byte;

    faults_pause();
    open_foreign_pair(fds);
    faults_resume();
    r = tn_fd_adopt(fds[0]);
    if (r == 0)
        r = tn_fd_adopt(fds[1]);
    if (r == 0)
        r = (int)tn_send(fds[0], "x", 1, 0, TN_FOREVER);
    if (r >= 0)
        r = (int)tn_recv(fds[1], &byte, 1, 0, TN_FOREVER);
    return close_all(fds, 2, r < 0 ? r : 0);
}

static void an_adopted_descriptor(void)
{
    faults_each(adopted_one_lives, "");
}

static int write_late(void *arg)
{
    int r = tn_yield();
    long n = r < 0 ? r : tn_write(*(int *)arg, "x", 1, TN_FOREVER);

    return n < 0 ? (int)n : 0;
}

/* The reader waits; whatever befalls the writer, the reader must not wait for
 * ever. */
static int foreign_one_is_awaited(void)
{
    int fds[2], r, result = 0;
    tn_greenlet *g;
    char byte;

    faults_pause();
    open_foreign_pipe(fds);
    faults_resume();
    r = tn_spawn(write_late, &fds[1], &g);
    if (r == 0) {
        r = (int)tn_read(fds[0], &byte, 1, tn_after_ms(20));
        faults_pause();
        result = join(g);
        faults_resume();
    }
    return close_all(fds, 2, r < 0 ? r : result < 0 ? result : 0);
}

static void a_wait_on_a_foreign_descriptor(void)
{
    faults_each(foreign_one_is_awaited, GREENLET_DOES_WITHOUT);
}

/* ---- datagrams ---- */

static int datagrams_are_exchanged(const int fds[2])
{
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    char buf[8];
    long r;

    r = tn_sendto(fds[0], "one", 3, 0, NULL, 0, TN_FOREVER);
    if (r >= 0)
        r = tn_recvfrom(fds[1], buf, sizeof buf, 0, (struct sockaddr *)&from,
                        &len, TN_FOREVER);
    return r < 0 ? (int)r : 0;
}

static int datagrams_pass(void)
{
    int fds[2], r = tn_socketpair(AF_UNIX, SOCK_DGRAM, 0, fds);

    return r < 0 ? r : close_all(fds, 2, datagrams_are_exchanged(fds));
}

static void datagrams(void)
{
    faults_each(datagrams_pass, "");
}

/* ---- descriptors passed along ---- */

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(2 * sizeof(int))];
};

static int send_descriptors(int over, const int fds[2])
{
    union control control = {.header = {.cmsg_len = CMSG_LEN(2 * sizeof(int)),
                                        .cmsg_level = SOL_SOCKET,
                                        .cmsg_type = SCM_RIGHTS}};
    struct iovec iov = {(char[]){'x'}, 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    long r;

    memcpy(CMSG_DATA(&control.header), fds, 2 * sizeof(int));
    r = tn_sendmsg(over, &m, 0, TN_FOREVER);
    return r < 0 ? (int)r : 0;
}

static int receive_descriptors(int over, int *fds)
{
    union control control;
    char byte;
    struct iovec iov = {&byte, 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    long r = tn_recvmsg(over, &m, MSG_CMSG_CLOEXEC, TN_FOREVER);

    if (r < 0)
        return (int)r;
    assert_int_equal(m.msg_controllen, sizeof control.bytes);
    memcpy(fds, CMSG_DATA(&control.header), 2 * sizeof(int));
    return 0;
}

static int descriptors_are_passed(void)
{
    int over[2], fds[2], got[2];
    int r = tn_socketpair(AF_UNIX, SOCK_STREAM, 0, over);

    if (r < 0)
        return r;
    r = tn_pipe(fds);
    if (r < 0)
        return close_all(over, 2, r);
    r = send_descriptors(over[0], fds);
    if (r == 0)
        r = receive_descriptors(over[1], got);
    if (r == 0)
        close_all(got, 2, 0);
    close_all(fds, 2, 0);
    return close_all(over, 2, r);
}

static void descriptors_that_are_passed(void)
{
    faults_each(descriptors_are_passed, "");
}

/* ---- polls of many ---- */

enum { N = 40 };

static int many_are_polled(void)
{
    struct pollfd polled[N];
    int fds[N], n = 0, r = 0;

    while (n < N && r == 0) {
        r = tn_socketpair(AF_UNIX, SOCK_STREAM, 0, fds + n);
        n += r == 0 ? 2 : 0;
    }
    for (int i = 0; i < n; i++)
        polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    if (r == 0) {
        r = tn_poll(polled, N, tn_after_us(200));
        r = r == -ETIME ? 0 : r == 0 ? -EIO : r;
    }
    return close_all(fds, n, r);
}

static void a_poll_of_many(void)
{
    faults_each(many_are_polled, "");
}

/* ---- sockets with a path ---- */

static char address[80];

static int path_is_dialed(void)
{
    int listener = tn_listen(address, 8), fds[2], r;

    if (listener < 0)
        return listener;
    fds[0] = tn_dial(address, TN_FOREVER);
    r = fds[0];
    if (r >= 0) {
        fds[1] = r = tn_accept(listener, NULL, NULL, TN_FOREVER);
        close_all(fds, r < 0 ? 1 : 2, 0);
    }
    assert_result(tn_close(listener), 0);
    unlink(address + strlen("unix:"));
    return r < 0 ? r : 0;
}

static void a_socket_with_a_path(void)
{
    snprintf(address, sizeof address, "unix:/tmp/tendril-faults-%d",
             (int)getpid());
    faults_each(path_is_dialed, "setsockopt");
}

/* ---- buffered streams ---- */

static int stream_lives(tn_stream *from, tn_stream *to)
{
    static const char text[] = "a line\nand another\n";
    char line[16];
    const void *data;
    long r;

    r = tn_stream_write(from, text, strlen(text), NULL, TN_FOREVER);
    if (r >= 0)
        r = tn_stream_flush(from, TN_FOREVER);
    if (r >= 0)
        r = tn_stream_read_line(to, line, sizeof line, TN_FOREVER);
    if (r >= 0)
        r = tn_stream_peek(to, 3, &data, TN_FOREVER);
    if (r >= 0)
        r = tn_stream_read_until(to, "\n", line, sizeof line, TN_FOREVER);
    return r < 0 ? (int)r : 0;
}

/* Who could not make a stream still has the descriptor. */
static int streams_live(void)
{
    struct tn_stream_options options = TN_STREAM_OPTIONS;
    int fds[2], r = tn_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), closed;
    tn_stream *from, *to;

    if (r < 0)
        return r;
    r = tn_stream_open(fds[0], &options, &from);
    if (r < 0)
        return close_all(fds, 2, r);
    r = tn_stream_open(fds[1], NULL, &to);
    if (r < 0) {
        tn_stream_close(from, TN_NOWAIT);
        return close_all(fds + 1, 1, r);
    }
    r = stream_lives(from, to);
    closed = tn_stream_close(from, TN_FOREVER);
    if (r == 0)
        r = closed;
    closed = tn_stream_close(to, TN_FOREVER);
    return r < 0 ? r : closed;
}

static void streams(void)
{
    faults_each(streams_live, "");
}

TEST_MAIN(TEST(an_adopted_descriptor), TEST(a_wait_on_a_foreign_descriptor),
          TEST(datagrams), TEST(descriptors_that_are_passed),
          TEST(a_poll_of_many), TEST(a_socket_with_a_path), TEST(streams))
