/* SPDX-License-Identifier: MIT */
/* run/thread.c - a thread is a clone() that never reaches the kernel.
 *
 * libc has made the stack and the thread's control block; clone() says where
 * they are. We take the registers of the caller as the trap has saved them,
 * with 0 as the result and the new stack, and put a green thread with these
 * into the run queue. libc's own code then starts the thread, and ends it by
 * exit(2), where we do the kernel's part: the robust list, the word that
 * joiners wait on. No layout of libc's is known here.
 *
 * Blocks of green threads come from chunks that are never given back. */
#include "run/run.h"

#include <linux/futex.h>
#include <sched.h>

#include "arch/arch.h"

enum { CHUNK = 64 };

/* What clone() and clone3() say, in one form. */
struct request {
    uint64_t flags;
    long top; /* of the new stack */
    long tls;
    int *parent_tid, *child_tid;
};

/* The kernel's struct clone_args, its first version. */
struct clone3_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack,
        stack_size, tls;
};

static struct tn__list free_blocks; /* by tn__run_green.all; zero: not yet */
static int last_tid; /* 0: none was given yet */

static struct tn__run_green *get_block(void)
{
    struct tn__run_green *green;

    if (!free_blocks.next)
        tn__list_init(&free_blocks);
    if (tn__list_is_empty(&free_blocks)) {
        green = tn__sys_map(CHUNK * sizeof *green);
        if (!green)
            return NULL;
        for (int i = 0; i < CHUNK; i++)
            tn__list_insert(&free_blocks, &green[i].all);
    }
    green = TN_CONTAINER(free_blocks.next, struct tn__run_green, all);
    tn__list_remove(&green->all);
    *green = (struct tn__run_green){0};
    return green;
}

struct tn__run_green *tn__run_find_tid(int tid)
{
    for (struct tn__list *n = tn__run.greens.next; n != &tn__run.greens;
         n = n->next) {
        struct tn__run_green *green =
            TN_CONTAINER(n, struct tn__run_green, all);

        if (green->tid == tid)
            return green;
    }
    return NULL;
}

void tn__run_threads_in_child(void)
{
    struct tn__list *gone = &tn__run.greens, *free = &free_blocks;
    struct tn__run_green *self = tn__run_self();

    if (!free->next)
        tn__list_init(free);
    tn__list_remove(&self->all);
    tn__list_remove(&tn__run.first.all);
    if (!tn__list_is_empty(gone)) { /* they go at the end of the other list */
        gone->next->prev = free->prev;
        free->prev->next = gone->next;
        gone->prev->next = free;
        free->prev = gone->prev;
    }
    tn__list_init(gone);
    tn__list_insert(gone, &self->all);
    tn__run.main = self;
    last_tid = 0;
}

/* ---- beginning ---- */

/* Mutexes that processes share have the numbers of their owners in them. So
 * each process begins elsewhere. */
static int next_tid(void)
{
    static const uint32_t n = TN__RUN_TID_MAX - TN__RUN_TID_MIN;

    if (last_tid == 0)
        last_tid = TN__RUN_TID_MIN +
                   (int)((uint32_t)tn__run.pid * 0x9e3779b1u % n);
    last_tid = last_tid >= TN__RUN_TID_MAX ? TN__RUN_TID_MIN : last_tid + 1;
    return last_tid;
}

/* Where a new green thread begins, on the stack that clone() has named. */
static void begin(void *arg)
{
    struct tn__run_green *green = arg;

    tn__run_leave();
    tn__run_enter(&green->regs);
}

static void count_one(void)
{
    struct tn__run_counts *n = &tn__run.counts;

    n->threads++;
    if (++n->alive > n->alive_most)
        n->alive_most = n->alive;
}

