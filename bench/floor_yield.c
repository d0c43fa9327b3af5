/* SPDX-License-Identifier: MIT */
/* floor_yield.c - the hand switch: between two contexts, round n of them, and
 * into a fresh one and back. */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "floor.h"

/* The best of many short slices: a neighbour of this machine disturbs some. */
enum { SLICES = 40, PAIRS = 200000, YIELDS = 500000, ROUNDS_MIN = 2 };
enum { SLICES_DIFFER = 5 }; /* takes long where it matters */

static void *main_sp;
static struct floor_block *current;

#ifdef __x86_64__

static void answer_forever(void)
{
    struct floor_block *self = current;

    for (;;)
        floor_switch(&self->sp, main_sp);
}

static double switch_pairs(struct floor_block *other, int is_inexact)
{
    bench_set_inexact(is_inexact);
    int64_t begin = bench_now_ns();
    for (int i = 0; i < PAIRS; i++)
        floor_switch(&main_sp, other->sp);
    return (double)(bench_now_ns() - begin) / (2.0 * PAIRS);
}

void floor_bench_switch(void)
{
    struct floor_block *other;
    double best = 1e9, best_differ = 1e9;

    floor_stacks(&other, 1);
    floor_prepare(other, answer_forever);
    current = other;
    for (int slice = 0; slice < SLICES; slice++) {
        double same = switch_pairs(other, 0);
        best = same < best ? same : best;
    }
    for (int slice = 0; slice < SLICES_DIFFER; slice++) {
        double differ = switch_pairs(other, 1);
        best_differ = differ < best_differ ? differ : best_differ;
    }
    printf("{\"value\": %.3f, \"unit\": \"ns\", \"flags_differ_ns\": %.3f}\n",
           best, best_differ);
}

static inline void yield(void)
{
    struct floor_block *self = current;

    current = self->next;
    floor_switch(&self->sp, current->sp);
}

static void yield_forever(void)
{
    for (;;)
        yield();
}

static size_t ring_length;
static double ring_best;

/* The first of the ring: it keeps the time. */
static void yield_and_measure(void)
{
    size_t rounds = YIELDS / ring_length;

    if (rounds < ROUNDS_MIN)
        rounds = ROUNDS_MIN;
    yield(); /* all have started then */
    yield();
    ring_best = 1e9;
    for (int slice = 0; slice < SLICES; slice++) {
        bench_set_inexact(0);
        int64_t begin = bench_now_ns();
        for (size_t i = 0; i < rounds; i++)
            yield();
        double ns =
            (double)(bench_now_ns() - begin) / (double)(rounds * ring_length);
        ring_best = ns < ring_best ? ns : ring_best;
    }
    floor_switch(&current->sp, main_sp);
}

void floor_bench_yield(size_t n)
{
    struct floor_block **blocks = floor_blocks(n);
    int guarded = floor_stacks(blocks, n);

    for (size_t i = 0; i < n; i++) {
        floor_prepare(blocks[i], i == 0 ? yield_and_measure : yield_forever);
        blocks[i]->next = blocks[(i + 1) % n];
    }
    ring_length = n;
    current = blocks[0];
    floor_switch(&main_sp, current->sp);
    printf("{\"value\": %.3f, \"unit\": \"ns\", \"guarded\": %s}\n", ring_best,
           guarded ? "true" : "false");
}

static void run_and_return(void)
{
    struct floor_block *self = current;

    self->result = self->fn(self->arg);
    floor_switch(&self->sp, main_sp);
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 7;
}

void floor_bench_spawn(void)
{
    struct floor_block *block;
    double best = 1e9;

    floor_stacks(&block, 1);
    for (int slice = 0; slice < SLICES; slice++) {
        bench_set_inexact(0);
        int64_t begin = bench_now_ns();
        for (int i = 0; i < PAIRS; i++) {
            block->fn = do_nothing;
            block->arg = NULL;
            block->result = 0;
            floor_prepare(block, run_and_return);
            current = block;
            floor_switch(&main_sp, block->sp);
            if (block->result != 7)
                bench_fail("the result of a spawned context is lost");
        }
        double ns = (double)(bench_now_ns() - begin) / PAIRS;
        best = ns < best ? ns : best;
    }
    printf("{\"value\": %.3f, \"unit\": \"ns\"}\n", best);
}

#else

void floor_bench_switch(void)
{
    bench_skip("the hand switch is written for x86-64 only");
}

void floor_bench_yield(size_t n)
{
    (void)n;
    floor_bench_switch();
}

void floor_bench_spawn(void)
{
    floor_bench_switch();
}

#endif
