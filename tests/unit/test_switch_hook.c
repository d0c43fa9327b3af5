/* SPDX-License-Identifier: MIT */
/* tests/unit/test_switch_hook.c - who hears of switches (S9, S11), and asking
 * while a thread ends (S13). */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "support/green.h"

/* Notes "main>a" for a switch, "main!a" for a throw. */
static void note_switch(tn_greenlet *origin, tn_greenlet *target, int is_throw,
                        void *arg)
{
    char from[40], to[40], text[90];

    (void)arg;
    tn_greenlet_name(origin, from, sizeof from);
    tn_greenlet_name(target, to, sizeof to);
    snprintf(text, sizeof text, "%s%s%s", from, is_throw ? "!" : ">", to);
    note(text);
}

static tn_greenlet *new_one(const char *name, tn_greenlet_fn fn, void *arg)
{
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    tn_greenlet *g;

    options.name = name;
    assert_result(tn_greenlet_new(&options, fn, arg, &g), 0);
    return g;
}

static int switch_back(void *arg)
{
    int r = tn_switch(arg, NULL, NULL);

    return r < 0 ? r : tn_switch(arg, NULL, NULL);
}

static void hook(tn_switch_fn fn, void *arg)
{
    assert_result(tn_set_switch_hook(fn, arg), 0);
}

/* S9 */
static void the_hook_hears_of_switches_throws_and_ends(void)
{
    tn_greenlet *a = new_one("a", switch_back, tn_self());

    hook(note_switch, NULL);
    assert_result(tn_switch(a, NULL, NULL), 0);
    assert_result(tn_switch(a, NULL, NULL), 0);
    assert_result(tn_throw(a, -EIO, NULL), -EIO);
    hook(NULL, NULL);
    assert_string_equal(notes(), "main>a a>main main>a a>main main!a a!main");
    assert_result(join(a), -EIO);
}

static int yield_once(void *arg)
{
    (void)arg;
    return tn_yield();
}

static void the_hook_hears_of_the_run_queue(void)
{
    tn_greenlet *a = new_one("a", yield_once, NULL);
    tn_greenlet *b = new_one("b", yield_once, NULL);

    test_not_seeded("the order is that of the queue");
    assert_result(tn_start(a), 0);
    assert_result(tn_start(b), 0);
    hook(note_switch, NULL);
    assert_result(join(a), 0);
    hook(NULL, NULL);
    assert_string_equal(notes(), "main>a a>b b>a a>b b>main");
    assert_result(join(b), 0);
}

static void the_hook_hears_of_the_hub(void)
{
    hook(note_switch, NULL);
    assert_result(tn_sleep(tn_after_us(1)), 0);
    hook(NULL, NULL);
    assert_string_equal(notes(), "main>hub hub>main");
}

static void count_hook(tn_greenlet *origin, tn_greenlet *target, int is_throw,
                       void *arg)
{
    (void)is_throw;
    assert_ptr_not_equal(origin, target);
    ++*(int *)arg;
}

static void a_hook_is_told_as_often_as_the_hub_counts(void)
{
    struct tn_hub_stats stats = {.size = sizeof stats};
    uint64_t before;
    int n = 0;

    assert_result(tn_hub_stats(&stats), 0);
    before = stats.switches;
    hook(count_hook, &n);
    for (int i = 0; i < 100; i++)
        spawn_detached(yield_once, NULL);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    for (int i = 0; i < 3000; i++) /* over the end of a tick */
        assert_result(tn_yield(), 0);
    hook(NULL, NULL);
    assert_result(tn_hub_stats(&stats), 0);
    assert_int_equal(stats.switches - before, n);
}

static void chain(tn_greenlet *origin, tn_greenlet *target, int is_throw,
                  void *arg)
{
    tn_switch_fn before = *(tn_switch_fn *)arg;

    before(origin, target, is_throw, NULL);
    note("too");
}

static void a_hook_can_call_the_one_before_it(void)
{
    tn_greenlet *a = new_one("a", yield_once, NULL);
    void *arg = &a;
    tn_switch_fn before;

    assert_null(tn_switch_hook(&arg));
    assert_ptr_equal(arg, &a); /* untouched */
    hook(note_switch, NULL);
    before = tn_switch_hook(&arg);
    assert_true(before == note_switch);
    assert_null(arg);
    hook(chain, &before);
    assert_result(tn_switch(a, NULL, NULL), 0);
    hook(NULL, NULL);
    assert_non_null(strstr(notes(), "main>a too"));
    assert_result(join(a), 0);
}

/* ---- what a hook does ---- */

static tn_greenlet *other;

static void try_to_switch(tn_greenlet *origin, tn_greenlet *target,
                          int is_throw, void *arg)
{
    (void)origin;
    (void)is_throw;
    errno = ENOTTY;
    ++*(int *)arg;
    assert_result(tn_yield(), -EDEADLK);
    assert_result(tn_sleep(tn_after_us(1)), -EDEADLK);
    assert_true(tn_switch(other, NULL, NULL) < 0);
    assert_true(tn_switch(target, NULL, NULL) < 0);
    assert_true(tn_throw(target, -EIO, NULL) < 0);
    assert_true(tn_switch(origin, NULL, NULL) < 0);
    assert_result(tn_hub_destroy(), -EBUSY);
}

/* S11, with two and with three */
static void a_hook_cannot_switch(void)
{
    tn_greenlet *a = new_one("a", switch_back, tn_self());
    int n = 0;

    other = new_one("other", yield_once, NULL);
    errno = EDOM;
    hook(try_to_switch, &n);
    assert_result(tn_switch(a, NULL, NULL), 0);
    assert_result(tn_switch(a, NULL, NULL), 0);
    assert_result(tn_yield(), 0);
    assert_result(tn_sleep(tn_after_us(1)), 0);
    assert_result(tn_throw(a, -EIO, NULL), -EIO);
    hook(NULL, NULL);
    assert_true(n >= 8);
    assert_int_equal(errno, EDOM);
    assert_result(tn_greenlet_state(other), TN_GREENLET_NEW);
    tn_unref(other);
    assert_result(join(a), -EIO);
}

