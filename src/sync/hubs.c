/* SPDX-License-Identifier: MIT */
/* sync/hubs.c - greenlets for other hubs, and threads that have a hub each.
 *
 * The main greenlet of such a thread only waits: what the user gave runs in a
 * greenlet of its own, so that it can be killed. The handle keeps a reference
 * to each hub, so that a hub on which nothing runs yet waits for what may be
 * spawned on it. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <tendril/hubs.h>
#include <tendril/shared.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/own.h"
#include "base/sized.h"
#include "hub/hub.h"

enum { THREADS_MAX = 4096 };

/* ---- spawning on another hub ---- */

struct order {
    struct tn__post post;
    struct tn_hub *hub; /* where it is carried out; not owned */
    struct tn_greenlet_options options;
    char name[TN__NAME_MAX]; /* what options.name points to */
    tn_greenlet_fn fn;
    void *arg;
};

/* On the hub. */
static void carry_out(struct tn__post *post)
{
    struct order *order = TN_CONTAINER(post, struct order, post);
    int r = tn_spawn_with(&order->options, order->fn, order->arg, NULL);

    TN_ASSERT(order->hub == tn__hub_peek());
    if (r < 0)
        tn__hub_error(
            order->hub, NULL, r,
            "a greenlet that another thread has ordered was not made");
    free(order);
}

int tn_spawn_on(tn_hub *hub, const struct tn_greenlet_options *given,
                tn_greenlet_fn fn, void *arg)
{
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    struct order *order;
    int r;

    if (!hub || !fn || tn__sized_read(&options, sizeof options, given) < 0 ||
        tn__stack_class((size_t)sysconf(_SC_PAGESIZE),
                        options.stack_bytes) < 0)
        return -EINVAL;
    order = malloc(sizeof *order);
    if (!order)
        return -ENOMEM;
    *order = (struct order){.post = {NULL, carry_out},
                            .hub = hub,
                            .options = options,
                            .fn = fn,
                            .arg = arg};
    if (options.name) {
        memcpy(order->name, options.name,
               strnlen(options.name, sizeof order->name - 1));
        order->options.name = order->name;
    }
    r = tn__hub_post_node(hub, &order->post);
    if (r < 0)
        free(order);
    return r;
}

/* ---- threads ---- */

struct member {
    tn_hubs *all; /* not owned */
    int index;
    pthread_t thread;
    tn_hub *hub;          /* a reference; set once started */
    tn_greenlet *g;       /* runs fn; of its thread only; NULL once ended */
    int result;           /* of fn, or why it did not start */
    struct tn__post stop; /* posted once, by tn_hubs_stop() */
};

struct tn_hubs {
    tn_hubs_fn fn; /* or NULL */
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t started; /* n_started was raised */
    int n_started;          /* members that have, or have not, got a hub */
    int n_left;             /* atomic: members that have not ended */
    int is_stopped;         /* atomic */
    tn_shared_event *ended; /* owned: set by the last */
    int n;
    struct member members[];
};

static int run(void *arg)
{
    struct member *m = arg;

    if (m->all->fn)
        return m->all->fn(m->index, m->all->arg);
    return tn_sleep(TN_FOREVER);
}

/* On the hub of the member. */
static void stop_member(struct tn__post *post)
{
    struct member *m = TN_CONTAINER(post, struct member, stop);

    if (m->g) {
        int r = tn_kill(m->g, TN_NOWAIT);

        TN_ASSERT(r == 0 || r == -EAGAIN);
    }
}

static int begin(struct member *m)
{
    tn_hub *hub;
    int r = tn_hub_get(&hub);

    if (r < 0)
        return r;
    r = tn_spawn(run, m, &m->g);
    if (r == 0)
        m->hub = tn_hub_ref(hub);
    return r;
}

