/* SPDX-License-Identifier: MIT */
/* hub/thread.c - the hub of each OS thread, in the library: made on first use,
 * freed when its thread ends, configured by the environment. And what users may
 * ask of it. (The engine of `tendril run` has its own counterpart.) */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/own.h"
#include "base/sized.h"
#include "base/sys.h"
#include "hub/fork.h"
#include "hub/hub.h"
#include "hub/switch.h"
#include "hub/watch.h"

__thread struct tn_hub *tn__hub_tls __attribute__((tls_model("initial-exec")));

/* C++'s, where libstdc++ is linked. */
__attribute__((weak)) void *__cxa_get_globals(void);

static pthread_key_t exit_key;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;

/* ---- the back end ---- */

static const struct tn__loop_ops *const backends[] = {
    &tn__loop_epoll,
#ifdef TN_HAVE_LIBEV
    &tn__loop_ev,
#endif
    &tn__loop_sim,
};

static const struct tn__loop_ops *choose_backend(void)
{
    char name[TN_SETTING_TEXT_MAX];

    tn__config_text(TN__CONFIG_LOOP, name, sizeof name);
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    return backends[0];
}

/* ---- life ---- */

/* LeakSanitizer's, where the program has it: it does not look into mappings,
 * and a program may end without destroying its hub. */
extern void __lsan_register_root_region(const void *, size_t)
    __attribute__((weak));
extern void __lsan_unregister_root_region(const void *, size_t)
    __attribute__((weak));

static void hub_unmap(struct tn_hub *h)
{
    if (__lsan_unregister_root_region)
        __lsan_unregister_root_region(h, sizeof *h);
    pthread_mutex_destroy(&h->post_lock);
    tn__sys_unmap(h, sizeof *h);
}

/* Call what was posted and what is linked, from main but as on the hub: a
 * waiting call there is -EDEADLK. */
static void drain(struct tn_hub *h)
{
    h->current = &h->hub_g;
    tn__hub_run_posts(h);
    tn__hub_run_links(h);
    h->current = h->main;
}

static void call_ends(struct tn_hub *h)
{
    struct tn__hub_end *end;

    while ((end = h->ends) != NULL) {
        h->ends = end->next;
        end->fn(end);
    }
}

/* Take no more posts; with `is_gentle` only if none is there. */
static bool shut(struct tn_hub *h, bool is_gentle)
{
    bool r;

    TN_OWN(pthread_mutex_lock(&h->post_lock));
    r = !is_gentle || !h->posts;
    h->is_gone |= r;
    pthread_mutex_unlock(&h->post_lock);
    return r;
}

/* Let go of everybody who refers to this hub or to its greenlets. The last
 * first: what has not begun is taken back before what has is awaited. */
static void detach_all(struct tn_hub *h)
{
    while (!tn__list_is_empty(&h->attached)) {
        struct tn__attached *a =
            TN_CONTAINER(h->attached.prev, struct tn__attached, link);

        tn__list_remove(&a->link);
        a->leave(a);
    }
}

/* Free everything but the handle, which others may hold. */
static void destroy(struct tn_hub *h)
{
    tn__hub_drop_locals(h);
    tn__overflow_unwatch(h);
    tn__watch_end(h);
    tn__hub_fini(h);
    tn__hub_tls = NULL;
    tn_hub_unref(h);
}

/* The thread ends. Greenlets that are left can never run again: their stacks
 * go, and descriptors they waited on are let go. */
static void at_thread_exit(void *arg)
{
    struct tn_hub *h = arg;

    drain(h);
    call_ends(h);
    shut(h, false);
    drain(h); /* what those called before have posted; no further */
    tn__watch_end(h);
    detach_all(h);
    h->loop.n_parked = 0;
    destroy(h);
}

/* The child has a copy of the parent's hub, whose epoll set it shares with the
 * parent: it must not touch it. It gets a hub of its own on first use. */
static void in_child(void)
{
    tn__watch_forked(tn__hub_tls);
    tn__fork_leave(tn__hub_tls);
    tn__hub_tls = NULL;
    pthread_setspecific(exit_key, NULL);
}

static void make_exit_key(void)
{
    int r = pthread_key_create(&exit_key, at_thread_exit);

    TN_ASSERT(r == 0);
    r = pthread_atfork(NULL, NULL, in_child);
    TN_ASSERT(r == 0);
}

static int make_hub(struct tn_hub **ret)
{
    const struct tn__loop_ops *ops;
    struct tn_hub *h;
    int r = tn__config_load();

    if (r < 0)
        return r;
    ops = choose_backend();
    pthread_once(&exit_once, make_exit_key);
    h = tn__sys_map(sizeof *h);
    if (!h)
        return -ENOMEM;
    if (__lsan_register_root_region)
        __lsan_register_root_region(h, sizeof *h);
    pthread_mutex_init(&h->post_lock, NULL);
    tn__list_init(&h->attached);
    h->err = &errno;
    h->cxa = __cxa_get_globals ? __cxa_get_globals() : NULL;
    h->loop.seed = (uint64_t)tn__config_number(TN__CONFIG_SIM_SEED);
    h->random = h->loop.seed;
    if (ops == &tn__loop_sim && h->loop.seed)
        h->detour = TN__DETOUR_RANDOM;
    r = tn__hub_init(h, ops, &h->main_g, (size_t)sysconf(_SC_PAGESIZE),
                     (enum tn__stack_guard)tn__config_number(TN__CONFIG_GUARD));
    if (r < 0) {
        hub_unmap(h);
        return r;
    }
    h->tick_ns = tn__config_number(TN__CONFIG_TICK);
    h->stack_class =
        tn__stack_class(h->stacks.page,
                        (size_t)tn__config_number(TN__CONFIG_STACK_BYTES));
    tn__hub_tls = h;
    pthread_setspecific(exit_key, h);
    tn__watch_adopt(h);
    *ret = h;
    return 0;
}

