/* SPDX-License-Identifier: MIT */
/* tests/unit/test_flush.c - buffered streams: writing. Compiled twice, as
 * test_buffered.c (S118, S120, S126). */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <fcntl.h>

#include "support/streams.h"

/* ---- writing ---- */

static void what_is_written_goes_out_when_flushed(void)
{
    struct ends e = open_ends();
    char buf[8];

    assert_result(tn_stream_write(e.s[0], "ab", 2, NULL, TN_FOREVER), 0);
    assert_result(tn_stream_write(e.s[0], "cd", 2, NULL, TN_FOREVER), 0);
    assert_result(tn_stream_write(e.s[0], NULL, 0, NULL, TN_FOREVER), 0);
    assert_result(tn_stream_unsent(e.s[0]), 4);
    assert_result(tn_stream_read(e.s[1], buf, 8, TN_NOWAIT), -EAGAIN);
    assert_result(tn_stream_flush(e.s[0], TN_FOREVER), 0);
    assert_result(tn_stream_unsent(e.s[0]), 0);
    assert_result(tn_stream_flush(e.s[0], TN_FOREVER), 0);
    assert_result(tn_stream_read(e.s[1], buf, 8, TN_FOREVER), 4);
    assert_memory_equal(buf, "abcd", 4);
    close_ends(&e);
}

static void a_full_buffer_sends_itself_in_order(void)
{
    struct ends e = open_small();
    char text[2000], buf[2000];

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = pattern_at(i);
    for (size_t at = 0, n = 1; at < sizeof text; at += n, n = n * 3 % 101) {
        if (n > sizeof text - at)
            n = sizeof text - at;
        assert_result(tn_stream_write(e.s[0], text + at, n, NULL, TN_FOREVER),
                      0);
        assert_true(tn_stream_unsent(e.s[0]) <= SMALL);
    }
    assert_result(tn_stream_flush(e.s[0], TN_FOREVER), 0);
    assert_result(tn_stream_read_exactly(e.s[1], buf, sizeof buf, TN_FOREVER),
                  sizeof buf);
    assert_memory_equal(buf, text, sizeof buf);
    close_ends(&e);
}

static void several_parts_are_written_as_one(void)
{
    struct ends e = open_small();
    char many[200];
    char ab[] = "ab", cd[] = "cd";
    struct iovec parts[] = {{ab, 2}, {NULL, 0}, {many, 200}, {cd, 2}};
    size_t written = 0;

    memset(many, '-', sizeof many);
    assert_result(tn_stream_writev(e.s[0], parts, 4, &written, TN_FOREVER), 0);
    assert_true(written == 204);
    assert_result(tn_stream_flush(e.s[0], TN_FOREVER), 0);
    expect(e.s[1], "ab--");
    assert_result(tn_stream_read_exactly(e.s[1], many, 198, TN_FOREVER), 198);
    expect(e.s[1], "cd");
    assert_result(tn_stream_writev(e.s[0], NULL, 1, &written, TN_FOREVER),
                  -EINVAL);
    close_ends(&e);
}

static void a_cork_holds_flushes_back(void)
{
    struct ends e = open_small();
    char buf[SMALL];

    assert_result(tn_stream_uncork(e.s[0], TN_FOREVER), -EINVAL);
    assert_result(tn_stream_cork(e.s[0]), 0);
    assert_result(tn_stream_cork(e.s[0]), 0);
    say(e.s[0], "ab");
    assert_result(tn_stream_uncork(e.s[0], TN_FOREVER), 0);
    say(e.s[0], "cd");
    assert_result(tn_stream_read(e.s[1], buf, 4, TN_NOWAIT), -EAGAIN);
    assert_result(tn_stream_uncork(e.s[0], TN_FOREVER), 0);
    expect(e.s[1], "abcd");
    close_ends(&e);
}

static void a_write_that_is_late_says_how_far_it_came(void)
{
    static char buf[4 * MUCH];
    struct ends e = open_ends();
    size_t total = 0, at = 0;
    struct reader me = {e.s[1], buf, 0, TN_FOREVER};

    for (int i = 0; i < 4; i++) {
        struct writer writer = {e.s[0], 0, tn_after_ms(2)};
        int r = write_much(&writer);

        if (r == 0)
            continue;
        assert_result(r, -ETIME);
        assert_true(writer.written < MUCH);
        total = (size_t)i * MUCH + writer.written;
        break;
    }
    assert_true(total > 0);
    me.len = total;
    {
        tn_greenlet *g = spawn(read_all, &me);

        assert_result(tn_stream_flush(e.s[0], TN_FOREVER), 0);
        assert_result(join(g), total);
    }
    while (at < total) {
        size_t n = total - at < MUCH ? total - at : MUCH;

        assert_memory_equal(buf + at, pattern(), n);
        at += n;
    }
    close_ends(&e);
}

static int echo_all(void *arg)
{
    struct reader *me = arg;

    while (me->len > 0) {
        ssize_t n = tn_stream_read(me->s, me->buf, me->len, TN_FOREVER);

        if (n <= 0)
            return n < 0 ? (int)n : -EPIPE;
        if (tn_stream_write(me->s, me->buf, (size_t)n, NULL, TN_FOREVER) < 0 ||
            tn_stream_flush(me->s, TN_FOREVER) < 0)
            return -EIO;
        me->len -= (size_t)n;
    }
    return 0;
}

