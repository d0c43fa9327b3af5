/* SPDX-License-Identifier: MIT */
/* run/offload.c - calls that the kernel can only make by stopping a thread.
 *
 * Such a call is made, as it stands, by a helper: a kernel thread of this
 * process that shares all of it, has a small stack of its own, no TLS, no
 * dispatch and every signal blocked but SIGSYS. The green thread is parked
 * meanwhile. The call itself, a struct job, lies on its stack.
 *
 *   hub:     puts the job into an idle helper's hands (xchg of its word, and a
 *            wake if it was asleep); later takes the whole list of done ones
 *   helper:  makes the call, pushes the job on the list of done ones, wakes
 *            the loop if that was empty and somebody polls, and waits for the
 *            next
 *
 * Only the hub touches the lists of helpers and of jobs that wait for one. It
 * looks for done ones at the end of each call of the program and around each
 * poll; a helper that finds nobody polling need not wake anybody.
 *
 * A signal for the parked green thread interrupts the call as it would
 * natively: SIGSYS with nothing to it is sent to the helper, whose handler does
 * nothing but to keep a call that has not begun yet from beginning
 * (tn__run_helper_call(), the same trick as tn__raw_unless_alert()). The state
 * of the job sees to it that none arrives after the job: a helper that ends one
 * while it is being interrupted waits for the signal first.
 *
 * Calls that end by themselves (disks) share N_QUICK helpers and queue beyond
 * that; those that may wait for ever (locks, other processes) each get one, so
 * that they starve nobody. A helper that was idle for 2 seconds ends.
 *
 * A green thread that has something of the kernel's for itself has a helper of
 * its own, until its end: see credentials.c.
 *
 * What the kernel keeps for each thread, credentials above all, a helper has
 * from the hub's thread as of its birth. When the program changes any of that
 * all helpers are retired (tn__run_offload_retire()), and new ones are born
 * with the new state. */
#include "run/offload.h"

enum { N_QUICK = 32 };

static struct {
    int n_quick;              /* quick jobs that helpers have */
    int n_busy;               /* jobs that helpers have */
    struct tn__list idle;     /* helpers, the last one to work first; zero:
                               * nothing was set up */
    struct tn__list waiting[2]; /* jobs: [1]: quick ones */
    unsigned age;             /* helpers of another age are retired */
} pool;

struct tn__job *tn__run_offload_done;
int tn__run_offload_pollers;

static void set_up(void)
{
    tn__list_init(&pool.idle);
    tn__list_init(&pool.waiting[0]);
    tn__list_init(&pool.waiting[1]);
}

/* ---- helpers ---- */

static void let_go(struct tn__run_helper *h)
{
    tn__helper_tell(h, TN__HELPER_LEAVE);
    tn__helper_forget(h);
}

static bool give_to_idle(struct tn__job *job)
{
    while (!tn__list_is_empty(&pool.idle)) {
        struct tn__run_helper *h =
            TN_CONTAINER(pool.idle.next, struct tn__run_helper, link);

        tn__list_remove(&h->link);
        h->job = job;
        job->helper = h;
        if (tn__helper_tell(h, TN__HELPER_BUSY))
            return true;
        job->helper = NULL;
        tn__helper_forget(h);
    }
    return false;
}

/* ---- jobs ---- */

/* The one helper of this green thread, made when it first needs it. */
static bool start_own(struct tn__job *job)
{
    struct tn__run_green *green = (struct tn__run_green *)(void *)job->g;

    if (green->own) {
        green->own->job = job;
        job->helper = green->own;
        tn__helper_tell(green->own, TN__HELPER_BUSY);
    } else if (tn__helper_make(job, pool.age)) {
        green->own = job->helper;
    } else {
        return false;
    }
    pool.n_busy++;
    return true;
}

/* Find a helper for it. False: it has to wait for one. */
static bool start(struct tn__job *job)
{
    if (job->is_own)
        return start_own(job);
    if (job->is_quick && pool.n_quick >= N_QUICK)
        return false;
    if (!give_to_idle(job) && !tn__helper_make(job, pool.age))
        return false;
    pool.n_quick += job->is_quick;
    pool.n_busy++;
    return true;
}

/* It is over. */
static void end(struct tn__job *job)
{
    job->is_done = 1;
    tn__hub_wake(job->g);
}

static void start_waiting(struct tn__list *jobs)
{
    while (!tn__list_is_empty(jobs)) {
        struct tn__job *job = TN_CONTAINER(jobs->next, struct tn__job, link);

        tn__list_remove(&job->link);
        if (start(job))
            continue;
        if (pool.n_busy > 0) {
            tn__list_insert(jobs->next, &job->link); /* the first again */
            return;
        }
        job->result = TN__RUN_AGAIN; /* nobody is there to wait for */
        end(job);
    }
}

