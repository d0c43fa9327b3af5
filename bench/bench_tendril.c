/* SPDX-License-Identifier: MIT */
/* bench_tendril.c - the micro benches of tendril, one per sub-command.
 *
 * usage: bench_tendril NAME, with the names of bench/run. */
#include <string.h>

#include "bench.h"
#include "micro.h"

int main(int argc, char **argv)
{
    const char *name = argc == 2 ? argv[1] : "";
    size_t n;

    bench_set_inexact(0);
    if (!strcmp(name, "switch"))
        micro_switch();
    else if (!strcmp(name, "spawn"))
        micro_spawn();
    else if (!strcmp(name, "spawn_join"))
        micro_spawn_join();
    else if (!strcmp(name, "pool"))
        micro_pool();
    else if (!strcmp(name, "channel"))
        micro_channel();
    else if (!strcmp(name, "semaphore"))
        micro_semaphore();
    else if (!strcmp(name, "event_1000"))
        micro_event();
    else if (!strcmp(name, "queue"))
        micro_queue();
    else if (!strcmp(name, "offload"))
        micro_offload();
    else if (!strcmp(name, "dial_close"))
        micro_dial_close();
    else if (!strcmp(name, "file_pread"))
        micro_file_pread();
    else if (!strcmp(name, "sleep_100us"))
        micro_sleep_short();
    else if ((n = bench_count_after(name, "yield_")))
        micro_yield(n);
    else if ((n = bench_count_after(name, "parked_")))
        micro_parked(n);
    else if ((n = bench_count_after(name, "sleep_")))
        micro_sleep_many(n);
    else
        bench_fail("usage: bench_tendril NAME");
    return 0;
}
