/* SPDX-License-Identifier: MIT */
/* run/fifo.c - open() of a FIFO, which waits for its other end.
 *
 * It is opened with O_NONBLOCK, which is taken off again. The writer's end
 * cannot be opened so before there is a reader: it is tried again and again.
 * The reader's can: it is tee() that tells whether there is a writer, without
 * taking what that one has written. */
#include "run/run.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

enum { BACKOFF_MIN_NS = 200000, BACKOFF_MAX_NS = 10000000 };

static long wait_a_little(int64_t *backoff)
{
    tn_time until = tn__clock_after(tn__clock_now(), *backoff);

    if (*backoff < BACKOFF_MAX_NS)
        *backoff *= 2;
    return tn__run_sleep_until(until, "open");
}

/* open(), openat(): the arguments of openat(). */
struct opening {
    long dir, path, flags, mode;
};

static bool is_fifo(const struct opening *o)
{
    struct stat st;

    return tn__raw4(SYS_newfstatat, o->dir, o->path, (long)&st, 0) == 0 &&
           S_ISFIFO(st.st_mode);
}

static long open_now(const struct opening *o)
{
    return tn__raw4(SYS_openat, o->dir, o->path, o->flags | O_NONBLOCK,
                    o->mode);
}

/* There is a writer, or was one since the open. */
static bool has_writer(long fd, const int probe[2])
{
    struct pollfd p = {(int)fd, POLLIN, 0};

    return tn__sys_poll_now(&p, 1) != 0 ||
           tn__raw4(SYS_tee, fd, probe[1], 1, SPLICE_F_NONBLOCK) != 0;
}

static long wait_for_writer(long fd)
{
    int64_t backoff = BACKOFF_MIN_NS;
    int probe[2];
    long r = tn__raw3(SYS_pipe2, (long)probe, O_CLOEXEC, 0);

    if (r < 0)
        return r;
    for (int i = 0; i < 2; i++)
        probe[i] = (int)tn__run_fd_hide(probe[i]);
    while (r == 0 && !has_writer(fd, probe))
        r = wait_a_little(&backoff);
    for (int i = 0; i < 2; i++)
        tn__sys_close(probe[i]);
    return r;
}

static long open_fifo(const struct opening *o)
{
    int64_t backoff = BACKOFF_MIN_NS;
    long fd, r = 0;

    for (;;) {
        fd = open_now(o);
        if (fd != -ENXIO)
            break;
        r = wait_a_little(&backoff);
        if (r < 0)
            return r;
    }
    if (fd >= 0 && (o->flags & O_ACCMODE) == O_RDONLY)
        r = wait_for_writer(fd);
    if (fd < 0)
        return fd;
    if (r < 0) {
        tn__raw1(SYS_close, fd);
        return r;
    }
    r = tn__raw3(SYS_fcntl, fd, F_GETFL, 0);
    tn__raw3(SYS_fcntl, fd, F_SETFL, r & ~(long)O_NONBLOCK);
    return fd;
}

static long open_as(struct tn__run_call *c, const struct opening *o)
{
    enum { AT_ONCE = O_NONBLOCK | O_PATH | O_DIRECTORY };

    /* Alone, it may as well stop the kernel thread. */
    if ((o->flags & AT_ONCE) || (o->flags & O_ACCMODE) == O_RDWR ||
        tn__run.counts.alive == 1 || !is_fifo(o))
        return tn__run_kernel(c);
    return open_fifo(o);
}

long tn__run_open(struct tn__run_call *c)
{
    struct opening o = {AT_FDCWD, c->a[0], c->a[1], c->a[2]};

    return open_as(c, &o);
}

long tn__run_openat(struct tn__run_call *c)
{
    struct opening o = {c->a[0], c->a[1], c->a[2], c->a[3]};

    return open_as(c, &o);
}
