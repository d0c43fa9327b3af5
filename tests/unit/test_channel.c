/* SPDX-License-Identifier: MIT */
/* tests/unit/test_channel.c - items from greenlet to greenlet (S55, S73, S78,
 * S79). The order in which greenlets run is the simulator's to choose when it
 * has a seed: what is said about order here holds for any. */
#include <pthread.h>
#include <string.h>

#include "support/green.h"

static tn_channel *make(size_t item_bytes, size_t capacity)
{
    tn_channel *ch;

    assert_result(tn_channel_new(item_bytes, capacity, &ch), 0);
    return ch;
}

static int send_int(tn_channel *ch, int64_t item, tn_time deadline)
{
    return tn_channel_send(ch, &item, deadline);
}

/* What was received, or the error. */
static int64_t recv_int(tn_channel *ch, tn_time deadline)
{
    int64_t item = -1;
    int r = tn_channel_recv(ch, &item, deadline);

    return r < 0 ? r : item;
}

/* One that sends or receives once. */
struct peer {
    tn_channel *ch;
    int64_t item;
    tn_time deadline;
    int r;
};

static int send_it(void *arg)
{
    struct peer *p = arg;

    p->r = tn_channel_send(p->ch, &p->item, p->deadline);
    return 0;
}

static int recv_it(void *arg)
{
    struct peer *p = arg;

    p->r = tn_channel_recv(p->ch, &p->item, p->deadline);
    return 0;
}

/* It has run until it waits or has ended, in whatever order others run. */
static tn_greenlet *run(tn_greenlet *g)
{
    while (tn_greenlet_state(g) == TN_GREENLET_READY)
        assert_result(tn_yield(), 0);
    return g;
}

static tn_greenlet *start(tn_greenlet_fn fn, struct peer *p, tn_channel *ch,
                          int64_t item)
{
    *p = (struct peer){ch, item, TN_FOREVER, 1};
    return run(spawn(fn, p));
}

/* ---- rendezvous ---- */

static int hear_two_words(void *arg)
{
    const char *word;

    for (int i = 0; i < 2; i++) {
        assert_result(tn_channel_recv(arg, &word, TN_FOREVER), 0);
        note(word);
    }
    return 0;
}

/* S78: there, each put lets the getter run first. Here the one that finds its
 * peer waiting goes on, so "sent world" may come before "world"; a send has
 * never returned before its item was received. */
static void a_send_completes_with_its_receive(void)
{
    tn_channel *ch = make(sizeof(char *), 0);
    tn_greenlet *g = spawn(hear_two_words, ch);
    const char *word = "hello";

    note("sending");
    assert_result(tn_channel_send(ch, &word, TN_FOREVER), 0);
    note("sent");
    word = "world";
    assert_result(tn_channel_send(ch, &word, TN_FOREVER), 0);
    assert_result(join(g), 0);
    assert_non_null(strstr(notes(), "sending"));
    assert_true(strstr(notes(), "hello") < strstr(notes(), "world"));
    assert_true(strstr(notes(), "sent") < strstr(notes(), "world"));
    tn_channel_free(ch);
}

/* S78 */
static void a_rendezvous_keeps_nothing(void)
{
    tn_channel *ch = make(sizeof(int64_t), 0);

    assert_int_equal(tn_channel_capacity(ch), 0);
    assert_int_equal(tn_channel_count(ch), 0);
    assert_result(send_int(ch, 1, TN_NOWAIT), -EAGAIN);
    assert_result(recv_int(ch, TN_NOWAIT), -EAGAIN);
    assert_result(send_int(ch, 1, tn_after_ms(1)), -ETIME);
    assert_result(recv_int(ch, tn_after_ms(1)), -ETIME);
    assert_int_equal(tn_channel_count(ch), 0);
    tn_channel_free(ch);
}

/* S78 */
static void the_balance_is_senders_minus_receivers(void)
{
    tn_channel *ch = make(sizeof(int64_t), 0);
    struct peer p[2], q;
    tn_greenlet *g[3];

    assert_int_equal(tn_channel_balance(ch), 0);
    g[0] = start(send_it, &p[0], ch, 1);
    g[1] = start(send_it, &p[1], ch, 2);
    assert_int_equal(tn_channel_balance(ch), 2);
    assert_result(recv_int(ch, TN_FOREVER), 1);
    assert_int_equal(tn_channel_balance(ch), 1);
    assert_result(recv_int(ch, TN_FOREVER), 2);
    g[2] = start(recv_it, &q, ch, 0);
    assert_int_equal(tn_channel_balance(ch), -1);
    assert_result(send_int(ch, 3, TN_NOWAIT), 0);
    for (int i = 0; i < 3; i++)
        join(g[i]);
    assert_int_equal(q.item, 3);
    tn_channel_free(ch);
}

