/* SPDX-License-Identifier: MIT */
/* run/altstack.c - one alternate signal stack per green thread, and the
 * program's own rt_sigreturn().
 *
 * The kernel knows one. It gets that of the green thread that is about to go
 * back to its program, if it has one or if another's is still loaded: programs
 * without them pay nothing. A frame of a trap carries it too, and the kernel
 * takes it from there at the end of the handler.
 *
 * A handler may wait on its alternate stack. The kernel must not have that
 * meanwhile: of a stack that nobody stands on it begins at the top, and what
 * comes while the hub sleeps, or another one runs, would be put over what is
 * there. So it is taken away in the switch (hub/carry.h). With several kernel
 * threads so is any, for its owner may go on elsewhere. */
#include "run/run.h"

#define AUTODISARM (1u << 31) /* Linux's SS_AUTODISARM, which glibc lacks */

enum { LARGE = 16384 }; /* with room for three frames */

bool tn__run_has_altstacks; /* somebody has had one */

static bool has_large, has_handler; /* see tn__run_altstack_handler() */
static bool is_shared; /* two threads have had the same: it is for what ends the
                        * process, and nobody may wait there */

static bool is_on(const stack_t *alt, const ucontext_t *uc)
{
    char here;
    const char *sp = uc ? (const char *)uc->uc_mcontext.gregs[REG_RSP] : &here;

    return alt->ss_sp && sp >= (char *)alt->ss_sp &&
           sp < (char *)alt->ss_sp + alt->ss_size;
}

static bool stands_on(const struct tn__run_green *green)
{
    return is_on(&green->alt, NULL);
}

bool tn__run_was_on_altstack(const struct tn__run_green *green,
                             const ucontext_t *uc)
{
    return is_on(&green->alt, uc);
}

static long load(struct tn__run_green *green)
{
    stack_t alt = green->alt;
    long r;

    tn__run_altstack_forget(green);
    if (!alt.ss_sp)
        alt.ss_flags = SS_DISABLE;
    /* It fails while we run on the one that is loaded; then nothing is lost,
     * since that is this green thread's own. */
    r = tn__raw3(SYS_sigaltstack, (long)&alt, 0, 0);
    if (r == 0)
        tn__run_here()->alt_owner = alt.ss_sp ? green : NULL;
    if (r == 0 && alt.ss_sp)
        tn__run_has_altstacks = true;
    return r;
}

/* The kernel refuses it to who stands on that stack. So this one call is made
 * from elsewhere; a signal would see the lie, and is blocked. */
static void unload_from(char *top)
{
    static const tn__run_set all = ~(tn__run_set)0;
    static const stack_t none = {.ss_flags = SS_DISABLE};
    tn__run_set before;
    long nr = SYS_sigaltstack, to = (long)&none;

    tn__raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before,
             sizeof all);
    __asm__ volatile("movq %%rsp, %%rbx\n\tmovq %2, %%rsp\n\t"
                     "xorl %%edx, %%edx\n\tcall tn__raw\n\t"
                     "movq %%rbx, %%rsp"
                     : "+D"(nr), "+S"(to)
                     : "r"(top)
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11",
                       "cc", "memory");
    tn__raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof before);
}

void tn__run_altstack_unload(void)
{
    static const stack_t none = {.ss_flags = SS_DISABLE};
    struct tn__run_cpu *cpu = tn__run_here();

    if (stands_on(cpu->alt_owner))
        unload_from(cpu->last_stack + TN__RUN_LAST_STACK - 16);
    else
        tn__raw3(SYS_sigaltstack, (long)&none, 0, 0);
    cpu->alt_owner = NULL;
}

void tn__run_altstack_leave(void)
{
    const struct tn__run_green *owner = tn__run_here()->alt_owner;

    if (owner && (tn__run_is_many || stands_on(owner)))
        tn__run_altstack_unload();
}

