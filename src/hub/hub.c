/* SPDX-License-Identifier: MIT */
/* hub/hub.c - the hub: one per thread, a greenlet of its own that polls.
 *
 * It runs when the run queue is empty or a tick is over, and then, in this
 * order: links of what has become ready, what other threads have posted,
 * the poll (which completes operations), timers that are due. Then it switches
 * to the first of the run queue, and the greenlets hand the thread to each
 * other until the queue is empty or the tick is over again.
 *
 * While anything is runnable the poll does not wait; and it is left out when
 * nothing is registered that could be ready. Memory that was not used for a
 * while is given back, at most once a second, and once more after everything
 * has gone quiet. */
#include "hub/hub.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/sys.h"
#include "hub/switch.h"
#include "hub/timeout.h"

enum { HUB_STACK_CLASS = 4 }; /* 256 KiB: callbacks of users run on it */

#define TRIM_NS 1000000000
#define TRIM_KEEP 1024 /* free stacks of each class that keep their memory */

/* ---- giving memory back ---- */

/* The lowest address that the frames of a greenlet use. The red zone below the
 * stack pointer belongs to it. */
static char *low_of(struct tn__stack *s)
{
    struct tn_greenlet *g = (struct tn_greenlet *)(void *)s - 1;

    g = (struct tn_greenlet *)((uintptr_t)g & ~(uintptr_t)15);
    if (g->stack != s || g->state == TN_GREENLET_RUNNING)
        return NULL;
    if (g->state == TN_GREENLET_DONE)
        return (char *)g;
    return (char *)g->sp - 256;
}

static void trim(struct tn_hub *h)
{
    bool has_more;

    tn__stack_note(&h->stacks);
    if (!h->is_trim_due || h->now < h->trim_at)
        return;
    has_more = tn__stack_trim(&h->stacks, TRIM_KEEP, low_of);
    h->is_trim_due = has_more;
    h->trim_at = tn__clock_after(h->now, has_more ? TRIM_NS / 10 : TRIM_NS);
}

/* ---- timers ---- */

static void fire(struct tn_hub *h, struct tn__timer *t)
{
    switch (t->kind) {
    case TN__TIMER_WAIT: {
        struct tn_greenlet *g = TN_CONTAINER(t, struct tn_greenlet, timer);

        g->timed_out = TN__TIMED_OUT;
        tn__hub_wake(g);
        break;
    }
    case TN__TIMER_CALL: {
        struct tn__hub_call *c = TN_CONTAINER(t, struct tn__hub_call, timer);

        c->fn(c);
        break;
    }
    case TN__TIMER_START:
        tn__greenlet_start_due(h, TN_CONTAINER(t, struct tn_greenlet, timer));
        break;
    default:
        tn__timeout_expired(t);
        break;
    }
}

static void run_timers(struct tn_hub *h)
{
    struct tn__timer *t;

    while ((t = tn__heap_pop_due(&h->timers, h->now)) != NULL)
        fire(h, t);
}

int tn__hub_call_at(struct tn_hub *h, struct tn__hub_call *call, tn_time when)
{
    call->timer.kind = TN__TIMER_CALL;
    return tn__heap_add(&h->timers, &call->timer, when);
}

void tn__hub_call_cancel(struct tn_hub *h, struct tn__hub_call *call)
{
    tn__heap_remove(&h->timers, &call->timer);
}

/* ---- polling ---- */

static bool can_be_woken(struct tn_hub *h)
{
    return h->tail || h->preempted || tn__hub_has_links(h) || h->timers.n ||
           h->loop.n_parked || h->outside || h->is_restless ||
           __atomic_load_n(&h->refs, __ATOMIC_ACQUIRE) > 1 ||
           __atomic_load_n(&h->posts, __ATOMIC_ACQUIRE);
}

static tn_time poll_until(const struct tn_hub *h)
{
    tn_time until = tn__heap_first(&h->timers);

    if (h->tail || h->preempted || (h->detour & TN__DETOUR_OWN) ||
        tn__hub_has_links(h) || h->is_restless || until == TN_NOWAIT)
        return TN_NOWAIT;
    if (h->is_trim_due && h->trim_at < until)
        until = h->trim_at;
    return until;
}

