/* SPDX-License-Identifier: MIT */
/* run/patch.c - hot system call sites are rewritten, and trap no more.
 *
 * A trap costs more than a microsecond. A site that has trapped a few times has
 * the one instruction before its `syscall` replaced by a jump to a stub
 * (stub.c), which does that instruction and calls us:
 *
 *     mov  $202, %eax        jmp  stub
 *     syscall                syscall
 *     cmp  $-4096, %rax      cmp  $-4096, %rax
 *
 * One instruction becomes one other, and the `syscall` is left as it is. So all
 * boundaries of instructions stay, and with them every target of a jump: code
 * that jumps to the `syscall` traps, and is right. A thread that was stopped
 * anywhere goes on rightly: nobody can be within one instruction. And a call
 * that needs the trap, or the child of a vfork(), goes to the `syscall` itself.
 * Rejected: a jump over both instructions (the study did that); it breaks jumps
 * to the second, and each branch of the function would have to be known.
 *
 * The instruction before is found by decode.c, which proves it or refuses.
 * Patched is only text of files. It is made writable for a moment; where that
 * is refused (SELinux, PR_SET_MDWE), the site goes on to trap. The copy is this
 * process's own; forked children inherit it with everything here.
 *
 * A site whose call makes a process, or returns from a handler, traps: what the
 * kernel has put on the stack is part of that. */
#include "run/patch.h"

#include <sched.h>
#include <sys/mman.h>

#ifndef SYS_clone3
# define SYS_clone3 435
#endif

enum {
    SITES = 4096, PROBES = 8, HOT = 4, /* traps, until a site is patched */
    TEXTS = 64, PAGE = 4096, BEFORE = 64, RED_ZONE = 128
};

enum { COUNTING, PATCHED, REFUSED };

/* The address of a site that is none any more; its place may be taken. */
#define FORGOTTEN 1L

struct site {
    long at;       /* of its system call instruction; 0: free */
    long stub;
    uint16_t traps;
    uint8_t state;
};

static struct site sites[SITES];
static struct tn__run_range texts[TEXTS]; /* known to be text of files */
static int n_texts;
static bool is_on;

void tn__run_patch_init(void)
{
    is_on = (tn__run.ways & TN__RUN_WAY_PATCH) && tn__run_vectors_init();
}

/* ---- what is known ---- */

/* Its entry, which is made if there is none. NULL: no room. */
static struct site *site_of(long at)
{
    uint64_t hash = (uint64_t)at * 0x9e3779b97f4a7c15u >> 52;
    struct site *empty = NULL;

    for (uint64_t i = 0; i < PROBES; i++) {
        struct site *s = &sites[(hash + i) % SITES];

        if (s->at == at)
            return s;
        if (s->at <= FORGOTTEN && !empty)
            empty = s;
        if (s->at == 0)
            break;
    }
    if (empty)
        *empty = (struct site){.at = at};
    return empty;
}

static bool find_text(long at, struct tn__run_range *ret)
{
    for (int i = 0; i < n_texts; i++)
        if (at >= texts[i].start && at < texts[i].end) {
            *ret = texts[i];
            return true;
        }
    if (!tn__run_maps_text(at, ret))
        return false;
    texts[n_texts == TEXTS ? 0 : n_texts++] = *ret;
    return true;
}

static void forget_sites(long start, long end)
{
    for (int i = 0; i < SITES; i++) {
        struct site *s = &sites[i];

        if (s->at < start || s->at >= end)
            continue;
        if (s->state == PATCHED) {
            tn__run_stub_drop(s->stub);
            tn__run.counts.sites_patched--;
        }
        *s = (struct site){.at = FORGOTTEN};
    }
}

void tn__run_patch_forget(long start, long end)
{
    for (int i = 0; i < n_texts;) {
        if (texts[i].end <= start || texts[i].start >= end) {
            i++;
            continue;
        }
        texts[i] = texts[--n_texts];
        forget_sites(start, end);
    }
}

long tn__run_munmap(struct tn__run_call *c)
{
    long r;

    if (TN_UNLIKELY(tn__run_keep_stack(c->a[0], c->a[1])))
        return 0;
    r = tn__run_kernel(c);

    if (r == 0)
        tn__run_patch_forget(c->a[0], c->a[0] + c->a[1]);
    return r;
}

/* Each stack of a thread takes two mappings: that is what ends first. */
static long map(struct tn__run_call *c)
{
    enum { LARGE = 512 * 1024 };
    bool is_read = c->nr == SYS_mmap && c->a[1] > LARGE &&
                   (c->a[3] & (MAP_POPULATE | MAP_LOCKED)); /* all of it */
    long r = TN_UNLIKELY(is_read) ? tn__run_offload_quick(c)
                                  : tn__run_kernel(c);

    if (TN_UNLIKELY(r == -ENOMEM))
        tn__run.counts.maps_refused++;
    return r;
}

/* What we know as text may be writable now: it is looked at again. Sites that
 * are patched stay so. */
static void look_again(long start, long end)
{
    for (int i = 0; i < n_texts;)
        if (texts[i].end <= start || texts[i].start >= end)
            i++;
        else
            texts[i] = texts[--n_texts];
}

long tn__run_mprotect(struct tn__run_call *c)
{
    long r = map(c);

    if (r == 0)
        look_again(c->a[0], c->a[0] + c->a[1]);
    return r;
}

