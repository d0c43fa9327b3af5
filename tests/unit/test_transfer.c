/* SPDX-License-Identifier: MIT */
/* tests/unit/test_transfer.c - sendfile and splice; several parts at once. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/green.h"

enum { MUCH = 1 << 20 };

static char byte_at(size_t i)
{
    return (char)(i * 7 + i / 251);
}

static int open_file(void)
{
    static char bytes[MUCH];
    int fd = memfd_create("transfer", MFD_CLOEXEC);

    for (size_t i = 0; i < MUCH; i++)
        bytes[i] = byte_at(i);
    assert_result(write(fd, bytes, MUCH), MUCH);
    return fd;
}

static void expect_all(int fd)
{
    static char bytes[MUCH];
    size_t got = 0;

    while (got < MUCH) {
        ssize_t r = tn_read(fd, bytes + got, MUCH - got, TN_FOREVER);

        assert_true(r > 0);
        got += (size_t)r;
    }
    for (size_t i = 0; i < MUCH; i++)
        assert_int_equal(bytes[i], byte_at(i));
}

struct mover {
    int out, in;
    int file;
};

static int send_file(void *arg)
{
    struct mover *me = arg;
    off_t at = 0;

    while (at < MUCH) {
        off_t before = at;
        ssize_t r = tn_sendfile(me->out, me->file, &at, (size_t)(MUCH - at),
                                TN_FOREVER);

        if (r < 0)
            return (int)r;
        assert_true(r > 0 && at == before + r);
    }
    return (int)tn_sendfile(me->out, me->file, &at, 1, TN_FOREVER);
}

static void a_file_is_sent(void)
{
    struct mover me = {.file = open_file()};
    tn_greenlet *g;
    int fds[2];

    for (int way = 0; way < 3; way++) {
        if (way == 0)
            open_tcp(fds);
        else if (way == 1)
            open_foreign_pair(fds);
        else
            open_foreign_pipe(fds);
        me.out = fds[1];
        g = spawn(send_file, &me);
        expect_all(fds[0]);
        assert_result(join(g), 0); /* the end of the file */
        if (way)
            assert_result(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
        close_both(fds);
    }
    assert_result(tn_close(me.file), 0);
}

static int splice_all(void *arg)
{
    struct mover *me = arg;
    ssize_t r;

    do
        r = tn_splice(me->in, NULL, me->out, NULL, 1 << 16, 0, TN_FOREVER);
    while (r > 0);
    return (int)r;
}

/* file -> a[1] a[0] -> pipe -> b[1] b[0] -> here */
static void bytes_go_through_a_pipe(bool is_foreign)
{
    int a[2], b[2], p[2];
    struct mover mover[3];
    tn_greenlet *g[3];

    open_tcp(a);
    if (is_foreign) {
        open_foreign_pair(b);
        open_foreign_pipe(p);
    } else {
        open_pair(b);
        open_pipe(p);
    }
    mover[0] = (struct mover){.out = a[1], .file = open_file()};
    mover[1] = (struct mover){.in = a[0], .out = p[1]};
    mover[2] = (struct mover){.in = p[0], .out = b[1]};
    g[0] = spawn(send_file, &mover[0]);
    g[1] = spawn(splice_all, &mover[1]);
    g[2] = spawn(splice_all, &mover[2]);
    expect_all(b[0]);
    assert_result(join(g[0]), 0);
    assert_result(tn_close(a[1]), 0);
    assert_result(join(g[1]), 0); /* the end of the stream */
    assert_result(tn_close(p[1]), 0);
    assert_result(join(g[2]), 0);
    assert_result(tn_close(a[0]), 0);
    assert_result(tn_close(p[0]), 0);
    close_both(b);
    assert_result(tn_close(mover[0].file), 0);
}

static void bytes_go_through_a_pipe_that_is_ours(void)
{
    bytes_go_through_a_pipe(false);
}

static void bytes_go_through_a_pipe_that_is_not(void)
{
    bytes_go_through_a_pipe(true);
}

