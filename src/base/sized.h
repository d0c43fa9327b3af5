/* SPDX-License-Identifier: MIT */
/* base/sized.h - structs that begin with their size, as the caller's program
 * knew it when it was compiled. Fields are only ever added at the end: to a
 * smaller struct those it lacks are their defaults, or are not told. */
#ifndef TN_BASE_SIZED_H
#define TN_BASE_SIZED_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Copy what the caller's struct `given` (NULL: nothing) has over the defaults
 * in `full`, which has `bytes`, its own size included. 0; -EINVAL when it has
 * not even a size, or sets fields that this library does not have. */
static inline int tn__sized_read(void *full, size_t bytes, const void *given)
{
    const unsigned char *at = given;
    size_t size;

    if (!given)
        return 0;
    memcpy(&size, given, sizeof size);
    if (size < sizeof size)
        return -EINVAL;
    for (size_t i = bytes; i < size; i++)
        if (at[i])
            return -EINVAL;
    if (size > bytes)
        size = bytes;
    memcpy((char *)full + sizeof size, at + sizeof size, size - sizeof size);
    return 0;
}

/* Copy as much of `full`, of `bytes`, as the caller's struct has room for; what
 * it has more is zero. 0; -EINVAL when it has not even a size. */
static inline int tn__sized_write(void *ret, const void *full, size_t bytes)
{
    size_t size;

    if (!ret)
        return -EINVAL;
    memcpy(&size, ret, sizeof size);
    if (size < sizeof size)
        return -EINVAL;
    if (size > bytes) {
        memset((char *)ret + bytes, 0, size - bytes);
        size = bytes;
    }
    memcpy((char *)ret + sizeof size, (const char *)full + sizeof size,
           size - sizeof size);
    return 0;
}

#endif /* TN_BASE_SIZED_H */
