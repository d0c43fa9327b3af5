/* SPDX-License-Identifier: MIT */
/* tests/unit/test_lines.c - reading lines from what others share: standard
 * input, pipes, terminals. A tn_stream with TN_STREAM_KEEP is the reader; the
 * flags of the open file, which the parent sees too, stay what they are. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/green.h"

static const struct tn_stream_options kept = {
    .size = sizeof(struct tn_stream_options), .flags = TN_STREAM_KEEP};

static tn_stream *open_reader(int fd)
{
    tn_stream *s;

    assert_result(tn_stream_open(fd, &kept, &s), 0);
    return s;
}

static void is_blocking(int fd)
{
    assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static void put(int fd, const char *text)
{
    assert_result(write(fd, text, strlen(text)), (long)strlen(text));
}

static void lines_of_standard_input_leave_its_flags_alone(void)
{
    int fds[2], before = dup(0);
    char line[64];
    tn_stream *s;

    open_foreign_pipe(fds);
    assert_int_equal(dup2(fds[0], 0), 0);
    s = open_reader(0);
    put(fds[1], "one\ntwo\nthr");
    assert_result(tn_stream_read_line(s, line, sizeof line, TN_FOREVER), 4);
    assert_string_equal(line, "one\n");
    is_blocking(0);
    assert_result(tn_stream_read_line(s, line, sizeof line, TN_NOWAIT), 4);
    assert_string_equal(line, "two\n");
    /* What came before a deadline is there after it. */
    assert_result(tn_stream_read_line(s, line, sizeof line, TN_NOWAIT),
                  -EAGAIN);
    assert_result(tn_stream_read_line(s, line, sizeof line, tn_after_ms(1)),
                  -ETIME);
    is_blocking(0);
    put(fds[1], "ee\nlast");
    assert_result(tn_stream_read_line(s, line, sizeof line, TN_FOREVER), 6);
    assert_string_equal(line, "three\n");
    close(fds[1]);
    assert_result(tn_stream_read_line(s, line, sizeof line, TN_FOREVER), 4);
    assert_string_equal(line, "last");
    assert_result(tn_stream_read_line(s, line, sizeof line, TN_FOREVER), 0);
    assert_result(tn_stream_close(s, TN_FOREVER), 0);
    is_blocking(0);
    dup2(before, 0);
    close(before);
    close(fds[0]);
}

static int type_a_line(void *arg)
{
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    put(*(int *)arg, "typed\n");
    return 0;
}

static void lines_of_a_terminal_are_awaited_while_others_run(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), terminal;
    char line[64];
    tn_stream *s;
    tn_greenlet *g;

    assert_true(master >= 0);
    assert_result(grantpt(master), 0);
    assert_result(unlockpt(master), 0);
    terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0);
    s = open_reader(terminal);
    g = spawn(type_a_line, &master);
    assert_result(tn_stream_read_line(s, line, sizeof line, TN_FOREVER), 6);
    assert_string_equal(line, "typed\n");
    is_blocking(terminal);
    assert_result(join(g), 0);
    assert_result(tn_stream_close(s, TN_FOREVER), 0);
    is_blocking(terminal);
    close(terminal);
    close(master);
}

static void a_line_over_the_limit_is_refused_and_kept(void)
{
    char line[64];
    tn_stream *s;
    int fds[2];

    open_foreign_pipe(fds);
    s = open_reader(fds[0]);
    put(fds[1], "a longer line\nnext\n");
    assert_result(tn_stream_read_line(s, line, 5, TN_FOREVER), -EMSGSIZE);
    assert_result(tn_stream_read_line(s, line, sizeof line, TN_FOREVER), 14);
    assert_string_equal(line, "a longer line\n");
    assert_result(tn_stream_close(s, TN_FOREVER), 0);
    close(fds[0]);
    close(fds[1]);
}

TEST_MAIN(TEST(lines_of_standard_input_leave_its_flags_alone),
          TEST(lines_of_a_terminal_are_awaited_while_others_run),
          TEST(a_line_over_the_limit_is_refused_and_kept))
