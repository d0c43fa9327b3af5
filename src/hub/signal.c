/* SPDX-License-Identifier: MIT */
/* hub/signal.c - how a signal reaches the hubs that want it.
 *
 * While anybody wants a signal the process has our handler for it. It marks the
 * signal in the slot of each hub that wants it and wakes that hub; what has
 * come is looked at once per turn, so the handlers of users run on the hub and
 * may do anything. signalfd is no alternative: the signal would have to be
 * blocked in every thread, also in those that are not ours and in every child.
 *
 * The handler takes no lock. Slots form a list that it walks; whoever takes a
 * slot off, or frees its hub, waits until no handler is at work any more
 * (`n_running`). Handlers are short and never wait, so that is no long time.
 *
 * What the signal did before is restored when the last watcher of it goes,
 * unless somebody has installed a handler over ours: that one stays. In the
 * child of a fork, whose hub is gone, the old dispositions come back. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "base/own.h"
#include "hub/watch.h"

enum { N_SIGNALS = 65 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tn__signal_slot *slots; /* atomic */
static uint32_t n_running;            /* atomic: handlers at work */
static struct sigaction before[N_SIGNALS];
static uint32_t n_wanting[N_SIGNALS]; /* watchers, of all hubs */

static uint64_t bit_of(int signo)
{
    return (uint64_t)1 << (signo - 1);
}

static void on_signal(int signo)
{
    struct tn__signal_slot *s;
    int error = errno;

    __atomic_add_fetch(&n_running, 1, __ATOMIC_SEQ_CST);
    s = __atomic_load_n(&slots, __ATOMIC_SEQ_CST);
    for (; s; s = __atomic_load_n(&s->next, __ATOMIC_ACQUIRE)) {
        if (!(__atomic_load_n(&s->wanted, __ATOMIC_ACQUIRE) & bit_of(signo)))
            continue;
        __atomic_or_fetch(&s->pending, bit_of(signo), __ATOMIC_RELEASE);
        s->hub->loop.ops->wake(&s->hub->loop);
    }
    __atomic_sub_fetch(&n_running, 1, __ATOMIC_SEQ_CST);
    errno = error;
}

/* ---- slots; with the lock held ---- */

static void link_slot(struct tn__signal_slot *slot)
{
    slot->next = slots;
    __atomic_store_n(&slots, slot, __ATOMIC_SEQ_CST);
    slot->is_linked = true;
    slot->hub->outside++;
}

static void unlink_slot(struct tn__signal_slot *slot)
{
    struct tn__signal_slot **at = &slots;

    while (*at != slot)
        at = &(*at)->next;
    __atomic_store_n(at, slot->next, __ATOMIC_SEQ_CST);
    slot->is_linked = false;
    slot->hub->outside--;
    while (__atomic_load_n(&n_running, __ATOMIC_SEQ_CST))
        TN_OWN(sched_yield());
}

/* ---- dispositions; with the lock held ---- */

static int install(int signo)
{
    struct sigaction action = {.sa_flags = SA_RESTART | SA_ONSTACK};

    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    return sigaction(signo, &action, &before[signo]) < 0 ? -errno : 0;
}

static void restore(int signo)
{
    struct sigaction now;

    if (sigaction(signo, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
        now.sa_handler == on_signal)
        sigaction(signo, &before[signo], NULL);
}

/* ---- beginning and ending ---- */

static int begin(struct tn__signal_slot *slot, int signo)
{
    uint64_t wanted = slot->wanted | bit_of(signo);
    int r;

    /* First the slot, so that the first signal already finds it. */
    if (!slot->is_linked)
        link_slot(slot);
    __atomic_store_n(&slot->wanted, wanted, __ATOMIC_RELEASE);
    if (n_wanting[signo] == 0) {
        r = install(signo);
        if (r < 0)
            return r;
    }
    n_wanting[signo]++;
    slot->n_wanting[signo]++;
    return 0;
}

/* What nobody wants any more is taken off. */
static void tidy(struct tn__signal_slot *slot, int signo)
{
    if (slot->n_wanting[signo] == 0) {
        __atomic_and_fetch(&slot->wanted, ~bit_of(signo), __ATOMIC_RELEASE);
        __atomic_and_fetch(&slot->pending, ~bit_of(signo), __ATOMIC_RELAXED);
    }
    if (slot->is_linked && slot->wanted == 0)
        unlink_slot(slot);
}

int tn__signal_begin(struct tn__signal_slot *slot, int signo)
{
    int r;

    TN_ASSERT(signo > 0 && signo < N_SIGNALS);
    TN_OWN(pthread_mutex_lock(&lock));
    r = begin(slot, signo);
    if (r < 0)
        tidy(slot, signo);
    pthread_mutex_unlock(&lock);
    return r;
}

void tn__signal_end(struct tn__signal_slot *slot, int signo)
{
    TN_OWN(pthread_mutex_lock(&lock));
    TN_ASSERT(slot->n_wanting[signo] > 0 && n_wanting[signo] > 0);
    slot->n_wanting[signo]--;
    if (--n_wanting[signo] == 0)
        restore(signo);
    tidy(slot, signo);
    pthread_mutex_unlock(&lock);
}

void tn__signal_forked(void)
{
    pthread_mutex_init(&lock, NULL);
    for (struct tn__signal_slot *s = slots; s; s = s->next)
        s->is_linked = false;
    slots = NULL;
    n_running = 0;
    for (int signo = 1; signo < N_SIGNALS; signo++) {
        if (n_wanting[signo])
            restore(signo);
        n_wanting[signo] = 0;
    }
}
