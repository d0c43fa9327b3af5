/* SPDX-License-Identifier: MIT */
/* tests/unit/test_foreign.c - descriptors that were not adopted: they work, and
 * what others share of them is left alone. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <unistd.h>

#include "support/green.h"
#include "support/virtual.h"

static void is_blocking(int fd)
{
    assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

struct transfer {
    int fd;
    char buf[8];
    size_t len;
    long r;
};

static int do_read(void *arg)
{
    struct transfer *t = arg;

    t->r = tn_read(t->fd, t->buf, t->len, TN_FOREVER);
    return 0;
}

static void a_read_of_each_kind_parks_and_leaves_the_flags_alone(void)
{
    for (int way = 0; way < 4; way++) {
        struct transfer t = {.len = 8};
        uint64_t one = 1;
        tn_greenlet *g;
        int fds[2] = {-1, -1};

        if (way == 0)
            open_foreign_pipe(fds);
        else if (way == 1)
            open_foreign_pair(fds);
        else if (way == 2)
            fds[0] = fds[1] = eventfd(0, 0);
        else
            open_tcp(fds);
        t.fd = fds[0];
        g = spawn(do_read, &t);
        settle();
        assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
        if (way != 3)
            is_blocking(fds[0]);
        assert_result(write(fds[1], &one, 8), 8);
        assert_result(join(g), 0);
        assert_result(t.r, 8);
        if (way != 3)
            is_blocking(fds[0]);
        assert_result(tn_close(fds[0]), 0);
        if (way != 2)
            assert_result(tn_close(fds[1]), 0);
    }
}

static int do_write(void *arg)
{
    static char bulk[300000];
    size_t written;

    return tn_write_all(*(int *)arg, bulk, sizeof bulk, &written, TN_FOREVER);
}

static void a_write_larger_than_a_blocking_pipe_parks(void)
{
    tn_greenlet *g;
    size_t got = 0;
    char buf[4096];
    int fds[2];

    open_foreign_pipe(fds);
    g = spawn(do_write, &fds[1]);
    settle();
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    is_blocking(fds[1]);
    while (got < 300000) {
        ssize_t n = tn_read(fds[0], buf, sizeof buf, TN_FOREVER);

        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_result(join(g), 0);
    close_both(fds);
}

static int is_over;

/* Counts for as long as nothing holds up the thread. */
static int tick(void *arg)
{
    int *n = arg;

    while (!is_over) {
        ++*n;
        assert_result(tn_sleep(tn_after_us(500)), 0);
    }
    return 0;
}

static void open_foreign_terminal(int fds[2], bool is_raw)
{
    struct termios how;

    fds[0] = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(fds[0] >= 0);
    assert_result(grantpt(fds[0]), 0);
    assert_result(unlockpt(fds[0]), 0);
    fds[1] = open(ptsname(fds[0]), O_RDWR | O_NOCTTY);
    assert_true(fds[1] >= 0);
    assert_result(tcgetattr(fds[1], &how), 0);
    if (is_raw)
        cfmakeraw(&how);
    assert_result(tcsetattr(fds[1], TCSANOW, &how), 0);
}

/* Write to fds[1] until it gives up: in parts, and while others run. */
static void write_until_full(const int fds[2])
{
    static char bulk[300000];
    tn_greenlet *g;
    int n_ticks = 0, n_before;
    long r;

    memset(bulk, '\n', sizeof bulk);
    is_over = 0;
    g = spawn(tick, &n_ticks);
    do {
        r = tn_write(fds[1], bulk, sizeof bulk, tn_after_ms(2));
        assert_true(r < (long)sizeof bulk);
    } while (r > 0);
    assert_result(r, -ETIME);
    n_before = n_ticks;
    assert_result(tn_write(fds[1], bulk, 1, tn_after_ms(10)), -ETIME);
    assert_true(n_ticks > n_before);
    is_over = 1;
    assert_result(join(g), 0);
    is_blocking(fds[1]);
}

static void a_write_to_a_full_foreign_pipe_holds_up_nobody(void)
{
    int fds[2];

    open_foreign_pipe(fds);
    write_until_full(fds);
    close_both(fds);
}

static void a_write_to_a_full_foreign_terminal_holds_up_nobody(void)
{
    struct transfer t = {.len = 1};
    tn_greenlet *g;
    int fds[2];

    for (int is_raw = 0; is_raw < 2; is_raw++) {
        open_foreign_terminal(fds, is_raw);
        assert_result(tn_write(fds[1], "x", 1, TN_FOREVER), 1);
        write_until_full(fds);
        t.fd = fds[1];
        g = spawn(do_write, &t.fd);
        settle();
        assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
        assert_result(tn_close(fds[0]), 0); /* hangs up: its writer fails */
        assert_result(join(g), -EIO);
        assert_result(tn_close(fds[1]), 0);
    }
}

static void a_timerfd_works(void)
{
    struct transfer t = {.len = 8};
    struct itimerspec in_1_ms = {{0, 0}, {0, 1000000}};
    tn_greenlet *g;

    test_not_on("sim", "needs real time");
    t.fd = timerfd_create(CLOCK_MONOTONIC, 0);
    assert_result(timerfd_settime(t.fd, 0, &in_1_ms, NULL), 0);
    g = spawn(do_read, &t);
    assert_result(join(g), 0);
    assert_result(t.r, 8);
    is_blocking(t.fd);
    assert_result(tn_close(t.fd), 0);
}

