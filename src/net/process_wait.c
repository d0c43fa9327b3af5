/* SPDX-License-Identifier: MIT */
/* net/process_wait.c - waiting for children, and signals to them.
 *
 * A pidfd is readable once its process has ended; then the status is taken from
 * the kernel, by whoever runs first of those that wait, and kept. Until it is
 * taken the pid is nobody else's, so signals reach the right process. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <tendril/greenlet.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/own.h"
#include "base/sys.h"
#include "net/process.h"

#ifndef SYS_pidfd_send_signal
# define SYS_pidfd_send_signal 424
#endif

/* ---- one of ours ---- */

static void reap(struct tn_process *p)
{
    if (p->result != -EAGAIN)
        return;
    p->result = tn__pid_reap(&p->pid, &p->status);
    if (p->result == -EAGAIN)
        return;
    /* The descriptor has told all. Others that wait on it wake by its close,
     * and find the result. */
    tn__fd_closing(&p->hub->loop, p->pid.fd);
    tn__sys_close(p->pid.fd);
    p->pid.fd = -1;
}

void tn__process_block(struct tn_process *p)
{
    if (p->result == -EAGAIN)
        tn__pid_await(&p->pid);
    reap(p);
    TN_ASSERT(p->result != -EAGAIN);
}

/* Wait once for the descriptor. 0 or what ended the wait. */
static int await(struct tn_hub *h, int fd, tn_time deadline, const char *what)
{
    struct tn__op op = {.code = TN__OP_POLL, .fd = fd, .flags = POLLIN};
    long r = tn__hub_io(h, &op, deadline, what);

    return r < 0 ? (int)r : 0;
}

/* It has ended long ago: as a call that completes at once. */
static int enter(struct tn_hub *h, tn_time deadline)
{
    int r = h->current->alert ? tn__hub_alert(h, h->current, deadline) : 0;

    if (r == 0)
        tn__hub_tick(h);
    return r;
}

static int wait_for(struct tn_process *p, tn_time deadline)
{
    int r = 0;

    if (p->result != -EAGAIN)
        return enter(p->hub, deadline);
    while (r == 0 && p->result == -EAGAIN) {
        r = await(p->hub, p->pid.fd, deadline, "tn_process_wait");
        if (p->is_freed)
            return r < 0 ? r : -EBADF;
        if (r == 0)
            reap(p);
        else if (r == -EBADF && p->result != -EAGAIN)
            r = 0; /* another has reaped it */
    }
    return r;
}

int tn_process_wait(tn_process *p, int *ret_status, tn_time deadline)
{
    int r = tn__process_check(p);

    if (r < 0)
        return r;
    tn__process_hold(p);
    r = wait_for(p, deadline);
    if (r == 0)
        r = p->result;
    if (r == 0 && ret_status)
        *ret_status = p->status;
    tn__process_let_go(p);
    return r;
}

/* ---- as a waitable ---- */

static bool has_ended(const struct tn_waitable *w)
{
    const struct tn_process *p =
        TN_CONTAINER(w, const struct tn_process, waitable);
    struct pollfd fd = {p->pid.fd, POLLIN, 0};

    return p->result != -EAGAIN || tn__sys_poll_now(&fd, 1) > 0;
}

static const struct tn__waitable_ops process_ops = {.is_ready = has_ended};

/* From within the poll: its status is taken by who wants it. */
static void told(struct tn__hub_op *call)
{
    struct tn_process *p = TN_CONTAINER(call, struct tn_process, end);

    tn__waitable_notify(&p->waitable);
}

void tn__process_waitable_init(struct tn_process *p)
{
    tn__waitable_init(&p->waitable, &process_ops, p->hub);
}

void tn__process_waitable_fini(struct tn_process *p)
{
    if (p->is_armed)
        tn__loop_cancel(&p->hub->loop, &p->end.op);
    tn__waitable_fini(&p->waitable);
}

tn_waitable *tn_process_waitable(tn_process *p)
{
    long r;

    if (tn__process_check(p) < 0)
        return NULL;
    if (p->is_armed || p->result != -EAGAIN)
        return &p->waitable;
    p->end.fn = told;
    p->end.op =
        (struct tn__op){.code = TN__OP_POLL, .fd = p->pid.fd, .flags = POLLIN};
    r = tn__loop_submit(&p->hub->loop, &p->end.op);
    if (r < 0 && r != TN__PENDING)
        return NULL;
    p->is_armed = true;
    return &p->waitable;
}

/* ---- signals to it ---- */

int tn_process_kill(tn_process *p, int signo)
{
    int r = tn__process_check(p);

    if (r < 0)
        return r;
    if (p->result != -EAGAIN)
        return -ESRCH;
    if (p->pid.is_pidfd)
        r = (int)syscall(SYS_pidfd_send_signal, p->pid.fd, signo, NULL, 0);
    else
        r = kill(p->pid.pid, signo);
    return r < 0 ? -errno : 0;
}

int tn_process_kill_group(tn_process *p, int signo)
{
    int r = tn__process_check(p);

    if (r == 0 && !p->is_leader)
        r = -EINVAL;
    if (r < 0)
        return r;
    if (p->result != -EAGAIN)
        return -ESRCH; /* its number may be another's */
    return kill(-p->pid.pid, signo) < 0 ? -errno : 0;
}

/* ---- any other child ---- */

static pid_t ask(pid_t pid, int *status)
{
    pid_t r;

    do
        r = TN_OWN(waitpid(pid, status, WNOHANG));
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

static pid_t wait_for_one(struct tn_hub *h, pid_t pid, int *status,
                          tn_time deadline)
{
    struct tn__pid p;
    int r = tn__pid_open(pid, &p);

    if (r < 0)
        return r;
    tn__fd_made(&h->loop, p.fd);
    r = await(h, p.fd, deadline, "tn_waitpid");
    tn__fd_closing(&h->loop, p.fd);
    tn__sys_close(p.fd);
    return r < 0 ? r : ask(pid, status);
}

static pid_t wait_for_any(pid_t pid, int *status, tn_time deadline)
{
    enum { PAUSE_US_MAX = 20000 };
    int64_t us = 500;
    pid_t r;

    do {
        tn_time until = tn_after_us(us);

        r = tn_sleep(until < deadline ? until : deadline);
        if (r < 0)
            return r;
        r = ask(pid, status);
        if (r == 0 && tn_now() >= deadline)
            return -ETIME;
        us = us * 2 < PAUSE_US_MAX ? us * 2 : PAUSE_US_MAX;
    } while (r == 0);
    return r;
}

pid_t tn_waitpid(pid_t pid, int *ret_status, int options, tn_time deadline)
{
    struct tn_hub *h;
    int status = 0;
    pid_t r = tn__hub_self(&h);

    if (r == 0 && (options & ~WNOHANG))
        r = -EINVAL;
    if (r == 0)
        r = enter(h, deadline);
    if (r < 0)
        return r;
    r = ask(pid, &status);
    if (r == 0 && (options & WNOHANG))
        return 0;
    if (r == 0 && deadline == TN_NOWAIT)
        return -EAGAIN;
    if (r == 0)
        r = pid > 0 ? wait_for_one(h, pid, &status, deadline)
                    : wait_for_any(pid, &status, deadline);
    if (r > 0 && ret_status)
        *ret_status = status;
    return r;
}
