/* SPDX-License-Identifier: MIT */
/* run/aio.c - the kernel's own ways to do I/O in the background: its AIO, and
 * io_uring. What waits for the end of some I/O must not stop the hub.
 *
 * What a ring of io_uring has to say can be polled for. What is submitted
 * belongs to the kernel thread that did it, and is lost when that ends: helpers
 * never submit. A ring that the program has registered (so that it needs no
 * descriptor) has no number to poll: that is refused, and liburing goes on
 * without. One that leaves its results until somebody waits in the kernel
 * (DEFER_TASKRUN) tells no poll of them: it is made without. AIO has nothing to
 * poll; a helper waits. */
#include "run/run.h"

#include <poll.h>

/* ---- AIO ---- */

/* How the kernel's ring of results begins, which is the context's number. */
struct ring {
    uint32_t id, n, head, tail, magic;
};

/* So many results are there already. */
static bool has_results(long context, long wanted)
{
    enum { MAGIC = (int)0xa10a10a1 };
    struct ring ring;

    if (tn__run_copy(&ring, (const void *)context, sizeof ring) < 0 ||
        ring.magic != (uint32_t)MAGIC || ring.n == 0)
        return true; /* the call says what is wrong */
    return (long)((ring.tail + ring.n - ring.head) % ring.n) >= wanted;
}

static bool is_over(const struct timespec *t)
{
    struct timespec own;

    return t && (tn__run_copy(&own, t, sizeof own) < 0 ||
                 (own.tv_sec == 0 && own.tv_nsec == 0));
}

long tn__run_io_getevents(struct tn__run_call *c)
{
    if (is_over((const void *)c->a[4]) || has_results(c->a[0], c->a[1]))
        return tn__run_kernel(c);
    return tn__run_offload(c);
}

long tn__run_io_pgetevents(struct tn__run_call *c)
{
    struct tn__run_call now = *c;
    struct {
        const tn__run_set *mask;
        size_t bytes;
    } with = {NULL, 0};
    tn__run_set mask;
    long r = 0;

    now.nr = SYS_io_getevents;
    now.a[5] = 0;
    if (c->a[5] && tn__run_copy(&with, (const void *)c->a[5], sizeof with) < 0)
        return -EFAULT;
    if (with.mask) {
        if (tn__run_copy(&mask, with.mask, sizeof mask) < 0)
            return -EFAULT;
        r = tn__run_mask_borrow(&mask, with.bytes);
    }
    if (r == 0)
        r = tn__run_io_getevents(&now);
    tn__run_mask_give_back(r);
    return r;
}

/* With O_DIRECT it does not wait, and else it does all of the I/O. After a slow
 * one, the next ones are made by helpers: AIO belongs to the process. */
long tn__run_io_submit(struct tn__run_call *c)
{
    static struct tn__run_pace pace;

    return tn__run_pace_is_slow(&pace) ? tn__run_offload_quick(c)
                                       : tn__run_paced(c, &pace);
}

/* ---- io_uring ---- */

enum {
    GETEVENTS = 1,
    SQ_WAIT = 4,
    EXT_ARG = 8,
    REGISTERED = 16,
    ABS_TIMER = 32,
    SETUP_IOPOLL = 1,
    SETUP_SQPOLL = 2,
    SETUP_COOP_TASKRUN = 1 << 8,
    SETUP_SINGLE_ISSUER = 1 << 12,
    SETUP_DEFER_TASKRUN = 1 << 13,
    REGISTER_RING_FDS = 20
};

/* How the kernel's struct io_uring_params begins. */
struct params {
    uint32_t sq_entries, cq_entries, flags;
};

/* What EXT_ARG points to. */
struct ext_arg {
    const tn__run_set *mask;
    uint32_t mask_bytes, min_wait_us;
    const struct timespec *timeout;
};

static bool has_iopoll; /* a ring that only who waits in the kernel drives */

/* The flags that the kernel is given for those of the program. It would look
 * at the kernel thread where the ring's own thread is meant, which may be on
 * any of ours. */
static uint32_t setup_flags(uint32_t given)
{
    uint32_t flags = given & ~(uint32_t)SETUP_SINGLE_ISSUER;

    if (!(given & SETUP_DEFER_TASKRUN))
        return flags;
    if (flags == given || (given & SETUP_SQPOLL))
        return given; /* the call says what is wrong */
    return (flags & ~(uint32_t)SETUP_DEFER_TASKRUN) | SETUP_COOP_TASKRUN;
}