static void reap(struct tn__job *job)
{
    struct tn__run_helper *h = job->helper;

    pool.n_quick -= job->is_quick;
    pool.n_busy--;
    if (!h->is_own && h->age == pool.age)
        tn__list_insert(pool.idle.next, &h->link);
    else if (!h->is_own)
        let_go(h);
    end(job);
}

void tn__run_offload_reap(void)
{
    struct tn__job *job, *next;

    job = __atomic_exchange_n(&tn__run_offload_done, NULL, __ATOMIC_ACQUIRE);
    for (; job; job = next) {
        next = job->next;
        reap(job);
    }
    start_waiting(&pool.waiting[1]);
    start_waiting(&pool.waiting[0]);
}

void tn__run_offload_before_poll(void)
{
    __atomic_fetch_add(&tn__run_offload_pollers, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&tn__run_offload_done, __ATOMIC_SEQ_CST))
        tn__run_offload_reap();
}

static void after_poll(struct tn_hub *h)
{
    (void)h;
    __atomic_fetch_sub(&tn__run_offload_pollers, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&tn__run_offload_done, __ATOMIC_RELAXED))
        tn__run_offload_reap();
}

void tn__run_offload_init(void)
{
    tn__run_hub.on_polled = after_poll;
}

static bool has_to_leave(const struct tn__run_call *c)
{
    return c->can_cancel && tn__run_self()->is_poked;
}

/* Wait for its end. False: it was taken back, and was not made. */
static bool finish(struct tn__job *job, const char *what)
{
    long r = tn__hub_park(&tn__run_hub, &job->is_done, TN_FOREVER, what,
                          -1);

    if (r == 0)
        return true;
    if (!job->helper) {
        if (job->is_done)
            return true;
        tn__list_remove(&job->link);
        return false;
    }
    tn__job_kick(job);
    tn__hub_park_firmly(&tn__run_hub, &job->is_done, what);
    return true;
}

/* What was closed is not closed again, so what was not has to be: no EINTR. */
static bool is_close(long nr)
{
    enum { NR_CLOSE_RANGE = 436 };

    return nr == SYS_close || nr == SYS_dup2 || nr == SYS_dup3 ||
           nr == NR_CLOSE_RANGE;
}

static long make(struct tn__run_call *c, bool is_quick, bool is_own)
{
    struct tn__job job = {.call = c, .g = tn__run_hub.current,
                      .is_quick = is_quick && !is_own, .is_own = is_own};
    bool is_whole = is_quick || is_close(c->nr);
    const char *name = (unsigned long)c->nr < TN__RUN_CALLS
                           ? tn__run_call_names[c->nr]
                           : NULL;

    if (tn__run.counts.alive == 1 && !is_own)
        return tn__run_kernel(c); /* nobody else is stopped */
    if (!pool.idle.next)
        set_up();
    if (job.g->alert && tn__hub_alert(&tn__run_hub, job.g, TN_FOREVER))
        return has_to_leave(c) ? -EINTR : TN__RUN_AGAIN;
    if (!start(&job)) {
        if (is_own)
            return -EAGAIN;
        if (pool.n_busy == 0)
            return tn__run_kernel(c); /* no thread can be made */
        tn__list_insert(&pool.waiting[is_quick], &job.link);
    }
    tn__run.counts.offloaded++;
    if (!finish(&job, name ? name : "call"))
        return is_whole && !has_to_leave(c) ? TN__RUN_AGAIN : -EINTR;
    if (job.signal)
        tn__run_raise_self(job.signal);
    if (job.result == TN__RUN_AGAIN && !is_whole)
        return -EINTR;
    return job.result;
}

long tn__run_offload(struct tn__run_call *c)
{
    return make(c, false, tn__run_self()->own != NULL);
}

long tn__run_offload_quick(struct tn__run_call *c)
{
    return make(c, true, tn__run_self()->own != NULL);
}

long tn__run_offload_own(struct tn__run_call *c)
{
    return make(c, false, true);
}

void tn__run_offload_drop(struct tn__run_green *green)
{
    if (green->own)
        let_go(green->own);
    green->own = NULL;
}

void tn__run_offload_retire(void)
{
    struct tn__list *n;

    pool.age++;
    if (!pool.idle.next)
        return;
    while ((n = pool.idle.next) != &pool.idle) {
        tn__list_remove(n);
        let_go(TN_CONTAINER(n, struct tn__run_helper, link));
    }
}

void tn__run_offload_join(void)
{
    tn__helpers_join();
}

/* Helpers are not copied, nor do other green threads have jobs. */
void tn__run_offload_in_child(void)
{
    pool.n_quick = pool.n_busy = tn__run_offload_pollers = 0;
    tn__run_offload_done = NULL;
    tn__helpers_in_child();
    if (pool.idle.next)
        set_up();
}
