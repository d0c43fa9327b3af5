/* SPDX-License-Identifier: MIT */
/* hub/signal_user.c - what users see of signals: handlers in greenlets, waits,
 * and the interrupt of main. The first and the last are signal watchers whose
 * callback, on the hub, spawns or kills.
 *
 * A handler's greenlet holds its tn_signal, which may be freed before it runs:
 * then it does not call. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <tendril/signal.h>

#include "base/sys.h"
#include "hub/hub.h"
#include "hub/watch.h"

struct tn_signal {
    struct tn_watch *watch; /* owned; NULL: it was freed */
    tn_signal_fn fn;
    void *arg;
    int signo;
    uint32_t n_running; /* greenlets that hold it */
};

/* ---- handlers ---- */

static void release(struct tn_signal *s)
{
    if (s->n_running == 0 && !s->watch)
        free(s);
}

static int handle(void *arg)
{
    struct tn_signal *s = arg;
    int r = s->watch ? s->fn(s->signo, s->arg) : 0;

    TN_ASSERT(s->n_running > 0);
    s->n_running--;
    release(s);
    return r;
}

static void signal_came(tn_watch *w, int events, void *arg)
{
    struct tn_signal *s = arg;
    int r;

    (void)events;
    s->n_running++;
    r = tn_spawn(handle, s, NULL);
    if (r < 0) {
        s->n_running--;
        tn__hub_error(w->hub, NULL, r, "no greenlet for a signal's handler");
    }
}

int tn_signal_new(int signo, tn_signal_fn fn, void *arg, tn_signal **ret_s)
{
    struct tn_signal *s;
    int r;

    if (!fn || !ret_s)
        return -EINVAL;
    s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->fn = fn;
    s->arg = arg;
    s->signo = signo;
    r = tn_watch_signal_new(signo, signal_came, s, &s->watch);
    if (r == 0)
        r = tn_watch_start(s->watch);
    if (r < 0) {
        tn_watch_free(s->watch);
        free(s);
        return r;
    }
    *ret_s = s;
    return 0;
}

int tn_signal_free(tn_signal *s)
{
    int r;

    if (!s)
        return 0;
    r = tn_watch_free(s->watch);
    if (r < 0)
        return r;
    s->watch = NULL;
    release(s);
    return 0;
}

/* ---- waiting ---- */

static void tell(const struct signalfd_siginfo *from, struct tn_signal_info *to)
{
    to->signo = (int)from->ssi_signo;
    to->code = from->ssi_code;
    to->pid = (pid_t)from->ssi_pid;
    to->uid = (uid_t)from->ssi_uid;
    to->status = from->ssi_status;
    to->value = from->ssi_int;
    to->ptr = (void *)(uintptr_t)from->ssi_ptr;
}

static int open_signals(struct tn_hub *h, const sigset_t *set)
{
    int fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC), r;

    if (fd < 0)
        return -errno;
    tn__fd_made(&h->loop, fd);
    r = tn__fd_track(&h->loop, fd, TN__FD_NONBLOCK, TN__KIND_NOWAIT);
    if (r < 0) {
        tn__sys_close(fd);
        return r;
    }
    return fd;
}

static int make_set(const int *signos, size_t n, sigset_t *set)
{
    sigemptyset(set);
    if (!signos || n == 0)
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        if (sigaddset(set, signos[i]) < 0)
            return -EINVAL;
    return 0;
}

int tn_signal_wait(const int *signos, size_t n, struct tn_signal_info *ret_info,
                   tn_time deadline)
{
    struct signalfd_siginfo info;
    struct tn__op op = {.code = TN__OP_READ, .buf = &info, .len = sizeof info};
    struct tn_hub *h;
    sigset_t set;
    long r = tn__hub_self(&h);

    if (r == 0)
        r = make_set(signos, n, &set);
    if (r == 0 && h->current->alert)
        r = tn__hub_alert(h, h->current, deadline);
    if (r < 0)
        return (int)r;
    op.fd = open_signals(h, &set);
    if (op.fd < 0)
        return op.fd;
    r = tn__hub_io(h, &op, deadline, "tn_signal_wait");
    tn__fd_closing(&h->loop, op.fd);
    tn__sys_close(op.fd);
    if (r < 0)
        return (int)r;
    TN_ASSERT(r == sizeof info);
    if (ret_info)
        tell(&info, ret_info);
    return (int)info.ssi_signo;
}

/* ---- the interrupt of main ---- */

struct interrupt {
    struct tn_watch *watch; /* owned; NULL: not on */
    int signo;              /* which has come; 0: none */
};

static __thread struct interrupt interrupt;

static void interrupted(tn_watch *w, int signo, void *arg)
{
    struct tn_hub *h = w->hub;

    (void)arg;
    interrupt.signo = signo;
    tn_watch_stop(w);
    h->main->alert |= TN__ALERT_KILL;
    tn__hub_interrupt(h, h->main);
}

int tn_interrupt_on(int signo)
{
    int r;

    /* One whose hub has ended, as in the child of a fork, is over. */
    if (interrupt.watch && !interrupt.watch->hub)
        tn_interrupt_off();
    if (interrupt.watch)
        return -EBUSY;
    r = tn_watch_signal_new(signo, interrupted, NULL, &interrupt.watch);
    if (r < 0)
        return r;
    interrupt.signo = 0;
    r = tn_watch_start(interrupt.watch);
    if (r < 0)
        tn_interrupt_off();
    return r;
}

int tn_interrupt_off(void)
{
    struct tn_watch *w = interrupt.watch;
    int signo = interrupt.signo;

    if (w && w->hub && signo)
        w->hub->main->alert &= (uint8_t)~TN__ALERT_KILL;
    tn_watch_free(w);
    interrupt = (struct interrupt){NULL, 0};
    return signo;
}
