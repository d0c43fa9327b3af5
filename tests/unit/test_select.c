/* SPDX-License-Identifier: MIT */
/* tests/unit/test_select.c - the first of several sends and receives. */
#include <pthread.h>
#include <string.h>

#include "support/green.h"

static tn_channel *make(size_t capacity)
{
    tn_channel *ch;

    assert_result(tn_channel_new(sizeof(int64_t), capacity, &ch), 0);
    return ch;
}

static int send_int(tn_channel *ch, int64_t item, tn_time deadline)
{
    return tn_channel_send(ch, &item, deadline);
}

static int64_t recv_int(tn_channel *ch, tn_time deadline)
{
    int64_t item = -1;
    int r = tn_channel_recv(ch, &item, deadline);

    return r < 0 ? r : item;
}

/* One that selects among up to three. */
struct chooser {
    tn_channel *ch[3];
    int op[3];
    int64_t item[3];
    tn_time deadline;
    int r, result;
};

static int choose(void *arg)
{
    struct chooser *c = arg;
    struct tn_select_case cases[3];

    for (int i = 0; i < 3; i++)
        cases[i] = (struct tn_select_case){
            .channel = c->ch[i], .item = &c->item[i], .op = c->op[i]};
    c->r = tn_select(cases, 3, c->deadline ? c->deadline : TN_FOREVER);
    c->result = c->r < 0 ? 1 : cases[c->r].result;
    return 0;
}

/* It has run until it waits or has ended, in whatever order others run. */
static tn_greenlet *start(struct chooser *c)
{
    tn_greenlet *g = spawn(choose, c);

    while (tn_greenlet_state(g) == TN_GREENLET_READY)
        assert_result(tn_yield(), 0);
    return g;
}

static void nothing_waits_on(tn_channel *ch)
{
    assert_int_equal(tn_channel_balance(ch), 0);
    assert_result(send_int(ch, 0, TN_NOWAIT), -EAGAIN);
    assert_result(recv_int(ch, TN_NOWAIT), -EAGAIN);
}

static void a_case_that_can_be_done_is_done_at_once(void)
{
    tn_channel *kept = make(1), *none = make(0);
    int64_t in = 0, out = 4;
    struct tn_select_case cases[] = {TN_SELECT_CASE_RECV(none, &in),
                                     TN_SELECT_CASE_SEND(kept, &out)};

    assert_result(tn_select(cases, 2, TN_FOREVER), 1);
    assert_result(cases[1].result, 0);
    assert_int_equal(tn_channel_count(kept), 1);
    cases[1] = (struct tn_select_case)TN_SELECT_CASE_RECV(kept, &in);
    assert_result(tn_select(cases, 2, TN_NOWAIT), 1);
    assert_int_equal(in, 4);
    nothing_waits_on(none);
    tn_channel_free(kept);
    tn_channel_free(none);
}

static void nowait_is_the_default_case(void)
{
    tn_channel *ch = make(0);
    int64_t item = 0;
    struct tn_select_case c = TN_SELECT_CASE_RECV(ch, &item);

    assert_result(tn_select(&c, 1, TN_NOWAIT), -EAGAIN);
    assert_result(tn_select(NULL, 0, TN_NOWAIT), -EAGAIN);
    nothing_waits_on(ch);
    tn_channel_free(ch);
}

/* Whatever serves it, the other cases are off their channels at once. */
static void one_that_waits_is_served_once_by_the_first(void)
{
    tn_channel *a = make(0), *b = make(0), *d = make(0);
    struct chooser c = {.ch = {a, b, d},
                        .op = {TN_SELECT_RECV, TN_SELECT_SEND, TN_SELECT_RECV},
                        .item = {-1, 8, -1}};
    tn_greenlet *g = start(&c);

    assert_result(recv_int(b, TN_NOWAIT), 8);
    nothing_waits_on(a);
    nothing_waits_on(b);
    nothing_waits_on(d);
    join(g);
    assert_result(c.r, 1);
    g = start(&c);
    assert_result(send_int(d, 6, TN_NOWAIT), 0);
    nothing_waits_on(a);
    nothing_waits_on(b);
    join(g);
    assert_result(c.r, 2);
    assert_int_equal(c.item[2], 6);
    tn_channel_free(a);
    tn_channel_free(b);
    tn_channel_free(d);
}

