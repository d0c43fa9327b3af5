/* SPDX-License-Identifier: MIT */
/* tests/unit/test_map.c - work spread over a group: apply, map, streams (S80c,
 * S80d). */
#include "support/green.h"

static int n_running, n_running_max, n_started;

/* Yield as often as the item says, and return it. */
static int work(void *arg)
{
    int turns = (int)(intptr_t)arg, r = 0;

    n_started++;
    if (++n_running > n_running_max)
        n_running_max = n_running;
    for (int i = 0; r == 0 && i < turns; i++)
        r = tn_yield();
    n_running--;
    return r < 0 ? r : turns;
}

static int sleep_forever(void *arg)
{
    (void)arg;
    n_started++;
    return tn_sleep(TN_FOREVER);
}

static int fail_on_two(void *arg)
{
    assert_result(tn_yield(), 0);
    return (intptr_t)arg == 2 ? -EIO : (int)(intptr_t)arg;
}

static int finish_though_killed(void *arg)
{
    assert_result(tn_sleep(TN_FOREVER), -ECANCELED);
    return *(int *)arg;
}

/* Leave the group, and go on. */
static int leave_the_group(void *group)
{
    assert_result(tn_group_discard(group, tn_self()), 0);
    assert_result(tn_sleep(tn_after_ms(5)), 0);
    return 7;
}

static tn_pool *new_pool(size_t size)
{
    tn_pool *pool;

    assert_result(tn_pool_new(size, &pool), 0);
    return pool;
}

static void end_pool(tn_pool *pool)
{
    assert_int_equal(tn_group_count(pool), 0);
    tn_group_free(pool);
    settle(); /* the turns of those that were killed before they ran pass */
}

static void *number(int i)
{
    return (void *)(intptr_t)i;
}

/* ---- apply ---- */

/* S80c */
static void apply_gives_what_the_function_returned(void)
{
    tn_pool *pool = new_pool(1);
    int result = 99;

    assert_result(tn_group_apply(pool, work, number(3), &result, TN_FOREVER),
                  0);
    assert_result(result, 3);
    assert_result(
        tn_group_apply(pool, fail_on_two, number(2), &result, TN_FOREVER), 0);
    assert_result(result, -EIO);
    assert_int_equal(tn_pool_free_count(pool), 1);
    end_pool(pool);
}

static int apply_inside(void *arg)
{
    int result;

    assert_result(tn_group_apply(arg, work, number(2), &result, TN_FOREVER), 0);
    return result;
}

/* S80c */
static void apply_by_a_member_runs_the_function_itself(void)
{
    tn_pool *pool = new_pool(1);
    int result;

    assert_result(tn_group_apply(pool, apply_inside, pool, &result, TN_FOREVER),
                  0);
    assert_result(result, 2);
    end_pool(pool);
}

/* S80c */
static void apply_that_ends_early_ends_the_member_first(void)
{
    tn_pool *pool = new_pool(1);
    int result = 99;

    n_started = 0;
    assert_result(
        tn_group_apply(pool, sleep_forever, NULL, &result, tn_after_ms(1)),
        -ETIME);
    assert_result(result, 99);
    assert_int_equal(tn_group_count(pool), 0);
    assert_int_equal(n_started, 1);
    end_pool(pool);
}

static void apply_keeps_a_result_that_came_after_all(void)
{
    tn_pool *pool = new_pool(1);
    int value = 7, result = 99;

    assert_result(tn_group_apply(pool, finish_though_killed, &value, &result,
                                 tn_after_ms(1)),
                  0);
    assert_result(result, 7);
    end_pool(pool);
}

/* ---- map ---- */

static void number_items(tn_item *items, int n)
{
    for (int i = 0; i < n; i++)
        items[i].arg = number(i % 5);
}

static void map_runs_all_and_keeps_to_the_bound(void)
{
    enum { N = 50 };
    tn_pool *pool = new_pool(4);
    tn_item items[N];

    n_running_max = 0;
    number_items(items, N);
    assert_result(tn_group_map(pool, work, items, N, TN_FOREVER), 0);
    for (int i = 0; i < N; i++)
        assert_result(items[i].result, i % 5);
    assert_true(n_running_max <= 4);
    assert_true(n_running_max > 1);
    assert_result(tn_group_map(pool, work, NULL, 0, TN_NOWAIT), 0);
    end_pool(pool);
}

