/* SPDX-License-Identifier: MIT */
/* hub/life.c - how greenlets are made, begin, end, and are waited for.
 *
 * The block of a greenlet lies at the top of its own stack, so spawning one
 * from the cache touches two cache lines of the block and one of the frame.
 * A greenlet that ends with nobody holding a reference puts its stack into the
 * cache while it still runs on it, and then leaves: nothing else can run on
 * this thread before it has left.
 *
 * `refs` counts the user's references, one for each link that is due, one for
 * a failure that the error hook must hear of, and one for the place in the run
 * queue of a greenlet that was killed before it ran (it ends at once, and its
 * turn passes without effect). */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/sized.h"
#include "hub/switch.h"
#include "hub/timeout.h"
#include "hub/waitable.h"

/* The block, and what may lie between it and the head, must stay within the
 * room that stack.c leaves alone when it gives pages back. */
_Static_assert(sizeof(struct tn_greenlet) <= 512, "the block is small");

/* One who waits for the end of a greenlet behind another; on its own stack. */
struct joiner {
    struct tn__list link;  /* on tn_greenlet.joiners */
    struct tn_greenlet *g; /* who waits */
};

static const struct tn__waitable_ops end_ops;

/* What a greenlet that has ended leaves as the next one on its stack needs it
 * is set up once. */
static void init_once(struct tn_hub *h, struct tn_greenlet *g)
{
    g->hub = h;
    g->timer.slot = 0;
    g->timer.kind = TN__TIMER_WAIT;
    g->scopes = NULL;
    g->leave = NULL;
    g->joiner = NULL;
    tn__list_init(&g->joiners);
    tn__waitable_init(&g->waitable, &end_ops, h);
    g->back = NULL;
#ifndef TN_ENGINE
    g->locals = NULL;
    g->tree = NULL;
    g->member.owner = NULL;
#endif
    g->name[0] = '\0';
}

static inline void init(struct tn_hub *h, struct tn_greenlet *g,
                        tn_greenlet_fn fn, void *arg)
{
    g->state = TN_GREENLET_NEW;
    g->alert = 0;
    g->begun = TN__BEGUN_NOT;
    g->timed_out = TN__TIMED_NOT;
    g->resume_value = 0;
    g->carry = (struct tn__carry){0};
    g->refs = 0;
    g->is_tail = 1;
    g->is_failed_due = 0;
    g->marks = 0;
    g->is_ended = 0;
    g->fn = fn;
    g->arg = arg;
    g->id = ++h->next_id;
}

void tn__greenlet_init(struct tn_hub *h, struct tn_greenlet *g,
                       tn_greenlet_fn fn, void *arg)
{
    init_once(h, g);
    init(h, g, fn, arg);
}

/* ---- ending ---- */

/* What not every greenlet leaves. */
static __attribute__((noinline)) void tidy(struct tn_greenlet *g)
{
    g->back = NULL;
    g->name[0] = '\0';
    if (g->marks & TN__MARK_PARENT)
        tn__parent_release(g);
}

static inline void recycle(struct tn_hub *h, struct tn_greenlet *g)
{
    if (TN_UNLIKELY(g->marks & (TN__MARK_BACK | TN__MARK_NAMED |
                                TN__MARK_PARENT)))
        tidy(g);
    if (g->stack)
        tn__stack_put(&h->stacks, g->stack);
}

void tn__greenlet_unref(struct tn_greenlet *g)
{
    TN_ASSERT(g->refs > 0);
    if (--g->refs == 0 && g->state == TN_GREENLET_DONE)
        recycle(g->hub, g);
}

static bool is_end_ready(const struct tn_waitable *w)
{
    return TN_CONTAINER(w, struct tn_greenlet, waitable)->is_ended;
}

static void watch_end(struct tn_waitable *w)
{
    TN_CONTAINER(w, struct tn_greenlet, waitable)->marks |= TN__MARK_WATCHED;
}

static void hold(struct tn_waitable *w)
{
    TN_CONTAINER(w, struct tn_greenlet, waitable)->refs++;
}

