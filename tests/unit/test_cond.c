/* SPDX-License-Identifier: MIT */
/* tests/unit/test_cond.c - conditions (S69). */
#include "support/green.h"
#include "support/virtual.h"

static tn_mutex *mutex;
static tn_cond *cond;
static int n_woken;
static bool is_noted; /* who is woken says so while it has the lock */

static void open_cond(int flags)
{
    notes_clear();
    n_woken = 0;
    is_noted = false;
    assert_result(tn_mutex_new(flags, &mutex), 0);
    assert_result(tn_cond_new(mutex, &cond), 0);
}

static void close_cond(void)
{
    tn_cond_free(cond);
    tn_mutex_free(mutex);
}

static int lock_and_end(void *arg)
{
    (void)arg;
    return tn_mutex_lock(mutex, TN_FOREVER);
}

/* Wait with the mutex, check that it is back, and unlock it. */
static int wait_until(tn_time deadline)
{
    int r;

    assert_result(tn_mutex_lock(mutex, TN_FOREVER), 0);
    r = tn_cond_wait(cond, deadline);
    assert_result(tn_mutex_is_mine(mutex), r != -EOWNERDEAD);
    n_woken += r == 0;
    if (r == 0 && is_noted)
        note("signalled");
    if (r != -EOWNERDEAD)
        assert_result(tn_mutex_unlock(mutex), 0);
    return r;
}

static int wait_for_it(void *arg)
{
    int r = wait_until(TN_FOREVER);

    if (arg && r == 0)
        note(arg);
    return r;
}

static int wait_briefly(void *arg)
{
    (void)arg;
    return wait_until(tn_after_ms(1));
}

static void lock(void)
{
    assert_result(tn_mutex_lock(mutex, TN_FOREVER), 0);
}

static void unlock(void)
{
    assert_result(tn_mutex_unlock(mutex), 0);
}

static void signal_n(size_t n)
{
    lock();
    assert_result(tn_cond_signal_n(cond, n), 0);
    unlock();
}

/* S69 */
static void without_the_lock_it_is_refused(void)
{
    open_cond(0);
    assert_result(tn_cond_wait(cond, TN_FOREVER), -EPERM);
    assert_result(tn_cond_wait(cond, TN_NOWAIT), -EPERM);
    assert_result(tn_cond_signal(cond), -EPERM);
    assert_result(tn_cond_signal_n(cond, 2), -EPERM);
    assert_result(tn_cond_broadcast(cond), -EPERM);
    close_cond();
}

/* S69 */
static void a_signal_to_n_wakes_n_in_order(void)
{
    tn_greenlet *g[5];
    static const char *const names[] = {"a", "b", "c", "d", "e"};

    open_cond(0);
    for (int i = 0; i < 5; i++) {
        g[i] = spawn(wait_for_it, (void *)(uintptr_t)names[i]);
        settle();
    }
    signal_n(0);
    settle();
    assert_string_equal(notes(), "");
    lock();
    assert_result(tn_cond_signal(cond), 0);
    unlock();
    settle();
    assert_string_equal(notes(), "a");
    signal_n(2);
    settle();
    assert_string_equal(notes(), "a b c");
    lock();
    assert_result(tn_cond_broadcast(cond), 0);
    unlock();
    for (int i = 0; i < 5; i++)
        assert_result(join(g[i]), 0);
    assert_string_equal(notes(), "a b c d e");
    signal_n(1); /* nobody is there, and it is not kept */
    assert_result(wait_until(tn_after_ms(1)), -ETIME);
    close_cond();
}

/* S69 */
static void a_wait_that_ran_out_holds_the_lock(void)
{
    open_cond(0);
    assert_result(wait_until(tn_after_ms(1)), -ETIME);
    assert_result(wait_until(TN_NOWAIT), -EAGAIN);
    close_cond();
}

static void a_killed_one_waits_for_the_lock_and_stays_killed(void)
{
    tn_greenlet *g;

    open_cond(0);
    g = spawn(wait_for_it, NULL);
    settle();
    lock();
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    settle();
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    unlock();
    assert_result(join(g), -ECANCELED);
    close_cond();
}

static int wait_twice(void *arg)
{
    (void)arg;
    assert_result(wait_until(TN_FOREVER), 0);
    return tn_yield();
}

static void one_that_was_signalled_and_killed_was_signalled(void)
{
    tn_greenlet *g;

    open_cond(0);
    g = spawn(wait_twice, NULL);
    settle();
    lock();
    assert_result(tn_cond_signal(cond), 0);
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    settle();
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    unlock();
    assert_result(join(g), -ECANCELED); /* the next call says so */
    assert_result(n_woken, 1);
    close_cond();
}

static int lock_and_note(void *arg)
{
    lock();
    note(arg);
    unlock();
    return 0;
}

static void one_that_was_signalled_keeps_its_place_when_killed(void)
{
    tn_greenlet *g, *behind;

    open_cond(0);
    is_noted = true;
    g = spawn(wait_for_it, NULL);
    settle();
    lock();
    assert_result(tn_cond_signal(cond), 0);
    behind = spawn(lock_and_note, (void *)"behind");
    settle();
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    settle();
    unlock();
    assert_result(join(behind), 0);
    assert_result(join(g), 0);
    assert_string_equal(notes(), "signalled behind");
    close_cond();
}

static int lock_for_ever(void *arg)
{
    (void)arg;
    lock();
    return tn_sleep(TN_FOREVER);
}

