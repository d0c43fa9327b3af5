/* SPDX-License-Identifier: MIT */
/* run/identity.c - calls about a thread as such: its number, name and pointer.
 *
 * Main has the number of the process, as everywhere; the others have numbers
 * that no process can have. */
#include "run/run.h"

#include <asm/prctl.h>
#include <sys/prctl.h>

#ifndef PR_GET_TID_ADDRESS
# define PR_GET_TID_ADDRESS 40
#endif

long tn__run_gettid(struct tn__run_call *c)
{
    (void)c;
    return tn__run_self()->tid;
}

/* The kernel writes to the area it was given for the one kernel thread, which
 * is that of the first. The others' stay as libc has set them up: not
 * registered, and sched_getcpu() asks the vDSO. */
long tn__run_rseq(struct tn__run_call *c)
{
    if (tn__run_self() == &tn__run.first && !tn__run_is_many)
        return tn__run_kernel(c);
    return 0;
}

long tn__run_arch_prctl(struct tn__run_call *c)
{
    struct tn__run_green *green = tn__run_self();

    switch (c->a[0]) {
    case ARCH_SET_GS:
        return tn__run.n_hubs > 1 ? -EPERM : tn__run_kernel(c); /* ours */
    case ARCH_SET_FS:
        green->g.carry.fs_base = tn__run_hub.fs_base = (uint64_t)c->a[1];
        return tn__run_kernel(c);
    case ARCH_GET_FS:
        return tn__run_copy((void *)c->a[1], &green->g.carry.fs_base,
                            sizeof(uint64_t));
    default:
        return tn__run_kernel(c);
    }
}

static long name_set(struct tn__run_green *green, const char *name)
{
    char own[sizeof green->name] = {0};

    if (tn__run_copy_text(own, name, sizeof own - 1) < 0)
        return -EFAULT;
    for (size_t i = 0; i < sizeof own; i++)
        green->name[i] = green->g.name[i] = own[i];
    return 0;
}

static long set_counter(struct tn__run_call *c)
{
    long r;

    if (c->a[1] == PR_TSC_SIGSEGV)
        tn__run_vdso_leave();
    r = tn__run_credentials(c);
    tn__run_vdso_look();
    return r;
}

long tn__run_prctl(struct tn__run_call *c)
{
    struct tn__run_green *green = tn__run_self();
    char *name = (char *)c->a[1];

    if (c->a[0] == 59) /* PR_SET_SYSCALL_USER_DISPATCH: taken; off it is */
        return c->a[1] == 0 ? 0 : -EINVAL;
    if (c->a[0] == PR_GET_TID_ADDRESS)
        return tn__run_copy(name, &green->clear_tid, sizeof green->clear_tid);
    if (green == tn__run.main && c->a[0] == PR_SET_NAME)
        name_set(green, name); /* for those that main makes */
    if (green == tn__run.main)
        tn__run_go_first(); /* whose name is the process's */
    if (c->a[0] == PR_SET_TSC)
        return set_counter(c);
    if (green == tn__run.main)
        return tn__run_filter(c);
    switch (c->a[0]) {
    case PR_SET_NAME:
        return name_set(green, name);
    case PR_GET_NAME:
        return tn__run_copy(name, green->name, sizeof green->name);
    default:
        return tn__run_filter(c);
    }
}
