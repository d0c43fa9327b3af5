/* SPDX-License-Identifier: MIT */
/* tests/unit/test_nomemory.c - channels and queues when the n-th allocation
 * fails, for every n (see support/faults.h). */
#include <stdint.h>

#include "support/faults.h"

static int channel_passes_items(void)
{
    tn_channel *ch;
    int64_t item = 1;
    int r = tn_channel_new(sizeof item, 100, &ch);

    if (r < 0)
        return r;
    for (int i = 0; i < 100 && r == 0; i++)
        r = tn_channel_send(ch, &item, TN_NOWAIT);
    tn_channel_free(ch);
    return r;
}

static void a_channel(void)
{
    faults_each(channel_passes_items, "");
}

static int compare(const void *a, const void *b, void *arg)
{
    (void)arg;
    return ((intptr_t)a > (intptr_t)b) - ((intptr_t)a < (intptr_t)b);
}

static tn_queue *queue;

static int make(int kind, size_t capacity)
{
    struct tn_queue_options options = TN_QUEUE_OPTIONS;

    options.kind = kind;
    options.capacity = capacity;
    options.compare = compare;
    return tn_queue_new(&options, &queue);
}

/* Items 1 to n in, in that order, and out; a put that fails changes nothing. */
static int pass(intptr_t n)
{
    intptr_t n_put = 0;
    void *item;
    int r = 0;

    while (n_put < n && r == 0) {
        r = tn_queue_put(queue, (void *)(n_put + 1), TN_NOWAIT);
        n_put += r == 0;
    }
    assert_int_equal(tn_queue_count(queue), n_put);
    assert_int_equal(tn_queue_unfinished(queue), n_put);
    for (intptr_t i = 1; i <= n_put; i++) {
        assert_result(tn_queue_get(queue, &item, TN_NOWAIT), 0);
        assert_ptr_equal(item, (void *)i);
        assert_result(tn_queue_task_done(queue), 0);
    }
    assert_result(tn_queue_get(queue, &item, TN_NOWAIT), -EAGAIN);
    return r;
}

static int queue_grows(void)
{
    int r = make(TN_QUEUE_FIFO, 0);

    if (r < 0)
        return r;
    r = pass(3000);
    tn_queue_free(queue);
    return r;
}

static void a_queue_that_grows(void)
{
    faults_each(queue_grows, "");
}

static int heap_grows(void)
{
    int r = make(TN_QUEUE_PRIORITY, 0);

    if (r < 0)
        return r;
    r = pass(100);
    tn_queue_free(queue);
    return r;
}

static void a_heap_that_grows(void)
{
    faults_each(heap_grows, "");
}

static int bound_is_raised(void)
{
    int r = make(TN_QUEUE_FIFO, 10);

    if (r < 0)
        return r;
    assert_result(pass(10), 0); /* has all its memory */
    r = tn_queue_set_capacity(queue, 100);
    assert_int_equal(tn_queue_capacity(queue), r == 0 ? 100 : 10);
    assert_result(pass(r == 0 ? 100 : 10), 0);
    tn_queue_free(queue);
    return r;
}

static void a_queue_with_a_bound(void)
{
    faults_each(bound_is_raised, "");
}

TEST_MAIN(TEST(a_channel), TEST(a_queue_that_grows), TEST(a_heap_that_grows),
          TEST(a_queue_with_a_bound))