static void the_deadline_leaves_nothing_behind(void)
{
    tn_channel *a = make(0), *b = make(0);
    struct chooser c = {.ch = {a, b, a},
                        .op = {TN_SELECT_RECV, TN_SELECT_SEND, TN_SELECT_RECV},
                        .deadline = tn_after_ms(1)};
    tn_greenlet *g = spawn(choose, &c);

    join(g);
    assert_result(c.r, -ETIME);
    nothing_waits_on(a);
    nothing_waits_on(b);
    tn_channel_free(a);
    tn_channel_free(b);
}

static void a_send_and_a_receive_of_one_select_do_not_meet(void)
{
    tn_channel *ch = make(0);
    struct chooser c = {.ch = {ch, ch, ch},
                        .op = {TN_SELECT_SEND, TN_SELECT_RECV, TN_SELECT_SEND},
                        .item = {1, -1, 1}};
    tn_greenlet *g = start(&c);

    assert_result(tn_greenlet_state(g), TN_GREENLET_WAITING);
    assert_int_equal(tn_channel_balance(ch), 1);
    assert_result(recv_int(ch, TN_NOWAIT), 1);
    join(g);
    nothing_waits_on(ch);
    g = start(&c);
    assert_result(send_int(ch, 5, TN_NOWAIT), 0);
    join(g);
    assert_result(c.r, 1);
    assert_int_equal(c.item[1], 5);
    nothing_waits_on(ch);
    tn_channel_free(ch);
}

static void two_selects_meet(void)
{
    tn_channel *a = make(0), *b = make(0);
    struct chooser c = {.ch = {a, b, NULL},
                        .op = {TN_SELECT_SEND, TN_SELECT_RECV},
                        .item = {3, -1}};
    struct chooser d = {.ch = {b, NULL, a},
                        .op = {TN_SELECT_RECV, 0, TN_SELECT_RECV},
                        .item = {-1, -1, -1}};
    tn_greenlet *g = start(&c), *k = start(&d);

    join(g);
    join(k);
    assert_result(c.r, 0);
    assert_result(d.r, 2);
    assert_int_equal(d.item[2], 3);
    nothing_waits_on(a);
    nothing_waits_on(b);
    tn_channel_free(a);
    tn_channel_free(b);
}

static void a_disabled_case_is_never_done(void)
{
    tn_channel *ch = make(0);
    int64_t item = 0;
    struct tn_select_case cases[] = {TN_SELECT_CASE_RECV(NULL, &item),
                                     TN_SELECT_CASE_RECV(ch, &item)};

    assert_result(tn_channel_close(ch), 0);
    for (int i = 0; i < 20; i++)
        assert_result(tn_select(cases, 2, TN_FOREVER), 1);
    assert_result(cases[1].result, -EPIPE);
    assert_result(tn_select(cases, 1, tn_after_ms(1)), -ETIME);
    assert_result(tn_select(NULL, 0, tn_after_ms(1)), -ETIME);
    tn_channel_free(ch);
}

static struct heard heard;

static void main_with_no_case_gets_edeadlk(void)
{
    hear_errors(&heard);
    assert_result(tn_select(NULL, 0, TN_FOREVER), -EDEADLK);
}

static void a_close_is_the_result_of_its_case(void)
{
    tn_channel *a = make(0), *b = make(0);
    struct chooser c = {.ch = {a, b, NULL},
                        .op = {TN_SELECT_SEND, TN_SELECT_SEND}};
    tn_greenlet *g = start(&c);

    assert_result(tn_channel_close(b), 0);
    join(g);
    assert_result(c.r, 1);
    assert_result(c.result, -EPIPE);
    nothing_waits_on(a);
    tn_channel_free(a);
    tn_channel_free(b);
}

