/* SPDX-License-Identifier: MIT */
/* net/process.h - a child process, inside the library. */
#ifndef TN_NET_PROCESS_H
#define TN_NET_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <tendril/process.h>

#include "hub/hub.h"
#include "hub/waitable.h"
#include "hub/watch_pid.h"

struct tn_process {
    struct tn_hub *hub; /* not owned */
    struct tn__pid pid; /* owned, until it is reaped */
    int pipes[3];       /* our ends; -1: none. Owned */
    int result;         /* -EAGAIN: not reaped; 0; -ECHILD */
    int status;         /* once `result` is 0 */
    uint32_t n_users;   /* calls that wait on it */
    bool is_freed;      /* by its owner; the last user frees the memory */
    bool is_leader;     /* of a process group */
    bool is_armed;      /* `end` was submitted */
    struct tn_waitable waitable; /* ready when it has ended */
    struct tn__hub_op end; /* once somebody asked for the waitable: the loop
                            * tells when it has ended */
};

/* What the child is told; all of it made before it starts. */
struct tn__exec {
    char *const *argv;
    char *const *env;
    const char *cwd; /* or NULL */
    unsigned flags;  /* TN_PROCESS_* */
    int fds[3];      /* what become its 0, 1, 2; -1: closed */
    int *keep;       /* ascending, 3 and above; owned */
    size_t n_keep;
    int error_fd;   /* where an errno goes when it cannot exec */
    int error;      /* and here: it is the parent's if that shares its memory */
    bool is_shared; /* it does */
    pid_t parent;
};

/* Start it. Stores the child. 0 or a negative errno, exec's included. */
int tn__process_exec(struct tn__exec *e, struct tn__pid *ret_pid);

/* -EXDEV, -EINVAL or 0: may this thread use `p`? */
int tn__process_check(const struct tn_process *p);

/* What its waitable needs, from its start to its end. */
void tn__process_waitable_init(struct tn_process *p);
void tn__process_waitable_fini(struct tn_process *p);

/* Hold this thread until it has ended, and take its status. */
void tn__process_block(struct tn_process *p);

/* A call that waits on `p` begins, and ends. */
void tn__process_hold(struct tn_process *p);
void tn__process_let_go(struct tn_process *p);

#endif /* TN_NET_PROCESS_H */
