/* SPDX-License-Identifier: MIT */
/* tests/support/waits_pass.h - the waits of what passes things on: channels and
 * queues. For waits.c. */
#ifndef TN_TESTS_WAITS_PASS_H
#define TN_TESTS_WAITS_PASS_H

#include "support/waits.h"

void open_channel_empty(struct wait *w);
void open_channel_full(struct wait *w);
void open_rendezvous(struct wait *w);
void open_two_channels(struct wait *w);
long call_send_here(struct wait *w, tn_time deadline);
long call_recv_here(struct wait *w, tn_time deadline);
long call_select(struct wait *w, tn_time deadline);
void send_one(struct wait *w);
void receive_one(struct wait *w);
void close_channel(struct wait *w);

void open_queue(struct wait *w);
void open_full_queue(struct wait *w);
long call_put(struct wait *w, tn_time deadline);
long call_get(struct wait *w, tn_time deadline);
long call_peek(struct wait *w, tn_time deadline);
long call_queue_join(struct wait *w, tn_time deadline);
void put_one(struct wait *w);
void get_one(struct wait *w);
void task_done(struct wait *w);

#endif /* TN_TESTS_WAITS_PASS_H */
