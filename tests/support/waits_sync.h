/* SPDX-License-Identifier: MIT */
/* tests/support/waits_sync.h - the kinds of waits on events, results and locks,
 * for the table of waits.c. */
#ifndef TN_TESTS_WAITS_SYNC_H
#define TN_TESTS_WAITS_SYNC_H

#include "support/waits.h"

void open_plain_event(struct wait *w);
void open_waits(struct wait *w);
void open_result(struct wait *w);
void open_semaphore(struct wait *w);
void open_mutex(struct wait *w);
void open_rwlock(struct wait *w);

long call_event_wait(struct wait *w, tn_time deadline);
long call_wait_any(struct wait *w, tn_time deadline);
long call_wait_all(struct wait *w, tn_time deadline);
long call_waits_next(struct wait *w, tn_time deadline);
long call_result_get(struct wait *w, tn_time deadline);
long call_acquire(struct wait *w, tn_time deadline);
long call_mutex_lock(struct wait *w, tn_time deadline);
long call_wrlock(struct wait *w, tn_time deadline);

void set_plain_event(struct wait *w);
void set_watched_event(struct wait *w);
void set_result(struct wait *w);
void release_semaphore(struct wait *w);
void pass_mutex_on(struct wait *w);
void unlock_rwlock(struct wait *w);

#endif /* TN_TESTS_WAITS_SYNC_H */
