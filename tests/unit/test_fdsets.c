/* SPDX-License-Identifier: MIT */
/* tests/unit/test_fdsets.c - tn_select_fds(), and descriptors that are closed
 * or half closed while others wait (S116, S119, S120, S123, S124,
 * S125). */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/green.h"

static void only_what_is_ready_stays_in_the_sets(void)
{
    fd_set r, w;
    int a[2], b[2];

    open_pair(a);
    open_foreign_pipe(b);
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_SET(a[0], &r);
    FD_SET(b[0], &r);
    FD_SET(a[0], &w);
    assert_result(tn_send(a[1], "x", 1, 0, TN_FOREVER), 1);
    assert_result(tn_select_fds(FD_SETSIZE, &r, &w, NULL, TN_FOREVER), 2);
    assert_true(FD_ISSET(a[0], &r) && FD_ISSET(a[0], &w));
    assert_false(FD_ISSET(b[0], &r));
    close_both(a);
    close_both(b);
}

static void without_events_in_time_the_sets_are_as_before(void)
{
    fd_set r;
    int fds[2];

    open_pair(fds);
    FD_ZERO(&r);
    FD_SET(fds[0], &r);
    assert_result(tn_select_fds(fds[0] + 1, &r, NULL, NULL, tn_after_ms(1)),
                  -ETIME);
    assert_true(FD_ISSET(fds[0], &r));
    assert_result(tn_select_fds(fds[0] + 1, &r, NULL, NULL, TN_NOWAIT),
                  -EAGAIN);
    assert_result(tn_select_fds(0, NULL, NULL, NULL, tn_after_ms(1)), -ETIME);
    assert_result(tn_select_fds(-1, &r, NULL, NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_select_fds(fds[0], &r, NULL, NULL, TN_NOWAIT), -EAGAIN);
    close_both(fds);
}

enum { HIGH = 3000 };

static void sets_may_be_larger_than_fd_set(void)
{
    static unsigned long words[HIGH / (8 * sizeof(unsigned long)) + 1];
    const int bits = 8 * (int)sizeof words[0];
    struct rlimit limit;
    int fds[2], high;

    assert_result(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur <= HIGH)
        test_skip("too few descriptors are allowed");
    open_foreign_pair(fds);
    high = fcntl(fds[0], F_DUPFD, HIGH - 5);
    assert_true(high >= HIGH - 5 && high < HIGH);
    words[high / bits] |= 1UL << (high % bits);
    assert_result(write(fds[1], "x", 1), 1);
    assert_result(tn_select_fds(HIGH, (fd_set *)words, NULL, NULL, TN_FOREVER),
                  1);
    assert_true(words[high / bits] >> (high % bits) & 1);
    close(high);
    close_both(fds);
}

static void many_descriptors_are_selected_at_once(void)
{
    fd_set r;
    int fds[50][2];

    FD_ZERO(&r);
    for (int i = 0; i < 50; i++) {
        open_pipe(fds[i]);
        FD_SET(fds[i][0], &r);
    }
    assert_result(tn_write(fds[49][1], "x", 1, TN_FOREVER), 1);
    assert_result(tn_select_fds(FD_SETSIZE, &r, NULL, NULL, TN_FOREVER), 1);
    assert_true(FD_ISSET(fds[49][0], &r));
    for (int i = 0; i < 50; i++)
        close_both(fds[i]);
}

static void one_that_is_not_open_is_ebadf(void)
{
    fd_set r;
    int fds[2];

    open_pair(fds);
    FD_ZERO(&r);
    FD_SET(fds[0], &r);
    FD_SET(fds[1], &r);
    assert_result(tn_close(fds[1]), 0);
    assert_result(tn_select_fds(FD_SETSIZE, &r, NULL, NULL, TN_FOREVER),
                  -EBADF);
    assert_true(FD_ISSET(fds[0], &r));
    assert_result(tn_close(fds[0]), 0);
}

static int select_one(void *arg)
{
    fd_set r;

    FD_ZERO(&r);
    FD_SET(*(int *)arg, &r);
    return tn_select_fds(FD_SETSIZE, &r, NULL, NULL, TN_FOREVER);
}

static void one_closed_during_the_wait_is_ebadf(void)
{
    tn_greenlet *g;
    int fds[2];

    open_pair(fds);
    g = spawn(select_one, &fds[0]);
    settle();
    close_both(fds);
    assert_result(join(g), -EBADF);
}

/* A close that tendril does not see: nothing breaks, and the wait is ended by
 * its deadline, or by the peer. */
static int poll_one(void *arg)
{
    struct pollfd p = {*(int *)arg, POLLIN, 0};

    return tn_poll(&p, 1, tn_after_ms(20));
}

static void a_raw_close_during_a_wait_does_no_harm(void)
{
    struct pollfd p;
    tn_greenlet *g[2];
    int fds[2], r;

    test_not_on("ev", "libev asserts that what it watches is open");
    open_foreign_pair(fds);
    g[0] = spawn(poll_one, &fds[0]);
    g[1] = spawn(select_one, &fds[0]);
    settle();
    close(fds[0]);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    r = tn_kill(g[1], TN_NOWAIT); /* some back ends have found out */
    assert_true(r == 0 || r == -EAGAIN);
    (void)join(g[0]);
    (void)join(g[1]);
    p = (struct pollfd){fds[0], POLLIN, 0};
    assert_result(tn_poll(&p, 1, TN_FOREVER), 1);
    assert_int_equal(p.revents, POLLNVAL);
    close(fds[1]);
}

/* ---- shutdown ---- */

struct end {
    int fd;
    char buf[4];
};

static int receive(void *arg)
{
    struct end *me = arg;

    return (int)tn_recv(me->fd, me->buf, sizeof me->buf, 0, TN_FOREVER);
}

static int transmit(void *arg)
{
    struct end *me = arg;

    return (int)tn_send(me->fd, me->buf, 1, 0, TN_FOREVER);
}

static void try_shutdown(bool is_tcp, bool is_foreign)
{
    tn_greenlet *r[2], *w[2];
    struct end me;
    int fds[2];

    if (is_tcp)
        open_tcp(fds);
    else if (is_foreign)
        open_foreign_pair(fds);
    else
        open_pair(fds);
    fill(fds[0]);
    me.fd = fds[0];
    for (int i = 0; i < 2; i++) {
        r[i] = spawn(receive, &me);
        w[i] = spawn(transmit, &me);
    }
    settle();
    assert_result(tn_shutdown(fds[0], SHUT_WR), 0);
    assert_result(join(w[0]), -EPIPE);
    assert_result(join(w[1]), -EPIPE);
    assert_result(tn_greenlet_state(r[0]), TN_GREENLET_WAITING);
    assert_result(tn_shutdown(fds[0], SHUT_RD), 0);
    assert_result(join(r[0]), 0);
    assert_result(join(r[1]), 0);
    close_both(fds);
}

static void shutdown_wakes_those_who_wait_in_that_direction(void)
{
    try_shutdown(false, false);
    try_shutdown(false, true);
    try_shutdown(true, false);
}

static void shutdown_of_what_is_no_connection_is_an_error(void)
{
    struct sockaddr_in addr;
    int fds[2], fd = open_listener(&addr);

    assert_result(tn_close(fd), 0);
    assert_result(tn_shutdown(fd, SHUT_WR), -EBADF);
    assert_result(tn_shutdown(-1, SHUT_WR), -EBADF);
    open_pipe(fds);
    assert_result(tn_shutdown(fds[0], SHUT_RD), -ENOTSOCK);
    close_both(fds);
    fd = tn_socket(AF_INET, SOCK_STREAM, 0);
    assert_result(tn_shutdown(fd, SHUT_RDWR), -ENOTCONN);
    assert_result(tn_close(fd), 0);
}

static void what_is_closed_is_ebadf_for_every_call(void)
{
    struct end me;
    char byte;
    int fds[2];

    open_pair(fds);
    close_both(fds);
    me.fd = fds[0];
    assert_result(receive(&me), -EBADF);
    assert_result(transmit(&me), -EBADF);
    assert_result(tn_read(fds[0], &byte, 1, TN_NOWAIT), -EBADF);
    assert_result(tn_accept(fds[0], NULL, NULL, TN_FOREVER), -EBADF);
    assert_result(tn_close(fds[0]), -EBADF);
}

static void send_all_of_nothing_is_nothing_and_nowait_tries_once(void)
{
    static const char much[1 << 20];
    size_t sent = 7;
    int fds[2];

    open_pair(fds);
    assert_result(tn_send_all(fds[0], NULL, 0, 0, &sent, TN_FOREVER), 0);
    assert_true(sent == 0);
    assert_result(tn_send_all(fds[0], "abc", 3, 0, &sent, TN_NOWAIT), 0);
    assert_true(sent == 3);
    assert_result(tn_send_all(fds[0], much, sizeof much, 0, &sent, TN_NOWAIT),
                  -EAGAIN);
    assert_true(sent > 0 && sent < sizeof much);
    close_both(fds);
}

static void the_deadline_of_send_all_is_for_the_whole_call(void)
{
    static const char much[1 << 20];
    tn_time until = tn_after_ms(5);
    size_t sent = 0;
    int fds[2];

    open_pair(fds);
    assert_result(tn_send_all(fds[0], much, sizeof much, 0, &sent, until),
                  -ETIME);
    assert_true(tn_now() >= until);
    close_both(fds);
}

/* However full the queue is: also when others wait for room in it. */
static void to_send_nothing_needs_no_room(void)
{
    tn_time until = tn_after_ms(1000);
    int fds[2], file = memfd_create("empty", MFD_CLOEXEC);

    open_pair(fds);
    fill(fds[0]);
    assert_result(tn_send(fds[0], "x", 1, 0, TN_NOWAIT), -EAGAIN);
    assert_result(tn_send(fds[0], "", 0, 0, until), 0);
    assert_result(tn_send_all(fds[0], NULL, 0, 0, NULL, until), 0);
    assert_result(tn_write_all(fds[0], NULL, 0, NULL, until), 0);
    assert_result(tn_sendfile(fds[0], file, NULL, 0, until), 0);
    close_both(fds);
    close(file);
}

TEST_MAIN(TEST(only_what_is_ready_stays_in_the_sets),
          TEST(without_events_in_time_the_sets_are_as_before),
          TEST(sets_may_be_larger_than_fd_set),
          TEST(many_descriptors_are_selected_at_once),
          TEST(one_that_is_not_open_is_ebadf),
          TEST(one_closed_during_the_wait_is_ebadf),
          TEST(a_raw_close_during_a_wait_does_no_harm),
          TEST(shutdown_wakes_those_who_wait_in_that_direction),
          TEST(shutdown_of_what_is_no_connection_is_an_error),
          TEST(what_is_closed_is_ebadf_for_every_call),
          TEST(send_all_of_nothing_is_nothing_and_nowait_tries_once),
          TEST(to_send_nothing_needs_no_room),
          TEST(the_deadline_of_send_all_is_for_the_whole_call))
