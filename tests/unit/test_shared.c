/* SPDX-License-Identifier: MIT */
/* tests/unit/test_shared.c - the event and the channel that all threads share
 * (S63, S71). */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "support/green.h"

static tn_shared_event *event;
static tn_shared_channel *channel;

static void make_event(void)
{
    assert_result(tn_shared_event_new(&event), 0);
}

static void make_channel(size_t capacity)
{
    assert_result(tn_shared_channel_new(capacity, &channel), 0);
}

static pthread_t start(void *(*fn)(void *), void *arg)
{
    pthread_t thread;

    assert_result(pthread_create(&thread, NULL, fn, arg), 0);
    return thread;
}

static void end(pthread_t thread)
{
    assert_result(pthread_join(thread, NULL), 0);
}

static void *item(intptr_t n)
{
    return (void *)n;
}

/* ---- event ---- */

static int await_event(void *arg)
{
    int r = tn_shared_event_wait(event, TN_FOREVER);

    note(arg);
    return r;
}

static void an_event_stays_set_until_it_is_cleared(void)
{
    make_event();
    assert_false(tn_shared_event_is_set(event));
    assert_result(tn_shared_event_wait(event, TN_NOWAIT), -EAGAIN);
    tn_shared_event_set(event);
    tn_shared_event_set(event);
    assert_true(tn_shared_event_is_set(event));
    assert_result(tn_shared_event_wait(event, TN_NOWAIT), 0);
    assert_result(tn_shared_event_wait(event, TN_FOREVER), 0);
    tn_shared_event_clear(event);
    assert_false(tn_shared_event_is_set(event));
    assert_result(tn_shared_event_wait(event, tn_after_us(10)), -ETIME);
    assert_result(tn_shared_event_wait(NULL, TN_FOREVER), -EINVAL);
    assert_result(tn_shared_event_new(NULL), -EINVAL);
    tn_shared_event_unref(event);
    tn_shared_event_unref(NULL);
}

static void setting_it_wakes_all_in_order_also_if_it_is_cleared_then(void)
{
    tn_greenlet *gs[3];

    test_not_seeded("it is about the order");
    make_event();
    gs[0] = spawn(await_event, (char[]){"a"});
    settle();
    gs[1] = spawn(await_event, (char[]){"b"});
    settle();
    gs[2] = spawn(await_event, (char[]){"c"});
    settle();
    tn_shared_event_set(event);
    tn_shared_event_clear(event);
    for (int i = 0; i < 3; i++)
        assert_result(join(gs[i]), 0);
    assert_string_equal(notes(), "a b c");
    tn_shared_event_unref(event);
}

static void *set_it(void *arg)
{
    (void)arg;
    tn_shared_event_set(event);
    tn_shared_event_unref(event);
    return NULL;
}

/* S63: the hub sleeps with nothing else that could wake it. */
static void setting_it_on_a_thread_wakes_a_hub_that_waits_without_end(void)
{
    struct heard heard;

    hear_errors(&heard);
    for (int i = 0; i < 50; i++) {
        pthread_t thread;

        make_event();
        tn_shared_event_ref(event);
        thread = start(set_it, NULL);
        assert_result(tn_shared_event_wait(event, TN_FOREVER), 0);
        end(thread);
        tn_shared_event_unref(event);
    }
    assert_int_equal(heard.n, 0);
}

static void *wait_for_it(void *arg)
{
    assert_result(tn_shared_event_wait(event, TN_FOREVER), 0);
    __atomic_add_fetch((int *)arg, 1, __ATOMIC_RELAXED);
    return NULL;
}

/* S63 */
static void threads_without_a_hub_may_wait(void)
{
    pthread_t threads[4];
    int n = 0;

    make_event();
    for (int i = 0; i < 4; i++)
        threads[i] = start(wait_for_it, &n);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    tn_shared_event_set(event);
    for (int i = 0; i < 4; i++)
        end(threads[i]);
    assert_int_equal(n, 4);
    tn_shared_event_unref(event);
}

