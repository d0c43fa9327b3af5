/* SPDX-License-Identifier: MIT */
/* tests/unit/test_buffered.c - buffered streams: reading and ending. Compiled
 * twice: over sockets, and with OVER_TLS over TLS (S116, S119, S122, S130). */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/streams.h"

/* ---- reading ---- */

static void read_gives_what_is_there_and_keeps_the_rest(void)
{
    struct ends e = open_ends();
    char buf[8];

    say(e.s[0], "abcdef");
    assert_result(tn_stream_read(e.s[1], buf, 4, TN_FOREVER), 4);
    assert_memory_equal(buf, "abcd", 4);
    assert_result(tn_stream_unread(e.s[1]), 2);
    assert_result(tn_stream_read(e.s[1], buf, 8, TN_FOREVER), 2);
    assert_memory_equal(buf, "ef", 2);
    assert_result(tn_stream_read(e.s[1], buf, 8, TN_NOWAIT), -EAGAIN);
    assert_result(tn_stream_read(e.s[1], buf, 0, TN_FOREVER), 0);
    close_ends(&e);
}

static void read_exactly_waits_for_all(void)
{
    struct ends e = open_ends();
    char buf[6];
    struct reader me = {e.s[1], buf, 6, TN_FOREVER};
    tn_greenlet *g = spawn(read_all, &me);

    for (int i = 0; i < 3; i++) {
        assert_result(tn_sleep(tn_after_ms(1)), 0); /* the loop polls */
        assert_result(tn_greenlet_is_done(g), 0);
        say(e.s[0], &"ab\0cd\0ef"[3 * i]);
    }
    assert_result(join(g), 6);
    assert_memory_equal(buf, "abcdef", 6);
    close_ends(&e);
}

/* `len` bytes of which `part` come before the deadline, or before a kill. */
static void try_part(size_t len, size_t part, bool is_killed)
{
    static char buf[MUCH];
    struct ends e = open_ends();
    struct reader me = {e.s[1], buf, len, TN_FOREVER};
    struct reader peer = {e.s[0], pattern(), 0, TN_FOREVER};
    tn_greenlet *g;

    if (!is_killed)
        me.deadline = tn_after_ms(20);
    g = spawn(read_all, &me);
    settle();
    assert_result(tn_stream_write(peer.s, peer.buf, part, NULL, TN_FOREVER), 0);
    assert_result(tn_stream_flush(peer.s, TN_FOREVER), 0);
    if (is_killed) {
        assert_result(tn_sleep(tn_after_ms(1)), 0);
        assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    }
    assert_result(join(g), is_killed ? -ECANCELED : -ETIME);
    assert_result(tn_stream_unread(e.s[1]), part);
    assert_result(tn_stream_write(peer.s, peer.buf + part, len - part, NULL,
                                  TN_FOREVER),
                  0);
    assert_result(tn_stream_flush(peer.s, TN_FOREVER), 0);
    memset(buf, 0, sizeof buf);
    me.deadline = TN_FOREVER;
    assert_result(read_all(&me), len);
    assert_memory_equal(buf, peer.buf, len);
    assert_result(tn_stream_unread(e.s[1]), 0);
    close_ends(&e);
}

static void a_read_that_is_late_or_killed_loses_nothing(void)
{
    for (int is_killed = 0; is_killed < 2; is_killed++) {
        try_part(10, 0, is_killed);
        try_part(10, 4, is_killed);
        try_part(40000, 4, is_killed);     /* past the buffer */
        try_part(60000, 30000, is_killed);
    }
}

static void the_end_is_exact(void)
{
    struct ends e = open_ends();
    const void *data;
    char buf[8];

    say(e.s[0], "abcdef");
    assert_result(tn_stream_shutdown(e.s[0], TN_FOREVER), 0);
    expect(e.s[1], "abc");
    assert_result(tn_stream_read_exactly(e.s[1], buf, 4, TN_FOREVER), -EPIPE);
    assert_result(tn_stream_read_exactly(e.s[1], pattern(), MUCH, TN_FOREVER),
                  -EPIPE);
    assert_result(tn_stream_peek(e.s[1], 4, &data, TN_FOREVER), -EPIPE);
    assert_result(tn_stream_read_until(e.s[1], "\n", buf, 8, TN_FOREVER),
                  -EPIPE);
    expect(e.s[1], "def"); /* nothing was lost */
    assert_result(tn_stream_read(e.s[1], buf, 8, TN_FOREVER), 0);
    assert_result(tn_stream_read_exactly(e.s[1], buf, 4, TN_FOREVER), 0);
    assert_result(tn_stream_read_until(e.s[1], "\n", buf, 8, TN_FOREVER), 0);
    assert_result(tn_stream_read_line(e.s[1], buf, 8, TN_FOREVER), 0);
    assert_string_equal(buf, "");
    assert_result(tn_stream_peek(e.s[1], 1, &data, TN_FOREVER), 0);
    close_ends(&e);
}