static void drop(struct tn_waitable *w)
{
    tn__greenlet_unref(TN_CONTAINER(w, struct tn_greenlet, waitable));
}

static const struct tn__waitable_ops end_ops = {
    .what = "greenlet",
    .is_ready = is_end_ready,
    .on_link = watch_end,
    .hold = hold,
    .drop = drop,
};

/* Have tn__hub_run_failed() look at it. */
static void queue_failed(struct tn_hub *h, struct tn_greenlet *g)
{
    TN_ASSERT(!g->is_failed_due);
    g->is_failed_due = 1;
    g->refs++;
    g->failed_next = NULL;
    *h->failed_last = g;
    h->failed_last = &g->failed_next;
}

void tn__greenlet_report(struct tn_greenlet *g)
{
    TN_ASSERT(g->state == TN_GREENLET_DONE);
    if (g->result < 0 && g->result != -ECANCELED && !g->refs &&
        !g->is_failed_due)
        queue_failed(g->hub, g);
}

/* What its end means to others. */
static void tell_end(struct tn_hub *h, struct tn_greenlet *g)
{
#ifndef TN_ENGINE
    if (g->marks & TN__MARK_TREE)
        tn__tree_leave(g);
#endif
    while (TN_UNLIKELY(!tn__list_is_empty(&g->joiners))) {
        struct joiner *j = TN_CONTAINER(g->joiners.next, struct joiner, link);

        tn__list_remove(&j->link);
        tn__hub_wake(j->g);
    }
    if (!tn__waitable_tell(&g->waitable))
        tn__greenlet_report(g);
    if (TN_UNLIKELY(h->joining && h->n_alive == 1)) {
        h->is_joined = 1;
        tn__hub_wake(h->joining);
    }
}

static inline void mark_end(struct tn_hub *h, struct tn_greenlet *g, int result)
{
    g->result = result;
    g->state = TN_GREENLET_DONE;
    g->is_ended = 1;
    h->n_alive--;
    if (g->joiner)
        tn__hub_wake(g->joiner);
}

/* The end of one that has something to see to. */
static __attribute__((noinline)) void end_slow(struct tn_hub *h,
                                               struct tn_greenlet *g,
                                               int result)
{
#ifndef TN_ENGINE
    if (g->marks & TN__MARK_LOCALS)
        tn__hub_end_locals(g);
#endif
    mark_end(h, g, result);
    tell_end(h, g);
}

static inline void end(struct tn_hub *h, struct tn_greenlet *g, int result)
{
    if (TN_UNLIKELY((g->marks & TN__MARKS_END) || result < 0 || h->joining))
        end_slow(h, g, result);
    else
        mark_end(h, g, result);
}

void tn__greenlet_end(struct tn_hub *h, struct tn_greenlet *g, int result)
{
    end(h, g, result);
}

void tn__hub_run_failed(struct tn_hub *h)
{
    struct tn_greenlet *g;

    while ((g = h->failed) != NULL) {
        h->failed = g->failed_next;
        if (!h->failed)
            h->failed_last = &h->failed;
        g->is_failed_due = 0;
        if (g->refs == 1) /* the one that queue_failed() took */
            tn__hub_error(h, g, g->result, "a detached greenlet failed");
        tn__greenlet_unref(g);
    }
}

/* ---- running ---- */

/* The end of one that was switched to, or when who is next is not simply the
 * first of the queue. Its stack is given up last: the switch hook may spawn. */
static __attribute__((noinline)) void finish_slow(struct tn_hub *h,
                                                  struct tn_greenlet *g)
{
    struct tn_greenlet *to = tn__parent_ancestor(g);

    if (tn__parent_can_go_on(to)) {
        tn__parent_tell(h, to, g->result);
        if (h->detour & TN__DETOUR_HOOK)
            tn__hub_call_hook(h, to, tn__parent_is_error(g->result));
        to->state = TN_GREENLET_RUNNING;
    } else {
        to = tn__hub_pop(h);
    }
    if (g->refs == 0)
        recycle(h, g);
    tn__hub_leave_for(h, to);
}

