/* SPDX-License-Identifier: MIT */
/* tests/unit/test_semaphore.c - semaphores (S55, S64..S67, S72). */
#include <pthread.h>

#include "support/green.h"

static tn_semaphore *sem;

static void open_semaphore(size_t count, size_t max)
{
    notes_clear();
    assert_result(tn_semaphore_new(count, max, &sem), 0);
}

static int acquire(void *arg)
{
    int r = tn_semaphore_acquire(sem, TN_FOREVER);

    if (r == 0 && arg)
        note(arg);
    return r;
}

static int acquire_briefly(void *arg)
{
    (void)arg;
    return tn_semaphore_acquire(sem, tn_after_ms(1));
}

static int release(void *arg)
{
    (void)arg;
    return tn_semaphore_release(sem);
}

/* S64 */
static void acquire_gives_up_and_another_may_release(void)
{
    open_semaphore(1, 0);
    assert_result(tn_semaphore_acquire(sem, TN_NOWAIT), 0);
    assert_result(tn_semaphore_count(sem), 0);
    assert_result(tn_semaphore_acquire(sem, TN_NOWAIT), -EAGAIN);
    assert_result(tn_semaphore_acquire(sem, tn_after_ms(1)), -ETIME);
    spawn_detached(release, NULL);
    assert_result(tn_semaphore_acquire(sem, TN_FOREVER), 0);
    tn_semaphore_free(sem);
}

/* S65 */
static void waiters_are_served_in_order_and_nobody_barges_in(void)
{
    tn_greenlet *a, *b;

    open_semaphore(0, 0);
    a = spawn(acquire, (void *)"a");
    settle();
    b = spawn(acquire, (void *)"b");
    settle();
    assert_result(tn_semaphore_release(sem), 0);
    /* It is a's already. */
    assert_result(tn_semaphore_acquire(sem, TN_NOWAIT), -EAGAIN);
    settle();
    assert_result(tn_semaphore_release(sem), 0);
    assert_result(tn_semaphore_acquire(sem, TN_NOWAIT), -EAGAIN);
    assert_result(tn_semaphore_count(sem), 0);
    assert_result(join(a), 0);
    assert_result(join(b), 0);
    assert_string_equal(notes(), "a b");
    tn_semaphore_free(sem);
}

static bool is_third_done;

static int play(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100 && !is_third_done; i++) {
        assert_result(tn_semaphore_acquire(sem, TN_FOREVER), 0);
        assert_result(tn_yield(), 0);
        assert_result(tn_semaphore_release(sem), 0);
    }
    return is_third_done;
}

static int come_third(void *arg)
{
    int r = acquire(arg);

    is_third_done = true;
    assert_result(tn_semaphore_release(sem), 0);
    return r;
}

/* S65 */
static void two_that_pass_it_on_do_not_starve_a_third(void)
{
    tn_greenlet *a, *b, *c;

    is_third_done = false;
    open_semaphore(1, 0);
    a = spawn(play, NULL);
    b = spawn(play, NULL);
    c = spawn(come_third, NULL);
    assert_result(join(a), 1);
    assert_result(join(b), 1);
    assert_result(join(c), 0);
    tn_semaphore_free(sem);
}

/* S55 */
static void one_that_left_is_given_nothing(void)
{
    tn_greenlet *late, *killed, *last;

    open_semaphore(0, 1);
    late = spawn(acquire_briefly, NULL);
    killed = spawn(acquire, NULL);
    last = spawn(acquire, NULL);
    assert_result(join(late), -ETIME);
    assert_result(tn_kill(killed, TN_FOREVER), 0);
    assert_result(tn_semaphore_release(sem), 0);
    assert_result(join(killed), -ECANCELED);
    assert_result(join(last), 0);
    assert_result(tn_semaphore_count(sem), 0);
    tn_semaphore_free(sem);
}

static void one_that_is_killed_with_the_unit_in_hand_keeps_it(void)
{
    tn_greenlet *g;

    open_semaphore(0, 0);
    g = spawn(acquire, (void *)"mine");
    settle();
    assert_result(tn_semaphore_release(sem), 0);
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    assert_result(join(g), 0);
    assert_string_equal(notes(), "mine");
    tn_semaphore_free(sem);
}

static void on_hub(tn_waitable *w, void *arg)
{
    (void)w;
    note(arg);
}