static void who_leaves_is_not_woken(void)
{
    tn_greenlet *g;

    make_event();
    g = spawn(await_event, (char[]){"killed"});
    settle();
    assert_result(tn_kill(g, TN_FOREVER), 0);
    assert_result(join(g), -ECANCELED);
    tn_shared_event_set(event);
    settle();
    tn_shared_event_unref(event);
}

static void a_set_counts_before_a_kill_that_comes_after_it_and_before(void)
{
    for (int is_set_first = 0; is_set_first < 2; is_set_first++) {
        tn_greenlet *g;

        make_event();
        g = spawn(await_event, (char[]){"x"});
        settle();
        if (is_set_first)
            tn_shared_event_set(event);
        assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
        if (!is_set_first)
            tn_shared_event_set(event);
        assert_result(join(g), 0);
        tn_shared_event_unref(event);
    }
}

static void wait_in_post(void *arg)
{
    *(int *)arg = tn_shared_event_wait(event, TN_FOREVER);
}

static void on_the_hub_nobody_waits(void)
{
    tn_hub *hub;
    int r = 0;

    make_event();
    assert_result(tn_hub_get(&hub), 0);
    assert_result(tn_hub_post(hub, wait_in_post, &r), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_result(r, -EDEADLK);
    tn_shared_event_unref(event);
}

/* ---- channel ---- */

static int send_one(void *arg)
{
    return tn_shared_channel_send(channel, arg, TN_FOREVER);
}

static int recv_one(void *arg)
{
    void *got;
    int r = tn_shared_channel_recv(channel, &got, TN_FOREVER);

    if (r < 0)
        return r;
    if (arg)
        note(arg);
    return (int)(intptr_t)got;
}

static void items_come_out_in_the_order_they_went_in(void)
{
    void *got;

    make_channel(3);
    for (int round = 0; round < 5; round++) {
        for (int i = 1; i <= 3; i++)
            assert_result(tn_shared_channel_send(channel, item(i), TN_NOWAIT),
                          0);
        assert_result(tn_shared_channel_send(channel, item(4), TN_NOWAIT),
                      -EAGAIN);
        assert_int_equal(tn_shared_channel_count(channel), 3);
        for (int i = 1; i <= 3 - round % 2; i++) {
            assert_result(tn_shared_channel_recv(channel, &got, TN_NOWAIT), 0);
            assert_ptr_equal(got, item(i));
        }
        if (round % 2)
            assert_result(tn_shared_channel_recv(channel, &got, TN_NOWAIT), 0);
        assert_result(tn_shared_channel_recv(channel, &got, TN_NOWAIT),
                      -EAGAIN);
    }
    assert_result(tn_shared_channel_recv(channel, NULL, TN_NOWAIT), -EINVAL);
    assert_result(tn_shared_channel_send(NULL, NULL, TN_NOWAIT), -EINVAL);
    tn_shared_channel_unref(channel);
    assert_result(tn_shared_channel_new(SIZE_MAX / 2, &channel), -ENOMEM);
    assert_result(tn_shared_channel_new(1, NULL), -EINVAL);
}

static void senders_wait_for_room_and_are_served_in_order(void)
{
    tn_greenlet *gs[3];
    void *got;

    test_not_seeded("it is about the order");
    make_channel(1);
    for (int i = 0; i < 3; i++) {
        gs[i] = spawn(send_one, item(i));
        settle();
    }
    assert_int_equal(tn_shared_channel_count(channel), 1);
    for (int i = 0; i < 3; i++) {
        assert_result(tn_shared_channel_recv(channel, &got, TN_NOWAIT), 0);
        assert_ptr_equal(got, item(i));
    }
    for (int i = 0; i < 3; i++)
        assert_result(join(gs[i]), 0);
    tn_shared_channel_unref(channel);
}

static void a_sender_that_waits_has_the_room_that_comes(void)
{
    tn_greenlet *g;
    void *got;

    make_channel(1);
    assert_result(tn_shared_channel_send(channel, item(1), TN_NOWAIT), 0);
    g = spawn(send_one, item(2));
    settle();
    assert_result(tn_shared_channel_recv(channel, &got, TN_NOWAIT), 0);
    assert_result(tn_shared_channel_send(channel, item(3), TN_NOWAIT), -EAGAIN);
    assert_result(tn_shared_channel_recv(channel, &got, TN_NOWAIT), 0);
    assert_ptr_equal(got, item(2));
    assert_result(join(g), 0);
    tn_shared_channel_unref(channel);
}

static void receivers_wait_and_are_served_in_order(void)
{
    tn_greenlet *gs[3];

    test_not_seeded("it is about the order");
    make_channel(2);
    gs[0] = spawn(recv_one, (char[]){"a"});
    settle();
    gs[1] = spawn(recv_one, (char[]){"b"});
    settle();
    gs[2] = spawn(recv_one, (char[]){"c"});
    settle();
    for (int i = 1; i <= 3; i++)
        assert_result(tn_shared_channel_send(channel, item(i), TN_NOWAIT), 0);
    for (int i = 0; i < 3; i++)
        assert_result(join(gs[i]), i + 1);
    assert_string_equal(notes(), "a b c");
    tn_shared_channel_unref(channel);
}

static void without_room_each_is_handed_over(void)
{
    tn_greenlet *g;
    void *got;

    make_channel(0);
    assert_result(tn_shared_channel_send(channel, NULL, TN_NOWAIT), -EAGAIN);
    assert_result(tn_shared_channel_send(channel, NULL, tn_after_us(10)),
                  -ETIME);
    g = spawn(send_one, item(5));
    settle();
    assert_int_equal(tn_shared_channel_count(channel), 0);
    assert_result(tn_shared_channel_recv(channel, &got, TN_NOWAIT), 0);
    assert_ptr_equal(got, item(5));
    assert_result(join(g), 0);
    g = spawn(recv_one, NULL);
    settle();
    assert_result(tn_shared_channel_send(channel, item(6), TN_NOWAIT), 0);
    assert_result(join(g), 6);
    tn_shared_channel_unref(channel);
}

static void a_close_drains_and_refuses(void)
{
    tn_greenlet *sender, *receiver;
    void *got;

    make_channel(1);
    assert_result(tn_shared_channel_send(channel, item(1), TN_NOWAIT), 0);
    sender = spawn(send_one, item(2));
    settle();
    tn_shared_channel_close(channel);
    tn_shared_channel_close(channel);
    assert_result(join(sender), -EPIPE);
    assert_result(tn_shared_channel_send(channel, NULL, TN_FOREVER), -EPIPE);
    assert_result(tn_shared_channel_recv(channel, &got, TN_FOREVER), 0);
    assert_ptr_equal(got, item(1));
    assert_result(tn_shared_channel_recv(channel, &got, TN_FOREVER), -EPIPE);
    tn_shared_channel_unref(channel);
    make_channel(1);
    receiver = spawn(recv_one, NULL);
    settle();
    tn_shared_channel_close(channel);
    assert_result(join(receiver), -EPIPE);
    tn_shared_channel_unref(channel);
}

static void a_sender_that_leaves_has_sent_nothing(void)
{
    tn_greenlet *a, *b;
    void *got;

    make_channel(0);
    a = spawn(send_one, item(1));
    settle();
    b = spawn(send_one, item(2));
    settle();
    assert_result(tn_kill(a, TN_FOREVER), 0);
    assert_result(join(a), -ECANCELED);
    assert_result(tn_shared_channel_recv(channel, &got, TN_FOREVER), 0);
    assert_ptr_equal(got, item(2));
    assert_result(join(b), 0);
    tn_shared_channel_unref(channel);
}

static void what_was_given_is_received_in_spite_of_a_kill(void)
{
    tn_greenlet *g;

    make_channel(0);
    g = spawn(recv_one, NULL);
    settle();
    assert_result(tn_shared_channel_send(channel, item(9), TN_NOWAIT), 0);
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    assert_result(join(g), 9);
    /* The other way round the sender finds the receiver still there. */
    g = spawn(recv_one, NULL);
    settle();
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    assert_result(tn_shared_channel_send(channel, item(8), TN_NOWAIT), 0);
    assert_result(join(g), 8);
    tn_shared_channel_unref(channel);
}

/* ---- threads ---- */

static int recv_forever(void *arg)
{
    (void)arg;
    return recv_one(NULL);
}

static void *leave_receivers(void *arg)
{
    (void)arg;
    spawn_detached(recv_forever, NULL);
    spawn_detached(recv_forever, NULL);
    settle();
    return NULL;
}

static void waiters_of_a_thread_that_ended_are_passed_over(void)
{
    tn_greenlet *g;

    make_channel(0);
    end(start(leave_receivers, NULL));
    assert_result(tn_shared_channel_send(channel, NULL, TN_NOWAIT), -EAGAIN);
    g = spawn(recv_one, NULL);
    settle();
    assert_result(tn_shared_channel_send(channel, item(3), TN_NOWAIT), 0);
    assert_result(join(g), 3);
    tn_shared_channel_unref(channel);
}

/* The thread takes no posts any more, and its waiters are still there. */
static void send_too_late(void *arg)
{
    *(int *)arg = tn_shared_channel_send(channel, NULL, TN_NOWAIT);
}

static void post_once_more(void *arg)
{
    tn_hub *hub;

    assert_result(tn_hub_get(&hub), 0);
    assert_result(tn_hub_post(hub, send_too_late, arg), 0);
}

static void *leave_a_receiver_and_post(void *arg)
{
    tn_hub *hub;

    spawn_detached(recv_forever, NULL);
    settle();
    assert_result(tn_hub_get(&hub), 0);
    assert_result(tn_hub_post(hub, post_once_more, arg), 0);
    return NULL;
}

static void waiters_of_a_thread_that_ends_are_passed_over(void)
{
    int r = 0;

    make_channel(0);
    end(start(leave_a_receiver_and_post, &r));
    assert_result(r, -EAGAIN);
    tn_shared_channel_unref(channel);
}

enum { N_THREADS = 3, N_EACH = 2, N_ITEMS = 400 };

static unsigned char seen[N_THREADS * N_EACH * N_ITEMS + 1];
static int n_received;

static int send_many(void *arg)
{
    intptr_t first = (intptr_t)arg;

    for (int i = 0; i < N_ITEMS; i++) {
        int r;

        do {
            tn_time deadline = i % 4 ? TN_FOREVER : tn_after_us(i % 7);

            r = tn_shared_channel_send(channel, item(first + i), deadline);
        } while (r == -ETIME);
        assert_result(r, 0);
    }
    return 0;
}

static int recv_many(void *arg)
{
    int n = 0;

    (void)arg;
    for (;;) {
        void *got;
        int r = tn_shared_channel_recv(channel, &got,
                                       n % 4 ? TN_FOREVER : tn_after_us(n % 5));

        if (r == -EPIPE)
            return 0;
        n++;
        if (r == -ETIME)
            continue;
        assert_result(r, 0);
        assert_result(
            __atomic_add_fetch(&seen[(intptr_t)got], 1, __ATOMIC_RELAXED), 1);
        __atomic_add_fetch(&n_received, 1, __ATOMIC_RELAXED);
    }
}

static void *run_senders(void *arg)
{
    intptr_t thread = (intptr_t)arg;
    tn_greenlet *gs[N_EACH];

    for (int i = 0; i < N_EACH; i++)
        gs[i] = spawn(send_many, item(1 + (thread * N_EACH + i) * N_ITEMS));
    for (int i = 0; i < N_EACH; i++)
        assert_result(join(gs[i]), 0);
    return NULL;
}

static void *run_receivers(void *arg)
{
    tn_greenlet *gs[N_EACH];

    for (int i = 0; i < N_EACH; i++)
        gs[i] = spawn(recv_many, arg);
    for (int i = 0; i < N_EACH; i++)
        assert_result(join(gs[i]), 0);
    return NULL;
}

static void exchange_all(size_t capacity)
{
    pthread_t senders[N_THREADS], receivers[N_THREADS];

    make_channel(capacity);
    memset(seen, 0, sizeof seen);
    n_received = 0;
    for (int i = 0; i < N_THREADS; i++) {
        receivers[i] = start(run_receivers, NULL);
        senders[i] = start(run_senders, item(i));
    }
    for (int i = 0; i < N_THREADS; i++)
        end(senders[i]);
    tn_shared_channel_close(channel);
    for (int i = 0; i < N_THREADS; i++)
        end(receivers[i]);
    assert_int_equal(n_received, N_THREADS * N_EACH * N_ITEMS);
    tn_shared_channel_unref(channel);
}

static void every_item_arrives_once_while_deadlines_race(void)
{
    exchange_all(0);
    exchange_all(1);
    exchange_all(16);
}

static long shared_count;

/* A channel with one item in it is a lock. */
static int lock_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000; i++) {
        void *token;

        assert_result(tn_shared_channel_recv(channel, &token, TN_FOREVER), 0);
        shared_count++;
        assert_result(tn_shared_channel_send(channel, token, TN_FOREVER), 0);
    }
    return 0;
}

