/* SPDX-License-Identifier: MIT */
/* tests/unit/test_local.c - locals, what a tree shares, contexts and spawners
 * (S12, S32, S131). */
#include "support/green.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static tn_local key;
static int n_destroyed;

static void count(void *value)
{
    (void)value;
    n_destroyed++;
}

static void new_key(tn_local_fn destructor)
{
    n_destroyed = 0;
    assert_result(tn_local_new(destructor, &key), 0);
}

static int last_of_it(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- values ---- */

static int keep_own_value(void *arg)
{
    assert_null(tn_local_get(key));
    assert_result(tn_local_set(key, arg), 0);
    assert_result(tn_yield(), 0);
    assert_ptr_equal(tn_local_get(key), arg);
    return 0;
}

/* S131 */
static void each_greenlet_has_its_own_value(void)
{
    int a, b, c;
    tn_greenlet *g, *g2;

    new_key(NULL);
    assert_result(tn_local_set(key, &c), 0);
    g = spawn(keep_own_value, &a);
    g2 = spawn(keep_own_value, &b);
    assert_result(join(g), 0);
    assert_result(join(g2), 0);
    assert_ptr_equal(tn_local_get(key), &c);
    assert_result(tn_local_set(key, NULL), 0);
    assert_null(tn_local_get(key));
    assert_result(tn_local_free(key), 0);
}

/* S131 */
static void values_go_with_their_greenlet_though_it_is_referenced(void)
{
    int a;
    tn_greenlet *g;

    new_key(count);
    g = spawn(keep_own_value, &a);
    settle();
    assert_true(tn_greenlet_is_done(g));
    assert_int_equal(n_destroyed, 1);
    tn_unref(g);
    assert_result(tn_local_free(key), 0);
    assert_int_equal(n_destroyed, 1);
}

static int set_and_sleep(void *arg)
{
    assert_result(tn_local_set(key, arg), 0);
    return tn_sleep(TN_FOREVER);
}

/* S131 */
static void values_go_with_their_key_though_the_greenlet_lives(void)
{
    int a;
    tn_greenlet *g;

    new_key(count);
    g = spawn(set_and_sleep, &a);
    assert_result(tn_local_set(key, &a), 0);
    settle();
    assert_result(tn_local_free(key), 0);
    assert_int_equal(n_destroyed, 2);
    assert_null(tn_local_get(key));
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_int_equal(n_destroyed, 2);
    assert_result(join(g), -ECANCELED);
}

static void a_key_that_was_freed_is_refused_and_its_values_are_nobodys(void)
{
    int a;
    tn_local old;

    new_key(count);
    old = key;
    assert_result(tn_local_set(key, &a), 0);
    assert_result(tn_local_free(old), 0);
    assert_result(tn_local_free(old), -EINVAL);
    assert_result(tn_local_set(old, &a), -EINVAL);
    new_key(NULL);
    assert_int_not_equal(key, old);
    assert_null(tn_local_get(key));
    assert_result(tn_local_set(key, &a), 0);
    assert_null(tn_local_get(old));
    assert_result(tn_local_free(key), 0);
    assert_result(tn_local_new(NULL, NULL), -EINVAL);
    assert_result(tn_local_free(0), -EINVAL);
    assert_null(tn_local_get(0));
}

static int set_all(void *arg)
{
    tn_local *keys = arg;

    for (uintptr_t i = 0; i < TN_LOCALS_MAX; i++)
        assert_result(tn_local_set(keys[i], (void *)(i + 1)), 0);
    for (uintptr_t i = 0; i < TN_LOCALS_MAX; i++)
        assert_ptr_equal(tn_local_get(keys[i]), (void *)(i + 1));
    return 0;
}

static void there_is_a_most_of_keys(void)
{
    tn_local keys[TN_LOCALS_MAX];

    n_destroyed = 0;
    for (int i = 0; i < TN_LOCALS_MAX; i++)
        assert_result(tn_local_new(count, &keys[i]), 0);
    assert_result(tn_local_new(NULL, &key), -ENOSPC);
    assert_result(join(spawn(set_all, keys)), 0);
    assert_int_equal(n_destroyed, TN_LOCALS_MAX);
    for (int i = 0; i < TN_LOCALS_MAX; i++)
        assert_result(tn_local_free(keys[i]), 0);
}

/* ---- destructors ---- */

static void wait_and_count(void *value)
{
    assert_result(tn_local_set(key, NULL), 0);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    count(value);
}

static void a_destructor_may_wait_and_joiners_wait_for_it(void)
{
    int a;

    new_key(wait_and_count);
    assert_result(join(spawn(keep_own_value, &a)), 0);
    assert_int_equal(n_destroyed, 1);
    assert_result(tn_local_free(key), 0);
}

static void find_killed(void *value)
{
    tn_shield shield;

    assert_result(tn_sleep(tn_after_ms(1)), -ECANCELED);
    tn_shield_begin(&shield, tn_after_s(5));
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    tn_shield_end(&shield);
    count(value);
}

static void a_destructor_after_a_kill_waits_behind_a_shield(void)
{
    int a;
    tn_greenlet *g;

    new_key(find_killed);
    g = spawn(set_and_sleep, &a);
    settle();
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_int_equal(n_destroyed, 1);
    assert_result(join(g), -ECANCELED);
    assert_result(tn_local_free(key), 0);
}

static void set_again(void *value)
{
    count(value);
    assert_result(tn_local_set(key, value), 0);
}

static void what_destructors_set_is_destroyed_in_four_rounds_at_most(void)
{
    int a;

    new_key(set_again);
    assert_result(join(spawn(keep_own_value, &a)), 0);
    assert_int_equal(n_destroyed, 4);
    assert_result(tn_local_free(key), 0);
    assert_int_equal(n_destroyed, 4);
}

static void one_killed_before_it_ran_has_nothing_to_destroy(void)
{
    int a;
    tn_greenlet *g;

    new_key(count);
    g = spawn(keep_own_value, &a);
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(join(g), -ECANCELED);
    settle();
    assert_int_equal(n_destroyed, 0);
    assert_result(tn_local_free(key), 0);
}

static void cannot_wait(void *value)
{
    count(value);
    assert_result(tn_sleep(tn_after_ms(1)), -EDEADLK);
}

static void free_hub_with_values(void)
{
    int a;

    assert_result(tn_local_set(key, &a), 0);
    assert_result(tn_hub_destroy(), 0);
    assert_int_equal(n_destroyed, 1);
    /* The next hub's main has none. */
    assert_null(tn_local_get(key));
    assert_result(tn_set_context(&a), 0);
    assert_null(tn_local_get(key));
}

static void the_values_of_main_go_with_its_hub(void)
{
    new_key(cannot_wait);
    free_hub_with_values();
    assert_result(tn_local_free(key), 0);
}

static void *thread_with_values(void *arg)
{
    assert_null(tn_local_get(key));
    assert_result(tn_local_set(key, arg), 0);
    spawn_detached(set_and_sleep, arg);
    settle();
    return NULL;
}

static void the_values_of_a_thread_go_with_it(void)
{
    int a, mine;
    pthread_t thread;

    new_key(cannot_wait);
    assert_result(tn_local_set(key, &mine), 0);
    assert_result(pthread_create(&thread, NULL, thread_with_values, &a), 0);
    assert_result(pthread_join(thread, NULL), 0);
    assert_int_equal(n_destroyed, 2);
    assert_ptr_equal(tn_local_get(key), &mine);
    assert_result(tn_local_free(key), 0);
    assert_int_equal(n_destroyed, 3);
}

/* ---- trees ---- */

static int tree_grandchild(void *arg)
{
    assert_ptr_equal(tn_tree_get(key), arg);
    assert_result(tn_tree_set(key, (char *)arg + 1), 0);
    return 0;
}

static int tree_child(void *arg)
{
    assert_result(join(spawn(tree_grandchild, arg)), 0);
    assert_ptr_equal(tn_tree_get(key), (char *)arg + 1);
    return 0;
}

static int tree_root(void *arg)
{
    tn_greenlet *g = spawn(tree_child, arg);

    assert_null(tn_tree_get(key));
    assert_result(tn_tree_set(key, arg), 0);
    assert_result(join(g), 0);
    assert_ptr_equal(tn_tree_get(key), (char *)arg + 1);
    return 0;
}

/* S32 */
static void a_tree_of_spawns_shares_its_values(void)
{
    char a[2];

    new_key(count);
    assert_result(join(spawn(tree_root, a)), 0);
    assert_int_equal(n_destroyed, 1);
    assert_result(tn_local_free(key), 0);
}

/* S32 */
static void each_spawn_of_main_begins_a_tree_and_main_has_none(void)
{
    char a[2], b[2];
    tn_greenlet *g, *g2;

    new_key(NULL);
    assert_null(tn_tree_get(key));
    assert_result(tn_tree_set(key, a), -EINVAL);
    g = spawn(tree_root, a);
    g2 = spawn(tree_root, b);
    assert_result(join(g), 0);
    assert_result(join(g2), 0);
    assert_null(tn_tree_get(key));
    assert_result(tn_local_free(key), 0);
}

static int outlive(void *arg)
{
    assert_result(tn_yield(), 0);
    assert_result(tn_yield(), 0);
    assert_int_equal(n_destroyed, 0);
    assert_ptr_equal(tn_tree_get(key), arg);
    return 0;
}

static int leave_child_behind(void *arg)
{
    assert_result(tn_tree_set(key, arg), 0);
    spawn_detached(outlive, arg);
    return 0;
}

static void the_values_of_a_tree_go_with_the_last_of_it(void)
{
    int a;
    tn_greenlet *g;

    new_key(cannot_wait);
    g = spawn(leave_child_behind, &a);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_int_equal(n_destroyed, 1);
    assert_result(join(g), 0);
    assert_result(tn_local_free(key), 0);
}

static int leave_unrun_child(void *arg)
{
    tn_greenlet **child = arg;

    assert_result(tn_tree_set(key, arg), 0);
    return tn_greenlet_new(NULL, last_of_it, NULL, child);
}

static void one_killed_before_it_ran_leaves_its_tree(void)
{
    tn_greenlet *child;

    new_key(count);
    assert_result(join(spawn(leave_unrun_child, &child)), 0);
    assert_int_equal(n_destroyed, 0);
    tn_unref(child);
    assert_int_equal(n_destroyed, 1);
    assert_result(tn_local_free(key), 0);
}

static void freeing_a_key_empties_trees_too(void)
{
    tn_greenlet *child;

    new_key(count);
    assert_result(join(spawn(leave_unrun_child, &child)), 0);
    assert_result(tn_local_free(key), 0);
    assert_int_equal(n_destroyed, 1);
    tn_unref(child);
    assert_int_equal(n_destroyed, 1);
}

/* ---- contexts and spawners ---- */

static int see_context(void *arg)
{
    assert_ptr_equal(tn_context(), arg);
    return 0;
}

static int change_context(void *arg)
{
    int own;

    assert_ptr_equal(tn_context(), arg);
    assert_result(tn_set_context(&own), 0);
    assert_result(join(spawn(see_context, &own)), 0);
    assert_result(tn_set_context(NULL), 0);
    return join(spawn(see_context, NULL));
}

static void a_context_is_inherited_at_the_spawn_and_then_each_ones_own(void)
{
    int a, b;
    tn_greenlet *g;

    assert_null(tn_context());
    assert_result(tn_set_context(&a), 0);
    g = spawn(change_context, &a);
    assert_result(tn_set_context(&b), 0);
    assert_result(join(g), 0);
    assert_ptr_equal(tn_context(), &b);
}

static int see_spawner(void *arg)
{
    assert_int_equal(tn_greenlet_spawner(tn_self()), *(uint64_t *)arg);
    return 0;
}

static int spawn_one_that_sees(void *arg)
{
    uint64_t id = tn_greenlet_id(tn_self());

    assert_int_equal(tn_greenlet_spawner(tn_self()), 1);
    (void)arg;
    return join(spawn(see_spawner, &id));
}

static void a_greenlet_knows_who_made_it(void)
{
    assert_int_equal(tn_greenlet_spawner(tn_self()), 0);
    assert_result(join(spawn(spawn_one_that_sees, NULL)), 0);
}

TEST_MAIN(TEST(each_greenlet_has_its_own_value),
          TEST(values_go_with_their_greenlet_though_it_is_referenced),
          TEST(values_go_with_their_key_though_the_greenlet_lives),
          TEST(a_key_that_was_freed_is_refused_and_its_values_are_nobodys),
          TEST(there_is_a_most_of_keys),
          TEST(a_destructor_may_wait_and_joiners_wait_for_it),
          TEST(a_destructor_after_a_kill_waits_behind_a_shield),
          TEST(what_destructors_set_is_destroyed_in_four_rounds_at_most),
          TEST(one_killed_before_it_ran_has_nothing_to_destroy),
          TEST(the_values_of_main_go_with_its_hub),
          TEST(the_values_of_a_thread_go_with_it),
          TEST(a_tree_of_spawns_shares_its_values),
          TEST(each_spawn_of_main_begins_a_tree_and_main_has_none),
          TEST(the_values_of_a_tree_go_with_the_last_of_it),
          TEST(one_killed_before_it_ran_leaves_its_tree),
          TEST(freeing_a_key_empties_trees_too),
          TEST(a_context_is_inherited_at_the_spawn_and_then_each_ones_own),
          TEST(a_greenlet_knows_who_made_it))
