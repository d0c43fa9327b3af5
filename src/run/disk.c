/* SPDX-License-Identifier: MIT */
/* run/disk.c - reading and writing files, without stopping for a disk.
 *
 * A read is tried with RWF_NOWAIT, which takes what is in memory; the whole of
 * it or up to the end of the file is the common case and costs one system call
 * as without us. Anything less is for a helper, which makes the program's call
 * from its beginning: no read is ever put together from two, which other
 * threads at the same file position could tell.
 *
 * A write into memory is made at once. The kernel has no way to try it that all
 * file systems know, so it is timed: after a slow one the next ones to the same
 * descriptor are made by helpers (pace.c). So is, after a slow one, a read
 * where RWF_NOWAIT is not known. O_DIRECT, O_SYNC and what is large go to a
 * helper at once. Files that are memory (tmpfs, procfs and such) never do.
 *
 * What procfs says of the process's threads is put right, see comm.c.
 *
 * The kernel locks the file position of a description for the whole call. As
 * long as a helper is in one that uses it, no such call is made here: it would
 * wait. Other files are not concerned, or one slow read would have made all
 * reads a helper's for as long as there are any. */
#include "run/run.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { LARGE = 512 * 1024, NOWAIT = 8 /* RWF_NOWAIT */ };

#define ALL_MAX 0x7ffff000L /* that one call transfers */

/* A read or write in one form: that of preadv2(). */
struct transfer {
    long iov, n;
    long at;      /* -1: the current position */
    long flags;
    size_t bytes;
    struct iovec one;
};

static int n_seeking; /* helpers that use a file position, */
static int n_twins;   /* and those of one that other descriptors may have */

/* ---- file systems ---- */

/* How a file system of this type behaves. */
static int kind_of_type(long type)
{
    static const unsigned memory[] = {
        0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */,
        0x958458f6 /* hugetlbfs */, 0x62656572 /* sysfs */,
        0x27e0eb /* cgroup */, 0x63677270 /* cgroup2 */, 0x1cd1 /* devpts */,
        0x64626720 /* debugfs */, 0x74726163 /* tracefs */,
        0x73636673 /* securityfs */, 0xf97cff8c /* selinuxfs */,
        0xcafe4a11 /* bpf */, 0x19800202 /* mqueue */, 0x09041934, /* anon */
        0x6e736673 /* nsfs */, 0x6165676c /* pstore */};

    if (type == 0x9fa0)
        return TN__RUN_DISK_PROC;
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++)
        if ((unsigned)type == memory[i])
            return TN__RUN_DISK_MEMORY;
    return TN__RUN_DISK_LOCAL;
}

int tn__run_disk_kind(int fd, struct tn__run_fd *f)
{
    long fs[32]; /* struct statfs: the type comes first */

    if (TN_LIKELY(f->disk != TN__RUN_DISK_UNKNOWN))
        return f->disk;
    if (tn__run_fd_is_slow(fd)) {
        f->disk = TN__RUN_DISK_SLOW;
        return f->disk;
    }
    fs[0] = 0;
    if (tn__raw3(SYS_fstatfs, fd, (long)fs, 0) < 0)
        return TN__RUN_DISK_MEMORY; /* the call itself will say why */
    f->disk = (uint8_t)kind_of_type(fs[0]);
    return f->disk;
}

/* ---- by a helper, or at once ---- */

/* Is a helper in a call that uses the position of this one? */
static bool is_position_used(const struct tn__run_fd *f)
{
    return TN_UNLIKELY(n_seeking) &&
           (f->n_seeking > 0 || (f->has_twin && n_twins > 0));
}