/* S66 */
static void links_are_called_when_a_unit_is_free(void)
{
    tn_link a = {0}, b = {0}, c = {0};
    tn_waitable *w;

    open_semaphore(1, 0);
    w = tn_semaphore_waitable(sem);
    assert_result(tn_waitable_link(w, &a, on_hub, (void *)"free"), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_string_equal(notes(), "free");
    assert_result(tn_semaphore_acquire(sem, TN_NOWAIT), 0);
    assert_result(tn_waitable_link(w, &b, on_hub, (void *)"b"), 0);
    assert_result(tn_waitable_link(w, &c, on_hub, (void *)"c"), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_string_equal(notes(), "free");
    assert_result(tn_semaphore_release(sem), 0);
    assert_result(tn_semaphore_release(sem), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_string_equal(notes(), "free b c");
    assert_result(tn_semaphore_count(sem), 2);
    tn_semaphore_free(sem);
}

static void waiting_for_a_unit_does_not_take_it(void)
{
    tn_waitable *w;

    open_semaphore(0, 0);
    w = tn_semaphore_waitable(sem);
    assert_result(tn_wait_any(&w, 1, NULL, TN_NOWAIT), -EAGAIN);
    spawn_detached(release, NULL);
    assert_result(tn_wait_any(&w, 1, NULL, TN_FOREVER), 0);
    assert_result(tn_semaphore_count(sem), 1);
    tn_semaphore_free(sem);
}

/* S67 */
static void a_bound_holds_and_leaves_the_count(void)
{
    open_semaphore(1, 2);
    assert_result(tn_semaphore_release(sem), 0);
    assert_result(tn_semaphore_release(sem), -EOVERFLOW);
    assert_result(tn_semaphore_release_n(sem, 1), -EOVERFLOW);
    assert_result(tn_semaphore_count(sem), 2);
    assert_result(tn_semaphore_acquire(sem, TN_NOWAIT), 0);
    assert_result(tn_semaphore_release_n(sem, 2), -EOVERFLOW);
    assert_result(tn_semaphore_count(sem), 1);
    tn_semaphore_free(sem);

    open_semaphore(0, 0);
    assert_result(tn_semaphore_release_n(sem, 5), 0);
    assert_result(tn_semaphore_count(sem), 5);
    assert_result(tn_semaphore_release_n(sem, SIZE_MAX - 5), 0);
    assert_result(tn_semaphore_release(sem), -EOVERFLOW);
    tn_semaphore_free(sem);
}

static void several_units_go_to_those_who_wait_first(void)
{
    tn_greenlet *a, *b;

    open_semaphore(0, 1);
    a = spawn(acquire, NULL);
    b = spawn(acquire, NULL);
    settle();
    assert_result(tn_semaphore_release_n(sem, 4), -EOVERFLOW);
    assert_result(tn_semaphore_release_n(sem, 3), 0);
    assert_result(join(a), 0);
    assert_result(join(b), 0);
    assert_result(tn_semaphore_count(sem), 1);
    tn_semaphore_free(sem);
}

static void release_in_the_hub(tn_greenlet *g, void *arg)
{
    (void)g;
    (void)arg;
    assert_result(tn_semaphore_acquire(sem, TN_NOWAIT), -EAGAIN);
    assert_result(tn_semaphore_acquire(sem, TN_FOREVER), -EDEADLK);
    assert_result(tn_semaphore_release(sem), 0);
}

static int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

static void the_hub_may_release(void)
{
    tn_greenlet *g = spawn(end_at_once, NULL);
    tn_link link = {0};

    open_semaphore(0, 0);
    assert_result(tn_greenlet_link(g, &link, release_in_the_hub, NULL), 0);
    assert_result(tn_semaphore_acquire(sem, TN_FOREVER), 0);
    assert_result(join(g), 0);
    tn_semaphore_free(sem);
}

/* S71: not across threads. */
static void *use_from_another_thread(void *arg)
{
    assert_result(tn_semaphore_acquire(arg, TN_NOWAIT), -EXDEV);
    assert_result(tn_semaphore_release(arg), -EXDEV);
    assert_result(tn_semaphore_release_n(arg, 1), -EXDEV);
    return NULL;
}

static void calls_from_another_thread_are_refused(void)
{
    pthread_t thread;

    open_semaphore(1, 0);
    assert_result(pthread_create(&thread, NULL, use_from_another_thread, sem),
                  0);
    pthread_join(thread, NULL);
    assert_result(tn_semaphore_count(sem), 1);
    tn_semaphore_free(sem);
}

static void use_in_child(void)
{
    tn_semaphore *own;

    assert_result(tn_semaphore_acquire(sem, TN_NOWAIT), -EXDEV);
    assert_result(tn_semaphore_release(sem), -EXDEV);
    tn_semaphore_free(sem);
    assert_result(tn_semaphore_new(1, 0, &own), 0);
    assert_result(tn_semaphore_acquire(own, TN_FOREVER), 0);
    tn_semaphore_free(own);
}

/* S72 */
static void a_child_has_a_fresh_hub_and_locks_of_its_own(void)
{
    tn_greenlet *g;

    open_semaphore(0, 0);
    g = spawn(acquire, NULL);
    settle();
    run_in_child(use_in_child);
    assert_result(tn_semaphore_release(sem), 0);
    assert_result(join(g), 0);
    tn_semaphore_free(sem);
}

static void wrong_arguments_are_refused(void)
{
    assert_result(tn_semaphore_new(0, 0, NULL), -EINVAL);
    assert_result(tn_semaphore_new(2, 1, &sem), -EINVAL);
    assert_result(tn_semaphore_acquire(NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_semaphore_release(NULL), -EINVAL);
    assert_result(tn_semaphore_release_n(NULL, 1), -EINVAL);
    assert_result(tn_semaphore_count(NULL), 0);
    assert_null(tn_semaphore_waitable(NULL));
    tn_semaphore_free(NULL);
}

TEST_MAIN(TEST(acquire_gives_up_and_another_may_release),
          TEST(waiters_are_served_in_order_and_nobody_barges_in),
          TEST(two_that_pass_it_on_do_not_starve_a_third),
          TEST(one_that_left_is_given_nothing),
          TEST(one_that_is_killed_with_the_unit_in_hand_keeps_it),
          TEST(links_are_called_when_a_unit_is_free),
          TEST(waiting_for_a_unit_does_not_take_it),
          TEST(a_bound_holds_and_leaves_the_count),
          TEST(several_units_go_to_those_who_wait_first),
          TEST(the_hub_may_release),
          TEST(calls_from_another_thread_are_refused),
          TEST(a_child_has_a_fresh_hub_and_locks_of_its_own),
          TEST(wrong_arguments_are_refused))
