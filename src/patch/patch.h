/* SPDX-License-Identifier: MIT */
/* patch/patch.h - the functions in front of libc's, and libc's own.
 *
 * Each has a name of ours in C and libc's name for the linker, so that it need
 * not agree with what a libc's headers and macros make of that name. */
#ifndef TN_PATCH_PATCH_H
#define TN_PATCH_PATCH_H

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <tendril/tendril.h>
#include <time.h>

#define TN_PATCH(name) __asm__(#name) __attribute__((visibility("default")))

/* ---- io.c, message.c, socket.c ---- */

ssize_t tn__patch_read(int, void *, size_t) TN_PATCH(read);
ssize_t tn__patch_read_chk(int, void *, size_t, size_t) TN_PATCH(__read_chk);
ssize_t tn__patch_readv(int, const struct iovec *, int) TN_PATCH(readv);
ssize_t tn__patch_write(int, const void *, size_t) TN_PATCH(write);
ssize_t tn__patch_writev(int, const struct iovec *, int) TN_PATCH(writev);
ssize_t tn__patch_recv(int, void *, size_t, int) TN_PATCH(recv);
ssize_t tn__patch_recv_chk(int, void *, size_t, size_t, int)
    TN_PATCH(__recv_chk);
ssize_t tn__patch_recvfrom(int, void *, size_t, int, struct sockaddr *,
                           socklen_t *) TN_PATCH(recvfrom);
ssize_t tn__patch_recvfrom_chk(int, void *, size_t, size_t, int,
                               struct sockaddr *, socklen_t *)
    TN_PATCH(__recvfrom_chk);
ssize_t tn__patch_recvmsg(int, struct msghdr *, int) TN_PATCH(recvmsg);
int tn__patch_recvmmsg(int, struct mmsghdr *, unsigned, int, struct timespec *)
    TN_PATCH(recvmmsg);
ssize_t tn__patch_send(int, const void *, size_t, int) TN_PATCH(send);
ssize_t tn__patch_sendto(int, const void *, size_t, int,
                         const struct sockaddr *, socklen_t) TN_PATCH(sendto);
ssize_t tn__patch_sendmsg(int, const struct msghdr *, int) TN_PATCH(sendmsg);
int tn__patch_sendmmsg(int, struct mmsghdr *, unsigned, int) TN_PATCH(sendmmsg);
ssize_t tn__patch_sendfile(int, int, off_t *, size_t) TN_PATCH(sendfile);
ssize_t tn__patch_splice(int, off_t *, int, off_t *, size_t, unsigned)
    TN_PATCH(splice);
int tn__patch_accept(int, struct sockaddr *, socklen_t *) TN_PATCH(accept);
int tn__patch_accept4(int, struct sockaddr *, socklen_t *, int)
    TN_PATCH(accept4);
int tn__patch_connect(int, const struct sockaddr *, socklen_t)
    TN_PATCH(connect);
int tn__patch_shutdown(int, int) TN_PATCH(shutdown);
int tn__patch_close(int) TN_PATCH(close);
int tn__patch_dup2(int, int) TN_PATCH(dup2);
int tn__patch_dup3(int, int, int) TN_PATCH(dup3);

/* ---- poll.c ---- */

int tn__patch_poll(struct pollfd *, nfds_t, int) TN_PATCH(poll);
int tn__patch_poll_chk(struct pollfd *, nfds_t, int, size_t)
    TN_PATCH(__poll_chk);
int tn__patch_ppoll(struct pollfd *, nfds_t, const struct timespec *,
                    const sigset_t *) TN_PATCH(ppoll);
int tn__patch_ppoll_chk(struct pollfd *, nfds_t, const struct timespec *,
                        const sigset_t *, size_t) TN_PATCH(__ppoll_chk);
int tn__patch_select(int, fd_set *, fd_set *, fd_set *, struct timeval *)
    TN_PATCH(select);
int tn__patch_pselect(int, fd_set *, fd_set *, fd_set *,
                      const struct timespec *, const sigset_t *)
    TN_PATCH(pselect);
int tn__patch_epoll_wait(int, struct epoll_event *, int, int)
    TN_PATCH(epoll_wait);
int tn__patch_epoll_pwait(int, struct epoll_event *, int, int, const sigset_t *)
    TN_PATCH(epoll_pwait);
int tn__patch_epoll_pwait2(int, struct epoll_event *, int,
                           const struct timespec *, const sigset_t *)
    TN_PATCH(epoll_pwait2);

/* ---- sleep.c ---- */

unsigned tn__patch_sleep(unsigned) TN_PATCH(sleep);
int tn__patch_usleep(useconds_t) TN_PATCH(usleep);
int tn__patch_nanosleep(const struct timespec *, struct timespec *)
    TN_PATCH(nanosleep);
int tn__patch_clock_nanosleep(clockid_t, int, const struct timespec *,
                              struct timespec *) TN_PATCH(clock_nanosleep);
int tn__patch_sched_yield(void) TN_PATCH(sched_yield);

/* ---- names.c, hosts.c ---- */

