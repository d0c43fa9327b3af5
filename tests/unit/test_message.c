/* SPDX-License-Identifier: MIT */
/* tests/unit/test_message.c - messages: datagrams one by one and in batches,
 * descriptors and credentials that travel over unix sockets. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/green.h"

/* ---- UDP ---- */

static int open_udp(struct sockaddr_in *ret_addr)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    socklen_t len = sizeof *ret_addr;
    int fd = tn_socket(AF_INET, SOCK_DGRAM, 0);

    assert_true(fd >= 0);
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_result(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
    assert_result(getsockname(fd, (struct sockaddr *)ret_addr, &len), 0);
    return fd;
}

struct answerer {
    int fd;
    int n; /* of messages to answer */
};

/* Send each message back to where it came from. */
static int answer(void *arg)
{
    struct answerer *me = arg;
    struct sockaddr_in from;
    char buf[64];

    for (int i = 0; i < me->n; i++) {
        socklen_t len = sizeof from;
        ssize_t n = tn_recvfrom(me->fd, buf, sizeof buf, 0,
                                (struct sockaddr *)&from, &len, TN_FOREVER);

        if (n < 0)
            return (int)n;
        n = tn_sendto(me->fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len,
                      TN_FOREVER);
        if (n < 0)
            return (int)n;
    }
    return 0;
}

static void a_datagram_is_answered_where_it_came_from(void)
{
    struct sockaddr_in here, there, from;
    socklen_t len = sizeof from;
    struct answerer me = {open_udp(&there), 1};
    int fd = open_udp(&here);
    tn_greenlet *g = spawn(answer, &me);
    char buf[8];

    settle();
    assert_result(tn_sendto(fd, "abc", 3, 0, (struct sockaddr *)&there,
                            sizeof there, TN_FOREVER),
                  3);
    assert_result(tn_recvfrom(fd, buf, sizeof buf, 0, (struct sockaddr *)&from,
                              &len, TN_FOREVER),
                  3);
    assert_memory_equal(buf, "abc", 3);
    assert_int_equal(from.sin_port, there.sin_port);
    assert_result(join(g), 0);
    assert_result(tn_close(fd), 0);
    assert_result(tn_close(me.fd), 0);
}

static int receive_one(void *arg)
{
    char buf[8];

    return (int)tn_recvfrom(*(int *)arg, buf, sizeof buf, 0, NULL, NULL,
                            TN_FOREVER);
}

