/* SPDX-License-Identifier: MIT */
/* run/init.c - arming the engine, before anything of the program runs.
 *
 * The constructor runs first of all (-z initfirst): a thread that another
 * library's constructor makes is a green thread already. What the dynamic
 * linker has registered with the kernel for the main thread is asked back. */
#include "run/patch.h"
#include "run/symbols.h"

#include <sys/prctl.h>

#ifndef PR_GET_TID_ADDRESS
# define PR_GET_TID_ADDRESS 40
#endif

struct tn__run tn__run;
struct tn__run_cpu tn__run_first;
struct tn_hub tn__run_hub;
struct tn_hub *tn__hub_engine = &tn__run_hub;

void tn__run_go_native(void)
{
    tn__run.is_on = 0;
    tn__run.ways &= ~(unsigned)TN__RUN_WAY_SYMBOLS;
    tn__run_conditions_go_native();
    tn__run_out();
    tn__run.pid = (int)tn__raw1(SYS_getpid, 0);
    tn__run_actions_go_native();
}

/* Called on the hub. */
static void look_at_signals(struct tn_hub *h)
{
    (void)h;
    tn__run_hubs_look();
    if (tn__run_here()->is_alert) {
        tn__run_here()->is_alert = 0;
        tn__run_signals_drain();
    }
}

static void before_poll(struct tn_hub *h)
{
    look_at_signals(h);
    tn__run_offload_before_poll();
    tn__run_inspect_serve();
    if (TN_UNLIKELY(tn__run.stats_ns >= 0))
        tn__run_inspect_deadlock();
}

static void adopt_main(void)
{
    struct tn__run_green *main = tn__run.main;
    struct tn__run_cpu *cpu = tn__run_here();
    size_t bytes;

    tn__list_init(&tn__run.greens);
    tn__list_insert(&tn__run.greens, &main->all);
    tn__list_init(&main->signals);
    main->tid = tn__run.pid;
    tn__raw4(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&cpu->kernel_mask,
             sizeof cpu->kernel_mask);
    main->mask = ~(tn__run_set)0;
    tn__run_mask_set(main, cpu->kernel_mask);
    tn__run_sched_init();
    tn__raw3(SYS_prctl, PR_GET_NAME, (long)main->name, 0);
    tn__raw3(SYS_get_robust_list, 0, (long)&main->robust, (long)&bytes);
    tn__raw3(SYS_prctl, PR_GET_TID_ADDRESS, (long)&main->clear_tid, 0);
    tn__raw3(SYS_sigaltstack, 0, (long)&main->alt, 0);
    if (main->alt.ss_flags & SS_DISABLE)
        main->alt = (stack_t){0};
    cpu->alt_owner = main->alt.ss_sp ? main : NULL;
    tn__run_has_altstacks = main->alt.ss_sp;
    tn__run.counts.alive = tn__run.counts.alive_most = 1;
}

static int set_up(void)
{
    uint64_t fs_base;
    int r = tn__run_fds_init();

    if (r < 0)
        return r;
    tn__run.main = &tn__run.first;
    tn__run_hub.turn = &tn__run_first.turn;
    tn__run_vdso_init();
    tn__run_signals_init();
    tn__run_hubs_init();
    r = tn__hub_init(&tn__run_hub, &tn__loop_epoll, &tn__run.main->g, 4096,
                     TN__GUARD_NONE);
    if (r < 0)
        return r;
    tn__run_hub.loop.is_shared = tn__run.n_hubs > 1;
    adopt_main();
    __asm__ volatile("rdfsbase %0" : "=r"(fs_base));
    tn__run.main->g.carry.fs_base = tn__run_hub.fs_base = fs_base;
    tn__run_hub.outside = 1;
    tn__run_hub.on_poll = before_poll;
    tn__run_hub.on_interrupt = look_at_signals;
    tn__run_offload_init();
    return 0;
}

static bool can_run(void)
{
    if (!tn__run.is_wanted ||
        (tn__run.children == TN__RUN_NATIVE && !tn__run.is_first))
        return false;
    return tn__run_assume();
}

/* glibc gives it to constructors, and has not set `environ` yet in this one;
 * musl has set that, and gives nothing. */
extern char **__environ __attribute__((weak));
extern const char *gnu_get_libc_version(void) __attribute__((weak));

__attribute__((constructor)) static void start(int argc, char **argv,
                                               char **env)
{
    (void)argc;
    (void)argv;
    if (!gnu_get_libc_version && &__environ)
        env = __environ;
    tn__run_symbols_init();
    tn__run.pid = (int)tn__raw1(SYS_getpid, 0);
    tn__run_settings_read(env);
    if (!can_run())
        return;
    if (set_up() < 0) {
        tn__run_fds_drop();
        tn__run_refuse("there is no memory or descriptor for the engine");
        return;
    }
    if (tn__run.children == TN__RUN_NATIVE)
        tn__run_environ_clean(env);
    tn__run_actions_init();
    tn__run_quantum_init();
    tn__run_patch_init();
    tn__run_conditions_init();
    tn__run_stats_init();
    tn__run_inspect_init();
    tn__run.is_on = 1;
    tn__run_trap_arm();
}