static void map_returns_the_first_failure_in_their_order_and_runs_all(void)
{
    tn_pool *pool = new_pool(2);
    tn_item items[4];

    number_items(items, 4);
    assert_result(tn_group_map(pool, fail_on_two, items, 4, TN_FOREVER), -EIO);
    assert_result(items[0].result, 0);
    assert_result(items[1].result, 1);
    assert_result(items[2].result, -EIO);
    assert_result(items[3].result, 3);
    end_pool(pool);
}

static void map_that_ends_early_leaves_nothing_behind(void)
{
    tn_pool *pool = new_pool(2);
    tn_item items[4];

    n_started = 0;
    number_items(items, 4);
    assert_result(tn_group_map(pool, sleep_forever, items, 4, tn_after_ms(1)),
                  -ETIME);
    assert_int_equal(tn_group_count(pool), 0);
    assert_int_equal(n_started, 2);
    for (int i = 0; i < 4; i++)
        assert_result(items[i].result, -ECANCELED);
    end_pool(pool);
}

static int map_forever(void *arg)
{
    tn_item items[2];

    number_items(items, 2);
    return tn_group_map(arg, sleep_forever, items, 2, TN_FOREVER);
}

static void a_kill_ends_map_and_its_members(void)
{
    tn_pool *pool = new_pool(2);
    tn_greenlet *g = spawn(map_forever, pool);

    settle();
    assert_int_equal(tn_group_count(pool), 2);
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(join(g), -ECANCELED);
    end_pool(pool);
}

static int map_inside(void *arg)
{
    tn_item items[3];

    number_items(items, 3);
    return tn_group_map(arg, work, items, 3, TN_FOREVER);
}

static void map_by_a_member_runs_them_itself(void)
{
    tn_pool *pool = new_pool(1);
    int result = 99;

    n_started = 0;
    assert_result(tn_group_apply(pool, map_inside, pool, &result, TN_FOREVER),
                  0);
    assert_result(result, 0);
    assert_int_equal(n_started, 3);
    end_pool(pool);
}

/* ---- streams ---- */

struct source {
    int next, end;    /* items from next to end - 1 */
    int error;        /* what it returns at the end */
    const int *turns; /* what the items are; NULL: their number */
};

static int take_next(void **ret_arg, void *arg)
{
    struct source *s = arg;

    if (s->next == s->end)
        return s->error;
    *ret_arg = number(s->turns ? s->turns[s->next] : s->next);
    s->next++;
    return 1;
}

static tn_imap *new_imap(tn_group *group, tn_greenlet_fn fn, struct source *s,
                         int is_unordered, size_t unread_max)
{
    struct tn_imap_options options = TN_IMAP_OPTIONS;
    tn_imap *m;

    options.fn = fn;
    options.source = take_next;
    options.source_arg = s;
    options.is_unordered = is_unordered;
    options.unread_max = unread_max;
    assert_result(tn_imap_new(group, &options, &m), 0);
    return m;
}

static void expect_next(tn_imap *m, int arg, int result)
{
    tn_item item;

    assert_result(tn_imap_next(m, &item, TN_FOREVER), 1);
    assert_result((intptr_t)item.arg, arg);
    assert_result(item.result, result);
}

static void expect_end(tn_imap *m, int r)
{
    tn_item item;

    assert_result(tn_imap_next(m, &item, TN_FOREVER), r);
    assert_result(tn_imap_next(m, &item, TN_NOWAIT), r);
}

static void one_that_leaves_the_group_still_works_for_the_map(void)
{
    tn_group *group;
    tn_item items[3];

    assert_result(tn_group_new(&group), 0);
    for (int i = 0; i < 3; i++)
        items[i].arg = group;
    assert_result(tn_group_map(group, leave_the_group, items, 3, TN_FOREVER),
                  0);
    for (int i = 0; i < 3; i++)
        assert_result(items[i].result, 7);
    tn_group_free(group);
}

/* S80d */
static void an_ordered_stream_keeps_the_order_of_the_items(void)
{
    static const int turns[] = {10, 1, 2, 7, 3};
    tn_pool *pool = new_pool(3);
    struct source s = {.end = 5, .turns = turns};
    tn_imap *m = new_imap(pool, work, &s, 0, 0);

    for (int i = 0; i < 5; i++)
        expect_next(m, turns[i], turns[i]);
    expect_end(m, 0);
    tn_imap_free(m);
    end_pool(pool);
}

