/* SPDX-License-Identifier: MIT */
/* run/mask.c - signal masks.
 *
 * Each green thread has a mask that only we know. The kernel has what they all
 * have in common: a signal that at least one of them takes is delivered, and
 * signal.c chooses who gets it; a signal that all block stays pending in the
 * kernel, where sigpending(), signalfd() and a later unblocking find it, and
 * where a default action that nobody wants is not taken. So a switch of green
 * threads never costs a system call, and most changes of masks cost none.
 *
 * What they have in common is found by walking the list of them, but only for
 * signals that the kernel does not block yet, and main, the first, nearly
 * always ends the walk.
 *
 * With several kernel threads (hubs.c) it is the one of main() that has this
 * mask, and the others block all; a call that changes it is made there. */
#include "run/run.h"

static tn__run_set allowed(tn__run_set mask)
{
    return mask & ~(tn__run_bit(SIGKILL) | tn__run_bit(SIGSTOP));
}

/* Of the signals that all block, those that the kernel shall block: not those
 * of faults that the engine may cause (fault.c), nor its own (quantum.c), nor
 * SIGSYS, without which a call that traps kills the process. */
static tn__run_set in_kernel(tn__run_set mask)
{
    return allowed(mask) &
           ~(tn__run_bit(SIGSEGV) | tn__run_bit(SIGBUS) | tn__run_bit(SIGSYS) |
             tn__run_bit(TN__RUN_QUANTUM_SIGNAL));
}

tn__run_set tn__run_mask_of_others(void)
{
    return in_kernel(~(tn__run_bit(SIGFPE) | tn__run_bit(SIGILL) |
                       tn__run_bit(SIGTRAP)));
}

static void load(tn__run_set mask)
{
    tn__run_here()->kernel_mask = mask;
    tn__raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, sizeof mask);
}

void tn__run_mask_load(tn__run_set mask)
{
    if (mask != tn__run_here()->kernel_mask || tn__run_signals_stalled() ||
        tn__run_here()->has_new_mask)
        load(mask);
}

/* The mask of the process, which is that of the kernel thread of main(). */
static void load_first(tn__run_set mask)
{
    if (mask == tn__run_first.kernel_mask)
        return;
    if (TN_LIKELY(tn__run_here() == &tn__run_first)) {
        load(mask);
    } else {
        tn__run_first.kernel_mask = mask;
        tn__run_first.has_new_mask = true;
        tn__run_nudge_first();
    }
}

/* What all but this one block, of the signals in `set`. */
static tn__run_set common(const struct tn__run_green *but, tn__run_set set)
{
    struct tn__list *n = tn__run.greens.next;

    for (; set && n != &tn__run.greens; n = n->next) {
        const struct tn__run_green *green =
            TN_CONTAINER(n, struct tn__run_green, all);

        if (green != but)
            set &= green->mask;
    }
    return set;
}

void tn__run_mask_reload(void)
{
    load(tn__run_here() == &tn__run_first
             ? common(NULL, in_kernel(~(tn__run_set)0))
             : tn__run_mask_of_others());
}

void tn__run_mask_grow(void)
{
    tn__run_set now = tn__run_first.kernel_mask;

    load_first(now | common(NULL, in_kernel(~now)));
}

/* The mask of the process once `green` has this one. */
static tn__run_set next_mask(const struct tn__run_green *green,
                             tn__run_set mask)
{
    tn__run_set now = tn__run_first.kernel_mask;

    return in_kernel(now & mask) |
           common(green, in_kernel(mask & ~green->mask & ~now));
}

void tn__run_mask_prepare(const struct tn__run_green *green, tn__run_set mask)
{
    if (TN_UNLIKELY(tn__run_is_many) &&
        next_mask(green, mask) != tn__run_first.kernel_mask)
        tn__run_go_first();
}

void tn__run_mask_set(struct tn__run_green *green, tn__run_set mask)
{
    tn__run_set next;

    mask = allowed(mask);
    next = next_mask(green, mask);
    if (mask != green->mask) {
        green->mask = mask;
        load_first(next);
    }
    if (TN_UNLIKELY((green->pending | tn__run_signals_shared()) & ~mask))
        green->g.alert |= TN__ALERT_KILL;
    if (TN_UNLIKELY(tn__run_signals_shared() & mask))
        tn__run_signals_retarget();
}

long tn__run_rt_sigprocmask(struct tn__run_call *c)
{
    struct tn__run_green *green = tn__run_self();
    const tn__run_set *set = (const void *)c->a[1];
    tn__run_set *old = (void *)c->a[2];
    tn__run_set before = green->mask, given;

    if (c->a[3] != sizeof given)
        return -EINVAL;
    if (set) {
        if (tn__run_copy(&given, set, sizeof given) < 0)
            return -EFAULT;
        if (c->a[0] == SIG_BLOCK)
            given = before | given;
        else if (c->a[0] == SIG_UNBLOCK)
            given = before & ~given;
        else if (c->a[0] != SIG_SETMASK)
            return -EINVAL;
        tn__run_mask_prepare(green, given);
        tn__run_mask_set(green, given);
    }
    return old ? tn__run_copy(old, &before, sizeof before) : 0;
}

int tn__run_mask_borrow(const tn__run_set *mask, size_t bytes)
{
    struct tn__run_green *green = tn__run_self();
    tn__run_set given;

    if (!mask)
        return 0;
    if (bytes != sizeof *mask)
        return -EINVAL;
    if (tn__run_copy(&given, mask, sizeof given) < 0)
        return -EFAULT;
    tn__run_mask_prepare(green, given);
    green->restore_mask = green->mask;
    green->has_restore_mask = true;
    tn__run_mask_set(green, given);
    return 0;
}

void tn__run_mask_give_back(long result)
{
    struct tn__run_green *green = tn__run_self();

    /* After an interruption the signals come first: leave_slow() does it. */
    if (!green->has_restore_mask || result == -EINTR)
        return;
    green->has_restore_mask = false;
    tn__run_mask_set(green, green->restore_mask);
}

long tn__run_rt_sigsuspend(struct tn__run_call *c)
{
    int r = -EFAULT;

    if (c->a[1] != sizeof(tn__run_set))
        return -EINVAL;
    if (c->a[0])
        r = tn__run_mask_borrow((const void *)c->a[0], (size_t)c->a[1]);
    return r < 0 ? r : tn__run_sleep_until(TN_FOREVER, "sigsuspend");
}

long tn__run_pause(struct tn__run_call *c)
{
    (void)c;
    return tn__run_sleep_until(TN_FOREVER, "pause");
}

long tn__run_rt_sigpending(struct tn__run_call *c)
{
    const struct tn__run_green *green = tn__run_self();
    tn__run_set *set = (void *)c->a[0];
    long r = tn__run_kernel(c);

    if (r == 0 && c->a[1] == sizeof *set)
        *set = (*set | green->pending | tn__run_signals_shared() |
                tn__run_signals_recorded()) &
               green->mask;
    return r;
}
