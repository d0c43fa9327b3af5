/* SPDX-License-Identifier: MIT */
/* run/futex.c - the futex, for green threads.
 *
 * Waiters are on their own stacks and hang in a table by address: those of a
 * real-time policy by priority, as in Linux, the others in order of arrival.
 * Who has timed out and waits again on the same word has not lost its turn:
 * timers are looked at when a quantum is over, so those who wait for 5 ms at a
 * time, as Python's threads do for its lock, all time out at once, and would
 * get in line again always in the same order, one of them for ever last.
 *
 * A word that other processes share can be woken by them too, so a wake of a
 * shared futex goes to the kernel as well, and a wait on one is the kernel's
 * (shared.c). libc waits for the end of a thread on a shared futex whose value
 * is the thread's number: these are ours.
 *
 * Errors are those of Linux, in its order. lock.c has the calls of priority
 * inheritance, waitv.c the newer calls. */
#include "run/futex.h"

enum { BUCKETS = 1024, LOOK_MIN_NS = 500000, LOOK_MAX_NS = 20000000 };

/* The program's end below the kernel's half. */
#define ADDRESSES ((1ul << 47) - 4096)

static struct tn__list buckets[BUCKETS]; /* zero: empty */

struct tn__list *tn__run_futex_bucket(const uint32_t *word)
{
    uint64_t hash = ((uintptr_t)word >> 2) * 0x9e3779b97f4a7c15u;
    struct tn__list *b = &buckets[hash >> 54];

    if (!b->next)
        tn__list_init(b);
    return b;
}

void tn__run_futex_in_child(void)
{
    for (int i = 0; i < BUCKETS; i++)
        buckets[i].next = NULL;
    tn__run_locks_in_child();
}

static int rank_of(const struct tn__run_waiter *w)
{
    return TN_CONTAINER(w->g, struct tn__run_green, g)->rank;
}

static bool is_before(const struct tn__run_waiter *w,
                      const struct tn__list *link)
{
    const struct tn__run_waiter *other =
        TN_CONTAINER(link, struct tn__run_waiter, link);
    int rank = rank_of(w), its = rank_of(other);

    return rank > its || (rank == its && w->turn < other->turn);
}

void tn__run_futex_insert(struct tn__run_waiter *w)
{
    static uint64_t last_turn;
    struct tn__list *b = tn__run_futex_bucket(w->word), *at = b;

    if (TN_LIKELY(w->turn == 0))
        w->turn = ++last_turn;
    while (at->prev != b && is_before(w, at->prev))
        at = at->prev;
    tn__list_insert(at, &w->link);
}

void tn__run_futex_wake_one(struct tn__run_waiter *w)
{
    tn__list_remove(&w->link);
    w->is_done = 1;
    if (w->group)
        *w->group = 1;
    tn__hub_wake(w->g);
}

struct tn__run_waiter *tn__run_futex_first(const uint32_t *word, bool is_lock)
{
    struct tn__list *b = tn__run_futex_bucket(word);

    for (struct tn__list *n = b->next; n != b; n = n->next) {
        struct tn__run_waiter *w =
            TN_CONTAINER(n, struct tn__run_waiter, link);

        if (w->word == word && w->is_lock == is_lock)
            return w;
    }
    return NULL;
}

static int wake(const uint32_t *word, int n_max, uint32_t bitset)
{
    struct tn__list *b = tn__run_futex_bucket(word), *n = b->next;
    int n_woken = 0;

    while (n != b && n_woken < n_max) {
        struct tn__run_waiter *w =
            TN_CONTAINER(n, struct tn__run_waiter, link);

        n = n->next;
        if (w->word != word || !(w->bitset & bitset))
            continue;
        tn__run_futex_wake_one(w);
        n_woken++;
    }
    return n_woken;
}

