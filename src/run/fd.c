/* SPDX-License-Identifier: MIT */
/* run/fd.c - the program's descriptors, and ours among them.
 *
 * Every way to close a descriptor passes through here, so the loop may keep
 * what it knows of one (TN__FD_TRACKED) until then. Whoever waits on it at that
 * moment is woken with EBADF.
 *
 * Whether a description has O_NONBLOCK is remembered, but asked for each time
 * where another process may change it: what was open at start, or when a child
 * was forked, or came by a message. A change seen on one
 * number may be a change of others, if there were duplicates or children ever;
 * then all are asked for anew. It is the same with SO_RCVTIMEO, SO_SNDTIMEO and
 * SO_RCVLOWAT, once there may be any: none is asked for before.
 *
 * The engine's own descriptors are in ours.c. */
#include "run/run.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/time.h>

enum { FDS_MAX = TN__RUN_FDS_MAX, ROOM_MIN = 4096 };

static struct tn__run_fd *fds; /* of FDS_MAX of them, those below */
static unsigned fds_room;      /* this can be used: mlockall() locks no more */
static int fds_top;            /* none is known from here on */
static int fds_end;            /* none was open when this was looked for */
static uint32_t changes = 1;   /* of O_NONBLOCK, on unknown descriptors */
static bool has_duplicates;
static bool has_lingering;     /* SO_LINGER was set on some socket */
static bool has_timeouts;      /* a socket of ours may have one, or a low
                                * mark */

/* Is there an entry for this number? */
static bool has_room(int fd)
{
    unsigned room = fds_room ? fds_room : ROOM_MIN;

    if ((unsigned)fd < fds_room)
        return true;
    if ((unsigned)fd >= FDS_MAX)
        return false;
    while (room <= (unsigned)fd)
        room *= 2;
    if (tn__sys_mprotect(fds, room * sizeof *fds, PROT_READ | PROT_WRITE) < 0)
        return false;
    fds_room = room;
    return true;
}

/* Others may share it. */
static void mark_foreign(int fd)
{
    if (has_room(fd))
        fds[fd].is_foreign = fds[fd].has_twin = true;
}

static void mark_inherited(int fd)
{
    if (!(tn__raw3(SYS_fcntl, fd, F_GETFD, 0) & FD_CLOEXEC))
        mark_foreign(fd);
}

int tn__run_fds_init(void)
{
    tn__run_ours_init();
    fds = tn__sys_map((size_t)FDS_MAX * sizeof *fds);
    if (!fds || tn__sys_mprotect(fds, (size_t)FDS_MAX * sizeof *fds,
                                 PROT_NONE) < 0 || !has_room(0))
        return -ENOMEM;
    tn__run_each_open(mark_foreign);
    return 0;
}

/* ---- children ---- */

static void note_end(int fd)
{
    if (fd >= fds_end && !tn__run_fd_is_ours(fd))
        fds_end = fd + 1;
}

int tn__run_fds_end(void)
{
    fds_end = fds_top;
    tn__run_each_open(note_end);
    return fds_end;
}

void tn__run_fds_shared(bool is_for_exec)
{
    tn__run_each_open(is_for_exec ? mark_inherited : mark_foreign);
}

int tn__run_fds_in_child(void)
{
    struct tn__loop *l = &tn__run_hub.loop;

    tn__run_ours_in_child();
    for (int fd = 0; fd < fds_top; fd++) {
        fds[fd].is_known = false;
        fds[fd].n_seeking = 0;
    }
    fds_top = 0;
    changes++;
    tn__loop_forget(l);
    return tn__loop_epoll_in_child(l);
}

/* ---- the program's ---- */

/* A pipe with a name knows no RWF_NOWAIT. */
static bool is_named_pipe(int fd)
{
    enum { PIPES = 0x50495045 }; /* the file system of those without */
    struct statfs fs;

    return tn__raw3(SYS_fcntl, fd, F_GETPIPE_SZ, 0) >= 0 &&
           tn__raw3(SYS_fstatfs, fd, (long)&fs, 0) == 0 && fs.f_type != PIPES;
}

struct tn__run_fd *tn__run_fd_get(int fd)
{
    struct tn__run_fd *f = &fds[fd];
    enum tn__fd_kind kind;
    char settings[64]; /* struct termios2 has 44 */

