/* SPDX-License-Identifier: MIT */
/* tests/unit/test_group.c - greenlets in arrays and in groups (S19, S26, S80e,
 * S80f). */
#include "support/green.h"

#include <pthread.h>

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

/* Ignore kills for the time of a few turns. */
static int swallow_kill(void *arg)
{
    tn_shield shield;

    (void)arg;
    tn_shield_begin(&shield, TN_FOREVER);
    assert_result(tn_sleep(tn_after_ms(5)), 0);
    tn_shield_end(&shield);
    return 0;
}

/* Sleep and end with `result`: one that sleeps less ends before one that sleeps
 * longer, whoever is scheduled first. */
struct sleeper {
    int ms; /* below 0: until it is killed */
    int result;
};

static int sleep_and_end(void *arg)
{
    struct sleeper *t = arg;
    int r = tn_sleep(t->ms < 0 ? TN_FOREVER : tn_after_ms(t->ms));

    return r < 0 ? r : t->result;
}

static void unref_all(tn_greenlet **gs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tn_unref(gs[i]);
}

/* ---- joinall ---- */

static void joinall_waits_for_all(void)
{
    enum { N = 100 };
    struct sleeper t[N];
    tn_greenlet *gs[N];

    for (int i = 0; i < N; i++) {
        t[i] = (struct sleeper){i % 7, i};
        gs[i] = spawn(sleep_and_end, &t[i]);
    }
    assert_result(tn_joinall(gs, N, 0, 0, TN_NOWAIT), -EAGAIN);
    assert_result(tn_joinall(gs, N, 0, 0, TN_FOREVER), N);
    for (int i = 0; i < N; i++)
        assert_result(tn_greenlet_result(gs[i]), i);
    assert_result(tn_joinall(gs, N, 0, 0, TN_NOWAIT), N);
    assert_result(tn_joinall(NULL, 0, 0, 0, TN_NOWAIT), 0);
    unref_all(gs, N);
}

/* S26 */
static void joinall_returns_when_enough_have_ended(void)
{
    struct sleeper slow = {-1, 0}, quick = {1, 0};
    tn_greenlet *gs[2] = {spawn(sleep_and_end, &slow),
                          spawn(sleep_and_end, &quick)};

    assert_result(tn_joinall(gs, 2, 1, 0, TN_FOREVER), 1);
    assert_false(tn_greenlet_is_done(gs[0]));
    assert_true(tn_greenlet_is_done(gs[1]));
    assert_result(tn_killall(gs, 2, TN_FOREVER), 0);
    unref_all(gs, 2);
    settle();
}

/* S26 */
static void joinall_raises_the_earliest_failure_and_not_the_first_listed(void)
{
    struct sleeper t[4] = {{-1, 0}, {4, -EIO}, {2, -ENOENT}, {1, -ECANCELED}};
    tn_greenlet *gs[4];

    for (int i = 0; i < 4; i++)
        gs[i] = spawn(sleep_and_end, &t[i]);
    assert_result(tn_joinall(gs, 4, 0, TN_JOIN_RAISE, TN_FOREVER), -ENOENT);
    assert_false(tn_greenlet_is_done(gs[0]));
    assert_result(tn_killall(gs, 4, TN_FOREVER), 0);
    assert_result(tn_joinall(gs, 4, 0, 0, TN_FOREVER), 4);
    unref_all(gs, 4);
    settle();
}

static void joinall_gives_up_and_leaves_no_link(void)
{
    tn_greenlet *gs[20];
    tn_greenlet *self = tn_self();

    for (int i = 0; i < 20; i++)
        gs[i] = spawn(sleep_forever, NULL);
    assert_result(tn_joinall(gs, 20, 0, 0, tn_after_ms(1)), -ETIME);
    assert_result(tn_joinall(gs, 3, 0, 0, tn_after_ms(1)), -ETIME);
    assert_result(tn_joinall(gs, 3, 4, 0, TN_FOREVER), -EINVAL);
    assert_result(tn_joinall(&self, 1, 0, 0, TN_FOREVER), -EINVAL);
    assert_result(tn_killall(gs, 20, TN_FOREVER), 0);
    unref_all(gs, 20);
}

static int joinall_arg(void *arg)
{
    return tn_joinall(arg, 2, 0, 0, TN_FOREVER);
}

static void a_kill_ends_joinall(void)
{
    tn_greenlet *gs[2] = {spawn(sleep_forever, NULL),
                          spawn(sleep_forever, NULL)};
    tn_greenlet *g = spawn(joinall_arg, gs);

    settle();
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(join(g), -ECANCELED);
    assert_result(tn_killall(gs, 2, TN_FOREVER), 0);
    unref_all(gs, 2);
}

/* ---- killall ---- */

