/* SPDX-License-Identifier: MIT */
/* hub/watch_pid.h - the end of one child process, as a descriptor. Never
 * SIGCHLD, never a child that was not asked for. */
#ifndef TN_HUB_WATCH_PID_H
#define TN_HUB_WATCH_PID_H

#include <stdbool.h>
#include <sys/types.h>

/* A child, from its start until its status was taken. */
struct tn__pid {
    pid_t pid;
    int fd;        /* readable when it has ended; owned */
    bool is_pidfd; /* else an eventfd, which a thread of ours writes */
};

/* Watch child `pid`, which the caller has not waited for. Stores a descriptor.
 * 0 or a negative errno: -ECHILD, -EMFILE, -ENOMEM, -EAGAIN (no thread). */
int tn__pid_open(pid_t pid, struct tn__pid *ret);

/* The same when the kernel gave a pidfd already. */
void tn__pid_open_as(pid_t pid, int pidfd, struct tn__pid *ret);

/* Take its status, in the form of waitpid(2). 0; -EAGAIN when it still runs;
 * -ECHILD when somebody else took it. */
int tn__pid_reap(const struct tn__pid *p, int *ret_status);

/* Hold this thread until it has ended. */
void tn__pid_await(const struct tn__pid *p);

/* Nobody is interested any more. One that still runs is waited for by a thread
 * of its own, so that it leaves no zombie. */
void tn__pid_abandon(struct tn__pid *p);

/* For tests: as if the kernel had no pidfd. */
extern bool tn__pid_is_old_kernel;

#endif /* TN_HUB_WATCH_PID_H */
