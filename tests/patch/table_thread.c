/* SPDX-License-Identifier: MIT */
/* table_thread.c - rows of table.h: children, threads and their locks. */
#include "table.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <tendril/tendril.h>
#include <time.h>
#include <unistd.h>

pid_t __wait(int *);
pid_t __waitpid(pid_t, int *, int);

/* ---- children: one that ends with status 7 when something is put ---- */

static void with_child(struct scene *s)
{
    char c;

    with_pipe(s);
    s->pid = fork();
    if (s->pid == 0) {
        close(s->out);
        _exit(read(s->in, &c, 1) == 1 ? 7 : 1);
    }
}

#define WAITER(name, ...)                                                      \
 static int call_##name(struct scene *s)                                       \
 {                                                                             \
  struct rusage usage;                                                         \
  int status = 0;                                                              \
  pid_t pid = (__VA_ARGS__);                                                   \
  (void)usage;                                                                 \
  return pid == s->pid && WIFEXITED(status) && WEXITSTATUS(status) == 7 ? 0    \
                                                                        : -1;  \
 }

WAITER(wait, wait(&status))
WAITER(wait_also, __wait(&status))
WAITER(waitpid, waitpid(s->pid, &status, 0))
WAITER(waitpid_also, __waitpid(s->pid, &status, 0))
WAITER(wait3, wait3(&status, 0, &usage))
WAITER(wait4, wait4(s->pid, &status, 0, &usage))

static int call_waitid(struct scene *s)
{
    siginfo_t info;

    return waitid(P_PID, (id_t)s->pid, &info, WEXITED) == 0 &&
                   info.si_pid == s->pid && info.si_status == 7
               ? 0
               : -1;
}

static int call_system(struct scene *s)
{
    char command[100];
    int status;

    snprintf(command, sizeof command,
             "read word </proc/self/fd/%d; test \"$word\" = go && exit 3",
             s->in);
    status = (system)(command);
    return WIFEXITED(status) && WEXITSTATUS(status) == 3 ? 0 : -1;
}

static void put_word(struct scene *s)
{
    if (write(s->out, "go\n", 3) != 3)
        _exit(1);
}

/* ---- threads ---- */

static void *read_one(void *arg)
{
    struct scene *s = arg;
    char c;

    return read(s->in, &c, 1) == 1 ? s : NULL;
}

static void with_thread(struct scene *s)
{
    with_pipe(s);
    if (pthread_create(&s->thread, NULL, read_one, s) != 0)
        _exit(1);
}

static int call_join(struct scene *s)
{
    void *value = NULL;

    return pthread_join(s->thread, &value) == 0 && value == s ? 0 : -1;
}

/* ---- mutexes: main holds it ---- */

static struct timespec soon(clockid_t clock)
{
    struct timespec at;

    clock_gettime(clock, &at);
    at.tv_sec += 10;
    return at;
}

static void with_mutex(struct scene *s)
{
    pthread_mutex_init(&s->mutex, NULL);
    pthread_mutex_lock(&s->mutex);
}

static void unlock(struct scene *s)
{
    if (pthread_mutex_unlock(&s->mutex) != 0)
        _exit(1);
}

static int call_mutex_lock(struct scene *s)
{
    int r = pthread_mutex_lock(&s->mutex);

    return r ? r : pthread_mutex_unlock(&s->mutex);
}

static int call_mutex_timedlock(struct scene *s)
{
    struct timespec until = soon(CLOCK_REALTIME);
    int r = pthread_mutex_timedlock(&s->mutex, &until);

    return r ? r : pthread_mutex_unlock(&s->mutex);
}

static int call_mutex_clocklock(struct scene *s)
{
    struct timespec until = soon(CLOCK_MONOTONIC);
    int r = pthread_mutex_clocklock(&s->mutex, CLOCK_MONOTONIC, &until);

    return r ? r : pthread_mutex_unlock(&s->mutex);
}

static int call_mutex_trylock(struct scene *s)
{
    return pthread_mutex_trylock(&s->mutex) == EBUSY ? 0 : -1;
}

/* ---- conditions ---- */

static void with_cond(struct scene *s)
{
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->cond, NULL);
}

#define COND(name, ...)                                                        \
 static int call_##name(struct scene *s)                                       \
 {                                                                             \
  struct timespec at = soon(CLOCK_REALTIME);                                   \
  int r = pthread_mutex_lock(&s->mutex);                                       \
  (void)at;                                                                    \
  while (r == 0 && !s->is_set)                                                 \
   r = (__VA_ARGS__);                                                          \
  return r ? r : pthread_mutex_unlock(&s->mutex);                              \
 }

COND(cond_wait, pthread_cond_wait(&s->cond, &s->mutex))
COND(cond_timedwait, pthread_cond_timedwait(&s->cond, &s->mutex, &at))
COND(cond_clockwait,
     pthread_cond_clockwait(&s->cond, &s->mutex, CLOCK_REALTIME, &at))

static void set(struct scene *s)
{
    pthread_mutex_lock(&s->mutex);
    s->is_set = true;
    pthread_mutex_unlock(&s->mutex);
}

static void set_and_signal(struct scene *s)
{
    set(s);
    if (pthread_cond_signal(&s->cond) != 0)
        _exit(1);
}

