/* SPDX-License-Identifier: MIT */
/* run/futex.c - the futex, for green threads.
 *
 * Waiters are on their own stacks and hang in a table by address, in order of
 * arrival. A word that other processes share can be woken by them too, so a
 * wake of a shared futex goes to the kernel as well, and a wait on one looks
 * again from time to time, since a green thread that waits must not stop the
 * kernel thread. libc waits for the end of a thread on a shared futex whose
 * value is the thread's number: these need no second look.
 *
 * Priority inheritance is meaningless with one kernel thread; the calls for it
 * are refused, and libc then refuses such mutexes when they are made. */
#include "run/run.h"

#include <linux/futex.h>

enum { BUCKETS = 1024, LOOK_MIN_NS = 500000, LOOK_MAX_NS = 20000000 };

struct waiter {
    struct tn__list link; /* in a bucket, or to itself */
    struct tn_greenlet *g;
    uint32_t *word;
    uint32_t bitset;
    uint8_t is_done; /* woken; it is off the list then */
};

static struct tn__list buckets[BUCKETS]; /* zero: empty */

static struct tn__list *bucket_of(const uint32_t *word)
{
    uint64_t hash = ((uintptr_t)word >> 2) * 0x9e3779b97f4a7c15u;
    struct tn__list *b = &buckets[hash >> 54];

    if (!b->next)
        tn__list_init(b);
    return b;
}

static void wake_one(struct waiter *w)
{
    tn__list_remove(&w->link);
    w->is_done = 1;
    tn__hub_wake(w->g);
}

static int wake(const uint32_t *word, int n_max, uint32_t bitset)
{
    struct tn__list *b = bucket_of(word), *n = b->next;
    int n_woken = 0;

    while (n != b && n_woken < n_max) {
        struct waiter *w = TN_CONTAINER(n, struct waiter, link);

        n = n->next;
        if (w->word != word || !(w->bitset & bitset))
            continue;
        wake_one(w);
        n_woken++;
    }
    return n_woken;
}

/* Move up to n_max waiters from one word to another. */
static int move(const uint32_t *from, uint32_t *to, int n_max)
{
    struct tn__list *b = bucket_of(from), *end = bucket_of(to), *n = b->next;
    struct tn__list *stop = b->prev; /* in one bucket: do not meet the moved */
    int n_moved = 0;
    bool is_last = n == b;

    while (!is_last && n_moved < n_max) {
        struct waiter *w = TN_CONTAINER(n, struct waiter, link);

        is_last = n == stop;
        n = n->next;
        if (w->word != from)
            continue;
        tn__list_remove(&w->link);
        w->word = to;
        tn__list_insert(end, &w->link);
        n_moved++;
    }
    return n_moved;
}

/* Nobody outside of this process can change it. */
static bool is_private(int op, uint32_t value)
{
    return (op & FUTEX_PRIVATE_FLAG) ||
           (value >= TN__RUN_TID_MIN && tn__run_find_tid((int)value));
}

/* Park until woken, or until something else ends it. */
static long park(struct waiter *w, uint32_t value, bool is_shared,
                 tn_time deadline)
{
    int64_t look_ns = LOOK_MIN_NS;
    long r;

    do {
        tn_time until = deadline;

        if (w->g->alert) {
            r = tn__hub_alert(&tn__run_hub, w->g, deadline);
            if (r)
                break;
        }
        if (is_shared) {
            until = tn__clock_after(tn__clock_now(), look_ns);
            if (until > deadline)
                until = deadline;
            if (look_ns < LOOK_MAX_NS)
                look_ns *= 2;
        }
        r = tn__hub_park(&tn__run_hub, &w->is_done, until, "futex", -1);
        if (r == -ETIME && until != deadline)
            r = __atomic_load_n(w->word, __ATOMIC_ACQUIRE) == value ? -EAGAIN
                                                                   : 0;
    } while (r == -EAGAIN);
    return r;
}

static long wait_for(struct tn__run_call *c, uint32_t *word, uint32_t value,
                     uint32_t bitset)
{
    struct waiter w = {.g = tn__run_hub.current, .word = word,
                       .bitset = bitset};
    long r;

    if (bitset == 0)
        return -EINVAL;
    if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
        return -EAGAIN;
    tn__list_insert(bucket_of(word), &w.link);
    r = park(&w, value, !is_private((int)c->a[1], value), c->deadline);
    tn__list_remove(&w.link);
    if (r == -ETIME)
        return -ETIMEDOUT;
    return r == -ECANCELED ? -EINTR : r;
}

