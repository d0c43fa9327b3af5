/* SPDX-License-Identifier: MIT */
/* run/timers.c - timers of the kernel whose signal is for one thread.
 *
 * The kernel can only send it to a thread of its own. So it sends it to the
 * process, where each of our kernel threads finds it. Its siginfo has the
 * timer's number, and the table here says whose that is; of one that is not
 * there the timer was deleted, and its signal with it. libc's SIGEV_THREAD is
 * built on this.
 *
 * A thread that blocks it while others do not gets each from the kernel.
 * One is pending (pending.c), which counts the others: so how many came late is
 * here to be asked, and the signal goes when the timer is set anew.
 *
 * The kernel gives numbers that were not used for long: they grow with every
 * timer, and the table must not. So it is a hash table of those there are. */
#include "run/run.h"

enum { SIGEV_TO_THREAD = 4, IN_FIRST = 512 }; /* sizes are powers of 2 */

/* The kernel's struct sigevent, as far as it is used. */
struct event {
    union sigval value;
    int signo, notify;
    int tid;
    int rest[11];
};

struct entry {
    int id;  /* the number of the timer, and 1; 0: free */
    int tid; /* whose it is; 0: the process's */
    int overrun; /* of its last signal; -1: the kernel has given all */
};

static struct entry *table; /* mapped; or NULL */
static unsigned n_entries, n_timers;

void tn__run_timers_in_child(void)
{
    for (unsigned i = 0; i < n_entries; i++)
        table[i].id = 0;
    n_timers = 0;
}

/* Where it is, or would be. */
static unsigned find(int id)
{
    unsigned i = (unsigned)id & (n_entries - 1);

    while (table[i].id && table[i].id != id + 1)
        i = (i + 1) & (n_entries - 1);
    return i;
}

static int grow(void)
{
    struct entry *before = table;
    unsigned n = n_entries;
    struct entry *more = tn__sys_map((n ? 2 * n : IN_FIRST) * sizeof *more);

    if (!more)
        return -ENOMEM;
    table = more;
    n_entries = n ? 2 * n : IN_FIRST;
    for (unsigned i = 0; i < n; i++)
        if (before[i].id)
            table[find(before[i].id - 1)] = before[i];
    if (before)
        tn__sys_unmap(before, n * sizeof *before);
    return 0;
}

static int add(int id, int tid)
{
    if (2 * n_timers >= n_entries && grow() < 0)
        return -ENOMEM;
    table[find(id)] = (struct entry){id + 1, tid, -1};
    n_timers++;
    return 0;
}

/* Those behind it may have had to go past it. */
static void drop(int id)
{
    unsigned at = n_entries ? find(id) : 0, i = at;

    if (!n_entries || !table[at].id)
        return;
    table[at].id = 0;
    n_timers--;
    while (table[i = (i + 1) & (n_entries - 1)].id) {
        struct entry entry = table[i];

        table[i].id = 0;
        table[find(entry.id - 1)] = entry;
    }
}

int tn__run_timer_target(const siginfo_t *info)
{
    unsigned i = n_entries ? find(info->si_timerid) : 0;

    return n_entries && table[i].id ? table[i].tid : -1;
}

void tn__run_timer_taken(const siginfo_t *info)
{
    unsigned i = n_entries ? find(info->si_timerid) : 0;

    if (n_entries && table[i].id)
        table[i].overrun = info->si_overrun;
}

/* With `event`, for the green thread `tid`; 0: the process. */
static long create(struct tn__run_call *c, const struct event *event, int tid)
{
    long r = tn__raw3(SYS_timer_create, c->a[0], (long)event, c->a[2]);
    int id;

    if (r < 0)
        return r;
    tn__run_copy(&id, (const void *)c->a[2], sizeof id);
    if (add(id, tid) < 0) {
        tn__raw1(SYS_timer_delete, id);
        return -EAGAIN;
    }
    return 0;
}

long tn__run_timer_create(struct tn__run_call *c)
{
    struct event event;
    long r;

    c->a[0] = tn__run_cpu_clock((int)c->a[0]);
    if (!c->a[1])
        return create(c, NULL, 0);
    if (tn__run_copy(&event, (const void *)c->a[1], sizeof event) < 0 ||
        !(event.notify & SIGEV_TO_THREAD) || !tn__run_find_tid(event.tid))
        return create(c, (const void *)c->a[1], 0);
    event.notify &= ~SIGEV_TO_THREAD;
    r = create(c, &event, event.tid);
    if (r == 0)
        tn__run_actions_watch(tn__run_bit(event.signo));
    return r;
}

long tn__run_timer_delete(struct tn__run_call *c)
{
    long r = tn__raw1(SYS_timer_delete, (int)c->a[0]);

    if (r == 0) {
        tn__run_signal_drop_timer((int)c->a[0]);
        drop((int)c->a[0]);
    }
    return r;
}

long tn__run_timer_settime(struct tn__run_call *c)
{
    long r;

    tn__run_signals_drain(); /* what comes after this may be of the new time */
    r = tn__raw4(SYS_timer_settime, (int)c->a[0], c->a[1], c->a[2], c->a[3]);
    if (r == 0)
        tn__run_signal_drop_timer((int)c->a[0]);
    return r;
}

long tn__run_timer_getoverrun(struct tn__run_call *c)
{
    int id = (int)c->a[0];
    long r = tn__raw1(SYS_timer_getoverrun, id);
    unsigned i = n_entries ? find(id) : 0;

    if (r < 0 || !n_entries || !table[i].id || table[i].overrun < 0)
        return r;
    return table[i].overrun;
}
