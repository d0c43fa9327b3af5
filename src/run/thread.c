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

enum { CHUNK = 64, ROBUST_MAX = 1 << 20 };

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
static int last_tid = TN__RUN_TID_MIN - 1;

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

/* ---- beginning ---- */

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
                   const ucontext_t *uc)
{
    const struct tn__run_green *self = tn__run_self();

    green->tid = last_tid = last_tid >= TN__RUN_TID_MAX ? TN__RUN_TID_MIN
                                                        : last_tid + 1;
    green->mask = self->mask;
    tn__list_init(&green->signals);
    tn__list_insert(&tn__run.greens, &green->all);
    for (size_t i = 0; i < sizeof green->name; i++)
        green->name[i] = self->name[i];
    green->regs = *(const struct tn__run_regs *)(const void *)
                      uc->uc_mcontext.gregs;
    green->regs.rax = 0;
    green->regs.rsp = q->top;
    if (q->flags & CLONE_CHILD_CLEARTID)
        green->clear_tid = (uint32_t *)q->child_tid;
    if (q->flags & CLONE_CHILD_SETTID)
        *q->child_tid = green->tid;
    if (q->flags & CLONE_PARENT_SETTID)
        *q->parent_tid = green->tid;
}

/* The rounding and the traps of the caller: those in force are the kernel's
 * own, for a signal handler. They begin a context (switch.S). */
static void inherit_floating_point(void *sp, const ucontext_t *uc)
{
    uint32_t *control = sp;

    control[0] = uc->uc_mcontext.fpregs->mxcsr;
    control[1] = uc->uc_mcontext.fpregs->cwd;
}

static long make(const struct request *q, const ucontext_t *uc)
{
    struct tn__run_green *green = get_block();

    if (!green)
        return -EAGAIN;
    tn__hub_adopt(&tn__run_hub, &green->g);
    green->g.carry.fs_base = q->flags & CLONE_SETTLS
                                 ? (uint64_t)q->tls
                                 : tn__run_self()->g.carry.fs_base;
    set_up(green, q, uc);
    green->g.sp = tn__arch_prepare(NULL, (void *)(q->top & ~15l), begin, green);
    inherit_floating_point(green->g.sp, uc);
    count_one();
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
    if (!(q.flags & CLONE_VM) || !q.top || !c->uc)
        return -EINVAL;
    return make(&q, c->uc);
}

long tn__run_clone3(struct tn__run_call *c)
{
    const struct clone3_args *args = (const void *)c->a[0];
    struct request q = {.flags = args->flags,
                        .top = (long)(args->stack + args->stack_size),
                        .parent_tid = (int *)args->parent_tid,
                        .child_tid = (int *)args->child_tid,
                        .tls = (long)args->tls};

    if (c->a[1] < (long)sizeof *args)
        return -EINVAL;
    if (!(q.flags & CLONE_THREAD))
        return make_process(c, q.flags);
    if (!(q.flags & CLONE_VM) || !args->stack || !c->uc)
        return -EINVAL;
    return make(&q, c->uc);
}

/* ---- the end ---- */

/* The kernel's part at the end of a thread that holds robust mutexes. */
static void give_up(struct tn__run_green *green, struct robust_list *entry,
                    long offset)
{
    uint32_t *word = (uint32_t *)((char *)entry + offset);
    struct tn__run_call wake = {
        .nr = SYS_futex, .a = {(long)word, FUTEX_WAKE, 1, 0, 0, 0}};

    if ((*word & FUTEX_TID_MASK) != (uint32_t)green->tid)
        return;
    *word = (*word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
    tn__run_futex(&wake);
}

static struct robust_list *plain_pointer(struct robust_list *entry)
{
    return (struct robust_list *)((uintptr_t)entry & ~(uintptr_t)1);
}

static void walk_robust_list(struct tn__run_green *green)
{
    struct robust_list_head *head = green->robust;
    struct robust_list *entry, *next;
    long offset;

    if (!head)
        return;
    offset = head->futex_offset;
    entry = head->list.next;
    for (int i = 0; i < ROBUST_MAX && plain_pointer(entry) != &head->list;
         i++) {
        next = plain_pointer(entry)->next;
        if (entry != head->list_op_pending)
            give_up(green, plain_pointer(entry), offset);
        entry = next;
    }
    if (head->list_op_pending)
        give_up(green, plain_pointer(head->list_op_pending), offset);
}

static void tell_joiners(struct tn__run_green *green)
{
    struct tn__run_call wake = {
        .nr = SYS_futex,
        .a = {(long)green->clear_tid, FUTEX_WAKE, INT32_MAX, 0, 0, 0}};

    if (!green->clear_tid)
        return;
    __atomic_store_n(green->clear_tid, 0, __ATOMIC_RELEASE);
    tn__run_futex(&wake);
}

static void drop_altstack(struct tn__run_green *green)
{
    green->alt = (stack_t){0};
    if (tn__run.alt_owner == green)
        tn__run_altstack_load(green);
}

void tn__run_end(int status)
{
    struct tn__run_green *green = tn__run_self();

    if (green == &tn__run.main)
        tn__run.main_status = status;
    walk_robust_list(green);
    tell_joiners(green);
    drop_altstack(green);
    tn__run_signals_drop(green);
    tn__list_remove(&green->all);
    if (--tn__run.counts.alive == 0) {
        tn__run_stats_print();
        tn__raw1(SYS_exit_group, tn__run.main_status);
    }
    tn__run_mask_grow();
    green->g.state = TN_GREENLET_DONE;
    tn__run_hub.n_alive--;
    if (green != &tn__run.main)
        tn__list_insert(&free_blocks, &green->all);
    tn__hub_leave(&tn__run_hub);
}

long tn__run_exit(struct tn__run_call *c)
{
    tn__run_end((int)(c->a[0] & 0xff));
}

long tn__run_yield(struct tn__run_call *c)
{
    (void)c;
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
    return 0;
}

long tn__run_get_robust_list(struct tn__run_call *c)
{
    struct tn__run_green *green =
        c->a[0] ? tn__run_find_tid((int)c->a[0]) : tn__run_self();

    if (!green)
        return -ESRCH;
    *(void **)c->a[1] = green->robust;
    *(size_t *)c->a[2] = sizeof(struct robust_list_head);
    return 0;
}
