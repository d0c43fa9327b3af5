/* SPDX-License-Identifier: MIT */
/* tests/unit/test_fd.c - adopted descriptors: when is it worth trying, who is
 * served, what a close does. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/green.h"
#include "support/virtual.h"

/* One who receives once, and notes what. */
struct receiver {
    int fd;
    const char *name;
    long r;
};

static int receive_one(void *arg)
{
    struct receiver *me = arg;
    char byte;

    me->r = tn_recv(me->fd, &byte, 1, 0, TN_FOREVER);
    note(me->name);
    return 0;
}

static void several_waiters_are_served_in_order(void)
{
    struct receiver who[] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
    tn_greenlet *g[3];
    int fds[2];

    open_pair(fds);
    for (int i = 0; i < 3; i++) {
        who[i].fd = fds[0];
        g[i] = spawn(receive_one, &who[i]);
    }
    settle();
    assert_result(tn_send(fds[1], "x", 1, 0, TN_FOREVER), 1);
    assert_result(join(g[0]), 0);
    assert_string_equal(notes(), "a");
    assert_result(tn_send(fds[1], "xx", 2, 0, TN_FOREVER), 2);
    assert_result(join(g[1]), 0);
    assert_result(join(g[2]), 0);
    assert_string_equal(notes(), "a b c");
    close_both(fds);
}

static void a_waiter_that_was_killed_leaves_its_turn_to_the_next(void)
{
    struct receiver who[] = {{.name = "a"}, {.name = "b"}};
    tn_greenlet *g[2];
    int fds[2];

    open_pair(fds);
    for (int i = 0; i < 2; i++) {
        who[i].fd = fds[0];
        g[i] = spawn(receive_one, &who[i]);
    }
    settle();
    assert_result(tn_send(fds[1], "x", 1, 0, TN_FOREVER), 1);
    assert_result(tn_kill(g[0], TN_NOWAIT), -EAGAIN); /* before the poll */
    assert_result(join(g[1]), 0);
    assert_result(join(g[0]), 0);
    assert_result(who[0].r, -ECANCELED);
    assert_result(who[1].r, 1);
    close_both(fds);
}

static void a_close_wakes_all_waiters_of_both_directions(void)
{
    struct receiver who[] = {{.name = "a"}, {.name = "b"}};
    struct pollfd p;
    tn_greenlet *g[2];
    int fds[2];

    open_pair(fds);
    for (int i = 0; i < 2; i++) {
        who[i].fd = fds[0];
        g[i] = spawn(receive_one, &who[i]);
    }
    settle();
    assert_result(tn_close(fds[0]), 0);
    assert_result(join(g[0]), 0);
    assert_result(join(g[1]), 0);
    assert_result(who[0].r, -EBADF);
    assert_result(who[1].r, -EBADF);
    assert_result(tn_recv(fds[0], &p, 1, 0, TN_FOREVER), -EBADF);
    assert_result(tn_close(fds[0]), -EBADF);
    assert_result(tn_close(fds[1]), 0);
}

/* The number is another file's at once: its waiters get its events only. */
static void a_number_that_is_reused_starts_afresh(void)
{
    struct receiver who = {.name = "a"};
    tn_greenlet *g;
    int fds[2], again[2];

    for (int i = 0; i < 200; i++) {
        open_pair(fds);
        who.fd = fds[0];
        g = spawn(receive_one, &who);
        settle();
        assert_result(tn_send(fds[1], "x", 1, 0, TN_FOREVER), 1);
        assert_result(tn_close(fds[0]), 0);
        open_pair(again);
        assert_int_equal(again[0], fds[0]);
        assert_result(join(g), 0);
        assert_result(who.r, -EBADF);
        g = spawn(receive_one, &who);
        settle();
        assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
        assert_result(tn_send(again[1], "x", 1, 0, TN_FOREVER), 1);
        assert_result(join(g), 0);
        assert_result(who.r, 1);
        close_both(again);
        assert_result(tn_close(fds[1]), 0);
    }
}

