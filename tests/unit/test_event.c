/* SPDX-License-Identifier: MIT */
/* tests/unit/test_event.c - events (S55..S58). */
#include <pthread.h>

#include "support/green.h"

static tn_event *event;

static void open_event(void)
{
    notes_clear();
    assert_result(tn_event_new(&event), 0);
}

static int wait_for_it(void *arg)
{
    int r = tn_event_wait(event, TN_FOREVER);

    if (arg)
        note(arg);
    return r;
}

static int wait_briefly(void *arg)
{
    (void)arg;
    return tn_event_wait(event, tn_after_ms(1));
}

static void a_wait_is_over_while_it_is_set(void)
{
    open_event();
    assert_result(tn_event_is_set(event), 0);
    assert_result(tn_event_wait(event, TN_NOWAIT), -EAGAIN);
    assert_result(tn_event_wait(event, tn_after_ms(1)), -ETIME);
    assert_result(tn_event_set(event), 0);
    assert_result(tn_event_set(event), 0);
    assert_result(tn_event_is_set(event), 1);
    assert_result(tn_event_wait(event, TN_NOWAIT), 0);
    assert_result(tn_event_wait(event, TN_FOREVER), 0);
    assert_result(tn_event_clear(event), 0);
    assert_result(tn_event_wait(event, TN_NOWAIT), -EAGAIN);
    tn_event_free(event);
}

/* S56 */
static void set_and_clear_at_once_wakes_a_thousand(void)
{
    enum { N = 1000 };
    static tn_greenlet *g[N];
    int n = test_is_seeded() ? 50 : N;

    open_event();
    for (int i = 0; i < n; i++)
        g[i] = spawn(wait_for_it, NULL);
    settle();
    assert_result(tn_event_set(event), 0);
    assert_result(tn_event_clear(event), 0);
    for (int i = 0; i < n; i++)
        assert_result(join(g[i]), 0);
    assert_result(tn_event_wait(event, TN_NOWAIT), -EAGAIN);
    tn_event_free(event);
}

static void on_hub(tn_waitable *w, void *arg)
{
    (void)w;
    note(arg);
}

static int come_late(void *arg)
{
    (void)arg;
    assert_result(tn_event_clear(event), 0);
    note("came");
    assert_result(tn_event_wait(event, TN_FOREVER), 0);
    note("3");
    return 0;
}

/* S57 */
static void one_that_comes_while_others_are_woken_runs_after_them(void)
{
    tn_greenlet *g[3];

    test_not_seeded("it is about who runs first");
    open_event();
    g[0] = spawn(wait_for_it, (void *)"1");
    g[1] = spawn(wait_for_it, (void *)"2");
    settle();
    assert_result(tn_event_set(event), 0);
    g[2] = spawn(come_late, NULL);
    assert_result(join(g[0]), 0);
    assert_result(join(g[1]), 0);
    settle();
    assert_string_equal(notes(), "1 2 came");
    assert_result(tn_event_set(event), 0);
    assert_result(join(g[2]), 0);
    assert_string_equal(notes(), "1 2 came 3");
    tn_event_free(event);
}

static tn_link late_link;

static int link_after_clearing(void *arg)
{
    (void)arg;
    assert_result(tn_event_wait(event, TN_FOREVER), 0);
    assert_result(tn_event_clear(event), 0);
    return tn_waitable_link(tn_event_waitable(event), &late_link, on_hub,
                            (void *)"late");
}

