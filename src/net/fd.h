/* SPDX-License-Identifier: MIT */
/* net/fd.h - what the files of net tell each other about descriptors. */
#ifndef TN_NET_FD_H
#define TN_NET_FD_H

#include "base/assert.h"
#include "hub/hub.h"

/* This thread's hub as `h`, or out with why there is none. */
#define TN__NET_ENTER(h)                                                       \
 struct tn_hub *h = tn__hub_peek();                                            \
 if (TN_UNLIKELY(!h)) {                                                        \
  int hub_error = tn__hub_self(&h);                                            \
  if (hub_error < 0)                                                           \
   return hub_error;                                                           \
 }

/* Raised whenever `fd` is closed: a call of several steps goes on only while it
 * stays the same, for the number may be another descriptor's meanwhile. */
static inline uint32_t tn__net_generation(struct tn_hub *h, int fd)
{
    const struct tn__fd *f = tn__fdtab_peek(&h->loop, fd);

    return f ? f->generation : 0;
}

/* Wait a while, growing with each call (*us begins as 0), for something about
 * `fd` that the kernel does not tell. 0: look again; 1: `deadline` has passed;
 * a negative errno: of a kill, a scope, or -EBADF as it was closed. */
long tn__net_pause(struct tn_hub *h, int fd, int64_t *us, tn_time deadline,
                   const char *what);

/* tn_socket(). */
int tn__net_socket(int domain, int type, int protocol);

/* `fd` was just made, non-blocking, and is tendril's from now on. 0 or a
 * negative errno; the caller then closes it. */
int tn__net_own(int fd);

#endif /* TN_NET_FD_H */
