/* SPDX-License-Identifier: MIT */
/* run/waitv.c - the newer futex calls: futex_waitv(), which waits on several
 * words, and futex_wake(), futex_wait(), futex_requeue(), which are the older
 * ones with their arguments sorted. */
#include "run/futex.h"

enum {
    SIZE_U32 = 2, /* FUTEX2_SIZE_U32 */
    MANY = 128,   /* FUTEX_WAITV_MAX */
    FEW = 4       /* so many fit on the stack of a small thread */
};

#define LOOK_NS 2000000

/* The kernel's struct futex_waitv. */
struct wanted {
    uint64_t value, word;
    uint32_t flags, reserved;
};

static bool is_valid(uint32_t flags)
{
    return (flags & ~(uint32_t)FUTEX_PRIVATE_FLAG) == SIZE_U32;
}

/* As FUTEX_PRIVATE_FLAG of a call of the older kind. */
static long old_flag(long flags)
{
    return flags & FUTEX_PRIVATE_FLAG;
}

static long keep_deadline(struct tn__run_call *c, int at, int clock)
{
    long r;

    if (c->has_deadline && !c->is_wall)
        return 0;
    c->deadline = TN_FOREVER;
    if (!c->a[at])
        return 0;
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
        return -EINVAL;
    r = tn__run_deadline_by(c, (const struct timespec *)c->a[at], clock);
    c->has_deadline = r == 0;
    return r;
}

/* What the program asks for. 1: some are shared; 0: none; or an error. */
static long read_wanted(const struct tn__run_call *c, struct wanted *w,
                        size_t n)
{
    bool is_shared = false;

    for (size_t i = 0; i < n; i++) {
        if (tn__run_copy(&w[i], (const struct wanted *)c->a[0] + i,
                         sizeof w[i]) < 0)
            return -EFAULT;
        if (!is_valid(w[i].flags) || w[i].reserved || w[i].value >> 32)
            return -EINVAL;
        is_shared |= !(w[i].flags & FUTEX_PRIVATE_FLAG);
    }
    return is_shared;
}

/* 0: all have their values. */
static long compare(const struct wanted *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t *word = (uint32_t *)w[i].word;
        long r;

        if ((uintptr_t)word & 3)
            return -EINVAL;
        r = tn__run_load(word);
        if (r < 0)
            return r;
        if ((uint64_t)r != w[i].value)
            return -EAGAIN;
    }
    return 0;
}

/* The last of those that do not have their values, or -1. */
static long changed(const struct wanted *w, size_t n)
{
    while (n-- > 0)
        if (tn__run_load((uint32_t *)w[n].word) != (long)w[n].value)
            return (long)n;
    return -1;
}

/* Until one is woken, or with is_shared is seen to have changed. */
static long wait_for_any(const struct wanted *wanted, size_t n,
                         const uint8_t *is_any, bool is_shared,
                         struct tn__run_call *c)
{
    struct tn_greenlet *g = tn__run_hub.current;
    long r, found = -1;

    do {
        tn_time until = is_shared ? tn__run_futex_look_at(c, LOOK_NS)
                                  : c->deadline;

        r = g->alert ? tn__hub_alert(&tn__run_hub, g, until) : 0;
        if (r == 0)
            r = tn__hub_park(&tn__run_hub, is_any, until, "futex", -1);
        if (r == -ETIME && is_shared && !tn__run_futex_is_over(c))
            found = changed(wanted, n);
        else if (r == -ETIME)
            return -ETIMEDOUT;
    } while (r == -ETIME && found < 0);
    if (r == -ECANCELED)
        return -EINTR;
    return r == -ETIME ? found : r;
}

static long park(const struct wanted *wanted, struct tn__run_waiter *w,
                 size_t n, bool is_shared, struct tn__run_call *c)
{
    uint8_t is_any = 0;
    long r;

    for (size_t i = 0; i < n; i++) {
        w[i] = (struct tn__run_waiter){
            .g = tn__run_hub.current, .word = (uint32_t *)wanted[i].word,
            .bitset = FUTEX_BITSET_MATCH_ANY, .group = &is_any};
        tn__run_futex_insert(&w[i]);
    }
    r = wait_for_any(wanted, n, &is_any, is_shared, c);
    for (size_t i = 0; i < n; i++) {
        tn__list_remove(&w[i].link);
        if (w[i].is_done)
            r = (long)i;
    }
    return r;
}

