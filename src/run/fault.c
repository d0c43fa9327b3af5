/* SPDX-License-Identifier: MIT */
/* run/fault.c - SIGSEGV and SIGBUS, and addresses of the program's that the
 * engine itself reads or writes.
 *
 * A system call gives EFAULT for a bad address. The engine touches the
 * program's memory by the functions of access.S only; a fault in one of them
 * ends in its returning -EFAULT. For this the kernel has our handler for both
 * signals, whatever the program wants, and never blocks them (action.c,
 * mask.c). Rejected: asking the kernel about each address first, a system call
 * more for each one.
 *
 * A fault of the program itself that it has no handler for, or blocks, ends the
 * process as without us: the default action is loaded, and the very instruction
 * faults again, so that the core file shows it. */
#include "run/run.h"

bool tn__run_is_fault(int sig, const siginfo_t *info)
{
    return info->si_code > 0 && (sig == SIGSEGV || sig == SIGBUS ||
                                 sig == SIGFPE || sig == SIGILL ||
                                 sig == SIGTRAP);
}

static void die_of(int sig)
{
    struct tn__run_action fallback = {(void *)SIG_DFL, 0, NULL, 0};

    tn__run_action_load(sig, &fallback); /* and it happens again */
}

bool tn__run_fault(int sig, ucontext_t *uc)
{
    struct tn__run_regs *regs = (void *)uc->uc_mcontext.gregs;

    if (regs->rip >= (long)tn__run_access_start &&
        regs->rip < (long)tn__run_access_end) {
        regs->rip = (long)tn__run_access_failed;
        return true;
    }
    if (tn__run_has_handler(sig) &&
        (!tn__run_is_on() || (!tn__run_is_inside() &&
                              !(tn__run_self()->mask & tn__run_bit(sig)))))
        return false;
    die_of(sig);
    return true;
}
