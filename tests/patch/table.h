/* SPDX-License-Identifier: MIT */
/* table.h - a row for each function that libtendril-patch puts in front of
 * libc: how to call it so that it waits, and what ends the wait. */
#ifndef TN_TESTS_PATCH_TABLE_H
#define TN_TESTS_PATCH_TABLE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What a row works on; each kind of row uses its part. */
struct scene {
    int in, out; /* what comes out of `in` was put into `out` */
    int other;   /* a third descriptor; -1 */
    pid_t pid;   /* a child */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    pthread_rwlock_t rwlock;
    sem_t semaphore;
    bool is_set;    /* what those on `cond` wait for */
    bool is_inside; /* it is called in a greenlet */
};

struct row {
    const char *name;
    void (*begin)(struct scene *s);
    /* The call: 0 if it did what it should. */
    int (*call)(struct scene *s);
    /* What it waits for. NULL: it ends by itself. */
    void (*release)(struct scene *s);
    bool waits;        /* it does not end before `release` is called, or it lets
                       * others run before it ends by itself */
    bool waits_inside; /* the same, but in a greenlet only */
};

extern const struct row rows_fd[], rows_poll[], rows_thread[];

/* Begin with two ends of it. */
void with_nothing(struct scene *s);
void with_pipe(struct scene *s);
void with_pair(struct scene *s);
void with_datagrams(struct scene *s);

/* Put a byte in; take all of `BIG` bytes out, as pattern() put them. */
void put(struct scene *s);
void drain(struct scene *s);
enum { BIG = 1 << 20 };
char *pattern(void);

#define COUNT_OF(a) (sizeof(a) / sizeof(a)[0])

#endif /* TN_TESTS_PATCH_TABLE_H */