/* S19 */
static void killall_never_waits_for_unstarted_ones(void)
{
    tn_greenlet *gs[3];

    assert_result(tn_greenlet_new(NULL, never_runs, NULL, &gs[0]), 0);
    gs[1] = spawn(never_runs, NULL);
    assert_result(tn_spawn_later(tn_after_ms(1), never_runs, NULL, &gs[2]), 0);
    assert_result(tn_killall(gs, 3, TN_NOWAIT), 0);
    for (int i = 0; i < 3; i++)
        assert_result(join(gs[i]), -ECANCELED);
    settle();
}

/* S19 */
static void killall_gives_up_on_those_that_go_on(void)
{
    tn_greenlet *gs[2] = {spawn(sleep_forever, NULL),
                          spawn(swallow_kill, NULL)};

    settle();
    assert_result(tn_killall(gs, 2, TN_NOWAIT), -EAGAIN);
    assert_result(tn_killall(gs, 2, tn_after_ms(1)), -ETIME);
    assert_true(tn_greenlet_is_done(gs[0]));
    assert_false(tn_greenlet_is_done(gs[1]));
    assert_result(tn_killall(gs, 2, TN_FOREVER), 0);
    unref_all(gs, 2);
}

static int kill_all_and_itself(void *arg)
{
    tn_greenlet **gs = arg;

    assert_result(tn_killall(gs, 2, TN_FOREVER), -ECANCELED);
    return tn_yield();
}

static void killall_of_itself_too_is_pending(void)
{
    tn_greenlet *gs[2];
    tn_greenlet *main_g = tn_self();

    gs[0] = spawn(sleep_forever, NULL);
    settle();
    gs[1] = spawn(kill_all_and_itself, gs);
    assert_result(tn_joinall(gs, 2, 0, 0, TN_FOREVER), 2);
    assert_result(tn_greenlet_result(gs[1]), -ECANCELED);
    assert_result(tn_killall(&main_g, 1, TN_FOREVER), -EINVAL);
    unref_all(gs, 2);
}

/* ---- groups ---- */

static tn_group *new_group(void)
{
    tn_group *group;

    assert_result(tn_group_new(&group), 0);
    return group;
}

static void a_group_tracks_its_members_until_they_end(void)
{
    tn_group *group = new_group();
    struct sleeper t = {1, 0};
    tn_greenlet *g;

    assert_result(tn_group_spawn(group, sleep_and_end, &t, &g, TN_NOWAIT), 0);
    assert_result(tn_group_spawn(group, end_at_once, NULL, NULL, TN_NOWAIT), 0);
    assert_int_equal(tn_group_count(group), 2);
    assert_true(tn_group_contains(group, g));
    assert_false(tn_group_contains(group, tn_self()));
    assert_result(tn_group_join(group, 0, TN_NOWAIT), -EAGAIN);
    assert_result(tn_group_join(group, 0, TN_FOREVER), 0);
    assert_int_equal(tn_group_count(group), 0);
    assert_false(tn_group_contains(group, g));
    tn_unref(g);
    tn_group_free(group);
    tn_group_free(NULL);
}

/* S80e */
static void join_of_an_empty_group_returns_at_once(void)
{
    tn_group *group = new_group();

    assert_result(tn_group_join(group, 0, TN_NOWAIT), 0);
    assert_result(tn_group_spawn(group, sleep_forever, NULL, NULL, TN_NOWAIT),
                  0);
    assert_result(tn_group_join(group, 0, tn_after_ms(1)), -ETIME);
    assert_result(tn_group_kill(group, TN_FOREVER), 0);
    assert_result(tn_group_join(group, 0, TN_NOWAIT), 0);
    tn_group_free(group);
}

static int join_group(void *arg)
{
    return tn_group_join(arg, 0, TN_FOREVER);
}

static void join_returns_when_it_was_empty_once(void)
{
    tn_group *group = new_group();
    tn_greenlet *member, *joiner;

    assert_result(
        tn_group_spawn(group, sleep_forever, NULL, &member, TN_NOWAIT), 0);
    joiner = spawn(join_group, group);
    settle();
    assert_result(tn_kill(member, TN_FOREVER), 0);
    /* The joiner has not run since; a new member does not bind it. */
    assert_result(tn_group_spawn(group, sleep_forever, NULL, NULL, TN_NOWAIT),
                  0);
    assert_result(join(joiner), 0);
    assert_int_equal(tn_group_count(group), 1);
    tn_unref(member);
    assert_result(tn_group_kill(group, TN_FOREVER), 0);
    tn_group_free(group);
    settle();
}

