/* SPDX-License-Identifier: MIT */
/* tests/unit/test_faultsnet.c - the n-th allocation and the n-th system call
 * fail: in buffered streams, dialling, messages and transfers. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/faults.h"

/* A pair that is there whatever fails. */
static void pair_at_first(int fds[2])
{
    faults_pause();
    open_pair(fds);
    faults_resume();
}

static int close_pair(const int fds[2], int r)
{
    assert_result(tn_close(fds[0]), 0);
    assert_result(tn_close(fds[1]), 0);
    return r;
}

/* ---- streams ---- */

enum { MUCH = 40000 };

static int say(tn_stream *s, const char *data, size_t len)
{
    int r = tn_stream_write(s, data, len, NULL, TN_FOREVER);

    return r < 0 ? r : tn_stream_flush(s, TN_FOREVER);
}

static int talk(tn_stream *near, tn_stream *far)
{
    static char much[MUCH];
    char line[16];
    ssize_t n;
    int r = say(near, "line\n", 5);

    n = r < 0 ? r : tn_stream_read_line(far, line, sizeof line, TN_FOREVER);
    if (n < 0)
        return (int)n;
    r = say(far, much, MUCH);
    n = r < 0 ? r : tn_stream_read_exactly(near, much, MUCH, TN_FOREVER);
    return n < 0 ? (int)n : 0;
}

static int streams_live(void)
{
    tn_stream *near, *far;
    int fds[2], r, closed;

    pair_at_first(fds);
    r = tn_stream_open(fds[0], NULL, &near);
    if (r < 0)
        return close_pair(fds, r);
    r = tn_stream_open(fds[1], NULL, &far);
    if (r < 0) {
        assert_result(tn_close(fds[1]), 0);
        tn_stream_close(near, TN_NOWAIT);
        return r;
    }
    r = talk(near, far);
    closed = tn_stream_close(near, TN_NOWAIT);
    if (r == 0)
        r = closed;
    closed = tn_stream_close(far, TN_NOWAIT);
    return r < 0 ? r : closed;
}

static void a_stream(void)
{
    faults_each(streams_live, "");
}

/* ---- listening and dialling ---- */

static int unix_listener_lives(void)
{
    struct tn_listen_options options = TN_LISTEN_OPTIONS;
    char path[64], addr[80];
    int fd;

    snprintf(path, sizeof path, "/tmp/tendril-fault-%ld", (long)getpid());
    snprintf(addr, sizeof addr, "unix:%s", path);
    options.mode = 0600;
    fd = tn_listen_with(addr, &options);
    unlink(path);
    return fd < 0 ? fd : tn_close(fd);
}

static void a_unix_listener(void)
{
    faults_each(unix_listener_lives, "");
}

/* Nobody is at the first two; one listens at the third. */
static int one_of_three_answers(void)
{
    struct sockaddr_in addr[3];
    struct addrinfo list[3];
    int fd, listener[3];

    faults_pause();
    for (int i = 0; i < 3; i++) {
        listener[i] = open_listener(&addr[i]);
        list[i] = (struct addrinfo){
            .ai_family = AF_INET, .ai_addr = (struct sockaddr *)&addr[i],
            .ai_addrlen = sizeof addr[i], .ai_next = i < 2 ? &list[i + 1] : 0};
    }
    close_pair(listener, 0);
    faults_resume();
    fd = tn_dial_addrs(list, TN_FOREVER);
    faults_pause();
    assert_result(tn_close(listener[2]), 0);
    faults_resume();
    return fd < 0 ? fd : tn_close(fd);
}

/* What fails at the first two makes no difference. */
static void dialling_several(void)
{
    faults_each(one_of_three_answers,
                "socket connect fcntl poll epoll_ctl getsockopt ppoll");
}

/* ---- messages and transfers ---- */

static int descriptors_travel(void)
{
    int fds[2], got[2] = {-1, -1};
    size_t n = 2;
    char byte;
    ssize_t r;

    pair_at_first(fds);
    r = tn_send_fds(fds[0], "x", 1, fds, 2, TN_FOREVER);
    if (r == 1)
        r = tn_recv_fds(fds[1], &byte, 1, got, &n, TN_FOREVER);
    if (r == 1)
        close_pair(got, 0);
    return close_pair(fds, r < 0 ? (int)r : 0);
}

static void descriptors(void)
{
    faults_each(descriptors_travel, "");
}

static int batches_travel(void)
{
    char bytes[2] = "ab";
    struct iovec parts[2] = {{bytes, 1}, {bytes + 1, 1}};
    struct mmsghdr msgs[2] = {
        {.msg_hdr = {.msg_iov = &parts[0], .msg_iovlen = 1}},
        {.msg_hdr = {.msg_iov = &parts[1], .msg_iovlen = 1}}};
    int fds[2], r = tn_socketpair(AF_UNIX, SOCK_DGRAM, 0, fds);

    if (r < 0)
        return r;
    r = tn_sendmmsg(fds[0], msgs, 2, 0, TN_FOREVER);
    if (r == 2)
        r = tn_recvmmsg(fds[1], msgs, 2, 0, TN_FOREVER);
    return close_pair(fds, r < 0 ? r : 0);
}

static void batches(void)
{
    faults_each(batches_travel, "");
}

static int splice_then_wait(int in, const int pipe[2])
{
    ssize_t r = tn_splice(in, NULL, pipe[1], NULL, 1, 0, TN_FOREVER);

    if (r == 1)
        r = tn_splice(in, NULL, pipe[1], NULL, 1, 0, tn_after_ms(1));
    return r == -ETIME ? 0 : r < 0 ? (int)r : -EIO;
}

static int file_goes_through_a_pipe(void)
{
    int fds[2], pipe[2], file;
    off_t at = 0;
    ssize_t r;

    faults_pause();
    open_pair(fds);
    open_pipe(pipe);
    file = memfd_create("fault", MFD_CLOEXEC);
    assert_result(write(file, "x", 1), 1);
    faults_resume();
    r = tn_sendfile(fds[0], file, &at, 1, TN_FOREVER);
    if (r == 1)
        r = splice_then_wait(fds[1], pipe);
    assert_result(tn_close(file), 0);
    close_pair(pipe, 0);
    return close_pair(fds, r < 0 ? (int)r : 0);
}

static void transfers(void)
{
    faults_each(file_goes_through_a_pipe, "");
}

static int many_are_selected(void)
{
    int fds[40][2], r;
    fd_set set;

    faults_pause();
    FD_ZERO(&set);
    for (int i = 0; i < 40; i++) {
        open_pair(fds[i]);
        FD_SET(fds[i][0], &set);
    }
    faults_resume();
    r = tn_select_fds(FD_SETSIZE, &set, NULL, NULL, tn_after_ms(1));
    faults_pause();
    for (int i = 0; i < 40; i++)
        close_both(fds[i]);
    faults_resume();
    return r == -ETIME ? 0 : r;
}

static void sets_of_descriptors(void)
{
    faults_each(many_are_selected, "");
}

TEST_MAIN(TEST(a_stream), TEST(a_unix_listener), TEST(dialling_several),
          TEST(descriptors), TEST(batches), TEST(transfers),
          TEST(sets_of_descriptors))
