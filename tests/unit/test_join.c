/* SPDX-License-Identifier: MIT */
/* tests/unit/test_join.c - waiting for the end of a greenlet (S27). */
#include "support/green.h"

static int sleep_forever(void *arg)
{
    (void)arg;
    return tn_sleep(TN_FOREVER);
}

/* S27 */
static void join_gives_up_at_its_deadline_and_keeps_the_reference(void)
{
    tn_greenlet *g = spawn(sleep_forever, NULL);
    int result = 123;

    assert_result(tn_join(g, &result, TN_NOWAIT), -EAGAIN);
    assert_result(tn_join(g, &result, tn_after_ms(1)), -ETIME);
    assert_result(result, 123);
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(tn_join(g, &result, TN_NOWAIT), 0);
    assert_result(result, -ECANCELED);
}

static void join_of_itself_or_of_nothing_is_refused(void)
{
    assert_result(tn_join(tn_self(), NULL, TN_FOREVER), -EINVAL);
    assert_result(tn_join(NULL, NULL, TN_FOREVER), -EINVAL);
}

static int join_it(void *arg)
{
    return join(arg);
}

static void many_can_join_one(void)
{
    enum { N = 50 };
    tn_greenlet *target = spawn(sleep_forever, NULL), *g[N];

    for (int i = 0; i < N; i++)
        g[i] = spawn(join_it, tn_ref(target));
    settle();
    assert_result(tn_kill(target, TN_FOREVER), 0);
    for (int i = 0; i < N; i++)
        assert_result(join(g[i]), -ECANCELED);
    tn_unref(target);
}

static int join_briefly(void *arg)
{
    return tn_join(arg, NULL, tn_after_ms(1));
}

static void a_joiner_that_left_is_forgotten(void)
{
    tn_greenlet *target = spawn(sleep_forever, NULL);
    tn_greenlet *a = spawn(join_briefly, target);
    tn_greenlet *b = spawn(join_it, tn_ref(target));

    assert_result(join(a), -ETIME);
    assert_result(tn_kill(target, TN_FOREVER), 0);
    assert_result(join(b), -ECANCELED);
    tn_unref(target);
}

TEST_MAIN(TEST(join_gives_up_at_its_deadline_and_keeps_the_reference),
          TEST(join_of_itself_or_of_nothing_is_refused),
          TEST(many_can_join_one), TEST(a_joiner_that_left_is_forgotten))