/* The end of `g`, on its own stack. Does not return; a tail call. */
static inline void finish(struct tn_hub *h, struct tn_greenlet *g)
{
    TN_ASSERT(g->scopes == NULL); /* else a tn_timeout_end() is missing */
    if (TN_UNLIKELY((g->marks & (TN__MARK_BACK | TN__MARK_PARENT)) ||
                    !h->tail || h->detour)) {
        finish_slow(h, g);
        return;
    }
    if (g->refs == 0)
        recycle(h, g);
    tn__hub_leave_for(h, tn__hub_pop_first(h));
}

/* Where every spawned greenlet begins. */
static void begin(void *arg)
{
    struct tn_greenlet *g = arg;
    struct tn_hub *h = g->hub;
    int result = -ECANCELED;

    tn__asan_enter(h, g);
    if (TN_UNLIKELY(g->begun == TN__BEGUN_NEVER)) {
        /* Killed in the run queue: it ended then, and this was its place. */
        g->state = TN_GREENLET_DONE;
        g->refs--;
    } else {
        g->begun = TN__BEGUN_YES;
        if (TN_LIKELY(!(g->alert & TN__ALERT_KILL)))
            result = g->fn(g->arg);
        end(h, g, result);
    }
    finish(h, g);
}

/* ---- making ---- */

static void report_guard_cap(struct tn_hub *h)
{
    if (!h->stacks.guard_cap || h->is_cap_told)
        return;
    h->is_cap_told = true;
    tn__hub_error(h, NULL, -ENOMEM,
                  "no more stacks: guard pages are made by mprotect here, two "
                  "mappings a stack, and vm.max_map_count is reached; raise "
                  "it, or use Linux 6.13 or later (MADV_GUARD_INSTALL)");
}

#ifndef TN_ENGINE
/* Put it into the tree of its spawner, or give its stack back. */
static __attribute__((noinline)) int join_tree(struct tn_greenlet *g,
                                               struct tn_greenlet *spawner)
{
    int r = tn__tree_join(g, spawner);

    if (r < 0)
        tn__stack_put(&g->hub->stacks, g->stack);
    return r;
}
#endif

/* What a new greenlet has from the one that makes it. */
static inline int inherit(struct tn_hub *h, struct tn_greenlet *g)
{
#ifdef TN_ENGINE
    (void)h;
    (void)g;
#else
    struct tn_greenlet *spawner = h->current;

    g->spawner = spawner->id;
    g->context = spawner->context;
    if (TN_UNLIKELY(spawner->tree != NULL))
        return join_tree(g, spawner);
    g->tree = &tn__tree_unmade;
#endif
    return 0;
}

static inline int make(struct tn_hub *h, int size_class, tn_greenlet_fn fn,
                       void *arg, struct tn_greenlet **ret)
{
    struct tn__stack *stack;
    struct tn_greenlet *g;
    int r = tn__stack_get(&h->stacks, size_class, &stack);

    if (TN_UNLIKELY(r < 0)) {
        report_guard_cap(h);
        return r;
    }
    g = (struct tn_greenlet *)(void *)stack - 1;
    /* Keeps the frames below 16-byte aligned. */
    g = (struct tn_greenlet *)((uintptr_t)g & ~(uintptr_t)15);
#ifdef TN_ASAN
    __asan_unpoison_memory_region(stack->low,
                                  (size_t)((char *)stack - stack->low));
    g->asan_fake = NULL;
#endif
#ifdef TN_TSAN
    if (!stack->tsan_fiber)
        stack->tsan_fiber = tn__tsan_create();
    g->tsan_fiber = stack->tsan_fiber;
#endif
    if (TN_UNLIKELY(!stack->is_warm)) {
        stack->is_warm = 1;
        g->stack = stack;
        init_once(h, g);
    }
    init(h, g, fn, arg);
    g->sp = tn__arch_prepare(stack->low, g, begin, g);
    *ret = g;
    return inherit(h, g);
}

