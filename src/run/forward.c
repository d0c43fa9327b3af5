/* SPDX-License-Identifier: MIT */
/* run/forward.c - libc's own functions behind those that we interpose: they are
 * called when `--ways` leaves the symbols out, so that what libc itself does
 * arrives by the other ways. */
#include "run/symbols.h"

#include <dlfcn.h>

struct tn__run_next tn__run_next;

/* In the order of the members. */
static const char *const next_names[] = {
    "accept", "accept4", "clock_nanosleep", "close", "connect", "dup2",
    "epoll_pwait", "epoll_wait", "nanosleep", "poll", "ppoll", "pselect",
    "pthread_cancel", "pthread_cond_broadcast", "pthread_cond_clockwait",
    "pthread_cond_signal", "pthread_cond_timedwait", "pthread_cond_wait",
    "read", "readv", "recv", "recvfrom", "recvmsg", "sched_yield", "select",
    "send", "sendmsg", "sendto", "sleep", "syscall", "usleep", "write",
    "writev"};

_Static_assert(sizeof tn__run_next == sizeof next_names,
               "a member for each name");

void tn__run_symbols_init(void)
{
    void **next = (void **)&tn__run_next;

    for (size_t i = 0; i < sizeof next_names / sizeof *next_names; i++)
        next[i] = dlsym(RTLD_NEXT, next_names[i]);
}
