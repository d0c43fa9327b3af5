/* SPDX-License-Identifier: MIT */
/* run/lock.c - futexes whose word names their owner: LOCK_PI and its kin.
 *
 * The protocol is the kernel's: the word is 0 or the owner's number, with
 * FUTEX_WAITERS when the owner must come to us to unlock. It is handed to the
 * first that waits, of the highest priority, without being free in between.
 * Nothing is inherited: the owner runs when it can, like everybody.
 *
 * An owner in another process cannot hand it to us, nor can the kernel find an
 * owner by a number of ours. So who waits for a shared one that a process holds
 * looks at it from time to time; a process with one thread, whose number is
 * real, leaves shared ones to the kernel. */
#include "run/futex.h"

static struct tn__list waiting = {&waiting, &waiting}; /* by .all_locks */

void tn__run_locks_in_child(void)
{
    tn__list_init(&waiting);
}

static uint32_t owner_in(long value)
{
    return (uint32_t)value & FUTEX_TID_MASK;
}

static struct tn__run_green *green_of(const struct tn__run_waiter *w)
{
    return TN_CONTAINER(w->g, struct tn__run_green, g);
}

static void begin_wait(struct tn__run_waiter *w)
{
    tn__run_futex_insert(w);
    tn__list_insert(&waiting, &w->all_locks);
}

static void end_wait(struct tn__run_waiter *w)
{
    tn__list_remove(&w->link);
    tn__list_remove(&w->all_locks);
}

/* Make it the owner, whoever was. 0, -EFAULT. */
static long hand_over(struct tn__run_waiter *w, uint32_t bits)
{
    uint32_t value = (uint32_t)green_of(w)->tid | FUTEX_WAITERS | bits;
    long old = tn__run_load(w->word);

    while (old >= 0) {
        long seen = tn__run_exchange(w->word, (uint32_t)old, value);

        if (seen == old)
            break;
        old = seen;
    }
    if (old < 0)
        return old;
    tn__list_remove(&w->all_locks);
    tn__run_futex_wake_one(w);
    return 0;
}

/* What does this green thread wait for? */
static const struct tn__run_waiter *wait_of(uint32_t tid)
{
    for (struct tn__list *n = waiting.next; n != &waiting; n = n->next) {
        const struct tn__run_waiter *w =
            TN_CONTAINER(n, struct tn__run_waiter, all_locks);

        if ((uint32_t)green_of(w)->tid == tid)
            return w;
    }
    return NULL;
}

/* Does `owner` wait, over any number of others, for what `tid` owns? */
static bool is_deadlock(uint32_t owner, uint32_t tid)
{
    for (int i = 0; i < 1024; i++) {
        const struct tn__run_waiter *w = wait_of(owner);
        long value = w ? tn__run_load(w->word) : -1;

        if (value < 0)
            return false;
        owner = owner_in(value);
        if (owner == tid)
            return true;
    }
    return false;
}

static bool exists(uint32_t tid, bool is_private)
{
    if (tn__run_find_tid((int)tid))
        return true;
    if (tid >= TN__RUN_TID_MIN)
        return !is_private; /* another process's green thread, it may be */
    return tn__raw3(SYS_tkill, tid, 0, 0) != -ESRCH;
}

/* Take it if it is free, else see to it that its owner comes to us. 0: taken;
 * 1: wait while it is *ret_value; or an error. */
static long take(uint32_t *word, bool is_private, uint32_t *ret_value)
{
    uint32_t tid = (uint32_t)tn__run_self()->tid;

    for (;;) {
        long old = tn__run_load(word), seen;
        uint32_t value = (uint32_t)old;

        if (old < 0)
            return old;
        if (owner_in(old) == tid)
            return -EDEADLK;
        if (!owner_in(old))
            value = (value & FUTEX_OWNER_DIED) | tid |
                    (tn__run_futex_first(word, true) ? FUTEX_WAITERS : 0);
        else
            value |= FUTEX_WAITERS;
        seen = tn__run_exchange(word, (uint32_t)old, value);
        if (seen < 0)
            return seen;
        if (seen != old)
            continue;
        if (!owner_in(old))
            return 0;
        if (!exists(owner_in(old), is_private))
            return -ESRCH;
        if (is_deadlock(owner_in(old), tid))
            return -EDEADLK;
        *ret_value = value;
        return 1;
    }
}

/* A thread whose number is the kernel's too, with nobody that it would stop. */
static bool is_kernels(const struct tn__run_call *c)
{
    return !(c->a[1] & FUTEX_PRIVATE_FLAG) &&
           tn__run_self() == tn__run.main && tn__run.counts.alive == 1;
}

/* FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI. */
long tn__run_lock_pi(struct tn__run_call *c)
{
    bool is_private = c->a[1] & FUTEX_PRIVATE_FLAG;
    bool is_try = (c->a[1] & FUTEX_CMD_MASK) == FUTEX_TRYLOCK_PI;
    struct tn__run_waiter w = {.g = tn__run_hub.current,
                               .word = (uint32_t *)c->a[0], .is_lock = true};
    uint32_t value;
    long r = tn__run_futex_check(w.word, is_private);

    if (r < 0)
        return r;
    if (is_kernels(c)) {
        tn__run_go_first(); /* whose number is main's */
        return tn__run_kernel(c);
    }
    for (;;) {
        r = take(w.word, is_private, &value);
        if (r <= 0)
            return r;
        if (is_try)
            return -EAGAIN;
        begin_wait(&w);
        r = tn__run_futex_park(&w, value,
                               !tn__run_find_tid((int)owner_in(value)), c);
        end_wait(&w);
        if (w.is_done)
            return 0;
        if (r == -EINTR)
            return TN__RUN_AGAIN; /* whatever its handler's flags */
        if (r < 0)
            return r;
    }
}

