/* SPDX-License-Identifier: MIT */
/* tests/unit/test_queue.c - queues of pointers (S55, S73 to S75). The order in
 * which greenlets run is the simulator's to choose when it has a seed: what is
 * said about order here holds for any. */
#include <pthread.h>

#include "support/queues.h"

/* ---- order ---- */

static void the_oldest_comes_first(void)
{
    tn_queue *q = make(TN_QUEUE_FIFO, 0);

    for (int round = 0; round < 3; round++) {
        put_all(q, 1, 100); /* grows, with its ends anywhere */
        for (int i = 1; i <= 70; i++)
            assert_result(get(q, TN_NOWAIT), i);
        put_all(q, 101, 200);
        for (int i = 71; i <= 200; i++)
            assert_result(get(q, TN_NOWAIT), i);
        assert_result(get(q, TN_NOWAIT), -EAGAIN);
    }
    tn_queue_free(q);
}

static void the_newest_comes_first_in_a_lifo(void)
{
    tn_queue *q = make(TN_QUEUE_LIFO, 0);

    put_all(q, 1, 50);
    assert_result(peek(q, TN_NOWAIT), 50);
    for (int i = 50; i >= 20; i--)
        assert_result(get(q, TN_NOWAIT), i);
    put_all(q, 60, 61);
    assert_result(get(q, TN_NOWAIT), 61);
    assert_result(get(q, TN_NOWAIT), 60);
    assert_result(get(q, TN_NOWAIT), 19);
    tn_queue_free(q);
}

/* By tens, so that there are equal ones. */
static int by_tens(const void *a, const void *b, void *arg)
{
    intptr_t x = (intptr_t)a / 10, y = (intptr_t)b / 10;

    assert_ptr_equal(arg, &by_tens);
    return (x > y) - (x < y);
}

static tn_queue *make_priority(size_t capacity)
{
    struct tn_queue_options options = TN_QUEUE_OPTIONS;
    tn_queue *q;

    options.kind = TN_QUEUE_PRIORITY;
    options.capacity = capacity;
    options.compare = by_tens;
    options.compare_arg = (void *)&by_tens;
    assert_result(tn_queue_new(&options, &q), 0);
    return q;
}

static void the_least_comes_first_and_equal_ones_as_they_came(void)
{
    enum { N = 500 };
    tn_queue *q = make_priority(0);
    long last = -1;
    int n_in_ten[N / 10 + 1] = {0};

    for (int i = 0; i < N; i++) {
        long ten = i * 7919 % N / 10;

        put_all(q, (int)(ten * 10) + n_in_ten[ten] % 10,
                (int)(ten * 10) + n_in_ten[ten] % 10);
        n_in_ten[ten]++;
    }
    for (int i = 0; i < N; i++) {
        long next = peek(q, TN_NOWAIT);

        assert_result(get(q, TN_NOWAIT), next);
        assert_true(next > last);
        last = next;
    }
    assert_result(get(q, TN_NOWAIT), -EAGAIN);
    tn_queue_free(q);
}

static void a_null_is_an_item(void)
{
    tn_queue *q = make(TN_QUEUE_FIFO, 0);

    assert_result(tn_queue_put(q, NULL, TN_NOWAIT), 0);
    assert_result(get(q, TN_NOWAIT), 0);
    put_all(q, 5, 6);
    assert_result(tn_queue_get(q, NULL, TN_NOWAIT), 0);
    assert_result(tn_queue_peek(q, NULL, TN_NOWAIT), 0);
    assert_int_equal(tn_queue_count(q), 1);
    tn_queue_free(q);
}

/* ---- waiting ---- */

/* S73 */
static void puts_wait_for_room_and_are_done_in_order(void)
{
    tn_queue *q = make(TN_QUEUE_FIFO, 2);
    struct peer p[3];
    tn_greenlet *g[3];

    put_all(q, 1, 2);
    assert_int_equal(tn_queue_is_full(q), 1);
    assert_result(tn_queue_put(q, NULL, TN_NOWAIT), -EAGAIN);
    assert_result(tn_queue_put(q, NULL, tn_after_ms(1)), -ETIME);
    for (int i = 0; i < 3; i++)
        g[i] = start(put_it, &p[i], q, 3 + i);
    for (int i = 1; i <= 5; i++)
        assert_result(get(q, TN_NOWAIT), i);
    for (int i = 0; i < 3; i++) {
        join(g[i]);
        assert_result(p[i].r, 0);
    }
    assert_int_equal(tn_queue_is_empty(q), 1);
    tn_queue_free(q);
}