/* Design: a pending kill refuses it before a case is tried; a rendezvous that
 * was made is returned. */
static int choose_killed(void *arg)
{
    assert_result(tn_kill(tn_self(), TN_NOWAIT), 0);
    return choose(arg);
}

static void a_pending_kill_refuses_before_a_case_is_tried(void)
{
    tn_channel *ch = make(1);
    struct chooser c = {.ch = {ch}, .op = {TN_SELECT_SEND}};

    join(spawn(choose_killed, &c));
    assert_result(c.r, -ECANCELED);
    assert_int_equal(tn_channel_count(ch), 0);
    tn_channel_free(ch);
}

static void a_rendezvous_that_was_made_counts_before_a_kill(void)
{
    for (int is_kill_first = 0; is_kill_first < 2; is_kill_first++) {
        tn_channel *ch = make(0);
        struct chooser c = {.ch = {NULL, ch}, .op = {0, TN_SELECT_RECV}};
        tn_greenlet *g = start(&c);

        if (is_kill_first)
            assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
        assert_result(send_int(ch, 5, TN_NOWAIT), 0);
        if (!is_kill_first)
            assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
        join(g);
        assert_result(c.r, 1);
        assert_int_equal(c.item[1], 5);
        tn_channel_free(ch);
    }
}

static void among_many_that_can_be_done_each_has_its_chance(void)
{
    enum { N = 10, TIMES = 4000 };
    tn_channel *ch[N];
    struct tn_select_case cases[N];
    int64_t item = 0;
    int done[N] = {0};

    /* Two busy ones, at the far ends of a row that cannot be done. */
    for (int i = 0; i < N; i++) {
        ch[i] = make(i == 0 || i == N - 1 ? TIMES : 0);
        cases[i] = (struct tn_select_case)TN_SELECT_CASE_SEND(ch[i], &item);
    }
    for (int i = 0; i < TIMES; i++) {
        int chosen = tn_select(cases, N, TN_FOREVER);

        assert_true(chosen >= 0);
        done[chosen]++;
    }
    assert_int_equal(done[0] + done[N - 1], TIMES);
    assert_in_range(done[0], TIMES * 4 / 10, TIMES * 6 / 10);
    for (int i = 0; i < N; i++)
        tn_channel_free(ch[i]);
}

static int is_over;

static int select_without_end(void *arg)
{
    int64_t item = 0;

    while (!is_over) {
        struct tn_select_case c = TN_SELECT_CASE_RECV(arg, &item);

        assert_result(tn_select(&c, 1, TN_NOWAIT), -EAGAIN);
    }
    return 0;
}

static void one_that_never_waits_lets_timers_run(void)
{
    tn_channel *ch = make(0);
    tn_greenlet *g = spawn(select_without_end, ch);

    test_not_seeded("it takes thousands of turns");
    is_over = 0;
    assert_result(tn_sleep(tn_after_ms(1)), 0);
    is_over = 1;
    join(g);
    tn_channel_free(ch);
}

static void *use_it(void *arg)
{
    int64_t item = 1;
    struct tn_select_case c = TN_SELECT_CASE_SEND(arg, &item);

    assert_result(tn_select(&c, 1, TN_NOWAIT), -EXDEV);
    return NULL;
}

static void wrong_arguments_are_refused(void)
{
    tn_channel *ch = make(1);
    int64_t item = 1;
    struct tn_select_case good = TN_SELECT_CASE_SEND(ch, &item);
    struct tn_select_case bad[2] = {good, good};
    pthread_t thread;

    assert_result(tn_select(NULL, 1, TN_NOWAIT), -EINVAL);
    bad[1].op = 5;
    assert_result(tn_select(bad, 2, TN_NOWAIT), -EINVAL);
    bad[1] = (struct tn_select_case)TN_SELECT_CASE_SEND(ch, NULL);
    assert_result(tn_select(bad, 2, TN_NOWAIT), -EINVAL);
    assert_result(pthread_create(&thread, NULL, use_it, ch), 0);
    assert_result(pthread_join(thread, NULL), 0);
    assert_int_equal(tn_channel_count(ch), 0);
    tn_channel_free(ch);
}

