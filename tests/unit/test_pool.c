/* SPDX-License-Identifier: MIT */
/* tests/unit/test_pool.c - groups with a bound (S80a, S80b). */
#include "support/green.h"

static int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

static int never_runs(void *arg)
{
    (void)arg;
    fail_msg("it ran");
    return 0;
}

static int sleep_forever(void *arg)
{
    (void)arg;
    return tn_sleep(TN_FOREVER);
}

static int note_it(void *arg)
{
    note(arg);
    return 0;
}

static tn_pool *new_pool(size_t size)
{
    tn_pool *pool;

    assert_result(tn_pool_new(size, &pool), 0);
    return pool;
}

static tn_greenlet *occupy(tn_pool *pool)
{
    tn_greenlet *g;

    assert_result(tn_group_spawn(pool, sleep_forever, NULL, &g, TN_NOWAIT), 0);
    return g;
}

static void end_pool(tn_pool *pool)
{
    assert_result(tn_group_kill(pool, TN_FOREVER), 0);
    tn_group_free(pool);
}

struct counted {
    int n, n_max, n_run;
};

static int count_together(void *arg)
{
    struct counted *c = arg;

    c->n_run++;
    if (++c->n > c->n_max)
        c->n_max = c->n;
    assert_result(tn_yield(), 0);
    c->n--;
    return 0;
}

/* S80a */
static void spawn_waits_for_room(void)
{
    tn_pool *pool = new_pool(3);
    struct counted c = {0};

    for (int i = 0; i < 20; i++)
        assert_result(
            tn_group_spawn(pool, count_together, &c, NULL, TN_FOREVER), 0);
    assert_result(tn_group_join(pool, 0, TN_FOREVER), 0);
    assert_int_equal(c.n_run, 20);
    assert_true(c.n_max > 1 && c.n_max <= 3);
    tn_group_free(pool);
}

/* S80a */
static void a_pool_of_one_runs_them_one_after_the_other(void)
{
    tn_pool *pool = new_pool(1);
    static char a[] = "a", b[] = "b";

    assert_result(tn_group_spawn(pool, note_it, a, NULL, TN_NOWAIT), 0);
    assert_result(tn_group_spawn(pool, note_it, b, NULL, TN_NOWAIT), -EAGAIN);
    assert_result(tn_group_spawn(pool, note_it, b, NULL, TN_FOREVER), 0);
    assert_string_equal(notes(), "a");
    assert_result(tn_group_join(pool, 0, TN_FOREVER), 0);
    assert_string_equal(notes(), "a b");
    tn_group_free(pool);
}

/* S80a */
static void a_pool_of_none_never_admits(void)
{
    tn_pool *pool = new_pool(0);
    tn_greenlet *g;

    assert_int_equal(tn_pool_free_count(pool), 0);
    assert_result(tn_group_spawn(pool, never_runs, NULL, &g, TN_NOWAIT),
                  -EAGAIN);
    assert_result(tn_group_spawn(pool, never_runs, NULL, &g, tn_after_ms(1)),
                  -ETIME);
    assert_result(tn_pool_wait_available(pool, tn_after_ms(1)), -ETIME);
    assert_result(tn_group_spawn(pool, never_runs, NULL, &g, TN_FOREVER),
                  -EDEADLK);
    assert_result(tn_group_join(pool, 0, TN_NOWAIT), 0);
    tn_group_free(pool);
}

/* S80a */
static void a_negative_size_is_refused(void)
{
    tn_pool *pool;

    assert_result(tn_pool_new((size_t)-1, &pool), -EINVAL);
    assert_result(tn_pool_new(1, NULL), -EINVAL);
}

static int spawn_in(void *arg)
{
    return tn_group_spawn(arg, end_at_once, NULL, NULL, TN_FOREVER);
}

struct noter {
    tn_pool *pool;
    char *word;
};

static int spawn_noter(void *arg)
{
    struct noter *n = arg;

    return tn_group_spawn(n->pool, note_it, n->word, NULL, TN_FOREVER);
}

static void room_is_given_in_order_and_nobody_comes_in_between(void)
{
    tn_pool *pool = new_pool(1);
    tn_greenlet *first = occupy(pool), *g[3];
    static char words[3][2] = {"a", "b", "c"};
    struct noter n[3];

    test_not_seeded("it is about the order");
    for (int i = 0; i < 3; i++) {
        n[i] = (struct noter){pool, words[i]};
        g[i] = spawn(spawn_noter, &n[i]);
        settle();
    }
    assert_result(tn_kill(first, TN_FOREVER), 0);
    tn_unref(first);
    /* The place is the first waiter's already. */
    assert_int_equal(tn_pool_free_count(pool), 0);
    assert_result(tn_group_spawn(pool, never_runs, NULL, NULL, TN_NOWAIT),
                  -EAGAIN);
    for (int i = 0; i < 3; i++)
        assert_result(join(g[i]), 0);
    assert_result(tn_group_join(pool, 0, TN_FOREVER), 0);
    assert_string_equal(notes(), "a b c");
    end_pool(pool);
}

