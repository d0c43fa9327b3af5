/* SPDX-License-Identifier: MIT */
/* run/ours.h - the engine's own descriptors, among the program's: ours.c. */
#ifndef TN_RUN_OURS_H
#define TN_RUN_OURS_H

#include "run/run.h"

void tn__run_ours_init(void);
/* Move a descriptor of ours out of the program's way; passes errors on. */
long tn__run_fd_hide(long fd);
/* The same for one that the engine can do without: -EMFILE where there is no
 * room, and it is closed, or none was to be had. */
long tn__run_fd_move_up(long fd);
bool tn__run_fd_is_ours(int fd);
/* The lowest of ours from `fd` on; UINT32_MAX: none. */
unsigned tn__run_next_of_ours(unsigned fd);
/* tn__sys_close() was asked to close it. */
void tn__run_fd_disown(int fd);
/* Wait, as tn__run_wait_fd(), until this new one is readable, and close it.
 * -EMFILE: there is none, or no room to hide it. -EBADF: the program has wanted
 * its number, begin anew. */
long tn__run_fd_wait_own(long fd, tn_time deadline, const char *what);
/* A write of the engine's own. If it is refused (RLIMIT_FSIZE; nobody reads),
 * the signal that the kernel raises for it is none of the program's. */
long tn__run_write_own(long fd, const void *data, size_t n);
/* The program wants this number, and it is ours: it may have it then. */
long tn__run_make_way(int fd);
/* Close the engine's descriptors. */
void tn__run_fds_drop(void);
void tn__run_ours_in_child(void);
/* Call `fn` for each descriptor that is open, the program's and ours. */
void tn__run_each_open(void (*fn)(int fd));

#endif /* TN_RUN_OURS_H */
