/* SPDX-License-Identifier: MIT */
/* tests/unit/test_poll.c - tn_poll() against poll(2). */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/green.h"
#include "support/virtual.h"

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

static void what_happens_while_it_waits_is_reported(void)
{
    int fds[2];

    for (int way = 0; way < 2; way++) {
        struct poller me = {.n = 2};
        tn_greenlet *g;

        if (way)
            open_foreign_pair(fds);
        else
            open_pair(fds);
        me.p[0] = (struct pollfd){fds[0], POLLIN, 0};
        me.p[1] = (struct pollfd){-1, POLLIN, 0};
        g = spawn(poll_once, &me);
        settle();
        assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
        assert_result(write(fds[1], "x", 1), 1);
        assert_result(join(g), 0);
        assert_result(me.r, 1);
        assert_int_equal(me.p[0].revents, POLLIN);
        assert_int_equal(me.p[1].revents, 0);
        close_both(fds);
    }
}

static void a_descriptor_that_is_not_open_is_pollnval_at_once(void)
{
    struct pollfd p[2] = {{999, POLLIN, 0}, {-1, POLLIN, 0}};

    assert_result(tn_poll(p, 2, TN_FOREVER), 1);
    assert_int_equal(p[0].revents, POLLNVAL);
    assert_result(tn_poll(p, 2, TN_NOWAIT), 1);
    assert_int_equal(p[0].revents, POLLNVAL);
}

static void nothing_to_wait_for_is_a_sleep(void)
{
    struct pollfd p = {-1, POLLIN, 0};

    assert_result(tn_poll(NULL, 0, tn_after_ms(1)), -ETIME);
    assert_result(tn_poll(&p, 1, tn_after_ms(1)), -ETIME);
    assert_result(tn_poll(NULL, 0, TN_NOWAIT), -EAGAIN);
}

static void a_reader_and_a_poller_of_one_descriptor(void)
{
    struct poller me = {.n = 1};
    tn_greenlet *g;
    char byte;
    int fds[2];

    open_pair(fds);
    me.p[0] = (struct pollfd){fds[0], POLLIN, 0};
    g = spawn(poll_once, &me);
    assert_result(tn_recv(fds[0], &byte, 1, 0, tn_after_ms(1)), -ETIME);
    assert_result(write(fds[1], "xy", 2), 2);
    assert_result(tn_recv(fds[0], &byte, 1, 0, TN_FOREVER), 1);
    assert_result(join(g), 0); /* one byte is left for it to see */
    assert_int_equal(me.p[0].revents, POLLIN);
    close_both(fds);
}

/* A regular file is always ready, whatever the back end thinks of files. */
static void a_file_is_ready(void)
{
    char path[] = "/tmp/tendril-poll-XXXXXX";
    int fd = mkstemp(path);
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};

    assert_true(fd >= 0);
    unlink(path);
    assert_result(tn_poll(&p, 1, TN_FOREVER), 1);
    assert_int_equal(p.revents, POLLIN | POLLOUT);
    assert_result(tn_close(fd), 0);
}

static void hangups_are_told_to_who_asks_for_nothing(void)
{
    int fds[2];

    test_not_on("ev", "libev knows readable and writable only");
    for (int way = 0; way < 4; way++) {
        struct poller me = {.n = 1}, other = {.n = 1};
        tn_greenlet *g, *h;

        if (way & 1)
            open_foreign_pair(fds);
        else
            open_pair(fds);
        me.p[0] = (struct pollfd){fds[0], 0, 0};
        other.p[0] = (struct pollfd){fds[0], POLLIN, 0};
        g = spawn(poll_once, &me);
        h = spawn(poll_once, &other);
        settle();
        if (way & 2) { /* the other one leaves first */
            assert_result(write(fds[1], "x", 1), 1);
        } else {
            assert_result(tn_kill(h, TN_FOREVER), 0);
        }
        assert_result(join(h), 0);
        settle();
        assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
        assert_result(tn_close(fds[1]), 0);
        assert_result(join(g), 0);
        assert_result(me.r, 1);
        assert_int_equal(me.p[0].revents, POLLHUP);
        assert_result(tn_close(fds[0]), 0);
    }
}

static void rdhup_is_reported(void)
{
    int fds[2];

    test_not_on("ev", "libev knows readable and writable only");
    for (int way = 0; way < 2; way++) {
        struct poller me = {.n = 1};
        tn_greenlet *g;

        if (way)
            open_foreign_pair(fds);
        else
            open_pair(fds);
        me.p[0] = (struct pollfd){fds[0], POLLRDHUP, 0};
        g = spawn(poll_once, &me);
        settle();
        assert_result(shutdown(fds[1], SHUT_WR), 0);
        assert_result(join(g), 0);
        assert_int_equal(me.p[0].revents, POLLRDHUP);
        close_both(fds);
    }
}

