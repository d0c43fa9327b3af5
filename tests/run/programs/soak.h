/* SPDX-License-Identifier: MIT */
/* tests/run/programs/soak.h - what the tasks of the soak share. A task is a
 * function that does one small thing many times over the hours, checks its
 * result, and leaves nothing behind. */
#ifndef TN_TESTS_RUN_SOAK_H
#define TN_TESTS_RUN_SOAK_H

#include <stdbool.h>
#include <stdint.h>

#include "support.h"

/* A sequence of numbers of its own for each thread that draws them. */
struct dice {
    uint64_t state;
};

static inline uint64_t roll(struct dice *dice, uint64_t n)
{
    dice->state ^= dice->state << 13;
    dice->state ^= dice->state >> 7;
    dice->state ^= dice->state << 17;
    return (dice->state >> 11) % n;
}

/* Seconds from now, on the clock that conditions and semaphores use. */
static inline struct timespec in_ms(clockid_t clock, long ms)
{
    struct timespec t;

    CHECK(clock_gettime(clock, &t) == 0);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

typedef void task_fn(struct dice *);

/* soak_threads.c */
task_fn join_some, detach_some, cancel_one, keep_keys, die_with_a_mutex;
task_fn count_under_locks, hand_over, wait_in_vain, meet_at_a_barrier;
task_fn pass_semaphores, compute;
/* Detached threads that are not over. */
extern int n_detached;
/* What was counted under locks is what each has counted for itself. */
void check_counts(void);

/* soak_files.c */
task_fn echo_on_a_pair, echo_by_tcp, send_a_datagram, pipe_and_poll;
task_fn write_a_file, lock_a_file, wait_for_a_timer, map_memory;

/* soak_processes.c */
task_fn signal_a_thread, await_a_signal, timer_with_a_signal, signal_by_fd;
task_fn fork_a_child, spawn_ourselves, spawn_a_shell, start_vfork;
/* Signals of the tasks are blocked where no task wants them. */
void block_signals(void);
/* What a child does that is this program once more. */
int be_a_child(void);

#endif /* TN_TESTS_RUN_SOAK_H */
