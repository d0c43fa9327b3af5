/* SPDX-License-Identifier: MIT */
/* hub/watch_pid.c - the end of one child process, as a descriptor.
 *
 * A pidfd becomes readable when its process ends. Where the kernel has none
 * (before Linux 5.3) a thread waits for that one child, without taking its
 * status (WNOWAIT), and writes an eventfd. Either way the status is taken by
 * waitid() for exactly this child, so that others who wait for theirs lose
 * nothing. SIGCHLD is not looked at: it belongs to the program.
 *
 * A child nobody is interested in any more must still be waited for. That is
 * left to a thread too, one for each, with a small stack and all signals
 * blocked: it costs little, and needs no hub that still turns. */
#include "hub/watch_pid.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/own.h"
#include "hub/hub.h"

#ifndef P_PIDFD
# define P_PIDFD 3
#endif

enum { HELPER_STACK = 32768 };

bool tn__pid_is_old_kernel;

/* ---- the thread ---- */

struct helper {
    struct tn__pid p; /* its descriptor belongs to the thread */
    bool is_reaper;   /* take the status; else only tell */
};

static int wait_for(const struct tn__pid *p, siginfo_t *info, int how)
{
    int r;

    do {
        r = p->is_pidfd
                ? TN_OWN(waitid((idtype_t)P_PIDFD, (id_t)p->fd, info, how))
                : TN_OWN(waitid(P_PID, (id_t)p->pid, info, how));
        if (r < 0 && errno == EINVAL && p->is_pidfd) /* before Linux 5.4 */
            r = TN_OWN(waitid(P_PID, (id_t)p->pid, info, how));
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

static void *help(void *arg)
{
    struct helper *helper = arg;
    const uint64_t one = 1;
    siginfo_t info;

    wait_for(&helper->p, &info, WEXITED | (helper->is_reaper ? 0 : WNOWAIT));
    if (!helper->is_reaper && TN_OWN(write(helper->p.fd, &one, sizeof one)) < 0)
        TN_ASSERT(errno == EAGAIN); /* it is readable already */
    close(helper->p.fd);
    free(helper);
    return NULL;
}

static int start_thread(struct helper *helper)
{
    long least = sysconf(_SC_THREAD_STACK_MIN);
    size_t bytes = HELPER_STACK + (least > 0 ? (size_t)least : 0);
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    int r = pthread_attr_init(&attr);

    if (r)
        return -r;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, (bytes + 4095) & ~(size_t)4095);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(&thread, &attr, help, helper);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return -r;
}

/* `fd` becomes the thread's, if it can be started. */
static int send_helper(const struct tn__pid *p, int fd, bool is_reaper)
{
    struct helper *helper = malloc(sizeof *helper);
    int r;

    if (!helper)
        return -ENOMEM;
    helper->p = *p;
    helper->p.fd = fd;
    helper->is_reaper = is_reaper;
    r = start_thread(helper);
    if (r < 0)
        free(helper);
    return r;
}

/* ---- opening ---- */

static int pidfd_of(pid_t pid)
{
    int fd;

    if (tn__pid_is_old_kernel)
        return -ENOSYS;
    fd = (int)syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? -errno : fd;
}

void tn__pid_open_as(pid_t pid, int pidfd, struct tn__pid *ret)
{
    *ret = (struct tn__pid){.pid = pid, .fd = pidfd, .is_pidfd = true};
}

static int open_by_thread(pid_t pid, struct tn__pid *ret)
{
    struct tn__pid p = {.pid = pid,
                        .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    int fd, r;

    if (p.fd < 0)
        return -errno;
    fd = fcntl(p.fd, F_DUPFD_CLOEXEC, 0);
    r = fd < 0 ? -errno : send_helper(&p, fd, false);
    if (r < 0) {
        if (fd >= 0)
            close(fd);
        close(p.fd);
        return r;
    }
    *ret = p;
    return 0;
}

int tn__pid_open(pid_t pid, struct tn__pid *ret)
{
    siginfo_t info;
    int fd;

    TN_ASSERT(pid > 0);
    if (TN_OWN(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT)) <
        0)
        return -errno;
    fd = pidfd_of(pid);
    if (fd == -ENOSYS || fd == -EPERM || fd == -EINVAL)
        return open_by_thread(pid, ret);
    if (fd < 0)
        return fd;
    tn__pid_open_as(pid, fd, ret);
    return 0;
}

/* ---- taking its status ---- */

static int status_of(const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED)
        return (info->si_status & 0xff) << 8;
    return info->si_status | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

int tn__pid_reap(const struct tn__pid *p, int *ret_status)
{
    siginfo_t info = {0};
    int r = wait_for(p, &info, WEXITED | WNOHANG);

    if (r < 0)
        return r;
    if (info.si_pid == 0)
        return -EAGAIN;
    *ret_status = status_of(&info);
    return 0;
}

void tn__pid_await(const struct tn__pid *p)
{
    siginfo_t info;

    wait_for(p, &info, WEXITED | WNOWAIT);
}

/* The thread gets a descriptor of its own: a loop may forget the one it knew
 * only at its next turn, as libev does. */
static bool reap_by_thread(const struct tn__pid *p)
{
    int fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);

    if (fd < 0)
        return false;
    if (send_helper(p, fd, true) == 0)
        return true;
    close(fd);
    return false;
}

void tn__pid_abandon(struct tn__pid *p)
{
    struct tn_hub *h = tn__hub_peek();
    int status;

    if (p->fd < 0)
        return;
    if (h)
        tn__fd_closing(&h->loop, p->fd);
    /* Without a thread it stays a zombie until this process ends. */
    if (tn__pid_reap(p, &status) != -EAGAIN || reap_by_thread(p) ||
        send_helper(p, p->fd, true) < 0)
        close(p->fd);
    p->fd = -1;
}