long tn__run_unlock_pi(struct tn__run_call *c)
{
    uint32_t *word = (uint32_t *)c->a[0];
    uint32_t tid = (uint32_t)tn__run_self()->tid;
    bool is_kernels = !(c->a[1] & FUTEX_PRIVATE_FLAG) &&
                      tn__run_self() == tn__run.main;
    struct tn__run_waiter *w;
    long old, seen;

    if (is_kernels)
        tn__run_go_first(); /* whose number is main's */
    old = tn__run_load(word);
    for (;;) {
        if (old < 0)
            return old;
        if (owner_in(old) != tid)
            return -EPERM;
        if ((uintptr_t)word & 3)
            return -EINVAL;
        w = tn__run_futex_first(word, true);
        if (w)
            return hand_over(w, 0);
        /* A process with one thread may wait for main in the kernel. */
        if (is_kernels) /* which does not wait: the lock is kept */
            return tn__raw(c->nr, c->a[0], c->a[1], 0, 0, 0, 0);
        seen = tn__run_exchange(word, (uint32_t)old, 0);
        if (seen == old)
            return 0;
        old = seen;
    }
}

void tn__run_locks_give_up(const struct tn__run_green *green)
{
    struct tn__list *n = waiting.next;

    while (n != &waiting) {
        struct tn__run_waiter *w =
            TN_CONTAINER(n, struct tn__run_waiter, all_locks);
        long value = tn__run_load(w->word);

        if (value >= 0 && owner_in(value) == (uint32_t)green->tid) {
            hand_over(tn__run_futex_first(w->word, true), FUTEX_OWNER_DIED);
            n = waiting.next;
        } else {
            n = n->next;
        }
    }
}

/* ---- condition variables on such locks ---- */

long tn__run_wait_requeue_pi(struct tn__run_call *c)
{
    bool is_private = c->a[1] & FUTEX_PRIVATE_FLAG;
    struct tn__run_waiter w = {.g = tn__run_hub.current,
                               .word = (uint32_t *)c->a[0],
                               .lock = (uint32_t *)c->a[4]};
    uint32_t value = (uint32_t)c->a[2];
    long r;

    if (w.word == w.lock)
        return -EINVAL;
    r = tn__run_futex_check(w.lock, is_private);
    if (r == 0)
        r = tn__run_futex_check(w.word, is_private);
    if (r == 0)
        r = tn__run_load(w.word);
    if (r < 0)
        return r;
    if ((uint32_t)r != value)
        return -EAGAIN;
    tn__list_init(&w.all_locks);
    tn__run_futex_insert(&w);
    r = tn__run_futex_park(&w, value, false, c);
    end_wait(&w);
    if (w.is_done)
        return 0;
    if (r == -EINTR)
        return w.is_lock ? -EAGAIN : TN__RUN_AGAIN;
    return r;
}

/* Make it wait for its lock, or give it that. 0, or an error. */
static long requeue_one(struct tn__run_waiter *w)
{
    uint32_t *word = w->lock, value;
    long old;

    tn__list_remove(&w->link);
    w->word = word;
    w->is_lock = true;
    for (;;) {
        old = tn__run_load(word);
        if (old < 0)
            return old;
        value = (uint32_t)old | FUTEX_WAITERS;
        if (!owner_in(old)) {
            begin_wait(w);
            return hand_over(w, (uint32_t)old & FUTEX_OWNER_DIED);
        }
        if (tn__run_exchange(word, (uint32_t)old, value) == old) {
            begin_wait(w);
            return 0;
        }
    }
}

/* The first that waits on `word` for any reason; or NULL. */
static struct tn__run_waiter *first_on(const uint32_t *word)
{
    return tn__run_futex_first(word, false);
}

static long check_requeue(const struct tn__run_call *c)
{
    uint32_t *word = (uint32_t *)c->a[0], *to = (uint32_t *)c->a[4];
    bool is_private = c->a[1] & FUTEX_PRIVATE_FLAG;
    long r;

    if ((int)c->a[2] != 1 || (int)c->a[3] < 0 || word == to)
        return -EINVAL;
    r = tn__run_futex_check(word, is_private);
    if (r == 0)
        r = tn__run_futex_check(to, is_private);
    if (r == 0)
        r = tn__run_load(word);
    if (r < 0)
        return r;
    if ((uint32_t)r != (uint32_t)c->a[5])
        return -EAGAIN;
    r = tn__run_load(to);
    return r < 0 ? r : 0;
}

long tn__run_cmp_requeue_pi(struct tn__run_call *c)
{
    uint32_t *word = (uint32_t *)c->a[0];
    long n = 0, n_max = (long)(int)c->a[3] + 1, r = check_requeue(c);
    struct tn__run_waiter *w;

    while (r == 0 && n < n_max && (w = first_on(word)) != NULL) {
        if (w->lock != (uint32_t *)c->a[4])
            return -EINVAL;
        r = requeue_one(w);
        n += r == 0;
    }
    return r < 0 ? r : n;
}