long tn__run_mmap(struct tn__run_call *c)
{
    long r = map(c);

    if ((c->a[3] & MAP_FIXED) && r == c->a[0])
        tn__run_patch_forget(r, r + c->a[1]);
    return r;
}

/* ---- patching ---- */

/* Write `n` of these bytes to text, while no other kernel thread runs. PATCHED;
 * REFUSED: it cannot be made writable; COUNTING: not now. */
static int write_text(long at, const uint8_t *bytes, int n)
{
    long page = at & -PAGE, size = (at + n - page + PAGE - 1) & -PAGE;
    volatile uint8_t *to = (volatile uint8_t *)at;
    int state = REFUSED;

    if (!tn__run_stop_others())
        return COUNTING;
    if (tn__raw3(SYS_mprotect, page, size,
                 PROT_READ | PROT_WRITE | PROT_EXEC) == 0) {
        for (int i = 0; i < n; i++)
            to[i] = bytes[i];
        tn__raw3(SYS_mprotect, page, size, PROT_READ | PROT_EXEC);
        state = PATCHED;
    }
    tn__run_resume_others();
    return state;
}

static bool is_syscall(const uint8_t *at)
{
    return at[0] == 0x0f && at[1] == 0x05;
}

/* The state that it then has. */
static int patch(struct site *s)
{
    struct tn__run_range text;
    struct tn__run_insn insn;
    const uint8_t *at = (const uint8_t *)s->at;
    uint8_t jump[TN__RUN_JUMP_BYTES];
    int n, state;

    if (!find_text(s->at, &text) || text.start > s->at - BEFORE ||
        text.end < s->at + TN__RUN_JUMP_BYTES || !is_syscall(at))
        return REFUSED;
    if (!tn__run_decode_before(at, BEFORE, &insn) || insn.is_branch ||
        insn.len < 2)
        return REFUSED;
    s->stub = tn__run_stub_make(s->at, &insn);
    if (!s->stub)
        return REFUSED;
    n = insn.len < TN__RUN_JUMP_BYTES ? insn.len : TN__RUN_JUMP_BYTES;
    tn__run_stub_jump(s->at - insn.len, s->stub, jump);
    state = write_text(s->at - insn.len, jump, n);
    if (state != PATCHED)
        tn__run_stub_drop(s->stub);
    return state;
}

/* A clone() or clone3() that makes a thread. */
static bool makes_thread(long nr, const long a[6])
{
    uint64_t flags = (uint64_t)a[0];

    if (nr == SYS_clone3 &&
        tn__run_copy(&flags, (const void *)a[0], sizeof flags) != 0)
        return false;
    return flags & CLONE_THREAD;
}

/* Processes that are made, and ends of handlers: the frame that the kernel has
 * built on the stack of the caller is part of them. */
static bool needs_trap(long nr, const long a[6])
{
    switch (nr) {
    case SYS_clone:
    case SYS_clone3:
        return !makes_thread(nr, a);
    case SYS_fork:
    case SYS_vfork:
    case SYS_rt_sigreturn:
        return true;
    default:
        return false;
    }
}

static void count(struct site *s)
{
    if (!s || s->state != COUNTING || ++s->traps < HOT)
        return;
    s->traps = 0;
    s->state = (uint8_t)patch(s);
    tn__run.counts.sites_patched += s->state == PATCHED;
    tn__run.counts.sites_refused += s->state == REFUSED;
}

void tn__run_patch_trapped(const struct tn__run_call *c)
{
    if (!is_on || needs_trap(c->nr, c->a))
        return;
    tn__run_begin();
    count(site_of(c->pc - TN__RUN_SYSCALL_BYTES));
    tn__run_unlock();
}

/* ---- a call ---- */

/* What a thread begins with that is made by this call. */
static void collect(const struct tn__run_patched *p, struct tn__run_regs *ret)
{
    *ret = (struct tn__run_regs){
        .rax = p->nr, .rbx = p->rbx, .rcx = p->pc, .rdx = p->a[2],
        .rsi = p->a[1], .rdi = p->a[0], .rbp = p->rbp,
        .rsp = (long)(p + 1) + RED_ZONE, .r8 = p->a[4], .r9 = p->a[5],
        .r10 = p->a[3], .r11 = p->flags, .r12 = p->r12, .r13 = p->r13,
        .r14 = p->r14, .r15 = p->r15, .rip = p->pc, .eflags = p->flags};
}

bool tn__run_patched(struct tn__run_patched *p, struct tn__run_vectors *v)
{
    struct tn__run_regs regs;
    struct tn__run_call c = {
        .nr = p->nr,
        .a = {p->a[0], p->a[1], p->a[2], p->a[3], p->a[4], p->a[5]},
        .pc = p->pc,
        .vectors = v};

    if (TN_UNLIKELY(!tn__run_is_on() || tn__run_is_inside() ||
                    needs_trap(c.nr, c.a)))
        return false;
    if (TN_UNLIKELY(c.nr == SYS_clone || c.nr == SYS_clone3)) {
        collect(p, &regs);
        c.regs = &regs;
    }
    v->saved = 0;
    tn__run_here()->calls.by_patch++;
    p->nr = tn__run_syscall(&c);
    if (v->saved)
        tn__run_vectors_load(v);
    return true;
}