/* S80d */
static void an_unordered_stream_gives_what_is_ready_first(void)
{
    static const int turns[] = {10, 1, 5};
    tn_pool *pool = new_pool(3);
    struct source s = {.end = 3, .turns = turns};
    tn_imap *m = new_imap(pool, work, &s, 1, 0);

    test_not_seeded("it is about the order");
    expect_next(m, 1, 1);
    expect_next(m, 5, 5);
    expect_next(m, 10, 10);
    expect_end(m, 0);
    tn_imap_free(m);
    end_pool(pool);
}

/* S80d */
static void a_pool_of_one_makes_an_unordered_stream_ordered(void)
{
    static const int turns[] = {10, 1, 2};
    tn_pool *pool = new_pool(1);
    struct source s = {.end = 3, .turns = turns};
    tn_imap *m = new_imap(pool, work, &s, 1, 0);

    for (int i = 0; i < 3; i++)
        expect_next(m, turns[i], turns[i]);
    expect_end(m, 0);
    tn_imap_free(m);
    end_pool(pool);
}

/* S80d */
static void a_failure_is_delivered_in_its_place_and_the_stream_goes_on(void)
{
    tn_pool *pool = new_pool(2);
    struct source s = {.end = 4};
    tn_imap *m = new_imap(pool, fail_on_two, &s, 0, 0);

    for (int i = 0; i < 4; i++)
        expect_next(m, i, i == 2 ? -EIO : i);
    expect_end(m, 0);
    tn_imap_free(m);
    end_pool(pool);
}

/* S80d */
static void a_failing_source_ends_the_stream_after_what_it_gave(void)
{
    tn_pool *pool = new_pool(2);
    struct source s = {.end = 2, .error = -EAGAIN};
    tn_imap *m = new_imap(pool, work, &s, 0, 0);

    expect_next(m, 0, 0);
    expect_next(m, 1, 1);
    expect_end(m, -EAGAIN);
    tn_imap_free(m);
    end_pool(pool);
}

/* S80d */
static void unread_results_are_bounded(void)
{
    tn_pool *pool = new_pool(10);
    struct source s = {.end = 20};
    tn_imap *m = new_imap(pool, fail_on_two, &s, 0, 3);

    settle();
    settle();
    assert_int_equal(s.next, 3);
    expect_next(m, 0, 0);
    settle();
    assert_int_equal(s.next, 4);
    for (int i = 1; i < 20; i++)
        expect_next(m, i, i == 2 ? -EIO : i);
    expect_end(m, 0);
    tn_imap_free(m);
    end_pool(pool);
}

static void a_stream_is_waited_for_until_a_deadline(void)
{
    tn_pool *pool = new_pool(1);
    struct source s = {.end = 1};
    tn_imap *m = new_imap(pool, sleep_forever, &s, 0, 0);
    tn_item item;

    assert_result(tn_imap_next(m, &item, TN_NOWAIT), -EAGAIN);
    assert_result(tn_imap_next(m, &item, tn_after_ms(1)), -ETIME);
    assert_int_equal(tn_group_count(pool), 1);
    tn_imap_free(m);
    end_pool(pool);
}

static void a_stream_can_be_freed_before_it_began(void)
{
    tn_pool *pool = new_pool(1);
    struct source s = {.end = 1000};

    tn_imap_free(new_imap(pool, work, &s, 0, 0));
    tn_imap_free(NULL);
    settle();
    assert_int_equal(s.next, 0);
    end_pool(pool);
}

/* The feeder has a place of its pool by then, and a member more is made. */
static void a_stream_can_be_freed_as_its_feeder_is_given_a_place(void)
{
    tn_pool *pool = new_pool(1);
    struct source s = {.end = 3};
    tn_greenlet *first;
    tn_imap *m;

    assert_result(tn_group_spawn(pool, sleep_forever, NULL, &first, TN_FOREVER),
                  0);
    m = new_imap(pool, sleep_forever, &s, 0, 0);
    settle();
    assert_result(tn_kill(first, TN_NOWAIT), -EAGAIN);
    while (!tn_greenlet_is_done(first))
        assert_result(tn_yield(), 0);
    tn_imap_free(m);
    assert_result((long)tn_group_count(pool), 0);
    tn_unref(first);
    end_pool(pool);
}

