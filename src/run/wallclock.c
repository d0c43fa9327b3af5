/* SPDX-License-Identifier: MIT */
/* run/wallclock.c - waits until a time by a clock that can be set.
 *
 * The hub's timers run by CLOCK_MONOTONIC. A wait until a time by
 * CLOCK_REALTIME, CLOCK_TAI or CLOCK_BOOTTIME has a deadline on that as of when
 * it began. When the clock is set, or the machine was suspended, all of these
 * are computed anew. The kernel tells us by a timerfd, which the hub watches
 * from the first such wait on. Where there is none, for want of a descriptor,
 * they end when they would have.
 *
 * There is no list of them: the clock is rarely set, and what is needed then is
 * in the call that each green thread makes. A wait that has passed its deadline
 * in time, and has not run since, stays as it is. */
#include "run/run.h"

#include <poll.h>
#include <sys/timerfd.h>

#define AGAIN_NS 1000000000 /* after a failure to make one */

static struct {
    struct tn__hub_op op; /* waits until the clock is set */
    int fd;               /* the timerfd; -1: none */
    bool is_due;          /* it was set */
    tn_time again_at;     /* until then none is made */
} wall = {.fd = -1};

/* CLOCK_MONOTONIC is asked last: a thread that is stopped between the two wakes
 * late, never early. */
static tn_time deadline_of(const struct tn__run_call *c)
{
    int64_t span = c->at - tn__run_clock(c->clock);

    return tn__clock_after(tn__run_clock(CLOCK_MONOTONIC), span);
}

void tn__run_deadline_renew(struct tn__run_call *c)
{
    if (c->is_wall)
        c->deadline = deadline_of(c);
}

/* Only calls wait with a deadline: one that does so is in its call. */
static void move(struct tn__run_green *green)
{
    struct tn__timer *timer = &green->g.timer;
    struct tn__run_call *c = green->call;
    tn_time before;

    if (green->g.state != TN_GREENLET_WAITING || !timer->slot || !c ||
        !c->is_wall)
        return;
    before = c->deadline;
    c->deadline = deadline_of(c);
    if (timer->when != before)
        return; /* it looks at something from time to time */
    tn__heap_remove(&tn__run_hub.timers, timer);
    tn__heap_add(&tn__run_hub.timers, timer, c->deadline);
}

static void renew_all(void)
{
    for (struct tn__list *n = tn__run.greens.next; n != &tn__run.greens;
         n = n->next)
        move(TN_CONTAINER(n, struct tn__run_green, all));
}

/* With an error it was closed behind us. */
static void on_set(struct tn__hub_op *op)
{
    wall.is_due = true;
    if (op->op.result >= 0)
        return;
    tn__run_fd_disown(wall.fd);
    wall.fd = -1;
}

static void watch(void)
{
    wall.op = (struct tn__hub_op){.op = {.code = TN__OP_POLL,
                                         .mode = TN__OP_NOTRY,
                                         .fd = wall.fd,
                                         .flags = POLLIN},
                                  .fn = on_set};
    if (tn__loop_submit(&tn__run_hub.loop, &wall.op.op) == TN__PENDING)
        return;
    tn__sys_close(wall.fd);
    wall.fd = -1;
}

/* After a poll, before the timers that are due. To read it is to arm it again,
 * and comes first: if the clock is set later, that is told anew. */
static void look(struct tn_hub *h)
{
    uint64_t n;

    (void)h;
    if (TN_LIKELY(!wall.is_due))
        return;
    wall.is_due = false;
    if (wall.fd >= 0) {
        tn__raw3(SYS_read, wall.fd, (long)&n, sizeof n);
        watch();
    }
    renew_all();
}

/* Its own time never comes. */
static void make(void)
{
    static const struct itimerspec never = {
        .it_value = {.tv_sec = INT64_MAX / 1000000000}};
    tn_time now = tn__clock_now();
    long fd;

    if (now < wall.again_at)
        return;
    fd = tn__run_fd_move_up(tn__raw3(SYS_timerfd_create, CLOCK_REALTIME,
                                     TFD_CLOEXEC | TFD_NONBLOCK, 0));
    if (fd >= 0) {
        tn__raw4(SYS_timerfd_settime, fd,
                 TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, (long)&never, 0);
        tn__run_hub.on_polled = look;
        wall.fd = (int)fd;
        watch();
    }
    if (wall.fd < 0)
        wall.again_at = tn__clock_after(now, AGAIN_NS);
}

int tn__run_deadline_by(struct tn__run_call *c, const struct timespec *t,
                        int clock)
{
    int r = tn__run_deadline(t, true, &c->deadline);

    if (r < 0 || clock == CLOCK_MONOTONIC || c->deadline == TN_FOREVER)
        return r;
    if (TN_UNLIKELY(wall.fd < 0))
        make();
    c->is_wall = true;
    c->clock = clock;
    c->at = c->deadline;
    c->deadline = deadline_of(c);
    return 0;
}

void tn__run_wallclock_in_child(void)
{
    wall.fd = -1;
    wall.is_due = false;
    wall.again_at = 0;
}

bool tn__run_wallclock_give_up(int fd)
{
    if (fd != wall.fd)
        return false;
    tn__loop_cancel(&tn__run_hub.loop, &wall.op.op);
    tn__fd_closing(&tn__run_hub.loop, fd);
    wall.fd = -1;
    make(); /* while the number is taken */
    tn__sys_close(fd);
    renew_all(); /* the clock may have been set just now */
    return true;
}
