/* SPDX-License-Identifier: MIT */
/* hub/watch_child.c - watchers of the end of a child process. */
#include <errno.h>
#include <poll.h>

#include "base/sys.h"
#include "hub/watch.h"
#include "hub/watch_pid.h"

struct child {
    struct tn_watch w;
    struct tn__hub_op call;
    struct tn__pid p; /* while it is active */
    pid_t pid;
    int status;
    int result; /* 0: `status` is its status; -EAGAIN, -ECHILD */
};

static struct child *child_of(struct tn_watch *w)
{
    return TN_CONTAINER(w, struct child, w);
}

static void child_done(struct tn__hub_op *call)
{
    tn__watch_queue(&TN_CONTAINER(call, struct child, call)->w, 0);
}

static void child_close(struct child *c)
{
    if (c->p.fd < 0)
        return;
    if (c->w.hub)
        tn__fd_closing(&c->w.hub->loop, c->p.fd);
    tn__sys_close(c->p.fd);
    c->p.fd = -1;
}

static int child_start(struct tn_watch *w)
{
    struct child *c = child_of(w);
    long r = tn__pid_open(c->pid, &c->p);

    if (r < 0)
        return (int)r;
    c->result = -EAGAIN;
    c->call.fn = child_done;
    c->call.op =
        (struct tn__op){.code = TN__OP_POLL, .fd = c->p.fd, .flags = POLLIN};
    r = tn__loop_submit(&w->hub->loop, &c->call.op);
    if (r == TN__PENDING)
        return 0;
    if (r < 0) {
        child_close(c);
        return (int)r;
    }
    tn__watch_queue(w, 0);
    return 0;
}

static void child_stop(struct tn_watch *w)
{
    struct child *c = child_of(w);

    tn__loop_cancel(&w->hub->loop, &c->call.op);
    child_close(c);
}

static void child_fired(struct tn_watch *w)
{
    struct child *c = child_of(w);

    if (!w->is_active || c->call.op.is_parked)
        return; /* it was only fed */
    c->result = tn__pid_reap(&c->p, &c->status);
    tn__watch_stop(w);
}

/* In the child of a fork nobody has stopped it. */
static void child_free(struct tn_watch *w)
{
    child_close(child_of(w));
}

static const struct tn__watch_ops child_ops = {.start = child_start,
                                               .stop = child_stop,
                                               .fired = child_fired,
                                               .free = child_free};

int tn_watch_child_new(pid_t pid, tn_watch_fn fn, void *arg, tn_watch **ret_w)
{
    int r = pid < 1 ? -EINVAL
                    : tn__watch_make(&child_ops, sizeof(struct child), fn, arg,
                                     ret_w);

    if (r < 0)
        return r;
    child_of(*ret_w)->pid = pid;
    child_of(*ret_w)->p.fd = -1;
    child_of(*ret_w)->result = -EAGAIN;
    return 0;
}

int tn_watch_child_status(const tn_watch *w, int *ret_status)
{
    const struct child *c = TN_CONTAINER(w, const struct child, w);

    if (!w || w->ops != &child_ops || !ret_status)
        return -EINVAL;
    if (c->result == 0)
        *ret_status = c->status;
    return c->result;
}
