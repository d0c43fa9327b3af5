/* SPDX-License-Identifier: MIT */
/* run/fork.c - children that begin as a copy of us.
 *
 * A forked child is green again. The green thread that forked is the main
 * thread of the child and the only one there; what the others were waiting on
 * is dropped, not undone: their blocks are free, and lists that led to them
 * begin anew. The kernel does not hand on Syscall User Dispatch, and an epoll
 * set would still be the parent's, so both are made again. No signal can come
 * meanwhile: the kernel blocks all of them around the fork. Each file of the
 * engine that keeps something about green threads has a function for this,
 * named ..._in_child().
 *
 * A child that shares our memory until it calls exec (vfork, posix_spawn) goes
 * on where the program made the call; this process stands still meanwhile, and
 * is_on is 0, so that the child touches nothing of ours. If it has our stack
 * too, it overwrites the frames of the trap, which are saved before. */
#include "run/run.h"

#include <sched.h>
#include <sys/prctl.h>

/* A call that makes a process, in one form. */
struct request {
    long nr;          /* of what the kernel is asked for */
    long a[6];
    uint64_t args[16]; /* of clone3(), as it is given to the kernel */
    uint64_t flags;
    long top;         /* of the child's own stack; 0: none */
    long tls;
    int *child_tid;
};

/* What the engine may use of the stack below a frame of spawn(). */
enum { STACK_BELOW = 2048 };

/* CLONE_CLEAR_SIGHAND: the child begins with no handlers. */
#define CLEAR_HANDLERS 0x100000000ul

/* The fields of struct clone_args, by number. */
enum {
    ARG_FLAGS = 0,
    ARG_CHILD_TID = 2,
    ARG_STACK = 5,
    ARG_STACK_SIZE = 6,
    ARG_TLS = 7
};

static int read_clone3(struct request *q, const uint64_t *given, size_t bytes)
{
    if (bytes > sizeof q->args)
        return -E2BIG;
    if (tn__run_copy(q->args, given, bytes) < 0)
        return -EFAULT;
    q->flags = q->args[ARG_FLAGS];
    q->args[ARG_FLAGS] &= ~CLEAR_HANDLERS; /* ours would go, too */
    q->child_tid = (int *)q->args[ARG_CHILD_TID];
    q->tls = (long)q->args[ARG_TLS];
    if (q->args[ARG_STACK])
        q->top = (long)(q->args[ARG_STACK] + q->args[ARG_STACK_SIZE]);
    q->args[ARG_STACK] = q->args[ARG_STACK_SIZE] = 0;
    q->a[0] = (long)q->args;
    return 0;
}

/* The child starts on a copy of our stack, whatever stack was asked for: the
 * frame of the trap, which is on ours, takes it there. */
static int read_request(struct request *q, const struct tn__run_call *c)
{
    q->nr = c->nr;
    if (c->nr == SYS_fork || c->nr == SYS_vfork) {
        q->nr = SYS_clone;
        q->flags = SIGCHLD | (c->nr == SYS_vfork ? CLONE_VFORK : 0);
        q->a[0] = (long)q->flags;
        return 0;
    }
    for (int i = 0; i < 6; i++)
        q->a[i] = c->a[i];
    if (c->nr != SYS_clone)
        return read_clone3(q, (const void *)c->a[0], (size_t)c->a[1]);
    q->flags = (uint64_t)c->a[0];
    q->top = c->a[1];
    q->child_tid = (int *)c->a[3];
    q->tls = c->a[4];
    q->a[1] = 0;
    return 0;
}

/* ---- in the child ---- */

/* One kernel thread was copied, which ran the hub and all green threads: the
 * hub's own context is where it last left it, and good. */
static void renew_hub(struct tn__run_green *self)
{
    struct tn_hub *h = &tn__run_hub;

    h->main = &self->g;
    h->tail = NULL;
    h->calls = h->detour = h->n_leavers = 0;
    h->n_alive = 1;
    h->timers.n = h->timers.n_numbers = h->timers.free = 0;
}

static void renew_self(struct tn__run_green *self, const struct request *q)
{
    self->tid = tn__run.pid;
    self->clear_tid = q->flags & CLONE_CHILD_CLEARTID
                          ? (uint32_t *)q->child_tid
                          : NULL;
    self->robust = NULL;
    self->is_poked = false;
    if (q->flags & CLONE_SETTLS)
        self->g.carry.fs_base = tn__run_hub.fs_base = (uint64_t)q->tls;
}

/* The kernel thread of main() goes on as the one that has forked. What it did
 * itself meanwhile is over: it slept, or it was lent to a child. */
static void renew_cpu(void)
{
    struct tn__run_cpu *cpu = tn__run_here();

    cpu->is_alert = 0;
    cpu->is_lent = cpu->is_idle = false;
    cpu->ended = NULL;
}

