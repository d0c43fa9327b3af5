/* SPDX-License-Identifier: MIT */
/* tests/unit/test_parent.c - who goes on when a greenlet ends that was switched
 * to (S1..S5, S7). */
#include <string.h>

#include "support/green.h"

static tn_greenlet *new_one(tn_greenlet_fn fn, void *arg)
{
    tn_greenlet *g;

    assert_result(tn_greenlet_new(NULL, fn, arg, &g), 0);
    return g;
}

/* The same, with a parent. */
static tn_greenlet *new_child(tn_greenlet *parent, tn_greenlet_fn fn, void *arg)
{
    tn_greenlet *g = new_one(fn, arg);

    assert_result(tn_greenlet_set_parent(g, parent), 0);
    return g;
}

static int give(void *arg)
{
    return (int)(intptr_t)arg;
}

/* Switch to `arg`; note what comes back, and end. */
static int switch_and_note(void *arg)
{
    void *value = (void *)"untouched";
    int r = tn_switch(arg, NULL, &value);

    note(r < 0 ? "error" : value ? value : "null");
    return r;
}

static int must_not_run(void *arg)
{
    (void)arg;
    fail_msg("it ran");
    return 0;
}

static int switch_twice(void *arg)
{
    void *value = (void *)"untouched";

    assert_result(tn_switch(arg, NULL, &value), 0);
    note(value ? value : "null");
    assert_result(tn_switch(arg, (void *)"from parent", &value), 0);
    return 0;
}

/* S2 */
static void the_end_goes_to_the_parent_that_was_set(void)
{
    tn_greenlet *parent = new_one(switch_twice, tn_self());
    tn_greenlet *child = new_child(parent, give, (void *)7);
    void *value = NULL;

    assert_result(tn_switch(parent, NULL, NULL), 0);
    assert_ptr_equal(tn_greenlet_parent(child), parent);
    assert_result(tn_switch(child, NULL, &value), 0);
    assert_string_equal(value, "from parent"); /* not from the child's end */
    assert_string_equal(notes(), "null");
    assert_result(tn_greenlet_result(child), 7);
    assert_result(join(child), 7);
    assert_result(tn_switch(parent, NULL, NULL), 0);
    assert_result(join(parent), 0);
}

static int note_and_end(void *arg)
{
    note(arg);
    return 3;
}

/* S2 */
static void a_parent_that_is_new_is_started(void)
{
    tn_greenlet *parent = new_one(note_and_end, (void *)"parent");
    tn_greenlet *child = new_child(parent, give, NULL);

    assert_result(tn_switch(child, NULL, NULL), 0);
    /* The parent has no parent but its maker. */
    assert_string_equal(notes(), "parent");
    assert_result(join(parent), 3);
    assert_result(join(child), 0);
}

/* S1 */
static void an_ancestor_that_has_ended_is_passed_over(void)
{
    tn_greenlet *top = new_one(switch_twice, tn_self());
    tn_greenlet *middle = new_child(top, give, NULL);
    tn_greenlet *low = new_child(middle, give, NULL);
    void *value = NULL;

    assert_result(tn_kill(middle, TN_NOWAIT), 0);
    assert_result(tn_greenlet_is_done(middle), 1);
    tn_unref(middle); /* `low` keeps it, and so the way up */
    assert_result(tn_switch(top, NULL, NULL), 0);
    assert_result(tn_switch(low, NULL, &value), 0);
    assert_string_equal(value, "from parent");
    assert_result(tn_switch(top, NULL, NULL), 0);
    assert_result(join(top), 0);
    assert_result(join(low), 0);
}

static int yield_and_note(void *arg)
{
    assert_result(tn_yield(), 0);
    note(arg);
    return 0;
}

static int wait_long(void *arg)
{
    (void)arg;
    return tn_sleep(TN_FOREVER);
}

/* S28: the end of a child is no stray switch into one that waits. */
static void a_parent_that_waits_is_left_alone(void)
{
    tn_greenlet *parent = spawn(wait_long, NULL);
    tn_greenlet *child = new_child(parent, note_and_end, (void *)"child");

    settle();
    spawn_detached(yield_and_note, (void *)"other");
    assert_result(tn_start(child), 0);
    settle();
    assert_non_null(strstr(notes(), "child"));
    assert_non_null(strstr(notes(), "other"));
    assert_result(tn_greenlet_state(parent), TN_GREENLET_WAITING);
    assert_result(tn_kill(parent, TN_FOREVER), 0);
    assert_result(join(parent), -ECANCELED);
    assert_result(join(child), 3);
}

