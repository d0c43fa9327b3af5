/* SPDX-License-Identifier: MIT */
/* run/trap.c - Syscall User Dispatch: the way in that misses nothing.
 *
 * The kernel sends SIGSYS for each system call made outside of our own section
 * of text, instead of making it. The handler runs on the stack of the green
 * thread that called. If the call has to wait, the handler just switches away:
 * the frame that the kernel has built holds the vector registers and all else,
 * and the sigreturn at the end of the handler puts it back, whenever that is.
 *
 * The kernel never blocks SIGSYS (mask.c sees to that): a system call that
 * traps while it is blocked kills the process. The handler does not use the
 * alternate stack, since a green thread may wait in it for long. */
#include "run/patch.h"

#include <linux/audit.h>
#include <sys/prctl.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
# define PR_SET_SYSCALL_USER_DISPATCH 59
# define PR_SYS_DISPATCH_ON 1
#endif
#ifndef SYS_USER_DISPATCH
# define SYS_USER_DISPATCH 2
#endif

static char selector = 1; /* SYSCALL_DISPATCH_FILTER_BLOCK, always */

/* A SIGSYS that is not ours: from a seccomp filter, or sent by kill(). */
static void pass_on(int sig, siginfo_t *info, void *context)
{
    struct tn__run_action fallback = {(void *)SIG_DFL, 0, NULL, 0};

    if (tn__run_action_of(sig)->handler == (void *)SIG_IGN)
        return;
    if (tn__run_has_handler(sig) ||
        (tn__run_is_on() && info->si_code <= 0)) { /* it may be blocked */
        tn__run_on_signal(sig, info, context);
        return;
    }
    tn__run_action_load(sig, &fallback);
    tn__raw3(SYS_tgkill, tn__run.pid, tn__run_kernel_tid(), sig);
}

bool tn__run_on_trap(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    struct tn__run_regs *regs = (void *)uc->uc_mcontext.gregs;
    struct tn__run_call c = {
        .nr = regs->rax,
        .a = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9},
        .uc = uc,
        .pc = regs->rip,
        .regs = regs};

    if (TN_UNLIKELY(info->si_code != SYS_USER_DISPATCH)) {
        if (tn__run_offload_on_signal(info, uc))
            return false; /* of a helper */
        pass_on(sig, info, context);
        return tn__run_is_on();
    }
    if (TN_UNLIKELY(info->si_arch != AUDIT_ARCH_X86_64)) {
        regs->rax = -ENOSYS; /* int $0x80: its numbers are others */
        return false;
    }
    if (TN_UNLIKELY(tn__run_is_inside() || !tn__run_is_on())) {
        /* The vDSO has fallen back to a system call, for us. */
        regs->rax = tn__raw(c.nr, c.a[0], c.a[1], c.a[2], c.a[3], c.a[4],
                            c.a[5]);
        return false;
    }
    tn__run_here()->calls.by_trap++;
    tn__run_patch_trapped(&c);
    regs->rax = tn__run_syscall(&c);
    if (TN_UNLIKELY(!tn__run_is_on()))
        return false;
    tn__run_frame_settle(tn__run_self(), uc);
    return true;
}

bool tn__run_trap_disarm(void)
{
    return tn__raw(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, 0, 0, 0, 0, 0) ==
           0;
}

void tn__run_trap_arm(void)
{
    struct tn__run_action action = {(void *)tn__run_trap_handler,
                                    SA_SIGINFO | SA_NODEFER, NULL, 0};
    long start = (long)tn__run_exempt_start;
    long r;

    r = tn__run_action_load(SIGSYS, &action);
    TN_ASSERT(r == 0);
    r = tn__raw(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON,
                start, (long)tn__run_exempt_end - start, (long)&selector, 0);
    TN_ASSERT(r == 0);
}
