/* SPDX-License-Identifier: MIT */
/* hub/fork.c - fork() by a greenlet.
 *
 * The child has a copy of the parent's hub with all its greenlets, and an epoll
 * set that is not a copy. It leaves both alone and gets a hub of its own; who
 * called goes on, on the stack it is on, as the main greenlet of that. Nobody
 * else of the parent's ever runs.
 *
 * A greenlet that forked will, in the child, one day return from its function,
 * into code that looks for the next greenlet to run. That finds the hub of the
 * copy, whose context has been replaced by one that ends the process: as a
 * thread that forks and returns in the child does. */
#include "hub/fork.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <tendril/process.h>
#include <unistd.h>

#include "hub/switch.h"

/* On the stack of the hub that was copied. */
static void end_process(void *arg)
{
    const struct tn_greenlet *g = arg;

    _exit(g->is_ended && g->result >= 0 ? 0 : 1);
}

void tn__fork_leave(struct tn_hub *h)
{
    struct tn_greenlet *g, *hub_g;

    if (!h || h->current == h->main || h->current == &h->hub_g)
        return;
    g = h->current;
    hub_g = &h->hub_g;
    g->refs++; /* its block outlives it: end_process() looks at it */
    g->marks &= (uint8_t)~TN__MARK_BACK;
    h->tail = NULL;
    h->detour = TN__DETOUR_TICK;
    hub_g->sp =
        tn__arch_prepare(hub_g->stack->low, hub_g->stack, end_process, g);
    hub_g->is_tail = 1;
#ifdef TN_ASAN
    hub_g->asan_fake = NULL;
#endif
}

/* Give the scopes of `from`, of the copy, to the main greenlet of `h`. */
static void carry_scopes(struct tn_hub *h, struct tn_greenlet *from)
{
    struct tn_greenlet *main = h->main;

    for (tn_timeout *t = from->scopes; t; t = t->tn__outer) {
        bool is_armed = t->tn__slot != 0;

        t->tn__owner = main;
        t->tn__slot = 0;
        if (is_armed &&
            tn__heap_add(&h->timers, (void *)&t->tn__when, t->tn__when) < 0)
            t->tn__slot = 0; /* it never expires */
    }
    main->scopes = from->scopes;
    main->alert |= from->alert & TN__ALERT_SCOPE;
    from->scopes = NULL;
}

static void begin_child(struct tn_hub *before)
{
    struct tn_hub *h;

    if (!before || tn__hub_self(&h) < 0)
        return;
    TN_ASSERT(h != before);
    h->loop.sim_now = before->loop.sim_now;
    h->now = before->now;
    carry_scopes(h, before->current);
}

pid_t tn_fork(unsigned flags)
{
    struct tn_hub *h = tn__hub_peek();
    sigset_t all, mask;
    pid_t pid;

    if (flags != 0 || (h && h->current == &h->hub_g))
        return -EINVAL;
    /* A signal that comes now waits until the child has its own dispositions.
     */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    pid = fork();
    if (pid < 0)
        pid = -errno;
    if (pid == 0)
        begin_child(h);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return pid;
}
