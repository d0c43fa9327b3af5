/* SPDX-License-Identifier: MIT */
/* tests/unit/test_fork.c - the child of a fork() has a hub of its own, and what
 * it does leaves the parent's alone. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/green.h"

static int fds[2];

static int receive_one(void *arg)
{
    char byte;

    (void)arg;
    return (int)tn_recv(fds[0], &byte, 1, 0, TN_FOREVER);
}

/* A wait of the parent's, before which `in_child` runs in a child. */
static void wait_around(void (*in_child)(void), bool is_foreign)
{
    tn_greenlet *g;

    if (is_foreign)
        open_foreign_pair(fds);
    else
        open_pair(fds);
    g = spawn(receive_one, NULL);
    settle();
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    run_in_child(in_child);
    assert_result(tn_sleep(tn_after_ms(1)), 0); /* the loop polls */
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    assert_result(write(fds[1], "x", 1), 1);
    assert_result(join(g), 1);
    close_both(fds);
}

static void close_it(void)
{
    assert_result(tn_close(fds[0]), 0);
    assert_result(tn_close(fds[1]), 0);
}

static void a_child_that_closes_a_descriptor_leaves_the_parents_wait(void)
{
    wait_around(close_it, false);
    wait_around(close_it, true);
}

static void use_and_close_it(void)
{
    tn_self(); /* a hub of its own */
    close_it();
}

static void a_child_that_closes_it_on_its_own_hub_leaves_the_parents_wait(void)
{
    wait_around(use_and_close_it, false);
    wait_around(use_and_close_it, true);
}

static void wait_on_it(void)
{
    char byte;

    assert_result(tn_recv(fds[0], &byte, 1, 0, tn_after_ms(1)), -ETIME);
    assert_result(tn_fd_adopt(fds[0]), 0);
    assert_result(tn_recv(fds[0], &byte, 1, 0, tn_after_ms(1)), -ETIME);
    close_it();
}

static void a_child_that_waits_on_it_leaves_the_parents_wait(void)
{
    wait_around(wait_on_it, false);
    wait_around(wait_on_it, true);
}

static void destroy_nothing(void)
{
    assert_result(tn_hub_destroy(), 0);
}

static void a_child_has_no_hub_to_destroy(void)
{
    wait_around(destroy_nothing, false);
}

static int sleep_and_send(void *arg)
{
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    return (int)tn_send(*(int *)arg, "y", 1, 0, TN_FOREVER);
}

static void live(void)
{
    tn_greenlet *g;
    char byte;
    int own[2];

    assert_result(count_alive(), 1); /* the parent's do not run here */
    open_pair(own);
    g = spawn(sleep_and_send, &own[1]);
    assert_result(tn_recv(own[0], &byte, 1, 0, TN_FOREVER), 1);
    assert_result(join(g), 1);
    close_both(own);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_result(tn_hub_destroy(), 0);
}

static void a_child_has_a_hub_of_its_own(void)
{
    wait_around(live, false);
    wait_around(live, true);
}

static void a_child_of_a_child_has_one_too(void)
{
    run_in_child(a_child_has_a_hub_of_its_own);
}

/* The parent's descriptors are foreign to the child, and good. */
static void a_child_can_wait_on_what_it_has_inherited(void)
{
    char byte;
    int status;
    pid_t pid;

    open_pair(fds);
    assert_result(tn_recv(fds[0], &byte, 1, 0, tn_after_us(1)), -ETIME);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        assert_result(tn_recv(fds[0], &byte, 1, 0, TN_FOREVER), 1);
        assert_result(tn_send(fds[0], &byte, 1, 0, TN_FOREVER), 1);
        _exit(0);
    }
    assert_result(tn_send(fds[1], "x", 1, 0, TN_FOREVER), 1);
    assert_result(tn_recv(fds[1], &byte, 1, 0, TN_FOREVER), 1);
    assert_result(waitpid(pid, &status, 0), pid);
    assert_result(status, 0);
    close_both(fds);
}

/* ---- by a greenlet ---- */

static int n_others;

static int count_on(void *arg)
{
    (void)arg;
    n_others++;
    return 0;
}

