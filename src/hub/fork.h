/* SPDX-License-Identifier: MIT */
/* hub/fork.h - what becomes of a greenlet that forks, in the child. */
#ifndef TN_HUB_FORK_H
#define TN_HUB_FORK_H

#include "hub/hub.h"

/* In the child of any fork: `h`, the copy of the parent's hub (or NULL), will
 * never run a greenlet. */
void tn__fork_leave(struct tn_hub *h);

#endif /* TN_HUB_FORK_H */