static void one_reads_while_another_writes(void)
{
    static char there[5000], back[MUCH];
    struct ends e = open_ends();
    struct writer writer = {e.s[0], 0, TN_FOREVER};
    struct reader echo = {e.s[1], there, sizeof there, TN_FOREVER};
    struct reader reader = {e.s[0], back, MUCH, TN_FOREVER};
    tn_greenlet *w = spawn(write_and_flush, &writer), *r;

    r = spawn(read_all, &reader);
    for (size_t left = MUCH; left > 0; left -= sizeof there) {
        echo.len = sizeof there;
        assert_result(echo_all(&echo), 0);
    }
    assert_result(join(w), 0);
    assert_result(join(r), MUCH);
    assert_memory_equal(back, pattern(), MUCH);
    close_ends(&e);
}

static int write_own(void *arg)
{
    struct reader *me = arg;
    int r = tn_stream_write(me->s, me->buf, me->len, NULL, TN_FOREVER);

    return r < 0 ? r : tn_stream_flush(me->s, TN_FOREVER);
}

enum { EACH = 100000 };

static void the_calls_of_several_writers_do_not_mix(void)
{
    static char of[3][EACH], got[EACH];
    struct ends e = open_ends();
    struct reader me[3];
    tn_greenlet *g[3];

    for (int i = 0; i < 3; i++) {
        memset(of[i], 'a' + i, EACH);
        me[i] = (struct reader){e.s[0], of[i], EACH, TN_FOREVER};
        g[i] = spawn(write_own, &me[i]);
    }
    for (int i = 0; i < 3; i++) {
        assert_result(tn_stream_read_exactly(e.s[1], got, EACH, TN_FOREVER),
                      EACH);
        for (int k = 1; k < EACH; k++)
            assert_int_equal(got[k], got[0]);
    }
    for (int i = 0; i < 3; i++)
        assert_result(join(g[i]), 0);
    close_ends(&e);
}

static void several_readers_are_served_in_order(void)
{
    struct ends e = open_ends();
    char buf[3][2];
    struct reader me[3];
    tn_greenlet *g[3];

    for (int i = 0; i < 3; i++) {
        me[i] = (struct reader){e.s[1], buf[i], 2, TN_FOREVER};
        g[i] = spawn(read_all, &me[i]);
        settle();
    }
    assert_result(tn_kill(g[1], TN_NOWAIT), -EAGAIN); /* it passes on */
    say(e.s[0], "abc");
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    say(e.s[0], "d");
    assert_result(join(g[0]), 2);
    assert_result(join(g[1]), -ECANCELED);
    assert_result(join(g[2]), 2);
    assert_memory_equal(buf[0], "ab", 2);
    assert_memory_equal(buf[2], "cd", 2);
    close_ends(&e);
}

#ifndef OVER_TLS

/* A pipe takes less at once than the buffer has. */
static void what_was_sent_of_the_buffer_is_not_sent_again(void)
{
    enum { ALL = 10000, AT_ONCE = 4096 };
    char got[ALL];
    tn_stream *s;
    int fds[2], at = 0;

    open_pipe(fds);
    if (fcntl(fds[1], F_SETPIPE_SZ, AT_ONCE) != AT_ONCE)
        test_skip("pipes have another size here");
    assert_result(tn_stream_open(fds[1], NULL, &s), 0);
    assert_result(tn_stream_write(s, pattern(), ALL, NULL, TN_FOREVER), 0);
    for (; at < ALL; at += AT_ONCE) {
        int n = ALL - at < AT_ONCE ? ALL - at : AT_ONCE;

        assert_result(tn_stream_flush(s, tn_after_ms(1)),
                      n < AT_ONCE ? 0 : -ETIME);
        assert_result(tn_stream_unsent(s), ALL - at - n);
        assert_result(tn_read(fds[0], got + at, AT_ONCE, TN_FOREVER), n);
    }
    assert_memory_equal(got, pattern(), ALL);
    assert_result(tn_stream_close(s, TN_FOREVER), 0);
    assert_result(tn_close(fds[0]), 0);
}

static void pipes_and_tcp_are_streams_too(void)
{
    static char buf[MUCH];
    struct ends e;
    int fds[2];

    for (int i = 0; i < 2; i++) {
        struct writer writer = {.deadline = TN_FOREVER};
        tn_greenlet *g;

        if (i)
            open_tcp(fds);
        else
            open_pipe(fds);
        assert_result(tn_stream_open(fds[1], NULL, &e.s[0]), 0);
        assert_result(tn_stream_open(fds[0], NULL, &e.s[1]), 0);
        assert_result(tn_stream_cork(e.s[0]), 0);
        say(e.s[0], "abc");
        writer.s = e.s[0];
        g = spawn(write_much, &writer);
        expect(e.s[1], "abc");
        assert_result(tn_stream_read_exactly(e.s[1], buf, MOST, TN_FOREVER),
                      MOST);
        assert_result(join(g), 0);
        assert_result(tn_stream_uncork(e.s[0], TN_FOREVER), 0);
        assert_result(tn_stream_read_exactly(e.s[1], buf + MOST, MUCH - MOST,
                                             TN_FOREVER),
                      MUCH - MOST);
        assert_memory_equal(buf, pattern(), MUCH);
        close_ends(&e);
    }
}

#endif

TEST_MAIN(
#ifndef OVER_TLS
    TEST(what_was_sent_of_the_buffer_is_not_sent_again),
    TEST(pipes_and_tcp_are_streams_too),
#endif
    TEST(what_is_written_goes_out_when_flushed),
    TEST(a_full_buffer_sends_itself_in_order),
    TEST(several_parts_are_written_as_one),
    TEST(a_cork_holds_flushes_back),
    TEST(a_write_that_is_late_says_how_far_it_came),
    TEST(one_reads_while_another_writes),
    TEST(the_calls_of_several_writers_do_not_mix),
    TEST(several_readers_are_served_in_order))
