/* SPDX-License-Identifier: MIT */
/* net/fd.h - what the files of net tell each other about descriptors. */
#ifndef TN_NET_FD_H
#define TN_NET_FD_H

/* `fd` was just made, non-blocking, and is tendril's from now on. 0 or a
 * negative errno; the caller then closes it. */
int tn__net_own(int fd);

#endif /* TN_NET_FD_H */
