/* SPDX-License-Identifier: MIT */
/* run/fifo.c - open() of what may wait: a FIFO for its other end, a device for
 * its line, a slow file system for an answer. A helper makes it. */
#include "run/run.h"

#include <fcntl.h>
#include <sys/stat.h>

/* open(), openat(): the arguments of openat(). */
struct opening {
    long dir, path, flags, mode;
};

/* Those of memory, terminals and pseudo-terminals do not wait. */
static bool is_quick_device(dev_t device)
{
    enum { MEMORY = 1, TTY = 5, PTY_FIRST = 136, PTY_LAST = 143 };
    unsigned n = (unsigned)device >> 8 & 0xfff; /* the kernel's coding */

    return n == MEMORY || n == TTY || (n >= PTY_FIRST && n <= PTY_LAST);
}

static bool may_wait(const struct opening *o)
{
    enum { AT_ONCE = O_NONBLOCK | O_PATH | O_DIRECTORY };
    struct stat st;

    if (tn__run_path_is_slow(o->dir, (const char *)o->path))
        return true;
    if (o->flags & AT_ONCE)
        return false;
    if (tn__raw4(SYS_newfstatat, o->dir, o->path, (long)&st, 0) < 0)
        return false;
    return S_ISFIFO(st.st_mode) ||
           (S_ISCHR(st.st_mode) && !is_quick_device(st.st_rdev));
}

/* What /proc has of a green thread but its name. */
static long open_task(const struct tn__run_call *c, const struct opening *o)
{
    struct tn__run_call now = *c;
    char path[TN__RUN_TASK_PATH];

    if (!tn__run_task_path((const char *)o->path, path))
        return -ENOENT;
    now.a[c->nr == SYS_open || c->nr == SYS_creat ? 0 : 1] = (long)path;
    return tn__run_fd_new(tn__run_kernel(&now));
}

static long open_as(struct tn__run_call *c, const struct opening *o)
{
    long r;

    if (tn__run.counts.alive > 1 && may_wait(o))
        return tn__run_fd_new(tn__run_offload(c));
    r = tn__run_fd_new(tn__run_kernel(c));
    if (TN_UNLIKELY(r == -ENOENT))
        r = tn__run_comm_open((const char *)o->path, (int)o->flags);
    if (TN_UNLIKELY(r == -ENOENT))
        r = open_task(c, o);
    return r;
}

long tn__run_open(struct tn__run_call *c)
{
    struct opening o = {AT_FDCWD, c->a[0], c->a[1], c->a[2]};

    return open_as(c, &o);
}

long tn__run_creat(struct tn__run_call *c)
{
    struct opening o = {AT_FDCWD, c->a[0], O_CREAT | O_WRONLY | O_TRUNC,
                        c->a[1]};

    return open_as(c, &o);
}

long tn__run_openat2(struct tn__run_call *c)
{
    struct {
        uint64_t flags, mode, resolve;
    } how;
    struct opening o = {c->a[0], c->a[1], 0, 0};

    if (c->a[3] < (long)sizeof how ||
        tn__run_copy(&how, (const void *)c->a[2], sizeof how) < 0)
        return tn__run_kernel(c);
    o.flags = (long)how.flags;
    return open_as(c, &o);
}

long tn__run_openat(struct tn__run_call *c)
{
    struct opening o = {c->a[0], c->a[1], c->a[2], c->a[3]};

    return open_as(c, &o);
}