static void a_shutdown_ends_a_wait_for_a_datagram(void)
{
    tn_greenlet *g;
    int fds[2];

    assert_result(tn_socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    g = spawn(receive_one, &fds[0]);
    settle();
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    assert_result(tn_shutdown(fds[0], SHUT_RD), 0);
    assert_result(join(g), 0);
    assert_result(receive_one(&fds[0]), 0);
    close_both(fds);
}

enum { BATCH = 16 };

struct batch {
    struct mmsghdr msgs[BATCH];
    struct iovec parts[BATCH];
    char bytes[BATCH][8];
};

static void prepare(struct batch *b)
{
    memset(b, 0, sizeof *b);
    for (int i = 0; i < BATCH; i++) {
        b->bytes[i][0] = (char)('a' + i);
        b->parts[i] = (struct iovec){b->bytes[i], 8};
        b->msgs[i].msg_hdr.msg_iov = &b->parts[i];
        b->msgs[i].msg_hdr.msg_iovlen = 1;
    }
}

struct receiver {
    int fd;
    struct batch batch;
};

static int receive_batch(void *arg)
{
    struct receiver *me = arg;

    prepare(&me->batch);
    return tn_recvmmsg(me->fd, me->batch.msgs, BATCH, 0, TN_FOREVER);
}

static void batches_carry_as_many_as_there_are(void)
{
    struct receiver me;
    struct batch batch;
    tn_greenlet *g;
    int fds[2];

    assert_result(tn_socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    me.fd = fds[0];
    prepare(&batch);
    for (int i = 0; i < BATCH; i++)
        batch.parts[i].iov_len = (size_t)i % 8 + 1;
    g = spawn(receive_batch, &me);
    settle();
    assert_result(tn_sendmmsg(fds[1], batch.msgs, 5, 0, TN_FOREVER), 5);
    assert_result(join(g), 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(me.batch.msgs[i].msg_len, i % 8 + 1);
        assert_int_equal(me.batch.bytes[i][0], 'a' + i);
    }
    assert_result(tn_recvmmsg(fds[0], batch.msgs, BATCH, 0, TN_NOWAIT),
                  -EAGAIN);
    assert_result(tn_recvmmsg(fds[0], batch.msgs, 0, 0, TN_NOWAIT), -EINVAL);
    assert_result(tn_sendmmsg(fds[0], NULL, 1, 0, TN_NOWAIT), -EINVAL);
    close_both(fds);
}

static int send_batch(void *arg)
{
    struct batch batch;
    int sent = 0;

    prepare(&batch);
    while (sent < BATCH) {
        int r = tn_sendmmsg(*(int *)arg, batch.msgs + sent,
                            (unsigned)(BATCH - sent), 0, TN_FOREVER);

        if (r < 0)
            return r;
        sent += r;
    }
    return sent;
}

static void a_batch_that_finds_no_room_says_how_many_went(void)
{
    char byte[8];
    tn_greenlet *g;
    int fds[2];

    assert_result(tn_socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    fill(fds[1]);
    g = spawn(send_batch, &fds[1]);
    settle();
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    while (!tn_greenlet_is_done(g))
        assert_true(tn_recv(fds[0], byte, sizeof byte, 0, TN_FOREVER) > 0);
    assert_result(join(g), BATCH);
    close_both(fds);
}

static void close_ends_a_wait_for_a_batch(void)
{
    struct receiver me;
    tn_greenlet *g;
    int fds[2];

    assert_result(tn_socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    me.fd = fds[0];
    g = spawn(receive_batch, &me);
    settle();
    close_both(fds);
    assert_result(join(g), -EBADF);
}

/* ---- a unix socket that one is not connected to ---- */

struct sender {
    int fd;
    struct sockaddr_un to;
};

/* A name that nobody else has; nothing of it lies on a disk. */
static void name_it(struct sockaddr_un *addr)
{
    *addr = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(addr->sun_path + 1, sizeof addr->sun_path - 1, "tendril-%d",
             (int)getpid());
}

static int send_to_name(void *arg)
{
    struct sender *s = arg;

    return (int)tn_sendto(s->fd, "x", 1, 0, (struct sockaddr *)&s->to,
                          sizeof s->to, TN_FOREVER);
}

static void one_waits_for_room_in_the_queue_of_a_peer_by_name(void)
{
    int peer = tn_socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sender s = {.fd = tn_socket(AF_UNIX, SOCK_DGRAM, 0)};
    struct sockaddr *to = (struct sockaddr *)&s.to;
    tn_greenlet *g, *closed;
    char byte;

    name_it(&s.to);
    assert_int_equal(bind(peer, to, sizeof s.to), 0);
    while (tn_sendto(s.fd, "x", 1, 0, to, sizeof s.to, TN_NOWAIT) == 1)
        ;
    assert_result(tn_sendto(s.fd, "x", 1, 0, to, sizeof s.to, TN_NOWAIT),
                  -EAGAIN);
    assert_result(tn_sendto(s.fd, "x", 1, 0, to, sizeof s.to, tn_after_ms(3)),
                  -ETIME);
    g = spawn(send_to_name, &s);
    settle();
    assert_int_equal(tn_greenlet_state(g), TN_GREENLET_WAITING);
    assert_result(tn_recv(peer, &byte, 1, 0, TN_FOREVER), 1);
    assert_int_equal(join(g), 1);
    closed = spawn(send_to_name, &s);
    settle();
    tn_close(s.fd);
    assert_int_equal(join(closed), -EBADF);
    tn_close(peer);
}

/* ---- descriptors ---- */

static void descriptors_travel_and_are_closed_on_exec(void)
{
    int fds[2], pipe[2], got[2] = {-1, -1};
    size_t n = 2;
    char buf[8];

    open_pair(fds);
    open_foreign_pipe(pipe);
    assert_result(tn_send_fds(fds[0], "hi", 2, pipe, 2, TN_FOREVER), 2);
    assert_result(tn_recv_fds(fds[1], buf, sizeof buf, got, &n, TN_FOREVER), 2);
    assert_true(n == 2);
    assert_memory_equal(buf, "hi", 2);
    assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
    assert_result(fcntl(got[0], F_GETFL) & O_NONBLOCK, 0); /* not adopted */
    close_both(pipe);
    assert_result(write(got[1], "x", 1), 1);
    assert_result(tn_read(got[0], buf, 8, TN_FOREVER), 1);
    close_both(got);
    close_both(fds);
}

static void a_message_may_carry_none(void)
{
    int fds[2];
    size_t n = 7;
    char buf[8];

    open_pair(fds);
    assert_result(tn_send_fds(fds[0], "a", 1, NULL, 0, TN_FOREVER), 1);
    assert_result(tn_recv_fds(fds[1], buf, 8, fds, &n, TN_FOREVER), 1);
    assert_true(n == 0);
    assert_result(tn_shutdown(fds[0], SHUT_WR), 0);
    assert_result(tn_recv_fds(fds[1], buf, 8, NULL, &n, TN_FOREVER), 0);
    assert_result(tn_send_fds(fds[0], "", 0, NULL, 0, TN_FOREVER), -EINVAL);
    assert_result(tn_recv_fds(fds[1], buf, 8, fds, NULL, TN_FOREVER), -EINVAL);
    close_both(fds);
}

/* The runner sees if one of them is left. */
static void more_than_were_asked_for_are_closed(void)
{
    int fds[2], pipe[2], got[1] = {-1};
    size_t n = 1;
    char buf[8];

    open_pair(fds);
    open_foreign_pipe(pipe);
    assert_result(tn_send_fds(fds[0], "a", 1, pipe, 2, TN_FOREVER), 1);
    assert_result(tn_send_fds(fds[0], "b", 1, pipe, 2, TN_FOREVER), 1);
    assert_result(tn_recv_fds(fds[1], buf, 8, got, &n, TN_FOREVER), -EMSGSIZE);
    assert_int_equal(got[0], -1);
    n = 0;
    assert_result(tn_recv_fds(fds[1], buf, 8, NULL, &n, TN_FOREVER), -EMSGSIZE);
    close_both(pipe);
    close_both(fds);
}

static void as_many_as_one_message_carries(void)
{
    static int many[254], got[254];
    struct rlimit limit;
    int fds[2];
    size_t n = 254;
    char byte;

    assert_result(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 600)
        test_skip("too few descriptors are allowed");
    open_pair(fds);
    for (int i = 0; i < 254; i++)
        many[i] = fds[0];
    assert_result(tn_send_fds(fds[0], "a", 1, many, 254, TN_FOREVER), -EINVAL);
    assert_result(tn_send_fds(fds[0], "a", 1, many, 253, TN_FOREVER), 1);
    assert_result(tn_recv_fds(fds[1], &byte, 1, got, &n, TN_FOREVER), 1);
    assert_true(n == 253);
    for (size_t i = 0; i < n; i++)
        assert_result(tn_close(got[i]), 0);
    close_both(fds);
}

static void without_room_for_descriptors_it_says_so_and_keeps_none(void)
{
    struct rlimit limit, low;
    int fds[2], pipe[2], got[2], probe;
    size_t n = 2;
    char byte;

    open_pair(fds);
    open_foreign_pipe(pipe);
    assert_result(tn_send_fds(fds[0], "a", 1, pipe, 2, TN_FOREVER), 1);
    probe = dup(0);
    close(probe);
    assert_result(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = (rlim_t)probe + 1; /* for one of the two */
    assert_result(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_result(tn_recv_fds(fds[1], &byte, 1, got, &n, TN_FOREVER), -EMFILE);
    assert_result(setrlimit(RLIMIT_NOFILE, &limit), 0);
    close_both(pipe);
    close_both(fds);
}

/* ---- who it is ---- */

static void the_peer_is_known(void)
{
    struct tn_credentials peer = {0, 0, 0};
    struct sockaddr_in addr;
    int fds[2], listener = open_listener(&addr);

    open_pair(fds);
    assert_result(tn_peer_credentials(fds[0], &peer), 0);
    assert_int_equal(peer.pid, getpid());
    assert_int_equal(peer.uid, getuid());
    assert_int_equal(peer.gid, getgid());
    assert_result(tn_peer_credentials(fds[0], NULL), -EINVAL);
    assert_true(tn_peer_credentials(listener, &peer) < 0);
    close_both(fds);
    assert_result(tn_peer_credentials(fds[0], &peer), -EBADF);
    assert_result(tn_close(listener), 0);
}

static void each_message_can_say_who_sent_it(void)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    char byte;
    struct iovec part = {&byte, 1};
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    struct ucred from;
    int fds[2], on = 1;

    open_pair(fds);
    assert_result(setsockopt(fds[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on),
                  0);
    assert_result(tn_send(fds[0], "x", 1, 0, TN_FOREVER), 1);
    assert_result(tn_recvmsg(fds[1], &msg, 0, TN_FOREVER), 1);
    assert_non_null(CMSG_FIRSTHDR(&msg));
    memcpy(&from, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof from);
    assert_int_equal(from.pid, getpid());
    close_both(fds);
}

/* The kernel ends a read at a message with descriptors, also one that does not
 * take them: that it was short does not mean that there is no more. */
static void bytes_behind_descriptors_are_read(void)
{
    char buf[100];
    size_t n = 0;
    int fds[2];

    open_pair(fds);
    for (int i = 0; i < 2; i++) {
        assert_result(tn_recv(fds[1], buf, 100, 0, TN_NOWAIT), -EAGAIN);
        assert_result(tn_recv_fds(fds[1], buf, 100, NULL, &n, tn_after_ms(1)),
                      -ETIME); /* it is registered now */
        assert_result(tn_send_fds(fds[0], "ab", 2, fds, 2, TN_FOREVER), 2);
        assert_result(tn_send(fds[0], "cd", 2, 0, TN_FOREVER), 2);
        tn_yield();
        if (i == 0) {
            assert_result(tn_recv(fds[1], buf, 100, 0, tn_after_ms(5000)), 2);
            assert_result(tn_recv(fds[1], buf, 100, 0, tn_after_ms(5000)), 2);
        } else {
            assert_result(tn_read(fds[1], buf, 100, tn_after_ms(5000)), 2);
            assert_result(tn_read(fds[1], buf, 100, tn_after_ms(5000)), 2);
        }
        assert_memory_equal(buf, "cd", 2);
    }
    close_both(fds);
}

TEST_MAIN(TEST(a_datagram_is_answered_where_it_came_from),
          TEST(a_shutdown_ends_a_wait_for_a_datagram),
          TEST(batches_carry_as_many_as_there_are),
          TEST(a_batch_that_finds_no_room_says_how_many_went),
          TEST(close_ends_a_wait_for_a_batch),
          TEST(one_waits_for_room_in_the_queue_of_a_peer_by_name),
          TEST(descriptors_travel_and_are_closed_on_exec),
          TEST(a_message_may_carry_none),
          TEST(more_than_were_asked_for_are_closed),
          TEST(as_many_as_one_message_carries),
          TEST(bytes_behind_descriptors_are_read),
          TEST(without_room_for_descriptors_it_says_so_and_keeps_none),
          TEST(the_peer_is_known), TEST(each_message_can_say_who_sent_it))