static void set_up(struct tn__run_green *green, const struct request *q,
                   const struct tn__run_regs *regs)
{
    const struct tn__run_green *self = tn__run_self();

    green->tid = next_tid();
    tn__run_sched_inherit(green, self);
    green->mask = self->mask;
    tn__list_init(&green->signals);
    tn__list_insert(&tn__run.greens, &green->all);
    for (size_t i = 0; i < sizeof green->name; i++)
        green->name[i] = self->name[i];
    green->regs = *regs;
    green->regs.rax = 0;
    green->regs.rsp = q->top;
    if (q->flags & CLONE_CHILD_CLEARTID)
        green->clear_tid = (uint32_t *)q->child_tid;
    if (q->flags & CLONE_CHILD_SETTID)
        tn__run_copy(q->child_tid, &green->tid, sizeof green->tid);
    if (q->flags & CLONE_PARENT_SETTID)
        tn__run_copy(q->parent_tid, &green->tid, sizeof green->tid);
}

/* The rounding and the traps of the caller. They begin a context (switch.S).
 * Those in force are the kernel's own, in the handler of a trap. */
static void inherit_floating_point(void *sp, const ucontext_t *uc)
{
    uint32_t *control = sp;

    control[0] = uc->uc_mcontext.fpregs->mxcsr;
    control[1] = uc->uc_mcontext.fpregs->cwd;
}

static long make(const struct request *q, const struct tn__run_call *c)
{
    struct tn__run_green *green;

    if (tn__run_self()->own)
        return -EPERM; /* it would be as the process, not as its maker */
    tn__run_hubs_start();
    green = get_block();
    if (!green)
        return -EAGAIN;
    tn__hub_adopt(&tn__run_hub, &green->g);
    tn__run_inspect_open();
    green->g.carry.fs_base = q->flags & CLONE_SETTLS
                                 ? (uint64_t)q->tls
                                 : tn__run_self()->g.carry.fs_base;
    set_up(green, q, c->regs);
    green->g.sp = tn__arch_prepare(NULL, (void *)(q->top & ~15L), begin, green);
    if (c->uc)
        inherit_floating_point(green->g.sp, c->uc);
    count_one();
    if (TN_UNLIKELY(!tn__run_here()->is_ticking))
        tn__run_quantum_start();
    tn__hub_ready(&tn__run_hub, &green->g);
    return green->tid;
}

/* A clone() that is not a thread of ours. */
static long make_process(struct tn__run_call *c, uint64_t flags)
{
    if (!(flags & CLONE_VM))
        return tn__run_fork(c);
    if (flags & CLONE_VFORK)
        return tn__run_vfork(c);
    /* Another kernel thread in our memory, but not of our process: nobody
     * could tell its calls from ours. */
    return -ENOSYS;
}

long tn__run_clone(struct tn__run_call *c)
{
    struct request q = {.flags = (uint64_t)c->a[0],
                        .top = c->a[1],
                        .parent_tid = (int *)c->a[2],
                        .child_tid = (int *)c->a[3],
                        .tls = c->a[4]};

    if (!(q.flags & CLONE_THREAD))
        return make_process(c, q.flags);
    if (!(q.flags & CLONE_VM) || !q.top || !c->regs)
        return -EINVAL;
    return make(&q, c);
}

long tn__run_clone3(struct tn__run_call *c)
{
    enum { LARGEST = 4096 };
    struct clone3_args args;
    struct request q;

    if ((size_t)c->a[1] > LARGEST)
        return -E2BIG;
    if ((size_t)c->a[1] < sizeof args)
        return -EINVAL;
    if (tn__run_copy(&args, (const void *)c->a[0], sizeof args) < 0)
        return -EFAULT;
    q = (struct request){.flags = args.flags,
                         .top = (long)(args.stack + args.stack_size),
                         .parent_tid = (int *)args.parent_tid,
                         .child_tid = (int *)args.child_tid,
                         .tls = (long)args.tls};
    if (!(q.flags & CLONE_THREAD))
        return make_process(c, q.flags);
    if (!(q.flags & CLONE_VM) || !args.stack || !c->regs)
        return -EINVAL;
    return make(&q, c);
}

/* ---- the end ---- */

static void tell_joiners(struct tn__run_green *green)
{
    static const uint32_t none;
    struct tn__run_call wake = {
        .nr = SYS_futex,
        .a = {(long)green->clear_tid, FUTEX_WAKE, INT32_MAX, 0, 0, 0}};

    if (!green->clear_tid)
        return;
    if (green != tn__run.main) /* nobody waits for a number of ours outside */
        wake.a[1] |= FUTEX_PRIVATE_FLAG;
    if (tn__run_copy(green->clear_tid, &none, sizeof none) == 0)
        tn__run_futex(&wake);
}

