/* SPDX-License-Identifier: MIT */
/* run/init.c - arming the engine, before anything of the program runs.
 *
 * The constructor runs first of all (-z initfirst): a thread that another
 * library's constructor makes is a green thread already. What the dynamic
 * linker has registered with the kernel for the main thread is asked back.
 *
 * Settings come by the environment, from `tendril run`:
 *   TENDRIL_RUN=0            do nothing
 *   TENDRIL_RUN_STATS=PID:S  process PID prints stats; S seconds apart, 0: at
 *                            the end only */
#include "run/run.h"

#include <sys/auxv.h>
#include <sys/prctl.h>

#ifndef PR_GET_TID_ADDRESS
# define PR_GET_TID_ADDRESS 40
#endif

enum { HAS_FSGSBASE = 2 }; /* in AT_HWCAP2 */

struct tn__run tn__run;
struct tn_hub tn__run_hub;
struct tn_hub *tn__hub_engine = &tn__run_hub;

void tn__run_go_native(void)
{
    tn__run.is_on = 0;
    tn__run.in_engine = 0;
    tn__run.pid = (int)tn__raw1(SYS_getpid, 0);
    tn__run_actions_go_native();
    tn__run_fds_drop();
}

/* Called on the hub. */
static void look_at_signals(struct tn_hub *h)
{
    (void)h;
    if (tn__run.is_alert) {
        tn__run.is_alert = 0;
        tn__run_signals_drain();
    }
}

/* The value of a variable, or NULL. */
static const char *look_up(char **env, const char *name)
{
    for (; env && *env; env++) {
        size_t i = 0;

        while (name[i] && (*env)[i] == name[i])
            i++;
        if (!name[i] && (*env)[i] == '=')
            return *env + i + 1;
    }
    return NULL;
}

static int64_t number(const char **text)
{
    int64_t n = 0;

    while (**text >= '0' && **text <= '9' && n < INT32_MAX)
        n = n * 10 + *(*text)++ - '0';
    return n;
}

static void read_settings(char **env)
{
    const char *stats = look_up(env, "TENDRIL_RUN_STATS");

    tn__run.stats_ns = -1;
    if (!stats || number(&stats) != tn__run.pid)
        return;
    tn__run.stats_ns = 0;
    if (*stats++ == ':')
        tn__run.stats_ns = number(&stats) * 1000000000;
}

static void adopt_main(void)
{
    struct tn__run_green *main = &tn__run.main;
    size_t bytes;

    tn__list_init(&tn__run.greens);
    tn__list_insert(&tn__run.greens, &main->all);
    tn__list_init(&main->signals);
    main->tid = tn__run.pid;
    tn__raw4(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&tn__run.kernel_mask,
             sizeof tn__run.kernel_mask);
    tn__run_mask_load(tn__run.kernel_mask & ~tn__run_bit(SIGSYS));
    main->mask = tn__run.kernel_mask;
    tn__raw3(SYS_get_robust_list, 0, (long)&main->robust, (long)&bytes);
    tn__raw3(SYS_prctl, PR_GET_TID_ADDRESS, (long)&main->clear_tid, 0);
    tn__raw3(SYS_sigaltstack, 0, (long)&main->alt, 0);
    if (main->alt.ss_flags & SS_DISABLE)
        main->alt = (stack_t){0};
    tn__run.alt_owner = main->alt.ss_sp ? main : NULL;
    tn__run.counts.alive = tn__run.counts.alive_most = 1;
}

static int set_up(void)
{
    uint64_t fs_base;
    int r = tn__run_fds_init();

    if (r < 0)
        return r;
    tn__run_vdso_init();
    tn__run_signals_init();
    r = tn__hub_init(&tn__run_hub, &tn__loop_epoll, &tn__run.main.g, 4096,
                     TN__GUARD_NONE);
    if (r < 0)
        return r;
    adopt_main();
    __asm__ volatile("rdfsbase %0" : "=r"(fs_base));
    tn__run.main.g.carry.fs_base = tn__run_hub.fs_base = fs_base;
    tn__run_hub.outside = 1;
    tn__run_hub.on_poll = tn__run_hub.on_interrupt = look_at_signals;
    return 0;
}

/* No reason to stop a program that was started by exec from one of ours: it
 * runs on native threads, where the engine cannot run. */
static bool can_run(char **env)
{
    const char *wanted = look_up(env, "TENDRIL_RUN");

    if (wanted && wanted[0] == '0' && wanted[1] == '\0')
        return false;
    return (getauxval(AT_HWCAP2) & HAS_FSGSBASE) && tn__run_trap_is_there();
}

__attribute__((constructor)) static void start(int argc, char **argv,
                                               char **env)
{
    (void)argc;
    (void)argv;
    if (!can_run(env))
        return;
    tn__run.pid = (int)tn__raw1(SYS_getpid, 0);
    read_settings(env);
    if (set_up() < 0) {
        tn__run_fds_drop();
        return;
    }
    tn__run_actions_init();
    tn__run_stats_init();
    tn__run.is_on = 1;
    tn__run_trap_arm();
}