int tn__hub_self(struct tn_hub **ret)
{
    struct tn_hub *h = tn__hub_peek();

    if (TN_UNLIKELY(!h))
        return make_hub(ret);
    *ret = h;
    return 0;
}

int tn_hub_get(tn_hub **ret_hub)
{
    return ret_hub ? tn__hub_self(ret_hub) : -EINVAL;
}

tn_hub *tn_hub_ref(tn_hub *hub)
{
    if (hub)
        __atomic_add_fetch(&hub->refs, 1, __ATOMIC_RELAXED);
    return hub;
}

void tn_hub_unref(tn_hub *hub)
{
    uint32_t left;

    if (!hub)
        return;
    /* Counted first and then woken: without handles the hub may find that
     * nothing can end its waits. All under the lock, so that the last one
     * frees what nobody is about to touch. */
    TN_OWN(pthread_mutex_lock(&hub->post_lock));
    left = __atomic_sub_fetch(&hub->refs, 1, __ATOMIC_ACQ_REL);
    if (left > 0 && !hub->is_gone)
        hub->loop.ops->wake(&hub->loop);
    pthread_mutex_unlock(&hub->post_lock);
    if (left == 0)
        hub_unmap(hub);
}

int tn_hub_destroy(void)
{
    struct tn_hub *h = tn__hub_peek();

    if (!h)
        return 0;
    if (h->current != h->main || h->main->scopes)
        return -EBUSY;
    do {
        drain(h);
        if (h->n_alive > 1 || h->n_held)
            return -EBUSY;
        call_ends(h);
        tn__watch_end(h);
        if (h->loop.n_parked)
            return -EBUSY;
    } while (!shut(h, true));
    pthread_setspecific(exit_key, NULL);
    detach_all(h);
    destroy(h);
    return 0;
}

int tn_hub_join(tn_time deadline)
{
    struct tn_hub *h;
    int r = tn__hub_self(&h);

    if (r < 0)
        return r;
    if (h->current != h->main)
        return -EINVAL;
    if (h->current->alert) {
        r = tn__hub_alert(h, h->current, deadline);
        if (r)
            return r;
    }
    while (r == 0 && (h->n_alive > 1 || h->n_held || tn__hub_has_links(h) ||
                      __atomic_load_n(&h->posts, __ATOMIC_ACQUIRE))) {
        if (deadline == TN_NOWAIT) {
            tn__hub_tick(h);
            return -EAGAIN;
        }
        h->is_joined = 0;
        h->joining = h->main;
        if (h->n_alive > 1 || h->n_held) {
            r = tn__hub_park(h, &h->is_joined, deadline, "tn_hub_join", -1);
        } else {
            /* Links or posts are due: the hub must run. */
            h->detour |= TN__DETOUR_TICK;
            r = tn__hub_yield(h);
        }
        h->joining = NULL;
    }
    return r;
}

/* ---- asking and setting ---- */

int tn_hub_set_error_hook(tn_error_fn fn, void *arg)
{
    struct tn_hub *h;
    int r = tn__hub_self(&h);

    if (r < 0)
        return r;
    h->error_fn = fn;
    h->error_arg = arg;
    return 0;
}

int tn_hub_set_tick(int64_t ns)
{
    struct tn_hub *h;
    int r = tn__hub_self(&h);

    if (r < 0)
        return r;
    if (ns < 1000)
        return -EINVAL;
    h->tick_ns = ns;
    return 0;
}

const char *tn_hub_loop_name(void)
{
    struct tn_hub *h;

    if (tn__hub_self(&h) < 0)
        return "none";
    return h->loop.ops->name;
}

int tn_hub_stats(struct tn_hub_stats *stats)
{
    struct tn_hub_stats full = {.size = sizeof full};
    struct tn_hub *h;
    int r = tn__hub_self(&h);

    if (r < 0)
        return r;
    full.switches = h->n_switches;
    full.spawned = h->next_id - 2; /* main and the hub's own */
    full.polls = h->n_polls;
    full.alive = h->n_alive;
    full.timers = h->timers.n;
    full.waits = h->loop.n_parked;
    tn__stack_count(&h->stacks, &full.stacks_mapped, &full.stacks_free);
    tn__stack_measure(&h->stacks, &full.stack_bytes, &full.stacks_cold);
    return tn__sized_write(stats, &full, sizeof full);
}

/* ---- time ---- */

tn_time tn_now(void)
{
    struct tn_hub *h = tn__hub_peek();

    /* A virtual clock begins with its hub. */
    if (TN_UNLIKELY(!h) && choose_backend() == &tn__loop_sim &&
        make_hub(&h) < 0)
        h = NULL;
    return h ? h->loop.ops->now(&h->loop) : tn__clock_now();
}

tn_time tn_after_ns(int64_t ns)
{
    return tn__clock_after(tn_now(), ns);
}

/* n units of `unit` ns from now. */
static tn_time after(int64_t n, int64_t unit)
{
    int64_t ns;

    return __builtin_mul_overflow(n, unit, &ns)
               ? (n > 0 ? TN_FOREVER : tn_now())
               : tn_after_ns(ns);
}

tn_time tn_after_us(int64_t us)
{
    return after(us, 1000);
}

tn_time tn_after_ms(int64_t ms)
{
    return after(ms, 1000000);
}

tn_time tn_after_s(int64_t s)
{
    return after(s, 1000000000);
}

const char *tn_version(void)
{
    return TN_VERSION;
}
