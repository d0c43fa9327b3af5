/* SPDX-License-Identifier: MIT */
/* tests/unit/test_result.c - results that come once (S62). */
#include "support/green.h"

static tn_result *result;
static int value;

static void open_result(void)
{
    assert_result(tn_result_new(&result), 0);
}

static int get_it(void *arg)
{
    void *got = NULL;
    int r = tn_result_get(result, &got, TN_FOREVER);

    assert_ptr_equal(got, r == 0 ? &value : NULL);
    return arg ? tn_result_wait(result, TN_FOREVER) : r;
}

/* S62 */
static void a_value_comes_to_all_who_wait_and_stays(void)
{
    tn_greenlet *a, *b;
    void *got = &got;

    open_result();
    assert_result(tn_result_get(result, &got, TN_NOWAIT), -EAGAIN);
    assert_result(tn_result_get(result, &got, tn_after_ms(1)), -ETIME);
    assert_ptr_equal(got, &got);
    assert_result(tn_result_is_done(result), 0);
    assert_result(tn_result_error(result), -EAGAIN);
    a = spawn(get_it, NULL);
    b = spawn(get_it, NULL);
    settle();
    assert_result(tn_result_set(result, &value), 0);
    assert_result(join(a), 0);
    assert_result(join(b), 0);
    assert_result(tn_result_get(result, &got, TN_NOWAIT), 0);
    assert_ptr_equal(got, &value);
    assert_ptr_equal(tn_result_value(result), &value);
    assert_result(tn_result_get(result, NULL, TN_FOREVER), 0);
    assert_result(tn_result_error(result), 0);
    tn_result_free(result);
}

/* S62 */
static void every_getter_has_the_error_and_a_wait_succeeds(void)
{
    tn_greenlet *a, *b;
    void *got = &got;

    open_result();
    a = spawn(get_it, NULL);
    b = spawn(get_it, &value);
    settle();
    assert_result(tn_result_fail(result, -EIO), 0);
    assert_result(join(a), -EIO);
    assert_result(join(b), 0);
    assert_result(tn_result_get(result, &got, TN_NOWAIT), -EIO);
    assert_ptr_equal(got, &got);
    assert_result(tn_result_error(result), -EIO);
    assert_null(tn_result_value(result));
    tn_result_free(result);
}

/* S62, but the first wins */
static void what_came_first_stays(void)
{
    void *got;

    open_result();
    assert_result(tn_result_set(result, &value), 0);
    assert_result(tn_result_set(result, NULL), -EALREADY);
    assert_result(tn_result_fail(result, -EIO), -EALREADY);
    assert_result(tn_result_cancel(result), -EALREADY);
    assert_result(tn_result_follow(result, tn_self()), -EALREADY);
    assert_result(tn_result_is_cancelled(result), 0);
    assert_result(tn_result_get(result, &got, TN_NOWAIT), 0);
    assert_ptr_equal(got, &value);
    tn_result_free(result);
}

static void a_cancelled_one_says_so(void)
{
    tn_greenlet *g;

    open_result();
    g = spawn(get_it, NULL);
    settle();
    assert_result(tn_result_cancel(result), 0);
    assert_result(join(g), -ECANCELED);
    assert_result(tn_result_is_cancelled(result), 1);
    assert_result(tn_result_is_done(result), 1);
    assert_result(tn_result_set(result, &value), -EALREADY);
    assert_result(tn_result_wait(result, TN_NOWAIT), 0);
    tn_result_free(result);
}

static int end_with(void *arg)
{
    return (int)(intptr_t)arg;
}

static void it_follows_the_end_of_a_greenlet(void)
{
    tn_greenlet *g = spawn(end_with, (void *)7);
    void *got;

    open_result();
    assert_result(tn_result_follow(result, g), 0);
    assert_result(tn_result_follow(result, g), -EBUSY);
    assert_result(tn_result_get(result, &got, TN_FOREVER), 0);
    assert_int_equal((intptr_t)got, 7);
    assert_result(join(g), 7);
    tn_result_free(result);

    g = spawn(end_with, (void *)-EIO);
    settle();
    open_result();
    assert_result(tn_result_follow(result, g), 0);
    assert_result(tn_result_get(result, &got, TN_NOWAIT), -EIO);
    assert_result(join(g), -EIO);
    tn_result_free(result);
}

static void following_does_not_outlive_either(void)
{
    tn_greenlet *g = spawn(end_with, (void *)7);

    open_result();
    assert_result(tn_result_follow(result, g), 0);
    tn_result_free(result);
    assert_result(join(g), 7);

    g = spawn(end_with, (void *)7);
    open_result();
    assert_result(tn_result_follow(result, g), 0);
    assert_result(tn_result_set(result, &value), 0);
    assert_result(join(g), 7);
    assert_ptr_equal(tn_result_value(result), &value);
    tn_result_free(result);
}

static void a_failure_that_a_result_hears_of_is_not_reported(void)
{
    static struct heard heard;
    tn_greenlet *g = spawn(end_with, (void *)-EIO);

    hear_errors(&heard);
    open_result();
    assert_result(tn_result_follow(result, g), 0);
    tn_unref(g);
    assert_result(tn_result_get(result, NULL, TN_FOREVER), -EIO);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_result(heard.n, 0);
    tn_result_free(result);
}

/* Who was woken has what it was given, whatever becomes of the result. */
static void one_that_is_set_can_be_freed_at_once(void)
{
    tn_greenlet *a, *b;

    open_result();
    a = spawn(get_it, NULL);
    settle();
    assert_result(tn_result_set(result, &value), 0);
    tn_result_free(result);
    open_result();
    b = spawn(get_it, NULL);
    assert_result(join(a), 0);
    settle();
    assert_result(tn_result_fail(result, -EIO), 0);
    tn_result_free(result);
    open_result(); /* likely the same memory */
    assert_result(join(b), -EIO);
    tn_result_free(result);
}

static void wrong_arguments_are_refused(void)
{
    open_result();
    assert_result(tn_result_new(NULL), -EINVAL);
    assert_result(tn_result_set(NULL, NULL), -EINVAL);
    assert_result(tn_result_fail(NULL, -EIO), -EINVAL);
    assert_result(tn_result_fail(result, 0), -EINVAL);
    assert_result(tn_result_fail(result, 5), -EINVAL);
    assert_result(tn_result_cancel(NULL), -EINVAL);
    assert_result(tn_result_follow(result, NULL), -EINVAL);
    assert_result(tn_result_get(NULL, NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_result_wait(NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_result_error(NULL), -EINVAL);
    assert_null(tn_result_value(NULL));
    assert_null(tn_result_waitable(NULL));
    tn_result_free(NULL);
    assert_result(tn_result_is_done(result), 0);
    tn_result_free(result);
}

TEST_MAIN(TEST(a_value_comes_to_all_who_wait_and_stays),
          TEST(every_getter_has_the_error_and_a_wait_succeeds),
          TEST(what_came_first_stays), TEST(a_cancelled_one_says_so),
          TEST(it_follows_the_end_of_a_greenlet),
          TEST(following_does_not_outlive_either),
          TEST(a_failure_that_a_result_hears_of_is_not_reported),
          TEST(one_that_is_set_can_be_freed_at_once),
          TEST(wrong_arguments_are_refused))
