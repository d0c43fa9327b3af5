/* SPDX-License-Identifier: MIT */
/* soak.c - a mixed load for hours. It takes orders from its input, a line each:
 * the number of milliseconds that a round is to last. In a round a number of
 * threads do tasks at random; at its end all have ended, it prints a line and
 * waits for the next order: whoever gives them looks then at what is left.
 *
 * usage: soak SEED [TASK...] */
#include "soak.h"

#include <stdatomic.h>

enum { WORKERS = 16 };

static const struct task {
    const char *name;
    task_fn *fn;
    unsigned weight; /* how often it is drawn, compared with others */
} tasks[] = {
    {"join", join_some, 8},
    {"detach", detach_some, 8},
    {"cancel", cancel_one, 8},
    {"keys", keep_keys, 4},
    {"robust", die_with_a_mutex, 4},
    {"locks", count_under_locks, 8},
    {"conditions", hand_over, 8},
    {"timeouts", wait_in_vain, 4},
    {"barrier", meet_at_a_barrier, 4},
    {"semaphores", pass_semaphores, 4},
    {"compute", compute, 2},
    {"pair", echo_on_a_pair, 8},
    {"tcp", echo_by_tcp, 8},
    {"datagram", send_a_datagram, 4},
    {"pipe", pipe_and_poll, 8},
    {"file", write_a_file, 4},
    {"flock", lock_a_file, 4},
    {"timerfd", wait_for_a_timer, 4},
    {"map", map_memory, 4},
    {"kill", signal_a_thread, 4},
    {"sigwait", await_a_signal, 4},
    {"timer", timer_with_a_signal, 4},
    {"signalfd", signal_by_fd, 4},
    {"fork", fork_a_child, 2},
    {"spawn", spawn_ourselves, 1},
    {"shell", spawn_a_shell, 1},
    {"vfork", start_vfork, 1},
};
enum { TASKS = sizeof tasks / sizeof *tasks };

static bool is_wanted[TASKS];
static unsigned total_weight;
static uint64_t seed, round_number;
static struct timespec round_end;
static atomic_long n_done;

static task_fn *draw(struct dice *dice)
{
    unsigned at = (unsigned)roll(dice, total_weight);
    int i = 0;

    for (;; i++) {
        unsigned weight = is_wanted[i] ? tasks[i].weight : 0;

        if (at < weight)
            return tasks[i].fn;
        at -= weight;
    }
}

static bool is_over(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > round_end.tv_sec ||
           (now.tv_sec == round_end.tv_sec &&
            now.tv_nsec >= round_end.tv_nsec);
}

static void *work(void *arg)
{
    uint64_t number = (uint64_t)(uintptr_t)arg;
    struct dice dice = {(seed * 1000003 + round_number) * 1000003 + number + 1};

    for (int i = 0; i < 10; i++)
        roll(&dice, 2); /* seeds that are alike begin alike */
    while (!is_over()) {
        draw(&dice)(&dice);
        atomic_fetch_add(&n_done, 1);
    }
    return NULL;
}

static void do_round(long ms)
{
    pthread_t all[WORKERS];

    round_end = in_ms(CLOCK_MONOTONIC, ms);
    atomic_store(&n_done, 0);
    for (uintptr_t i = 0; i < WORKERS; i++)
        all[i] = start(work, (void *)i);
    for (int i = 0; i < WORKERS; i++)
        join(all[i]);
    while (__atomic_load_n(&n_detached, __ATOMIC_ACQUIRE))
        nap_ms(1);
    check_counts();
    round_number++;
    printf("round %lu: %ld tasks\n", (unsigned long)round_number,
           atomic_load(&n_done));
    fflush(stdout);
}

static void want(int argc, char **argv)
{
    for (int i = 0; i < TASKS; i++) {
        is_wanted[i] = argc <= 2;
        for (int k = 2; k < argc; k++)
            is_wanted[i] |= strcmp(argv[k], tasks[i].name) == 0;
        total_weight += is_wanted[i] ? tasks[i].weight : 0;
    }
}

/* One that is there all the time: the process has always two threads. */
static void *sit(void *arg)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t never = PTHREAD_COND_INITIALIZER;

    pthread_mutex_lock(&lock);
    for (;;)
        pthread_cond_wait(&never, &lock);
    return arg;
}

int main(int argc, char **argv)
{
    char line[32];

    if (argc == 2 && strcmp(argv[1], "child") == 0)
        return be_a_child();
    want(argc, argv);
    if (argc < 2 || !total_weight) {
        fprintf(stderr, "usage: soak SEED [TASK...]\n");
        return 2;
    }
    seed = strtoul(argv[1], NULL, 10);
    block_signals();
    start(sit, NULL);
    printf("seed %lu\n", (unsigned long)seed);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin))
        do_round(strtol(line, NULL, 10));
    printf("done\n");
    return 7;
}
