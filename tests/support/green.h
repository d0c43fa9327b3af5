/* SPDX-License-Identifier: MIT */
/* tests/support/green.h - what many tests do with greenlets and descriptors. */
#ifndef TN_TESTS_GREEN_H
#define TN_TESTS_GREEN_H

#include <tendril/tendril.h>

#include "support/test.h"

/* tn_spawn() that must work; the caller has a reference. */
tn_greenlet *spawn(tn_greenlet_fn fn, void *arg);

/* The same, detached. */
void spawn_detached(tn_greenlet_fn fn, void *arg);

/* Wait for its end, give the reference back, and return its result. */
int join(tn_greenlet *g);

/* Let every greenlet that can run do so until it waits, whatever the seed. */
void settle(void);

/* How many greenlets have not ended, main included. */
int count_alive(void);

/* Call it in a child process of this one, in which it must succeed. */
void run_in_child(void (*fn)(void));

/* A line of what happened, in order; note() adds to it. Empty at first. */
void note(const char *word);
const char *notes(void);
void notes_clear(void);

/* Connected stream sockets of tendril's, and a pipe. */
void open_pair(int fds[2]);
void open_pipe(int fds[2]);
void close_both(const int fds[2]);

/* The same, made behind tendril's back, blocking. */
void open_foreign_pair(int fds[2]);
void open_foreign_pipe(int fds[2]);

/* A listener on a port of the loopback, and a TCP connection through it. */
int open_listener(struct sockaddr_in *ret_addr);
void open_tcp(int fds[2]);

/* Write until it would block; read until nothing is left. Never wait. */
void fill(int fd);
void drain(int fd);

/* What an error hook was told, since hear_errors(). */
struct heard {
    int n;            /* times it was called */
    int error;        /* the last one */
    char text[20000]; /* the last one */
    char name[40];    /* of the greenlet it was about; "" when none */
};
void hear_errors(struct heard *heard);

#endif /* TN_TESTS_GREEN_H */