static void join_raises_the_first_failure_of_those_present(void)
{
    tn_group *group = new_group();
    struct sleeper t[3] = {{3, -EIO}, {2, -ENOENT}, {5, 0}};
    struct heard heard;

    hear_errors(&heard);
    for (int i = 0; i < 3; i++)
        assert_result(
            tn_group_spawn(group, sleep_and_end, &t[i], NULL, TN_NOWAIT), 0);
    assert_result(tn_group_join(group, TN_JOIN_RAISE, TN_FOREVER), -ENOENT);
    assert_result(tn_group_join(group, TN_JOIN_RAISE, TN_FOREVER), 0);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    /* Nobody had a reference. */
    assert_int_equal(heard.n, 2);
    tn_group_free(group);
    assert_result(tn_hub_set_error_hook(NULL, NULL), 0);
}

static int add_one_that_fails(void *arg)
{
    static struct sleeper fails = {1, -EIO};

    return tn_group_spawn(arg, sleep_and_end, &fails, NULL, TN_NOWAIT);
}

static void join_raises_no_failure_of_those_who_came_later(void)
{
    tn_group *group = new_group();
    struct sleeper first = {3, 0};

    assert_result(
        tn_group_spawn(group, sleep_and_end, &first, NULL, TN_NOWAIT), 0);
    spawn_detached(add_one_that_fails, group);
    assert_result(tn_group_join(group, TN_JOIN_RAISE, TN_FOREVER), 0);
    assert_int_equal(tn_group_count(group), 0);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    tn_group_free(group);
}

static void add_and_discard(void)
{
    tn_group *group = new_group(), *other = new_group();
    tn_greenlet *g = spawn(sleep_forever, NULL);

    assert_result(tn_group_add(group, g, TN_NOWAIT), 0);
    assert_result(tn_group_add(group, g, TN_NOWAIT), 0);
    assert_result(tn_group_add(other, g, TN_NOWAIT), 0);
    assert_int_equal(tn_group_count(group), 1);
    assert_int_equal(tn_group_count(other), 1);
    assert_result(tn_group_discard(group, g), 0);
    assert_result(tn_group_discard(group, g), -ENOENT);
    assert_result(tn_group_join(group, 0, TN_NOWAIT), 0);
    assert_int_equal(tn_group_count(other), 1);
    settle();
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_int_equal(tn_group_count(other), 0);
    assert_result(tn_group_add(group, g, TN_NOWAIT), 0);
    assert_int_equal(tn_group_count(group), 0);
    assert_result(tn_group_add(group, tn_self(), TN_NOWAIT), -EINVAL);
    tn_unref(g);
    tn_group_free(group);
    tn_group_free(other);
}

static void a_member_that_never_started_ends_with_its_last_reference(void)
{
    tn_group *group = new_group();
    tn_greenlet *g;

    assert_result(tn_greenlet_new(NULL, never_runs, NULL, &g), 0);
    assert_result(tn_group_add(group, g, TN_NOWAIT), 0);
    tn_unref(g);
    assert_int_equal(tn_group_count(group), 0);
    tn_group_free(group);
}

static void members_outlive_their_group(void)
{
    tn_group *group = new_group();
    struct sleeper t = {3, 7};
    tn_greenlet *g;

    assert_result(tn_group_spawn(group, sleep_and_end, &t, &g, TN_NOWAIT), 0);
    tn_group_free(group);
    assert_result(join(g), 7);
}

/* ---- kill ---- */

static int n_kills;

/* Count kills that arrive from outside a shield. */
static int count_kills(void *arg)
{
    tn_shield shield;
    int r = tn_sleep(TN_FOREVER);

    (void)arg;
    n_kills += r == -ECANCELED;
    tn_shield_begin(&shield, TN_FOREVER);
    assert_result(tn_sleep(tn_after_ms(3)), 0);
    tn_shield_end(&shield);
    return r;
}

/* S80f */
static void killing_a_group_twice_kills_each_once(void)
{
    tn_group *group = new_group();

    n_kills = 0;
    for (int i = 0; i < 3; i++)
        assert_result(tn_group_spawn(group, count_kills, NULL, NULL, TN_NOWAIT),
                      0);
    settle();
    assert_result(tn_group_kill(group, TN_NOWAIT), -EAGAIN);
    /* Nobody has run yet. */
    assert_int_equal(tn_group_count(group), 3);
    assert_int_equal(n_kills, 0);
    assert_result(tn_group_kill(group, TN_NOWAIT), -EAGAIN);
    settle();
    assert_int_equal(n_kills, 3);
    assert_result(tn_group_kill(group, tn_after_ms(1)), -ETIME);
    assert_result(tn_group_kill(group, TN_FOREVER), 0);
    assert_int_equal(n_kills, 3);
    tn_group_free(group);
}

static void kill_of_unstarted_members_does_not_wait(void)
{
    tn_group *group = new_group();

    for (int i = 0; i < 3; i++)
        assert_result(tn_group_spawn(group, never_runs, NULL, NULL, TN_NOWAIT),
                      0);
    assert_result(tn_group_kill(group, TN_NOWAIT), 0);
    assert_int_equal(tn_group_count(group), 0);
    settle();
    tn_group_free(group);
}

