/* SPDX-License-Identifier: MIT */
/* tests/unit/test_connect.c - connections to a unix listener whose queue is
 * full: the kernel says EAGAIN and offers no way to wait for room. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/green.h"

enum { QUEUE_MAX = 16 };

static char name[64];          /* of the listener */
static int listener;
static int queued[QUEUE_MAX];  /* connections that fill its queue */
static int n_queued;
static struct sockaddr_storage addr;
static socklen_t len;

static void open_full_listener(void)
{
    int r = 0;

    snprintf(name, sizeof name, "unix:@tendril-test-%ld", (long)getpid());
    assert_result(tn_addr_parse(name, &addr, &len), 0);
    listener = tn_listen(name, 0);
    assert_true(listener >= 0);
    while (r == 0) {
        assert_true(n_queued < QUEUE_MAX);
        queued[n_queued] = tn_dial(name, TN_NOWAIT);
        r = queued[n_queued] < 0 ? queued[n_queued] : 0;
        n_queued += r == 0;
    }
    assert_result(r, -EAGAIN);
    assert_true(n_queued > 0);
}

static void close_listener(void)
{
    for (int i = 0; i < n_queued; i++)
        assert_result(tn_close(queued[i]), 0);
    assert_result(tn_close(listener), 0);
}

static void make_room(void)
{
    int fd = tn_accept(listener, NULL, NULL, TN_FOREVER);

    assert_true(fd >= 0);
    assert_result(tn_close(fd), 0);
}

static int dial_it(void *arg)
{
    int fd = tn_dial(name, *(tn_time *)arg);

    return fd < 0 ? fd : tn_close(fd);
}

/* A socket that tendril did not make, and that blocks. */
static int connect_it(void *arg)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int r = tn_connect(fd, (struct sockaddr *)&addr, len, *(tn_time *)arg);

    tn_close(fd);
    return r;
}

static const tn_greenlet_fn ways[] = {dial_it, connect_it};

static void one_that_finds_the_queue_full_waits_until_there_is_room(void)
{
    open_full_listener();
    for (int i = 0; i < 2; i++) {
        tn_time forever = TN_FOREVER;
        tn_greenlet *g = spawn(ways[i], &forever);

        assert_result(tn_sleep(tn_after_ms(30)), 0); /* others run meanwhile */
        assert_result(tn_greenlet_is_done(g), 0);
        make_room();
        assert_result(join(g), 0);
    }
    close_listener();
}

static void it_gives_up_at_its_deadline(void)
{
    open_full_listener();
    for (int i = 0; i < 2; i++) {
        tn_time until = tn_after_ms(20);

        assert_result(ways[i](&until), -ETIME);
        assert_true(tn_now() >= until);
    }
    close_listener();
}

static void it_does_not_wait_when_told_so(void)
{
    open_full_listener();
    for (int i = 0; i < 2; i++) {
        tn_time nowait = TN_NOWAIT;

        assert_result(ways[i](&nowait), -EAGAIN);
    }
    close_listener();
}

static void a_scope_ends_its_wait(void)
{
    tn_time forever = TN_FOREVER;
    tn_timeout t;

    open_full_listener();
    tn_timeout_begin(&t, tn_after_ms(5));
    assert_result(connect_it(&forever), -ETIME);
    assert_int_equal(t.fired, 1);
    tn_timeout_end(&t);
    close_listener();
}

static void a_kill_ends_its_wait(void)
{
    tn_time forever = TN_FOREVER;
    tn_greenlet *g;

    open_full_listener();
    g = spawn(dial_it, &forever);
    settle();
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    assert_result(join(g), -ECANCELED);
    close_listener();
}

static int close_the_listener(void *arg)
{
    (void)arg;
    assert_result(tn_close(listener), 0);
    return 0;
}

static void the_end_of_the_listener_ends_its_wait(void)
{
    tn_time forever = TN_FOREVER;
    tn_greenlet *g;

    open_full_listener();
    g = spawn(close_the_listener, NULL);
    assert_result(dial_it(&forever), -ECONNREFUSED);
    assert_result(join(g), 0);
    for (int i = 0; i < n_queued; i++)
        assert_result(tn_close(queued[i]), 0);
}

static int connect_that(void *arg)
{
    return tn_connect(*(int *)arg, (struct sockaddr *)&addr, len, TN_FOREVER);
}

static void a_close_ends_its_wait(void)
{
    tn_greenlet *g;
    int fd;

    open_full_listener();
    for (int i = 0; i < 2; i++) {
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (i)
            assert_result(tn_fd_adopt(fd), 0);
        g = spawn(connect_that, &fd);
        assert_result(tn_sleep(tn_after_ms(100)), 0); /* long pauses by now */
        assert_result(tn_close(fd), 0);
        assert_result(tn_yield(), 0);
        assert_result(tn_greenlet_is_done(g), 1);
        assert_result(join(g), -EBADF);
    }
    close_listener();
}

TEST_MAIN(TEST(a_close_ends_its_wait),
          TEST(one_that_finds_the_queue_full_waits_until_there_is_room),
          TEST(it_gives_up_at_its_deadline),
          TEST(it_does_not_wait_when_told_so), TEST(a_scope_ends_its_wait),
          TEST(a_kill_ends_its_wait),
          TEST(the_end_of_the_listener_ends_its_wait))