static void waiters_are_served_in_the_order_they_came(void)
{
    tn_channel *ch = make(sizeof(int64_t), 0);
    struct peer p[4];
    tn_greenlet *g[4];

    for (int i = 0; i < 4; i++)
        g[i] = start(send_it, &p[i], ch, i);
    for (int i = 0; i < 4; i++)
        assert_result(recv_int(ch, TN_FOREVER), i);
    for (int i = 0; i < 4; i++)
        join(g[i]);
    for (int i = 0; i < 4; i++)
        g[i] = start(recv_it, &p[i], ch, -1);
    for (int i = 0; i < 4; i++)
        assert_result(send_int(ch, i + 10, TN_FOREVER), 0);
    for (int i = 0; i < 4; i++) {
        join(g[i]);
        assert_int_equal(p[i].item, i + 10);
    }
    tn_channel_free(ch);
}

/* ---- kept items ---- */

static void as_many_as_the_capacity_are_kept_in_order(void)
{
    tn_channel *ch = make(sizeof(int64_t), 3);

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++)
            assert_result(send_int(ch, round * 10 + i, TN_NOWAIT), 0);
        assert_result(send_int(ch, 99, TN_NOWAIT), -EAGAIN);
        assert_int_equal(tn_channel_count(ch), 3);
        for (int i = 0; i < 3; i++)
            assert_result(recv_int(ch, TN_NOWAIT), round * 10 + i);
        assert_result(recv_int(ch, TN_NOWAIT), -EAGAIN);
        /* so that the ring's ends differ the next time */
        assert_result(send_int(ch, 5, TN_NOWAIT), 0);
        assert_result(recv_int(ch, TN_NOWAIT), 5);
    }
    tn_channel_free(ch);
}

static void a_sender_that_waits_gets_the_room_before_a_later_one(void)
{
    tn_channel *ch = make(sizeof(int64_t), 1);
    struct peer p;
    tn_greenlet *g;

    assert_result(send_int(ch, 1, TN_NOWAIT), 0);
    g = start(send_it, &p, ch, 2);
    assert_result(recv_int(ch, TN_NOWAIT), 1);
    assert_result(send_int(ch, 3, TN_NOWAIT), -EAGAIN);
    assert_result(recv_int(ch, TN_NOWAIT), 2);
    join(g);
    assert_result(p.r, 0);
    tn_channel_free(ch);
}

static void items_of_any_size_are_copied_whole(void)
{
    static const size_t sizes[] = {1, 4, 7, 8, 16, 1000};
    unsigned char from[1000], to[1001];

    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (unsigned char)(i * 7 + 1);
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        tn_channel *ch = make(sizes[k], 2);

        memset(to, 0, sizeof to);
        for (int i = 0; i < 5; i++) {
            assert_result(tn_channel_send(ch, from, TN_NOWAIT), 0);
            assert_result(tn_channel_recv(ch, to, TN_NOWAIT), 0);
        }
        assert_memory_equal(from, to, sizes[k]);
        assert_int_equal(to[sizes[k]], 0);
        tn_channel_free(ch);
    }
}

static void a_signal_needs_no_variable(void)
{
    tn_channel *ch = make(0, 2);

    assert_result(tn_channel_send(ch, NULL, TN_NOWAIT), 0);
    assert_result(tn_channel_send(ch, NULL, TN_NOWAIT), 0);
    assert_result(tn_channel_send(ch, NULL, TN_NOWAIT), -EAGAIN);
    assert_result(tn_channel_recv(ch, NULL, TN_NOWAIT), 0);
    assert_int_equal(tn_channel_count(ch), 1);
    tn_channel_free(ch);
}

static void a_receive_into_nothing_drops_the_item(void)
{
    tn_channel *ch = make(sizeof(int64_t), 0);
    struct peer p;
    tn_greenlet *g = start(send_it, &p, ch, 1);

    assert_result(tn_channel_recv(ch, NULL, TN_FOREVER), 0);
    join(g);
    assert_result(p.r, 0);
    tn_channel_free(ch);
}

