/* SPDX-License-Identifier: MIT */
/* run/futex.h - waiters on futexes, for the files that do their calls. See
 * futex.c for how it works. */
#ifndef TN_RUN_FUTEX_H
#define TN_RUN_FUTEX_H

#include "run/run.h"

#include <linux/futex.h>

#ifndef FUTEX_LOCK_PI2
# define FUTEX_LOCK_PI2 13
#endif

struct tn__run_waiter {
    struct tn__list link; /* in the table, or to itself */
    struct tn_greenlet *g;
    uint32_t *word;
    uint32_t bitset;
    uint64_t turn;   /* in which order they are woken; 0: behind all */
    uint32_t *lock;  /* FUTEX_WAIT_REQUEUE_PI: where it will be moved; or
                      * NULL */
    struct tn__list all_locks; /* of is_lock: lock.c's */
    uint8_t *group;  /* is set too when it is woken; or NULL */
    bool is_lock;    /* it wants to own `word` */
    uint8_t is_done; /* woken; it is off the list then */
};

/* The list that waiters of `word` are on, among others. */
struct tn__list *tn__run_futex_bucket(const uint32_t *word);
/* Put it on the list: behind those of the same priority. */
void tn__run_futex_insert(struct tn__run_waiter *w);
void tn__run_futex_wake_one(struct tn__run_waiter *w);
/* The first that waits on `word`, and wants to own it or not; or NULL. */
struct tn__run_waiter *tn__run_futex_first(const uint32_t *word,
                                           bool is_lock);
/* Park until w->is_done, a signal or c->deadline: 0, -EINTR, -ETIMEDOUT. With
 * is_shared, it looks at the word from time to time: 0 also when that is no
 * longer `value`. The caller takes `w` off the list. */
long tn__run_futex_park(struct tn__run_waiter *w, uint32_t value,
                        bool is_shared, struct tn__run_call *c);
/* One that looks from time to time: when it does next, and whether that was the
 * last time. */
tn_time tn__run_futex_look_at(struct tn__run_call *c, int64_t span);
bool tn__run_futex_is_over(const struct tn__run_call *c);
/* Addresses that get_futex_key() refuses: 0, -EINVAL, -EFAULT. */
long tn__run_futex_check(const uint32_t *word, bool is_private);
/* Of a call with a timeout, into c->deadline. */
long tn__run_futex_deadline(struct tn__run_call *c);

/* shared.c: can another process see it? If so, a helper waits. */
bool tn__run_futex_is_shared(const uint32_t *word);
tn__run_fn tn__run_futex_wait_there;

void tn__run_locks_in_child(void);
/* It is over for `green`: what it owned goes to those that wait for it. */
void tn__run_locks_give_up(const struct tn__run_green *green);
/* lock.c: the calls of priority inheritance. */
tn__run_fn tn__run_lock_pi, tn__run_unlock_pi;
tn__run_fn tn__run_wait_requeue_pi, tn__run_cmp_requeue_pi;

#endif /* TN_RUN_FUTEX_H */