/* By a helper, which uses the positions of the first `n` arguments. */
static long seeking(struct tn__run_call *c, int n, tn__run_fn *by)
{
    struct tn__run_fd *f[2];
    int twins = 0;
    long r;

    n_seeking++;
    for (int i = 0; i < n; i++) {
        f[i] = tn__run_fd_get((int)c->a[i]);
        if (f[i]) {
            f[i]->n_seeking++;
            twins += f[i]->has_twin;
        }
    }
    n_twins += twins;
    r = by(c);
    n_twins -= twins;
    for (int i = 0; i < n; i++)
        if (f[i] && f[i]->n_seeking > 0) /* 0: it was closed meanwhile */
            f[i]->n_seeking--;
    n_seeking--;
    return r;
}

static long by_helper(struct tn__run_call *c, bool is_seeking)
{
    return is_seeking ? seeking(c, 1, tn__run_offload_quick)
                      : tn__run_offload_quick(c);
}

/* A slow file system may not answer at all. */
static long on_slow(struct tn__run_call *c)
{
    return seeking(c, 1, tn__run_offload);
}

/* At once, and by a helper for a while when that was slow. */
static long timed(struct tn__run_call *c, struct tn__run_fd *f,
                  bool is_seeking)
{
    return tn__run_pace_is_slow(&f->pace) ? by_helper(c, is_seeking)
                                          : tn__run_paced(c, &f->pace);
}

/* Files of the kernel's own that make one wait, such as /proc/kmsg, can be
 * polled; all others say that they are ready. */
static long from_memory(struct tn__run_call *c)
{
    struct pollfd p = {(int)c->a[0], POLLIN | POLLOUT, 0};

    return tn__sys_poll_now(&p, 1) == 0 ? tn__run_offload(c)
                                        : tn__run_kernel(c);
}

/* A call on a file of procfs gave `r`. */
static long from_proc(const struct tn__run_call *c, long r)
{
    return c->nr == SYS_read || c->nr == SYS_pread64
               ? tn__run_stat_put_right((char *)c->a[1], r, (size_t)c->a[2])
               : r;
}

/* ---- transfers ---- */

static size_t sum_of(const struct iovec *iov, long n)
{
    struct iovec piece;
    size_t sum = 0;

    for (long i = 0; i < n && i < 1024; i++) {
        if (tn__run_copy(&piece, &iov[i], sizeof piece) < 0)
            return 0;
        sum += piece.iov_len;
    }
    return sum;
}

static bool is_write(long nr)
{
    return nr == SYS_write || nr == SYS_writev || nr == SYS_pwrite64 ||
           nr == SYS_pwritev || nr == SYS_pwritev2;
}

static bool is_single(long nr)
{
    return nr == SYS_read || nr == SYS_write || nr == SYS_pread64 ||
           nr == SYS_pwrite64;
}

static void describe(struct transfer *t, const struct tn__run_call *c)
{
    bool is_here = c->nr == SYS_read || c->nr == SYS_write ||
                   c->nr == SYS_readv || c->nr == SYS_writev;

    t->at = is_here ? -1 : c->a[3];
    t->flags = c->nr == SYS_preadv2 || c->nr == SYS_pwritev2 ? c->a[5] : 0;
    if (is_single(c->nr)) {
        t->one = (struct iovec){(void *)c->a[1], (size_t)c->a[2]};
        t->iov = (long)&t->one;
        t->n = 1;
        t->bytes = t->one.iov_len;
    } else {
        t->iov = c->a[1];
        t->n = c->a[2];
        t->bytes = sum_of((const struct iovec *)c->a[1], c->a[2]);
    }
}

static bool is_at_end(long fd, long at)
{
    struct stat st;

    return tn__raw3(SYS_fstat, fd, (long)&st, 0) == 0 &&
           S_ISREG(st.st_mode) && at >= st.st_size;
}

/* Something was read, not all. The end of the file, or is the rest not in
 * memory? Then it is as if nothing had been read. */
static long read_part(struct tn__run_call *c, const struct transfer *t, long r)
{
    long fd = c->a[0];

    if (t->at != -1)
        return is_at_end(fd, t->at + r) ? r : by_helper(c, false);
    if (is_at_end(fd, tn__raw3(SYS_lseek, fd, 0, SEEK_CUR)))
        return r;
    tn__raw3(SYS_lseek, fd, -r, SEEK_CUR);
    return by_helper(c, true);
}