/* ---- leaving ---- */

/* S55 */
static void one_that_was_killed_or_late_is_passed_over(void)
{
    tn_channel *ch = make(sizeof(int64_t), 0);
    struct peer p[3];
    tn_greenlet *g[3];

    g[0] = start(recv_it, &p[0], ch, -1);
    p[1] = (struct peer){ch, -1, tn_after_ms(1), 1};
    g[1] = run(spawn(recv_it, &p[1]));
    g[2] = start(recv_it, &p[2], ch, -1);
    assert_result(tn_kill(g[0], TN_FOREVER), 0);
    assert_result(tn_sleep(tn_after_ms(2)), 0);
    assert_result(p[0].r, -ECANCELED);
    assert_result(p[1].r, -ETIME);
    assert_result(send_int(ch, 5, TN_NOWAIT), 0);
    for (int i = 0; i < 3; i++)
        join(g[i]);
    assert_int_equal(p[2].item, 5);
    tn_channel_free(ch);
}

/* S55 */
static void a_kill_in_the_moment_of_the_receive_keeps_the_item(void)
{
    for (int is_kill_first = 0; is_kill_first < 2; is_kill_first++) {
        tn_channel *ch = make(sizeof(int64_t), 0);
        struct peer p;
        tn_greenlet *g = start(recv_it, &p, ch, -1);

        if (is_kill_first)
            assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
        assert_result(send_int(ch, 5, TN_NOWAIT), 0);
        if (!is_kill_first)
            assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
        join(g);
        assert_result(p.r, 0);
        assert_int_equal(p.item, 5);
        tn_channel_free(ch);
    }
}

static int recv_in_a_shield(void *arg)
{
    tn_shield shield;

    tn_shield_begin(&shield, TN_FOREVER);
    recv_it(arg);
    tn_shield_end(&shield);
    return tn_yield();
}

static void a_kill_behind_a_shield_leaves_the_receive_waiting(void)
{
    tn_channel *ch = make(sizeof(int64_t), 0);
    struct peer p;
    tn_greenlet *g = start(recv_in_a_shield, &p, ch, -1);

    for (int i = 0; i < 3; i++) {
        assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
        assert_result(tn_greenlet_state(run(g)), TN_GREENLET_WAITING);
    }
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    assert_result(send_int(ch, 5, TN_NOWAIT), 0);
    assert_result(join(g), -ECANCELED);
    assert_int_equal(p.item, 5);
    tn_channel_free(ch);
}

static int recv_in_a_scope(void *arg)
{
    struct peer *p = arg;
    tn_timeout t;

    tn_timeout_begin(&t, tn_after_ms(2));
    recv_it(arg);
    tn_timeout_end(&t);
    assert_int_equal(t.fired, p->r == -ETIME);
    return tn_yield();
}

static void a_scope_ends_many_receives_at_once(void)
{
    enum { N = 50 };
    tn_channel *ch = make(sizeof(int64_t), 0);
    struct peer p[N];
    tn_greenlet *g[N];

    for (int i = 0; i < N; i++) {
        p[i] = (struct peer){ch, -1, TN_FOREVER, 1};
        g[i] = spawn(recv_in_a_scope, &p[i]);
    }
    for (int i = 0; i < N; i++) {
        assert_result(join(g[i]), 0);
        assert_result(p[i].r, -ETIME);
    }
    assert_int_equal(tn_channel_balance(ch), 0);
    tn_channel_free(ch);
}

static struct heard heard;

static void main_alone_gets_edeadlk(void)
{
    tn_channel *ch = make(sizeof(int64_t), 0);

    hear_errors(&heard);
    assert_result(send_int(ch, 1, TN_FOREVER), -EDEADLK);
    assert_result(recv_int(ch, TN_FOREVER), -EDEADLK);
    assert_int_equal(heard.n, 2);
    assert_non_null(strstr(heard.text, "waits in tn_channel_recv"));
    assert_int_equal(tn_channel_balance(ch), 0);
    tn_channel_free(ch);
}

/* ---- the end ---- */

/* S79: what ends an iteration */
static int add_up(void *arg)
{
    struct peer *p = arg;
    int64_t item;

    p->item = 0;
    while ((p->r = tn_channel_recv(p->ch, &item, TN_FOREVER)) == 0)
        p->item += item;
    return 0;
}

