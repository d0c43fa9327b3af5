/* SPDX-License-Identifier: MIT */
/* micro.h - the micro benches of tendril, by their names on the command line.
 * Each prints its figure; each ends the process when an answer is wrong. */
#ifndef TN_BENCH_MICRO_H
#define TN_BENCH_MICRO_H

#include <stddef.h>

/* The best of many short slices: a neighbour of this machine disturbs some. */
enum { MICRO_SLICES = 40, MICRO_TIMES = 200000 };

void micro_switch(void);
void micro_yield(size_t n);
void micro_spawn(void);
void micro_spawn_join(void);
void micro_channel(void);
void micro_semaphore(void);
void micro_event(void);
void micro_pool(void);
void micro_queue(void);
void micro_parked(size_t n);
void micro_sleep_many(size_t n);
void micro_sleep_short(void);
void micro_offload(void);
void micro_dial_close(void);
void micro_file_pread(void);

#endif /* TN_BENCH_MICRO_H */
