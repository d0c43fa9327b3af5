/* SPDX-License-Identifier: MIT */
/* run/filter.c - a program that filters its own system calls (seccomp).
 *
 * Most filters list what the program needs, and kill it at all else: so at our
 * first rt_sigreturn(), or poll, or helper. A process with one thread goes
 * native before it has one. All that it lent to us it gets back, and then makes
 * the call itself: signals, mask, handlers, alternate stack; the descriptors of
 * ours are closed, and threads that it makes from then on are the kernel's. It
 * does so out of a trap, too, since the way back from that is a call.
 *
 * With several threads there is no such way back. The filter then holds for
 * all, and for what the engine does. */
#include "run/run.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

/* The kernel would take it. */
static bool is_program(long address)
{
    struct sock_fprog program;
    struct sock_filter first;

    return tn__run_copy(&program, (const void *)address, sizeof program) == 0 &&
           program.len > 0 && program.len <= BPF_MAXINSNS &&
           tn__run_copy(&first, program.filter, sizeof first) == 0;
}

static bool sets_filter(const struct tn__run_call *c)
{
    if (c->nr == SYS_prctl && c->a[0] == PR_SET_SECCOMP)
        return c->a[1] == SECCOMP_MODE_STRICT ||
               (c->a[1] == SECCOMP_MODE_FILTER && is_program(c->a[2]));
    if (c->nr != SYS_seccomp)
        return false;
    return (c->a[0] == SECCOMP_SET_MODE_STRICT && !c->a[1] && !c->a[2]) ||
           (c->a[0] == SECCOMP_SET_MODE_FILTER && is_program(c->a[2]));
}

/* False: a signal has come, which is to be handled before. */
static bool give_back(struct tn__run_green *self)
{
    tn__run_set mask = tn__run_here()->kernel_mask;

    tn__run_quantum_stop();
    tn__run_mask_load(~(tn__run_set)0);
    if (tn__run_here()->is_alert) {
        tn__run_mask_load(mask);
        return false;
    }
    tn__run_hand_over_pending(self);
    tn__run_offload_retire();
    tn__run_offload_join();
    tn__run_stats_print();
    tn__run_inspect_close();
    tn__run_altstack_load(self);
    tn__run_fds_drop();
    tn__run_go_native();
    tn__run_trap_disarm();
    return true;
}

/* Out of a trap the program is sent back to its instruction. */
static long make_native(struct tn__run_call *c, tn__run_set mask)
{
    if (c->uc) {
        *(tn__run_set *)(void *)&c->uc->uc_sigmask = mask;
        c->uc->uc_mcontext.gregs[REG_RIP] -= TN__RUN_SYSCALL_BYTES;
        return c->nr;
    }
    tn__raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, sizeof mask);
    return tn__raw(c->nr, c->a[0], c->a[1], c->a[2], c->a[3], c->a[4],
                   c->a[5]);
}

long tn__run_filter(struct tn__run_call *c)
{
    struct tn__run_green *self = tn__run_self();
    tn__run_set mask = self->mask;

    if (!sets_filter(c) || tn__run.counts.alive > 1 || tn__run_is_many ||
        self->own)
        return tn__run_credentials(c);
    return give_back(self) ? make_native(c, mask) : TN__RUN_AGAIN;
}