static void poll_loop(struct tn_hub *h)
{
    struct tn__loop *l = &h->loop;

    if (h->on_poll)
        h->on_poll(h);
    h->n_polls++;
    if (l->n_armed || !h->tail) {
        int r = l->ops->poll(l, poll_until(h));

        if (r == -EINTR && h->on_interrupt)
            h->on_interrupt(h);
        TN_ASSERT(r == 0 || r == -EINTR);
    }
    h->now = l->ops->now(l);
}

/* The hub's own greenlet. */
void tn__hub_main(void *arg)
{
    struct tn_hub *h = arg;
    struct tn_greenlet *to;

    tn__asan_enter(h, &h->hub_g);
    for (;;) {
        h->detour &= ~(uint32_t)TN__DETOUR_TICK;
        tn__hub_run_links(h);
#ifndef TN_ENGINE
        if (tn__hub_run_posts(h))
            tn__hub_run_links(h);
#endif
        if (can_be_woken(h) || !tn__hub_deadlock(h)) {
            poll_loop(h);
            if (h->on_polled)
                h->on_polled(h);
            run_timers(h);
        }
        if (h->preempted) {
            tn__hub_push(h, h->preempted);
            h->preempted = NULL;
        }
        trim(h);
        h->calls = 0;
        h->tick_end = tn__clock_after(h->now, h->tick_ns);
        if (h->tail || (h->detour & TN__DETOUR_OWN)) {
            h->is_trim_due = true;
            to = tn__hub_pop(h);
            if (to != &h->hub_g)
                tn__hub_switch(h, &h->hub_g, to);
        }
    }
}

/* ---- making and freeing ---- */

void tn__hub_adopt(struct tn_hub *h, struct tn_greenlet *g)
{
    tn__greenlet_init(h, g, NULL, NULL);
    g->begun = TN__BEGUN_YES;
    g->stack = NULL;
    h->n_alive++;
}

static int make_hub_greenlet(struct tn_hub *h)
{
    struct tn_greenlet *g = &h->hub_g;
    struct tn__stack *stack;
    int r = tn__stack_get(&h->stacks, HUB_STACK_CLASS, &stack);

    if (r < 0)
        return r;
    tn__hub_adopt(h, g);
    h->n_alive--;
    g->stack = stack;
    g->alert = TN__ALERT_HUB;
#ifdef TN_TSAN
    stack->tsan_fiber = tn__tsan_create();
    g->tsan_fiber = stack->tsan_fiber;
#endif
    g->sp = tn__arch_prepare(stack->low, stack, tn__hub_main, h);
    return 0;
}

int tn__hub_init(struct tn_hub *h, const struct tn__loop_ops *ops,
                 struct tn_greenlet *main, size_t page,
                 enum tn__stack_guard guard)
{
    int r;

    tn__list_init(&h->links_due);
    h->failed_last = &h->failed;
    h->tick_ns = TN__TICK_NS;
    h->stack_class = tn__stack_class(page, 0);
    h->refs = 1;
    tn__list_init(&h->locals);
    h->main = main;
    h->loop.owner = h;
    h->loop.complete = tn__hub_complete;
    tn__stack_pool_init(&h->stacks, page, guard);
    tn__hub_adopt(h, main);
    main->state = TN_GREENLET_RUNNING;
    h->current = main;
#ifdef TN_TSAN
    main->tsan_fiber = __tsan_get_current_fiber();
#endif
    r = make_hub_greenlet(h);
    if (r == 0)
        r = tn__loop_open(&h->loop, ops);
    if (r < 0) {
        tn__stack_pool_fini(&h->stacks);
        return r;
    }
    h->now = ops->now(&h->loop);
    h->tick_end = tn__clock_after(h->now, h->tick_ns);
    h->trim_at = tn__clock_after(h->now, TRIM_NS);
    return 0;
}

void tn__hub_fini(struct tn_hub *h)
{
    tn__loop_close(&h->loop);
    tn__heap_free(&h->timers);
    tn__stack_pool_fini(&h->stacks);
}

void tn__hub_error(struct tn_hub *h, struct tn_greenlet *g, int error,
                   const char *text)
{
    if (!h->error_fn || h->in_error_hook)
        return;
    h->in_error_hook = true;
    h->error_fn(g, error, text, h->error_arg);
    h->in_error_hook = false;
}
