/* SPDX-License-Identifier: MIT */
/* run/numbers.c - calls that take the number of a thread for that of its
 * process, or of what the kernel keeps for its thread. The kernel has never
 * heard of a green thread's number: what it keeps is that of the kernel thread
 * of main(), whose number is the process's. */
#include "run/run.h"

#include <fcntl.h>

enum { NR_PIDFD_OPEN = 434, WHO_PROCESS = 1 /* of ioprio_get() */ };

bool tn__run_is_green_number(long n)
{
    return (int)n >= TN__RUN_TID_MIN && tn__run_find_tid((int)n);
}

/* Which argument it is; -1: none. */
static int number_of(const struct tn__run_call *c)
{
    switch (c->nr) {
    case SYS_ioprio_get:
    case SYS_ioprio_set:
        return c->a[0] == WHO_PROCESS ? 1 : -1;
    case SYS_perf_event_open:
        return 1;
    default:
        return 0;
    }
}

/* Only a process, or its first thread, has one of these. */
static bool is_of_first(long nr)
{
    return nr == NR_PIDFD_OPEN || nr == SYS_setpgid;
}

long tn__run_by_number(struct tn__run_call *c)
{
    struct tn__run_call now = *c;
    int arg = number_of(c);

    if (arg >= 0 && tn__run_is_green_number(c->a[arg])) {
        if (is_of_first(c->nr))
            return -EINVAL;
        now.a[arg] = tn__run.pid;
    }
    switch (c->nr) {
    case NR_PIDFD_OPEN:
    case SYS_perf_event_open:
        return tn__run_new(&now);
    case SYS_ioprio_set:
        return tn__run_credentials(&now);
    default:
        return tn__run_kernel(&now);
    }
}

/* fcntl(F_SETOWN_EX): who is told by signal. Not more of a green thread than
 * that the process is. */
long tn__run_set_owner(struct tn__run_call *c)
{
    struct tn__run_call now = *c;
    struct f_owner_ex owner;

    if (tn__run_copy(&owner, (const void *)c->a[2], sizeof owner) == 0 &&
        owner.type == F_OWNER_TID && tn__run_is_green_number(owner.pid)) {
        owner = (struct f_owner_ex){F_OWNER_PID, tn__run.pid};
        now.a[2] = (long)&owner;
    }
    return tn__run_kernel(&now);
}