static void the_other_names_of_events_are_known(void)
{
    int fds[2];

    for (int way = 0; way < 2; way++) {
        struct poller me = {.n = 1};
        tn_greenlet *g;

        if (way)
            open_foreign_pair(fds);
        else
            open_pair(fds);
        me.p[0] = (struct pollfd){fds[0], POLLRDNORM, 0};
        g = spawn(poll_once, &me);
        settle();
        assert_result(write(fds[1], "x", 1), 1);
        assert_result(join(g), 0);
        assert_int_equal(me.p[0].revents, POLLRDNORM);
        close_both(fds);
    }
}

/* The bits above mean things to epoll that nobody asked for. */
static void bits_that_are_no_events_are_passed_over(void)
{
    struct poller me = {.n = 1};
    tn_greenlet *g;
    int fds[2];

    open_foreign_pair(fds);
    me.p[0] = (struct pollfd){fds[0], (short)(0xf800 | POLLIN), 0};
    g = spawn(poll_once, &me);
    settle();
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    assert_result(write(fds[1], "x", 1), 1);
    assert_result(join(g), 0);
    assert_result(me.r, 1);
    assert_true(me.p[0].revents & POLLIN);
    close_both(fds);
}

static void urgent_data_is_reported(void)
{
    struct poller me = {.n = 1};
    tn_greenlet *g;
    int fds[2];

    test_not_on("ev", "libev knows readable and writable only");
    open_tcp(fds);
    me.p[0] = (struct pollfd){fds[0], POLLPRI, 0};
    g = spawn(poll_once, &me);
    settle();
    assert_result(send(fds[1], "U", 1, MSG_OOB), 1);
    assert_result(join(g), 0);
    assert_int_equal(me.p[0].revents, POLLPRI);
    close_both(fds);
}

/* Also beside a reader, who may leave before. */
static void ev_refuses_to_wait_for_what_libev_is_not_told_of(void)
{
    static const short events[] = {POLLRDHUP, POLLPRI, POLLRDHUP | POLLPRI, 0};
    struct poller other = {.n = 1};
    tn_greenlet *g = NULL;
    int fds[2];

    test_only_on("ev", "the others wait for all events");
    open_pair(fds);
    other.p[0] = (struct pollfd){fds[0], POLLIN, 0};
    for (int way = 0; way < 2; way++) {
        for (int i = 0; i < 4; i++) {
            struct pollfd p = {fds[0], events[i], 0};

            assert_result(tn_poll(&p, 1, TN_FOREVER), -EOPNOTSUPP);
            assert_result(tn_poll(&p, 1, TN_NOWAIT), -EAGAIN);
        }
        if (way == 0) {
            g = spawn(poll_once, &other);
            settle();
        }
    }
    assert_result(write(fds[1], "x", 1), 1);
    assert_result(join(g), 0);
    assert_int_equal(other.p[0].revents, POLLIN);
    close_both(fds);
}

/* A wait that what is there does not end must not turn the loop. */
static void data_that_is_not_asked_for_does_not_spin(void)
{
    struct poller me = {.n = 1};
    struct tn_hub_stats before = {.size = sizeof before}, after = before;
    tn_greenlet *g;
    int fds[2];

    open_pair(fds);
    fill(fds[0]);
    assert_result(write(fds[1], "x", 1), 1); /* stays unread */
    me.p[0] = (struct pollfd){fds[0], POLLOUT | POLLRDHUP, 0};
    g = spawn(poll_once, &me);
    settle();
    assert_result(tn_hub_stats(&before), 0);
    assert_result(tn_sleep(tn_after_ms(20)), 0);
    assert_result(tn_hub_stats(&after), 0);
    assert_true(after.polls - before.polls < 10);
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    drain(fds[1]);
    assert_result(join(g), 0);
    assert_int_equal(me.p[0].revents, POLLOUT);
    close_both(fds);
}

/* poll() waits for what a file never has; so do those who wait for more. */
static void what_a_file_never_has_is_waited_for(void)
{
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct pollfd p[2] = {{.fd = file, .events = POLLPRI}, {.fd = -1}};
    int fds[2];

    test_not_on("ev", "libev knows readable and writable only");
    open_pair(fds);
    assert_result(tn_poll(p, 2, tn_after_ms(1)), -ETIME);
    p[1] = (struct pollfd){.fd = fds[0], .events = POLLIN};
    assert_result(tn_poll(p, 2, tn_after_ms(1)), -ETIME);
    close_both(fds);
    close(file);
}

TEST_MAIN(TEST(ev_refuses_to_wait_for_what_libev_is_not_told_of),
          TEST(data_that_is_not_asked_for_does_not_spin),
          TEST(what_happens_while_it_waits_is_reported),
          TEST(a_descriptor_that_is_not_open_is_pollnval_at_once),
          TEST(nothing_to_wait_for_is_a_sleep),
          TEST(a_reader_and_a_poller_of_one_descriptor),
          TEST(a_file_is_ready), TEST(what_a_file_never_has_is_waited_for),
          TEST(hangups_are_told_to_who_asks_for_nothing),
          TEST(rdhup_is_reported),
          TEST(the_other_names_of_events_are_known),
          TEST(bits_that_are_no_events_are_passed_over),
          TEST(urgent_data_is_reported))