/* Move up to n_max waiters from one word to another. */
static int move(const uint32_t *from, uint32_t *to, int n_max)
{
    struct tn__list *b = tn__run_futex_bucket(from), *n = b->next;
    struct tn__list moved;
    int n_moved = 0;

    tn__list_init(&moved);
    while (n != b && n_moved < n_max) {
        struct tn__run_waiter *w =
            TN_CONTAINER(n, struct tn__run_waiter, link);

        n = n->next;
        if (w->word != from || w->is_lock || w->lock)
            continue;
        tn__list_remove(&w->link);
        w->word = to;
        w->turn = 0;
        tn__list_insert(&moved, &w->link);
        n_moved++;
    }
    while (!tn__list_is_empty(&moved)) {
        struct tn__run_waiter *w =
            TN_CONTAINER(moved.next, struct tn__run_waiter, link);

        tn__list_remove(&w->link);
        tn__run_futex_insert(w);
    }
    return n_moved;
}

/* Nobody outside of this process can change it. */
static bool is_private(int op, uint32_t value)
{
    return (op & FUTEX_PRIVATE_FLAG) ||
           (value >= TN__RUN_TID_MIN && tn__run_find_tid((int)value));
}

/* The deadline itself would be moved, and the look with it. */
tn_time tn__run_futex_look_at(struct tn__run_call *c, int64_t span)
{
    tn_time at = tn__clock_after(tn__clock_now(), span);

    tn__run_deadline_renew(c);
    return at < c->deadline ? at : c->deadline - 1;
}

bool tn__run_futex_is_over(const struct tn__run_call *c)
{
    return tn__clock_now() >= c->deadline - 1;
}

long tn__run_futex_park(struct tn__run_waiter *w, uint32_t value,
                        bool is_shared, struct tn__run_call *c)
{
    int64_t look_ns = LOOK_MIN_NS;
    long r;

    do {
        tn_time until = c->deadline;

        if (w->g->alert) {
            r = tn__hub_alert(&tn__run_hub, w->g, until);
            if (r)
                break;
        }
        if (is_shared) {
            until = tn__run_futex_look_at(c, look_ns);
            if (look_ns < LOOK_MAX_NS)
                look_ns *= 2;
        }
        r = tn__hub_park(&tn__run_hub, &w->is_done, until, "futex", -1);
        if (r == -ETIME && is_shared && !tn__run_futex_is_over(c))
            r = tn__run_load(w->word) == (long)value ? -EAGAIN : 0;
    } while (r == -EAGAIN);
    if (r == -ETIME)
        return -ETIMEDOUT;
    return r == -ECANCELED ? -EINTR : r;
}

/* Of a private word the kernel looks at no more than the address. */
long tn__run_futex_check(const uint32_t *word, bool is_private_word)
{
    long value;

    if ((uintptr_t)word & 3)
        return -EINVAL;
    if (is_private_word)
        return (uintptr_t)word >= ADDRESSES - 4 ? -EFAULT : 0;
    value = tn__run_load(word);
    return value < 0 ? value : 0;
}

/* The kernel looks at it as closely as it does. -ETIMEDOUT: one can wait. */
static long ask_kernel(const struct tn__run_call *c)
{
    static const struct timespec zero;

    return tn__raw4(SYS_futex, c->a[0], FUTEX_WAIT, c->a[2], (long)&zero);
}

static long wait_in_turn(struct tn__run_waiter *w, uint32_t value,
                         struct tn__run_call *c)
{
    struct tn__run_green *green = tn__run_self();
    long r;

    if (green->late_word == w->word)
        w->turn = green->late_turn;
    green->late_word = NULL;
    tn__run_futex_insert(w);
    r = tn__run_futex_park(w, value, false, c);
    tn__list_remove(&w->link);
    if (r == -ETIMEDOUT) {
        green->late_word = w->word;
        green->late_turn = w->turn;
    }
    return r;
}