/* FUTEX_WAIT has a relative timeout, FUTEX_WAIT_BITSET an absolute one. */
static int find_deadline(struct tn__run_call *c)
{
    int op = (int)c->a[1];
    int clock = op & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    bool is_absolute = (op & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;

    if (c->has_deadline)
        return 0;
    c->deadline = TN_FOREVER;
    if (!c->a[3])
        return 0;
    c->has_deadline = true;
    return tn__run_deadline((const struct timespec *)c->a[3], clock,
                            is_absolute, &c->deadline);
}

static int wake_shared(struct tn__run_call *c, int n_max, uint32_t bitset)
{
    uint32_t *word = (uint32_t *)c->a[0];
    int n = wake(word, n_max, bitset);
    long r;

    if ((c->a[1] & FUTEX_PRIVATE_FLAG) || n >= n_max)
        return n;
    r = tn__raw(SYS_futex, (long)word, c->a[1], n_max - n, 0, 0, bitset);
    return r > 0 ? n + (int)r : n;
}

static long requeue(struct tn__run_call *c, bool is_compared)
{
    uint32_t *word = (uint32_t *)c->a[0], *to = (uint32_t *)c->a[4];
    int n;

    if (is_compared &&
        __atomic_load_n(word, __ATOMIC_ACQUIRE) != (uint32_t)c->a[5])
        return -EAGAIN;
    n = wake(word, (int)c->a[2], FUTEX_BITSET_MATCH_ANY);
    return n + move(word, to, (int)c->a[3]);
}

static uint32_t apply(uint32_t old, unsigned op, uint32_t arg)
{
    switch (op) {
    case FUTEX_OP_SET:
        return arg;
    case FUTEX_OP_ADD:
        return old + arg;
    case FUTEX_OP_OR:
        return old | arg;
    case FUTEX_OP_ANDN:
        return old & ~arg;
    default:
        return old ^ arg;
    }
}

static bool compare(int32_t old, unsigned op, int32_t arg)
{
    switch (op) {
    case FUTEX_OP_CMP_EQ:
        return old == arg;
    case FUTEX_OP_CMP_NE:
        return old != arg;
    case FUTEX_OP_CMP_LT:
        return old < arg;
    case FUTEX_OP_CMP_LE:
        return old <= arg;
    case FUTEX_OP_CMP_GT:
        return old > arg;
    default:
        return old >= arg;
    }
}

static long wake_op(struct tn__run_call *c)
{
    uint32_t code = (uint32_t)c->a[5];
    uint32_t *word = (uint32_t *)c->a[4], old;
    /* Two signed fields of 12 bits. */
    int32_t op_arg = (int32_t)(code << 8) >> 20;
    int32_t cmp_arg = (int32_t)(code << 20) >> 20;
    int n;

    if (code >> 28 & FUTEX_OP_OPARG_SHIFT)
        op_arg = (int32_t)(1u << (op_arg & 31));
    old = __atomic_load_n(word, __ATOMIC_ACQUIRE);
    __atomic_store_n(word, apply(old, code >> 28 & 7, (uint32_t)op_arg),
                     __ATOMIC_RELEASE);
    n = wake((uint32_t *)c->a[0], (int)c->a[2], FUTEX_BITSET_MATCH_ANY);
    if (compare((int32_t)old, code >> 24 & 15, cmp_arg))
        n += wake(word, (int)c->a[3], FUTEX_BITSET_MATCH_ANY);
    return n;
}

long tn__run_futex(struct tn__run_call *c)
{
    uint32_t *word = (uint32_t *)c->a[0];
    int n = (int)c->a[2], r;

    switch (c->a[1] & FUTEX_CMD_MASK) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
        r = find_deadline(c);
        if (r < 0)
            return r;
        return wait_for(c, word, (uint32_t)n,
                        (c->a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT
                            ? FUTEX_BITSET_MATCH_ANY
                            : (uint32_t)c->a[5]);
    case FUTEX_WAKE:
        return wake_shared(c, n < 1 ? 1 : n, FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAKE_BITSET:
        return c->a[5] ? wake_shared(c, n < 1 ? 1 : n, (uint32_t)c->a[5])
                       : -EINVAL;
    case FUTEX_REQUEUE:
        return requeue(c, false);
    case FUTEX_CMP_REQUEUE:
        return requeue(c, true);
    case FUTEX_WAKE_OP:
        return wake_op(c);
    default:
        return -ENOSYS;
    }
}

long tn__run_no_such_call(struct tn__run_call *c)
{
    (void)c;
    return -ENOSYS;
}