int tn__patch_getaddrinfo(const char *, const char *, const struct addrinfo *,
                          struct addrinfo **) TN_PATCH(getaddrinfo);
int tn__patch_getnameinfo(const struct sockaddr *, socklen_t, char *, socklen_t,
                          char *, socklen_t, int) TN_PATCH(getnameinfo);
struct hostent *tn__patch_gethostbyname(const char *) TN_PATCH(gethostbyname);
struct hostent *tn__patch_gethostbyname2(const char *, int)
    TN_PATCH(gethostbyname2);
struct hostent *tn__patch_gethostbyaddr(const void *, socklen_t, int)
    TN_PATCH(gethostbyaddr);
int tn__patch_gethostbyname_r(const char *, struct hostent *, char *, size_t,
                              struct hostent **, int *)
    TN_PATCH(gethostbyname_r);
int tn__patch_gethostbyname2_r(const char *, int, struct hostent *, char *,
                               size_t, struct hostent **, int *)
    TN_PATCH(gethostbyname2_r);
int tn__patch_gethostbyaddr_r(const void *, socklen_t, int, struct hostent *,
                              char *, size_t, struct hostent **, int *)
    TN_PATCH(gethostbyaddr_r);

/* ---- child.c ---- */

pid_t tn__patch_wait(int *) TN_PATCH(wait);
pid_t tn__patch_waitpid(pid_t, int *, int) TN_PATCH(waitpid);
pid_t tn__patch_wait3(int *, int, struct rusage *) TN_PATCH(wait3);
pid_t tn__patch_wait4(pid_t, int *, int, struct rusage *) TN_PATCH(wait4);
int tn__patch_waitid(idtype_t, id_t, siginfo_t *, int) TN_PATCH(waitid);
int tn__patch_system(const char *) TN_PATCH(system);

/* ---- mutex.c, cond.c, lock.c ---- */

int tn__patch_pthread_join(pthread_t, void **) TN_PATCH(pthread_join);
int tn__patch_pthread_mutex_lock(pthread_mutex_t *)
    TN_PATCH(pthread_mutex_lock);
int tn__patch_pthread_mutex_trylock(pthread_mutex_t *)
    TN_PATCH(pthread_mutex_trylock);
int tn__patch_pthread_mutex_timedlock(pthread_mutex_t *,
                                      const struct timespec *)
    TN_PATCH(pthread_mutex_timedlock);
int tn__patch_pthread_mutex_clocklock(pthread_mutex_t *, clockid_t,
                                      const struct timespec *)
    TN_PATCH(pthread_mutex_clocklock);
int tn__patch_pthread_mutex_unlock(pthread_mutex_t *)
    TN_PATCH(pthread_mutex_unlock);
int tn__patch_pthread_cond_wait(pthread_cond_t *, pthread_mutex_t *)
    TN_PATCH(pthread_cond_wait);
int tn__patch_pthread_cond_timedwait(pthread_cond_t *, pthread_mutex_t *,
                                     const struct timespec *)
    TN_PATCH(pthread_cond_timedwait);
int tn__patch_pthread_cond_clockwait(pthread_cond_t *, pthread_mutex_t *,
                                     clockid_t, const struct timespec *)
    TN_PATCH(pthread_cond_clockwait);
int tn__patch_pthread_cond_signal(pthread_cond_t *)
    TN_PATCH(pthread_cond_signal);
int tn__patch_pthread_cond_broadcast(pthread_cond_t *)
    TN_PATCH(pthread_cond_broadcast);
int tn__patch_pthread_rwlock_rdlock(pthread_rwlock_t *)
    TN_PATCH(pthread_rwlock_rdlock);
int tn__patch_pthread_rwlock_timedrdlock(pthread_rwlock_t *,
                                         const struct timespec *)
    TN_PATCH(pthread_rwlock_timedrdlock);
int tn__patch_pthread_rwlock_clockrdlock(pthread_rwlock_t *, clockid_t,
                                         const struct timespec *)
    TN_PATCH(pthread_rwlock_clockrdlock);
int tn__patch_pthread_rwlock_wrlock(pthread_rwlock_t *)
    TN_PATCH(pthread_rwlock_wrlock);
int tn__patch_pthread_rwlock_timedwrlock(pthread_rwlock_t *,
                                         const struct timespec *)
    TN_PATCH(pthread_rwlock_timedwrlock);
int tn__patch_pthread_rwlock_clockwrlock(pthread_rwlock_t *, clockid_t,
                                         const struct timespec *)
    TN_PATCH(pthread_rwlock_clockwrlock);
int tn__patch_pthread_rwlock_unlock(pthread_rwlock_t *)
    TN_PATCH(pthread_rwlock_unlock);
int tn__patch_sem_wait(sem_t *) TN_PATCH(sem_wait);
int tn__patch_sem_timedwait(sem_t *, const struct timespec *)
    TN_PATCH(sem_timedwait);
int tn__patch_sem_clockwait(sem_t *, clockid_t, const struct timespec *)
    TN_PATCH(sem_clockwait);
int tn__patch_sem_post(sem_t *) TN_PATCH(sem_post);

#include "patch/real-table.h"