static int find_end_of_head(void *arg)
{
    struct reader *me = arg;

    return (int)tn_stream_read_until(me->s, "\r\n\r\n", me->buf, me->len,
                                     me->deadline);
}

static void a_delimiter_is_found_however_it_arrives(void)
{
    static const char text[] = "ab\r\ncd\r\r\n\r\nrest";
    char buf[64];

    for (size_t cut = 1; cut < sizeof text - 1; cut++) {
        struct ends e = open_ends();
        struct reader me = {e.s[1], buf, sizeof buf, TN_FOREVER};
        tn_greenlet *g = spawn(find_end_of_head, &me);

        settle();
        assert_result(tn_stream_write(e.s[0], text, cut, NULL, TN_FOREVER), 0);
        assert_result(tn_stream_flush(e.s[0], TN_FOREVER), 0);
        assert_result(tn_sleep(tn_after_ms(1)), 0);
        say(e.s[0], text + cut);
        assert_result(join(g), 11);
        assert_memory_equal(buf, text, 11);
        expect(e.s[1], "rest");
        close_ends(&e);
    }
}

static void a_delimiter_may_be_the_byte_0(void)
{
    struct ends e = open_ends();
    char buf[8];

    assert_result(tn_stream_write(e.s[0], "ab\0c", 4, NULL, TN_FOREVER), 0);
    assert_result(tn_stream_flush(e.s[0], TN_FOREVER), 0);
    assert_result(tn_stream_read_until(e.s[1], "", buf, 8, TN_FOREVER), 3);
    assert_memory_equal(buf, "ab", 3);
    expect(e.s[1], "c");
    close_ends(&e);
}

static void what_has_no_delimiter_within_the_limit_is_refused_and_kept(void)
{
    struct ends e = open_small();
    char buf[200];

    memset(buf, 'a', sizeof buf);
    assert_result(tn_stream_write(e.s[0], buf, 100, NULL, TN_FOREVER), 0);
    say(e.s[0], "\nb");
    assert_result(tn_stream_read_until(e.s[1], "\n", buf, 100, TN_FOREVER),
                  -EMSGSIZE);
    assert_result(tn_stream_read_line(e.s[1], buf, 101, TN_FOREVER), -EMSGSIZE);
    assert_true(tn_stream_unread(e.s[1]) >= 100);
    assert_result(tn_stream_read_until(e.s[1], "\n", buf, 101, TN_FOREVER),
                  101);
    expect(e.s[1], "b");
    close_ends(&e);
}

static void lines_end_with_a_newline_but_perhaps_the_last(void)
{
    struct ends e = open_ends();
    char buf[8];

    say(e.s[0], "one\n\ntwo\r\nlast");
    assert_result(tn_stream_shutdown(e.s[0], TN_FOREVER), 0);
    assert_result(tn_stream_read_line(e.s[1], buf, 8, TN_FOREVER), 4);
    assert_string_equal(buf, "one\n");
    assert_result(tn_stream_read_line(e.s[1], buf, 8, TN_FOREVER), 1);
    assert_string_equal(buf, "\n");
    assert_result(tn_stream_read_line(e.s[1], buf, 6, TN_FOREVER), 5);
    assert_string_equal(buf, "two\r\n");
    assert_result(tn_stream_read_line(e.s[1], buf, 4, TN_FOREVER), -EMSGSIZE);
    assert_result(tn_stream_read_line(e.s[1], buf, 8, TN_FOREVER), 4);
    assert_string_equal(buf, "last");
    assert_result(tn_stream_read_line(e.s[1], buf, 8, TN_FOREVER), 0);
    close_ends(&e);
}

static void peek_takes_nothing_and_skip_takes(void)
{
    struct ends e = open_small();
    const void *data;
    char text[] = "0123456789";

    assert_result(tn_stream_peek(e.s[1], 0, &data, TN_NOWAIT), 0);
    assert_result(tn_stream_peek(e.s[1], 1, &data, TN_NOWAIT), -EAGAIN);
    for (int i = 0; i < 10; i++)
        say(e.s[0], text);
    assert_result(tn_stream_peek(e.s[1], 100, &data, TN_FOREVER), 100);
    assert_memory_equal(data, "01234567890123456789", 20);
    assert_result(tn_stream_skip(e.s[1], 95), 0);
    assert_result(tn_stream_skip(e.s[1], 6), -EINVAL);
    assert_result(tn_stream_peek(e.s[1], 2, &data, TN_NOWAIT), 5);
    assert_memory_equal(data, "56789", 5);
    expect(e.s[1], "56789");
    close_ends(&e);
}