/* io_uring_setup() */
long tn__run_uring_setup(struct tn__run_call *c)
{
    uint32_t *flags = &((struct params *)c->a[1])->flags;
    uint32_t given, made;
    long r;

    if (tn__run_copy(&given, flags, sizeof given) < 0)
        return tn__run_new(c);
    made = setup_flags(given);
    if (made != given && tn__run_copy(flags, &made, sizeof made) < 0)
        return -EFAULT;
    r = tn__run_new(c);
    if (made != given)
        tn__run_copy(flags, &given, sizeof given);
    if (r >= 0 && (given & SETUP_IOPOLL))
        has_iopoll = true;
    return r;
}

/* io_uring_register() */
long tn__run_uring_register(struct tn__run_call *c)
{
    return c->a[1] == REGISTER_RING_FDS ? -EINVAL : tn__run_kernel(c);
}

/* The call, to hand over what is to be submitted or to see what is done, and
 * not to wait. */
static long enter_now(const struct tn__run_call *c, long n_submit, long flags)
{
    return tn__raw(c->nr, c->a[0], n_submit, 0, flags & ~(long)EXT_ARG, 0, 0);
}

/* What the program gives: a mask, a timeout. */
static long read_arg(struct tn__run_call *c, struct ext_arg *arg)
{
    struct timespec timeout;

    *arg = (struct ext_arg){.mask = (const void *)c->a[4],
                            .mask_bytes = (uint32_t)c->a[5]};
    if (c->a[3] & EXT_ARG) {
        if (c->a[5] < (long)sizeof *arg)
            return -EINVAL;
        if (tn__run_copy(arg, (const void *)c->a[4], sizeof *arg) < 0)
            return -EFAULT;
    }
    if (c->has_deadline)
        return 0;
    c->deadline = TN_FOREVER;
    c->has_deadline = true;
    if (!arg->timeout)
        return 0;
    if (tn__run_copy(&timeout, arg->timeout, sizeof timeout) < 0)
        return -EFAULT;
    return tn__run_deadline(&timeout, c->a[3] & ABS_TIMER, &c->deadline);
}

/* Until there is at least one result. */
static long wait_for_one(const struct tn__run_call *c)
{
    struct pollfd p = {(int)c->a[0], POLLIN, 0};

    for (;;) {
        long r = enter_now(c, 0, c->a[3] & ~(long)SQ_WAIT);

        if (r < 0)
            return r;
        if (tn__sys_poll_now(&p, 1) > 0)
            return 0;
        r = tn__run_wait_fd(p.fd, POLLIN, c->deadline, "io_uring_enter");
        if (r <= 0)
            return r < 0 ? r : -ETIME;
    }
}

/* More than one: the kernel counts, on a helper unless the ring is for one
 * thread only. */
static long wait_for_many(const struct tn__run_call *c)
{
    struct tn__run_call now = *c;
    long r;

    now.a[1] = 0;
    r = tn__run_offload(&now);
    return r == -EEXIST ? tn__run_kernel(&now) : r;
}

static long wait_masked(struct tn__run_call *c)
{
    struct ext_arg arg;
    tn__run_set mask;
    long r = read_arg(c, &arg);

    if (r == 0 && arg.mask) {
        if (tn__run_copy(&mask, arg.mask, sizeof mask) < 0)
            return -EFAULT;
        r = tn__run_mask_borrow(&mask, arg.mask_bytes);
    }
    if (r == 0)
        r = c->a[2] == 1 ? wait_for_one(c) : wait_for_many(c);
    tn__run_mask_give_back(r);
    return r;
}

/* io_uring_enter() */
long tn__run_uring_enter(struct tn__run_call *c)
{
    long n_submitted = 0, r;

    if (tn__run.counts.alive == 1 || !(c->a[3] & GETEVENTS) || c->a[2] == 0 ||
        (c->a[3] & REGISTERED) || has_iopoll)
        return tn__run_kernel(c);
    if (c->a[1]) {
        n_submitted = enter_now(c, c->a[1], c->a[3] & ~(long)GETEVENTS);
        if (n_submitted != c->a[1])
            return n_submitted;
    }
    r = wait_masked(c);
    return n_submitted ? n_submitted : r;
}