static void a_spawner_that_is_killed_leaves_its_room_to_the_next(void)
{
    tn_pool *pool = new_pool(1);
    tn_greenlet *first = occupy(pool);
    tn_greenlet *a = spawn(spawn_in, pool), *b = spawn(spawn_in, pool);

    settle();
    assert_result(tn_kill(a, TN_FOREVER), 0);
    assert_result(join(a), -ECANCELED);
    assert_result(tn_kill(first, TN_FOREVER), 0);
    assert_result(join(b), 0);
    tn_unref(first);
    end_pool(pool);
    settle();
}

static void a_spawner_killed_after_it_got_room_has_spawned(void)
{
    tn_pool *pool = new_pool(1);
    tn_greenlet *first = occupy(pool), *a = spawn(spawn_in, pool);

    settle();
    assert_result(tn_kill(first, TN_FOREVER), 0);
    /* The one on main's stack could not run since. */
    assert_result(tn_kill(a, TN_FOREVER), 0);
    assert_result(join(a), 0);
    assert_result(tn_group_join(pool, 0, TN_FOREVER), 0);
    assert_int_equal(tn_pool_free_count(pool), 1);
    tn_unref(first);
    end_pool(pool);
}

/* S80b */
static void add_to_a_full_pool_is_refused_in_time(void)
{
    tn_pool *pool = new_pool(1);
    tn_greenlet *first = occupy(pool), *g = spawn(sleep_forever, NULL);

    assert_result(tn_group_add(pool, g, TN_NOWAIT), -EAGAIN);
    assert_result(tn_group_add(pool, g, tn_after_ms(1)), -ETIME);
    assert_false(tn_group_contains(pool, g));
    /* One that is a member needs no room. */
    assert_result(tn_group_add(pool, first, TN_NOWAIT), 0);
    assert_result(tn_kill(first, TN_FOREVER), 0);
    assert_result(tn_group_add(pool, g, TN_NOWAIT), 0);
    assert_int_equal(tn_pool_free_count(pool), 0);
    end_pool(pool);
    tn_unref(first);
    tn_unref(g);
}

struct addition {
    tn_pool *pool;
    tn_greenlet *g;
};

static int add_it(void *arg)
{
    struct addition *a = arg;

    return tn_group_add(a->pool, a->g, TN_FOREVER);
}

static void what_ended_while_it_was_to_be_added_takes_no_room(void)
{
    tn_pool *pool = new_pool(1);
    tn_greenlet *first = occupy(pool), *adder;
    struct addition a = {pool, spawn(sleep_forever, NULL)};

    adder = spawn(add_it, &a);
    settle();
    assert_result(tn_kill(a.g, TN_FOREVER), 0);
    assert_result(tn_kill(first, TN_FOREVER), 0);
    assert_result(join(adder), 0);
    assert_int_equal(tn_group_count(pool), 0);
    assert_int_equal(tn_pool_free_count(pool), 1);
    tn_unref(a.g);
    tn_unref(first);
    end_pool(pool);
}

/* S80b */
static void discard_makes_room_exactly_once(void)
{
    tn_pool *pool = new_pool(2);
    tn_greenlet *a = occupy(pool), *b = occupy(pool);

    assert_int_equal(tn_pool_free_count(pool), 0);
    assert_result(tn_group_discard(pool, a), 0);
    assert_int_equal(tn_pool_free_count(pool), 1);
    assert_result(tn_group_discard(pool, a), -ENOENT);
    settle();
    assert_result(tn_kill(a, TN_FOREVER), 0);
    assert_int_equal(tn_pool_free_count(pool), 1);
    tn_unref(a);
    tn_unref(b);
    end_pool(pool);
}

static int wait_available(void *arg)
{
    return tn_pool_wait_available(arg, TN_FOREVER);
}

static void who_waits_for_room_without_taking_it_is_woken(void)
{
    tn_pool *pool = new_pool(1);
    tn_greenlet *first = occupy(pool);
    tn_greenlet *a = spawn(wait_available, pool),
                *b = spawn(wait_available, pool);

    assert_result(tn_pool_wait_available(pool, TN_NOWAIT), -EAGAIN);
    settle();
    assert_false(tn_greenlet_is_done(a));
    assert_result(tn_kill(first, TN_FOREVER), 0);
    assert_result(join(a), 0);
    assert_result(join(b), 0);
    assert_int_equal(tn_pool_free_count(pool), 1);
    assert_result(tn_pool_wait_available(pool, TN_NOWAIT), 0);
    tn_unref(first);
    end_pool(pool);
}

static void a_group_is_never_full(void)
{
    tn_group *group;

    assert_result(tn_group_new(&group), 0);
    assert_true(tn_pool_free_count(group) == SIZE_MAX);
    assert_result(tn_pool_wait_available(group, TN_NOWAIT), 0);
    tn_group_free(group);
}

TEST_MAIN(TEST(spawn_waits_for_room),
          TEST(a_pool_of_one_runs_them_one_after_the_other),
          TEST(a_pool_of_none_never_admits), TEST(a_negative_size_is_refused),
          TEST(room_is_given_in_order_and_nobody_comes_in_between),
          TEST(a_spawner_that_is_killed_leaves_its_room_to_the_next),
          TEST(a_spawner_killed_after_it_got_room_has_spawned),
          TEST(add_to_a_full_pool_is_refused_in_time),
          TEST(what_ended_while_it_was_to_be_added_takes_no_room),
          TEST(discard_makes_room_exactly_once),
          TEST(who_waits_for_room_without_taking_it_is_woken),
          TEST(a_group_is_never_full))
