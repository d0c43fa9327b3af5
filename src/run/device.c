/* SPDX-License-Identifier: MIT */
/* run/device.c - character devices, of which nobody knows what their calls do.
 *
 * A write to one may be a message, or a line that is not to be mixed with those
 * of others, so it is never made in parts; where RWF_NOWAIT is not known a
 * helper makes it. So it is with a FIFO, where another process may take the
 * room that poll() has seen. An ioctl() is known for sockets, pipes, terminals,
 * and some that all files have; a helper makes any other. */
#include "run/io.h"

#include <asm/ioctls.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum {
    DRAIN2 = 0x402c542c, FLUSH2, /* TCSETSW2, TCSETSF2 */
    KVM_RUN = 0xae80
};

/* Of a terminal: it waits until what was written is out. */
static bool is_drain(unsigned what)
{
    return what == TCSBRK || what == TCSBRKP || what == TCSETSW ||
           what == TCSETSF || what == TCSETAW || what == TCSETAF ||
           what == DRAIN2 || what == FLUSH2 || what == TIOCMIWAIT;
}

/* In the background a terminal would stop the process, but not by a helper,
 * which blocks the signal. */
static bool is_in_foreground(int fd)
{
    int group = 0;

    return tn__raw3(SYS_ioctl, fd, TIOCGPGRP, (long)&group) < 0 ||
           group == tn__raw1(SYS_getpgid, 0);
}

static bool is_known(unsigned what)
{
    switch (what) {
    case FIONREAD:
    case FIONBIO:
    case FIOASYNC:
    case FIOCLEX:
    case FIONCLEX:
    case FIOQSIZE:
    case BLKGETSIZE:
    case BLKGETSIZE64:
    case BLKSSZGET:
    case FS_IOC_GETFLAGS:
        return true;
    default:
        return false;
    }
}

static bool is_memory_device(const struct stat *st)
{
    enum { MEMORY = 1, KERNEL_LOG = 11 };
    unsigned device = (unsigned)st->st_rdev;

    return (device >> 8 & 0xfff) == MEMORY && (device & 0xff) != KERNEL_LOG;
}

static bool is_message_device(int fd, struct tn__run_fd *f)
{
    enum { UNKNOWN, NO, YES };
    struct stat st;

    if (TN_LIKELY(f->device != UNKNOWN))
        return f->device == YES;
    f->device = NO;
    if (f->is_fifo || (!f->is_socket && tn__sys_fstat(fd, &st) == 0 &&
                       S_ISCHR(st.st_mode) && !is_memory_device(&st)))
        f->device = YES;
    return f->device == YES;
}

/* As it stands, by a helper; but it is who calls that a terminal stops. */
static long write_whole(struct tn__run_call *c, const struct tn__run_fd *f)
{
    long r = 0;

    if (f->is_terminal && tn__run.counts.alive > 1)
        r = tn__io_ask_terminal(c, SYS_write);
    return r < 0 ? r : tn__run_offload(c);
}

bool tn__run_device_write(struct tn__run_call *c, struct tn__run_fd *f,
                          long *ret)
{
    struct iovec one = {(void *)c->a[1], (size_t)c->a[2]};
    bool is_vector = c->nr != SYS_write;

    if (TN_LIKELY(!is_message_device((int)c->a[0], f)))
        return false;
    *ret = -EOPNOTSUPP;
    if (!f->has_no_nowait)
        *ret = tn__sys_writev_nowait(
            (int)c->a[0], is_vector ? (const void *)c->a[1] : &one,
            is_vector ? (int)c->a[2] : 1);
    if (*ret == -EAGAIN)
        return false; /* it can be waited for */
    if (*ret == -EOPNOTSUPP) {
        f->has_no_nowait = true;
        *ret = write_whole(c, f);
    }
    return true;
}

/* May it wait? */
static bool is_unknown(int fd, struct tn__run_fd *f, unsigned what)
{
    struct stat st;

    if (!f || f->is_socket || is_known(what))
        return false;
    if ((what >> 8 & 0xff) == 'T')
        return is_drain(what) && is_in_foreground(fd);
    if (f->is_file)
        return tn__run_disk_kind(fd, f) >= TN__RUN_DISK_LOCAL;
    if (tn__sys_fstat(fd, &st) < 0)
        return false;
    return S_ISCHR(st.st_mode) ? !is_memory_device(&st) : what == KVM_RUN;
}

long tn__run_device(struct tn__run_call *c)
{
    int fd = (int)c->a[0];

    if (tn__run.counts.alive == 1 ||
        !is_unknown(fd, tn__run_fd_get(fd), (unsigned)c->a[1]))
        return tn__run_kernel(c);
    return tn__run_offload(c);
}
