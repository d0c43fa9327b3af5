/* SPDX-License-Identifier: MIT */
/* tests/unit/test_rwlock.c - readers-writer locks. */
#include "support/green.h"

static tn_rwlock *lock;
static int n_readers, n_readers_max, n_writers;

static int read_it(void *arg)
{
    int r = tn_rwlock_rdlock(lock, TN_FOREVER);

    if (r < 0)
        return r;
    assert_result(n_writers, 0);
    if (++n_readers > n_readers_max)
        n_readers_max = n_readers;
    note(arg);
    assert_result(tn_yield(), 0);
    n_readers--;
    return tn_rwlock_unlock(lock);
}

static int write_it(void *arg)
{
    int r = tn_rwlock_wrlock(lock, TN_FOREVER);

    if (r < 0)
        return r;
    assert_result(n_readers, 0);
    assert_result(n_writers++, 0);
    note(arg);
    assert_result(tn_yield(), 0);
    n_writers--;
    return tn_rwlock_unlock(lock);
}

static int unlock(void *arg)
{
    (void)arg;
    return tn_rwlock_unlock(lock);
}

static void readers_share_and_writers_do_not(void)
{
    assert_result(tn_rwlock_new(&lock), 0);
    assert_result(tn_rwlock_rdlock(lock, TN_NOWAIT), 0);
    assert_result(tn_rwlock_rdlock(lock, TN_NOWAIT), 0);
    assert_result(tn_rwlock_wrlock(lock, TN_NOWAIT), -EAGAIN);
    assert_result(tn_rwlock_wrlock(lock, tn_after_ms(1)), -ETIME);
    assert_result(tn_rwlock_unlock(lock), 0);
    assert_result(join(spawn(unlock, NULL)), 0); /* any may */
    assert_result(tn_rwlock_unlock(lock), -EPERM);
    assert_result(tn_rwlock_wrlock(lock, TN_NOWAIT), 0);
    assert_result(tn_rwlock_wrlock(lock, TN_FOREVER), -EDEADLK);
    assert_result(tn_rwlock_rdlock(lock, TN_FOREVER), -EDEADLK);
    assert_result(join(spawn(unlock, NULL)), -EPERM);
    assert_result(tn_rwlock_unlock(lock), 0);
    assert_result(tn_rwlock_unlock(lock), -EPERM);
    tn_rwlock_free(lock);
}

static void nobody_overtakes(void)
{
    static const char *const who[] = {"r1", "r2", "w3", "r4", "r5", "w6", "w7"};
    tn_greenlet *g[7];

    test_not_seeded("it is about who runs first");
    assert_result(tn_rwlock_new(&lock), 0);
    assert_result(tn_rwlock_wrlock(lock, TN_NOWAIT), 0);
    for (int i = 0; i < 7; i++) {
        g[i] = spawn(who[i][0] == 'r' ? read_it : write_it,
                     (void *)(uintptr_t)who[i]);
        settle();
    }
    assert_result(tn_rwlock_unlock(lock), 0);
    for (int i = 0; i < 7; i++)
        assert_result(join(g[i]), 0);
    assert_string_equal(notes(), "r1 r2 w3 r4 r5 w6 w7");
    assert_result(n_readers_max, 2);
    tn_rwlock_free(lock);
}

static void a_reader_waits_behind_a_writer_that_waits(void)
{
    tn_greenlet *w;

    notes_clear();
    assert_result(tn_rwlock_new(&lock), 0);
    assert_result(tn_rwlock_rdlock(lock, TN_NOWAIT), 0);
    w = spawn(write_it, (void *)"w");
    settle();
    assert_result(tn_rwlock_rdlock(lock, TN_NOWAIT), -EAGAIN);
    assert_result(tn_rwlock_unlock(lock), 0);
    assert_result(join(w), 0);
    tn_rwlock_free(lock);
}

static void a_writer_that_leaves_lets_the_readers_behind_it_in(void)
{
    tn_greenlet *w, *r[2];

    notes_clear();
    assert_result(tn_rwlock_new(&lock), 0);
    assert_result(tn_rwlock_rdlock(lock, TN_NOWAIT), 0);
    w = spawn(write_it, (void *)"w");
    settle();
    r[0] = spawn(read_it, (void *)"r");
    r[1] = spawn(read_it, (void *)"r");
    settle();
    assert_string_equal(notes(), "");
    assert_result(tn_kill(w, TN_FOREVER), 0);
    assert_result(join(w), -ECANCELED);
    assert_result(join(r[0]), 0);
    assert_result(join(r[1]), 0);
    assert_result(tn_rwlock_unlock(lock), 0);
    tn_rwlock_free(lock);
}

static void wrong_arguments_are_refused(void)
{
    assert_result(tn_rwlock_new(NULL), -EINVAL);
    assert_result(tn_rwlock_rdlock(NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_rwlock_wrlock(NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_rwlock_unlock(NULL), -EINVAL);
    tn_rwlock_free(NULL);
}

TEST_MAIN(TEST(readers_share_and_writers_do_not), TEST(nobody_overtakes),
          TEST(a_reader_waits_behind_a_writer_that_waits),
          TEST(a_writer_that_leaves_lets_the_readers_behind_it_in),
          TEST(wrong_arguments_are_refused))
