/* SPDX-License-Identifier: MIT */
/* tests/unit/test_drain.c - queues: waiting until all work is done, and the end
 * (S76, S77, S79). */
#include <stdio.h>

#include "support/queues.h"

/* ---- work ---- */

/* S76 */
static void join_waits_until_every_item_is_done(void)
{
    tn_queue *q = make(TN_QUEUE_FIFO, 0);
    struct peer p[2];
    tn_greenlet *g[2];

    assert_result(tn_queue_join(q, TN_NOWAIT), 0); /* never used */
    assert_result(tn_queue_task_done(q), -EINVAL);
    for (int round = 0; round < 2; round++) {
        put_all(q, 1, 2);
        assert_int_equal(tn_queue_unfinished(q), 2);
        assert_result(tn_queue_join(q, TN_NOWAIT), -EAGAIN);
        assert_result(tn_queue_join(q, tn_after_ms(1)), -ETIME);
        g[0] = start(join_it, &p[0], q, 0);
        g[1] = start(join_it, &p[1], q, 0);
        assert_result(get(q, TN_NOWAIT), 1);
        assert_result(get(q, TN_NOWAIT), 2);
        assert_result(tn_queue_task_done(q), 0);
        assert_result(tn_greenlet_state(g[0]), TN_GREENLET_WAITING);
        assert_result(tn_queue_task_done(q), 0);
        for (int i = 0; i < 2; i++) {
            join(g[i]);
            assert_result(p[i].r, 0);
        }
        assert_result(tn_queue_task_done(q), -EINVAL);
    }
    tn_queue_free(q);
}

static int work(void *arg)
{
    while (get(arg, TN_FOREVER) > 0) {
        assert_result(tn_yield(), 0);
        assert_result(tn_queue_task_done(arg), 0);
    }
    return 0;
}

/* S76, and an item that goes straight to who waits counts as well. */
static void workers_and_a_join(void)
{
    tn_queue *q = make(TN_QUEUE_FIFO, 3);
    tn_greenlet *g[3];

    for (int i = 0; i < 3; i++)
        g[i] = spawn(work, q);
    for (int i = 1; i <= 20; i++)
        assert_result(tn_queue_put(q, item_of(i), TN_FOREVER), 0);
    assert_result(tn_queue_join(q, TN_FOREVER), 0);
    assert_int_equal(tn_queue_unfinished(q), 0);
    assert_result(tn_queue_close(q), 0);
    for (int i = 0; i < 3; i++)
        join(g[i]);
    tn_queue_free(q);
}

/* ---- the end ---- */

/* S77 */
static void a_close_fails_puts_and_ends_gets_once_it_is_empty(void)
{
    tn_queue *q = make(TN_QUEUE_FIFO, 2);
    struct peer p;
    tn_greenlet *g;

    put_all(q, 1, 2);
    g = start(put_it, &p, q, 3);
    assert_result(tn_queue_close(q), 0);
    assert_result(tn_queue_close(q), 0);
    assert_int_equal(tn_queue_is_closed(q), 1);
    join(g);
    assert_result(p.r, -EPIPE);
    assert_result(tn_queue_put(q, NULL, TN_FOREVER), -EPIPE);
    assert_result(peek(q, TN_FOREVER), 1);
    assert_result(get(q, TN_FOREVER), 1);
    assert_result(get(q, TN_FOREVER), 2); /* not the 3, whose put failed */
    assert_result(peek(q, TN_FOREVER), -EPIPE);
    assert_result(get(q, TN_FOREVER), -EPIPE);
    tn_queue_free(q);
}

/* S77 */
static void a_close_wakes_all_that_wait(void)
{
    tn_queue *q = make(TN_QUEUE_FIFO, 0);
    struct peer p[4];
    tn_greenlet *g[4];

    for (int i = 0; i < 3; i++)
        g[i] = start(i ? get_it : peek_it, &p[i], q, 0);
    assert_result(tn_queue_close(q), 0);
    tn_queue_free(q);
    q = make(TN_QUEUE_FIFO, 0);
    put_all(q, 1, 1);
    g[3] = start(join_it, &p[3], q, 0);
    tn_queue_free(q);
    for (int i = 0; i < 4; i++) {
        join(g[i]);
        assert_result(p[i].r, -EPIPE);
    }
}

static void note_dropped(void *item, void *arg)
{
    char word[24];

    assert_ptr_equal(arg, note_dropped);
    snprintf(word, sizeof word, "%d", (int)(intptr_t)item);
    note(word);
}

/* S77 */
static void an_immediate_close_empties_it_and_releases_join(void)
{
    tn_queue *q = make(TN_QUEUE_LIFO, 3);
    struct peer p[2];
    tn_greenlet *g[2];

    put_all(q, 1, 3);
    g[0] = start(put_it, &p[0], q, 4);
    g[1] = start(join_it, &p[1], q, 0);
    assert_result(get(q, TN_NOWAIT), 3); /* and the 4 is in */
    assert_result(tn_queue_task_done(q), 0);
    assert_result(tn_queue_close_now(q, note_dropped, (void *)note_dropped), 0);
    assert_string_equal(notes(), "4 2 1");
    join(g[0]);
    join(g[1]);
    assert_result(p[0].r, 0);
    assert_result(p[1].r, 0);
    assert_result(get(q, TN_NOWAIT), -EPIPE);
    assert_result(tn_queue_close_now(q, NULL, NULL), 0);
    tn_queue_free(q);
}

/* S77: what was got and is not done keeps the join waiting. */
static void an_immediate_close_leaves_unfinished_work_to_be_done(void)
{
    tn_queue *q = make(TN_QUEUE_FIFO, 0);

    put_all(q, 1, 3);
    assert_result(get(q, TN_NOWAIT), 1);
    assert_result(tn_queue_close_now(q, NULL, NULL), 0);
    assert_int_equal(tn_queue_unfinished(q), 1);
    assert_result(tn_queue_join(q, TN_NOWAIT), -EAGAIN);
    assert_result(tn_queue_task_done(q), 0);
    assert_result(tn_queue_join(q, TN_NOWAIT), 0);
    tn_queue_free(q);
}

/* S79 */
static int add_up(void *arg)
{
    struct peer *p = arg;
    void *item;

    p->r = 0;
    while (tn_queue_get(p->q, &item, TN_FOREVER) == 0)
        p->r += (long)(intptr_t)item;
    return 0;
}

/* S79 */
static void a_loop_of_gets_ends_with_the_close(void)
{
    tn_queue *q = make(TN_QUEUE_FIFO, 2);
    struct peer p = {q, 0, TN_FOREVER, 0};
    tn_greenlet *g = spawn(add_up, &p);

    for (int i = 1; i <= 10; i++)
        assert_result(tn_queue_put(q, item_of(i), TN_FOREVER), 0);
    assert_result(tn_queue_close(q), 0);
    join(g);
    assert_result(p.r, 55);
    tn_queue_free(q);
}

TEST_MAIN(TEST(join_waits_until_every_item_is_done), TEST(workers_and_a_join),
          TEST(a_close_fails_puts_and_ends_gets_once_it_is_empty),
          TEST(a_close_wakes_all_that_wait),
          TEST(an_immediate_close_empties_it_and_releases_join),
          TEST(an_immediate_close_leaves_unfinished_work_to_be_done),
          TEST(a_loop_of_gets_ends_with_the_close))