/* Another name of a function of the same file. */
#define TN_PATCH_ALIAS(other, name)                                            \
 extern __typeof__(tn__patch_##name) tn__patch_also_##name TN_PATCH(other)     \
     __attribute__((alias(#name)))

/* ---- real.c: libc's own, or whoever is next behind us ---- */

extern struct tn__patch_real tn__patch_real;
extern bool tn__patch_is_resolved;
void tn__patch_resolve(void);

static inline const struct tn__patch_real *tn__real(void)
{
    if (__builtin_expect(!tn__patch_is_resolved, 0))
        tn__patch_resolve();
    return &tn__patch_real;
}

/* False in a child that shares our memory but is not us: of vfork(). */
bool tn__patch_is_us(void);

/* In the child of a fork(): nobody owns a mutex, and nobody waits. */
void tn__patch_forget_mutexes(void);
void tn__patch_forget_waiters(void);

/* ---- wait.c: what all share ---- */

/* A call on a descriptor that may have to wait. Begin with TN_PATCH_WAIT. */
struct tn__patch_wait {
    int fd;
    short events;     /* to wait for */
    int errno_before; /* what a call that succeeds leaves */
    bool has_waited;
    bool is_shut;     /* nothing more comes, poll() has said */
    bool has_ended;   /* and nothing was there: who would wait gets 0 */
    tn_time deadline; /* of the socket; valid once it has waited */
};
#define TN_PATCH_WAIT(fd, events)                                              \
 {                                                                             \
  fd, events, errno, false, false, false, 0                                    \
 }

/* The last attempt has failed. True: it is worth another one. False: errno is
 * what the call fails with. */
bool tn__patch_again(struct tn__patch_wait *w);

/* A part is done. Whether the call goes on until all is: the descriptor is a
 * blocking one. */
bool tn__patch_goes_on(struct tn__patch_wait *w);
bool tn__patch_is_blocking(int fd);

/* Is the connection over, and nothing left to be read? Who goes on then with a
 * call that did a part takes the error that is the next call's. */
bool tn__patch_has_ended(int fd, short events);

/* What is to be transferred. Begin with {iov, n}. */
struct tn__patch_parts {
    const struct iovec *iov; /* what comes next */
    int n;
    const struct iovec *next; /* what comes after that */
    int n_next;
    struct iovec piece; /* what is left of a part */
};

/* `done` bytes of it are over. True: there is more. */
bool tn__patch_advance(struct tn__patch_parts *p, size_t done);

/* The bytes in all. */
size_t tn__patch_bytes(const struct iovec *iov, size_t n);

/* End the process, as libc does when a buffer is too small. */
void tn__patch_check(bool is_good);

/* Asks poll(). 1; or -1 with an errno, EAGAIN if it is not. */
int tn__patch_is_ready(int fd, short events);

/* The end of the call: its result, and errno as it should be. */
static inline ssize_t tn__patch_done(const struct tn__patch_wait *w, ssize_t r)
{
    if (r < 0 && w->has_ended)
        r = 0;
    if (r >= 0)
        errno = w->errno_before;
    return r;
}

/* A negative errno of tendril's as libc's calls have it. */
int tn__patch_errno(int error);

/* Fail with it: sets errno and returns -1. */
int tn__patch_fail(int error);

/* The deadline that SO_RCVTIMEO or SO_SNDTIMEO gives a call that begins now. */
tn_time tn__patch_socket_deadline(int fd, int option);

/* When a span is over, or a clock shows that time. */
tn_time tn__patch_after(const struct timespec *span);
tn_time tn__patch_at(clockid_t clock, const struct timespec *at);
bool tn__patch_is_time(const struct timespec *t);

/* ---- names.c ---- */

/* What tn_getaddrinfo() or tn_getnameinfo() returned, as libc's have it. */
int tn__patch_eai(int r);

/* ---- lot.c: where greenlets wait for a lock of pthread's ---- */

struct tn__patch_spot;

/* Take a place among those who wait for what is at `address`: from now on no
 * wake is lost. With `is_semaphore` a signal handler may wake it. NULL: there
 * is no memory. */
struct tn__patch_spot *tn__patch_enter(const void *address, bool is_semaphore);

/* Wait until it is woken or `deadline` has passed; neither a kill nor a scope
 * ends it. */
void tn__patch_stay(struct tn__patch_spot *spot, tn_time deadline);

/* Give the place up. Whether it was woken. */
bool tn__patch_leave(struct tn__patch_spot *spot);

/* Wake the first, or all, of those who wait there. From any thread. */
void tn__patch_wake(const void *address, bool is_all);
bool tn__patch_has_waiters(const void *address);

/* Whether this thread is in the lot now: what it locks meanwhile is libc's. */
bool tn__patch_in_lot(void);

/* Call attempt(lock), which gives EBUSY as long as it would wait, until it
 * gives something else, which is returned, or `deadline`: ETIMEDOUT. */
int tn__patch_lock(void *lock, int (*attempt)(void *lock), bool is_semaphore,
                   tn_time deadline);

#endif /* TN_PATCH_PATCH_H */