static int end_at_once(void *arg)
{
    ++*(int *)arg;
    return 0;
}

static void spawn_one(tn_greenlet *origin, tn_greenlet *target, int is_throw,
                      void *arg)
{
    (void)origin;
    (void)target;
    (void)is_throw;
    if (*(int *)arg < 100)
        spawn_detached(end_at_once, arg);
}

/* Also in the place of one that has just ended, whose stack is still in use. */
static void a_hook_may_spawn(void)
{
    static int n;

    hook(spawn_one, &n);
    spawn_detached(end_at_once, &n);
    for (int i = 0; i < 500; i++)
        assert_result(tn_yield(), 0);
    hook(NULL, NULL);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_true(n >= 100);
}

static int result_of_yields(void *arg)
{
    int r = 0;

    for (int i = 0; i < 10 && r == 0; i++)
        r = tn_yield();
    (void)arg;
    return r;
}

static void kill_both(tn_greenlet *origin, tn_greenlet *target, int is_throw,
                      void *arg)
{
    (void)is_throw;
    (void)arg;
    tn_kill(origin, TN_NOWAIT); /* -EINVAL for main and the hub */
    tn_kill(target, TN_NOWAIT);
}

static void a_hook_may_kill_those_it_is_told_of(void)
{
    tn_greenlet *a = new_one("a", result_of_yields, NULL);
    tn_greenlet *b = new_one("b", switch_back, tn_self());
    tn_greenlet *c = new_one("c", result_of_yields, NULL);

    assert_result(tn_switch(b, NULL, NULL), 0);
    assert_result(tn_start(a), 0);
    assert_result(tn_yield(), 0);
    hook(kill_both, NULL);
    assert_result(tn_start(c), 0);
    assert_result(tn_switch(b, NULL, NULL), 0);
    settle();
    hook(NULL, NULL);
    assert_result(join(a), -ECANCELED);
    assert_result(join(b), -ECANCELED);
    assert_result(join(c), -ECANCELED);
}

static void drop_target(tn_greenlet *origin, tn_greenlet *target, int is_throw,
                        void *arg)
{
    tn_greenlet **g = arg;

    (void)origin;
    (void)is_throw;
    if (target == *g) {
        *g = NULL;
        tn_unref(target);
    }
}

static void a_hook_may_drop_the_target(void)
{
    tn_greenlet *a = new_one("a", result_of_yields, NULL);

    hook(drop_target, &a);
    assert_result(tn_switch(a, NULL, NULL), 0);
    hook(NULL, NULL);
    assert_null(a);
    assert_result(tn_hub_join(TN_FOREVER), 0);
}

static void remove_self(tn_greenlet *origin, tn_greenlet *target, int is_throw,
                        void *arg)
{
    (void)origin;
    (void)target;
    (void)is_throw;
    ++*(int *)arg;
    hook(NULL, NULL);
}

static void a_hook_may_remove_itself(void)
{
    tn_greenlet *a = new_one("a", switch_back, tn_self());
    int n = 0;

    hook(remove_self, &n);
    assert_result(tn_switch(a, NULL, NULL), 0);
    assert_result(tn_switch(a, NULL, NULL), 0);
    assert_int_equal(n, 1);
    hook(remove_self, &n);
    assert_result(tn_sleep(tn_after_us(1)), 0);
    assert_int_equal(n, 2);
    assert_result(tn_kill(a, TN_FOREVER), 0);
    assert_result(join(a), -ECANCELED);
}

/* ---- S13 ---- */

static pthread_key_t key;

/* POSIX has four rounds of destructors at least; what is made in the third is
 * let go in the fourth, when TSan is no longer there. */
enum { ROUNDS = TEST_TSAN ? 2 : 3 };

static void ask_while_it_ends(void *arg)
{
    int *n = arg;

    assert_non_null(tn_self());
    assert_result(tn_greenlet_state(tn_self()), TN_GREENLET_RUNNING);
    if (++*n < ROUNDS)
        assert_result(pthread_setspecific(key, arg), 0);
}

static int wait_for_ever(void *arg)
{
    (void)arg;
    return tn_sleep(TN_FOREVER);
}

static void *thread(void *arg)
{
    assert_result(pthread_setspecific(key, arg), 0);
    spawn_detached(wait_for_ever, NULL);
    settle();
    return NULL;
}

static void asking_who_runs_is_safe_while_a_thread_ends(void)
{
    pthread_t t;
    int n = 0;

    assert_result(pthread_key_create(&key, ask_while_it_ends), 0);
    assert_result(pthread_create(&t, NULL, thread, &n), 0);
    assert_result(pthread_join(t, NULL), 0);
    assert_int_equal(n, ROUNDS);
}

TEST_MAIN(TEST(the_hook_hears_of_switches_throws_and_ends),
          TEST(the_hook_hears_of_the_run_queue),
          TEST(the_hook_hears_of_the_hub),
          TEST(a_hook_is_told_as_often_as_the_hub_counts),
          TEST(a_hook_can_call_the_one_before_it),
          TEST(a_hook_cannot_switch), TEST(a_hook_may_spawn),
          TEST(a_hook_may_kill_those_it_is_told_of),
          TEST(a_hook_may_drop_the_target),
          TEST(a_hook_may_remove_itself),
          TEST(asking_who_runs_is_safe_while_a_thread_ends))