static void a_buffer_that_is_being_read_into_is_not_skipped(void)
{
    struct ends e = open_ends();
    char buf[4];
    struct reader me = {e.s[1], buf, 4, TN_FOREVER};
    tn_greenlet *g;

    say(e.s[0], "ab");
    expect(e.s[1], "a");
    g = spawn(read_all, &me);
    settle();
    assert_result(tn_stream_skip(e.s[1], 1), -EBUSY);
    say(e.s[0], "cde");
    assert_result(join(g), 4);
    assert_memory_equal(buf, "bcde", 4);
    close_ends(&e);
}

/* ---- ending ---- */

static void shutdown_ends_one_direction_after_all_was_sent(void)
{
    struct ends e = open_ends();
    char buf[8];

    assert_result(tn_stream_cork(e.s[0]), 0);
    say(e.s[0], "abc"); /* is held back */
    assert_result(tn_stream_shutdown(e.s[0], TN_FOREVER), 0);
    assert_result(tn_stream_read_exactly(e.s[1], buf, 3, TN_FOREVER), 3);
    assert_result(tn_stream_read(e.s[1], buf, 8, TN_FOREVER), 0);
    say(e.s[1], "def");
    expect(e.s[0], "def");
    assert_result(tn_stream_uncork(e.s[0], TN_FOREVER), 0);
    assert_result(tn_stream_write(e.s[0], "x", 1, NULL, TN_FOREVER), 0);
    assert_result(tn_stream_flush(e.s[0], TN_FOREVER), -EPIPE);
    assert_result(tn_stream_close(e.s[0], TN_FOREVER), -EPIPE);
    tn_stream_close(e.s[1], TN_NOWAIT);
}

static void close_sends_what_is_left(void)
{
    struct ends e = open_ends();
    char buf[8];

    assert_result(tn_stream_cork(e.s[0]), 0);
    assert_result(tn_stream_write(e.s[0], "abc", 3, NULL, TN_FOREVER), 0);
    assert_result(tn_stream_close(e.s[0], TN_FOREVER), 0);
    assert_result(tn_stream_read_exactly(e.s[1], buf, 3, TN_FOREVER), 3);
    assert_result(tn_stream_read(e.s[1], buf, 8, TN_FOREVER), 0);
    tn_stream_close(e.s[1], TN_NOWAIT);
    assert_result(tn_stream_close(NULL, TN_FOREVER), 0);
}

static void close_wakes_those_who_are_in_a_call(void)
{
    struct ends e = open_ends();
    char buf[2][2];
    struct reader me[2];
    struct writer writer = {e.s[1], 0, TN_FOREVER};
    tn_greenlet *g[4];

    for (int i = 0; i < 2; i++) {
        me[i] = (struct reader){e.s[1], buf[i], 2, TN_FOREVER};
        g[i] = spawn(read_all, &me[i]); /* the second waits for the first */
        g[2 + i] = spawn(write_and_flush, &writer);
        settle();
    }
    assert_result(tn_stream_close(e.s[1], TN_NOWAIT), -EAGAIN);
    for (int i = 0; i < 4; i++)
        assert_result(join(g[i]), -EBADF);
    tn_stream_close(e.s[0], TN_NOWAIT);
}

static void close_gives_up_at_its_deadline(void)
{
    struct ends e = open_ends();
    struct writer writer = {e.s[0], 0, TN_NOWAIT};
    int r = 0;

    for (int i = 0; i < 10 && r == 0; i++)
        r = write_much(&writer);
    assert_result(r, -EAGAIN);
    assert_true(tn_stream_unsent(e.s[0]) > 0 || writer.written < MUCH);
    r = tn_stream_close(e.s[0], tn_after_ms(5));
    if (r != 0) /* over TLS what was left may be in its hands */
        assert_result(r, -ETIME);
    tn_stream_close(e.s[1], TN_NOWAIT);
}

static int close_it(void *arg)
{
    tn_yield();
    assert_result(tn_check(), -ECANCELED);
    return tn_stream_close(arg, TN_FOREVER);
}

static void one_who_was_killed_closes_without_waiting(void)
{
    struct ends e = open_ends();
    tn_greenlet *g;

    assert_result(tn_stream_write(e.s[0], "abc", 3, NULL, TN_FOREVER), 0);
    g = spawn(close_it, e.s[0]);
    assert_result(tn_yield(), 0);
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    assert_result(join(g), -ECANCELED);
    g = spawn(close_it, e.s[1]);
    assert_result(tn_yield(), 0);
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    (void)join(g);
}