/* How many of them other processes can see. */
static size_t count_shared(const struct wanted *w, size_t n)
{
    size_t n_shared = 0;

    for (size_t i = 0; i < n; i++)
        n_shared += !(w[i].flags & FUTEX_PRIVATE_FLAG) &&
                    tn__run_futex_is_shared((const uint32_t *)w[i].word);
    return n_shared;
}

/* With room for what is wanted and its waiters. */
static long wait_with(struct tn__run_call *c, struct wanted *wanted,
                      struct tn__run_waiter *waiters, size_t n)
{
    long is_shared = read_wanted(c, wanted, n);
    long r = is_shared < 0 ? is_shared : compare(wanted, n);
    size_t n_shared;

    if (r < 0)
        return r;
    /* Alone, it may as well stop the kernel thread. */
    if (is_shared && tn__run.counts.alive == 1)
        return tn__run_kernel(c);
    n_shared = is_shared ? count_shared(wanted, n) : 0;
    if (n_shared == n)
        return tn__run_offload(c);
    return park(wanted, waiters, n, n_shared > 0, c);
}

static long wait_for_many(struct tn__run_call *c, size_t n)
{
    size_t each = sizeof(struct wanted) + sizeof(struct tn__run_waiter);
    struct tn__run_waiter *waiters = tn__sys_map(n * each);
    long r;

    if (!waiters)
        return -ENOMEM;
    r = wait_with(c, (struct wanted *)(waiters + n), waiters, n);
    tn__sys_unmap(waiters, n * each);
    return r;
}

static long wait_for_few(struct tn__run_call *c, size_t n)
{
    struct wanted wanted[FEW];
    struct tn__run_waiter waiters[FEW];

    return wait_with(c, wanted, waiters, n);
}

long tn__run_futex_waitv(struct tn__run_call *c)
{
    size_t n = (unsigned)c->a[1];
    long r;

    if ((unsigned)c->a[2] != 0 || n == 0 || n > MANY || !c->a[0])
        return -EINVAL;
    r = keep_deadline(c, 3, (int)c->a[4]);
    if (r < 0)
        return r;
    return n <= FEW ? wait_for_few(c, n) : wait_for_many(c, n);
}

/* futex_wake(word, mask, n, flags). Unlike the older call it wakes none when
 * asked to. */
long tn__run_futex_wake(struct tn__run_call *c)
{
    struct tn__run_call old = {
        .nr = SYS_futex,
        .a = {c->a[0], FUTEX_WAKE_BITSET | old_flag(c->a[3]), c->a[2], 0, 0,
              c->a[1]}};

    if (!is_valid((uint32_t)c->a[3]) || (uint64_t)c->a[1] >> 32)
        return -EINVAL;
    if (c->a[2] == 0 && c->a[1] != 0)
        return tn__run_futex_check((uint32_t *)c->a[0],
                                   c->a[3] & FUTEX_PRIVATE_FLAG);
    return tn__run_futex(&old);
}

/* futex_wait(word, value, mask, flags, timeout, clock) */
long tn__run_futex_wait(struct tn__run_call *c)
{
    struct tn__run_call old = {
        .nr = SYS_futex,
        .a = {c->a[0], FUTEX_WAIT_BITSET | old_flag(c->a[3]), c->a[1], 0, 0,
              c->a[2]}};
    long r;

    if (!is_valid((uint32_t)c->a[3]) || (uint64_t)c->a[1] >> 32 ||
        (uint64_t)c->a[2] >> 32)
        return -EINVAL;
    r = keep_deadline(c, 4, (int)c->a[5]);
    if (r < 0)
        return r;
    old.a[3] = c->a[4];
    old.deadline = c->deadline;
    old.has_deadline = true;
    if (c->a[4] && (int)c->a[5] == CLOCK_REALTIME)
        old.a[1] |= FUTEX_CLOCK_REALTIME;
    return tn__run_futex(&old);
}

/* futex_requeue(waiters, flags, n_wake, n_requeue): two words, the first of
 * which has the value that is compared. */
long tn__run_futex_requeue(struct tn__run_call *c)
{
    struct tn__run_call old = {.nr = SYS_futex};
    struct wanted w[2];
    long r;

    if (c->a[1] || !c->a[0])
        return -EINVAL;
    r = read_wanted(c, w, 2);
    if (r < 0)
        return r;
    old.a[0] = (long)w[0].word;
    old.a[1] = FUTEX_CMP_REQUEUE | old_flag(w[0].flags & w[1].flags);
    old.a[2] = c->a[2];
    old.a[3] = c->a[3];
    old.a[4] = (long)w[1].word;
    old.a[5] = (long)w[0].value;
    return tn__run_futex(&old);
}