static void nobody_overtakes_who_waits(void)
{
    tn_queue *q = make(TN_QUEUE_FIFO, 1);
    struct peer p;
    tn_greenlet *g;

    g = start(get_it, &p, q, 0);
    put_all(q, 1, 1);
    assert_result(get(q, TN_NOWAIT), -EAGAIN); /* it is the other's */
    join(g);
    assert_result(p.r, 1);
    put_all(q, 2, 2);
    g = start(put_it, &p, q, 3);
    assert_result(get(q, TN_NOWAIT), 2);
    assert_result(tn_queue_put(q, item_of(4), TN_NOWAIT), -EAGAIN);
    join(g);
    assert_result(get(q, TN_NOWAIT), 3);
    tn_queue_free(q);
}

static void gets_are_served_in_order(void)
{
    tn_queue *q = make(TN_QUEUE_LIFO, 0);
    struct peer p[4];
    tn_greenlet *g[4];

    for (int i = 0; i < 4; i++)
        g[i] = start(get_it, &p[i], q, 0);
    put_all(q, 10, 13);
    for (int i = 0; i < 4; i++) {
        join(g[i]);
        assert_result(p[i].r, 10 + i);
    }
    tn_queue_free(q);
}

/* S74 */
static void peek_leaves_the_item_and_waits_while_there_is_none(void)
{
    tn_queue *q = make(TN_QUEUE_FIFO, 0);

    assert_result(peek(q, TN_NOWAIT), -EAGAIN);
    assert_result(peek(q, tn_after_ms(1)), -ETIME);
    put_all(q, 1, 2);
    assert_result(peek(q, TN_NOWAIT), 1);
    assert_result(peek(q, TN_FOREVER), 1);
    assert_int_equal(tn_queue_count(q), 2);
    tn_queue_free(q);
}

/* S74 */
static void one_put_satisfies_all_who_peek_and_one_who_gets(void)
{
    tn_queue *q = make(TN_QUEUE_FIFO, 0);
    struct peer p[5];
    tn_greenlet *g[5];

    for (int i = 0; i < 5; i++)
        g[i] = start(i == 1 || i == 3 ? get_it : peek_it, &p[i], q, 0);
    put_all(q, 7, 7);
    for (int i = 0; i < 5; i++) {
        if (i == 3)
            continue;
        join(g[i]);
        assert_result(p[i].r, 7);
    }
    assert_result(tn_greenlet_state(g[3]), TN_GREENLET_WAITING);
    put_all(q, 8, 8);
    join(g[3]);
    assert_result(p[3].r, 8);
    assert_int_equal(tn_queue_count(q), 0);
    tn_queue_free(q);
}

/* S55 */
static void one_that_was_killed_or_late_is_passed_over(void)
{
    tn_queue *q = make(TN_QUEUE_FIFO, 1);
    struct peer p[3];
    tn_greenlet *g[3];

    for (int is_put = 0; is_put < 2; is_put++) {
        tn_greenlet_fn fn = is_put ? put_it : get_it;

        g[0] = start(fn, &p[0], q, 5);
        p[1] = (struct peer){q, 6, tn_after_ms(1), 1};
        g[1] = run(spawn(fn, &p[1]));
        g[2] = start(fn, &p[2], q, 7);
        assert_result(tn_kill(g[0], TN_FOREVER), 0);
        assert_result(tn_sleep(tn_after_ms(2)), 0);
        if (is_put)
            assert_result(get(q, TN_NOWAIT), 1);
        else
            put_all(q, 1, 1);
        for (int i = 0; i < 3; i++)
            join(g[i]);
        assert_result(p[0].r, -ECANCELED);
        assert_result(p[1].r, -ETIME);
        assert_result(p[2].r, is_put ? 0 : 1);
        if (!is_put)
            put_all(q, 1, 1); /* full, for the puts */
    }
    assert_result(get(q, TN_NOWAIT), 7);
    tn_queue_free(q);
}

/* S55 */
static void a_kill_in_the_moment_of_the_get_keeps_the_item(void)
{
    for (int is_kill_first = 0; is_kill_first < 2; is_kill_first++) {
        tn_queue *q = make(TN_QUEUE_FIFO, 0);
        struct peer p;
        tn_greenlet *g = start(get_it, &p, q, 0);

        if (is_kill_first)
            assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
        put_all(q, 5, 5);
        if (!is_kill_first)
            assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
        join(g);
        assert_result(p.r, 5);
        assert_int_equal(tn_queue_count(q), 0);
        tn_queue_free(q);
    }
}

/* ---- the bound ---- */

