/* SPDX-License-Identifier: MIT */
/* run/timers.c - timers of the kernel whose signal is for one thread.
 *
 * The kernel can only send it to its own thread, which is all of ours. Its
 * siginfo has the timer's number, and the table here says whose that is. libc's
 * SIGEV_THREAD is built on this. */
#include "run/run.h"

enum { SIGEV_TO_THREAD = 4, IN_FIRST = 4096 };

/* The kernel's struct sigevent, as far as it is used. */
struct event {
    union sigval value;
    int signo, notify;
    int tid;
    int rest[11];
};

static int *targets; /* tids by number of timer, 0: none; mapped; or NULL */
static int n_targets;

void tn__run_timers_in_child(void)
{
    for (int i = 0; i < n_targets; i++)
        targets[i] = 0;
}

static int grow(int id)
{
    int n = n_targets ? n_targets : IN_FIRST;
    int *more;

    while (n <= id)
        n *= 2;
    more = tn__sys_map((size_t)n * sizeof *more);
    if (!more)
        return -ENOMEM;
    for (int i = 0; i < n_targets; i++)
        more[i] = targets[i];
    if (targets)
        tn__sys_unmap(targets, (size_t)n_targets * sizeof *targets);
    targets = more;
    n_targets = n;
    return 0;
}

int tn__run_timer_target(const siginfo_t *info)
{
    int id = info->si_timerid;

    return id >= 0 && id < n_targets ? targets[id] : 0;
}

/* For the green thread `tid`. */
static long create_for(struct tn__run_call *c, struct event event)
{
    int id, tid = event.tid;
    long r;

    event.tid = tn__run.pid;
    r = tn__raw3(SYS_timer_create, c->a[0], (long)&event, c->a[2]);
    if (r < 0)
        return r;
    tn__run_copy(&id, (const void *)c->a[2], sizeof id);
    if (id >= n_targets && grow(id) < 0) {
        tn__raw1(SYS_timer_delete, id);
        return -EAGAIN;
    }
    targets[id] = tid;
    tn__run_action_watch(event.signo);
    return 0;
}

long tn__run_timer_create(struct tn__run_call *c)
{
    struct event event;

    c->a[0] = tn__run_cpu_clock((int)c->a[0]);
    if (!c->a[1] ||
        tn__run_copy(&event, (const void *)c->a[1], sizeof event) < 0 ||
        !(event.notify & SIGEV_TO_THREAD) || !tn__run_find_tid(event.tid))
        return tn__run_kernel(c);
    return create_for(c, event);
}

long tn__run_timer_delete(struct tn__run_call *c)
{
    long r = tn__run_kernel(c), id = (int)c->a[0];

    if (r == 0 && id >= 0 && id < n_targets)
        targets[id] = 0;
    return r;
}
