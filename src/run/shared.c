/* SPDX-License-Identifier: MIT */
/* run/shared.c - waiting on a futex that other processes may wake.
 *
 * Many words are waited on as if they were shared and are in memory that no
 * other process can see: those are ours alone, and only the table of futex.c
 * knows their waiters. /proc/self/pagemap tells. For the others a helper waits
 * in the kernel; such a waiter is not in our table, and who wakes a shared
 * futex here asks the kernel too, so each wake-up finds it once. */
#include "run/futex.h"

#include <fcntl.h>

bool tn__run_futex_is_shared(const uint32_t *word)
{
    enum { PAGE_BITS = 12 };
    static const uint64_t is_file = 1ull << 61, is_there = 3ull << 62;
    uint64_t entry = 0;
    long fd = tn__raw3(SYS_open, (long)"/proc/self/pagemap",
                       O_RDONLY | O_CLOEXEC, 0);
    long r;

    if (fd < 0)
        return true;
    r = tn__raw4(SYS_pread64, fd, (long)&entry, sizeof entry,
                 (long)((uintptr_t)word >> PAGE_BITS << 3));
    tn__raw1(SYS_close, fd);
    return r != sizeof entry || !(entry & is_there) || (entry & is_file);
}

/* A relative timeout has become a deadline, so that a call that is made again
 * does not begin anew. */
long tn__run_futex_wait_there(struct tn__run_call *c)
{
    struct tn__run_call now = *c;
    struct timespec until = {c->deadline / 1000000000,
                             c->deadline % 1000000000};

    if (c->a[3] && (c->a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT) {
        now.a[1] = FUTEX_WAIT_BITSET;
        now.a[3] = (long)&until;
        now.a[5] = FUTEX_BITSET_MATCH_ANY;
    }
    return tn__run_offload(&now);
}