/* S58 */
static void a_link_added_after_the_clear_waits_for_the_next_set(void)
{
    tn_link early = {0};
    tn_greenlet *g;

    open_event();
    assert_result(tn_waitable_link(tn_event_waitable(event), &early, on_hub,
                                   (void *)"early"),
                  0);
    g = spawn(link_after_clearing, NULL);
    settle();
    assert_result(tn_event_set(event), 0);
    assert_result(join(g), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_string_equal(notes(), "early");
    assert_result(tn_event_set(event), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_string_equal(notes(), "early late");
    tn_event_free(event);
}

/* S55 */
static void a_waiter_that_left_is_not_woken(void)
{
    tn_greenlet *late, *killed, *last;

    open_event();
    late = spawn(wait_briefly, NULL);
    killed = spawn(wait_for_it, NULL);
    last = spawn(wait_for_it, NULL);
    assert_result(join(late), -ETIME);
    assert_result(tn_kill(killed, TN_FOREVER), 0);
    assert_result(tn_event_set(event), 0);
    assert_result(join(killed), -ECANCELED);
    assert_result(join(last), 0);
    tn_event_free(event);
}

static void a_link_is_called_soon_when_it_is_set_already(void)
{
    tn_link link = {0};

    open_event();
    assert_result(tn_event_set(event), 0);
    assert_result(tn_waitable_link(tn_event_waitable(event), &link, on_hub,
                                   (void *)"called"),
                  0);
    assert_string_equal(notes(), "");
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_string_equal(notes(), "called");
    tn_event_free(event);
}

static void freeing_it_forgets_its_links(void)
{
    tn_link idle = {0}, due = {0};
    tn_event *other;

    open_event();
    assert_result(tn_event_new(&other), 0);
    assert_result(
        tn_waitable_link(tn_event_waitable(event), &due, on_hub, (void *)"due"),
        0);
    assert_result(tn_event_set(event), 0);
    assert_result(tn_waitable_link(tn_event_waitable(other), &idle, on_hub,
                                   (void *)"idle"),
                  0);
    tn_event_free(event);
    tn_event_free(other);
    tn_waitable_unlink(&idle);
    tn_waitable_unlink(&due);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_string_equal(notes(), "");
}

static void *use_from_another_thread(void *arg)
{
    tn_link link = {0};

    assert_result(tn_event_set(arg), -EXDEV);
    assert_result(tn_event_clear(arg), -EXDEV);
    assert_result(tn_event_wait(arg, TN_NOWAIT), -EXDEV);
    assert_result(tn_waitable_link(tn_event_waitable(arg), &link, on_hub, NULL),
                  -EXDEV);
    return NULL;
}

static void calls_from_another_thread_are_refused(void)
{
    pthread_t thread;

    open_event();
    assert_result(pthread_create(&thread, NULL, use_from_another_thread, event),
                  0);
    pthread_join(thread, NULL);
    tn_event_free(event);
}

static void *leave_one_behind(void *arg)
{
    assert_result(tn_event_new(arg), 0);
    return NULL;
}

static void one_whose_hub_is_gone_can_be_freed(void)
{
    pthread_t thread;

    assert_result(pthread_create(&thread, NULL, leave_one_behind, &event), 0);
    pthread_join(thread, NULL);
    assert_result(tn_event_set(event), -EXDEV);
    tn_event_free(event);
}

static void nothing_is_refused(void)
{
    assert_result(tn_event_new(NULL), -EINVAL);
    assert_result(tn_event_set(NULL), -EINVAL);
    assert_result(tn_event_clear(NULL), -EINVAL);
    assert_result(tn_event_is_set(NULL), 0);
    assert_result(tn_event_wait(NULL, TN_NOWAIT), -EINVAL);
    assert_null(tn_event_waitable(NULL));
    tn_event_free(NULL);
}

TEST_MAIN(TEST(a_wait_is_over_while_it_is_set),
          TEST(set_and_clear_at_once_wakes_a_thousand),
          TEST(one_that_comes_while_others_are_woken_runs_after_them),
          TEST(a_link_added_after_the_clear_waits_for_the_next_set),
          TEST(a_waiter_that_left_is_not_woken),
          TEST(a_link_is_called_soon_when_it_is_set_already),
          TEST(freeing_it_forgets_its_links),
          TEST(calls_from_another_thread_are_refused),
          TEST(one_whose_hub_is_gone_can_be_freed), TEST(nothing_is_refused))