static int spawn_another_when_killed(void *arg)
{
    int r = tn_sleep(TN_FOREVER);

    assert_result(r, -ECANCELED);
    /* The spawn is refused while the kill is pending, unless it is hidden. */
    {
        tn_shield shield;

        tn_shield_begin(&shield, TN_FOREVER);
        assert_result(
            tn_group_spawn(arg, sleep_forever, NULL, NULL, TN_FOREVER), 0);
        tn_shield_end(&shield);
    }
    return r;
}

static void kill_catches_those_that_become_members_meanwhile(void)
{
    tn_group *group = new_group();

    assert_result(tn_group_spawn(group, spawn_another_when_killed, group, NULL,
                                 TN_NOWAIT),
                  0);
    settle();
    assert_result(tn_group_kill(group, TN_FOREVER), 0);
    assert_int_equal(tn_group_count(group), 0);
    settle();
    tn_group_free(group);
}

static int wait_for_own_group(void *arg)
{
    assert_result(tn_group_join(arg, 0, TN_FOREVER), -EDEADLK);
    assert_result(tn_group_kill(arg, TN_FOREVER), -ECANCELED);
    return 0;
}

static void a_member_cannot_wait_for_its_own_group(void)
{
    tn_group *group = new_group();

    assert_result(
        tn_group_spawn(group, wait_for_own_group, group, NULL, TN_NOWAIT), 0);
    assert_result(tn_group_join(group, 0, TN_FOREVER), 0);
    tn_group_free(group);
}

/* ---- others ---- */

static void note_ready(tn_waitable *w, void *arg)
{
    (void)w;
    ++*(int *)arg;
}

static void a_group_is_waitable_and_ready_while_it_is_empty(void)
{
    tn_group *group = new_group();
    tn_link link;
    int n = 0;

    assert_true(tn_waitable_is_ready(tn_group_waitable(group)));
    assert_result(tn_group_spawn(group, sleep_forever, NULL, NULL, TN_NOWAIT),
                  0);
    assert_false(tn_waitable_is_ready(tn_group_waitable(group)));
    assert_result(
        tn_waitable_link(tn_group_waitable(group), &link, note_ready, &n), 0);
    settle();
    assert_int_equal(n, 0);
    assert_result(tn_group_kill(group, TN_FOREVER), 0);
    /* Links are called by the hub. */
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    assert_int_equal(n, 1);
    tn_group_free(group);
}

static void *use_elsewhere(void *arg)
{
    tn_group *group = arg;

    tn_self();
    assert_result(tn_group_spawn(group, never_runs, NULL, NULL, TN_NOWAIT),
                  -EXDEV);
    assert_result(tn_group_join(group, 0, TN_FOREVER), -EXDEV);
    assert_result(tn_group_kill(group, TN_FOREVER), -EXDEV);
    assert_result(tn_pool_wait_available(group, TN_FOREVER), -EXDEV);
    assert_result(tn_group_discard(group, tn_self()), -EXDEV);
    return NULL;
}

static void a_group_of_another_thread_is_refused(void)
{
    tn_group *group = new_group();
    pthread_t thread;

    assert_result(pthread_create(&thread, NULL, use_elsewhere, group), 0);
    assert_result(pthread_join(thread, NULL), 0);
    tn_group_free(group);
}

TEST_MAIN(TEST(joinall_waits_for_all),
          TEST(joinall_returns_when_enough_have_ended),
          TEST(joinall_raises_the_earliest_failure_and_not_the_first_listed),
          TEST(joinall_gives_up_and_leaves_no_link), TEST(a_kill_ends_joinall),
          TEST(killall_never_waits_for_unstarted_ones),
          TEST(killall_gives_up_on_those_that_go_on),
          TEST(killall_of_itself_too_is_pending),
          TEST(a_group_tracks_its_members_until_they_end),
          TEST(join_of_an_empty_group_returns_at_once),
          TEST(join_returns_when_it_was_empty_once),
          TEST(join_raises_the_first_failure_of_those_present),
          TEST(join_raises_no_failure_of_those_who_came_later),
          TEST(add_and_discard),
          TEST(a_member_that_never_started_ends_with_its_last_reference),
          TEST(members_outlive_their_group),
          TEST(killing_a_group_twice_kills_each_once),
          TEST(kill_of_unstarted_members_does_not_wait),
          TEST(kill_catches_those_that_become_members_meanwhile),
          TEST(a_member_cannot_wait_for_its_own_group),
          TEST(a_group_is_waitable_and_ready_while_it_is_empty),
          TEST(a_group_of_another_thread_is_refused))