static void drop_altstack(struct tn__run_green *green)
{
    if (tn__run_here()->alt_owner == green)
        tn__run_altstack_unload();
    green->alt = (stack_t){0};
    tn__run_altstack_forget(green);
}

bool tn__run_keep_stack(long start, long bytes)
{
    struct tn__run_green *green = tn__run_self();
    long here = (long)&green;

    if (here < start || here - start >= bytes || green == tn__run.main ||
        (start & 4095))
        return false;
    green->unmap = (char *)start;
    green->unmap_bytes = (size_t)bytes;
    return true;
}

/* On the stack that is left over for this. */
static void unmap_and_leave(void)
{
    struct tn__run_green *green = tn__run_self();

    tn__sys_unmap(green->unmap, green->unmap_bytes);
    tn__hub_leave(&tn__run_hub);
}

_Noreturn static void leave_unmapped(void)
{
    char *top = tn__run_here()->last_stack + TN__RUN_LAST_STACK - 8;

    __asm__ volatile("movq %0, %%rsp\n\tjmpq *%1"
                     :
                     : "r"(top), "r"(unmap_and_leave)
                     : "memory");
    __builtin_unreachable();
}

static void put_block(struct tn__run_green *green)
{
    if (green != &tn__run.first && green != tn__run.main)
        tn__list_insert(&free_blocks, &green->all);
}

void tn__run_thread_gone(struct tn__run_green *green)
{
    if (green->unmap_bytes)
        tn__sys_unmap(green->unmap, green->unmap_bytes);
    tell_joiners(green);
    put_block(green);
}

void tn__run_end(int status)
{
    struct tn__run_green *green = tn__run_self();

    if (green == tn__run.main)
        tn__run.main_status = status;
    tn__run_mask_prepare(green, ~(tn__run_set)0);
    tn__run_robust_give_up(green);
    if (!tn__run_is_many)
        tell_joiners(green);
    drop_altstack(green);
    tn__run_offload_drop(green);
    tn__run_signals_drop(green);
    tn__list_remove(&green->all);
    if (--tn__run.counts.alive == 0) {
        tn__run_stats_print();
        tn__run_inspect_close();
        tn__raw1(SYS_exit_group, tn__run.main_status);
    }
    tn__run_mask_grow();
    green->g.state = TN_GREENLET_DONE;
    tn__run_hub.n_alive--;
    if (tn__run_is_many)
        tn__run_leave_stack(green);
    put_block(green);
    if (green->unmap_bytes)
        leave_unmapped();
    tn__hub_leave(&tn__run_hub);
}

long tn__run_exit(struct tn__run_call *c)
{
    tn__run_end((int)(c->a[0] & 0xff));
}

/* To who is ready here, else to other processes: they may be what it waits for,
 * and of a real-time policy nothing else lets them run. */
long tn__run_yield(struct tn__run_call *c)
{
    if (!tn__run_hub.tail)
        return tn__run_kernel(c);
    tn__hub_yield(&tn__run_hub);
    return 0;
}

long tn__run_set_tid_address(struct tn__run_call *c)
{
    tn__run_self()->clear_tid = (uint32_t *)c->a[0];
    return tn__run_self()->tid;
}

long tn__run_set_robust_list(struct tn__run_call *c)
{
    if (c->a[1] != (long)sizeof(struct robust_list_head))
        return -EINVAL;
    tn__run_self()->robust = (void *)c->a[0];
    /* The kernel knows main's, for when the process is killed. */
    return tn__run_self() == tn__run.main ? tn__run_kernel(c) : 0;
}

long tn__run_get_robust_list(struct tn__run_call *c)
{
    struct tn__run_green *green =
        c->a[0] ? tn__run_find_tid((int)c->a[0]) : tn__run_self();
    size_t bytes = sizeof(struct robust_list_head);

    if (!green)
        return tn__run_kernel(c);
    if (tn__run_copy((void *)c->a[2], &bytes, sizeof bytes) < 0)
        return -EFAULT;
    return tn__run_copy((void *)c->a[1], &green->robust,
                        sizeof green->robust);
}
