/* SPDX-License-Identifier: MIT */
/* load.h - what the load programs have in common: their options, the measured
 * window, and the figures they print.
 *
 * usage: PROGRAM --port N --pid N [--connections N] [--warm-ms N]
 *                [--window-ms N] [--gate]
 *
 * --pid is the server, whose CPU time and memory are read at both ends of the
 * window. With --gate the program says "ready" when it is connected, waits for
 * a line on stdin before the load and for the end of stdin after it, so that
 * somebody can attach to the server meanwhile. */
#ifndef TN_BENCH_LOAD_H
#define TN_BENCH_LOAD_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

struct load {
    int port, pid, connections, has_gate;
    int64_t warm_ns, window_ns;
    int64_t begin, end;         /* the window, on bench_now_ns()'s clock */
    int64_t began, ended;       /* when it was noticed; 0: not yet */
    int64_t cpu_begin, cpu_end; /* the server's CPU time then */
    uint32_t *latency;          /* ns, of those done in the window */
    size_t n_done, room;
    uint64_t n_total;      /* also before and after the window */
    uint64_t n_errors;     /* connections that failed */
    long stack_kib_before; /* kernel stacks of the whole machine */
    long rss_kib, pte_kib, stack_kib, threads; /* of the server, at the end */
};

/* Read the options. Also sets a limit to the time the whole program may take.
 */
void load_init(struct load *l, int argc, char **argv);

/* A connected, non-blocking socket; each 4,000th has a source address of its
 * own, for the sake of the ports. With is_waiting the connection may still be
 * under way. Negative errno on failure. */
int load_connect(const struct load *l, int index, int is_waiting);

/* The connections are there: passes the gate, and sets the window. */
void load_start(struct load *l);

/* A request that was sent at `sent` has been answered rightly at `now`. */
void load_answer(struct load *l, int64_t sent, int64_t now);

/* Nothing has happened until `now`, or something has: look at the window. */
void load_look(struct load *l, int64_t now);

/* Print the figures, as one JSON object, and pass the gate. */
void load_print(struct load *l);

#endif /* TN_BENCH_LOAD_H */