/* ---- misuse ---- */

static void what_is_not_allowed_is_refused(void)
{
    struct tn_stream_options options = TN_STREAM_OPTIONS;
    struct ends e = open_ends();
    const void *data;
    tn_stream *s;
    char buf[2];
    int fds[2];

    assert_result(tn_socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    assert_result(tn_stream_open(fds[0], NULL, &s), -EINVAL);
    close_both(fds);
    assert_result(tn_stream_open(fds[0], NULL, &s), -EBADF);
    assert_result(tn_stream_open(-1, NULL, &s), -EBADF);
    assert_result(tn_stream_open(0, NULL, &s), -EINVAL);
    options.size = 1;
    assert_result(tn_stream_open(fds[0], &options, &s), -EINVAL);
    assert_result(tn_stream_open_tls(NULL, NULL, &s), -EINVAL);
    assert_result(tn_stream_read(NULL, buf, 1, TN_FOREVER), -EINVAL);
    assert_result(tn_stream_read(e.s[0], NULL, 1, TN_FOREVER), -EINVAL);
    assert_result(tn_stream_read_until(e.s[0], NULL, buf, 1, 0), -EINVAL);
    assert_result(tn_stream_read_line(e.s[0], buf, 1, 0), -EINVAL);
    assert_result(tn_stream_peek(e.s[0], 1, NULL, 0), -EINVAL);
    assert_result(tn_stream_write(e.s[0], NULL, 1, NULL, 0), -EINVAL);
    assert_result(tn_stream_flush(NULL, 0), -EINVAL);
    assert_result(tn_stream_skip(e.s[0], 1), -EINVAL);
    assert_result(tn_stream_fd(NULL), -EINVAL);
    assert_result(tn_stream_peek(e.s[0], 0, &data, TN_FOREVER), 0);
    close_ends(&e);
}

static void *use_it_elsewhere(void *arg)
{
    char byte;

    assert_result(tn_stream_read(arg, &byte, 1, TN_NOWAIT), -EXDEV);
    assert_result(tn_stream_flush(arg, TN_NOWAIT), -EXDEV);
    assert_result(tn_stream_cork(arg), -EXDEV);
    assert_result(tn_stream_close(arg, TN_NOWAIT), -EXDEV);
    return NULL;
}

static void another_thread_is_refused(void)
{
    struct ends e = open_ends();
    pthread_t thread;

    assert_result(pthread_create(&thread, NULL, use_it_elsewhere, e.s[0]), 0);
    assert_result(pthread_join(thread, NULL), 0);
    close_ends(&e);
}

#ifndef OVER_TLS

static void a_kept_descriptor_stays_open(void)
{
    struct tn_stream_options options = TN_STREAM_OPTIONS;
    char buf[2];
    struct reader me = {NULL, buf, 2, TN_FOREVER};
    tn_greenlet *g;
    int fds[2];

    options.flags = TN_STREAM_KEEP;
    open_foreign_pipe(fds);
    assert_result(tn_stream_open(fds[0], &options, &me.s), 0);
    assert_result(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
    g = spawn(read_all, &me);
    settle();
    assert_result(tn_stream_close(me.s, TN_FOREVER), -EBUSY);
    assert_result(write(fds[1], "abc", 3), 3);
    assert_result(join(g), 2);
    assert_result(tn_stream_close(me.s, TN_FOREVER), 0);
    assert_true(fcntl(fds[0], F_GETFL) >= 0);
    close_both(fds);
}

#endif

TEST_MAIN(
#ifndef OVER_TLS
    TEST(a_kept_descriptor_stays_open),
#endif
    TEST(read_gives_what_is_there_and_keeps_the_rest),
    TEST(read_exactly_waits_for_all),
    TEST(a_read_that_is_late_or_killed_loses_nothing),
    TEST(the_end_is_exact),
    TEST(a_delimiter_is_found_however_it_arrives),
    TEST(a_delimiter_may_be_the_byte_0),
    TEST(what_has_no_delimiter_within_the_limit_is_refused_and_kept),
    TEST(lines_end_with_a_newline_but_perhaps_the_last),
    TEST(peek_takes_nothing_and_skip_takes),
    TEST(a_buffer_that_is_being_read_into_is_not_skipped),
    TEST(shutdown_ends_one_direction_after_all_was_sent),
    TEST(close_sends_what_is_left),
    TEST(close_wakes_those_who_are_in_a_call),
    TEST(close_gives_up_at_its_deadline),
    TEST(one_who_was_killed_closes_without_waiting),
    TEST(what_is_not_allowed_is_refused),
    TEST(another_thread_is_refused))