static void a_stream_can_be_freed_with_results_unread_and_work_to_do(void)
{
    tn_pool *pool = new_pool(3);
    struct source s = {.end = 1000};
    tn_imap *m = new_imap(pool, work, &s, 1, 0);
    tn_item item;

    n_running = 0;
    assert_result(tn_imap_next(m, &item, TN_FOREVER), 1);
    for (int i = 0; i < 5; i++)
        assert_result(tn_yield(), 0);
    tn_imap_free(m);
    assert_int_equal(n_running, 0);
    assert_true(s.next < 1000);
    end_pool(pool);
}

struct reading {
    tn_imap *m;
    int n;
};

static int read_all(void *arg)
{
    struct reading *reading = arg;
    tn_item item;
    int r;

    while ((r = tn_imap_next(reading->m, &item, TN_FOREVER)) == 1)
        reading->n++;
    return r;
}

static void several_can_read_one_stream(void)
{
    tn_pool *pool = new_pool(4);
    struct source s = {.end = 100};
    struct reading a = {new_imap(pool, fail_on_two, &s, 1, 8), 0};
    struct reading b = {a.m, 0};
    tn_greenlet *ga = spawn(read_all, &a), *gb = spawn(read_all, &b);

    assert_result(join(ga), 0);
    assert_result(join(gb), 0);
    assert_int_equal(a.n + b.n, 100);
    tn_imap_free(a.m);
    end_pool(pool);
}

static void a_reader_that_is_killed_loses_no_result(void)
{
    tn_pool *pool = new_pool(1);
    struct source s = {.end = 1};
    struct reading a = {new_imap(pool, fail_on_two, &s, 0, 0), 0};
    tn_greenlet *g = spawn(read_all, &a);

    assert_result(tn_yield(), 0);
    assert_result(tn_kill(g, TN_FOREVER), 0);
    /* It may have read the end, too, by then. */
    tn_unref(g);
    if (a.n == 0)
        expect_next(a.m, 0, 0);
    expect_end(a.m, 0);
    tn_imap_free(a.m);
    end_pool(pool);
    settle();
}

static void bad_streams_are_refused(void)
{
    struct tn_imap_options options = TN_IMAP_OPTIONS;
    tn_pool *pool = new_pool(1);
    tn_imap *m;

    options.fn = work;
    assert_result(tn_imap_new(pool, &options, &m), -EINVAL);
    options.source = take_next;
    options.size = 1;
    assert_result(tn_imap_new(pool, &options, &m), -EINVAL);
    assert_result(tn_imap_new(pool, NULL, &m), -EINVAL);
    end_pool(pool);
}

TEST_MAIN(TEST(apply_gives_what_the_function_returned),
          TEST(apply_by_a_member_runs_the_function_itself),
          TEST(apply_that_ends_early_ends_the_member_first),
          TEST(apply_keeps_a_result_that_came_after_all),
          TEST(map_runs_all_and_keeps_to_the_bound),
          TEST(map_returns_the_first_failure_in_their_order_and_runs_all),
          TEST(map_that_ends_early_leaves_nothing_behind),
          TEST(a_kill_ends_map_and_its_members),
          TEST(map_by_a_member_runs_them_itself),
          TEST(one_that_leaves_the_group_still_works_for_the_map),
          TEST(an_ordered_stream_keeps_the_order_of_the_items),
          TEST(an_unordered_stream_gives_what_is_ready_first),
          TEST(a_pool_of_one_makes_an_unordered_stream_ordered),
          TEST(a_failure_is_delivered_in_its_place_and_the_stream_goes_on),
          TEST(a_failing_source_ends_the_stream_after_what_it_gave),
          TEST(unread_results_are_bounded),
          TEST(a_stream_is_waited_for_until_a_deadline),
          TEST(a_stream_can_be_freed_before_it_began),
          TEST(a_stream_can_be_freed_as_its_feeder_is_given_a_place),
          TEST(a_stream_can_be_freed_with_results_unread_and_work_to_do),
          TEST(several_can_read_one_stream),
          TEST(a_reader_that_is_killed_loses_no_result),
          TEST(bad_streams_are_refused))