    if (TN_UNLIKELY((unsigned)fd >= fds_room) && !has_room(fd))
        return NULL;
    if (TN_LIKELY(f->is_known))
        return f;
    if (tn__run_fd_is_ours(fd) &&
        (fd == tn__run_hub.loop.ep || fd == tn__run_hub.loop.wake_fd))
        return NULL;
    kind = tn__fd_kind_of(fd);
    if (kind == TN__KIND_UNKNOWN)
        return NULL;
    f->is_file = kind == TN__KIND_FILE;
    f->is_socket = kind == TN__KIND_SOCKET;
    f->is_terminal = kind == TN__KIND_NOWAIT &&
                     tn__raw3(SYS_ioctl, fd, TCGETS, (long)settings) == 0;
    f->is_fifo = kind == TN__KIND_NOWAIT && is_named_pipe(fd);
    if (!f->is_file && tn__fd_track(&tn__run_hub.loop, fd, 0, kind) < 0)
        return NULL;
    f->is_known = true;
    if (fd >= fds_top)
        fds_top = fd + 1;
    return f;
}

struct tn__run_fd *tn__run_fd_seen(int fd)
{
    struct tn__run_fd *f = &fds[fd];

    if ((unsigned)fd >= fds_room || !f->is_known || f->flags_as_of != changes)
        return NULL;
    return f;
}

static int64_t ask_timeout(int fd, int name)
{
    struct timeval t = {0, 0};
    unsigned len = sizeof t;

    if (tn__sys_getsockopt(fd, SOL_SOCKET, name, &t, &len) < 0)
        return 0;
    return t.tv_sec < INT64_MAX / 1000000000
               ? t.tv_sec * 1000000000 + t.tv_usec * 1000
               : 0;
}

static bool ask_low_mark(int fd)
{
    int mark = 1;
    unsigned len = sizeof mark;

    tn__sys_getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, &len);
    return mark > 1;
}

bool tn__run_fd_is_nonblock(int fd, struct tn__run_fd *f)
{
    bool is_new = f->flags_as_of != changes;
    long flags;

    if (TN_LIKELY(!is_new && (!f->is_foreign || f->is_file)))
        return f->is_nonblock;
    flags = tn__raw3(SYS_fcntl, fd, F_GETFL, 0);
    f->is_nonblock = flags < 0 || (flags & O_NONBLOCK);
    if (!is_new)
        return f->is_nonblock;
    f->is_direct = flags >= 0 && (flags & O_DIRECT);
    f->is_sync = flags >= 0 && (flags & (O_SYNC | O_DSYNC));
    f->flags_as_of = changes;
    if (f->is_socket && (has_timeouts || f->is_foreign)) {
        f->timeout_ns[TN__RUN_IN] = ask_timeout(fd, SO_RCVTIMEO);
        f->timeout_ns[TN__RUN_OUT] = ask_timeout(fd, SO_SNDTIMEO);
        f->has_low_mark = ask_low_mark(fd);
        f->has_timeout =
            f->timeout_ns[0] || f->timeout_ns[1] || f->has_low_mark;
    }
    return f->is_nonblock;
}

tn_time tn__run_fd_wait_until(struct tn__run_call *c,
                              const struct tn__run_fd *f, int direction)
{
    int64_t span = f->timeout_ns[direction];

    if (!span)
        return TN_FOREVER;
    if (!c->has_deadline) {
        c->deadline = tn__clock_after(tn__clock_now(), span);
        c->has_deadline = true;
    }
    c->is_once = true;
    return c->deadline;
}

/* What is known of `fd` and its duplicates is so no more. */
static void forget_flags(int fd)
{
    if (fd <= 2 || has_duplicates || tn__run.has_forked)
        changes++;
    else if ((unsigned)fd < fds_room)
        fds[fd].flags_as_of = 0;
}

static void flags_changed(int fd, bool is_nonblock)
{
    struct tn__run_fd *f = tn__run_fd_get(fd);

    forget_flags(fd);
    if (f && !f->is_socket && !f->is_file) { /* of these there is more to ask */
        f->is_nonblock = is_nonblock;
        f->flags_as_of = changes;
    }
}

void tn__run_fd_forget(int fd)
{
    if ((unsigned)fd >= fds_room)
        return;
    if (fds[fd].is_known)
        tn__fd_closing(&tn__run_hub.loop, fd);
    fds[fd] = (struct tn__run_fd){0};
}