/* ---- nothing is lost or doubled, whoever meets whom ---- */

enum { N_PEERS = 6, N_ITEMS = 40, N_CHANNELS = 3 };

static tn_channel *mesh[N_CHANNELS];
static int n_seen[N_PEERS * N_ITEMS];
static int n_sent, n_killed;

static int offer_all(void *arg)
{
    int64_t item = *(int *)arg * N_ITEMS;
    int64_t end = item + N_ITEMS;

    while (item < end) {
        struct tn_select_case cases[N_CHANNELS];
        int r;

        for (int i = 0; i < N_CHANNELS; i++)
            cases[i] =
                (struct tn_select_case)TN_SELECT_CASE_SEND(mesh[i], &item);
        r = tn_select(cases, N_CHANNELS,
                      item % 3 ? TN_FOREVER : tn_after_us(10));
        if (r >= 0) {
            n_sent++;
            item++;
        } else if (r == -ECANCELED) {
            n_killed++;
            return r;
        }
    }
    return 0;
}

static int take_all(void *arg)
{
    int me = *(int *)arg;
    int64_t item;

    for (;;) {
        struct tn_select_case cases[] = {
            TN_SELECT_CASE_RECV(mesh[me % N_CHANNELS], &item),
            TN_SELECT_CASE_RECV(mesh[(me + 1) % N_CHANNELS], &item)};
        int r = me % 2 ? tn_select(cases, 2, TN_FOREVER)
                       : tn_channel_recv(cases[0].channel, &item, TN_FOREVER);

        if (r < 0 || (me % 2 && cases[r].result < 0))
            return 0;
        n_seen[item]++;
    }
}

static void every_item_arrives_once(void)
{
    tn_greenlet *senders[N_PEERS], *takers[N_PEERS];
    int numbers[N_PEERS], n = 0;

    memset(n_seen, 0, sizeof n_seen);
    n_sent = n_killed = 0;
    for (int i = 0; i < N_CHANNELS; i++)
        mesh[i] = make(i == 2 ? 2 : 0);
    for (int i = 0; i < N_PEERS; i++) {
        numbers[i] = i;
        senders[i] = spawn(offer_all, &numbers[i]);
        takers[i] = spawn(take_all, &numbers[i]);
    }
    settle();
    assert_true(tn_kill(senders[0], TN_FOREVER) == 0);
    for (int i = 0; i < N_PEERS; i++)
        join(senders[i]);
    for (int i = 0; i < N_CHANNELS; i++)
        assert_result(tn_channel_close(mesh[i]), 0);
    for (int i = 0; i < N_PEERS; i++)
        join(takers[i]);
    for (int i = 0; i < N_PEERS * N_ITEMS; i++) {
        assert_in_range(n_seen[i], 0, 1);
        n += n_seen[i];
    }
    assert_int_equal(n, n_sent);
    assert_in_range(n_killed, 0, 1);
    assert_true(n >= (N_PEERS - 1) * N_ITEMS);
    for (int i = 0; i < N_CHANNELS; i++)
        tn_channel_free(mesh[i]);
}

TEST_MAIN(TEST(a_case_that_can_be_done_is_done_at_once),
          TEST(nowait_is_the_default_case),
          TEST(one_that_waits_is_served_once_by_the_first),
          TEST(the_deadline_leaves_nothing_behind),
          TEST(a_send_and_a_receive_of_one_select_do_not_meet),
          TEST(two_selects_meet), TEST(a_disabled_case_is_never_done),
          TEST(main_with_no_case_gets_edeadlk),
          TEST(a_close_is_the_result_of_its_case),
          TEST(a_pending_kill_refuses_before_a_case_is_tried),
          TEST(a_rendezvous_that_was_made_counts_before_a_kill),
          TEST(among_many_that_can_be_done_each_has_its_chance),
          TEST(one_that_never_waits_lets_timers_run),
          TEST(wrong_arguments_are_refused), TEST(every_item_arrives_once))
