/* SPDX-License-Identifier: MIT */
/* tests/unit/layer_heap.c - the timers' heap against a plain array. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/heap.h"
#include "support/test.h"

enum { N = 3000 };

static struct tn__timer timers[N];

static uint32_t random_state = 12345;

static uint32_t some(uint32_t below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % below;
}

static tn_time earliest(void)
{
    tn_time best = TN_FOREVER;

    for (int i = 0; i < N; i++)
        if (timers[i].slot && timers[i].when < best)
            best = timers[i].when;
    return best;
}

static void it_gives_the_earliest_under_any_adding_and_removing(void)
{
    struct tn__heap heap = {0};
    uint32_t n = 0;

    for (int round = 0; round < 20000; round++) {
        struct tn__timer *t = &timers[some(N)];

        if (t->slot) {
            tn__heap_remove(&heap, t);
            n--;
        } else {
            assert_result(tn__heap_add(&heap, t, some(500)), 0);
            n++;
        }
        assert_int_equal(heap.n, n);
        if (round % 50 == 0)
            assert_true(tn__heap_first(&heap) == earliest());
    }
    for (tn_time last = 0; heap.n > 0; n--) {
        tn_time first = tn__heap_first(&heap);
        struct tn__timer *t;

        assert_null(tn__heap_pop_due(&heap, first - 1));
        t = tn__heap_pop_due(&heap, first);
        assert_non_null(t);
        assert_true(t->when >= last && t->slot == 0);
        last = t->when;
    }
    assert_int_equal(n, 0);
    tn__heap_free(&heap);
}

static void removing_what_is_not_armed_does_nothing(void)
{
    struct tn__heap heap = {0};
    struct tn__timer t = {0};

    tn__heap_remove(&heap, &t);
    assert_result(tn__heap_add(&heap, &t, 5), 0);
    tn__heap_remove(&heap, &t);
    tn__heap_remove(&heap, &t);
    assert_true(tn__heap_first(&heap) == TN_FOREVER);
    assert_null(tn__heap_pop_due(&heap, TN_FOREVER));
    tn__heap_free(&heap);
}

static void times_at_the_ends_of_the_range_are_in_order(void)
{
    struct tn__heap heap = {0};
    struct tn__timer t[4] = {{0}};

    assert_result(tn__heap_add(&heap, &t[0], INT64_MAX - 1), 0);
    assert_result(tn__heap_add(&heap, &t[1], INT64_MIN), 0);
    assert_result(tn__heap_add(&heap, &t[2], 0), 0);
    assert_result(tn__heap_add(&heap, &t[3], -1), 0);
    assert_ptr_equal(tn__heap_pop_due(&heap, 0), &t[1]);
    assert_ptr_equal(tn__heap_pop_due(&heap, 0), &t[3]);
    assert_ptr_equal(tn__heap_pop_due(&heap, 0), &t[2]);
    assert_null(tn__heap_pop_due(&heap, 0));
    tn__heap_remove(&heap, &t[0]);
    tn__heap_free(&heap);
}

TEST_MAIN(TEST_BARE(it_gives_the_earliest_under_any_adding_and_removing),
          TEST_BARE(removing_what_is_not_armed_does_nothing),
          TEST_BARE(times_at_the_ends_of_the_range_are_in_order))