long tn__run_fd_new(long fd)
{
    if (fd >= 0 && fd < (long)fds_room &&
        TN_UNLIKELY(fds[fd].is_known || fds[fd].is_foreign))
        tn__run_fd_forget((int)fd);
    return fd;
}

/* A call that gives one. */
long tn__run_new(struct tn__run_call *c)
{
    return tn__run_fd_new(tn__run_kernel(c));
}

/* pipe(), socketpair(): they give two. */
long tn__run_new_pair(struct tn__run_call *c)
{
    long r = tn__run_kernel(c);
    int pair[2];

    if (r == 0 && tn__run_copy(pair, (const void *)c->a[c->nr == SYS_socketpair
                                                            ? 3 : 0],
                               sizeof pair) == 0) {
        tn__run_fd_new(pair[0]);
        tn__run_fd_new(pair[1]);
    }
    return r;
}

/* What has SO_LINGER is closed when its peer has everything, and an accepted
 * socket has it from the one that listens. */
static bool lingers(int fd)
{
    struct linger l = {0, 0};
    unsigned len = sizeof l;

    return tn__sys_getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &len) == 0 &&
           l.l_onoff && l.l_linger > 0;
}

/* May its close() wait? */
static bool is_slow(int fd)
{
    static const struct tn__run_fd unknown;
    const struct tn__run_fd *f = (unsigned)fd < fds_room ? &fds[fd] : &unknown;

    if (TN_UNLIKELY(f->disk == TN__RUN_DISK_SLOW))
        return true;
    if (tn__run.counts.alive == 1)
        return false;
    if (f->disk == TN__RUN_DISK_UNKNOWN && (!f->is_known || f->is_file) &&
        tn__run_fd_is_slow(fd))
        return true;
    return TN_UNLIKELY(has_lingering || f->is_foreign) && lingers(fd);
}

long tn__run_close(struct tn__run_call *c)
{
    int fd = (int)c->a[0];
    bool may_wait;

    if (TN_UNLIKELY(tn__run_fd_is_ours(fd)))
        return -EBADF;
    may_wait = is_slow(fd);
    c->can_cancel = false; /* EINTR means that it was made */
    tn__run_fd_forget(fd);
    tn__run_comm_close(fd);
    return TN_UNLIKELY(may_wait) ? tn__run_offload(c)
                                 : tn__raw1(SYS_close, fd);
}

/* A call that has made a duplicate of a descriptor. */
static long duplicated(const struct tn__run_call *c, long r)
{
    int fd = (int)c->a[0];

    tn__run_fd_new(r);
    has_duplicates = true;
    if (r >= 0 && (unsigned)fd < FDS_MAX && has_room((int)r) && has_room(fd))
        fds[r].has_twin = fds[fd].has_twin = true;
    if (r >= 0 && (unsigned)fd < fds_room && fds[fd].is_foreign &&
        has_room((int)r))
        fds[r].is_foreign = true;
    return r;
}

long tn__run_dup(struct tn__run_call *c)
{
    return tn__run_fd_is_ours((int)c->a[0]) ? -EBADF
                                             : duplicated(c, tn__run_kernel(c));
}

/* What takes a folder may get a descriptor here too: none of ours is one. */
long tn__run_fstat(struct tn__run_call *c)
{
    if (tn__run_fd_is_ours((int)c->a[0]))
        return -EBADF;
    switch (c->nr) {
    case SYS_fstat:
        return tn__run_file_ask(c);
    case SYS_newfstatat:
    case SYS_statx:
        return tn__run_path(c);
    default:
        return tn__run_kernel(c);
    }
}

static long replace(struct tn__run_call *c)
{
    int from = (int)c->a[0], to = (int)c->a[1];
    long r = tn__raw3(SYS_fcntl, from, F_GETFD, 0);
    bool may_wait;

    if (r < 0 || tn__run_fd_is_ours(from))
        return -EBADF;
    if (tn__run_fd_is_ours(to)) {
        r = tn__run_make_way(to);
        if (r < 0)
            return r;
    }
    may_wait = is_slow(to);
    tn__run_fd_forget(to);
    return duplicated(c, TN_UNLIKELY(may_wait) ? tn__run_offload(c)
                                               : tn__run_kernel(c));
}

long tn__run_dup2(struct tn__run_call *c)
{
    if (c->a[0] != c->a[1])
        return replace(c);
    return tn__run_fd_is_ours((int)c->a[0]) ? -EBADF : tn__run_kernel(c);
}

