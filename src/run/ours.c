/* SPDX-License-Identifier: MIT */
/* run/ours.c - the engine's own descriptors, among the program's.
 *
 * They live near the end of the table, where few programs go, and are denied:
 * closing one is EBADF. When the program wants the very number (dup2), that of
 * the loop moves, and a wait on one that it needs begins anew with another.
 * Where there is no room up there a wait goes without (tn__run_fd_wait_own()):
 * below, the program would count its descriptors from other numbers. */
#include "run/run.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

enum {
    HIGH = 4096, /* a higher number would cost kernel memory */
    ROOM = 64    /* below the limit */
};

static uint64_t ours[TN__RUN_FDS_MAX / 64]; /* a bit for each */
static unsigned first = TN__RUN_FDS_MAX; /* none is below, */
static unsigned end;                     /* nor from here on */
static long base;                        /* where they are wanted */

void tn__run_ours_init(void)
{
    struct rlimit limit = {0, 0};

    tn__raw3(SYS_getrlimit, RLIMIT_NOFILE, (long)&limit, 0);
    base = limit.rlim_cur > HIGH ? HIGH : (long)limit.rlim_cur;
    base = base > 2L * ROOM ? base - ROOM : 3;
}

bool tn__run_fd_is_ours(int fd)
{
    return (unsigned)fd >= first && (unsigned)fd < end &&
           (ours[fd / 64] >> fd % 64 & 1);
}

static void own(int fd)
{
    if ((unsigned)fd >= TN__RUN_FDS_MAX)
        return;
    ours[fd / 64] |= UINT64_C(1) << fd % 64;
    if ((unsigned)fd < first)
        first = (unsigned)fd;
    if ((unsigned)fd >= end)
        end = (unsigned)fd + 1;
}

void tn__run_fd_disown(int fd)
{
    if (tn__run_fd_is_ours(fd))
        ours[fd / 64] &= ~(UINT64_C(1) << fd % 64);
}

unsigned tn__run_next_of_ours(unsigned fd)
{
    for (fd = fd < first ? first : fd; fd < end; fd++)
        if (tn__run_fd_is_ours((int)fd))
            return fd;
    return UINT32_MAX;
}

/* To a number where it is out of the way; or an error, and it stays. */
static long try_move_up(long fd)
{
    long high = tn__raw3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, base);

    if (high >= TN__RUN_FDS_MAX) {
        tn__raw1(SYS_close, high);
        high = -EMFILE;
    }
    if (high >= 0) {
        tn__raw1(SYS_close, fd);
        own((int)high);
    }
    return high;
}

long tn__run_fd_hide(long fd)
{
    long high = fd < 0 ? fd : try_move_up(fd);

    if (high >= 0 || fd < 0)
        return high;
    own((int)fd);
    return fd;
}

long tn__run_fd_move_up(long fd)
{
    long high = fd < 0 ? fd : try_move_up(fd);

    if (high >= 0)
        return high;
    if (fd >= 0)
        tn__raw1(SYS_close, fd);
    return -EMFILE;
}

long tn__run_fd_wait_own(long fd, tn_time deadline, const char *what)
{
    long high = tn__run_fd_move_up(fd), r;

    if (high < 0)
        return high;
    r = tn__run_wait_fd((int)high, POLLIN, deadline, what);
    if (r == -EBADF)
        return r; /* the number is the program's by now */
    tn__run_fd_forget((int)high);
    tn__sys_close((int)high);
    return r;
}

long tn__run_write_own(long fd, const void *data, size_t n)
{
    tn__run_set all = ~(tn__run_set)0, before;
    long r;

    tn__raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before,
             sizeof all);
    r = tn__raw3(SYS_write, fd, (long)data, (long)n);
    tn__run_raised_by(r);
    tn__raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof all);
    return r;
}

void tn__run_fds_drop(void)
{
    for (unsigned fd; (fd = tn__run_next_of_ours(0)) != UINT32_MAX;)
        tn__sys_close((int)fd);
    first = TN__RUN_FDS_MAX;
    end = 0;
}

void tn__run_ours_in_child(void)
{
    const struct tn__loop *l = &tn__run_hub.loop;

    for (unsigned fd = 0; (fd = tn__run_next_of_ours(fd)) != UINT32_MAX; fd++)
        if ((int)fd != l->ep && (int)fd != l->wake_fd)
            tn__sys_close((int)fd); /* of one who waited on it */
}

long tn__run_make_way(int fd)
{
    struct tn__loop *l = &tn__run_hub.loop;
    int *user = fd == l->ep ? &l->ep : fd == l->wake_fd ? &l->wake_fd : NULL;
    long moved;

    if (tn__run_inspect_give_up(fd) || tn__run_wallclock_give_up(fd))
        return 0;
    if (user) {
        moved = tn__raw3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, base);
        if (moved < 0)
            return moved;
        own((int)moved);
        *user = (int)moved;
    }
    tn__run_fd_forget(fd); /* who waits on it does so anew */
    tn__run_fd_disown(fd);
    if (user)
        tn__run_offload_settle();
    return 0;
}

/* ---- all that is open ---- */

/* The number that a name in /proc/self/fd is; -1: none. */
static int number_of(const char *name)
{
    int n = *name ? 0 : -1;

    for (; *name; name++) {
        if (*name < '0' || *name > '9')
            return -1;
        n = n * 10 + *name - '0';
    }
    return n;
}

/* Without /proc (chroot): as far as numbers go, mostly. */
static void each_by_number(void (*fn)(int fd))
{
    for (int fd = 0; fd < HIGH; fd++)
        if (tn__raw3(SYS_fcntl, fd, F_GETFD, 0) >= 0)
            fn(fd);
}

void tn__run_each_open(void (*fn)(int fd))
{
    struct entry {
        uint64_t inode, offset;
        unsigned short bytes;
        unsigned char type;
        char name[];
    } *e;
    _Alignas(8) char buf[1024];
    long dir = tn__raw3(SYS_open, (long)"/proc/self/fd",
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    long n;

    if (dir < 0)
        each_by_number(fn);
    while (dir >= 0 &&
           (n = tn__raw3(SYS_getdents64, dir, (long)buf, sizeof buf)) > 0) {
        for (long at = 0; at < n; at += e->bytes) {
            int fd;

            e = (void *)(buf + at);
            fd = number_of(e->name);
            if (fd >= 0 && fd != dir && fd < TN__RUN_FDS_MAX)
                fn(fd);
        }
    }
    if (dir >= 0)
        tn__raw1(SYS_close, dir);
}
