/* SPDX-License-Identifier: MIT */
/* tests/unit/test_faults_group.c - the n-th allocation and the n-th system call
 * fail, for every n, in many greenlets at once: groups, pools, streams of
 * results, scopes, trees, locals, late starts (see support/faults.h). */
#include "support/faults.h"

#define GREENLET_DOES_WITHOUT "mmap process_madvise madvise"

enum { N = 24 }; /* more than the cache of stacks has */

static int sleep_a_little(void *arg)
{
    (void)arg;
    return tn_sleep(tn_after_us(100));
}

/* ---- groups and pools ---- */

static int group_works(tn_group *group)
{
    int r = 0;

    for (int i = 0; i < N && r == 0; i++)
        r = tn_group_spawn(group, sleep_a_little, NULL, NULL, TN_FOREVER);
    if (r == 0)
        r = tn_group_join(group, TN_JOIN_RAISE, TN_FOREVER);
    if (r < 0)
        assert_result(tn_group_kill(group, TN_FOREVER), 0);
    assert_int_equal(tn_group_count(group), 0);
    return r;
}

static int group_lives(void)
{
    tn_group *group;
    int r = tn_group_new(&group);

    if (r < 0)
        return r;
    r = group_works(group);
    tn_group_free(group);
    return r;
}

static void a_group(void)
{
    faults_each(group_lives, GREENLET_DOES_WITHOUT);
}

static int pool_lives(void)
{
    tn_pool *pool;
    int r = tn_pool_new(3, &pool);

    if (r < 0)
        return r;
    r = group_works(pool);
    assert_int_equal(tn_pool_free_count(pool), 3);
    tn_group_free(pool);
    return r;
}

static void a_pool(void)
{
    faults_each(pool_lives, GREENLET_DOES_WITHOUT);
}

static int members_are_added(tn_pool *pool)
{
    tn_greenlet *g;
    int r = tn_greenlet_new(NULL, sleep_a_little, NULL, &g);

    if (r < 0)
        return r;
    r = tn_group_add(pool, g, TN_FOREVER);
    if (r == 0)
        r = tn_start(g);
    if (r == 0)
        r = tn_group_join(pool, 0, TN_FOREVER);
    if (r < 0)
        tn_kill(g, TN_FOREVER);
    tn_unref(g);
    return r;
}

static int pool_is_joined_by_others(void)
{
    tn_pool *pool;
    int r = tn_pool_new(1, &pool);

    if (r < 0)
        return r;
    r = members_are_added(pool);
    assert_int_equal(tn_pool_free_count(pool), 1);
    tn_group_free(pool);
    return r;
}

static void a_member_of_another_kind(void)
{
    faults_each(pool_is_joined_by_others, GREENLET_DOES_WITHOUT);
}

/* ---- work spread over one ---- */

static int add_one(void *arg)
{
    int *n = arg, r = tn_yield();

    *n += r == 0;
    return r;
}

static int map_in(tn_pool *pool)
{
    tn_item items[N];
    int n[N] = {0}, r;

    for (int i = 0; i < N; i++)
        items[i] = (tn_item){.arg = &n[i]};
    r = tn_group_map(pool, add_one, items, N, TN_FOREVER);
    for (int i = 0; i < N && r == 0; i++)
        r = items[i].result;
    assert_int_equal(tn_group_count(pool), 0);
    return r;
}

static int map_is_made(void)
{
    tn_pool *pool;
    int r = tn_pool_new(4, &pool), result;

    if (r < 0)
        return r;
    r = tn_group_apply(pool, sleep_a_little, NULL, &result, TN_FOREVER);
    if (r == 0)
        r = result;
    if (r == 0)
        r = map_in(pool);
    tn_group_free(pool);
    return r;
}

static void a_map(void)
{
    faults_each(map_is_made, GREENLET_DOES_WITHOUT);
}

struct numbers {
    int n[N], next;
};

static int next_number(void **ret_arg, void *arg)
{
    struct numbers *numbers = arg;

    if (numbers->next == N)
        return 0;
    *ret_arg = &numbers->n[numbers->next++];
    return 1;
}

static int read_all(tn_imap *imap)
{
    tn_item item;
    int r, first = 0;

    while ((r = tn_imap_next(imap, &item, TN_FOREVER)) > 0)
        if (item.result < 0 && !first)
            first = item.result;
    return r < 0 ? r : first;
}

static int stream_in(tn_pool *pool, int is_unordered)
{
    struct numbers numbers = {.next = 0};
    struct tn_imap_options options = TN_IMAP_OPTIONS;
    tn_imap *imap;
    int r;

    options.fn = add_one;
    options.source = next_number;
    options.source_arg = &numbers;
    options.is_unordered = is_unordered;
    r = tn_imap_new(pool, &options, &imap);
    if (r < 0)
        return r;
    r = read_all(imap);
    tn_imap_free(imap);
    assert_int_equal(tn_group_count(pool), 0);
    return r;
}

static int streams_live(void)
{
    tn_pool *pool;
    int r = tn_pool_new(4, &pool);

    if (r < 0)
        return r;
    r = stream_in(pool, 0);
    if (r == 0)
        r = stream_in(pool, 1);
    tn_group_free(pool);
    return r;
}

static void streams_of_results(void)
{
    faults_each(streams_live, GREENLET_DOES_WITHOUT);
}