static long read_from(struct tn__run_call *c, struct tn__run_fd *f)
{
    struct transfer t;
    long r;

    describe(&t, c);
    if (f->is_direct || t.bytes > LARGE || (t.at == -1 && is_position_used(f)))
        return by_helper(c, t.at == -1);
    if (f->has_no_nowait || t.at < -1)
        return timed(c, f, t.at == -1);
    r = tn__raw(SYS_preadv2, c->a[0], t.iov, t.n, t.at, t.at < 0 ? -1 : 0,
                t.flags | NOWAIT);
    if (TN_LIKELY(r == (long)t.bytes || r == ALL_MAX))
        return r;
    if (r > 0)
        return read_part(c, &t, r);
    if (r == 0)
        return tn__run_kernel(c); /* Linux 5.9 and 5.10 can be wrong */
    if (r == -EAGAIN)
        return by_helper(c, t.at == -1);
    if (r == -EOPNOTSUPP || r == -ENOSYS) {
        f->has_no_nowait = true;
        return timed(c, f, t.at == -1);
    }
    return tn__run_kernel(c); /* it says the same, or what it is about */
}

static long write_to(struct tn__run_call *c, struct tn__run_fd *f)
{
    struct transfer t;
    enum { SYNC = 2 | 4 }; /* RWF_DSYNC, RWF_SYNC */

    describe(&t, c);
    if (f->is_direct || f->is_sync || (t.flags & SYNC) || t.bytes > LARGE ||
        (t.at == -1 && is_position_used(f)))
        return by_helper(c, t.at == -1);
    return timed(c, f, t.at == -1);
}

/* One thread is left, or there was never another. */
static long of_the_only(struct tn__run_call *c)
{
    int fd = (int)c->a[0];
    struct tn__run_fd *f;

    if (tn__run.counts.threads == 0 || is_write(c->nr))
        return tn__run_kernel(c);
    f = tn__run_fd_get(fd);
    if (f && f->is_file && tn__run_disk_kind(fd, f) == TN__RUN_DISK_PROC)
        return from_proc(c, tn__run_kernel(c));
    return tn__run_kernel(c);
}

long tn__run_file_io(struct tn__run_call *c)
{
    int fd = (int)c->a[0];
    struct tn__run_fd *f;

    if (tn__run.counts.alive == 1)
        return of_the_only(c);
    f = tn__run_fd_get(fd);
    if (!f || !f->is_file)
        return tn__run_kernel(c);
    tn__run_fd_is_nonblock(fd, f); /* and is_direct, is_sync */
    switch (tn__run_disk_kind(fd, f)) {
    case TN__RUN_DISK_MEMORY:
        return is_write(c->nr) ? tn__run_kernel(c) : from_memory(c);
    case TN__RUN_DISK_PROC:
        return is_write(c->nr) ? tn__run_kernel(c)
                               : from_proc(c, from_memory(c));
    case TN__RUN_DISK_SLOW:
        return on_slow(c);
    default:
        break;
    }
    return is_write(c->nr) ? write_to(c, f) : read_from(c, f);
}

/* ---- others ---- */

bool tn__run_file_has_events(int fd, struct tn__run_fd *f)
{
    enum { UNKNOWN, NO, YES };
    struct epoll_event event = {.events = EPOLLIN};
    long set;

    if (f->events != UNKNOWN)
        return f->events == YES;
    set = tn__raw1(SYS_epoll_create1, EPOLL_CLOEXEC);
    if (set < 0)
        return false;
    f->events = tn__sys_epoll_ctl((int)set, EPOLL_CTL_ADD, fd, &event) < 0
                    ? NO
                    : YES;
    tn__raw1(SYS_close, set);
    return f->events == YES;
}

/* What helpers do is the parent's. */
void tn__run_disk_in_child(void)
{
    n_seeking = n_twins = 0;
}

