/* SPDX-License-Identifier: MIT */
/* tests/unit/test_mutex.c - mutexes (S65, S68, S70), and what becomes of one
 * whose owner ends. */
#include "support/green.h"

static tn_mutex *mutex;

static void open_mutex(int flags)
{
    notes_clear();
    assert_result(tn_mutex_new(flags, &mutex), 0);
}

static int lock_and_unlock(void *arg)
{
    int r = tn_mutex_lock(mutex, TN_FOREVER);

    if (r < 0)
        return r;
    if (arg)
        note(arg);
    return tn_mutex_unlock(mutex);
}

static int try_lock(void *arg)
{
    (void)arg;
    return tn_mutex_lock(mutex, TN_NOWAIT);
}

static int lock_briefly(void *arg)
{
    (void)arg;
    return tn_mutex_lock(mutex, tn_after_ms(1));
}

static int unlock(void *arg)
{
    (void)arg;
    return tn_mutex_unlock(mutex);
}

/* S68 */
static void only_the_owner_unlocks_it(void)
{
    open_mutex(0);
    assert_result(tn_mutex_unlock(mutex), -EPERM);
    assert_result(tn_mutex_is_locked(mutex), 0);
    assert_result(tn_mutex_lock(mutex, TN_FOREVER), 0);
    assert_result(tn_mutex_is_locked(mutex), 1);
    assert_result(tn_mutex_is_mine(mutex), 1);
    assert_result(join(spawn(unlock, NULL)), -EPERM);
    assert_result(join(spawn(try_lock, NULL)), -EAGAIN);
    assert_result(join(spawn(lock_briefly, NULL)), -ETIME);
    assert_result(tn_mutex_unlock(mutex), 0);
    assert_result(tn_mutex_is_mine(mutex), 0);
    assert_result(join(spawn(lock_and_unlock, NULL)), 0);
    tn_mutex_free(mutex);
}

static void its_owner_cannot_lock_it_again(void)
{
    open_mutex(0);
    assert_result(tn_mutex_lock(mutex, TN_FOREVER), 0);
    assert_result(tn_mutex_lock(mutex, TN_FOREVER), -EDEADLK);
    assert_result(tn_mutex_lock(mutex, TN_NOWAIT), -EDEADLK);
    assert_result(tn_mutex_unlock(mutex), 0);
    tn_mutex_free(mutex);
}

/* S68 */
static void a_recursive_one_is_unlocked_as_often_as_locked(void)
{
    open_mutex(TN_MUTEX_RECURSIVE);
    for (int i = 0; i < 3; i++)
        assert_result(tn_mutex_lock(mutex, TN_FOREVER), 0);
    for (int i = 0; i < 3; i++) {
        assert_result(join(spawn(try_lock, NULL)), -EAGAIN);
        assert_result(tn_mutex_unlock(mutex), 0);
    }
    assert_result(tn_mutex_unlock(mutex), -EPERM);
    assert_result(join(spawn(lock_and_unlock, NULL)), 0);
    tn_mutex_free(mutex);
}

/* S65 */
static void it_is_handed_over_in_order_and_nobody_barges_in(void)
{
    tn_greenlet *a, *b, *c;

    open_mutex(0);
    assert_result(tn_mutex_lock(mutex, TN_FOREVER), 0);
    a = spawn(lock_and_unlock, (void *)"a");
    settle();
    b = spawn(lock_and_unlock, (void *)"b");
    settle();
    c = spawn(lock_and_unlock, (void *)"c");
    settle();
    assert_result(tn_kill(b, TN_FOREVER), 0);
    assert_result(tn_mutex_unlock(mutex), 0);
    assert_result(tn_mutex_lock(mutex, TN_NOWAIT), -EAGAIN);
    assert_result(tn_mutex_lock(mutex, TN_FOREVER), 0);
    assert_string_equal(notes(), "a c");
    assert_result(tn_mutex_unlock(mutex), 0);
    assert_result(join(a), 0);
    assert_result(join(b), -ECANCELED);
    assert_result(join(c), 0);
    tn_mutex_free(mutex);
}

static void one_that_is_killed_with_the_lock_in_hand_has_it(void)
{
    tn_greenlet *g;

    open_mutex(0);
    assert_result(tn_mutex_lock(mutex, TN_FOREVER), 0);
    g = spawn(lock_and_unlock, (void *)"mine");
    settle();
    assert_result(tn_mutex_unlock(mutex), 0);
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    assert_result(join(g), 0);
    assert_string_equal(notes(), "mine");
    assert_result(tn_mutex_is_locked(mutex), 0);
    tn_mutex_free(mutex);
}

static int own_until_tried(void *arg)
{
    const long *n = arg;

    assert_result(tn_mutex_lock(mutex, TN_FOREVER), 0);
    while (*n < 10)
        assert_result(tn_yield(), 0);
    return tn_mutex_unlock(mutex);
}

/* S70 */
static void a_loop_that_tries_does_not_hang_the_owner(void)
{
    tn_greenlet *g;
    long n = 0;

    open_mutex(0);
    g = spawn(own_until_tried, &n);
    while (!tn_mutex_is_locked(mutex))
        assert_result(tn_yield(), 0);
    while (tn_mutex_lock(mutex, TN_NOWAIT) == -EAGAIN)
        n++;
    assert_true(n >= 10);
    assert_result(tn_mutex_unlock(mutex), 0);
    assert_result(join(g), 0);
    tn_mutex_free(mutex);
}

