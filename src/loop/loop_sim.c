/* SPDX-License-Identifier: MIT */
/* loop/loop_sim.c - the simulated loop: virtual time, real descriptors.
 *
 * The clock starts at one second and stands still while greenlets run. When all
 * of them wait and no descriptor is ready, it jumps to the next timer, so that
 * waits of hours take no time and two runs of a program see the same times.
 * What is ready is asked with poll() at each turn and reported in ascending
 * order of the descriptors. Together with the hub's seeded scheduler
 * (TENDRIL_SIM_SEED; 0 is first in, first out) a schedule can be replayed.
 *
 * A turn that may not wait moves the clock by a microsecond: else a greenlet
 * that only ever yields would stop time for those who sleep.
 *
 * Where there is no next timer only the outside can help, another thread or
 * process: then it really blocks. A wait with a deadline does not: the outside
 * has no virtual clock, and until the deadline it has sent what is there now.
 *
 * Level-triggered: each poll() asks about the descriptors on which somebody
 * waits, so nothing is kept in the kernel and numbers that were closed behind
 * our back are found out (POLLNVAL). The list of descriptors and the array for
 * poll() are mappings that grow; nothing here enters malloc. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/assert.h"
#include "base/sys.h"
#include "loop/loop.h"

enum { ROOM_FIRST = 1024 };

#define SIM_START_NS 1000000000
#define SIM_TURN_NS 1000

struct sim {
    int *fds;             /* owned mapping: registered ones, ascending */
    struct pollfd *polls; /* owned mapping: what poll() is asked; room + 1 */
    uint32_t n;           /* of fds */
    uint32_t room;        /* of fds */
};

static int sim_open(struct tn__loop *l)
{
    struct sim *sim = tn__sys_map(sizeof *sim);

    if (!sim)
        return -ENOMEM;
    l->wake_fd = (int)tn__sys_eventfd();
    if (l->wake_fd < 0) {
        tn__sys_unmap(sim, sizeof *sim);
        return l->wake_fd;
    }
    l->backend = sim;
    l->sim_now = SIM_START_NS;
    l->n_armed = 1; /* poll() is never left out: it moves the clock */
    return 0;
}

static void sim_close(struct tn__loop *l)
{
    struct sim *sim = l->backend;

    if (sim->fds)
        tn__sys_unmap(sim->fds, sim->room * sizeof sim->fds[0]);
    if (sim->polls)
        tn__sys_unmap(sim->polls, (sim->room + 1) * sizeof sim->polls[0]);
    tn__sys_unmap(sim, sizeof *sim);
    tn__sys_close(l->wake_fd);
}

/* ---- the list of descriptors ---- */

static int grow(struct sim *sim)
{
    uint32_t room = sim->room ? sim->room * 2 : ROOM_FIRST;
    int *fds = tn__sys_map(room * sizeof *fds);
    struct pollfd *polls = tn__sys_map((room + 1) * sizeof *polls);

    if (!fds || !polls) {
        if (fds)
            tn__sys_unmap(fds, room * sizeof *fds);
        if (polls)
            tn__sys_unmap(polls, (room + 1) * sizeof *polls);
        return -ENOMEM;
    }
    if (sim->fds) {
        memcpy(fds, sim->fds, sim->n * sizeof *fds);
        tn__sys_unmap(sim->fds, sim->room * sizeof *fds);
        tn__sys_unmap(sim->polls, (sim->room + 1) * sizeof *polls);
    }
    sim->fds = fds;
    sim->polls = polls;
    sim->room = room;
    return 0;
}

/* Where `fd` is in the list, or belongs. */
static uint32_t place_of(const struct sim *sim, int fd)
{
    uint32_t low = 0, high = sim->n;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (sim->fds[middle] < fd)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int sim_arm(struct tn__loop *l, int fd, struct tn__fd *f, int events)
{
    struct sim *sim = l->backend;
    uint32_t at;

    (void)events;
    if (f->flags & TN__FD_REGISTERED)
        return 0;
    if (sim->n == sim->room) {
        int r = grow(sim);

        if (r < 0)
            return r;
    }
    at = place_of(sim, fd);
    memmove(&sim->fds[at + 1], &sim->fds[at],
            (sim->n - at) * sizeof sim->fds[0]);
    sim->fds[at] = fd;
    sim->n++;
    l->n_armed++;
    f->flags |= TN__FD_REGISTERED;
    return 0;
}

static void sim_disarm(struct tn__loop *l, int fd, struct tn__fd *f)
{
    struct sim *sim = l->backend;
    uint32_t at = place_of(sim, fd);

    if (!(f->flags & TN__FD_REGISTERED))
        return;
    TN_ASSERT(at < sim->n && sim->fds[at] == fd);
    memmove(&sim->fds[at], &sim->fds[at + 1],
            (sim->n - at - 1) * sizeof sim->fds[0]);
    sim->n--;
    l->n_armed--;
    f->flags &= (uint8_t)~TN__FD_REGISTERED;
}

/* ---- polling ---- */

/* Fill in what to ask; the first entry is the wake-up. Returns how many. */
static size_t questions(struct tn__loop *l, struct pollfd *polls)
{
    const struct sim *sim = l->backend;
    size_t n = 0;

    polls[n++] = (struct pollfd){l->wake_fd, POLLIN, 0};
    for (uint32_t i = 0; i < sim->n; i++) {
        const struct tn__fd *f = tn__fdtab_peek(l, sim->fds[i]);
        int events = tn__fdtab_wanted(f);

        if (!tn__list_is_empty(&f->in))
            events |= POLLRDHUP;
        if (events || !tn__list_is_empty(&f->poll))
            polls[n++] = (struct pollfd){sim->fds[i], (short)events, 0};
    }
    return n;
}

/* Ask, and report. Returns how many were ready, or a negative errno. */
static long ask(struct tn__loop *l, int64_t timeout_ns)
{
    struct sim *sim = l->backend;
    struct pollfd wake_only, *polls = sim->polls ? sim->polls : &wake_only;
    size_t n = questions(l, polls);
    long n_ready = tn__sys_poll(polls, n, timeout_ns);

    if (n_ready <= 0)
        return n_ready;
    if (polls[0].revents)
        tn__loop_read_eventfd(l);
    for (size_t i = 1; i < n; i++) {
        int events = polls[i].revents;

        if (events & POLLNVAL)
            events = POLLERR; /* each call then says -EBADF by itself */
        if (events)
            tn__fdtab_event(l, polls[i].fd, tn__fdtab_peek(l, polls[i].fd),
                            events);
    }
    return n_ready;
}

static int sim_poll(struct tn__loop *l, tn_time until)
{
    long n = ask(l, 0);

    if (n == 0 && until == TN_FOREVER)
        n = ask(l, -1);
    else if (until == TN_NOWAIT)
        l->sim_now += SIM_TURN_NS;
    else if (n == 0 && until > l->sim_now)
        l->sim_now = until;
    return n < 0 ? (int)n : 0;
}

static tn_time sim_now(struct tn__loop *l)
{
    return l->sim_now;
}

const struct tn__loop_ops tn__loop_sim = {
    .name = "sim",
    .open = sim_open,
    .close = sim_close,
    .arm = sim_arm,
    .disarm = sim_disarm,
    .poll = sim_poll,
    .wake = tn__loop_wake_by_eventfd,
    .now = sim_now,
};
