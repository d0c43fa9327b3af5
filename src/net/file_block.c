/* SPDX-License-Identifier: MIT */
/* net/file_block.c - calls on files as they are, blocking: what a thread of the
 * offload pool does. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "net/file.h"

/* As a ring opens: without waiting for the other end of a FIFO, which could
 * keep a thread for good. */
static int open_now(const struct tn__file_call *c)
{
    int fd = open(c->path, c->flags | O_NONBLOCK, c->mode);

    if (fd >= 0 && !(c->flags & O_NONBLOCK))
        fcntl(fd, F_SETFL, c->flags);
    return fd;
}

static long begin(const struct tn__file_call *c)
{
    switch (c->code) {
    case TN__FILE_OPEN:
        return open_now(c);
    case TN__FILE_CLOSE:
        return close(c->fd);
    case TN__FILE_READ:
        return pread(c->fd, c->buf, c->len, c->offset);
    case TN__FILE_WRITE:
        return pwrite(c->fd, c->buf, c->len, c->offset);
    case TN__FILE_SYNC:
        return c->flags ? fdatasync(c->fd) : fsync(c->fd);
    case TN__FILE_STAT:
        return statx(c->fd, c->path, c->flags, STATX_BASIC_STATS, c->stat);
    case TN__FILE_RENAME:
        return rename(c->path, c->to);
    case TN__FILE_UNLINK:
        return unlinkat(AT_FDCWD, c->path, c->flags);
    case TN__FILE_MKDIR:
        return mkdir(c->path, c->mode);
    default:
        TN_ASSERT(c->code == TN__FILE_TRUNCATE);
        return ftruncate(c->fd, c->offset);
    }
}

long tn__file_block(const struct tn__file_call *call)
{
    int before = errno;
    long r = begin(call);

    if (r < 0)
        r = -errno;
    errno = before;
    return r;
}
