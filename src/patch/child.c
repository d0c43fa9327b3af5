/* SPDX-License-Identifier: MIT */
/* patch/child.c - waiting for children, and system().
 *
 * libc is asked with WNOHANG. Between two questions a pidfd tells of the end of
 * one child; of several, and of stops, the kernel tells nothing to wait on:
 * pauses grow from 0.2 to 20 ms. */
#include "patch/patch.h"

#include <paths.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAUSE_MIN_NS 200000
#define PAUSE_MAX_NS 20000000

extern char **environ;

/* Until something about `pid` may have changed. 0: ask again. */
static int await(pid_t pid, bool is_end, int64_t *pause_ns)
{
    long fd = pid > 0 && is_end ? syscall(SYS_pidfd_open, pid, 0) : -1;
    int r;

    if (fd >= 0) {
        struct pollfd p = {(int)fd, POLLIN, 0};

        r = tn_poll(&p, 1, TN_FOREVER);
        tn_fd_forget((int)fd);
        tn__real()->close((int)fd);
    } else {
        r = tn_sleep(tn_after_ns(*pause_ns));
        *pause_ns *= 2;
        if (*pause_ns > PAUSE_MAX_NS)
            *pause_ns = PAUSE_MAX_NS;
    }
    return r < 0 && r != -EINTR ? r : 0;
}

pid_t tn__patch_wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
    const int stops = WUNTRACED | WCONTINUED;
    int64_t pause_ns = PAUSE_MIN_NS;
    int errno_before = errno, r;

    if (!tn_patch_parks() || (options & WNOHANG))
        return tn__real()->wait4(pid, status, options, usage);
    for (;;) {
        r = tn__real()->wait4(pid, status, options | WNOHANG, usage);
        if (r > 0)
            errno = errno_before;
        if (r != 0)
            return r;
        r = await(pid, !(options & stops), &pause_ns);
        if (r < 0)
            return tn__patch_fail(r);
    }
}

pid_t tn__patch_waitpid(pid_t pid, int *status, int options)
{
    if (!tn_patch_parks())
        return tn__real()->waitpid(pid, status, options);
    return tn__patch_wait4(pid, status, options, NULL);
}

pid_t tn__patch_wait(int *status)
{
    if (!tn_patch_parks())
        return tn__real()->wait(status);
    return tn__patch_wait4(-1, status, 0, NULL);
}

pid_t tn__patch_wait3(int *status, int options, struct rusage *usage)
{
    if (!tn_patch_parks())
        return tn__real()->wait3(status, options, usage);
    return tn__patch_wait4(-1, status, options, usage);
}

int tn__patch_waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    int64_t pause_ns = PAUSE_MIN_NS;
    siginfo_t mine;
    int errno_before = errno, r;

    if (!tn_patch_parks() || (options & WNOHANG))
        return tn__real()->waitid(type, id, info, options);
    if (!info)
        info = &mine;
    for (;;) {
        info->si_pid = 0;
        r = tn__real()->waitid(type, id, info, options | WNOHANG);
        if (r < 0 || info->si_pid != 0)
            break;
        r = await(type == P_PID ? (pid_t)id : -1,
                  (options & (WEXITED | WSTOPPED | WCONTINUED)) == WEXITED,
                  &pause_ns);
        if (r < 0)
            return tn__patch_fail(r);
    }
    if (r == 0)
        errno = errno_before;
    return r;
}

/* ---- system ---- */

/* SIGINT and SIGQUIT are ignored while any system() is under way. */
static struct {
    pthread_mutex_t lock;
    int n;
    struct sigaction before[2];
} ignoring = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const int ignored[2] = {SIGINT, SIGQUIT};

static void begin_ignoring(void)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};

    tn__real()->pthread_mutex_lock(&ignoring.lock);
    if (ignoring.n++ == 0)
        for (int i = 0; i < 2; i++)
            sigaction(ignored[i], &ignore, &ignoring.before[i]);
    tn__real()->pthread_mutex_unlock(&ignoring.lock);
}

static void end_ignoring(void)
{
    tn__real()->pthread_mutex_lock(&ignoring.lock);
    if (--ignoring.n == 0)
        for (int i = 0; i < 2; i++)
            sigaction(ignored[i], &ignoring.before[i], NULL);
    tn__real()->pthread_mutex_unlock(&ignoring.lock);
}

/* The shell has those signals as we had them. */
static int start_shell(const char *command, pid_t *pid)
{
    const char *argv[] = {"sh", "-c", "--", command, NULL};
    posix_spawnattr_t attr;
    sigset_t defaults;
    int r = posix_spawnattr_init(&attr);

    if (r)
        return r;
    sigemptyset(&defaults);
    for (int i = 0; i < 2; i++)
        if (ignoring.before[i].sa_handler != SIG_IGN)
            sigaddset(&defaults, ignored[i]);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
    r = posix_spawn(pid, _PATH_BSHELL, NULL, &attr, (char **)argv, environ);
    posix_spawnattr_destroy(&attr);
    return r;
}

int tn__patch_system(const char *command)
{
    int status = -1, r;
    pid_t pid;

    if (!tn_patch_parks() || !command)
        return tn__real()->system(command);
    begin_ignoring();
    r = start_shell(command, &pid);
    if (r)
        status = r == ENOMEM || r == EAGAIN ? tn__patch_fail(-r) : 127 << 8;
    else if (tn__patch_waitpid(pid, &status, 0) != pid)
        status = -1;
    end_ignoring();
    return status;
}

TN_PATCH_ALIAS(__wait, wait);
TN_PATCH_ALIAS(__waitpid, waitpid);
