/* SPDX-License-Identifier: MIT */
/* net/file.h - a call on a file, as the ways of doing it see it. */
#ifndef TN_NET_FILE_H
#define TN_NET_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <tendril/base.h>

struct tn_hub;
struct statx;

enum tn__file_code {
    TN__FILE_OPEN,     /* path, flags, mode */
    TN__FILE_CLOSE,    /* fd */
    TN__FILE_READ,     /* fd, buf, len, offset */
    TN__FILE_WRITE,    /* fd, buf, len, offset */
    TN__FILE_SYNC,     /* fd, flags: 1 for the data alone */
    TN__FILE_STAT,     /* fd (or AT_FDCWD), path, flags of statx(), stat */
    TN__FILE_RENAME,   /* path, to */
    TN__FILE_UNLINK,   /* path, flags: AT_REMOVEDIR or 0 */
    TN__FILE_MKDIR,    /* path, mode */
    TN__FILE_TRUNCATE, /* fd, offset: the length. Never by a ring */
    TN__FILE_CODES
};

/* All of it is the caller's, until the call is over. */
struct tn__file_call {
    uint8_t code; /* enum tn__file_code */
    int fd;
    int flags;
    mode_t mode;
    const char *path;
    const char *to;
    void *buf;
    size_t len;
    int64_t offset;
    struct statx *stat;
    const char *what; /* static string: the public call, for reports */
};

/* Do it, the best way there is, and wait: what the public calls do. */
long tn__file_do(struct tn__file_call *call, tn_time deadline);

/* Do it here and now, blocking. What the system call returns, or a negative
 * errno; errno stays. */
long tn__file_block(const struct tn__file_call *call);

/* tn__file_ring_do() cannot: to be done another way. */
#define TN__FILE_NO_RING (-4095L)

/* Do it by the ring of `h` and wait. The result, or why the wait ended (then
 * the kernel is done with the call too), or TN__FILE_NO_RING. */
long tn__file_ring_do(struct tn_hub *h, const struct tn__file_call *call,
                      tn_time deadline);

/* True if `h` has a ring, which is made for that. */
bool tn__file_has_ring(struct tn_hub *h);

#endif /* TN_NET_FILE_H */
