/* SPDX-License-Identifier: MIT */
/* tests/unit/test_overflow.c - a stack overflow says whose stack it was, and
 * then the default action, or the handler installed before, has its way
 * (S31). */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/green.h"
#include "support/virtual.h"

static char said[4096]; /* what the child wrote on descriptor 2 */

/* Run fn() in a child, which must not return; the child's status. */
static int run_child(void (*fn)(void))
{
    int fds[2], status;
    size_t n = 0;
    ssize_t r;
    pid_t pid;

    assert_result(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], 2);
        close(fds[0]);
        close(fds[1]);
        fn();
        _exit(99);
    }
    close(fds[1]);
    while ((r = read(fds[0], said + n, sizeof said - 1 - n)) > 0)
        n += (size_t)r;
    said[n] = '\0';
    close(fds[0]);
    assert_result(waitpid(pid, &status, 0), pid);
    return status;
}

static int recurse(void *arg);

/* Through a pointer: else the compiler makes few large frames of many small
 * ones, and a frame larger than a page can step over the guard. */
static int (*volatile again)(void *) = recurse;

static int recurse(void *arg)
{
    volatile char frame[512];

    frame[0] = 1;
    return again((void *)frame) + frame[0] + (arg != NULL);
}

static void overflow_named(void)
{
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    tn_greenlet *g;

    options.name = "deep one";
    options.stack_bytes = 32768;
    assert_result(tn_spawn_with(&options, recurse, NULL, &g), 0);
    join(g);
}

static const char message[] =
    "tendril: stack overflow in greenlet \"deep one\": its stack has 32768 "
    "bytes; spawn it with a larger stack_bytes in struct "
    "tn_greenlet_options\n";

/* A sanitizer's own handler comes after ours and says more. */
static void is_default_action(int status, const char *text)
{
    if (TEST_SANITIZED) {
        assert_non_null(strstr(said, text));
        assert_int_not_equal(status, 0);
    } else {
        assert_string_equal(said, text);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    }
}

static void an_overflow_names_its_greenlet_and_then_kills(void)
{
    is_default_action(run_child(overflow_named), message);
}

static void overflow_quietly(void)
{
    setenv("TENDRIL_OVERFLOW_REPORT", "0", 1);
    overflow_named();
}

static void the_report_can_be_switched_off(void)
{
    is_default_action(run_child(overflow_quietly), "");
}

static void on_segv(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    (void)context;
    if (write(2, "chained\n", 8) == 8)
        _exit(7);
}

static void overflow_chained(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};

    action.sa_sigaction = on_segv;
    sigaction(SIGSEGV, &action, NULL);
    overflow_named();
}

static void a_handler_installed_before_is_called_after_the_report(void)
{
    char expected[sizeof message + 8];
    int status = run_child(overflow_chained);

    snprintf(expected, sizeof expected, "%schained\n", message);
    if (TEST_SANITIZED)
        assert_non_null(strstr(said, expected));
    else
        assert_string_equal(said, expected);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static int touch_null(void *arg)
{
    volatile char *volatile nowhere = NULL;

    (void)arg;
    *nowhere = 1;
    return 0;
}

static void fault_elsewhere(void)
{
    join(spawn(touch_null, NULL));
}

static void other_faults_are_not_ours(void)
{
    is_default_action(run_child(fault_elsewhere), "");
    assert_null(strstr(said, "tendril"));
}

static int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

static void send_segv(void)
{
    join(spawn(end_at_once, NULL)); /* our handler is installed */
    kill(getpid(), SIGSEGV);
}

static void ignore_and_send_segv(void)
{
    signal(SIGSEGV, SIG_IGN);
    send_segv();
    _exit(5);
}

/* Sent by somebody: the instruction does not fault again by itself. */
static void a_signal_that_was_sent_has_its_default_action_too(void)
{
    int status;

    is_default_action(run_child(send_segv), "");
    status = run_child(ignore_and_send_segv);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 5);
}

static void overflow_after_many(void)
{
    for (int i = 0; i < 100; i++)
        join(spawn(end_at_once, NULL));
    overflow_named();
}

static void a_recycled_stack_is_guarded_too(void)
{
    is_default_action(run_child(overflow_after_many), message);
}

static void overflow_by_mprotect(void)
{
    tn_hub_destroy();
    setenv("TENDRIL_GUARD", "mprotect", 1);
    overflow_named();
}

static void guards_by_mprotect_report_as_well(void)
{
    is_default_action(run_child(overflow_by_mprotect), message);
}

TEST_MAIN(TEST(an_overflow_names_its_greenlet_and_then_kills),
          TEST(the_report_can_be_switched_off),
          TEST(a_handler_installed_before_is_called_after_the_report),
          TEST(other_faults_are_not_ours),
          TEST(a_signal_that_was_sent_has_its_default_action_too),
          TEST(a_recycled_stack_is_guarded_too),
          TEST(guards_by_mprotect_report_as_well))