static int make_with(const struct tn_greenlet_options *given,
                     tn_greenlet_fn fn, void *arg, struct tn_greenlet **ret)
{
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    struct tn_hub *h = tn__hub_peek();
    int size_class, r;

    if (!fn || tn__sized_read(&options, sizeof options, given) < 0)
        return -EINVAL;
    if (!h) {
        r = tn__hub_self(&h);
        if (r < 0)
            return r;
    }
    size_class = tn__stack_class(h->stacks.page, options.stack_bytes);
    if (size_class < 0)
        return -EINVAL;
    if (!h->is_watched)
        tn__overflow_watch(h);
    r = make(h, options.stack_bytes ? size_class : h->stack_class, fn, arg,
             ret);
    if (r == 0 && options.name)
        r = tn_greenlet_set_name(*ret, options.name);
    return r;
}

int tn_greenlet_new(const struct tn_greenlet_options *options,
                    tn_greenlet_fn fn, void *arg, tn_greenlet **ret_g)
{
    struct tn_greenlet *g, *maker;
    int r;

    if (!ret_g)
        return -EINVAL;
    r = make_with(options, fn, arg, &g);
    if (r < 0)
        return r;
    g->refs = 1;
    maker = g->hub->current;
    if (maker != &g->hub->hub_g) {
        g->back = maker;
        g->back_id = maker->id;
        g->marks |= TN__MARK_BACK;
    }
    *ret_g = g;
    return 0;
}

/* Start one that was just made. */
static void start(struct tn_hub *h, struct tn_greenlet *g)
{
    h->n_alive++;
    tn__hub_push(h, g);
}

int tn_spawn_with(const struct tn_greenlet_options *options, tn_greenlet_fn fn,
                  void *arg, tn_greenlet **ret_g)
{
    struct tn_greenlet *g;
    int r = make_with(options, fn, arg, &g);

    if (r < 0)
        return r;
    if (ret_g) {
        g->refs = 1;
        *ret_g = g;
    }
    start(g->hub, g);
    return 0;
}

int tn_spawn(tn_greenlet_fn fn, void *arg, tn_greenlet **ret_g)
{
    struct tn_hub *h = tn__hub_peek();
    struct tn_greenlet *g;
    int r;

    if (TN_UNLIKELY(!h || !h->is_watched || !fn))
        return tn_spawn_with(NULL, fn, arg, ret_g);
    r = make(h, h->stack_class, fn, arg, &g);
    if (TN_UNLIKELY(r < 0))
        return r;
    if (ret_g) {
        g->refs = 1;
        *ret_g = g;
    }
    start(h, g);
    return 0;
}

int tn_start(tn_greenlet *g)
{
    if (!g)
        return -EINVAL;
    if (g->hub != tn__hub_peek())
        return -EXDEV;
    if (g->state == TN_GREENLET_NEW && g->timer.kind == TN__TIMER_WAIT) {
        tn__parent_queued(g);
        start(g->hub, g);
    }
    return 0;
}

tn_greenlet *tn_ref(tn_greenlet *g)
{
    if (g)
        g->refs++;
    return g;
}

void tn_unref(tn_greenlet *g)
{
    if (!g)
        return;
    if (g->refs > 1 || g->state == TN_GREENLET_DONE) {
        tn__greenlet_unref(g);
        return;
    }
    /* The last reference. One that cannot run by itself is ended: else nobody
     * could ever do it. */
    if (g->state == TN_GREENLET_NEW) {
        if (g->timer.kind == TN__TIMER_WAIT) {
            tn__greenlet_claim(g->hub, g);
            tn__greenlet_end(g->hub, g, -ECANCELED);
        }
    } else if (g->state == TN_GREENLET_PASSIVE && g != g->hub->main) {
        g->alert |= TN__ALERT_KILL;
        g->marks |= TN__MARK_ORPHAN;
        tn__hub_interrupt(g->hub, g);
    }
    tn__greenlet_unref(g);
}

/* ---- waiting for the end ---- */