/* S75 */
static void a_capacity_of_none_is_no_bound(void)
{
    tn_queue *q = make(TN_QUEUE_FIFO, 0);

    assert_int_equal(tn_queue_capacity(q), 0);
    put_all(q, 1, 5000);
    assert_int_equal(tn_queue_count(q), 5000);
    assert_int_equal(tn_queue_is_full(q), 0);
    for (int i = 1; i <= 5000; i++)
        assert_result(get(q, TN_NOWAIT), i);
    put_all(q, 1, 1); /* after the memory was given back */
    assert_result(get(q, TN_NOWAIT), 1);
    tn_queue_free(q);
}

/* There, changing maxsize wakes nobody. */
static void raising_the_bound_lets_puts_that_wait_in(void)
{
    tn_queue *q = make(TN_QUEUE_FIFO, 1);
    struct peer p[40];
    tn_greenlet *g[40];

    put_all(q, 0, 0);
    for (int i = 0; i < 40; i++)
        g[i] = start(put_it, &p[i], q, i + 1);
    assert_result(tn_queue_set_capacity(q, 3), 0);
    assert_int_equal(tn_queue_count(q), 3);
    assert_result(tn_queue_set_capacity(q, 1), 0);
    assert_result(get(q, TN_NOWAIT), 0);
    assert_int_equal(tn_queue_count(q), 2); /* nobody was let in */
    assert_result(tn_queue_set_capacity(q, 0), 0);
    assert_int_equal(tn_queue_count(q), 40);
    for (int i = 0; i < 40; i++) {
        join(g[i]);
        assert_result(p[i].r, 0);
        assert_result(get(q, TN_NOWAIT), i + 1);
    }
    tn_queue_free(q);
}

/* ---- from elsewhere ---- */

static void on_the_hub(tn_greenlet *g, void *arg)
{
    tn_queue **q = arg;

    (void)g;
    assert_result(tn_queue_put(q[0], NULL, TN_FOREVER), -EDEADLK);
    assert_result(tn_queue_put(q[0], item_of(1), TN_NOWAIT), 0);
    assert_result(tn_queue_put(q[0], item_of(2), TN_NOWAIT), 0);
    assert_result(tn_queue_put(q[0], item_of(3), TN_NOWAIT), -EAGAIN);
    assert_result(get(q[1], TN_NOWAIT), 7);
    assert_result(get(q[1], TN_NOWAIT), 8);
    assert_result(get(q[1], TN_NOWAIT), -EAGAIN);
}

static int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

/* S73 */
static void a_link_hands_over_to_one_that_waits(void)
{
    tn_queue *q[2] = {make(TN_QUEUE_FIFO, 1), make(TN_QUEUE_FIFO, 1)};
    struct peer p[2];
    tn_greenlet *g[2], *other = spawn(end_at_once, NULL);
    tn_link link;

    put_all(q[1], 7, 7);
    g[0] = start(get_it, &p[0], q[0], 0);
    g[1] = start(put_it, &p[1], q[1], 8);
    assert_result(tn_greenlet_link(other, &link, on_the_hub, q), 0);
    join(g[0]);
    join(g[1]);
    join(other);
    assert_result(p[0].r, 1);
    assert_result(p[1].r, 0);
    for (int i = 0; i < 2; i++)
        tn_queue_free(q[i]);
}

static void *use_it(void *arg)
{
    assert_result(tn_queue_put(arg, NULL, TN_NOWAIT), -EXDEV);
    assert_result(get(arg, TN_NOWAIT), -EXDEV);
    assert_result(peek(arg, TN_NOWAIT), -EXDEV);
    assert_result(tn_queue_join(arg, TN_NOWAIT), -EXDEV);
    assert_result(tn_queue_task_done(arg), -EXDEV);
    assert_result(tn_queue_set_capacity(arg, 1), -EXDEV);
    assert_result(tn_queue_close(arg), -EXDEV);
    assert_result(tn_queue_close_now(arg, NULL, NULL), -EXDEV);
    return NULL;
}

static void another_thread_is_refused(void)
{
    tn_queue *q = make(TN_QUEUE_FIFO, 0);
    pthread_t thread;

    assert_result(pthread_create(&thread, NULL, use_it, q), 0);
    assert_result(pthread_join(thread, NULL), 0);
    tn_queue_free(q);
}