static void what_nothing_can_wake_ends_with_or_without_the_lock(void)
{
    tn_greenlet *g;

    open_cond(0);
    lock();
    assert_result(tn_cond_wait(cond, TN_FOREVER), -EDEADLK);
    assert_result(tn_mutex_is_mine(mutex), 1);
    g = spawn(lock_for_ever, NULL);
    settle();
    assert_result(tn_cond_wait(cond, TN_FOREVER), -EDEADLK);
    assert_result(tn_mutex_is_mine(mutex), 0);
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(join(g), -ECANCELED);
    assert_result(tn_mutex_repair(mutex), 0);
    close_cond();
}

static int hold(void *arg)
{
    lock();
    assert_result(tn_cond_signal(cond), 0);
    assert_result(tn_sleep(tn_after_ms(20)), 0);
    unlock();
    (void)arg;
    return 0;
}

static int wait_five(void *arg)
{
    (void)arg;
    return wait_until(tn_after_ms(5));
}

static void a_deadline_after_the_signal_takes_nothing_back(void)
{
    tn_greenlet *g, *holder;

    open_cond(0);
    g = spawn(wait_five, NULL);
    settle();
    holder = spawn(hold, NULL);
    assert_result(join(g), 0);
    assert_result(join(holder), 0);
    close_cond();
}

static void a_signal_goes_to_one_that_still_waits(void)
{
    tn_greenlet *killed, *late, *last;

    open_cond(0);
    killed = spawn(wait_for_it, NULL);
    late = spawn(wait_briefly, NULL);
    last = spawn(wait_for_it, NULL);
    settle();
    assert_result(tn_kill(killed, TN_FOREVER), 0);
    assert_result(join(late), -ETIME);
    signal_n(1);
    assert_result(join(last), 0);
    assert_result(join(killed), -ECANCELED);
    close_cond();
}

static int wait_locked_twice(void *arg)
{
    int r;

    (void)arg;
    lock();
    lock();
    r = tn_cond_wait(cond, TN_FOREVER);
    unlock();
    assert_result(tn_mutex_is_mine(mutex), 1);
    unlock();
    assert_result(tn_mutex_is_mine(mutex), 0);
    return r;
}

static void a_recursive_lock_comes_back_as_deep_as_it_was(void)
{
    tn_greenlet *g;

    open_cond(TN_MUTEX_RECURSIVE);
    g = spawn(wait_locked_twice, NULL);
    settle();
    signal_n(1);
    assert_result(join(g), 0);
    close_cond();
}

static int signal_and_end(void *arg)
{
    (void)arg;
    lock();
    return tn_cond_signal(cond);
}

static void a_lock_that_broke_is_not_held_afterwards(void)
{
    tn_greenlet *a, *b;

    open_cond(0);
    a = spawn(wait_for_it, NULL);
    settle();
    b = spawn(wait_briefly, NULL);
    settle();
    assert_result(join(spawn(signal_and_end, NULL)), 0);
    assert_result(join(a), -EOWNERDEAD);
    assert_result(join(b), -EOWNERDEAD);
    close_cond();
}

/* Nobody waited for the lock when its owner ended, so nobody was told. */
static void a_lock_whose_owner_has_gone_is_not_waited_for(void)
{
    open_cond(0);
    spawn_detached(lock_and_end, NULL);
    assert_result(wait_until(tn_after_ms(5)), -EOWNERDEAD);
    assert_result(tn_mutex_repair(mutex), 0);
    close_cond();
}

static int wait_in_scope(void *arg)
{
    tn_timeout t;
    int r;

    (void)arg;
    tn_timeout_begin(&t, tn_after_ms(1));
    r = wait_until(TN_FOREVER);
    assert_result(r == -ETIME, t.fired);
    tn_timeout_end(&t);
    return r;
}

static void a_scope_that_expires_is_told_after_the_lock_is_back(void)
{
    tn_greenlet *g;

    open_cond(0);
    g = spawn(wait_in_scope, NULL);
    settle();
    lock();
    assert_result(tn_sleep(tn_after_ms(5)), 0);
    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    unlock();
    assert_result(join(g), -ETIME);
    close_cond();
}

static void wrong_arguments_are_refused(void)
{
    open_cond(0);
    assert_result(tn_cond_new(NULL, &cond), -EINVAL);
    assert_result(tn_cond_new(mutex, NULL), -EINVAL);
    assert_result(tn_cond_wait(NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_cond_signal(NULL), -EINVAL);
    assert_result(tn_cond_broadcast(NULL), -EINVAL);
    tn_cond_free(NULL);
    close_cond();
}

TEST_MAIN(TEST(without_the_lock_it_is_refused),
          TEST(a_signal_to_n_wakes_n_in_order),
          TEST(a_wait_that_ran_out_holds_the_lock),
          TEST(a_killed_one_waits_for_the_lock_and_stays_killed),
          TEST(one_that_was_signalled_and_killed_was_signalled),
          TEST(one_that_was_signalled_keeps_its_place_when_killed),
          TEST(what_nothing_can_wake_ends_with_or_without_the_lock),
          TEST(a_deadline_after_the_signal_takes_nothing_back),
          TEST(a_signal_goes_to_one_that_still_waits),
          TEST(a_recursive_lock_comes_back_as_deep_as_it_was),
          TEST(a_lock_that_broke_is_not_held_afterwards),
          TEST(a_lock_whose_owner_has_gone_is_not_waited_for),
          TEST(a_scope_that_expires_is_told_after_the_lock_is_back),
          TEST(wrong_arguments_are_refused))