/* One who is not the first to wait for `g`. */
static __attribute__((noinline)) int await_behind(struct tn_hub *h,
                                                  struct tn_greenlet *g,
                                                  tn_time deadline,
                                                  const char *what)
{
    struct joiner j = {.g = h->current};
    int r;

    g->marks |= TN__MARK_WATCHED;
    tn__list_insert(&g->joiners, &j.link);
    r = tn__hub_park(h, &g->is_ended, deadline, what, -1);
    tn__list_remove(&j.link);
    return r;
}

/* Wait until `g`, which the caller keeps alive, has ended. */
static inline int await(struct tn_hub *h, struct tn_greenlet *g,
                        tn_time deadline, const char *what)
{
    int r;

    if (g->is_ended) {
        tn__hub_tick(h);
        return 0;
    }
    if (deadline == TN_NOWAIT) {
        tn__hub_tick(h);
        return -EAGAIN;
    }
    if (TN_UNLIKELY(g->joiner != NULL))
        return await_behind(h, g, deadline, what);
    g->joiner = h->current;
    r = tn__hub_park_inline(h, &g->is_ended, deadline, what, -1);
    g->joiner = NULL;
    return r;
}

int tn_join(tn_greenlet *g, int *ret_result, tn_time deadline)
{
    struct tn_hub *h = tn__hub_peek();
    int r;

    if (!g)
        return -EINVAL;
    if (g->hub != h)
        return -EXDEV;
    if (g == h->current)
        return -EINVAL;
    if (TN_UNLIKELY(h->current->alert)) {
        r = tn__hub_alert(h, h->current, deadline);
        if (r)
            return r;
    }
    r = await(h, g, deadline, "tn_join");
    if (r < 0)
        return r;
    if (ret_result)
        *ret_result = g->result;
    tn__greenlet_unref(g);
    return 0;
}

bool tn__greenlet_kill(struct tn_hub *h, struct tn_greenlet *g)
{
    switch (g->state) {
    case TN_GREENLET_DONE:
        return true;
    case TN_GREENLET_NEW:
        tn__greenlet_claim(h, g);
        g->refs++; /* of a detached one, this may be the only one */
        tn__greenlet_end(h, g, -ECANCELED);
        tn__greenlet_unref(g);
        return true;
    case TN_GREENLET_READY:
        if (g->begun == TN__BEGUN_NOT) {
            g->begun = TN__BEGUN_NEVER;
            g->refs++;
            tn__greenlet_end(h, g, -ECANCELED);
            return true;
        }
        /* fallthrough */
    default:
        g->alert |= TN__ALERT_KILL;
        tn__hub_interrupt(h, g);
        return false;
    }
}

int tn_kill(tn_greenlet *g, tn_time deadline)
{
    struct tn_hub *h = tn__hub_peek();
    int r;

    if (!g)
        return -EINVAL;
    if (g->hub != h)
        return -EXDEV;
    if (g == h->main || g == &h->hub_g)
        return -EINVAL;
    if (tn__greenlet_kill(h, g) || g == h->current) {
        if (deadline != TN_NOWAIT)
            tn__hub_tick(h);
        return 0;
    }
    if (TN_UNLIKELY(h->current->alert)) {
        r = tn__hub_alert(h, h->current, deadline);
        if (r)
            return r;
    }
    if (deadline == TN_NOWAIT)
        return -EAGAIN; /* a post: who walks a list of theirs counts on it */
    return await(h, g, deadline, "tn_kill");
}

/* ---- links ---- */

int tn_greenlet_link(tn_greenlet *g, tn_link *link, tn_link_fn fn, void *arg)
{
    if (!g || !link || !fn)
        return -EINVAL;
    if (g->hub != tn__hub_peek())
        return -EXDEV;
    tn__waitable_link(&g->waitable, link, TN__LINK_END, (void (*)(void))fn,
                      arg);
    return 0;
}

void tn_greenlet_unlink(tn_link *link)
{
    if (link)
        tn__waitable_unlink(link);
}