static void begin_green(const struct request *q)
{
    struct tn__run_green *self = tn__run_self();

    tn__run_hubs_in_child();
    renew_cpu();
    tn__run.pid = (int)tn__raw1(SYS_getpid, 0);
    tn__run.is_first = false;
    tn__run.has_forked = tn__run.is_copy = true;
    tn__run_sched_in_child(self);
    tn__run_stats_in_child();
    tn__run_threads_in_child();
    tn__run_credentials_in_child();
    tn__run_signals_in_child();
    tn__run_futex_in_child();
    tn__run_offload_in_child();
    tn__run_inspect_in_child();
    tn__run_wallclock_in_child();
    tn__run_quantum_in_child();
    tn__run_disk_in_child();
    tn__run_cputime_in_child();
    renew_hub(self);
    renew_self(self, q);
    if (tn__run_fds_in_child() < 0) {
        tn__run_fds_drop();
        tn__run_go_native();
        return;
    }
    tn__run_altstack_load(self);
    tn__run_trap_arm();
}

/* What is the same for a child that is to be native. */
static void begin_child(const struct request *q, struct tn__run_call *c)
{
    struct tn__run_green *self = tn__run_self();

    if (q->top)
        c->uc->uc_mcontext.gregs[REG_RSP] = q->top;
    if (self->name[0])
        tn__raw3(SYS_prctl, PR_SET_NAME, (long)self->name, 0);
    if (q->flags & CLEAR_HANDLERS)
        tn__run_actions_clear();
    if (!(q->flags & CLONE_FILES)) {
        begin_green(q);
        return;
    }
    tn__run_hubs_in_child();
    tn__run_go_native(); /* our descriptors are the parent's, too */
}

/* ---- fork ---- */

/* A frame that the child leaves natively has the mask in it. */
static void set_frame_mask(struct tn__run_call *c)
{
    if (c->uc)
        *(tn__run_set *)(void *)&c->uc->uc_sigmask = tn__run_self()->mask;
}

static long fork_as(struct tn__run_call *c, struct request *q)
{
    tn__run_set mask;
    long r;

    if (q->top && !c->uc)
        return -EINVAL;
    if (tn__run_self()->own)
        return -EPERM;
    tn__run_go_first(); /* if the child is traced, that is by who forks */
    mask = tn__run_here()->kernel_mask;
    tn__run_fds_shared(false);
    set_frame_mask(c);
    tn__run_mask_load(~(tn__run_set)0);
    r = tn__raw(q->nr, q->a[0], q->a[1], q->a[2], q->a[3], q->a[4], q->a[5]);
    if (r != 0) {
        tn__run.has_forked = true;
        tn__run_mask_load(mask);
        return r;
    }
    begin_child(q, c);
    if (tn__run.is_on)
        tn__run_mask_reload();
    else
        tn__run_mask_load(tn__run_self()->mask);
    return 0;
}

long tn__run_fork(struct tn__run_call *c)
{
    struct request q = {0};
    int r = read_request(&q, c);

    return r < 0 ? r : fork_as(c, &q);
}

/* ---- vfork ---- */

/* A child that shares our memory and runs in it alone. The clone() is made by
 * `spawn`, with the arguments of the program. */
static long spawn(struct tn__run_call *c, bool has_own_stack)
{
    struct tn__run_regs *regs = (void *)c->uc->uc_mcontext.gregs;
    tn__run_set kernel_mask = tn__run_here()->kernel_mask;
    const tn__run_set *mask = &tn__run_self()->mask;
    tn__run_set ignored;
    size_t bytes = 0;
    void *save = NULL;
    long r;

    if (!has_own_stack) {
        bytes = (size_t)(regs->rsp - (long)&r) + STACK_BELOW;
        save = tn__sys_map(bytes);
        if (!save)
            return -ENOMEM;
    }
    tn__run_fds_shared(true);
    tn__run_mask_load(~(tn__run_set)0);
    ignored = tn__run_actions_before_exec(); /* its calls are native */
    tn__run_lend();
    r = has_own_stack ? tn__run_spawn(c->nr, c->a, regs, mask)
                      : tn__run_spawn_here(c->nr, c->a, regs, mask, save);
    tn__run_lend_end();
    tn__run_actions_after_exec(ignored);
    tn__run.has_forked = true;
    if (tn__run_is_many)
        tn__run_mask_reload();
    else
        tn__run_mask_load(kernel_mask);
    if (save)
        tn__sys_unmap(save, bytes);
    return r;
}

long tn__run_vfork(struct tn__run_call *c)
{
    struct request q = {0};
    int r = read_request(&q, c);

    if (r < 0)
        return r;
    if (tn__run_self()->own)
        return -EPERM;
    return c->uc ? spawn(c, q.top != 0) : -EINVAL;
}