/* S79 */
static void receives_drain_a_closed_channel_and_then_end(void)
{
    tn_channel *ch = make(sizeof(int64_t), 4);
    struct peer p = {ch, 0, TN_FOREVER, 1};

    for (int i = 1; i <= 4; i++)
        assert_result(send_int(ch, i, TN_NOWAIT), 0);
    assert_int_equal(tn_channel_is_closed(ch), 0);
    assert_result(tn_channel_close(ch), 0);
    assert_result(tn_channel_close(ch), 0);
    assert_int_equal(tn_channel_is_closed(ch), 1);
    assert_result(send_int(ch, 5, TN_FOREVER), -EPIPE);
    join(spawn(add_up, &p));
    assert_result(p.r, -EPIPE);
    assert_int_equal(p.item, 10);
    tn_channel_free(ch);
}

static void a_close_wakes_all_that_wait(void)
{
    tn_channel *ch = make(sizeof(int64_t), 1);
    struct peer p[4];
    tn_greenlet *g[4];

    g[0] = start(recv_it, &p[0], ch, -1);
    g[1] = start(recv_it, &p[1], ch, -1);
    assert_result(tn_channel_close(ch), 0);
    tn_channel_free(ch);
    ch = make(sizeof(int64_t), 1);
    assert_result(send_int(ch, 1, TN_NOWAIT), 0);
    g[2] = start(send_it, &p[2], ch, 2);
    p[3] = (struct peer){ch, 3, tn_after_s(1000), 1};
    g[3] = run(spawn(send_it, &p[3]));
    tn_channel_free(ch); /* closes */
    for (int i = 0; i < 4; i++) {
        join(g[i]);
        assert_result(p[i].r, -EPIPE);
    }
}

/* ---- from elsewhere ---- */

static void on_the_hub(tn_greenlet *g, void *arg)
{
    int64_t item = 7;

    (void)g;
    assert_result(tn_channel_send(arg, &item, TN_FOREVER), -EDEADLK);
    assert_result(tn_channel_send(arg, &item, TN_NOWAIT), 0);
    assert_result(tn_channel_send(arg, &item, TN_NOWAIT), -EAGAIN);
}

static int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

/* S73 */
static void a_link_hands_over_to_one_that_waits(void)
{
    tn_channel *ch = make(sizeof(int64_t), 0);
    struct peer p;
    tn_greenlet *g = start(recv_it, &p, ch, -1), *other;
    tn_link link;

    other = spawn(end_at_once, NULL);
    assert_result(tn_greenlet_link(other, &link, on_the_hub, ch), 0);
    join(g);
    join(other);
    assert_int_equal(p.item, 7);
    tn_channel_free(ch);
}

static void *use_it(void *arg)
{
    int64_t item = 1;

    assert_result(tn_channel_send(arg, &item, TN_NOWAIT), -EXDEV);
    assert_result(tn_channel_recv(arg, &item, TN_NOWAIT), -EXDEV);
    assert_result(tn_channel_close(arg), -EXDEV);
    return NULL;
}

static void another_thread_is_refused(void)
{
    tn_channel *ch = make(sizeof(int64_t), 1);
    pthread_t thread;

    assert_result(pthread_create(&thread, NULL, use_it, ch), 0);
    assert_result(pthread_join(thread, NULL), 0);
    tn_channel_free(ch);
}

static void wrong_arguments_are_refused(void)
{
    tn_channel *ch = make(sizeof(int64_t), 0), *other = ch;
    int64_t item = 1;

    assert_result(tn_channel_new(8, 1, NULL), -EINVAL);
    assert_result(tn_channel_new(SIZE_MAX / 2, 3, &other), -ENOMEM);
    assert_result(tn_channel_new(1, SIZE_MAX, &other), -ENOMEM);
    assert_ptr_equal(other, ch);
    assert_result(tn_channel_send(NULL, &item, TN_NOWAIT), -EINVAL);
    assert_result(tn_channel_recv(NULL, &item, TN_NOWAIT), -EINVAL);
    assert_result(tn_channel_send(ch, NULL, TN_FOREVER), -EINVAL);
    assert_result(tn_channel_close(NULL), -EINVAL);
    assert_null(tn_channel_waitable(NULL));
    tn_channel_free(NULL);
    tn_channel_free(ch);
}

/* ---- fairness, and others that look on ---- */

static int is_over;