/* S3 */
static void an_error_goes_to_the_parent(void)
{
    tn_greenlet *child = new_one(give, (void *)(intptr_t)-EPROTO);
    void *value = (void *)"untouched";

    assert_result(tn_switch(child, NULL, &value), -EPROTO);
    assert_string_equal(value, "untouched");
    assert_result(join(child), -EPROTO);
}

/* S4 */
static void a_kill_is_no_error_for_the_parent(void)
{
    tn_greenlet *child = new_one(give, (void *)(intptr_t)-ECANCELED);
    void *value = (void *)"untouched";

    assert_result(tn_switch(child, NULL, &value), 0);
    assert_null(value);
    assert_result(join(child), -ECANCELED);
}

static int expect_error_then_value(void *arg)
{
    void *value = NULL;

    assert_result(tn_switch(arg, NULL, &value), -EPROTO);
    assert_result(tn_switch(arg, (void *)"caught", &value), 0);
    return 0;
}

/* S3: its result is that of the throw. */
static void what_is_thrown_into_a_new_one_goes_to_its_parent(void)
{
    tn_greenlet *parent = new_one(expect_error_then_value, tn_self());
    tn_greenlet *child = new_child(parent, must_not_run, NULL);
    void *value = NULL;

    assert_result(tn_switch(parent, NULL, NULL), 0);
    assert_result(tn_throw(child, -EPROTO, &value), 0);
    assert_string_equal(value, "caught");
    assert_result(join(child), -EPROTO);
    assert_result(tn_switch(parent, NULL, NULL), 0);
    assert_result(join(parent), 0);
}

/* S3, S4 */
static void what_is_thrown_into_a_new_child_of_the_caller_comes_back(void)
{
    tn_greenlet *child = new_child(tn_self(), must_not_run, NULL);

    assert_result(tn_throw(child, -EPROTO, NULL), -EPROTO);
    assert_result(join(child), -EPROTO);
    child = new_child(tn_self(), must_not_run, NULL);
    assert_result(tn_throw(child, -ECANCELED, NULL), 0);
    assert_result(join(child), -ECANCELED);
}

/* S5 */
static void a_parent_must_not_make_a_cycle(void)
{
    tn_greenlet *a = new_one(give, NULL), *b = new_one(give, NULL);
    tn_greenlet *c = new_one(give, NULL);

    assert_result(tn_greenlet_set_parent(a, a), -EINVAL);
    assert_result(tn_greenlet_set_parent(NULL, a), -EINVAL);
    assert_result(tn_greenlet_set_parent(tn_self(), a), -EINVAL);
    assert_result(tn_greenlet_set_parent(b, a), 0);
    assert_result(tn_greenlet_set_parent(c, b), 0);
    assert_result(tn_greenlet_set_parent(a, c), -ELOOP);
    assert_result(tn_greenlet_set_parent(a, b), -ELOOP);
    assert_result(tn_greenlet_set_parent(b, NULL), 0);
    assert_result(tn_greenlet_set_parent(a, c), 0);
    assert_result(tn_greenlet_set_parent(b, a), -ELOOP);
    tn_unref(a);
    tn_unref(b);
    tn_unref(c);
}

struct seen {
    tn_greenlet *made, *resumed, *main, *inner;
};

static int look_at_parent(void *arg)
{
    struct seen *seen = arg;

    seen->resumed = tn_greenlet_parent(tn_self());
    return 0;
}

static int make_inner(void *arg)
{
    struct seen *seen = arg;

    seen->inner = new_one(look_at_parent, seen);
    seen->made = tn_greenlet_parent(seen->inner);
    assert_result(tn_switch(seen->main, NULL, NULL), 0);
    return 0;
}

