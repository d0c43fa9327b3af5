/* SPDX-License-Identifier: MIT */
/* run/symbols.h - what the files with interposed functions share. */
#ifndef TN_RUN_SYMBOLS_H
#define TN_RUN_SYMBOLS_H

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "run/run.h"

#define TN__RUN_EXPORT __attribute__((visibility("default")))

#pragma GCC visibility push(hidden)

/* libc's own functions of these names, in the order of next_names[] in
 * forward.c. */
struct tn__run_next {
    int (*accept)(int fd, struct sockaddr *addr, socklen_t *addr_len);
    int (*accept4)(int fd, struct sockaddr *addr, socklen_t *addr_len,
                   int flags);
    int (*clock_nanosleep)(clockid_t clock, int flags,
                           const struct timespec *t, struct timespec *rest);
    int (*close)(int fd);
    int (*connect)(int fd, const struct sockaddr *addr, socklen_t addr_len);
    int (*dup2)(int from, int to);
    int (*epoll_pwait)(int ep, struct epoll_event *events, int n, int ms,
                       const sigset_t *mask);
    int (*epoll_wait)(int ep, struct epoll_event *events, int n, int ms);
    int (*nanosleep)(const struct timespec *span, struct timespec *rest);
    int (*poll)(struct pollfd *fds, nfds_t n, int ms);
    int (*ppoll)(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                 const sigset_t *mask);
    int (*pselect)(int n, fd_set *in, fd_set *out, fd_set *urgent,
                   const struct timespec *timeout, const sigset_t *mask);
    int (*pthread_cancel)(pthread_t target);
    int (*cond_broadcast)(pthread_cond_t *cond);
    int (*cond_clockwait)(pthread_cond_t *cond, pthread_mutex_t *mutex,
                          clockid_t clock, const struct timespec *until);
    int (*cond_signal)(pthread_cond_t *cond);
    int (*cond_timedwait)(pthread_cond_t *cond, pthread_mutex_t *mutex,
                          const struct timespec *until);
    int (*cond_wait)(pthread_cond_t *cond, pthread_mutex_t *mutex);
    ssize_t (*read)(int fd, void *buf, size_t len);
    ssize_t (*readv)(int fd, const struct iovec *iov, int n);
    ssize_t (*recv)(int fd, void *buf, size_t len, int flags);
    ssize_t (*recvfrom)(int fd, void *buf, size_t len, int flags,
                        struct sockaddr *addr, socklen_t *addr_len);
    ssize_t (*recvmsg)(int fd, struct msghdr *msg, int flags);
    int (*sched_yield)(void);
    int (*select)(int n, fd_set *in, fd_set *out, fd_set *urgent,
                  struct timeval *timeout);
    ssize_t (*send)(int fd, const void *buf, size_t len, int flags);
    ssize_t (*sendmsg)(int fd, const struct msghdr *msg, int flags);
    ssize_t (*sendto)(int fd, const void *buf, size_t len, int flags,
                      const struct sockaddr *addr, socklen_t addr_len);
    unsigned (*sleep)(unsigned seconds);
    long (*syscall)(long nr, ...);
    int (*usleep)(useconds_t us);
    ssize_t (*write)(int fd, const void *buf, size_t len);
    ssize_t (*writev)(int fd, const struct iovec *iov, int n);
};

extern struct tn__run_next tn__run_next;

/* To be called in the constructor. */
void tn__run_symbols_init(void);

/* --ways without symbols, or native: libc's own is to be called. Also before
 * the constructor has run; there is no other thread then, and libc's does. */
static inline bool tn__run_is_bypassed(void)
{
    return TN_UNLIKELY(!(tn__run.ways & TN__RUN_WAY_SYMBOLS)) &&
           tn__run_next.read != NULL;
}

/* Return what libc's own function of this name says, if it is to be called. */
#define TN__RUN_BYPASS(name, ...) \
    if (tn__run_is_bypassed()) \
    return tn__run_next.name(__VA_ARGS__)

/* condition.c: this libc's condition variables are as it knows them. */
void tn__run_conditions_init(void);
void tn__run_conditions_go_native(void);

#pragma GCC visibility pop

#endif /* TN_RUN_SYMBOLS_H */