static long wait_for(struct tn__run_call *c, uint32_t bitset)
{
    uint32_t *word = (uint32_t *)c->a[0], value = (uint32_t)c->a[2];
    bool is_shared = !is_private((int)c->a[1], value);
    struct tn__run_waiter w = {.g = tn__run_hub.current, .word = word,
                               .bitset = bitset};
    long r;

    if (bitset == 0 || ((uintptr_t)word & 3))
        return -EINVAL;
    r = is_shared ? ask_kernel(c) : -ETIMEDOUT;
    if (r != -ETIMEDOUT)
        return r;
    if (is_shared && tn__run_futex_is_shared(word))
        return tn__run_futex_wait_there(c);
    r = tn__run_load(word);
    if (r < 0)
        return r;
    if ((uint32_t)r != value)
        return -EAGAIN;
    return wait_in_turn(&w, value, c);
}

/* FUTEX_WAIT has a relative timeout, the others an absolute one. */
long tn__run_futex_deadline(struct tn__run_call *c)
{
    int op = (int)c->a[1], command = op & FUTEX_CMD_MASK;
    int clock = op & FUTEX_CLOCK_REALTIME || command == FUTEX_LOCK_PI
                    ? CLOCK_REALTIME
                    : CLOCK_MONOTONIC;
    const struct timespec *t = (const void *)c->a[3];
    long r;

    if (c->has_deadline && !c->is_wall)
        return 0;
    c->deadline = TN_FOREVER;
    if (!c->a[3])
        return 0;
    if (command == FUTEX_WAIT)
        r = tn__run_deadline(t, false, &c->deadline);
    else
        r = tn__run_deadline_by(c, t, clock);
    c->has_deadline = r == 0;
    return r;
}

/* Nobody would be stopped by it. libc's wait for main's end is not one. */
static bool is_kernels(const struct tn__run_call *c)
{
    return tn__run.counts.alive == 1 &&
           !is_private((int)c->a[1], (uint32_t)c->a[2]);
}

static long wait_until(struct tn__run_call *c, uint32_t bitset)
{
    if (is_kernels(c))
        return tn__run_kernel(c);
    return wait_for(c, bitset);
}

static long wake_shared(struct tn__run_call *c, uint32_t bitset)
{
    uint32_t *word = (uint32_t *)c->a[0];
    bool is_private_word = c->a[1] & FUTEX_PRIVATE_FLAG;
    int n, n_max = (int)c->a[2] < 1 ? 1 : (int)c->a[2];
    long r;

    if (bitset == 0)
        return -EINVAL;
    r = tn__run_futex_check(word, is_private_word);
    if (r < 0)
        return r;
    n = wake(word, n_max, bitset);
    if (is_private_word || n >= n_max)
        return n;
    r = tn__raw(SYS_futex, (long)word, c->a[1], n_max - n, 0, 0, bitset);
    return r > 0 || n == 0 ? n + r : n;
}

/* The rest of a requeue is for waiters in the kernel. */
static long requeue_there(struct tn__run_call *c, int n_woken, int n_moved)
{
    long r = tn__raw(SYS_futex, c->a[0], c->a[1], (int)c->a[2] - n_woken,
                     (int)c->a[3] - n_moved, c->a[4], c->a[5]);

    return r > 0 || n_woken + n_moved == 0 ? n_woken + n_moved + r
                                           : n_woken + n_moved;
}