long tn__run_dup3(struct tn__run_call *c)
{
    return c->a[0] == c->a[1] ? -EINVAL : replace(c);
}

/* The kernel's close_range(), of what is all the program's. */
static long close_all(const struct tn__run_call *c, unsigned first,
                      unsigned last, bool may_wait)
{
    struct tn__run_call part = *c;

    part.a[0] = first;
    part.a[1] = last;
    return may_wait ? tn__run_offload(&part) : tn__run_kernel(&part);
}

long tn__run_close_range(struct tn__run_call *c)
{
    enum { UNSHARE = 2 }; /* CLOSE_RANGE_UNSHARE */
    unsigned first = (unsigned)c->a[0], last = (unsigned)c->a[1];
    bool may_wait = has_lingering;
    long r = 0;

    if (c->a[2] & UNSHARE) { /* see tn__run_namespaces() */
        if (tn__run.counts.alive > 1 || tn__run_is_many)
            return -EINVAL;
        tn__run_offload_retire();
        tn__run_offload_join();
    }
    if (first > last || (c->a[2] & 4)) /* CLOSE_RANGE_CLOEXEC */
        return tn__run_kernel(c);
    for (unsigned fd = first; fd <= last && fd < (unsigned)fds_top; fd++) {
        if (tn__run_fd_is_ours((int)fd))
            continue;
        may_wait |= is_slow((int)fd);
        tn__run_fd_forget((int)fd);
    }
    while (r == 0 && first <= last) {
        unsigned stop = tn__run_next_of_ours(first);

        if (stop > first)
            r = close_all(c, first, stop <= last ? stop - 1 : last, may_wait);
        if (stop >= last)
            break;
        first = stop + 1;
    }
    return r;
}

/* A lock that others may hold: asked for at once, and else waited for on a
 * helper. */
static long lock(const struct tn__run_call *c, int arg, long without_waiting)
{
    struct tn__run_call now = *c;
    long r;

    now.a[arg] = without_waiting;
    r = tn__run_kernel(&now);
    now.a[arg] = c->a[arg];
    return r == -EAGAIN || r == -EACCES ? tn__run_offload(&now) : r;
}

long tn__run_flock(struct tn__run_call *c)
{
    if (c->a[1] & 4) /* LOCK_NB */
        return tn__run_kernel(c);
    return lock(c, 1, c->a[1] | 4);
}

long tn__run_fcntl(struct tn__run_call *c)
{
    int fd = (int)c->a[0];
    long r;

    if (TN_UNLIKELY(tn__run_fd_is_ours(fd)))
        return -EBADF;
    switch (c->a[1]) {
    case F_SETFL:
        r = tn__run_kernel(c);
        if (r == 0)
            flags_changed(fd, c->a[2] & O_NONBLOCK);
        return r;
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return duplicated(c, tn__run_kernel(c));
    case F_SETOWN_EX:
        return tn__run_set_owner(c);
    case F_SETLKW:
        return lock(c, 1, F_SETLK);
    case F_OFD_SETLKW:
        return lock(c, 1, F_OFD_SETLK);
    default:
        return tn__run_kernel(c);
    }
}

long tn__run_ioctl(struct tn__run_call *c)
{
    long r = tn__run_device(c);

    if (r == 0 && (unsigned)c->a[1] == FIONBIO)
        flags_changed((int)c->a[0], *(const int *)c->a[2] != 0);
    return r;
}

void tn__run_fd_received(int fd)
{
    if ((unsigned)fd < FDS_MAX)
        mark_foreign(fd);
    has_timeouts = true;
    tn__run.has_forked = true;
}

long tn__run_setsockopt(struct tn__run_call *c)
{
    enum { RCVTIMEO_NEW = 66, SNDTIMEO_NEW = 67 };
    long r = tn__run_kernel(c);

    if (r != 0 || c->a[1] != SOL_SOCKET)
        return r;
    if (c->a[2] == SO_LINGER)
        has_lingering = true;
    if (c->a[2] == SO_RCVTIMEO || c->a[2] == SO_SNDTIMEO ||
        c->a[2] == RCVTIMEO_NEW || c->a[2] == SNDTIMEO_NEW ||
        c->a[2] == SO_RCVLOWAT) {
        if (!has_timeouts)
            changes++;
        has_timeouts = true;
        forget_flags((int)c->a[0]);
    }
    return r;
}
