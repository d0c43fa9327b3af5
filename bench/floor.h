/* SPDX-License-Identifier: MIT */
/* floor.h - the floors of the micro benches: what the machine needs when nobody
 * schedules anything. No tendril in here. */
#ifndef TN_BENCH_FLOOR_H
#define TN_BENCH_FLOOR_H

#include <stddef.h>

/* Address space of one stack, guard included, as tendril's default. */
enum { FLOOR_STACK_BYTES = 65536 };

/* The least control block: where the context lies and who is next. It lies at
 * the top of its stack. */
struct floor_block {
    void *sp;
    struct floor_block *next;
    int (*fn)(void *arg);
    void *arg;
    int result;
};

/* floor_switch.S: leave the context whose stack pointer goes to *from_sp, for
 * the one at to_sp. */
void floor_switch(void **from_sp, void *to_sp);

/* n stacks from slabs, each with a guard page if the kernel has
 * MADV_GUARD_INSTALL; returns whether. Their blocks, whose pages are not
 * touched yet, go to an array of n. */
int floor_stacks(struct floor_block **blocks, size_t n);

/* An array for floor_stacks(), whose memory is touched. */
struct floor_block **floor_blocks(size_t n);

/* Make the context of a new stack, so that a switch to it calls entry(). */
void floor_prepare(struct floor_block *block, void (*entry)(void));

/* The floors, by their names on the command line. */
void floor_bench_switch(void);
void floor_bench_yield(size_t n);
void floor_bench_spawn(void);
void floor_bench_parked(size_t n);
void floor_bench_sleep_many(size_t n);
void floor_bench_sleep_short(void);
void floor_bench_offload(void);
void floor_bench_dial_close(void);
void floor_bench_file_pread(void);

#endif /* TN_BENCH_FLOOR_H */
