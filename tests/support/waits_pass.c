/* SPDX-License-Identifier: MIT */
/* tests/support/waits_pass.c - see waits_pass.h. */
#include "support/waits_pass.h"

/* ---- channels ---- */

static uint64_t item;

static void free_channel(struct wait *w)
{
    tn_channel_free(w->object);
}

static void open_channel(struct wait *w, size_t capacity)
{
    tn_channel *ch;

    assert_result(tn_channel_new(sizeof item, capacity, &ch), 0);
    w->object = ch;
    w->free = free_channel;
}

void open_channel_empty(struct wait *w)
{
    open_channel(w, 1);
}

void open_channel_full(struct wait *w)
{
    open_channel(w, 1);
    send_one(w);
}

void open_rendezvous(struct wait *w)
{
    open_channel(w, 0);
}

long call_send_here(struct wait *w, tn_time deadline)
{
    return tn_channel_send(w->object, &item, deadline);
}

long call_recv_here(struct wait *w, tn_time deadline)
{
    return tn_channel_recv(w->object, &item, deadline);
}

void send_one(struct wait *w)
{
    assert_result(tn_channel_send(w->object, &item, TN_NOWAIT), 0);
}

void receive_one(struct wait *w)
{
    assert_result(tn_channel_recv(w->object, &item, TN_NOWAIT), 0);
}

void close_channel(struct wait *w)
{
    assert_result(tn_channel_close(w->object), 0);
}

/* ---- select: the second of three cases is satisfied ---- */

static tn_channel *idle;

static void free_two(struct wait *w)
{
    tn_channel_free(idle);
    tn_channel_free(w->object);
}

void open_two_channels(struct wait *w)
{
    open_channel(w, 1);
    assert_result(tn_channel_new(sizeof item, 0, &idle), 0);
    w->free = free_two;
}

long call_select(struct wait *w, tn_time deadline)
{
    struct tn_select_case cases[] = {
        TN_SELECT_CASE_SEND(idle, &item),
        TN_SELECT_CASE_RECV(w->object, &item),
        TN_SELECT_CASE_RECV(idle, &item),
    };

    return tn_select(cases, 3, deadline);
}

/* ---- queues ---- */

static void free_queue(struct wait *w)
{
    tn_queue_free(w->object);
}

void open_queue(struct wait *w)
{
    struct tn_queue_options options = TN_QUEUE_OPTIONS;
    tn_queue *q;

    options.capacity = 1;
    assert_result(tn_queue_new(&options, &q), 0);
    w->object = q;
    w->free = free_queue;
}

void open_full_queue(struct wait *w)
{
    open_queue(w);
    put_one(w);
}

long call_put(struct wait *w, tn_time deadline)
{
    return tn_queue_put(w->object, w, deadline);
}

long call_get(struct wait *w, tn_time deadline)
{
    return tn_queue_get(w->object, NULL, deadline);
}

long call_peek(struct wait *w, tn_time deadline)
{
    return tn_queue_peek(w->object, NULL, deadline);
}

long call_queue_join(struct wait *w, tn_time deadline)
{
    return tn_queue_join(w->object, deadline);
}

void put_one(struct wait *w)
{
    assert_result(tn_queue_put(w->object, w, TN_NOWAIT), 0);
}

void get_one(struct wait *w)
{
    assert_result(tn_queue_get(w->object, NULL, TN_NOWAIT), 0);
}

void task_done(struct wait *w)
{
    assert_result(tn_queue_task_done(w->object), 0);
}
