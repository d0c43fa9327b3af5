/* SPDX-License-Identifier: MIT */
/* behave.h - tests of how patched calls behave: each in a process of its own,
 * with a time limit. */
#ifndef TN_TESTS_PATCH_BEHAVE_H
#define TN_TESTS_PATCH_BEHAVE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tendril/tendril.h>

struct behaviour {
    const char *name;
    void (*fn)(void);
    int signal; /* that ends it; 0: none */
};

#define BEHAVIOUR(fn)                                                          \
 {                                                                             \
#  fn, fn, 0                                                                   \
 }

extern const struct behaviour behaviours_fd[], behaviours_wait[],
    behaviours_thread[];

/* The test fails unless it is so. */
void check_at(bool is, const char *text, const char *file, int line);
#define check(x) check_at((x), #x, __FILE__, __LINE__)

/* Spawn one with a stack for what libc needs; and await its end. */
tn_greenlet *go(tn_greenlet_fn fn, void *arg);
void await(tn_greenlet *g);

/* Let the others run for so long. */
void rest_ms(int ms);

/* Have handler(SIGUSR2) called so often, by a timer; 0: no more. */
void call_every_us(long us, void (*handler)(int signo));

/* A pipe, or a pair of stream sockets. */
void make_pipe(int fds[2]);
void make_pair(int fds[2]);

/* What a greenlet that should wait has come to. */
struct outcome {
    int fd;
    long result;
    int error;
    int state; /* 0: not begun, 1: in the call, 2: over */
};

#endif /* TN_TESTS_PATCH_BEHAVE_H */
