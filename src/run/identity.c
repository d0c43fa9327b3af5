/* SPDX-License-Identifier: MIT */
/* run/identity.c - calls about a thread as such: its number, name, pointer and
 * scheduling.
 *
 * Main has the number of the process, as everywhere; the others have numbers
 * that no process can have. Where a call takes a thread's number, one of ours
 * stands for the one kernel thread when it asks, and does nothing when it
 * sets: there is nothing to pin or to prefer. */
#include "run/run.h"

#include <asm/prctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static bool is_green(long tid)
{
    return tid >= TN__RUN_TID_MIN;
}

long tn__run_gettid(struct tn__run_call *c)
{
    (void)c;
    return tn__run_self()->tid;
}

/* The kernel writes to the area it was given for the one kernel thread, which
 * is main's. The others' stay as libc has set them up: not registered, and
 * sched_getcpu() asks the vDSO. */
long tn__run_rseq(struct tn__run_call *c)
{
    if (tn__run_self() == &tn__run.main)
        return tn__run_kernel(c);
    return 0;
}

long tn__run_arch_prctl(struct tn__run_call *c)
{
    struct tn__run_green *green = tn__run_self();

    switch (c->a[0]) {
    case ARCH_SET_FS:
        green->g.carry.fs_base = tn__run_hub.fs_base = (uint64_t)c->a[1];
        return tn__run_kernel(c);
    case ARCH_GET_FS:
        *(uint64_t *)c->a[1] = green->g.carry.fs_base;
        return 0;
    default:
        return tn__run_kernel(c);
    }
}

static long name_set(struct tn__run_green *green, const char *name)
{
    size_t n = 0;

    for (; n < sizeof green->name - 1 && name[n]; n++)
        green->name[n] = green->g.name[n] = name[n];
    green->name[n] = green->g.name[n] = '\0';
    return 0;
}

long tn__run_prctl(struct tn__run_call *c)
{
    struct tn__run_green *green = tn__run_self();
    char *name = (char *)c->a[1];

    if (c->a[0] == 59) /* PR_SET_SYSCALL_USER_DISPATCH: taken; off it is */
        return c->a[1] == 0 ? 0 : -EINVAL;
    if (green == &tn__run.main)
        return tn__run_kernel(c);
    switch (c->a[0]) {
    case PR_SET_NAME:
        return name_set(green, name);
    case PR_GET_NAME:
        for (size_t i = 0; i < sizeof green->name; i++)
            name[i] = green->name[i];
        return 0;
    default:
        return tn__run_kernel(c);
    }
}

long tn__run_sched_get(struct tn__run_call *c)
{
    if (is_green(c->a[0]))
        c->a[0] = 0;
    return tn__run_kernel(c);
}

long tn__run_sched_set(struct tn__run_call *c)
{
    bool is_self = c->a[0] == 0 && tn__run_self() != &tn__run.main;

    return is_green(c->a[0]) || is_self ? 0 : tn__run_kernel(c);
}

long tn__run_priority(struct tn__run_call *c)
{
    if (c->a[0] == PRIO_PROCESS && is_green(c->a[1]))
        c->a[1] = 0;
    return tn__run_kernel(c);
}

long tn__run_priority_set(struct tn__run_call *c)
{
    if (c->a[0] == PRIO_PROCESS && is_green(c->a[1]))
        return 0;
    return tn__run_kernel(c);
}
