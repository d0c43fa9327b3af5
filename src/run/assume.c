/* SPDX-License-Identifier: MIT */
/* run/assume.c - what the engine takes for granted of libc and the kernel,
 * looked at once, before anything depends on it. doc/design/run.md lists it.
 *
 * What was started by `tendril run` is refused with the reason, or runs
 * natively if --fallback allows it. A child that was started by exec from one
 * of ours just runs natively: its parent is not to fail for that. */
#include "run/run.h"

#include <pthread.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#ifndef PR_GET_TID_ADDRESS
# define PR_GET_TID_ADDRESS 40
#endif

enum {
    HAS_FSGSBASE = 2,             /* in AT_HWCAP2 */
    SHADOW_STACK_STATUS = 0x5005, /* of arch_prctl() */
    LONE_TASK_LINKS = 3,          /* of /proc/self/task with one thread */
    STATUS_REFUSED = 126          /* as the command has it */
};

static uint64_t fs_base(void)
{
    uint64_t base;

    __asm__ volatile("rdfsbase %0" : "=r"(base));
    return base;
}

/* That thread-local storage is found by a pointer to itself, and that
 * pthread_t is the same pointer: so pthread_cancel() finds its target. */
static bool is_thread_pointer_known(void)
{
    uint64_t base = fs_base();

    return *(const uint64_t *)base == base && (uint64_t)pthread_self() == base;
}

/* The kernel tells what libc has registered for the main thread. */
static bool is_main_told(void)
{
    uint32_t *word;
    void *head = NULL;
    size_t bytes = 0;

    return tn__raw3(SYS_prctl, PR_GET_TID_ADDRESS, (long)&word, 0) == 0 &&
           tn__raw3(SYS_get_robust_list, 0, (long)&head, (long)&bytes) == 0 &&
           bytes == TN__RUN_ROBUST_BYTES;
}

static bool has_shadow_stack(void)
{
    uint64_t features = 0;

    return tn__raw3(SYS_arch_prctl, SHADOW_STACK_STATUS, (long)&features, 0) ==
               0 &&
           (features & 1);
}

/* Another library has made threads before us: those would stay native. */
static bool has_threads(void)
{
    struct stat st;

    return tn__raw3(SYS_stat, (long)"/proc/self/task", (long)&st, 0) == 0 &&
           st.st_nlink > LONE_TASK_LINKS;
}

/* What does not hold, and what to do; NULL: all does. */
static const char *find_fault(void)
{
    if (!(getauxval(AT_HWCAP2) & HAS_FSGSBASE))
        return "this machine does not let programs set the FS base (FSGSBASE)";
    if (!tn__run_trap_disarm())
        return "Syscall User Dispatch is forbidden here, by a sandbox";
    if (!is_thread_pointer_known())
        return "this libc keeps its thread pointer in an unknown way";
    if (!is_main_told())
        return "this kernel does not tell what libc has registered (it lacks "
               "CONFIG_CHECKPOINT_RESTORE, or a sandbox forbids it)";
    if (has_shadow_stack())
        return "it has a shadow stack (CET), which green threads cannot have; "
               "unset it in GLIBC_TUNABLES";
    if (has_threads())
        return "another library had threads before the engine could begin";
    return NULL;
}

void tn__run_refuse(const char *why)
{
    if (!tn__run.is_first)
        return;
    tn__run_say("tendril: ");
    tn__run_say(why);
    if (!tn__run.has_fallback) {
        tn__run_say("; use --fallback\n");
        tn__raw1(SYS_exit_group, STATUS_REFUSED);
    }
    tn__run_say("\ntendril: it runs with real threads (--fallback)\n");
}

bool tn__run_assume(void)
{
    const char *fault = find_fault();

    if (fault)
        tn__run_refuse(fault);
    return !fault;
}