static void *thread_main(void *arg)
{
    struct member *m = arg;
    tn_hubs *all = m->all;
    int r = begin(m);

    m->result = r;
    TN_OWN(pthread_mutex_lock(&all->lock));
    all->n_started++;
    pthread_cond_signal(&all->started);
    pthread_mutex_unlock(&all->lock);
    if (r == 0) {
        r = tn_join(m->g, &m->result, TN_FOREVER);
        TN_ASSERT(r == 0);
        m->g = NULL;
        r = tn_hub_join(TN_FOREVER);
        TN_ASSERT(r == 0);
    }
    if (__atomic_sub_fetch(&all->n_left, 1, __ATOMIC_ACQ_REL) == 0)
        tn_shared_event_set(all->ended);
    return NULL;
}

/* Await the ends of the first `n` threads, and free all. */
static void finish(tn_hubs *all, int n)
{
    for (int i = 0; i < n; i++) {
        TN_OWN(pthread_join(all->members[i].thread, NULL));
        tn_hub_unref(all->members[i].hub);
    }
    pthread_cond_destroy(&all->started);
    pthread_mutex_destroy(&all->lock);
    tn_shared_event_unref(all->ended);
    free(all);
}

static tn_hubs *make(int n, tn_hubs_fn fn, void *arg)
{
    tn_hubs *all = calloc(1, sizeof *all + (size_t)n * sizeof all->members[0]);

    if (!all)
        return NULL;
    if (tn_shared_event_new(&all->ended) < 0) {
        free(all);
        return NULL;
    }
    all->fn = fn;
    all->arg = arg;
    all->n_left = n;
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->started, NULL);
    return all;
}

/* Start `n` threads and wait until each has a hub, or has failed. */
static int start_all(tn_hubs *all, int n)
{
    int r = 0;

    for (all->n = 0; all->n < n && r == 0; all->n += r == 0) {
        struct member *m = &all->members[all->n];

        *m = (struct member){
            .all = all, .index = all->n, .stop = {NULL, stop_member}};
        r = -pthread_create(&m->thread, NULL, thread_main, m);
    }
    TN_OWN(pthread_mutex_lock(&all->lock));
    while (all->n_started < all->n)
        TN_OWN(pthread_cond_wait(&all->started, &all->lock));
    pthread_mutex_unlock(&all->lock);
    for (int i = 0; i < all->n && r == 0; i++)
        if (!all->members[i].hub)
            r = all->members[i].result;
    return r;
}

static int cpus(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) < 0 ? 1 : CPU_COUNT(&set);
}

int tn_hubs_start(int n, tn_hubs_fn fn, void *arg, tn_hubs **ret_hubs)
{
    tn_hubs *all;
    int r;

    if (n < 0 || n > THREADS_MAX || !ret_hubs)
        return -EINVAL;
    if (n == 0)
        n = cpus();
    all = make(n, fn, arg);
    if (!all)
        return -ENOMEM;
    r = start_all(all, n);
    if (r < 0) {
        tn_hubs_stop(all);
        finish(all, all->n);
        return r;
    }
    *ret_hubs = all;
    return 0;
}

int tn_hubs_count(const tn_hubs *hubs)
{
    return hubs ? hubs->n : 0;
}

tn_hub *tn_hubs_at(const tn_hubs *hubs, int index)
{
    if (!hubs || index < 0 || index >= hubs->n)
        return NULL;
    return hubs->members[index].hub;
}

void tn_hubs_stop(tn_hubs *hubs)
{
    if (!hubs || __atomic_exchange_n(&hubs->is_stopped, 1, __ATOMIC_ACQ_REL))
        return;
    for (int i = 0; i < hubs->n; i++)
        if (hubs->members[i].hub) {
            int r =
                tn__hub_post_node(hubs->members[i].hub, &hubs->members[i].stop);

            TN_ASSERT(r == 0 || r == -ESRCH);
        }
}

int tn_hubs_join(tn_hubs *hubs, int *ret_result, tn_time deadline)
{
    int result = 0, r;

    if (!hubs)
        return -EINVAL;
    r = tn_shared_event_wait(hubs->ended, deadline);
    if (r < 0)
        return r;
    for (int i = hubs->n - 1; i >= 0; i--) {
        int r_of = hubs->members[i].result;

        if (r_of < 0 && !(hubs->is_stopped && r_of == -ECANCELED))
            result = r_of;
    }
    finish(hubs, hubs->n);
    if (ret_result)
        *ret_result = result;
    return 0;
}
