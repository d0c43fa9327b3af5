/* SPDX-License-Identifier: MIT */
/* micro_channel.c - items through channels, from one greenlet to another. */
#include <stdint.h>
#include <stdio.h>
#include <tendril/tendril.h>

#include "bench.h"
#include "micro.h"

enum { KEPT = 100 };

struct stream {
    tn_channel *there;
    tn_channel *back; /* NULL: nothing comes back */
    int is_select;    /* it is received by tn_select(), from two channels */
};

static void receive(struct stream *s, uint64_t *ret_item)
{
    struct tn_select_case cases[] = {TN_SELECT_CASE_RECV(s->back, ret_item),
                                     TN_SELECT_CASE_RECV(s->there, ret_item)};

    if (!s->is_select) {
        if (tn_channel_recv(s->there, ret_item, TN_FOREVER))
            bench_fail("tn_channel_recv failed");
    } else if (tn_select(cases, 2, TN_FOREVER) != 1) {
        bench_fail("tn_select failed");
    }
}

/* The far end: takes what comes, in order, until the item 0. */
static int far_end(void *arg)
{
    struct stream *s = arg;
    uint64_t item, next = 1;

    for (;;) {
        receive(s, &item);
        if (item == 0)
            return 0;
        if (item != next++)
            bench_fail("an item was lost");
        if (s->back && !s->is_select &&
            tn_channel_send(s->back, &item, TN_FOREVER))
            bench_fail("tn_channel_send failed");
    }
}

/* Send what follows *item; true round trips when there is a way back. */
static void send_some(struct stream *s, uint64_t *item)
{
    uint64_t answer;

    for (int i = 0; i < MICRO_TIMES; i++) {
        ++*item;
        if (tn_channel_send(s->there, item, TN_FOREVER))
            bench_fail("tn_channel_send failed");
        if (s->back && !s->is_select) {
            if (tn_channel_recv(s->back, &answer, TN_FOREVER))
                bench_fail("tn_channel_recv failed");
            if (answer != *item)
                bench_fail("another item came back");
        }
    }
}

/* Nanoseconds a message; one there and back counts as two. */
static double measure(size_t capacity, int has_back, int is_select)
{
    struct stream s = {NULL, NULL, is_select};
    uint64_t item = 0, last = 0;
    double best = 1e9;
    tn_greenlet *g;

    if (tn_channel_new(sizeof item, capacity, &s.there) ||
        ((has_back || is_select) &&
         tn_channel_new(sizeof item, capacity, &s.back)) ||
        tn_spawn(far_end, &s, &g))
        bench_fail("no memory");
    bench_set_inexact(0);
    for (int slice = 0; slice < MICRO_SLICES; slice++) {
        int64_t begin = bench_now_ns();
        send_some(&s, &item);
        double ns = (double)(bench_now_ns() - begin) /
                    (MICRO_TIMES * (has_back ? 2.0 : 1.0));
        best = ns < best ? ns : best;
    }
    if (tn_channel_send(s.there, &last, TN_FOREVER) ||
        tn_join(g, NULL, TN_FOREVER))
        bench_fail("the far end did not end");
    tn_channel_free(s.there);
    tn_channel_free(s.back);
    return best;
}

void micro_channel(void)
{
    printf("{\"value\": %.3f, \"unit\": \"ns\", ", measure(0, 0, 0));
    printf("\"buffered_100_ns\": %.3f, ", measure(KEPT, 0, 0));
    printf("\"ping_pong_ns\": %.3f, ", measure(0, 1, 0));
    printf("\"select_2_ns\": %.3f}\n", measure(0, 0, 1));
}