static void *lock_often_on_main(void *arg)
{
    lock_often(arg);
    return NULL;
}

static void *lock_often_in_a_greenlet(void *arg)
{
    assert_result(join(spawn(lock_often, arg)), 0);
    return NULL;
}

/* S71 */
static void threads_with_and_without_greenlets_share_a_lock(void)
{
    pthread_t threads[2];

    shared_count = 0;
    make_channel(1);
    assert_result(tn_shared_channel_send(channel, NULL, TN_NOWAIT), 0);
    threads[0] = start(lock_often_on_main, NULL);
    threads[1] = start(lock_often_in_a_greenlet, NULL);
    lock_often(NULL);
    end(threads[0]);
    end(threads[1]);
    assert_int_equal(shared_count, 3 * 2000);
    tn_shared_channel_unref(channel);
}

static void *give_up(void *arg)
{
    void *token;

    *(int *)arg = tn_shared_channel_recv(channel, &token, tn_after_ms(1));
    return NULL;
}

/* S71 */
static void a_thread_gives_up_waiting_and_leaves_no_trace(void)
{
    int r = 0;
    void *got;

    make_channel(1);
    end(start(give_up, &r));
    assert_result(r, -ETIME);
    assert_result(tn_shared_channel_send(channel, item(1), TN_NOWAIT), 0);
    assert_result(tn_shared_channel_recv(channel, &got, TN_NOWAIT), 0);
    assert_ptr_equal(got, item(1));
    tn_shared_channel_unref(channel);
}

