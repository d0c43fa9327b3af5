/* SPDX-License-Identifier: MIT */
/* hub/watch_turn.c - watchers of what happens to the loop itself: idle, prepare
 * and check by their place in a turn; async, which other threads send; fork;
 * and signals, which signal.c delivers to the hub.
 *
 * An async watcher holds a handle to its hub, so that a sender who comes late
 * finds the hub's memory, and that it is gone. What was sent is a flag: it
 * stays until the watcher is active and its hub looks, once per turn. */
#include <errno.h>
#include <signal.h>

#include "base/own.h"
#include "hub/watch.h"

/* ---- those that are only on a list ---- */

static int idle_start(struct tn_watch *w)
{
    tn__list_insert(&w->hub->watches->idle, &w->role);
    w->hub->is_restless = true;
    return 0;
}

static int prepare_start(struct tn_watch *w)
{
    tn__list_insert(&w->hub->watches->prepare, &w->role);
    return 0;
}

static int check_start(struct tn_watch *w)
{
    tn__list_insert(&w->hub->watches->check, &w->role);
    return 0;
}

static int fork_start(struct tn_watch *w)
{
    tn__list_insert(&w->hub->watches->fork, &w->role);
    return 0;
}

static const struct tn__watch_ops idle_ops = {.start = idle_start};
static const struct tn__watch_ops prepare_ops = {.start = prepare_start};
static const struct tn__watch_ops check_ops = {.start = check_start};
static const struct tn__watch_ops fork_ops = {.start = fork_start};

int tn_watch_idle_new(tn_watch_fn fn, void *arg, tn_watch **ret_w)
{
    return tn__watch_make(&idle_ops, sizeof(struct tn_watch), fn, arg, ret_w);
}

int tn_watch_prepare_new(tn_watch_fn fn, void *arg, tn_watch **ret_w)
{
    return tn__watch_make(&prepare_ops, sizeof(struct tn_watch), fn, arg,
                          ret_w);
}

int tn_watch_check_new(tn_watch_fn fn, void *arg, tn_watch **ret_w)
{
    return tn__watch_make(&check_ops, sizeof(struct tn_watch), fn, arg, ret_w);
}

int tn_watch_fork_new(tn_watch_fn fn, void *arg, tn_watch **ret_w)
{
    int r = tn__watch_make(&fork_ops, sizeof(struct tn_watch), fn, arg, ret_w);

    if (r == 0)
        (*ret_w)->is_ref = 0;
    return r;
}

bool tn__watch_is_fork(const struct tn_watch *w)
{
    return w->ops == &fork_ops;
}

/* ---- async ---- */

struct async {
    struct tn_watch w;
    struct tn_hub *handle; /* a reference */
    uint32_t is_sent;      /* atomic */
};

static int async_start(struct tn_watch *w)
{
    struct async *a = TN_CONTAINER(w, struct async, w);

    tn__list_insert(&w->hub->watches->async, &w->role);
    if (__atomic_exchange_n(&a->is_sent, 0, __ATOMIC_ACQUIRE))
        tn__watch_queue(w, 0);
    return 0;
}

static void async_free(struct tn_watch *w)
{
    tn_hub_unref(TN_CONTAINER(w, struct async, w)->handle);
}

static const struct tn__watch_ops async_ops = {.start = async_start,
                                               .free = async_free};

int tn_watch_async_new(tn_watch_fn fn, void *arg, tn_watch **ret_w)
{
    int r = tn__watch_make(&async_ops, sizeof(struct async), fn, arg, ret_w);

    if (r == 0)
        TN_CONTAINER(*ret_w, struct async, w)->handle =
            tn_hub_ref((*ret_w)->hub);
    return r;
}

int tn_watch_async_send(tn_watch *w)
{
    struct async *a = TN_CONTAINER(w, struct async, w);
    struct tn_hub *h;
    int r = 0;

    if (!w || w->ops != &async_ops)
        return -EINVAL;
    h = a->handle;
    __atomic_store_n(&a->is_sent, 1, __ATOMIC_RELEASE);
    TN_OWN(pthread_mutex_lock(&h->post_lock));
    if (h->is_gone)
        r = -ESRCH;
    else
        h->loop.ops->wake(&h->loop);
    pthread_mutex_unlock(&h->post_lock);
    return r;
}

void tn__watch_take_asyncs(struct tn__watches *ws)
{
    for (struct tn__list *n = ws->async.next; n != &ws->async; n = n->next) {
        struct tn_watch *w = TN_CONTAINER(n, struct tn_watch, role);
        struct async *a = TN_CONTAINER(w, struct async, w);

        if (__atomic_load_n(&a->is_sent, __ATOMIC_RELAXED) &&
            __atomic_exchange_n(&a->is_sent, 0, __ATOMIC_ACQUIRE))
            tn__watch_queue(w, 0);
    }
}

/* ---- signals ---- */

struct signal_watch {
    struct tn_watch w;
    int signo;
};

static int signal_of(const struct tn_watch *w)
{
    return TN_CONTAINER(w, const struct signal_watch, w)->signo;
}

static int signal_start(struct tn_watch *w)
{
    int r = tn__signal_begin(&w->hub->watches->slot, signal_of(w));

    if (r < 0)
        return r;
    tn__list_insert(&w->hub->watches->signal, &w->role);
    return 0;
}

static void signal_stop(struct tn_watch *w)
{
    tn__signal_end(&w->hub->watches->slot, signal_of(w));
}

static const struct tn__watch_ops signal_ops = {.start = signal_start,
                                                .stop = signal_stop};

/* One that the program can catch, and that does not come from its own faults:
 * a handler of those must not return. */
static bool can_be_watched(int signo)
{
    struct sigaction now;

    switch (signo) {
    case SIGKILL:
    case SIGSTOP:
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
        return false;
    default:
        return signo > 0 && signo < 65 && sigaction(signo, NULL, &now) == 0;
    }
}

int tn_watch_signal_new(int signo, tn_watch_fn fn, void *arg, tn_watch **ret_w)
{
    int r = !can_be_watched(signo)
                ? -EINVAL
                : tn__watch_make(&signal_ops, sizeof(struct signal_watch), fn,
                                 arg, ret_w);

    if (r < 0)
        return r;
    TN_CONTAINER(*ret_w, struct signal_watch, w)->signo = signo;
    (*ret_w)->is_ref = 0;
    return 0;
}

void tn__watch_take_signals(struct tn__watches *ws)
{
    uint64_t pending;

    if (!__atomic_load_n(&ws->slot.pending, __ATOMIC_RELAXED))
        return;
    pending = __atomic_exchange_n(&ws->slot.pending, 0, __ATOMIC_ACQUIRE);
    for (struct tn__list *n = ws->signal.next; n != &ws->signal; n = n->next) {
        struct tn_watch *w = TN_CONTAINER(n, struct tn_watch, role);

        if (pending & (uint64_t)1 << (signal_of(w) - 1))
            tn__watch_queue(w, signal_of(w));
    }
}
