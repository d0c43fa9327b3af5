/* SPDX-License-Identifier: MIT */
/* bench_floor.c - the floors of the micro benches, one per sub-command.
 *
 * usage: bench_floor NAME, with the names of bench/run. */
#include <string.h>

#include "bench.h"
#include "floor.h"

int main(int argc, char **argv)
{
    const char *name = argc == 2 ? argv[1] : "";
    size_t n;

    if (!strcmp(name, "switch"))
        floor_bench_switch();
    else if (!strcmp(name, "spawn") || !strcmp(name, "spawn_join") ||
             !strcmp(name, "pool"))
        floor_bench_spawn();
    else if (!strcmp(name, "sleep_100us"))
        floor_bench_sleep_short();
    else if (!strcmp(name, "channel") || !strcmp(name, "queue"))
        floor_bench_yield(2);
    else if (!strcmp(name, "offload"))
        floor_bench_offload();
    else if (!strcmp(name, "dial_close"))
        floor_bench_dial_close();
    else if (!strcmp(name, "file_pread"))
        floor_bench_file_pread();
    else if (!strcmp(name, "event_1000"))
        floor_bench_yield(1000);
    else if (!strcmp(name, "semaphore"))
        bench_skip("nothing waits, so there is nothing to be compared with");
    else if ((n = bench_count_after(name, "yield_")))
        floor_bench_yield(n);
    else if ((n = bench_count_after(name, "parked_")))
        floor_bench_parked(n);
    else if ((n = bench_count_after(name, "sleep_")))
        floor_bench_sleep_many(n);
    else
        bench_fail("usage: bench_floor NAME");
    return 0;
}
