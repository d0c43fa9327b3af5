/* SPDX-License-Identifier: MIT */
/* tests/unit/test_reuse.c - a call of several steps whose descriptor is closed
 * between two of them, and whose number is another connection's by then: that
 * one must not be touched (S116). */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/green.h"

enum { MUCH = 1 << 20 };

static char much[MUCH];
static const char others[] = "for another";

/* Closes the descriptor when the first byte comes. It waits before the call
 * under test does, for the same event, so it runs first. */
struct closer {
    int fd;
    int put[2]; /* put[0] has the number then; something waits in it */
};

static int close_and_reuse(void *arg)
{
    struct closer *c = arg;
    char byte;

    assert_result(tn_recv(c->fd, &byte, 1, 0, TN_FOREVER), 1);
    assert_result(tn_close(c->fd), 0);
    open_pair(c->put);
    assert_int_equal(c->put[0], c->fd);
    assert_result(tn_send(c->put[1], others, sizeof others, 0, TN_FOREVER),
                  sizeof others);
    return 0;
}

struct call {
    int fd;
    int to;
    size_t done;
    char buf[64];
};

/* Let the call wait, then say `text` to it; its result. */
static int reuse_during(tn_greenlet_fn fn, struct call *me, const char *text)
{
    struct closer c;
    tn_greenlet *closer, *g;
    char buf[64];
    int fds[2], r;

    open_pair(fds);
    c.fd = me->fd = fds[0];
    closer = spawn(close_and_reuse, &c);
    settle();
    g = spawn(fn, me);
    settle();
    drain(fds[1]);
    assert_result(tn_send(fds[1], text, strlen(text), 0, TN_FOREVER),
                  strlen(text));
    assert_result(join(closer), 0);
    r = join(g);
    /* Nothing was taken from the other connection, and nothing sent there. */
    assert_result(tn_recv(c.put[0], buf, sizeof buf, 0, TN_NOWAIT),
                  sizeof others);
    assert_result(tn_recv(c.put[1], buf, sizeof buf, 0, TN_NOWAIT), -EAGAIN);
    close_both(c.put);
    assert_result(tn_close(fds[1]), 0);
    return r;
}

static int send_much(void *arg)
{
    struct call *me = arg;

    return tn_send_all(me->fd, much, MUCH, 0, &me->done, TN_FOREVER);
}

static int write_much(void *arg)
{
    struct call *me = arg;

    return tn_write_all(me->fd, much, MUCH, &me->done, TN_FOREVER);
}

static void all_of_it_goes_to_one_connection(void)
{
    struct call me = {0};

    assert_result(reuse_during(send_much, &me, "x"), -EBADF);
    assert_true(me.done > 0 && me.done < MUCH);
    assert_result(reuse_during(write_much, &me, "x"), -EBADF);
    assert_true(me.done > 0 && me.done < MUCH);
}

static int receive_all(void *arg)
{
    struct call *me = arg;

    return (int)tn_recv(me->fd, me->buf, 6, MSG_WAITALL, TN_FOREVER);
}

static int peek_all(void *arg)
{
    struct call *me = arg;

    return (int)tn_recv(me->fd, me->buf, 6, MSG_WAITALL | MSG_PEEK,
                        TN_FOREVER);
}

static void all_of_it_comes_from_one_connection(void)
{
    struct call me = {0};

    assert_result(reuse_during(receive_all, &me, "xabc"), 3);
    assert_memory_equal(me.buf, "abc", 3);
    assert_result(reuse_during(peek_all, &me, "xabc"), 3);
    assert_memory_equal(me.buf, "abc", 3);
}

static int move(void *arg)
{
    struct call *me = arg;

    return (int)tn_splice(me->fd, NULL, me->to, NULL, 64, 0, TN_FOREVER);
}

static void what_is_spliced_too(void)
{
    struct call me = {0};
    int fds[2], r;

    open_pipe(fds);
    me.to = fds[1];
    r = reuse_during(move, &me, "xa");
    assert_true(r == -EBADF || r == 1); /* 1: it ran before the closer */
    close_both(fds);
}

TEST_MAIN(TEST(all_of_it_goes_to_one_connection),
          TEST(all_of_it_comes_from_one_connection), TEST(what_is_spliced_too))