/* After a wait that could not be made. */
static void join_firmly(tn_greenlet *g)
{
    tn_kill(g, TN_NOWAIT);
    join(g);
}

/* ---- scopes, and trees of greenlets ---- */

static int child(void *arg)
{
    tn_local *key = arg;
    int r = tn_tree_get(*key) ? tn_yield() : -ESRCH;

    return r < 0 ? r : tn_local_set(*key, arg);
}

static int parent(void *arg)
{
    tn_scope scope;
    int r = 0, ended;

    tn_scope_begin(&scope);
    for (int i = 0; i < 4 && r == 0; i++)
        r = tn_scope_spawn(&scope, child, arg, NULL);
    if (r < 0)
        tn_scope_cancel(&scope, r);
    ended = tn_scope_end(&scope, TN_FOREVER);
    return r < 0 ? r : ended;
}

static int root(void *arg)
{
    tn_local *key = arg;
    tn_scope scope;
    int r = tn_tree_set(*key, key), ended;

    if (r < 0)
        return r;
    tn_scope_begin(&scope);
    for (int i = 0; i < 6 && r == 0; i++)
        r = tn_scope_spawn(&scope, parent, key, NULL);
    if (r < 0)
        tn_scope_cancel(&scope, r);
    ended = tn_scope_end(&scope, TN_FOREVER);
    return r < 0 ? r : ended;
}

static int tree_of_scopes_lives(void)
{
    tn_greenlet *g;
    tn_local key;
    int r = tn_local_new(NULL, &key), joined, result = 0;

    if (r < 0)
        return r;
    r = tn_spawn(root, &key, &g);
    if (r == 0) {
        joined = tn_join(g, &result, TN_FOREVER);
        if (joined < 0)
            join_firmly(g);
        r = joined < 0 ? joined : result;
    }
    assert_result(tn_local_free(key), 0);
    return r;
}

static void a_tree_of_scopes(void)
{
    faults_each(tree_of_scopes_lives, GREENLET_DOES_WITHOUT);
}

/* ---- locals ---- */

enum { KEYS = 40 };
static int n_destroyed;

static void count_destroyed(void *value)
{
    (void)value;
    n_destroyed++;
}

static int set_all(void *arg)
{
    tn_local *keys = arg;
    int n = 0, r = 0;

    n_destroyed = 0;
    for (; n < KEYS && r == 0; n += r == 0)
        r = tn_local_set(keys[n], keys);
    for (int i = 0; i < KEYS; i++)
        assert_ptr_equal(tn_local_get(keys[i]), i < n ? keys : NULL);
    return r < 0 ? r : n;
}

static int locals_live(void)
{
    tn_local keys[KEYS];
    tn_greenlet *g;
    int n = 0, r = 0, result = 0;

    for (; n < KEYS && r == 0; n += r == 0)
        r = tn_local_new(count_destroyed, &keys[n]);
    if (r == 0)
        r = tn_spawn(set_all, keys, &g);
    if (r == 0) {
        r = tn_join(g, &result, TN_FOREVER);
        if (r < 0)
            tn_unref(g);
        else if (result >= 0)
            assert_int_equal(n_destroyed, result);
    }
    while (n--)
        assert_result(tn_local_free(keys[n]), 0);
    return r < 0 ? r : result < 0 ? result : 0;
}

static void locals(void)
{
    faults_each(locals_live, GREENLET_DOES_WITHOUT);
}

/* ---- late starts, names, ends ---- */

static int late_ones_start(void)
{
    tn_greenlet *g[N];
    int n = 0, r = 0, ended;

    for (; n < N && r == 0; n += r == 0)
        r = tn_spawn_later(tn_after_us(50), sleep_a_little, NULL, &g[n]);
    if (r == 0)
        r = tn_greenlet_set_name(g[0], "a name that is long enough for a heap");
    if (r == 0)
        r = tn_joinall(g, (size_t)n, 0, TN_JOIN_RAISE, TN_FOREVER);
    ended = tn_killall(g, (size_t)n, TN_FOREVER);
    while (n--)
        tn_unref(g[n]);
    return r < 0 ? r : ended;
}

static void late_starts(void)
{
    faults_each(late_ones_start, GREENLET_DOES_WITHOUT);
}

static int answer(void *arg)
{
    void *value;

    return tn_switch(tn_greenlet_parent(tn_self()), arg, &value);
}

static int values_are_switched(void)
{
    tn_greenlet *g;
    void *value;
    int r = tn_greenlet_new(NULL, answer, &value, &g);

    if (r < 0)
        return r;
    r = tn_switch(g, NULL, &value);
    if (!tn_greenlet_is_done(g)) {
        int thrown = tn_throw(g, -ECANCELED, &value);

        if (r == 0 && thrown < 0 && thrown != -ECANCELED)
            r = thrown;
    }
    tn_unref(g);
    return r;
}

static void switches_by_hand(void)
{
    faults_each(values_are_switched, GREENLET_DOES_WITHOUT);
}

TEST_MAIN(TEST(a_group), TEST(a_pool), TEST(a_member_of_another_kind),
          TEST(a_map), TEST(streams_of_results), TEST(a_tree_of_scopes),
          TEST(locals), TEST(late_starts), TEST(switches_by_hand))