/* The file lives on in the duplate, and with it its place in an epoll set. */
static void a_duplicate_of_a_closed_descriptor_does_no_harm(void)
{
    struct receiver who = {.name = "a"};
    tn_greenlet *g;
    int fds[2], again[2], copy;

    open_pair(fds);
    who.fd = fds[0];
    g = spawn(receive_one, &who);
    settle();
    copy = dup(fds[0]);
    assert_result(tn_close(fds[0]), 0);
    assert_result(join(g), 0);
    open_pair(again);
    assert_int_equal(again[0], fds[0]);
    g = spawn(receive_one, &who);
    settle();
    for (int i = 0; i < 200; i++) {
        assert_result(write(fds[1], "x", 1), 1);
        assert_result(tn_sleep(tn_after_us(1)), 0);
        assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    }
    assert_result(tn_send(again[1], "x", 1, 0, TN_FOREVER), 1);
    assert_result(join(g), 0);
    assert_result(who.r, 1);
    close_both(again);
    assert_result(tn_close(fds[1]), 0);
    assert_result(close(copy), 0);
}

static void limit_descriptors(rlim_t n)
{
    struct rlimit limit = {n, 4096};

    if (test_is_on_valgrind())
        test_skip("Valgrind has a limit of its own");
    assert_result(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Against the contract: closed by close(), while a duplicate keeps its place
 * in the set alive. A descriptor that tendril makes with that number works. */
static void one_closed_behind_our_back_does_not_spoil_its_number(void)
{
    struct receiver who = {.name = "a"};
    /* libev ends the process when it finds no descriptor. */
    bool has_limits = strcmp(tn_hub_loop_name(), "ev") != 0;
    tn_greenlet *g;
    int fds[2], again[2], copy;
    char byte;

    open_pair(fds);
    assert_result(tn_recv(fds[0], &byte, 1, 0, tn_after_us(1)), -ETIME);
    copy = dup(fds[0]);
    assert_result(close(fds[0]), 0);
    open_pair(again);
    assert_int_equal(again[0], fds[0]);
    who.fd = again[0];
    g = spawn(receive_one, &who);
    settle();
    for (int i = 0; i < 200; i++) { /* stale events, again and again */
        if (i == 0 && has_limits)   /* no descriptor for a new epoll set */
            limit_descriptors(3);
        if (i == 100)
            limit_descriptors(1024);
        assert_result(write(fds[1], "x", 1), 1);
        assert_result(tn_sleep(tn_after_us(1)), 0);
        assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    }
    assert_result(tn_send(again[1], "x", 1, 0, TN_FOREVER), 1);
    assert_result(join(g), 0);
    assert_result(who.r, 1);
    close_both(again);
    assert_result(tn_close(fds[1]), 0);
    assert_result(close(copy), 0);
}

static void nowait_always_asks_the_kernel(void)
{
    char byte;
    int fds[2];

    open_pair(fds);
    assert_result(tn_recv(fds[0], &byte, 1, 0, TN_NOWAIT), -EAGAIN);
    assert_result(write(fds[1], "x", 1), 1); /* no turn of the loop between */
    assert_result(tn_recv(fds[0], &byte, 1, 0, TN_NOWAIT), 1);
    assert_result(tn_recv(fds[0], &byte, 1, 0, tn_after_us(1)), -ETIME);
    assert_result(write(fds[1], "x", 1), 1);
    assert_result(tn_recv(fds[0], &byte, 1, 0, TN_NOWAIT), 1);
    close_both(fds);
}

static int is_over;

static int ping_pong(void *arg)
{
    const int *fds = arg;
    char byte;

    while (!is_over) { /* never has to wait */
        assert_result(tn_send(fds[1], "x", 1, 0, TN_FOREVER), 1);
        assert_result(tn_recv(fds[0], &byte, 1, 0, TN_FOREVER), 1);
    }
    return 0;
}

static void a_fast_peer_on_one_connection_starves_nobody(void)
{
    tn_greenlet *g;
    char byte;
    int fast[2], slow[2];

    open_pair(fast);
    open_pair(slow);
    g = spawn(ping_pong, fast);
    assert_result(tn_sleep(tn_after_ms(1)), 0); /* timers are not starved */
    assert_result(write(slow[1], "x", 1), 1);
    assert_result(tn_recv(slow[0], &byte, 1, 0, TN_FOREVER), 1);
    is_over = 1;
    assert_result(join(g), 0);
    close_both(fast);
    close_both(slow);
}

static void adopting_is_refused_where_it_would_do_harm(void)
{
    int fds[2];

    assert_result(tn_fd_adopt(0), -EINVAL);
    assert_result(tn_fd_adopt(1), -EINVAL);
    assert_result(tn_fd_adopt(2), -EINVAL);
    assert_result(tn_fd_adopt(-1), -EBADF);
    assert_result(tn_fd_adopt(999), -EBADF);
    open_foreign_pipe(fds);
    assert_result(tn_fd_adopt(fds[0]), 0);
    assert_result(tn_fd_adopt(fds[0]), 0);
    assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    close_both(fds);
}

static void adopting_under_a_waiter_keeps_it_waiting(void)
{
    struct receiver who = {.name = "a"};
    tn_greenlet *g;
    int fds[2];

    open_foreign_pair(fds);
    who.fd = fds[0];
    g = spawn(receive_one, &who);
    settle();
    assert_result(tn_fd_adopt(fds[0]), 0);
    settle();
    assert_result(tn_send(fds[1], "x", 1, 0, TN_FOREVER), 1);
    assert_result(join(g), 0);
    assert_result(who.r, 1);
    close_both(fds);
}

/* Also where the loop knows that nothing is there, or no room. */
static void a_transfer_of_nothing_never_waits(void)
{
    void (*const ways[])(int *) = {open_foreign_pipe, open_pipe, open_pair};
    char byte;

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        int fds[2];

        ways[i](fds);
        assert_result(tn_fd_adopt(fds[0]), 0);
        assert_result(tn_fd_adopt(fds[1]), 0);
        assert_result(tn_read(fds[0], &byte, 1, tn_after_us(1)), -ETIME);
        assert_result(tn_read(fds[0], NULL, 0, TN_FOREVER), 0);
        fill(fds[1]);
        assert_result(tn_write(fds[1], NULL, 0, TN_FOREVER), 0);
        close_both(fds);
    }
}

static void *close_on_another_hub(void *arg)
{
    tn_self();
    assert_result(tn_close(*(int *)arg), 0);
    return NULL;
}

/* What the first hub knows of the number is of a file that is gone. */
static void a_number_that_another_thread_closed_can_be_adopted_again(void)
{
    for (int i = 0; i < 3; i++) {
        struct receiver who = {.name = "a"};
        pthread_t thread;
        tn_greenlet *g;
        char byte;
        int old[2], fds[2];

        open_tcp(old);
        assert_result(tn_recv(old[1], &byte, 1, 0, tn_after_us(1)), -ETIME);
        assert_result(
            pthread_create(&thread, NULL, close_on_another_hub, &old[1]), 0);
        assert_result(pthread_join(thread, NULL), 0);
        open_foreign_pair(fds);
        assert_true(fds[0] == old[1] || fds[1] == old[1]);
        if (fds[1] == old[1]) {
            fds[1] = fds[0];
            fds[0] = old[1];
        }
        assert_result(tn_fd_adopt(fds[0]), 0);
        who.fd = fds[0];
        g = spawn(receive_one, &who);
        settle();
        assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
        assert_result(write(fds[1], "x", 1), 1);
        assert_result(join(g), 0);
        assert_result(who.r, 1);
        close_both(fds);
        assert_result(tn_close(old[0]), 0);
    }
}

static int read_one_byte(void *arg)
{
    char byte;

    return (int)tn_recv(*(int *)arg, &byte, 1, 0, TN_FOREVER);
}

static void who_comes_after_an_adoption_is_behind_those_who_wait(void)
{
    tn_greenlet *g;
    char byte;
    int fds[2];

    open_pair(fds);
    g = spawn(read_one_byte, &fds[0]);
    settle();
    assert_result(tn_fd_adopt(fds[0]), 0);
    assert_result(tn_send(fds[1], "x", 1, 0, TN_FOREVER), 1);
    assert_result(tn_recv(fds[0], &byte, 1, 0, tn_after_ms(1)), -ETIME);
    assert_result(join(g), 1);
    close_both(fds);
}

TEST_MAIN(TEST(a_number_that_another_thread_closed_can_be_adopted_again),
          TEST(several_waiters_are_served_in_order),
          TEST(a_waiter_that_was_killed_leaves_its_turn_to_the_next),
          TEST(a_close_wakes_all_waiters_of_both_directions),
          TEST(a_number_that_is_reused_starts_afresh),
          TEST(a_duplicate_of_a_closed_descriptor_does_no_harm),
          TEST(one_closed_behind_our_back_does_not_spoil_its_number),
          TEST(nowait_always_asks_the_kernel),
          TEST(a_fast_peer_on_one_connection_starves_nobody),
          TEST(adopting_is_refused_where_it_would_do_harm),
          TEST(who_comes_after_an_adoption_is_behind_those_who_wait),
          TEST(adopting_under_a_waiter_keeps_it_waiting),
          TEST(a_transfer_of_nothing_never_waits))
