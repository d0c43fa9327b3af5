/* SPDX-License-Identifier: MIT */
/* run/wait.h - what wait.c has for select.c too. */
#ifndef TN_RUN_WAIT_H
#define TN_RUN_WAIT_H

#include "run/run.h"

struct pollfd;
/* Does the caller look for what poll() has just found? */
typedef bool tn__run_found(const struct pollfd *fds, size_t n);
/* As poll(), until one is found (NULL: of whatever events). */
long tn__run_poll_all(struct pollfd *fds, size_t n, tn_time deadline,
                      tn__run_found *is_found);
/* Let c->deadline be the end of this span (NULL: never), if it is new. 0,
 * -EINVAL, -EFAULT. */
int tn__run_keep_deadline(struct tn__run_call *c, const struct timespec *t);
/* What is left until then. */
struct timespec tn__run_rest_of(tn_time deadline);
/* What ppoll() and pselect() give: EINTR when nothing was found and there is a
 * signal that their mask lets through, however short they were to wait. */
long tn__run_found_or_signal(long r);
/* select() and others tell the program, if they can: it may be constant. */
void tn__run_tell_rest(const struct tn__run_call *c, struct timespec *given);

#endif /* TN_RUN_WAIT_H */
