/* SPDX-License-Identifier: MIT */
/* tests/unit/test_barrier.c - barriers (S69). */
#include "support/green.h"

enum { N = 4 };
static tn_barrier *barrier;

static int wait_at_it(void *arg)
{
    (void)arg;
    return tn_barrier_wait(barrier, TN_FOREVER);
}

static int wait_briefly(void *arg)
{
    (void)arg;
    return tn_barrier_wait(barrier, tn_after_ms(1));
}

static void spawn_waiters(tn_greenlet **g, int n)
{
    for (int i = 0; i < n; i++)
        g[i] = spawn(wait_at_it, NULL);
    settle();
}

static void open_barrier(void)
{
    assert_result(tn_barrier_new(N, &barrier), 0);
}

static void all_go_on_when_the_last_has_come(void)
{
    tn_greenlet *g[N - 1];

    open_barrier();
    for (int round = 0; round < 3; round++) {
        int seen = 0;

        spawn_waiters(g, N - 2);
        assert_result(tn_barrier_waiting(barrier), N - 2);
        assert_result(tn_barrier_wait(barrier, TN_NOWAIT), -EAGAIN);
        assert_result(tn_barrier_waiting(barrier), N - 2);
        g[N - 2] = spawn(wait_at_it, NULL);
        settle();
        assert_result(tn_barrier_wait(barrier, TN_NOWAIT), N - 1);
        assert_result(tn_barrier_waiting(barrier), 0);
        for (int i = 0; i < N - 1; i++)
            seen |= 1 << join(g[i]);
        assert_result(seen, (1 << (N - 1)) - 1);
    }
    tn_barrier_free(barrier);
}

static void one_alone_never_waits(void)
{
    assert_result(tn_barrier_new(1, &barrier), 0);
    assert_result(tn_barrier_wait(barrier, TN_FOREVER), 0);
    assert_result(tn_barrier_wait(barrier, TN_NOWAIT), 0);
    tn_barrier_free(barrier);
}

/* S69 */
static void one_that_leaves_breaks_it(void)
{
    tn_greenlet *g[2], *late;

    open_barrier();
    spawn_waiters(g, 2);
    late = spawn(wait_briefly, NULL);
    assert_result(join(late), -ETIME);
    assert_result(join(g[0]), -EPIPE);
    assert_result(join(g[1]), -EPIPE);
    assert_result(tn_barrier_is_broken(barrier), 1);
    assert_result(tn_barrier_wait(barrier, TN_FOREVER), -EPIPE);

    assert_result(tn_barrier_reset(barrier), 0);
    assert_result(tn_barrier_is_broken(barrier), 0);
    spawn_waiters(g, 2);
    assert_result(tn_kill(g[0], TN_FOREVER), 0);
    assert_result(join(g[0]), -ECANCELED);
    assert_result(join(g[1]), -EPIPE);
    tn_barrier_free(barrier);
}

/* S69 */
static void abort_breaks_it_and_reset_mends_it(void)
{
    tn_greenlet *g[N - 1];

    open_barrier();
    spawn_waiters(g, 2);
    assert_result(tn_barrier_abort(barrier), 0);
    assert_result(join(g[0]), -EPIPE);
    assert_result(join(g[1]), -EPIPE);
    assert_result(tn_barrier_wait(barrier, TN_NOWAIT), -EPIPE);
    assert_result(tn_barrier_reset(barrier), 0);

    spawn_waiters(g, 2);
    assert_result(tn_barrier_reset(barrier), 0);
    assert_result(tn_barrier_waiting(barrier), 0);
    assert_result(join(g[0]), -EPIPE);
    assert_result(join(g[1]), -EPIPE);
    assert_result(tn_barrier_is_broken(barrier), 0);

    spawn_waiters(g, N - 1);
    assert_result(tn_barrier_wait(barrier, TN_FOREVER), N - 1);
    for (int i = 0; i < N - 1; i++)
        assert_true(join(g[i]) >= 0);
    tn_barrier_free(barrier);
}

static void one_that_is_killed_after_the_last_has_come_goes_on(void)
{
    tn_greenlet *g[N - 1];

    open_barrier();
    spawn_waiters(g, N - 1);
    assert_result(tn_barrier_wait(barrier, TN_FOREVER), N - 1);
    for (int i = 0; i < N - 1; i++)
        tn_kill(g[i], TN_NOWAIT);
    for (int i = 0; i < N - 1; i++)
        assert_true(join(g[i]) >= 0);
    assert_result(tn_barrier_is_broken(barrier), 0);
    tn_barrier_free(barrier);
}

static void wrong_arguments_are_refused(void)
{
    assert_result(tn_barrier_new(0, &barrier), -EINVAL);
    assert_result(tn_barrier_new(1, NULL), -EINVAL);
    assert_result(tn_barrier_wait(NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_barrier_abort(NULL), -EINVAL);
    assert_result(tn_barrier_reset(NULL), -EINVAL);
    assert_result(tn_barrier_waiting(NULL), 0);
    assert_result(tn_barrier_is_broken(NULL), 0);
    tn_barrier_free(NULL);
}

TEST_MAIN(TEST(all_go_on_when_the_last_has_come), TEST(one_alone_never_waits),
          TEST(one_that_leaves_breaks_it),
          TEST(abort_breaks_it_and_reset_mends_it),
          TEST(one_that_is_killed_after_the_last_has_come_goes_on),
          TEST(wrong_arguments_are_refused))
