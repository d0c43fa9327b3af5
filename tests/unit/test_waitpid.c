/* SPDX-License-Identifier: MIT */
/* tests/unit/test_waitpid.c - waiting for children that tendril did not start
 * (S137). */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <sys/wait.h>
#include <unistd.h>

#include "hub/watch_pid.h"
#include "support/green.h"

/* A child that ends with this status when `fd` is closed; -1: at once. */
static pid_t begin(int status, const int *fds)
{
    pid_t pid = fork();
    char byte;

    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    if (fds) {
        close(fds[1]);
        if (read(fds[0], &byte, 1) < 0)
            _exit(99);
    }
    _exit(status);
}

static int n_turns, is_over;

static int turn(void *arg)
{
    (void)arg;
    while (!is_over) {
        n_turns++;
        assert_result(tn_yield(), 0);
    }
    return 0;
}

struct waiting {
    pid_t pid;
    int status;
};

static int wait_for(void *arg)
{
    struct waiting *w = arg;

    return (int)tn_waitpid(w->pid, &w->status, 0, TN_FOREVER);
}

static void a_child_is_waited_for_while_others_run(void)
{
    for (int way = 0; way < 3; way++) {
        struct waiting w = {0};
        tn_greenlet *g, *other;
        pid_t pid;
        int fds[2];

        tn__pid_is_old_kernel = way == 1;
        open_foreign_pipe(fds);
        pid = begin(6, fds);
        w.pid = way == 2 ? -1 : pid;
        n_turns = is_over = 0;
        other = spawn(turn, NULL);
        g = spawn(wait_for, &w);
        while (n_turns < 100)
            assert_result(tn_yield(), 0);
        assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
        close(fds[1]);
        assert_result(join(g), pid);
        assert_int_equal(WEXITSTATUS(w.status), 6);
        is_over = 1;
        join(other);
        close(fds[0]);
    }
}

static void any_child_is_one_that_has_ended_and_then_echild(void)
{
    pid_t pid = begin(4, NULL);
    int status;

    assert_result(tn_waitpid(-1, &status, 0, TN_FOREVER), pid);
    assert_int_equal(WEXITSTATUS(status), 4);
    assert_result(tn_waitpid(-1, &status, 0, TN_FOREVER), -ECHILD);
    assert_result(tn_waitpid(-1, &status, WNOHANG, TN_FOREVER), -ECHILD);
    assert_result(tn_waitpid(-getpgrp(), NULL, 0, TN_FOREVER), -ECHILD);
}

static void wnohang_asks_the_kernel(void)
{
    int fds[2], status;
    pid_t pid;

    open_foreign_pipe(fds);
    pid = begin(2, fds);
    assert_result(tn_waitpid(pid, &status, WNOHANG, TN_FOREVER), 0);
    assert_result(tn_waitpid(-1, &status, WNOHANG, TN_FOREVER), 0);
    assert_result(tn_waitpid(pid, &status, 0, TN_NOWAIT), -EAGAIN);
    assert_result(tn_waitpid(pid, &status, 0, tn_after_us(10)), -ETIME);
    assert_result(tn_waitpid(-1, &status, 0, tn_after_us(10)), -ETIME);
    close(fds[1]);
    assert_result(tn_read(fds[0], &status, 1, TN_FOREVER), 0);
    assert_result(tn_waitpid(pid, &status, 0, TN_FOREVER), pid);
    close(fds[0]);
}

static void what_is_no_child_is_refused(void)
{
    assert_result(tn_waitpid(getpid(), NULL, 0, TN_FOREVER), -ECHILD);
    assert_result(tn_waitpid(1 << 29, NULL, 0, TN_FOREVER), -ECHILD);
    assert_result(tn_waitpid(-1, NULL, WUNTRACED, TN_FOREVER), -EINVAL);
}

TEST_MAIN(TEST(a_child_is_waited_for_while_others_run),
          TEST(any_child_is_one_that_has_ended_and_then_echild),
          TEST(wnohang_asks_the_kernel), TEST(what_is_no_child_is_refused))