void tn__run_altstack_load(struct tn__run_green *green)
{
    if (tn__run_here()->alt_owner == (green->alt.ss_sp ? green : NULL))
        return;
    load(green);
}

/* A program with handlers on large alternate stacks, of signals that come at
 * any time, may have no room for a frame elsewhere: some keep their own stacks
 * of what they compile, as Erlang and Go do. */
static void note(bool *has_one)
{
    bool had_both = has_large && has_handler;

    *has_one = true;
    if (has_large && has_handler && !had_both && !is_shared)
        tn__run_quantum_on_altstack(true);
}

static void look_for_same(const struct tn__run_green *green)
{
    for (struct tn__list *n = tn__run.greens.next; n != &tn__run.greens;
         n = n->next) {
        const struct tn__run_green *other =
            TN_CONTAINER(n, struct tn__run_green, all);

        if (other != green && other->alt.ss_sp == green->alt.ss_sp)
            is_shared = true;
    }
    if (is_shared)
        tn__run_quantum_on_altstack(false);
}

bool tn__run_is_on_shared(const struct tn__run_green *green)
{
    return is_shared && stands_on(green);
}

void tn__run_altstack_handler(int sig)
{
    static const tn__run_set at_once =
        1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1) | 1ull << (SIGILL - 1) |
        1ull << (SIGTRAP - 1) | 1ull << (SIGFPE - 1) | 1ull << (SIGSYS - 1) |
        1ull << (SIGABRT - 1);

    if (sig < 32 && !(at_once & tn__run_bit(sig))) /* or it is libc's own */
        note(&has_handler);
}

static long change(struct tn__run_green *green, stack_t alt)
{
    const int mode = alt.ss_flags & (int)~AUTODISARM;
    stack_t before = green->alt;
    long r;

    if (mode != 0 && mode != SS_ONSTACK && mode != SS_DISABLE)
        return -EINVAL;
    if (mode == SS_DISABLE)
        alt = (stack_t){.ss_flags = SS_DISABLE};
    else if (alt.ss_size < 2048 && green != tn__run.main)
        return -ENOMEM;
    green->alt = alt;
    if (alt.ss_size >= LARGE && !is_shared)
        look_for_same(green);
    r = load(green); /* ENOMEM is the kernel's to find */
    if (r < 0)
        green->alt = before;
    else if (alt.ss_size >= LARGE)
        note(&has_large);
    return r;
}

long tn__run_sigaltstack(struct tn__run_call *c)
{
    struct tn__run_green *green = tn__run_self();
    stack_t alt, before = green->alt;
    bool is_there = is_on(&before, c->uc);
    long r = 0;

    if (!before.ss_sp)
        before.ss_flags = SS_DISABLE;
    else if (is_there)
        before.ss_flags |= SS_ONSTACK;
    if (c->a[0]) {
        if (tn__run_copy(&alt, (const void *)c->a[0], sizeof alt) < 0)
            return -EFAULT;
        r = is_there ? -EPERM : change(green, alt);
    }
    if (r == 0 && c->a[1])
        r = tn__run_copy((void *)c->a[1], &before, sizeof before);
    return r;
}

/* The program returns from a signal frame by itself (our handlers return by
 * tn__run_restore). The kernel shall take from it what we keep. */
long tn__run_rt_sigreturn(struct tn__run_call *c)
{
    struct tn__run_green *green = tn__run_self();
    void *frame;
    ucontext_t *uc;

    TN_ASSERT(c->uc != NULL);
    frame = (void *)c->uc->uc_mcontext.gregs[REG_RSP];
    uc = frame;
    tn__run_mask_set(green, *(tn__run_set *)(void *)&uc->uc_sigmask);
    if (!(uc->uc_stack.ss_flags & SS_DISABLE))
        green->alt = uc->uc_stack;
    tn__run_leave();
    tn__run_frame_settle(green, uc);
    tn__run_sigreturn(frame);
}