static int keep_sending(void *arg)
{
    while (!is_over)
        assert_result(send_int(arg, 1, TN_FOREVER), 0);
    return 0;
}

static int keep_receiving(void *arg)
{
    while (recv_int(arg, TN_FOREVER) == 1)
        ;
    return 0;
}

static int try_without_end(void *arg)
{
    while (!is_over)
        assert_result(recv_int(arg, TN_NOWAIT), -EAGAIN);
    return 0;
}

static int talk_to_itself(void *arg)
{
    while (!is_over) {
        assert_result(send_int(arg, 1, TN_FOREVER), 0);
        assert_result(recv_int(arg, TN_FOREVER), 1);
    }
    return 0;
}

/* Everything in it completes at once. */
static void busy_peers_let_timers_run(void)
{
    tn_channel *ch[4] = {make(8, 0), make(8, 1000), make(8, 1), make(8, 1)};
    tn_greenlet *g[6];

    test_not_seeded("it takes thousands of turns");
    is_over = 0;
    for (int i = 0; i < 2; i++) {
        g[2 * i] = spawn(keep_sending, ch[i]);
        g[2 * i + 1] = spawn(keep_receiving, ch[i]);
    }
    g[4] = spawn(try_without_end, ch[2]);
    g[5] = spawn(talk_to_itself, ch[3]);
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    is_over = 1;
    for (int i = 0; i < 2; i++) {
        join(g[2 * i]);
        assert_result(tn_channel_close(ch[i]), 0);
        join(g[2 * i + 1]);
    }
    join(g[4]);
    join(g[5]);
    for (int i = 0; i < 4; i++)
        tn_channel_free(ch[i]);
}

static void become_ready(tn_waitable *w, void *arg)
{
    assert_result(tn_waitable_is_ready(w), 1);
    note(arg);
}

static void it_is_ready_when_a_receive_would_not_wait(void)
{
    tn_channel *ch = make(sizeof(int64_t), 1), *rendezvous = make(8, 0);
    tn_waitable *w = tn_channel_waitable(ch);
    tn_waitable *v = tn_channel_waitable(rendezvous);
    tn_link kept = {0}, offered = {0}, closed = {0};
    struct peer p;
    tn_greenlet *g;

    assert_result(tn_waitable_is_ready(w), 0);
    assert_result(tn_waitable_link(w, &kept, become_ready, (void *)"kept"), 0);
    assert_result(send_int(ch, 1, TN_NOWAIT), 0);
    assert_result(tn_waitable_is_ready(w), 1);
    assert_result(tn_waitable_link(v, &offered, become_ready, (void *)"offer"),
                  0);
    g = start(send_it, &p, rendezvous, 3);
    assert_result(tn_waitable_is_ready(v), 1);
    assert_result(recv_int(rendezvous, TN_NOWAIT), 3);
    join(g);
    assert_result(tn_waitable_is_ready(v), 0);
    assert_result(tn_waitable_link(v, &closed, become_ready, (void *)"closed"),
                  0);
    assert_result(tn_channel_close(rendezvous), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    assert_string_equal(notes(), "kept offer closed");
    tn_channel_free(rendezvous);
    tn_channel_free(ch);
}

TEST_MAIN(
    TEST(a_send_completes_with_its_receive), TEST(a_rendezvous_keeps_nothing),
    TEST(the_balance_is_senders_minus_receivers),
    TEST(waiters_are_served_in_the_order_they_came),
    TEST(as_many_as_the_capacity_are_kept_in_order),
    TEST(a_sender_that_waits_gets_the_room_before_a_later_one),
    TEST(items_of_any_size_are_copied_whole), TEST(a_signal_needs_no_variable),
    TEST(a_receive_into_nothing_drops_the_item),
    TEST(one_that_was_killed_or_late_is_passed_over),
    TEST(a_kill_in_the_moment_of_the_receive_keeps_the_item),
    TEST(a_kill_behind_a_shield_leaves_the_receive_waiting),
    TEST(a_scope_ends_many_receives_at_once), TEST(main_alone_gets_edeadlk),
    TEST(receives_drain_a_closed_channel_and_then_end),
    TEST(a_close_wakes_all_that_wait),
    TEST(a_link_hands_over_to_one_that_waits), TEST(another_thread_is_refused),
    TEST(wrong_arguments_are_refused), TEST(busy_peers_let_timers_run),
    TEST(it_is_ready_when_a_receive_would_not_wait))
