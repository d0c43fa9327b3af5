/* SPDX-License-Identifier: MIT */
/* run/helper.c - a helper kernel thread: its birth, its work, its end. See
 * offload.c. It runs nothing but what is here. */
#include "run/offload.h"

#include <linux/futex.h>
#include <sched.h>

enum { IDLE_S = 2, CHUNK_BYTES = TN__HELPER_CHUNK * TN__HELPER_STACK };

static char *chunks[TN__HELPER_CHUNKS_MAX]; /* of stacks; a helper is the lowest
                                             * bytes of its own */
static int n_made;            /* stacks that were ever in use */
static struct tn__list ending; /* helpers whose stacks are not free until
                                * helper.tid is 0; zero: none was ever */
static int n_waking;          /* atomic: helpers that wake the loop just now */

static void futex(int *word, int op, int value, const struct timespec *span)
{
    tn__raw(SYS_futex, (long)word, op | FUTEX_PRIVATE_FLAG, value, (long)span,
            0, 0);
}

/* ---- on the helper ---- */

int tn__run_raised_by(long result)
{
    static const struct timespec now;
    tn__run_set set = tn__run_bit(result == -EPIPE ? SIGPIPE : SIGXFSZ);
    long sig;

    if (result != -EPIPE && result != -EFBIG)
        return 0;
    sig = tn__raw4(SYS_rt_sigtimedwait, (long)&set, 0, (long)&now, sizeof set);
    return sig > 0 ? (int)sig : 0;
}