static void files_are_read_and_written_at_once(void)
{
    char path[] = "/tmp/tendril-file-XXXXXX", buf[8];
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    unlink(path);
    assert_result(tn_write(fd, "hello", 5, TN_FOREVER), 5);
    assert_result(tn_write(fd, "!", 1, TN_NOWAIT), 1);
    assert_result(lseek(fd, 0, SEEK_SET), 0);
    assert_result(tn_read(fd, buf, sizeof buf, TN_NOWAIT), 6);
    assert_memory_equal(buf, "hello!", 6);
    assert_result(tn_read(fd, buf, sizeof buf, TN_FOREVER), 0);
    assert_result(tn_fd_adopt(fd), 0);
    assert_result(tn_read(fd, buf, sizeof buf, TN_FOREVER), 0);
    assert_result(tn_close(fd), 0);
}

static void dev_null_and_dev_zero_never_wait(void)
{
    char buf[8] = "x";
    int fd = open("/dev/null", O_RDWR);

    assert_result(tn_write(fd, buf, 8, TN_FOREVER), 8);
    assert_result(tn_read(fd, buf, 8, TN_FOREVER), 0);
    assert_result(tn_close(fd), 0);
    fd = open("/dev/zero", O_RDONLY);
    assert_result(tn_read(fd, buf, 8, TN_FOREVER), 8);
    assert_int_equal(buf[0], 0);
    assert_result(tn_close(fd), 0);
}

static int accept_one(void *arg)
{
    int fd = tn_accept(*(int *)arg, NULL, NULL, TN_FOREVER);

    return fd < 0 ? fd : tn_close(fd);
}

static void accept_on_a_blocking_listener_parks(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    tn_greenlet *g;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_result(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_result(listen(fd, 4), 0);
    assert_result(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    g = spawn(accept_one, &fd);
    settle();
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    is_blocking(fd);
    assert_result(tn_connect(client, (struct sockaddr *)&addr, len, TN_FOREVER),
                  0);
    is_blocking(client);
    assert_result(join(g), 0);
    is_blocking(fd);
    assert_result(tn_close(client), 0);
    assert_result(tn_close(fd), 0);
}

/* The number was closed by close() and is another file's: nothing that was
 * learnt about the old one is believed. */
static void a_number_reused_behind_our_back_is_another_file(void)
{
    struct transfer t = {.len = 8};
    tn_greenlet *g;
    char buf[8];
    int fds[2], again[2];

    for (int i = 0; i < 100; i++) {
        open_foreign_pair(fds);
        assert_result(tn_read(fds[0], buf, 8, tn_after_us(1)), -ETIME);
        assert_result(close(fds[0]), 0);
        assert_result(close(fds[1]), 0);
        if (i & 1)
            open_foreign_pair(again);
        else
            open_foreign_pipe(again);
        assert_int_equal(again[0], fds[0]);
        t.fd = again[0];
        g = spawn(do_read, &t);
        settle();
        assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
        assert_result(write(again[1], "12345678", 8), 8);
        assert_result(join(g), 0);
        assert_result(t.r, 8);
        assert_result(close(again[0]), 0);
        assert_result(close(again[1]), 0);
    }
}

static void datagrams_keep_their_bounds(void)
{
    char buf[16];
    int fds[2];

    assert_result(tn_socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    assert_result(tn_recv(fds[0], buf, 16, 0, tn_after_us(1)), -ETIME);
    assert_result(tn_send(fds[1], "one", 3, 0, TN_FOREVER), 3);
    assert_result(tn_send(fds[1], "", 0, 0, TN_FOREVER), 0);
    assert_result(tn_send(fds[1], "three", 5, 0, TN_FOREVER), 5);
    assert_result(tn_recv(fds[0], buf, 16, 0, TN_FOREVER), 3);
    assert_result(tn_recv(fds[0], buf, 16, 0, TN_FOREVER), 0);
    assert_result(tn_recv(fds[0], buf, 16, 0, TN_FOREVER), 5);
    close_both(fds);
}

static void errors_of_the_kernel_come_through(void)
{
    char buf[4];
    int fds[2];

    assert_result(tn_read(999, buf, 4, TN_FOREVER), -EBADF);
    assert_result(tn_write(-1, buf, 4, TN_FOREVER), -EBADF);
    assert_result(tn_recv(-1, buf, 4, 0, TN_FOREVER), -EBADF);
    open_foreign_pipe(fds);
    assert_result(tn_recv(fds[0], buf, 4, 0, TN_FOREVER), -ENOTSOCK);
    assert_result(tn_write(fds[0], buf, 4, TN_FOREVER), -EBADF);
    assert_result(tn_accept(fds[0], NULL, NULL, TN_NOWAIT) < 0, 1);
    close_both(fds);
}

TEST_MAIN(TEST(a_read_of_each_kind_parks_and_leaves_the_flags_alone),
          TEST(a_write_larger_than_a_blocking_pipe_parks),
          TEST(a_write_to_a_full_foreign_pipe_holds_up_nobody),
          TEST(a_write_to_a_full_foreign_terminal_holds_up_nobody),
          TEST(a_timerfd_works), TEST(files_are_read_and_written_at_once),
          TEST(dev_null_and_dev_zero_never_wait),
          TEST(accept_on_a_blocking_listener_parks),
          TEST(a_number_reused_behind_our_back_is_another_file),
          TEST(datagrams_keep_their_bounds),
          TEST(errors_of_the_kernel_come_through))
