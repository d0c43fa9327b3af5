/* SPDX-License-Identifier: MIT */
/* tests/support/waits_process.h - the waits for children and signals. For
 * waits.c. */
#ifndef TN_TESTS_WAITS_PROCESS_H
#define TN_TESTS_WAITS_PROCESS_H

#include "support/waits.h"

void open_process(struct wait *w);
long call_process_wait(struct wait *w, tn_time deadline);
void kill_process(struct wait *w);

void open_child(struct wait *w);
long call_waitpid(struct wait *w, tn_time deadline);
void kill_child(struct wait *w);

void open_signal(struct wait *w);
long call_signal_wait(struct wait *w, tn_time deadline);
void send_signal(struct wait *w);

#endif /* TN_TESTS_WAITS_PROCESS_H */
