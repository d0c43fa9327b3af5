/* SPDX-License-Identifier: MIT */
/* run/sched.c - policy, priority, niceness and affinity of threads.
 *
 * Main's are the kernel thread's, and so everybody's in effect. Those of other
 * green threads are only kept and told: errors, limits and what a new thread
 * has from the one that makes it are Linux's. Of a real-time priority it is
 * also true that those who wait on a futex are woken in its order. */
#include "run/run.h"

#include <sched.h>
#include <sys/resource.h>

enum { RESET_ON_FORK = 0x40000000, CAP_NICE = 23, RR_MS = 100 };

/* The kernel's struct sched_attr, its first version. */
struct attr {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static bool is_real_time(int policy)
{
    return policy == SCHED_FIFO || policy == SCHED_RR;
}

static uint64_t allowed[TN__RUN_CPU_WORDS]; /* CPUs, at our start */

void tn__run_sched_init(void)
{
    struct tn__run_green *main = tn__run.main;
    int priority = 0;

    main->policy = (int)tn__raw1(SYS_sched_getscheduler, 0);
    tn__raw3(SYS_sched_getparam, 0, (long)&priority, 0);
    main->rank = priority;
    main->nice = 20 - (int)tn__raw3(SYS_getpriority, PRIO_PROCESS, 0, 0);
    tn__raw3(SYS_sched_getaffinity, 0, sizeof allowed, (long)allowed);
}

void tn__run_sched_inherit(struct tn__run_green *green,
                           const struct tn__run_green *from)
{
    green->nice = from->nice;
    green->has_affinity = from->has_affinity;
    for (int i = 0; i < TN__RUN_CPU_WORDS; i++)
        green->affinity[i] = from->affinity[i];
    if (from->policy & RESET_ON_FORK)
        return;
    green->policy = from->policy;
    green->rank = from->rank;
}

void tn__run_sched_in_child(struct tn__run_green *self)
{
    int priority;

    if (self->policy & RESET_ON_FORK) {
        self->policy = is_real_time(self->policy & ~RESET_ON_FORK)
                           ? SCHED_OTHER
                           : self->policy & ~RESET_ON_FORK;
        self->rank = 0;
        self->nice = self->nice < 0 ? 0 : self->nice;
    }
    if (self == tn__run.main)
        return; /* the kernel has seen to it */
    priority = self->rank;
    tn__raw3(SYS_sched_setscheduler, 0, self->policy, (long)&priority);
    tn__raw3(SYS_setpriority, PRIO_PROCESS, 0, self->nice);
    if (self->has_affinity)
        tn__raw3(SYS_sched_setaffinity, 0, sizeof self->affinity,
                 (long)self->affinity);
}

/* The kernel's answer, of the kernel thread of main(): what is the process's is
 * main's. */
static long as_main(struct tn__run_call *c)
{
    tn__run_go_first();
    return tn__run_kernel(c);
}

/* Whom a call means, if that is one of us but main; or NULL. */
static struct tn__run_green *green_for(long tid)
{
    struct tn__run_green *green =
        tid == 0 ? tn__run_self() : tn__run_find_tid((int)tid);

