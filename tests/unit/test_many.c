/* SPDX-License-Identifier: MIT */
/* tests/unit/test_many.c - tn_poll() of many descriptors at once. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <limits.h>
#include <time.h>
#include <unistd.h>

#include "support/green.h"

enum { MANY = 200 };

/* The library's poll(2) is this one. */
static int n_asked;

int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    struct timespec t = {timeout_ms / 1000, timeout_ms % 1000 * 1000000};

    n_asked++;
    return ppoll(fds, n, timeout_ms < 0 ? NULL : &t, NULL);
}

static void many_are_asked_about_in_one_call(void)
{
    static int fds[MANY][2];
    struct pollfd p[MANY];

    for (int i = 0; i < MANY; i++) {
        open_pair(fds[i]);
        p[i] = (struct pollfd){fds[i][0], POLLIN, 77};
    }
    assert_result(tn_poll(p, MANY, TN_NOWAIT), -EAGAIN);
    assert_int_equal(n_asked, 1);
    assert_result(tn_poll(p, MANY, tn_after_ms(1)), -ETIME);
    assert_int_equal(n_asked, 2);
    assert_result(write(fds[MANY - 1][1], "x", 1), 1);
    assert_result(tn_poll(p, MANY, TN_FOREVER), 1);
    assert_int_equal(n_asked, 3);
    assert_int_equal(p[MANY - 1].revents, POLLIN);
    for (int i = 0; i < MANY; i++)
        close_both(fds[i]);
}

static void one_ready_among_many_is_found(void)
{
    static int fds[MANY][2];
    struct pollfd p[MANY + 2];

    for (int way = 0; way < 2; way++) {
        for (int i = 0; i < MANY; i++) {
            if (way)
                open_foreign_pair(fds[i]);
            else
                open_pair(fds[i]);
            p[i] = (struct pollfd){fds[i][0], POLLIN, 77};
        }
        p[MANY] = (struct pollfd){-1, POLLIN, 77};
        p[MANY + 1] = (struct pollfd){-5, POLLIN, 77};
        assert_result(tn_poll(p, MANY + 2, TN_NOWAIT), -EAGAIN);
        assert_result(tn_poll(p, MANY + 2, tn_after_ms(1)), -ETIME);
        assert_result(write(fds[MANY - 3][1], "x", 1), 1);
        assert_result(write(fds[7][1], "x", 1), 1);
        assert_result(tn_poll(p, MANY + 2, TN_FOREVER), 2);
        for (int i = 0; i < MANY + 2; i++)
            assert_int_equal(p[i].revents,
                             i == MANY - 3 || i == 7 ? POLLIN : 0);
        for (int i = 0; i < MANY; i++)
            close_both(fds[i]);
    }
}

static void ready_closed_and_left_out_entries_are_told_together(void)
{
    struct pollfd p[5];
    int fds[2];

    open_pair(fds);
    for (int is_ready = 0; is_ready < 2; is_ready++) {
        p[0] = (struct pollfd){-7, POLLIN, 77};
        p[1] = (struct pollfd){999, POLLIN, 77};
        p[2] = (struct pollfd){fds[0], POLLIN, 77};
        p[3] = (struct pollfd){fds[1], POLLOUT, 77};
        p[4] = (struct pollfd){fds[1], POLLIN, 77};
        if (is_ready)
            assert_result(write(fds[1], "x", 1), 1);
        assert_result(tn_poll(p, 5, is_ready ? TN_FOREVER : TN_NOWAIT),
                      2 + is_ready);
        assert_int_equal(p[0].revents, 0);
        assert_int_equal(p[1].revents, POLLNVAL);
        assert_int_equal(p[2].revents, is_ready ? POLLIN : 0);
        assert_int_equal(p[3].revents, POLLOUT);
        assert_int_equal(p[4].revents, 0);
    }
    close_both(fds);
}

struct poller {
    struct pollfd p[3];
    int n;
    int r;
};

static int poll_once(void *arg)
{
    struct poller *me = arg;

    me->r = tn_poll(me->p, (size_t)me->n, TN_FOREVER);
    return 0;
}

static void one_closed_of_many_is_pollnval(void)
{
    struct poller me = {.n = 3};
    tn_greenlet *g;
    int a[2], b[2];

    open_pair(a);
    open_pair(b);
    me.p[0] = (struct pollfd){a[0], POLLIN, 0};
    me.p[1] = (struct pollfd){b[0], POLLIN, 0};
    me.p[2] = (struct pollfd){a[1], POLLIN, 0};
    g = spawn(poll_once, &me);
    settle();
    assert_result(tn_close(b[0]), 0);
    assert_result(join(g), 0);
    assert_result(me.r, 1);
    assert_int_equal(me.p[0].revents, 0);
    assert_int_equal(me.p[1].revents, POLLNVAL);
    assert_int_equal(me.p[2].revents, 0);
    close_both(a);
    assert_result(tn_close(b[1]), 0);
}

static void the_same_descriptor_may_stand_there_twice(void)
{
    struct poller me = {.n = 2};
    tn_greenlet *g;
    int fds[2];

    open_pair(fds);
    fill(fds[0]);
    me.p[0] = (struct pollfd){fds[0], POLLIN, 0};
    me.p[1] = (struct pollfd){fds[0], POLLOUT, 0};
    g = spawn(poll_once, &me);
    settle();
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    drain(fds[1]);
    assert_result(join(g), 0);
    assert_result(me.r, 1);
    assert_int_equal(me.p[0].revents, 0);
    assert_int_equal(me.p[1].revents, POLLOUT);
    close_both(fds);
}

static void more_than_there_can_be_is_einval(void)
{
    static const size_t sizes[] = {(size_t)INT_MAX + 1, (size_t)UINT_MAX + 1,
                                   (size_t)UINT_MAX + 2, SIZE_MAX / 2,
                                   SIZE_MAX};
    struct pollfd p = {-1, POLLIN, 0};

    for (int i = 0; i < 5; i++) {
        assert_result(tn_poll(&p, sizes[i], TN_NOWAIT), -EINVAL);
        assert_result(tn_poll(&p, sizes[i], TN_FOREVER), -EINVAL);
    }
}

TEST_MAIN(TEST(many_are_asked_about_in_one_call),
          TEST(one_ready_among_many_is_found),
          TEST(ready_closed_and_left_out_entries_are_told_together),
          TEST(one_closed_of_many_is_pollnval),
          TEST(the_same_descriptor_may_stand_there_twice),
          TEST(more_than_there_can_be_is_einval))
