/* SPDX-License-Identifier: MIT */
/* loop/loop.c - opening and closing, the same for every back end. */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/sys.h"
#include "loop/loop.h"

int tn__loop_open(struct tn__loop *l, const struct tn__loop_ops *ops)
{
    int r;

    l->ops = ops;
    l->ep = l->wake_fd = -1;
    l->chunks = tn__sys_map(TN__FD_CHUNKS * sizeof l->chunks[0]);
    if (!l->chunks)
        return -ENOMEM;
    r = ops->open(l);
    if (r < 0) {
        tn__sys_unmap(l->chunks, TN__FD_CHUNKS * sizeof l->chunks[0]);
        l->chunks = NULL;
    }
    return r;
}

static void drop_chunks(struct tn__loop *l)
{
    for (uint32_t i = 0; i < l->chunks_end; i++) {
        if (l->chunks[i])
            tn__sys_unmap(l->chunks[i], TN__FD_CHUNK * sizeof *l->chunks[i]);
        l->chunks[i] = NULL;
    }
    l->chunks_end = 0;
}

void tn__loop_close(struct tn__loop *l)
{
    TN_ASSERT(l->n_parked == 0);
    l->ops->close(l);
    drop_chunks(l);
    tn__sys_unmap(l->chunks, TN__FD_CHUNKS * sizeof l->chunks[0]);
    l->chunks = NULL;
}

void tn__loop_forget(struct tn__loop *l)
{
    drop_chunks(l);
    l->n_parked = l->n_armed = 0;
    l->n_stale = 0;
    l->wake_pending = 0;
}

/* wake() for the back ends that sleep on an eventfd. One write is enough until
 * the loop has read it. */
void tn__loop_wake_by_eventfd(struct tn__loop *l)
{
    const uint64_t one = 1;

    if (!__atomic_exchange_n(&l->wake_pending, 1, __ATOMIC_SEQ_CST))
        tn__sys_write(l->wake_fd, &one, sizeof one);
}

void tn__loop_read_eventfd(struct tn__loop *l)
{
    uint64_t count;

    tn__sys_read(l->wake_fd, &count, sizeof count);
    /* An exchange, not a store: what the hub looks at next must not be read
     * before others can see that they must wake it again. */
    __atomic_exchange_n(&l->wake_pending, 0, __ATOMIC_SEQ_CST);
}