TEST_MAIN(TEST(an_event_stays_set_until_it_is_cleared),
          TEST(setting_it_wakes_all_in_order_also_if_it_is_cleared_then),
          TEST(setting_it_on_a_thread_wakes_a_hub_that_waits_without_end),
          TEST(threads_without_a_hub_may_wait), TEST(who_leaves_is_not_woken),
          TEST(a_set_counts_before_a_kill_that_comes_after_it_and_before),
          TEST(on_the_hub_nobody_waits),
          TEST(items_come_out_in_the_order_they_went_in),
          TEST(senders_wait_for_room_and_are_served_in_order),
          TEST(a_sender_that_waits_has_the_room_that_comes),
          TEST(receivers_wait_and_are_served_in_order),
          TEST(without_room_each_is_handed_over),
          TEST(a_close_drains_and_refuses),
          TEST(a_sender_that_leaves_has_sent_nothing),
          TEST(what_was_given_is_received_in_spite_of_a_kill),
          TEST(waiters_of_a_thread_that_ended_are_passed_over),
          TEST(waiters_of_a_thread_that_ends_are_passed_over),
          TEST(every_item_arrives_once_while_deadlines_race),
          TEST(threads_with_and_without_greenlets_share_a_lock),
          TEST(a_thread_gives_up_waiting_and_leaves_no_trace))
