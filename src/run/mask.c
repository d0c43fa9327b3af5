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
 * always ends the walk. */
#include "run/run.h"

/* A call that traps while SIGSYS is blocked kills the process. */
static tn__run_set allowed(tn__run_set mask)
{
    return mask & ~(tn__run_bit(SIGSYS) | tn__run_bit(SIGKILL) |
                    tn__run_bit(SIGSTOP));
}

void tn__run_mask_load(tn__run_set mask)
{
    if (mask == tn__run.kernel_mask)
        return;
    tn__run.kernel_mask = mask;
    tn__raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, sizeof mask);
}

/* What all block, of the signals in `set`. */
static tn__run_set common(tn__run_set set)
{
    struct tn__list *n = tn__run.greens.next;

    for (; set && n != &tn__run.greens; n = n->next)
        set &= TN_CONTAINER(n, struct tn__run_green, all)->mask;
    return set;
}

void tn__run_mask_grow(void)
{
    tn__run_mask_load(tn__run.kernel_mask |
                      common(allowed(~tn__run.kernel_mask)));
}

void tn__run_mask_set(struct tn__run_green *green, tn__run_set mask)
{
    tn__run_set before = green->mask;

    mask = allowed(mask);
    green->mask = mask;
    if (mask != before)
        tn__run_mask_load((tn__run.kernel_mask & mask) |
                          common(mask & ~before & ~tn__run.kernel_mask));
    if (TN_UNLIKELY(green->pending & ~mask))
        green->g.alert |= TN__ALERT_KILL;
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
        given = *set;
        if (c->a[0] == SIG_BLOCK)
            given = before | given;
        else if (c->a[0] == SIG_UNBLOCK)
            given = before & ~given;
        else if (c->a[0] != SIG_SETMASK)
            return -EINVAL;
        tn__run_mask_set(green, given);
    }
    if (old)
        *old = before;
    return 0;
}

int tn__run_mask_borrow(const tn__run_set *mask, size_t bytes)
{
    struct tn__run_green *green = tn__run_self();

    if (!mask)
        return 0;
    if (bytes != sizeof *mask)
        return -EINVAL;
    green->restore_mask = green->mask;
    green->has_restore_mask = true;
    tn__run_mask_set(green, *mask);
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
    int r = tn__run_mask_borrow((const void *)c->a[0], (size_t)c->a[1]);

    return r < 0 ? r : tn__run_sleep_until(TN_FOREVER, "sigsuspend");
}

long tn__run_pause(struct tn__run_call *c)
{
    (void)c;
    return tn__run_sleep_until(TN_FOREVER, "pause");
}

long tn__run_rt_sigpending(struct tn__run_call *c)
{
    tn__run_set *set = (void *)c->a[0];
    long r = tn__run_kernel(c);

    if (r == 0 && c->a[1] == sizeof *set)
        *set |= tn__run_self()->pending | tn__run_signals_recorded();
    return r;
}
