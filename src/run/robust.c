/* SPDX-License-Identifier: MIT */
/* run/robust.c - the list of robust mutexes that a thread holds, at its end.
 *
 * libc keeps the list; the kernel walks that of the thread which it knows,
 * main's. The list may hold anything: what cannot be read ends the walk. */
#include "run/futex.h"

enum { MAX = 2048 }; /* ROBUST_LIST_LIMIT */

/* A pointer of the list: bit 0 says that its futex is a lock of lock.c. */
static uintptr_t plain(uintptr_t entry)
{
    return entry & ~(uintptr_t)1;
}

static long read_pointer(const void *at, uintptr_t *ret)
{
    return tn__run_copy(ret, at, sizeof *ret);
}

static void wake(uint32_t *word)
{
    struct tn__run_call c = {.nr = SYS_futex,
                             .a = {(long)word, FUTEX_WAKE, 1, 0, 0, 0}};

    tn__run_futex(&c);
}

/* One futex. False: the walk is over. */
static bool give_up(uint32_t tid, uintptr_t entry, long offset,
                    bool is_pending)
{
    uint32_t *word = (uint32_t *)(plain(entry) + (uintptr_t)offset);
    bool is_lock = entry & 1;
    long old, seen;

    if ((uintptr_t)word & 3)
        return false;
    for (old = tn__run_load(word);; old = seen) {
        if (old < 0)
            return false;
        if (is_pending && !is_lock && old == 0)
            wake(word);
        if (((uint32_t)old & FUTEX_TID_MASK) != tid)
            return true;
        seen = tn__run_exchange(word, (uint32_t)old,
                                ((uint32_t)old & FUTEX_WAITERS) |
                                    FUTEX_OWNER_DIED);
        if (seen == old)
            break;
    }
    if (!is_lock && (old & FUTEX_WAITERS))
        wake(word);
    return true;
}

static void walk(const struct tn__run_green *green)
{
    const struct robust_list_head *head = green->robust;
    uint32_t tid = (uint32_t)green->tid;
    uintptr_t entry, next, pending;
    struct robust_list_head h;

    if (tn__run_copy(&h, head, sizeof h) < 0)
        return;
    entry = (uintptr_t)h.list.next;
    pending = (uintptr_t)h.list_op_pending;
    for (int i = 0; i < MAX && plain(entry) != (uintptr_t)&head->list; i++) {
        long r = read_pointer((const void *)plain(entry), &next);

        if (plain(entry) != plain(pending) &&
            !give_up(tid, entry, h.futex_offset, false))
            return;
        if (r < 0)
            return;
        entry = next;
    }
    if (plain(pending))
        give_up(tid, pending, h.futex_offset, true);
}

void tn__run_robust_give_up(const struct tn__run_green *green)
{
    tn__run_locks_give_up(green);
    if (green->robust)
        walk(green);
}

void tn__run_robust_give_up_all(void)
{
    for (struct tn__list *n = tn__run.greens.next; n != &tn__run.greens;
         n = n->next) {
        const struct tn__run_green *green =
            TN_CONTAINER(n, struct tn__run_green, all);

        if (green != tn__run.main && green->robust)
            walk(green);
    }
}