static void splice_waits_no_longer_than_it_is_told(void)
{
    int a[2], p[2];

    open_pair(a);
    open_pipe(p);
    assert_result(tn_splice(a[0], NULL, p[1], NULL, 10, 0, TN_NOWAIT), -EAGAIN);
    assert_result(tn_splice(a[0], NULL, p[1], NULL, 10, 0, tn_after_ms(2)),
                  -ETIME);
    fill(p[1]);
    assert_result(tn_send(a[1], "x", 1, 0, TN_FOREVER), 1);
    assert_result(tn_splice(a[0], NULL, p[1], NULL, 10, 0, tn_after_ms(2)),
                  -ETIME);
    assert_result(tn_splice(a[0], NULL, a[1], NULL, 10, 0, TN_FOREVER),
                  -EINVAL); /* no pipe */
    close_both(a);
    close_both(p);
}

static void close_of_either_side_ends_a_splice(void)
{
    int a[2], p[2];
    struct mover me;
    tn_greenlet *g;

    for (int is_full = 0; is_full < 2; is_full++) {
        open_pair(a);
        open_pipe(p);
        me = (struct mover){.in = a[0], .out = p[1]};
        if (is_full) {
            fill(p[1]);
            assert_result(tn_send(a[1], "x", 1, 0, TN_FOREVER), 1);
        }
        g = spawn(splice_all, &me);
        settle();
        assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
        assert_result(tn_close(is_full ? p[1] : a[0]), 0);
        assert_result(join(g), -EBADF);
        assert_result(tn_close(is_full ? a[0] : p[1]), 0);
        assert_result(tn_close(a[1]), 0);
        assert_result(tn_close(p[0]), 0);
    }
}

static void close_ends_a_sendfile(void)
{
    struct mover me = {.file = open_file()};
    tn_greenlet *g;
    int fds[2];

    open_pair(fds);
    me.out = fds[1];
    g = spawn(send_file, &me);
    settle();
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    close_both(fds);
    assert_result(join(g), -EBADF);
    assert_result(tn_close(me.file), 0);
}

static void parts_are_read_and_written_at_once(void)
{
    char a[3], b[4], text[] = "abcdefg";
    struct iovec out[] = {{text, 3}, {text + 3, 0}, {text + 3, 4}};
    struct iovec in[] = {{a, 3}, {b, 4}};
    int fds[2];

    open_pipe(fds);
    assert_result(tn_writev(fds[1], out, 3, TN_FOREVER), 7);
    assert_result(tn_readv(fds[0], in, 2, TN_FOREVER), 7);
    assert_memory_equal(a, "abc", 3);
    assert_memory_equal(b, "defg", 4);
    assert_result(tn_readv(fds[0], in, -1, TN_FOREVER), -EINVAL);
    assert_result(tn_writev(fds[1], out, IOV_MAX + 1, TN_FOREVER), -EINVAL);
    assert_result(tn_writev(fds[1], NULL, 1, TN_FOREVER), -EINVAL);
    assert_result(tn_readv(fds[0], in, 0, TN_FOREVER), 0);
    close_both(fds);
}

/* A producer that fills a pipe does not keep its consumer from running. */
static int produce(void *arg)
{
    static const char block[1 << 16];
    int r = 0;

    for (int i = 0; i < 8 && r == 0; i++)
        r = tn_write_all(*(int *)arg, block, sizeof block, NULL, TN_FOREVER);
    tn_close(*(int *)arg);
    return r;
}

static void a_producer_on_a_full_pipe_lets_the_consumer_run(void)
{
    char buf[5000];
    size_t total = 0;
    tn_greenlet *g;
    ssize_t r;
    int fds[2];

    open_pipe(fds);
    g = spawn(produce, &fds[1]);
    while ((r = tn_read(fds[0], buf, sizeof buf, TN_FOREVER)) > 0)
        total += (size_t)r;
    assert_result(r, 0);
    assert_true(total == 8 << 16);
    assert_result(join(g), 0);
    assert_result(tn_close(fds[0]), 0);
}

TEST_MAIN(TEST(a_file_is_sent), TEST(bytes_go_through_a_pipe_that_is_ours),
          TEST(bytes_go_through_a_pipe_that_is_not),
          TEST(splice_waits_no_longer_than_it_is_told),
          TEST(close_of_either_side_ends_a_splice),
          TEST(close_ends_a_sendfile),
          TEST(parts_are_read_and_written_at_once),
          TEST(a_producer_on_a_full_pipe_lets_the_consumer_run))
