/* SPDX-License-Identifier: MIT */
/* tests/unit/test_link.c - links (S22..S24), and calls on the hub (S38). */
#include <stdio.h>

#include "support/green.h"
#include "support/virtual.h"

enum { N = 1000 };

static int order[N], n_called;

static void record(tn_greenlet *g, void *arg)
{
    (void)g;
    order[n_called++] = (int)(intptr_t)arg;
}

static int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

/* S22 */
static void a_thousand_links_run_in_the_order_added(void)
{
    static tn_link links[N];
    tn_greenlet *g = spawn(end_at_once, NULL);

    n_called = 0;
    for (intptr_t i = 0; i < N; i++)
        assert_result(tn_greenlet_link(g, &links[i], record, (void *)i), 0);
    assert_result(join(g), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_result(n_called, N);
    for (int i = 0; i < N; i++)
        assert_result(order[i], i);
}

/* S23 */
static void linking_after_the_end_still_calls_and_not_at_once(void)
{
    tn_greenlet *g = spawn(end_at_once, NULL);

    n_called = 0;
    settle();
    for (int i = 0; i < 3; i++) {
        tn_link link = {0};

        assert_result(tn_greenlet_link(g, &link, record, NULL), 0);
        assert_result(n_called, i);
        assert_result(tn_hub_join(TN_FOREVER), 0);
        assert_result(n_called, i + 1);
    }
    assert_result(join(g), 0);
}

static void unlink_other(tn_greenlet *g, void *arg)
{
    record(g, NULL);
    tn_greenlet_unlink(arg);
}

/* S24 */
static void a_link_can_take_off_a_later_one_while_they_are_called(void)
{
    tn_link a = {0}, b = {0}, c = {0};
    tn_greenlet *g = spawn(end_at_once, NULL);

    n_called = 0;
    assert_result(tn_greenlet_link(g, &a, unlink_other, &b), 0);
    assert_result(tn_greenlet_link(g, &b, record, (void *)2), 0);
    assert_result(tn_greenlet_link(g, &c, record, (void *)3), 0);
    assert_result(join(g), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_result(n_called, 2);
    assert_result(order[1], 3);
}

static void unlinking_what_is_not_linked_is_harmless(void)
{
    tn_link link = {0};
    tn_greenlet *g = spawn(end_at_once, NULL);

    n_called = 0;
    tn_greenlet_unlink(&link);
    tn_greenlet_unlink(NULL);
    assert_result(tn_greenlet_link(g, &link, record, NULL), 0);
    tn_greenlet_unlink(&link);
    tn_greenlet_unlink(&link);
    assert_result(join(g), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    tn_greenlet_unlink(&link);
    assert_result(n_called, 0);
}

static void unlinking_after_the_end_and_before_the_call_is_in_time(void)
{
    tn_link link = {0};
    tn_greenlet *g = spawn(end_at_once, NULL);

    test_not_seeded("it must have ended after one yield");
    n_called = 0;
    assert_result(tn_greenlet_link(g, &link, record, NULL), 0);
    assert_result(tn_yield(), 0);
    assert_result(tn_greenlet_is_done(g), 1);
    if (n_called == 0) {
        tn_greenlet_unlink(&link);
        assert_result(tn_hub_join(TN_FOREVER), 0);
        assert_result(n_called, 0);
    }
    assert_result(join(g), 0);
}

/* S24: the failure of one does not keep the others from being called. */
static void wait_in_a_link(tn_greenlet *g, void *arg)
{
    char byte;
    int *fds = arg;
    struct pollfd p = {fds[0], POLLIN, 0};

    record(g, NULL);
    /* S38 */
    assert_result(tn_sleep(tn_after_ms(1)), -EDEADLK);
    assert_result(tn_sleep(TN_FOREVER), -EDEADLK);
    assert_result(tn_yield(), -EDEADLK);
    assert_result(tn_recv(fds[0], &byte, 1, 0, TN_FOREVER), -EDEADLK);
    assert_result(tn_poll(&p, 1, TN_FOREVER), -EDEADLK);
    assert_result(tn_hub_join(TN_FOREVER), -EINVAL);
    /* What does not wait may be called. */
    assert_result(tn_recv(fds[0], &byte, 1, 0, TN_NOWAIT), -EAGAIN);
    assert_result(tn_send(fds[0], "x", 1, 0, TN_NOWAIT), 1);
    assert_result(tn_recv(fds[1], &byte, 1, 0, TN_NOWAIT), 1);
    assert_result(tn_poll(&p, 1, TN_NOWAIT), -EAGAIN);
    assert_result(tn_check(), 0);
    spawn_detached(end_at_once, NULL);
}

static void waiting_on_the_hub_is_edeadlk(void)
{
    tn_link a = {0}, b = {0};
    tn_greenlet *g = spawn(end_at_once, NULL);
    int fds[2];

    n_called = 0;
    open_pair(fds);
    assert_result(tn_greenlet_link(g, &a, wait_in_a_link, fds), 0);
    assert_result(tn_greenlet_link(g, &b, record, NULL), 0);
    assert_result(join(g), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_result(n_called, 2);
    close_both(fds);
}

static void join_in_a_link(tn_greenlet *g, void *arg)
{
    tn_greenlet *other = arg;

    (void)g;
    assert_result(tn_join(other, NULL, TN_FOREVER), -EDEADLK);
    assert_result(tn_join(other, NULL, TN_NOWAIT), -EAGAIN);
    assert_result(tn_kill(other, TN_FOREVER), -EDEADLK);
    assert_result(tn_kill(other, TN_NOWAIT), -EAGAIN);
    n_called++;
}

static int sleep_forever(void *arg)
{
    (void)arg;
    return tn_sleep(TN_FOREVER);
}

static void the_hub_can_kill_but_not_wait_for_the_end(void)
{
    tn_link link = {0};
    tn_greenlet *g = spawn(end_at_once, NULL);
    tn_greenlet *other = spawn(sleep_forever, NULL);

    n_called = 0;
    assert_result(tn_greenlet_link(g, &link, join_in_a_link, other), 0);
    assert_result(join(other), -ECANCELED);
    assert_result(n_called, 1);
    assert_result(join(g), 0);
}

static void link_again(tn_greenlet *g, void *arg)
{
    if (++n_called < 5)
        assert_result(tn_greenlet_link(g, arg, link_again, arg), 0);
}

static void a_link_may_link_itself_again(void)
{
    tn_link link = {0};
    tn_greenlet *g = spawn(end_at_once, NULL);

    n_called = 0;
    assert_result(tn_greenlet_link(g, &link, link_again, &link), 0);
    assert_result(join(g), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_result(n_called, 5);
}

static void a_linked_one_is_kept_until_its_links_have_run(void)
{
    tn_link link = {0};
    tn_greenlet *g = spawn(end_at_once, NULL);

    n_called = 0;
    assert_result(tn_greenlet_link(g, &link, record, NULL), 0);
    tn_unref(g);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_result(n_called, 1);
}

static void wrong_arguments_of_links_are_refused(void)
{
    tn_link link = {0};
    tn_greenlet *g = spawn(end_at_once, NULL);

    assert_result(tn_greenlet_link(NULL, &link, record, NULL), -EINVAL);
    assert_result(tn_greenlet_link(g, NULL, record, NULL), -EINVAL);
    assert_result(tn_greenlet_link(g, &link, NULL, NULL), -EINVAL);
    assert_result(join(g), 0);
}

static int fail_io(void *arg)
{
    (void)arg;
    return -EIO;
}

static void the_error_hook_hears_of_a_detached_one_that_failed(void)
{
    static struct heard heard;

    hear_errors(&heard);
    spawn_detached(fail_io, NULL);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_result(heard.n, 1);
    assert_result(heard.error, -EIO);
    assert_result(join(spawn(fail_io, NULL)), -EIO);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_result(heard.n, 1); /* its joiner saw it */
}

TEST_MAIN(TEST(a_thousand_links_run_in_the_order_added),
          TEST(linking_after_the_end_still_calls_and_not_at_once),
          TEST(a_link_can_take_off_a_later_one_while_they_are_called),
          TEST(unlinking_what_is_not_linked_is_harmless),
          TEST(unlinking_after_the_end_and_before_the_call_is_in_time),
          TEST(waiting_on_the_hub_is_edeadlk),
          TEST(the_hub_can_kill_but_not_wait_for_the_end),
          TEST(a_link_may_link_itself_again),
          TEST(a_linked_one_is_kept_until_its_links_have_run),
          TEST(wrong_arguments_of_links_are_refused),
          TEST(the_error_hook_hears_of_a_detached_one_that_failed))