/* ---- owners that end ---- */

static int lock_and_end(void *arg)
{
    int r = tn_mutex_lock(mutex, TN_FOREVER);

    return arg && r == 0 ? tn_sleep(TN_FOREVER) : r;
}

static void a_lock_whose_owner_ended_is_broken_until_repaired(void)
{
    open_mutex(0);
    assert_result(tn_mutex_repair(mutex), -EINVAL);
    assert_result(join(spawn(lock_and_end, NULL)), 0);
    for (int i = 0; i < 3; i++)
        assert_result(tn_mutex_lock(mutex, TN_FOREVER), -EOWNERDEAD);
    assert_result(tn_mutex_is_mine(mutex), 0);
    assert_result(tn_mutex_unlock(mutex), -EPERM);
    assert_result(tn_mutex_repair(mutex), 0);
    assert_result(tn_mutex_lock(mutex, TN_FOREVER), 0);
    assert_result(tn_mutex_unlock(mutex), 0);
    assert_result(join(spawn(lock_and_end, NULL)), 0);
    assert_result(tn_mutex_repair(mutex), 0); /* before anybody noticed */
    assert_result(join(spawn(lock_and_unlock, NULL)), 0);
    tn_mutex_free(mutex);
}

static void those_who_wait_hear_of_the_owners_end(void)
{
    tn_greenlet *owner, *a, *b;

    open_mutex(0);
    owner = spawn(lock_and_end, mutex);
    settle();
    a = spawn(lock_and_unlock, NULL);
    b = spawn(lock_and_unlock, NULL);
    settle();
    assert_result(tn_kill(owner, TN_FOREVER), 0);
    assert_result(join(a), -EOWNERDEAD);
    assert_result(join(b), -EOWNERDEAD);
    assert_result(join(owner), -ECANCELED);
    tn_mutex_free(mutex);
}

static void those_who_wait_hear_of_a_later_owners_end(void)
{
    tn_greenlet *a, *b;

    open_mutex(0);
    assert_result(tn_mutex_lock(mutex, TN_FOREVER), 0);
    a = spawn(lock_and_end, NULL);
    settle();
    b = spawn(lock_and_unlock, NULL);
    settle();
    assert_result(tn_mutex_unlock(mutex), 0);
    assert_result(join(b), -EOWNERDEAD);
    assert_result(join(a), 0);
    assert_result(tn_mutex_repair(mutex), 0);
    tn_mutex_free(mutex);
}

/* The next greenlet has the block, and is not taken for the owner. */
static void the_next_on_the_same_stack_is_not_the_owner(void)
{
    open_mutex(0);
    for (int i = 0; i < 3; i++) {
        assert_result(join(spawn(lock_and_end, NULL)), 0);
        assert_result(join(spawn(unlock, NULL)), -EPERM);
        assert_result(join(spawn(lock_and_unlock, NULL)), -EOWNERDEAD);
        assert_result(tn_mutex_repair(mutex), 0);
    }
    tn_mutex_free(mutex);
}

static int fail_with_it(void *arg)
{
    (void)arg;
    assert_result(tn_mutex_lock(mutex, TN_FOREVER), 0);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    return -EIO;
}

static void a_broken_lock_does_not_hide_a_failure(void)
{
    static struct heard heard;
    tn_greenlet *g;

    hear_errors(&heard);
    open_mutex(0);
    spawn_detached(fail_with_it, NULL);
    settle();
    g = spawn(lock_and_unlock, NULL);
    assert_result(join(g), -EOWNERDEAD);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_result(heard.n, 1);
    assert_result(heard.error, -EIO);
    tn_mutex_free(mutex);
}

static void wrong_arguments_are_refused(void)
{
    assert_result(tn_mutex_new(0, NULL), -EINVAL);
    assert_result(tn_mutex_new(2, &mutex), -EINVAL);
    assert_result(tn_mutex_lock(NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_mutex_unlock(NULL), -EINVAL);
    assert_result(tn_mutex_repair(NULL), -EINVAL);
    assert_result(tn_mutex_is_locked(NULL), 0);
    assert_result(tn_mutex_is_mine(NULL), 0);
    tn_mutex_free(NULL);
}

TEST_MAIN(TEST(only_the_owner_unlocks_it), TEST(its_owner_cannot_lock_it_again),
          TEST(a_recursive_one_is_unlocked_as_often_as_locked),
          TEST(it_is_handed_over_in_order_and_nobody_barges_in),
          TEST(one_that_is_killed_with_the_lock_in_hand_has_it),
          TEST(a_loop_that_tries_does_not_hang_the_owner),
          TEST(a_lock_whose_owner_ended_is_broken_until_repaired),
          TEST(those_who_wait_hear_of_the_owners_end),
          TEST(those_who_wait_hear_of_a_later_owners_end),
          TEST(the_next_on_the_same_stack_is_not_the_owner),
          TEST(a_broken_lock_does_not_hide_a_failure),
          TEST(wrong_arguments_are_refused))