/* lseek() waits for who reads at the position. */
long tn__run_lseek(struct tn__run_call *c)
{
    const struct tn__run_fd *f =
        TN_UNLIKELY(n_seeking) ? tn__run_fd_get((int)c->a[0]) : NULL;

    return TN_UNLIKELY(f && is_position_used(f)) ? tn__run_offload_quick(c)
                                                 : tn__run_kernel(c);
}

/* fsync() and its kin, and what makes a file longer or shorter. */
long tn__run_file_sync(struct tn__run_call *c)
{
    struct tn__run_fd *f;

    if (tn__run.counts.alive == 1)
        return tn__run_kernel(c);
    f = tn__run_fd_get((int)c->a[0]);
    if (!f || !f->is_file)
        return tn__run_kernel(c);
    switch (tn__run_disk_kind((int)c->a[0], f)) {
    case TN__RUN_DISK_MEMORY:
    case TN__RUN_DISK_PROC:
        return tn__run_kernel(c);
    case TN__RUN_DISK_SLOW:
        return tn__run_offload(c);
    default:
        return tn__run_offload_quick(c);
    }
}

/* sendfile() to a file, which reads and writes and is as long as it likes. */
long tn__run_file_copy(struct tn__run_call *c)
{
    int kind = TN__RUN_DISK_MEMORY;

    for (int i = 0; i < 2 && tn__run.counts.alive > 1; i++) {
        struct tn__run_fd *f = tn__run_fd_get((int)c->a[i]);
        int of_this = f && f->is_file ? tn__run_disk_kind((int)c->a[i], f)
                                      : TN__RUN_DISK_MEMORY;

        if (i == 0 && (!f || !f->is_file))
            return tn__run_kernel(c);
        if (of_this > kind)
            kind = of_this;
    }
    if (kind == TN__RUN_DISK_SLOW)
        return seeking(c, 2, tn__run_offload);
    return kind == TN__RUN_DISK_LOCAL || c->a[3] > LARGE
               ? seeking(c, 2, tn__run_offload_quick)
               : tn__run_kernel(c);
}

/* What asks about an open file, or changes what is known of it: fstat() and its
 * kin, getdents(), fchmod(). */
long tn__run_file_ask(struct tn__run_call *c)
{
    bool is_list = c->nr == SYS_getdents || c->nr == SYS_getdents64;
    struct tn__run_fd *f;

    if (tn__run.counts.alive == 1)
        return tn__run_kernel(c);
    f = tn__run_fd_get((int)c->a[0]);
    if (!f || !f->is_file)
        return tn__run_kernel(c);
    switch (tn__run_disk_kind((int)c->a[0], f)) {
    case TN__RUN_DISK_SLOW:
        return on_slow(c);
    case TN__RUN_DISK_LOCAL:
        return is_list && !is_position_used(f) ? timed(c, f, true)
               : is_list             ? by_helper(c, true)
                                     : tn__run_kernel(c);
    default:
        return tn__run_kernel(c);
    }
}

long tn__run_msync(struct tn__run_call *c)
{
    enum { SYNC = 4 }; /* MS_SYNC */

    return c->a[2] & SYNC ? tn__run_offload_quick(c) : tn__run_kernel(c);
}

/* mlock() and its kin read in what they lock. */
long tn__run_mlock(struct tn__run_call *c)
{
    return c->nr == SYS_mlockall || c->a[1] > LARGE ? tn__run_offload_quick(c)
                                                    : tn__run_kernel(c);
}

/* Advice that is work, at once: what is asked for comes into memory. */
long tn__run_madvise(struct tn__run_call *c)
{
    enum { POPULATE_READ = 22, POPULATE_WRITE, COLLAPSE = 25 };
    long what = c->a[2];

    if (what == MADV_WILLNEED ||
        ((what == POPULATE_READ || what == POPULATE_WRITE ||
          what == COLLAPSE) && c->a[1] > LARGE))
        return tn__run_offload_quick(c);
    return tn__run_kernel(c);
}