static long requeue(struct tn__run_call *c, bool is_compared)
{
    uint32_t *word = (uint32_t *)c->a[0], *to = (uint32_t *)c->a[4];
    int op = (int)c->a[1], n_woken, n_moved;
    long r;

    if ((int)c->a[2] < 0 || (int)c->a[3] < 0)
        return -EINVAL;
    r = tn__run_futex_check(word, op & FUTEX_PRIVATE_FLAG);
    if (r == 0)
        r = tn__run_futex_check(to, op & FUTEX_PRIVATE_FLAG);
    if (r == 0 && is_compared) {
        r = tn__run_load(word);
        if (r >= 0)
            r = (uint32_t)r == (uint32_t)c->a[5] ? 0 : -EAGAIN;
    }
    if (r < 0)
        return r;
    n_woken = wake(word, (int)c->a[2], FUTEX_BITSET_MATCH_ANY);
    n_moved = move(word, to, (int)c->a[3]);
    if (op & FUTEX_PRIVATE_FLAG)
        return n_woken + n_moved;
    return requeue_there(c, n_woken, n_moved);
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

/* The operation that `code` says, on this word: does the comparison hold? */
static long operate(uint32_t *word, uint32_t code)
{
    /* Two signed fields of 12 bits. */
    int32_t op_arg = (int32_t)(code << 8) >> 20;
    int32_t cmp_arg = (int32_t)(code << 20) >> 20;
    unsigned op = code >> 28 & 7, cmp = code >> 24 & 15;
    long old, seen;

    if (code >> 28 & FUTEX_OP_OPARG_SHIFT)
        op_arg = (int32_t)(1u << (op_arg & 31));
    if (op > FUTEX_OP_XOR)
        return -ENOSYS;
    old = tn__run_load(word);
    for (;;) {
        if (old < 0)
            return old;
        seen = tn__run_exchange(word, (uint32_t)old,
                                apply((uint32_t)old, op, (uint32_t)op_arg));
        if (seen == old)
            break;
        old = seen;
    }
    return cmp > FUTEX_OP_CMP_GE ? -ENOSYS
                                 : compare((int32_t)old, cmp, cmp_arg);
}

static long wake_op(struct tn__run_call *c)
{
    struct tn__run_call first = *c, second = *c;
    bool is_private_word = c->a[1] & FUTEX_PRIVATE_FLAG;
    long r = tn__run_futex_check((uint32_t *)c->a[0], is_private_word), holds;

    if (r == 0)
        r = tn__run_futex_check((uint32_t *)c->a[4], is_private_word);
    if (r < 0)
        return r;
    holds = operate((uint32_t *)c->a[4], (uint32_t)c->a[5]);
    if (holds < 0)
        return holds;
    first.a[1] = second.a[1] = (c->a[1] & FUTEX_PRIVATE_FLAG) |
                               FUTEX_WAKE_BITSET;
    second.a[0] = c->a[4];
    second.a[2] = c->a[3];
    r = wake_shared(&first, FUTEX_BITSET_MATCH_ANY);
    if (holds)
        r += wake_shared(&second, FUTEX_BITSET_MATCH_ANY);
    return r;
}

/* Those that do not wait. */
static long at_once(struct tn__run_call *c)
{
    switch (c->a[1] & FUTEX_CMD_MASK) {
    case FUTEX_WAKE:
        return wake_shared(c, FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAKE_BITSET:
        return wake_shared(c, (uint32_t)c->a[5]);
    case FUTEX_REQUEUE:
        return requeue(c, false);
    case FUTEX_CMP_REQUEUE:
        return requeue(c, true);
    case FUTEX_WAKE_OP:
        return wake_op(c);
    case FUTEX_UNLOCK_PI:
        return tn__run_unlock_pi(c);
    case FUTEX_TRYLOCK_PI:
        return tn__run_lock_pi(c);
    case FUTEX_CMP_REQUEUE_PI:
        return tn__run_cmp_requeue_pi(c);
    default:
        return -ENOSYS;
    }
}

static bool has_timeout(int command)
{
    return command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET ||
           command == FUTEX_LOCK_PI || command == FUTEX_LOCK_PI2 ||
           command == FUTEX_WAIT_REQUEUE_PI;
}

long tn__run_futex(struct tn__run_call *c)
{
    int command = (int)c->a[1] & FUTEX_CMD_MASK;
    long r;

    r = has_timeout(command) ? tn__run_futex_deadline(c) : 0;
    if (r < 0)
        return r;
    if ((c->a[1] & FUTEX_CLOCK_REALTIME) && command != FUTEX_WAIT_BITSET &&
        command != FUTEX_WAIT_REQUEUE_PI && command != FUTEX_LOCK_PI2)
        return -ENOSYS;
    switch (command) {
    case FUTEX_WAIT:
        return wait_until(c, FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAIT_BITSET:
        return wait_until(c, (uint32_t)c->a[5]);
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
        return tn__run_lock_pi(c);
    case FUTEX_WAIT_REQUEUE_PI:
        return tn__run_wait_requeue_pi(c);
    default:
        return at_once(c);
    }
}
