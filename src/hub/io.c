/* SPDX-License-Identifier: MIT */
/* hub/io.c - an operation on a descriptor, as a wait of the current greenlet.
 * The only file in which greenlets and loop operations touch. */
#include <errno.h>

#include "base/assert.h"
#include "hub/hub.h"
#include "hub/switch.h"
#include "hub/timeout.h"

/* The loop's: an operation that was parked is done. */
void tn__hub_complete(struct tn__op *op)
{
    if (TN_UNLIKELY(!op->owner)) {
        struct tn__hub_op *call = TN_CONTAINER(op, struct tn__hub_op, op);

        call->fn(call);
        return;
    }
    if (op->any_done)
        *op->any_done = 1;
    tn__hub_wake(op->owner);
}

long tn__hub_io(struct tn_hub *h, struct tn__op *op, tn_time deadline,
                const char *what)
{
    struct tn_greenlet *g = h->current;
    long r;

    if (TN_UNLIKELY(g->alert)) {
        r = tn__hub_alert(h, g, deadline);
        if (r)
            return r;
    }
    op->owner = g;
    op->any_done = NULL;
    op->mode = deadline == TN_NOWAIT ? TN__OP_NOWAIT : 0;
    r = tn__loop_submit(&h->loop, op);
    if (r != TN__PENDING) {
        tn__hub_tick(h);
        return r;
    }
    r = tn__hub_park_inline(h, &op->is_done, deadline, what, op->fd);
    if (r < 0) {
        tn__loop_cancel(&h->loop, op);
        return r;
    }
    return op->result;
}

/* Submit all; none is parked any more once one is done at once. Returns how
 * many are done, or an error. */
static long submit_all(struct tn_hub *h, struct tn__op *ops, size_t n,
                       uint8_t *any_done)
{
    long n_done = 0;

    for (size_t i = 0; i < n; i++) {
        struct tn__op *op = &ops[i];
        long r;

        if (op->fd < 0)
            continue;
        op->owner = h->current;
        op->any_done = any_done;
        op->mode &= (uint8_t)~TN__OP_NOWAIT; /* of an earlier call */
        if (!any_done || n_done > 0)
            op->mode = TN__OP_NOWAIT;
        r = tn__loop_submit(&h->loop, op);
        if (r == TN__PENDING || r == -EAGAIN)
            continue;
        if (r < 0)
            return r;
        op->result = r;
        op->is_done = 1;
        n_done++;
    }
    return n_done;
}

/* Take back what is still parked of the first n. Returns how many are done. */
static long gather(struct tn_hub *h, struct tn__op *ops, size_t n)
{
    long n_done = 0;

    for (size_t i = 0; i < n; i++) {
        if (ops[i].fd < 0)
            continue;
        tn__loop_cancel(&h->loop, &ops[i]);
        n_done += ops[i].is_done;
    }
    return n_done;
}

long tn__hub_poll(struct tn_hub *h, struct tn__op *ops, size_t n,
                  tn_time deadline, const char *what)
{
    struct tn_greenlet *g = h->current;
    uint8_t any_done = 0;
    long n_done, r;

    if (TN_UNLIKELY(g->alert)) {
        r = tn__hub_alert(h, g, deadline);
        if (r)
            return r;
    }
    for (size_t i = 0; i < n; i++)
        ops[i].is_done = ops[i].is_parked = 0;
    r = submit_all(h, ops, n, deadline == TN_NOWAIT ? NULL : &any_done);
    if (r != 0 || deadline == TN_NOWAIT) {
        gather(h, ops, n);
        tn__hub_tick(h);
        return r;
    }
    r = tn__hub_park(h, &any_done, deadline, what, n == 1 ? ops[0].fd : -1);
    n_done = gather(h, ops, n);
    if (n_done)
        return n_done;
    if (r == -ETIME && !(g->alert && tn__timeout_interrupt(h, g)))
        return 0;
    return r;
}