static void wrong_arguments_are_refused(void)
{
    struct tn_queue_options options = TN_QUEUE_OPTIONS;
    tn_queue *q = NULL;

    assert_result(tn_queue_new(NULL, NULL), -EINVAL);
    options.kind = 3;
    assert_result(tn_queue_new(&options, &q), -EINVAL);
    options.kind = TN_QUEUE_PRIORITY; /* without a comparison */
    assert_result(tn_queue_new(&options, &q), -EINVAL);
    options.kind = TN_QUEUE_FIFO;
    options.size = 1;
    assert_result(tn_queue_new(&options, &q), -EINVAL);
    options.size = sizeof options;
    options.capacity = SIZE_MAX / 4;
    assert_result(tn_queue_new(&options, &q), -ENOMEM);
    assert_null(q);
    assert_result(tn_queue_put(NULL, NULL, TN_NOWAIT), -EINVAL);
    assert_result(get(NULL, TN_NOWAIT), -EINVAL);
    assert_result(peek(NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_queue_join(NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_queue_task_done(NULL), -EINVAL);
    assert_result(tn_queue_set_capacity(NULL, 1), -EINVAL);
    assert_result(tn_queue_close(NULL), -EINVAL);
    assert_result(tn_queue_close_now(NULL, NULL, NULL), -EINVAL);
    assert_null(tn_queue_waitable(NULL));
    tn_queue_free(NULL);
}

static void without_memory_nothing_changes(void)
{
    tn_queue *q = make(TN_QUEUE_FIFO, 2);

    put_all(q, 1, 2);
    assert_result(tn_queue_set_capacity(q, SIZE_MAX / 4), -ENOMEM);
    assert_int_equal(tn_queue_capacity(q), 2);
    assert_result(get(q, TN_NOWAIT), 1);
    assert_result(get(q, TN_NOWAIT), 2);
    tn_queue_free(q);
}

/* ---- fairness, and others that look on ---- */

static int is_over;

static int talk_to_itself(void *arg)
{
    while (!is_over) {
        assert_result(tn_queue_put(arg, item_of(1), TN_FOREVER), 0);
        assert_result(peek(arg, TN_FOREVER), 1);
        assert_result(get(arg, TN_FOREVER), 1);
    }
    return 0;
}

static int try_without_end(void *arg)
{
    while (!is_over)
        assert_result(get(arg, TN_NOWAIT), -EAGAIN);
    return 0;
}

static void one_that_never_waits_lets_timers_run(void)
{
    tn_queue *q[2] = {make(TN_QUEUE_FIFO, 1), make(TN_QUEUE_FIFO, 1)};
    tn_greenlet *g[2] = {spawn(talk_to_itself, q[0]),
                         spawn(try_without_end, q[1])};

    test_not_seeded("it takes thousands of turns");
    is_over = 0;
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    is_over = 1;
    for (int i = 0; i < 2; i++) {
        join(g[i]);
        tn_queue_free(q[i]);
    }
}

static void become_ready(tn_waitable *w, void *arg)
{
    assert_result(tn_waitable_is_ready(w), 1);
    note(arg);
}

static void it_is_ready_when_a_get_would_not_wait(void)
{
    tn_queue *q = make(TN_QUEUE_FIFO, 0);
    tn_waitable *w = tn_queue_waitable(q);
    tn_link filled = {0}, closed = {0};
    struct peer p;
    tn_greenlet *g;

    assert_result(tn_waitable_is_ready(w), 0);
    assert_result(tn_waitable_link(w, &filled, become_ready, (void *)"full"),
                  0);
    g = start(get_it, &p, q, 0);
    put_all(q, 1, 1); /* goes to the one that waits */
    assert_result(tn_waitable_is_ready(w), 0);
    join(g);
    put_all(q, 2, 2);
    assert_result(tn_waitable_is_ready(w), 1);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_result(get(q, TN_NOWAIT), 2);
    assert_result(tn_waitable_link(w, &closed, become_ready, (void *)"closed"),
                  0);
    assert_result(tn_queue_close(q), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_string_equal(notes(), "full closed");
    tn_queue_free(q);
}

TEST_MAIN(TEST(the_oldest_comes_first), TEST(the_newest_comes_first_in_a_lifo),
          TEST(the_least_comes_first_and_equal_ones_as_they_came),
          TEST(a_null_is_an_item),
          TEST(puts_wait_for_room_and_are_done_in_order),
          TEST(nobody_overtakes_who_waits), TEST(gets_are_served_in_order),
          TEST(peek_leaves_the_item_and_waits_while_there_is_none),
          TEST(one_put_satisfies_all_who_peek_and_one_who_gets),
          TEST(one_that_was_killed_or_late_is_passed_over),
          TEST(a_kill_in_the_moment_of_the_get_keeps_the_item),
          TEST(a_capacity_of_none_is_no_bound),
          TEST(raising_the_bound_lets_puts_that_wait_in),
          TEST(a_link_hands_over_to_one_that_waits),
          TEST(another_thread_is_refused), TEST(wrong_arguments_are_refused),
          TEST(without_memory_nothing_changes),
          TEST(one_that_never_waits_lets_timers_run),
          TEST(it_is_ready_when_a_get_would_not_wait))