static void settle(struct tn__job *job)
{
    int state = TN__JOB_RUNNING;

    if (__atomic_compare_exchange_n(&job->state, &state, TN__JOB_DONE, false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return;
    while (__atomic_load_n(&job->state, __ATOMIC_ACQUIRE) == TN__JOB_KICKING)
        tn__raw1(SYS_sched_yield, 0);
    tn__raw1(SYS_gettid, 0); /* the signal has been sent: it comes now */
}

static void hand_back(struct tn__run_helper *self, struct tn__job *job)
{
    struct tn__job **done = &tn__run_offload_done;
    struct tn__job *newest = __atomic_load_n(done, __ATOMIC_RELAXED);

    __atomic_store_n(&self->word, TN__HELPER_AWAKE, __ATOMIC_RELEASE);
    do
        job->next = newest;
    while (!__atomic_compare_exchange_n(done, &newest, job, true,
                                        __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    if (newest || !__atomic_load_n(&tn__run_offload_pollers, __ATOMIC_SEQ_CST))
        return;
    __atomic_fetch_add(&n_waking, 1, __ATOMIC_SEQ_CST);
    tn__run_hub.loop.ops->wake(&tn__run_hub.loop);
    __atomic_fetch_sub(&n_waking, 1, __ATOMIC_SEQ_CST);
}

static void work(struct tn__run_helper *self)
{
    struct tn__job *job = self->job;
    long r = tn__run_helper_call(job->call, &job->state);

    job->result = r;
    job->signal = tn__run_raised_by(r);
    settle(job);
    hand_back(self, job);
}

/* Wait for a job. False: there will be none. */
static bool wait_for_job(struct tn__run_helper *self)
{
    static const struct timespec idle = {IDLE_S, 0};
    int word = TN__HELPER_AWAKE;

    if (__atomic_compare_exchange_n(&self->word, &word, TN__HELPER_ASLEEP,
                                    false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        do
            futex(&self->word, FUTEX_WAIT, TN__HELPER_ASLEEP,
                  self->is_own ? NULL : &idle);
        while (self->is_own && __atomic_load_n(&self->word, __ATOMIC_ACQUIRE)
                                   == TN__HELPER_ASLEEP);
        word = TN__HELPER_ASLEEP;
        __atomic_compare_exchange_n(&self->word, &word, TN__HELPER_GONE, false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
        if (word == TN__HELPER_ASLEEP)
            return false;
    }
    return word == TN__HELPER_BUSY;
}

static void helper_main(struct tn__run_helper *self)
{
    static const char name[16] = "tendril-helper";

    tn__raw3(SYS_prctl, 15 /* PR_SET_NAME */, (long)name, 0);
    do
        work(self);
    while (wait_for_job(self));
    for (;;)
        tn__raw1(SYS_exit, 0);
}

static bool is_on_helper(void)
{
    char here;

    for (int i = 0; i < TN__HELPER_CHUNKS_MAX && chunks[i]; i++)
        if (&here >= chunks[i] && &here < chunks[i] + CHUNK_BYTES)
            return true;
    return false;
}

bool tn__run_offload_on_signal(const siginfo_t *info, ucontext_t *uc)
{
    struct tn__run_regs *regs = (void *)uc->uc_mcontext.gregs;

    if (!is_on_helper())
        return false;
    /* Not from kick(), which has SI_TKILL, or nothing without memory. */
    if (info->si_code != SI_TKILL && info->si_pid != 0)
        tn__raw3(SYS_tgkill, tn__run.pid, tn__run.pid, SIGSYS);
    if (regs->rip >= (long)tn__run_helper_range &&
        regs->rip <= (long)tn__run_helper_range_last)
        regs->rip = (long)tn__run_helper_kicked;
    return true;
}

/* ---- on the hub ---- */

void tn__helper_forget(struct tn__run_helper *h)
{
    if (!ending.next)
        tn__list_init(&ending);
    tn__list_insert(&ending, &h->link);
}

/* A stack that nobody uses, or NULL. */
static struct tn__run_helper *find_room(void)
{
    int chunk = n_made / TN__HELPER_CHUNK;

    for (struct tn__list *n = ending.next; n && n != &ending;
         n = n->next) {
        struct tn__run_helper *h = TN_CONTAINER(n, struct tn__run_helper, link);

        if (__atomic_load_n(&h->tid, __ATOMIC_ACQUIRE))
            continue;
        tn__list_remove(n);
        return h;
    }
    if (chunk == TN__HELPER_CHUNKS_MAX)
        return NULL;
    if (!chunks[chunk])
        chunks[chunk] = tn__sys_map(CHUNK_BYTES);
    if (!chunks[chunk])
        return NULL;
    return (void *)(chunks[chunk] +
                    (size_t)(n_made++ % TN__HELPER_CHUNK) * TN__HELPER_STACK);
}

bool tn__helper_make(struct tn__job *job, unsigned age)
{
    enum {
        FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID |
                CLONE_CHILD_CLEARTID
    };
    struct tn__run_helper *h = find_room();
    tn__run_set all = ~(tn__run_set)0, before;
    long r;

    if (!h)
        return false;
    h->word = TN__HELPER_BUSY;
    h->job = job;
    h->age = age;
    h->is_own = job->is_own;
    h->regs = (struct tn__run_regs){.rdi = (long)h, .rip = (long)helper_main};
    h->mask = ~tn__run_bit(SIGSYS);
    job->helper = h;
    tn__raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before,
             sizeof all);
    r = tn__run_spawn(SYS_clone,
                      (long[6]){FLAGS, (long)((char *)h + TN__HELPER_STACK - 8),
                                (long)&h->tid, (long)&h->tid, 0, 0},
                      &h->regs, &h->mask);
    tn__raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof all);
    if (r > 0)
        return true;
    h->tid = 0;
    job->helper = NULL;
    tn__helper_forget(h);
    return false;
}

bool tn__helper_tell(struct tn__run_helper *h, int word)
{
    int before = __atomic_load_n(&h->word, __ATOMIC_ACQUIRE);

    do
        if (before == TN__HELPER_GONE)
            return false;
    while (!__atomic_compare_exchange_n(&h->word, &before, word, true,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    if (before == TN__HELPER_ASLEEP)
        futex(&h->word, FUTEX_WAKE, 1, NULL);
    return true;
}

void tn__job_kick(struct tn__job *job)
{
    int state = TN__JOB_RUNNING;

    if (!__atomic_compare_exchange_n(&job->state, &state, TN__JOB_KICKING,
                                     false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return;
    tn__raw3(SYS_tgkill, tn__run.pid, job->helper->tid, SIGSYS);
    __atomic_store_n(&job->state, TN__JOB_KICKED, __ATOMIC_RELEASE);
}

void tn__helpers_join(void)
{
    for (struct tn__list *n = ending.next; n && n != &ending; n = n->next)
        while (__atomic_load_n(
            &TN_CONTAINER(n, struct tn__run_helper, link)->tid,
            __ATOMIC_ACQUIRE))
            tn__raw1(SYS_sched_yield, 0);
}

void tn__run_offload_settle(void)
{
    while (__atomic_load_n(&n_waking, __ATOMIC_SEQ_CST))
        tn__raw1(SYS_sched_yield, 0);
}

void tn__helpers_in_child(void)
{
    n_made = n_waking = 0;
    ending.next = NULL;
}