static int end_of(pid_t pid)
{
    int status;

    assert_true(pid > 0);
    assert_result(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int fork_and_live(void *arg)
{
    tn_greenlet *self = tn_self();
    tn_timeout outer, inner;
    int n_before = n_others;
    pid_t pid;

    tn_timeout_begin(&outer, TN_FOREVER);
    tn_timeout_begin(&inner, tn_after_ms(1));
    pid = arg ? fork() : tn_fork(0);
    if (pid == 0) {
        assert_ptr_not_equal(tn_self(), self);
        assert_result(count_alive(), 1);
        if (!arg) {
            assert_result(tn_sleep(TN_FOREVER), -ETIME);
            assert_int_equal(inner.fired, 1);
            tn_timeout_end(&inner);
            tn_timeout_end(&outer);
        }
        assert_result(tn_sleep(tn_after_us(10)), 0);
        live();
        tn_self();
        assert_result(tn_join(self, NULL, TN_FOREVER), -EXDEV);
        _exit(n_others != n_before ? 1 : 33);
    }
    assert_result(tn_sleep(TN_FOREVER), -ETIME);
    tn_timeout_end(&inner);
    tn_timeout_end(&outer);
    return end_of(pid);
}

/* S138: what was spawned before runs in the parent, and not in the child. */
static void a_greenlet_that_forks_is_main_in_the_child(void)
{
    static int is_plain = 1;

    test_not_under_tsan();
    for (int i = 0; i < 2; i++) {
        tn_greenlet *g = spawn(fork_and_live, i ? &is_plain : NULL);

        spawn_detached(count_on, NULL);
        assert_result(join(g), 33);
        assert_int_equal(n_others, i + 1);
    }
}

static int sleep_a_little(void *arg)
{
    (void)arg;
    return tn_sleep(tn_after_ms(1));
}

static int fork_in_a_scope(void *arg)
{
    tn_timeout outer;
    tn_scope scope;
    pid_t pid;

    (void)arg;
    tn_timeout_begin(&outer, TN_FOREVER);
    tn_scope_begin(&scope);
    assert_result(tn_scope_spawn(&scope, sleep_a_little, NULL, NULL), 0);
    pid = tn_fork(0);
    if (pid == 0) {
        assert_result(tn_scope_spawn(&scope, count_on, NULL, NULL), 0);
        assert_result(tn_scope_end(&scope, TN_FOREVER), 0);
        tn_timeout_end(&outer);
        assert_result(tn_sleep(tn_after_us(10)), 0);
        _exit(n_others);
    }
    assert_result(tn_scope_end(&scope, TN_FOREVER), 0);
    tn_timeout_end(&outer);
    return end_of(pid);
}

static void a_scope_is_taken_along_without_its_children(void)
{
    test_not_under_tsan();
    assert_result(join(spawn(fork_in_a_scope, NULL)), 1);
}

static pid_t forked;

static int fork_and_return(void *arg)
{
    pid_t pid = arg ? fork() : tn_fork(0);

    assert_true(pid >= 0);
    if (pid > 0)
        forked = pid;
    return pid == 0 ? (arg ? -EIO : 5) : 0;
}

static void one_that_returns_in_the_child_ends_it(void)
{
    static int is_plain = 1;

    test_not_under_tsan();
    for (int i = 0; i < 2; i++) {
        tn_greenlet *g = spawn(fork_and_return, i ? &is_plain : NULL);

        spawn_detached(count_on, NULL);
        assert_result(join(g), 0);
        assert_int_equal(end_of(forked), i);
    }
    assert_int_equal(n_others, 2);
}

static void main_forks(void)
{
    pid_t pid = tn_fork(0);

    if (pid == 0) {
        live();
        _exit(12);
    }
    assert_int_equal(end_of(pid), 12);
    assert_result(tn_fork(1), -EINVAL);
}

TEST_MAIN(TEST(a_child_that_closes_a_descriptor_leaves_the_parents_wait),
          TEST(a_child_that_closes_it_on_its_own_hub_leaves_the_parents_wait),
          TEST(a_child_that_waits_on_it_leaves_the_parents_wait),
          TEST(a_child_has_no_hub_to_destroy),
          TEST(a_child_has_a_hub_of_its_own),
          TEST(a_child_of_a_child_has_one_too),
          TEST(a_child_can_wait_on_what_it_has_inherited),
          TEST(a_greenlet_that_forks_is_main_in_the_child),
          TEST(a_scope_is_taken_along_without_its_children),
          TEST(one_that_returns_in_the_child_ends_it), TEST(main_forks))