static void set_and_broadcast(struct scene *s)
{
    set(s);
    if (pthread_cond_broadcast(&s->cond) != 0)
        _exit(1);
}

/* ---- readers-writer locks: main is the writer ---- */

static void with_rwlock(struct scene *s)
{
    pthread_rwlock_init(&s->rwlock, NULL);
    pthread_rwlock_wrlock(&s->rwlock);
}

static void rwunlock(struct scene *s)
{
    if (pthread_rwlock_unlock(&s->rwlock) != 0)
        _exit(1);
}

#define RWLOCK(name, clock, ...)                                               \
 static int call_##name(struct scene *s)                                       \
 {                                                                             \
  struct timespec at = soon(clock);                                            \
  int r = (__VA_ARGS__);                                                       \
  (void)at;                                                                    \
  return r ? r : pthread_rwlock_unlock(&s->rwlock);                            \
 }

RWLOCK(rdlock, CLOCK_REALTIME, pthread_rwlock_rdlock(&s->rwlock))
RWLOCK(wrlock, CLOCK_REALTIME, pthread_rwlock_wrlock(&s->rwlock))
RWLOCK(timedrdlock, CLOCK_REALTIME, pthread_rwlock_timedrdlock(&s->rwlock, &at))
RWLOCK(timedwrlock, CLOCK_REALTIME, pthread_rwlock_timedwrlock(&s->rwlock, &at))
RWLOCK(clockrdlock, CLOCK_MONOTONIC,
       pthread_rwlock_clockrdlock(&s->rwlock, CLOCK_MONOTONIC, &at))
RWLOCK(clockwrlock, CLOCK_MONOTONIC,
       pthread_rwlock_clockwrlock(&s->rwlock, CLOCK_MONOTONIC, &at))

/* ---- semaphores ---- */

static void with_semaphore(struct scene *s)
{
    sem_init(&s->semaphore, 0, 0);
}

static void post(struct scene *s)
{
    if (sem_post(&s->semaphore) != 0)
        _exit(1);
}

static int call_sem_wait(struct scene *s)
{
    return sem_wait(&s->semaphore);
}

static int call_sem_timedwait(struct scene *s)
{
    struct timespec at = soon(CLOCK_REALTIME);

    return sem_timedwait(&s->semaphore, &at);
}

static int call_sem_clockwait(struct scene *s)
{
    struct timespec at = soon(CLOCK_MONOTONIC);

    return sem_clockwait(&s->semaphore, CLOCK_MONOTONIC, &at);
}

static int call_version(struct scene *s)
{
    (void)s;
    return strcmp(tn_patch_version(), tn_version());
}

const struct row rows_thread[] = {
    {"wait", with_child, call_wait, put, true},
    {"__wait", with_child, call_wait_also, put, true},
    {"waitpid", with_child, call_waitpid, put, true},
    {"__waitpid", with_child, call_waitpid_also, put, true},
    {"wait3", with_child, call_wait3, put, true},
    {"wait4", with_child, call_wait4, put, true},
    {"waitid", with_child, call_waitid, put, true},
    {"system", with_pipe, call_system, put_word, true},
    {"pthread_join", with_thread, call_join, put, true},
    {"pthread_mutex_lock", with_mutex, call_mutex_lock, unlock, true},
    {"pthread_mutex_unlock", with_mutex, call_mutex_lock, unlock, true},
    {"pthread_mutex_trylock", with_mutex, call_mutex_trylock, NULL, false},
    {"pthread_mutex_timedlock", with_mutex, call_mutex_timedlock, unlock, true},
    {"pthread_mutex_clocklock", with_mutex, call_mutex_clocklock, unlock, true},
    {"pthread_cond_wait", with_cond, call_cond_wait, set_and_signal, true},
    {"pthread_cond_signal", with_cond, call_cond_wait, set_and_signal, true},
    {"pthread_cond_timedwait", with_cond, call_cond_timedwait,
     set_and_broadcast, true},
    {"pthread_cond_clockwait", with_cond, call_cond_clockwait, set_and_signal,
     true},
    {"pthread_cond_broadcast", with_cond, call_cond_wait, set_and_broadcast,
     true},
    {"pthread_rwlock_rdlock", with_rwlock, call_rdlock, rwunlock, true},
    {"pthread_rwlock_wrlock", with_rwlock, call_wrlock, rwunlock, true},
    {"pthread_rwlock_unlock", with_rwlock, call_wrlock, rwunlock, true},
    {"pthread_rwlock_timedrdlock", with_rwlock, call_timedrdlock, rwunlock,
     true},
    {"pthread_rwlock_timedwrlock", with_rwlock, call_timedwrlock, rwunlock,
     true},
    {"pthread_rwlock_clockrdlock", with_rwlock, call_clockrdlock, rwunlock,
     true},
    {"pthread_rwlock_clockwrlock", with_rwlock, call_clockwrlock, rwunlock,
     true},
    {"sem_wait", with_semaphore, call_sem_wait, post, true},
    {"sem_timedwait", with_semaphore, call_sem_timedwait, post, true},
    {"sem_clockwait", with_semaphore, call_sem_clockwait, post, true},
    {"sem_post", with_semaphore, call_sem_wait, post, true},
    {"tn_patch_version", with_nothing, call_version, NULL, false},
    {NULL}};