static void without_one_the_maker_counts_and_then_who_resumed_it(void)
{
    struct seen seen = {.main = tn_self()};
    tn_greenlet *maker = new_one(make_inner, &seen), *queued;

    assert_null(tn_greenlet_parent(tn_self()));
    assert_null(tn_greenlet_parent(NULL));
    assert_result(tn_switch(maker, NULL, NULL), 0);
    assert_ptr_equal(seen.made, maker);
    assert_result(tn_switch(seen.inner, NULL, NULL), 0); /* back to main */
    assert_ptr_equal(seen.resumed, seen.main);
    assert_result(join(seen.inner), 0);
    assert_result(tn_switch(maker, NULL, NULL), 0);
    assert_result(join(maker), 0);
    queued = new_one(look_at_parent, &seen);
    assert_result(tn_start(queued), 0);
    assert_result(join(queued), 0);
    assert_null(seen.resumed);
}

/* S7: it goes by itself, and its parent hears nothing. */
static void one_that_was_dropped_does_not_resume_its_parent(void)
{
    tn_greenlet *parent = new_one(switch_and_note, tn_self());
    tn_greenlet *child = new_child(parent, switch_and_note, tn_self());

    assert_result(tn_switch(parent, NULL, NULL), 0);
    assert_result(tn_switch(child, NULL, NULL), 0);
    tn_unref(child);
    settle();
    assert_string_equal(notes(), "error"); /* the child's */
    assert_result(tn_greenlet_state(parent), TN_GREENLET_PASSIVE);
    assert_result(tn_switch(parent, NULL, NULL), 0);
    assert_result(join(parent), 0);
}

static void a_child_keeps_its_parent(void)
{
    tn_greenlet *parent = new_one(switch_and_note, tn_self());
    tn_greenlet *child = new_child(parent, give, NULL);

    assert_result(tn_switch(parent, NULL, NULL), 0);
    tn_unref(parent);
    settle();
    assert_result(tn_greenlet_state(parent), TN_GREENLET_PASSIVE);
    assert_result(tn_switch(child, NULL, NULL), 0);
    assert_string_equal(notes(), "null");
    assert_result(join(child), 0);
    assert_result(count_alive(), 1);
}

/* Neither end nor release of a chain goes deep. */
static void a_long_line_of_ancestors_goes_at_once(void)
{
    enum { N = 2000 };
    tn_greenlet *g = new_one(give, NULL);

    for (int i = 0; i < N; i++) {
        tn_greenlet *child = new_child(g, must_not_run, NULL);

        tn_unref(g);
        g = child;
    }
    tn_unref(g);
    assert_result(count_alive(), 1);
    g = new_one(give, NULL);
    for (int i = 0; i < N; i++) {
        tn_greenlet *child =
            new_child(g, i == N - 1 ? give : must_not_run, NULL);

        assert_result(tn_kill(g, TN_NOWAIT), 0);
        tn_unref(g);
        g = child;
    }
    assert_result(tn_switch(g, NULL, NULL), 0);
    assert_result(join(g), 0);
}

static int kill_self(void *arg)
{
    assert_result(tn_kill(tn_self(), TN_FOREVER), 0);
    assert_result(tn_throw(arg, -EIO, NULL), -ECANCELED);
    return 0;
}

static void a_killed_one_cannot_throw_to_a_parent(void)
{
    tn_greenlet *parent = new_one(switch_and_note, tn_self());
    tn_greenlet *child = new_child(parent, must_not_run, NULL);

    assert_result(tn_switch(parent, NULL, NULL), 0);
    assert_result(join(spawn(kill_self, child)), 0);
    assert_result(tn_greenlet_state(child), TN_GREENLET_NEW);
    tn_unref(child);
    assert_result(tn_switch(parent, NULL, NULL), 0);
    assert_result(join(parent), 0);
}

TEST_MAIN(TEST(the_end_goes_to_the_parent_that_was_set),
          TEST(a_parent_that_is_new_is_started),
          TEST(an_ancestor_that_has_ended_is_passed_over),
          TEST(a_parent_that_waits_is_left_alone),
          TEST(an_error_goes_to_the_parent),
          TEST(a_kill_is_no_error_for_the_parent),
          TEST(what_is_thrown_into_a_new_one_goes_to_its_parent),
          TEST(what_is_thrown_into_a_new_child_of_the_caller_comes_back),
          TEST(a_parent_must_not_make_a_cycle),
          TEST(without_one_the_maker_counts_and_then_who_resumed_it),
          TEST(one_that_was_dropped_does_not_resume_its_parent),
          TEST(a_child_keeps_its_parent),
          TEST(a_long_line_of_ancestors_goes_at_once),
          TEST(a_killed_one_cannot_throw_to_a_parent))
