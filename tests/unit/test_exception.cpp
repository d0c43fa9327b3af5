/* SPDX-License-Identifier: MIT */
/* tests/unit/test_exception.cpp - C++ exceptions and switches: what is being
 * thrown and caught is each greenlet's own (S10). */
#include <exception>
#include <stdexcept>
#include <string>

extern "C" {
#include "support/test.h"
#include <tendril/tendril.h>
}

static int n_done;

static int throw_and_catch(void *arg)
{
    const std::string mine = "from " + std::to_string(*(int *)arg);

    for (int i = 0; i < 20; i++) {
        try {
            tn_yield();
            throw std::runtime_error(mine);
        } catch (const std::runtime_error &caught) {
            tn_yield(); /* others throw and catch meanwhile */
            tn_sleep(tn_after_us(3));
            assert_string_equal(caught.what(), mine.c_str());
            try {
                throw; /* the one this greenlet is handling */
            } catch (const std::exception &again) {
                tn_yield();
                assert_string_equal(again.what(), mine.c_str());
            }
        }
    }
    n_done++;
    return 0;
}

static void exceptions_in_flight_are_each_greenlets_own()
{
    static int numbers[] = {0, 1, 2, 3, 4};
    tn_greenlet *g[5];

    for (int i = 0; i < 5; i++)
        assert_int_equal(tn_spawn(throw_and_catch, &numbers[i], &g[i]), 0);
    try {
        throw std::runtime_error("main's");
    } catch (const std::exception &mine) {
        for (int i = 0; i < 5; i++)
            assert_int_equal(tn_join(g[i], nullptr, TN_FOREVER), 0);
        assert_string_equal(mine.what(), "main's");
    }
    assert_int_equal(n_done, 5);
}

static int sees_none(void *)
{
    assert_true(std::current_exception() == nullptr);
    assert_int_equal(std::uncaught_exceptions(), 0);
    return 0;
}

static void one_started_inside_a_handler_sees_no_exception()
{
    tn_greenlet *g;

    try {
        throw 5;
    } catch (int value) {
        assert_int_equal(tn_spawn(sees_none, nullptr, &g), 0);
        assert_int_equal(tn_join(g, nullptr, TN_FOREVER), 0);
        assert_int_equal(value, 5);
        assert_true(std::current_exception() != nullptr);
    }
}

struct waits_when_it_goes {
    ~waits_when_it_goes()
    {
        assert_int_equal(std::uncaught_exceptions(), 1);
        tn_sleep(tn_after_us(5));
        assert_int_equal(std::uncaught_exceptions(), 1);
    }
};

static int unwind(void *)
{
    try {
        waits_when_it_goes local;

        throw 1;
    } catch (int) {
        assert_int_equal(std::uncaught_exceptions(), 0);
        return 0;
    }
    return -EIO;
}

static void a_destructor_may_wait_while_the_stack_unwinds()
{
    tn_greenlet *g[3];
    int result;

    for (int i = 0; i < 3; i++)
        assert_int_equal(tn_spawn(unwind, nullptr, &g[i]), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tn_join(g[i], &result, TN_FOREVER), 0);
        assert_int_equal(result, 0);
    }
}

TEST_MAIN(TEST(exceptions_in_flight_are_each_greenlets_own),
          TEST(one_started_inside_a_handler_sees_no_exception),
          TEST(a_destructor_may_wait_while_the_stack_unwinds))