    return green == tn__run.main ? NULL : green;
}

static bool is_main(long tid)
{
    return tid == tn__run.pid ||
           (tid == 0 && tn__run_self() == tn__run.main);
}

/* The effective capability to raise priorities. */
static bool may_all(void)
{
    uint32_t head[2] = {0x20080522, 0}, data[6] = {0};

    tn__raw3(SYS_capget, (long)head, (long)data, 0);
    return data[0] >> CAP_NICE & 1;
}

static long limit_of(int resource)
{
    struct rlimit limit = {0, 0};

    tn__raw4(SYS_prlimit64, 0, resource, 0, (long)&limit);
    return limit.rlim_cur > 1000 ? 1000 : (long)limit.rlim_cur;
}

static long set(struct tn__run_green *green, int policy, int priority)
{
    int kind = policy & ~RESET_ON_FORK;

    if (kind != SCHED_OTHER && kind != SCHED_BATCH && kind != SCHED_IDLE &&
        !is_real_time(kind))
        return -EINVAL;
    if (priority < 0 || priority > 99 ||
        is_real_time(kind) != (priority != 0))
        return -EINVAL;
    if (is_real_time(kind) && priority > green->rank &&
        limit_of(RLIMIT_RTPRIO) < priority && !may_all())
        return -EPERM;
    green->policy = policy;
    green->rank = priority;
    return 0;
}

/* main's own are the kernel's; we need to know them too. */
static long set_main(struct tn__run_call *c)
{
    long r = as_main(c);

    if (r == 0 && is_main(c->a[0])) {
        struct tn__run_green *main = tn__run.main;
        int priority = 0;

        main->policy = (int)tn__raw1(SYS_sched_getscheduler, 0);
        tn__raw3(SYS_sched_getparam, 0, (long)&priority, 0);
        main->rank = priority;
    }
    return r;
}

long tn__run_sched_setscheduler(struct tn__run_call *c)
{
    struct tn__run_green *green = green_for(c->a[0]);
    int priority;

    if (!green)
        return set_main(c);
    if ((int)c->a[1] < 0 || !c->a[2])
        return -EINVAL;
    if (tn__run_copy(&priority, (const void *)c->a[2], sizeof priority) < 0)
        return -EFAULT;
    return set(green, (int)c->a[1], priority);
}

long tn__run_sched_setparam(struct tn__run_call *c)
{
    struct tn__run_green *green = green_for(c->a[0]);
    int priority;

    if (!green)
        return set_main(c);
    if (!c->a[1])
        return -EINVAL;
    if (tn__run_copy(&priority, (const void *)c->a[1], sizeof priority) < 0)
        return -EFAULT;
    return set(green, green->policy, priority);
}

long tn__run_sched_getscheduler(struct tn__run_call *c)
{
    const struct tn__run_green *green = green_for(c->a[0]);

    return green ? green->policy : as_main(c);
}

long tn__run_sched_getparam(struct tn__run_call *c)
{
    const struct tn__run_green *green = green_for(c->a[0]);

    if (!green)
        return as_main(c);
    if (!c->a[1])
        return -EINVAL;
    return tn__run_copy((void *)c->a[1], &green->rank, sizeof green->rank);
}

long tn__run_sched_rr_get_interval(struct tn__run_call *c)
{
    const struct tn__run_green *green = green_for(c->a[0]);
    struct timespec t = {0, 0};
    int kind;

    if (!green)
        return as_main(c);
    kind = green->policy & ~RESET_ON_FORK;
    if (!is_real_time(kind)) {
        c->a[0] = 0;
        return as_main(c);
    }
    if (kind == SCHED_RR)
        t.tv_nsec = RR_MS * 1000000L;
    return tn__run_copy((void *)c->a[1], &t, sizeof t);
}

long tn__run_sched_getattr(struct tn__run_call *c)
{
    const struct tn__run_green *green = green_for(c->a[0]);
    struct attr *to = (struct attr *)c->a[1], a;
    long r;

    if (!green)
        return as_main(c);
    c->a[0] = 0;
    r = as_main(c);
    if (r < 0 || tn__run_copy(&a, to, sizeof a) < 0)
        return r;
    a.policy = (uint32_t)(green->policy & ~RESET_ON_FORK);
    a.flags = green->policy & RESET_ON_FORK ? 1 : 0;
    a.nice = green->nice;
    a.priority = (uint32_t)green->rank;
    return tn__run_copy(to, &a, sizeof a);
}

static long set_nice(struct tn__run_green *green, int nice)
{
    nice = nice < -20 ? -20 : nice > 19 ? 19 : nice;
    if (nice < green->nice && limit_of(RLIMIT_NICE) < 20 - nice && !may_all())
        return -EACCES;
    green->nice = nice;
    return 0;
}

long tn__run_sched_setattr(struct tn__run_call *c)
{
    struct tn__run_green *green = green_for(c->a[0]);
    struct attr a;
    long r;

    if (!green)
        return set_main(c);
    if (!c->a[1] || c->a[2])
        return -EINVAL;
    if (tn__run_copy(&a, (const void *)c->a[1], sizeof a) < 0)
        return -EFAULT;
    r = set(green, (int)a.policy | (a.flags & 1 ? RESET_ON_FORK : 0),
            (int)a.priority);
    if (r == 0 && !is_real_time((int)a.policy))
        r = set_nice(green, a.nice);
    return r == -EACCES ? -EPERM : r;
}

/* ---- affinity ---- */

long tn__run_sched_setaffinity(struct tn__run_call *c)
{
    struct tn__run_green *green = green_for(c->a[0]);
    uint64_t given[TN__RUN_CPU_WORDS] = {0};
    size_t bytes = (unsigned)c->a[1] < sizeof given ? (unsigned)c->a[1]
                                                    : sizeof given;
    uint64_t any = 0;

    if (!green)
        return as_main(c);
    if (tn__run_copy(given, (const void *)c->a[2], bytes) < 0)
        return -EFAULT;
    for (int i = 0; i < TN__RUN_CPU_WORDS; i++)
        any |= given[i] &= allowed[i];
    if (!any)
        return -EINVAL;
    for (int i = 0; i < TN__RUN_CPU_WORDS; i++)
        green->affinity[i] = given[i];
    green->has_affinity = true;
    return 0;
}

long tn__run_sched_getaffinity(struct tn__run_call *c)
{
    const struct tn__run_green *green = green_for(c->a[0]);
    size_t bytes;
    long r;

    if (!green)
        return as_main(c);
    c->a[0] = 0;
    r = as_main(c);
    if (r <= 0 || !green->has_affinity)
        return r;
    bytes = (size_t)r < sizeof green->affinity ? (size_t)r
                                               : sizeof green->affinity;
    return tn__run_copy((void *)c->a[2], green->affinity, bytes) < 0 ? -EFAULT
                                                                     : r;
}

/* ---- niceness ---- */

long tn__run_getpriority(struct tn__run_call *c)
{
    const struct tn__run_green *green =
        c->a[0] == PRIO_PROCESS ? green_for(c->a[1]) : NULL;

    return green ? 20 - green->nice : as_main(c);
}

long tn__run_setpriority(struct tn__run_call *c)
{
    struct tn__run_green *green =
        c->a[0] == PRIO_PROCESS ? green_for(c->a[1]) : NULL;
    long r;

    if (green)
        return set_nice(green, (int)c->a[2]);
    r = as_main(c);
    if (r == 0)
        tn__run.main->nice =
            20 - (int)tn__raw3(SYS_getpriority, PRIO_PROCESS, 0, 0);
    return r;
}
