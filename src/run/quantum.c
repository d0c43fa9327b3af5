/* SPDX-License-Identifier: MIT */
/* run/quantum.c - preemption: a green thread that computes gives way.
 *
 * A timer on the CPU clock of the kernel thread sends it a signal, of which the
 * handler leaves the green thread that it interrupted, as signal.c's arrive()
 * does: the frame that the kernel has built keeps all of its registers. The
 * hub polls, then all that is runnable runs, then this one again. The clock
 * stands still while nothing runs, so an idle program is not woken.
 *
 * It does nothing
 *   - in the engine: in_engine is set, or the program counter is in our text
 *     (at the first instruction of a handler, in the last of a call). The
 *     tick is ended instead: the call that is being made gives way at its end.
 *   - where the program is on an alternate stack.
 *   - while there is one green thread: then the timer is stopped.
 * Any other instruction will do. What libc and the dynamic linker hold at that
 * moment are locks that others wait for in a futex, or spin on until their own
 * quantum is over; the kernel's preemption of a native thread is no different.
 *
 * The signal is 33, which is libc's own in glibc (for setuid() in all threads)
 * and musl: no program uses it. What libc sends by it is told from the timer's
 * by its si_value. The kernel never blocks it, whatever the masks of green
 * threads are. Rejected: SIGSYS, which is ours already. The kernel drops a
 * signal below 32 that is pending already, and so would lose a trap when an
 * interrupt on the way into the kernel has raised the timer's.
 *
 * It is blocked in its handler until in_engine is set: where that is slow one
 * would come at the first instruction of the other, and so on, until the stack
 * is full.
 *
 * SA_RESTART, so that the kernel resumes a raw call that it interrupts; where
 * it cannot (poll(), nanosleep()), the engine makes a call again that was ended
 * by no handler of the program. */
#include "run/patch.h"

#include <elf.h>

enum {
    SIGNAL = TN__RUN_QUANTUM_SIGNAL,
    SIGEV_THREAD_ID_KIND = 4,
    FINE_NS = 1000000 /* shorter ones the CPU clock cannot do: it is looked at
                       * in the kernel's tick */
};

/* What timer_create() takes. */
struct event {
    void *value;
    int signo;
    int kind;
    int tid;
    char rest[44];
};

_Static_assert(sizeof(struct event) == 64, "the kernel's struct sigevent");

extern const Elf64_Ehdr __ehdr_start;

static const char *text, *text_end; /* of the engine */

/* ---- when it comes ---- */

bool tn__run_is_ours(long pc)
{
    return (const char *)pc >= text && (const char *)pc < text_end;
}

static void set_timer(int64_t ns)
{
    struct tn__run_cpu *cpu = tn__run_here();
    struct itimerspec t = {{ns / 1000000000, ns % 1000000000},
                           {ns / 1000000000, ns % 1000000000}};

    tn__raw4(SYS_timer_settime, cpu->timer, 0, (long)&t, 0);
    cpu->is_ticking = ns != 0;
}

static void preempt(struct tn__run_green *green, ucontext_t *uc)
{
    tn__run_begin();
    tn__run_unblock();
    tn__run_stub_leave((void *)uc->uc_mcontext.gregs);
    tn__run.counts.preempted++;
    tn__hub_give_way(&tn__run_hub);
    tn__run_go_back(green, uc);
}

/* Without the lock, our part of the hub is where hubs.c keeps it. */
static void end_tick(void)
{
    if (!tn__run_is_many || tn__run_here()->has_lock)
        tn__hub_end_tick(&tn__run_hub);
    else
        __atomic_fetch_or(&tn__run_here()->turn.detour, TN__DETOUR_TICK,
                          __ATOMIC_RELAXED); /* against tn__run_go_first() */
}

bool tn__run_on_quantum(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    if (info->si_code != SI_TIMER || info->si_value.sival_ptr != &tn__run)
        return tn__run_on_signal(sig, info, context);
    if (!tn__run_is_on())
        return false;
    if (tn__run_is_inside() || tn__run_is_ours(uc->uc_mcontext.gregs[REG_RIP]))
        end_tick();
    else if (tn__run.counts.alive == 1 && tn__run.stats_ns <= 0 &&
             !tn__run_is_many)
        set_timer(0);
    else if (!tn__run_was_on_altstack(tn__run_self(), uc))
        preempt(tn__run_self(), uc);
    return true;
}

/* ---- when it is set ---- */

static void make_timer(struct tn__run_cpu *cpu)
{
    struct event event = {.value = &tn__run,
                          .signo = SIGNAL,
                          .kind = SIGEV_THREAD_ID_KIND};
    int clock = tn__run.quantum_ns < FINE_NS ? CLOCK_MONOTONIC
                                             : CLOCK_THREAD_CPUTIME_ID;

    event.tid = (int)tn__raw1(SYS_gettid, 0);
    cpu->has_timer = tn__raw3(SYS_timer_create, clock, (long)&event,
                              (long)&cpu->timer) == 0;
}

void tn__run_quantum_start(void)
{
    struct tn__run_cpu *cpu = tn__run_here();

    cpu->is_ticking = true; /* or it cannot be: not to be asked again */
    if (tn__run.quantum_ns == 0)
        return;
    if (!cpu->has_timer)
        make_timer(cpu);
    if (cpu->has_timer)
        set_timer(tn__run.quantum_ns);
}

void tn__run_quantum_stop(void)
{
    struct tn__run_cpu *cpu = tn__run_here();

    if (cpu->has_timer)
        tn__raw1(SYS_timer_delete, cpu->timer);
    cpu->has_timer = cpu->is_ticking = false;
}

void tn__run_quantum_in_child(void)
{
    tn__run_here()->has_timer = false;
    tn__run_here()->is_ticking = false;
}

static void find_text(void)
{
    const char *base = (const char *)&__ehdr_start;
    const Elf64_Phdr *p = (const Elf64_Phdr *)(base + __ehdr_start.e_phoff);

    for (int i = 0; i < __ehdr_start.e_phnum; i++) {
        if (p[i].p_type != PT_LOAD || !(p[i].p_flags & PF_X))
            continue;
        text = base + p[i].p_vaddr;
        text_end = text + p[i].p_memsz;
    }
    TN_ASSERT(tn__run_is_ours((long)find_text));
}

static void load(unsigned long flags)
{
    struct tn__run_action action = {(void *)tn__run_quantum_handler,
                                    SA_SIGINFO | SA_RESTART | flags, NULL,
                                    TN__RUN_BLOCKED};
    long r = tn__run_action_load(SIGNAL, &action);

    TN_ASSERT(r == 0);
}

void tn__run_quantum_on_altstack(bool is_there)
{
    load(is_there ? SA_ONSTACK : 0);
}

void tn__run_quantum_init(void)
{
    find_text();
    load(0);
    if (tn__run.stats_ns > 0)
        tn__run_quantum_start();
}
