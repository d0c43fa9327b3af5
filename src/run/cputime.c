/* SPDX-License-Identifier: MIT */
/* run/cputime.c - the CPU time of a thread.
 *
 * The kernel counts that of its thread. From the first time that the program
 * asks for a thread's, each switch reads the kernel's clock and charges who has
 * run until then; what was used before is main's. Programs that never ask pay
 * nothing. A timer on such a clock is one on the kernel thread's. */
#include "run/run.h"

#include "hub/carry.h"

#include <sys/resource.h>

enum { LOOK_MIN_NS = 1000000 };

bool tn__run_is_metered;

static int64_t used_here(void)
{
    struct timespec t = {0, 0};

    tn__raw3(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, (long)&t, 0);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void tn__run_meter(struct tn_greenlet *from)
{
    int64_t now = used_here();

    /* 0: nothing was charged on this kernel thread yet. */
    if (from && from != &tn__run_hub.hub_g && tn__run_here()->metered_at)
        TN_CONTAINER(from, struct tn__run_green, g)->cpu_ns +=
            now - tn__run_here()->metered_at;
    tn__run_here()->metered_at = now;
}

static void begin(void)
{
    if (tn__run_is_metered)
        return;
    tn__run_here()->metered_at = used_here();
    tn__run.main->cpu_ns = tn__run_here()->metered_at;
    tn__run_is_metered = true;
}

static int64_t used_by(struct tn__run_green *green)
{
    begin();
    if (green == tn__run_self())
        tn__run_meter(&green->g);
    return green->cpu_ns;
}

/* Its kernel threads have used nothing yet, and what its maker had is not
 * its. */
void tn__run_cputime_in_child(void)
{
    tn__run_is_metered = false;
    tn__run_first.metered_at = 0;
    for (int i = 0; i < TN__RUN_HUBS_MAX && tn__run_cpus[i]; i++)
        tn__run_cpus[i]->metered_at = 0;
}

enum { NOT_OURS, OURS, GONE };

/* Is it the clock of one of us? As the kernel codes it: ~tid << 3, 4 for that
 * of a thread, and a kind. */
static int find(int clock, struct tn__run_green **ret_green)
{
    int tid = ~(clock >> 3);

    *ret_green = tn__run_self();
    if (!tn__run_is_metered && tn__run.counts.threads == 0)
        return NOT_OURS;
    if (clock == CLOCK_THREAD_CPUTIME_ID)
        return OURS;
    if (clock >= 0 || !(clock & 4) || (clock & 3) == 3)
        return NOT_OURS;
    if (tid == 0)
        return OURS;
    *ret_green = tn__run_find_tid(tid);
    if (*ret_green)
        return OURS;
    return tid >= TN__RUN_TID_MIN ? GONE : NOT_OURS;
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){ns / 1000000000, ns % 1000000000};
}

long tn__run_clock_gettime(struct tn__run_call *c)
{
    struct tn__run_green *green;
    struct timespec t;

    switch (find((int)c->a[0], &green)) {
    case GONE:
        return -EINVAL;
    case OURS:
        t = timespec_of(used_by(green));
        return tn__run_copy((void *)c->a[1], &t, sizeof t);
    default:
        return tn__run_kernel(c);
    }
}

long tn__run_clock_getres(struct tn__run_call *c)
{
    struct tn__run_green *green;
    int kind = find((int)c->a[0], &green);

    if (kind == GONE)
        return -EINVAL;
    if (kind == OURS)
        c->a[0] = CLOCK_THREAD_CPUTIME_ID;
    return tn__run_kernel(c);
}

int tn__run_cpu_clock(int clock)
{
    struct tn__run_green *green;

    return find(clock, &green) == OURS ? CLOCK_THREAD_CPUTIME_ID : clock;
}

/* ---- sleeping ---- */

/* What a clock shows: `green`'s, or NULL: the process's. */
static int64_t now_of(struct tn__run_green *green)
{
    return green ? used_by(green) : tn__run_clock(CLOCK_PROCESS_CPUTIME_ID);
}

static long tell_rest(const struct tn__run_call *c, int64_t rest)
{
    struct timespec t = timespec_of(rest > 0 ? rest : 0);

    if (c->a[1] || !c->a[3])
        return -EINTR;
    return tn__run_copy((void *)c->a[3], &t, sizeof t) < 0 ? -EFAULT : -EINTR;
}

/* Until its clock, whose time nobody can wait for, shows c->deadline: all of us
 * cannot use more of it meanwhile than kernel threads run. */
static long sleep_until(struct tn__run_call *c, int tid)
{
    for (;;) {
        struct tn__run_green *green = tid ? tn__run_find_tid(tid) : NULL;
        int64_t rest, span;
        long r;

        if (tid && !green)
            return 0;
        rest = c->deadline - now_of(green);
        if (rest <= 0)
            return 0;
        span = rest / tn__run.n_hubs;
        r = tn__run_sleep_until(
            tn__clock_after(tn__clock_now(),
                            span > LOOK_MIN_NS ? span : LOOK_MIN_NS),
            "sleep");
        if (r < 0)
            return tell_rest(c, rest);
    }
}

/* The clock of this process, in one of its forms. */
static bool is_process(int clock)
{
    int pid = ~(clock >> 3);

    return clock == CLOCK_PROCESS_CPUTIME_ID ||
           (clock < 0 && (clock & 7) == 2 && (pid == 0 || pid == tn__run.pid));
}

long tn__run_cpu_sleep(struct tn__run_call *c)
{
    struct tn__run_green *green = NULL;
    int clock = (int)c->a[0], kind = find(clock, &green);
    struct timespec t;

    if (!is_process(clock)) {
        if (kind == NOT_OURS)
            return tn__run_offload(c); /* of another process */
        if (kind == GONE || green == tn__run_self())
            return -EINVAL;
    } else {
        green = NULL;
    }
    if (!c->has_deadline) {
        if (tn__run_copy(&t, (const void *)c->a[2], sizeof t) < 0)
            return -EFAULT;
        if (t.tv_sec < 0 || t.tv_sec > INT32_MAX || t.tv_nsec < 0 ||
            t.tv_nsec >= 1000000000)
            return -EINVAL;
        c->deadline = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec +
                      (c->a[1] ? 0 : now_of(green));
        c->has_deadline = true;
    }
    return sleep_until(c, green ? green->tid : 0);
}

/* ---- getrusage() ---- */

long tn__run_getrusage(struct tn__run_call *c)
{
    struct rusage *to = (struct rusage *)c->a[1];
    struct tn__run_green *green;
    struct timeval t[2] = {{0, 0}, {0, 0}};
    long r = tn__run_kernel(c);
    int64_t ns;

    if (r < 0 || (int)c->a[0] != RUSAGE_THREAD ||
        find(CLOCK_THREAD_CPUTIME_ID, &green) != OURS)
        return r;
    ns = used_by(green);
    t[0].tv_sec = ns / 1000000000;
    t[0].tv_usec = ns % 1000000000 / 1000;
    return tn__run_copy(&to->ru_utime, t, sizeof t); /* both times */
}
