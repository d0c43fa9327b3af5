/* SPDX-License-Identifier: MIT */
/* tests/unit/test_wait.c - anything that can be waited for (S59..S61, S66). */
#include <stdlib.h>

#include "support/green.h"

static int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

static void record(tn_waitable *w, void *arg)
{
    assert_result(tn_waitable_is_ready(w), 1);
    note(arg);
}

static void a_link_to_a_greenlet_is_called_at_its_end_in_order(void)
{
    tn_greenlet *g = spawn(end_at_once, NULL);
    tn_waitable *w = tn_greenlet_waitable(g);
    tn_link a = {0}, b = {0}, c = {0};

    notes_clear();
    assert_result(tn_waitable_is_ready(w), 0);
    assert_result(tn_waitable_link(w, &a, record, (void *)"a"), 0);
    assert_result(tn_waitable_link(w, &b, record, (void *)"b"), 0);
    tn_waitable_unlink(&a);
    settle();
    assert_result(tn_waitable_link(w, &c, record, (void *)"c"), 0);
    assert_result(join(g), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_string_equal(notes(), "b c");
}

static void a_due_link_keeps_its_greenlet_until_unlinked(void)
{
    tn_greenlet *g = spawn(end_at_once, NULL);
    tn_link a = {0};

    settle();
    assert_result(
        tn_waitable_link(tn_greenlet_waitable(g), &a, record, (void *)"a"), 0);
    assert_result(join(g), 0);
    tn_waitable_unlink(&a);
    tn_waitable_unlink(&a);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_string_equal(notes(), "");
}

static void wrong_arguments_are_refused(void)
{
    tn_link link = {0};
    tn_greenlet *g = spawn(end_at_once, NULL);
    tn_waitable *w = tn_greenlet_waitable(g);

    assert_null(tn_greenlet_waitable(NULL));
    assert_result(tn_waitable_is_ready(NULL), 0);
    assert_result(tn_waitable_link(NULL, &link, record, NULL), -EINVAL);
    assert_result(tn_waitable_link(w, NULL, record, NULL), -EINVAL);
    assert_result(tn_waitable_link(w, &link, NULL, NULL), -EINVAL);
    tn_waitable_unlink(NULL);
    tn_waitable_unlink(&link);
    assert_result(join(g), 0);
}

/* ---- several at once ---- */

enum { N = 40 };
static tn_event *events[N];
static tn_waitable *ws[N];

static void open_events(void)
{
    notes_clear();
    for (int i = 0; i < N; i++) {
        assert_result(tn_event_new(&events[i]), 0);
        ws[i] = tn_event_waitable(events[i]);
    }
}

/* Freeing one that is still linked to ends the test. */
static void free_events(void)
{
    for (int i = 0; i < N; i++)
        tn_event_free(events[i]);
}

static void set(int i)
{
    assert_result(tn_event_set(events[i]), 0);
}

static int set_and_clear(void *arg)
{
    set((int)(intptr_t)arg);
    return tn_event_clear(events[(intptr_t)arg]);
}

/* The places in `arg`, up to -1, in this order. */
static int set_and_clear_all(void *arg)
{
    for (const int *i = arg; *i >= 0; i++)
        assert_result(set_and_clear((void *)(intptr_t)*i), 0);
    return 0;
}

static void any_gives_the_first_to_become_ready(void)
{
    size_t index = 99;

    open_events();
    for (size_t n = 1; n <= N; n += 13) { /* on the stack, and beyond */
        assert_result(tn_wait_any(ws, n, &index, TN_NOWAIT), -EAGAIN);
        assert_result(tn_wait_any(ws, n, &index, tn_after_ms(1)), -ETIME);
        assert_int_equal(index, 99);
        spawn_detached(set_and_clear_all, (int[]){(int)n - 1, 0, -1});
        assert_result(tn_wait_any(ws, n, &index, TN_FOREVER), 0);
        assert_int_equal(index, n - 1);
        settle();
        index = 99;
    }
    free_events();
}

/* S59 */
static void any_gives_a_set_event_as_often_as_asked(void)
{
    size_t index;

    open_events();
    set(5);
    set(7);
    for (int i = 0; i < 3; i++) {
        index = 99;
        assert_result(tn_wait_any(ws, N, &index, TN_FOREVER), 0);
        assert_int_equal(index, 5);
    }
    assert_result(tn_wait_any(ws, N, NULL, TN_NOWAIT), 0);
    free_events();
}

static int wait_for_any(void *arg)
{
    return tn_wait_any(ws, (size_t)(intptr_t)arg, NULL, TN_FOREVER);
}

static void one_that_is_killed_leaves_nothing_linked(void)
{
    tn_greenlet *g[2];

    open_events();
    g[0] = spawn(wait_for_any, (void *)3);
    g[1] = spawn(wait_for_any, (void *)N);
    settle();
    assert_result(tn_kill(g[0], TN_FOREVER), 0);
    assert_result(join(g[0]), -ECANCELED);
    set(2);
    assert_result(join(g[1]), 0);
    free_events();
}

/* S60 */
static void all_gives_count_in_order_and_leaves_the_rest(void)
{
    size_t order[N];

    open_events();
    spawn_detached(set_and_clear_all, (int[]){7, 3, 30, -1});
    assert_result(tn_wait_all(ws, N, 2, order, TN_FOREVER), 2);
    assert_int_equal(order[0], 7);
    assert_int_equal(order[1], 3);
    settle();
    set(1);
    set(0);
    assert_result(tn_wait_all(ws, N, 2, order, TN_NOWAIT), 2);
    assert_int_equal(order[0], 0);
    assert_int_equal(order[1], 1);
    free_events();
}

static void all_gives_what_there_was_when_it_ends_early(void)
{
    size_t order[N];

    open_events();
    assert_result(tn_wait_all(ws, N, 0, order, TN_NOWAIT), -EAGAIN);
    assert_result(tn_wait_all(ws, N, 0, order, tn_after_ms(1)), -ETIME);
    set(4);
    assert_result(tn_wait_all(ws, N, 0, order, TN_NOWAIT), 1);
    assert_int_equal(order[0], 4);
    spawn_detached(set_and_clear, (void *)2);
    assert_result(tn_wait_all(ws, N, N + 1, order, tn_after_ms(2)), 2);
    assert_int_equal(order[1], 2);
    for (int i = 0; i < N; i++)
        set(i);
    assert_result(tn_wait_all(ws, N, 0, NULL, TN_FOREVER), N);
    free_events();
}

static void the_same_one_may_be_given_more_than_once(void)
{
    tn_waitable *same[3];
    size_t order[3];

    open_events();
    same[0] = same[1] = same[2] = ws[0];
    spawn_detached(set_and_clear, (void *)0);
    assert_result(tn_wait_all(same, 3, 0, order, TN_FOREVER), 3);
    assert_int_equal(order[0] + order[1] + order[2], 3);
    free_events();
}

static int end_late(void *arg)
{
    return tn_sleep(tn_after_ms((int)(intptr_t)arg));
}

static void kinds_can_be_mixed(void)
{
    tn_greenlet *g[2] = {spawn(end_late, (void *)2), spawn(end_at_once, NULL)};
    tn_result *r;
    tn_semaphore *s;
    tn_waitable *mixed[4];
    size_t order[4];

    assert_result(tn_result_new(&r), 0);
    assert_result(tn_semaphore_new(1, 0, &s), 0);
    assert_result(tn_result_follow(r, g[0]), 0);
    mixed[0] = tn_greenlet_waitable(g[0]);
    mixed[1] = tn_greenlet_waitable(g[1]);
    mixed[2] = tn_result_waitable(r);
    mixed[3] = tn_semaphore_waitable(s);
    assert_result(tn_wait_all(mixed, 4, 0, order, TN_FOREVER), 4);
    assert_int_equal(order[0], 3);
    assert_int_equal(order[1], 1);
    assert_result(join(g[0]), 0);
    assert_result(join(g[1]), 0);
    tn_result_free(r);
    tn_semaphore_free(s);
}

/* S61 */
static void an_iterator_misses_nothing_while_its_user_sleeps(void)
{
    tn_waits *waits;
    size_t index, sum = 0;
    int n = 0, r;

    open_events();
    set(9);
    assert_result(tn_waits_begin(ws, N, &waits), 0);
    assert_result(tn_waits_next(waits, &index, TN_NOWAIT), 1);
    assert_int_equal(index, 9);
    assert_result(tn_waits_next(waits, &index, TN_NOWAIT), -EAGAIN);
    assert_result(tn_waits_next(waits, &index, tn_after_ms(1)), -ETIME);
    for (int i = 0; i < N; i++)
        if (i != 9)
            spawn_detached(set_and_clear, (void *)(intptr_t)i);
    while ((r = tn_waits_next(waits, &index, TN_FOREVER)) == 1) {
        sum += index;
        n++;
        assert_result(tn_sleep(tn_after_us(10)), 0);
    }
    assert_result(r, 0);
    assert_result(n, N - 1);
    assert_int_equal(sum, N * (N - 1) / 2 - 9);
    assert_result(tn_waits_next(waits, &index, TN_FOREVER), 0);
    tn_waits_end(waits);
    free_events();
}

/* S60, S61 */
static void an_iterator_may_be_ended_at_any_time(void)
{
    tn_waits *waits;

    open_events();
    for (size_t n = 1; n <= N; n += N - 1) {
        assert_result(tn_waits_begin(ws, n, &waits), 0);
        tn_waits_end(waits);
        set(0);
        assert_result(tn_waits_begin(ws, n, &waits), 0);
        tn_waits_end(waits);
        assert_result(tn_event_clear(events[0]), 0);
    }
    tn_waits_end(NULL);
    free_events();
}

static int next_of(void *arg)
{
    return tn_waits_next(arg, NULL, TN_FOREVER);
}

static void an_iterator_is_waited_in_by_one(void)
{
    tn_waits *waits;
    tn_greenlet *g;

    open_events();
    assert_result(tn_waits_begin(ws, 3, &waits), 0);
    g = spawn(next_of, waits);
    settle();
    assert_result(tn_waits_next(waits, NULL, TN_FOREVER), -EBUSY);
    set(1);
    assert_result(join(g), 1);
    tn_waits_end(waits);
    free_events();
}

/* ---- links while others are called ---- */

static tn_link links[5];

static void unlink_two(tn_waitable *w, void *arg)
{
    record(w, arg);
    tn_waitable_unlink(&links[1]);
    tn_waitable_unlink(&links[3]);
}

static void a_link_can_take_off_later_ones_of_any_object(void)
{
    open_events();
    assert_result(tn_waitable_link(ws[0], &links[0], unlink_two, (void *)"0"),
                  0);
    assert_result(tn_waitable_link(ws[0], &links[1], record, (void *)"1"), 0);
    assert_result(tn_waitable_link(ws[0], &links[2], record, (void *)"2"), 0);
    assert_result(tn_waitable_link(ws[1], &links[3], record, (void *)"3"), 0);
    assert_result(tn_waitable_link(ws[1], &links[4], record, (void *)"4"), 0);
    set(0);
    set(1);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_string_equal(notes(), "0 2 4");
    free_events();
}

static int n_again;

static void link_again(tn_waitable *w, void *arg)
{
    n_again++;
    assert_result(tn_waitable_link(w, arg, link_again, arg), 0);
}

/* It runs once a turn, and timers have their turns in between. */
static void a_link_that_links_itself_again_lets_the_hub_poll(void)
{
    n_again = 0;
    open_events();
    set(0);
    assert_result(tn_waitable_link(ws[0], &links[0], link_again, &links[0]), 0);
    assert_result(tn_sleep(tn_after_us(100)), 0);
    assert_true(n_again > 0);
    tn_waitable_unlink(&links[0]);
    free_events();
}

static void free_the_event(tn_waitable *w, void *arg)
{
    (void)w;
    note(arg);
    tn_event_free(events[0]);
    assert_result(tn_event_new(&events[0]), 0);
}

static void an_object_may_be_freed_by_a_link_to_it(void)
{
    open_events();
    assert_result(
        tn_waitable_link(ws[0], &links[0], free_the_event, (void *)"0"), 0);
    assert_result(tn_waitable_link(ws[0], &links[1], record, (void *)"1"), 0);
    set(0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_string_equal(notes(), "0");
    free_events();
}

static void wrong_sets_are_refused(void)
{
    tn_waits *waits;

    open_events();
    assert_result(tn_wait_any(NULL, 1, NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_wait_any(ws, 0, NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_wait_all(ws, 0, 0, NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_waits_begin(ws, 0, &waits), -EINVAL);
    assert_result(tn_waits_begin(ws, 1, NULL), -EINVAL);
    assert_result(tn_waits_next(NULL, NULL, TN_NOWAIT), -EINVAL);
    ws[3] = NULL;
    assert_result(tn_wait_any(ws, N, NULL, TN_NOWAIT), -EINVAL);
    free_events();
}

TEST_MAIN(TEST(a_link_to_a_greenlet_is_called_at_its_end_in_order),
          TEST(a_due_link_keeps_its_greenlet_until_unlinked),
          TEST(wrong_arguments_are_refused),
          TEST(any_gives_the_first_to_become_ready),
          TEST(any_gives_a_set_event_as_often_as_asked),
          TEST(one_that_is_killed_leaves_nothing_linked),
          TEST(all_gives_count_in_order_and_leaves_the_rest),
          TEST(all_gives_what_there_was_when_it_ends_early),
          TEST(the_same_one_may_be_given_more_than_once),
          TEST(kinds_can_be_mixed),
          TEST(an_iterator_misses_nothing_while_its_user_sleeps),
          TEST(an_iterator_may_be_ended_at_any_time),
          TEST(an_iterator_is_waited_in_by_one),
          TEST(a_link_can_take_off_later_ones_of_any_object),
          TEST(a_link_that_links_itself_again_lets_the_hub_poll),
          TEST(an_object_may_be_freed_by_a_link_to_it),
          TEST(wrong_sets_are_refused))
