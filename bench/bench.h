/* SPDX-License-Identifier: MIT */
/* bench.h - what the programs of bench/ have in common: the clock, ends with a
 * reason, and what /proc says about a process.
 *
 * A program that measures prints one JSON object on stdout and exits 0. It
 * exits 77 when this machine cannot run it, and 1 when something went wrong;
 * the reason is on stderr then. */
#ifndef TN_BENCH_H
#define TN_BENCH_H

#include <stddef.h>
#include <stdint.h>

enum { BENCH_SKIP = 77 };

/* End the process with a reason on stderr. */
_Noreturn void bench_fail(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
_Noreturn void bench_skip(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

int64_t bench_now_ns(void);

/* A number given as an argument; ends the process when it is none, or not
 * within the bounds. */
long bench_number(const char *text, const char *what, long min, long max);

/* The N of a name "PREFIX_N", where `prefix` ends with the underscore; 0 when
 * the name has another prefix. */
size_t bench_count_after(const char *name, const char *prefix);

/* A "Key:  N kB" line of /proc/PID/status (pid 0: this process) or, with pid
 * -1, of /proc/meminfo. Also for lines without a unit. */
long bench_status(int pid, const char *key);

/* Mappings of this process. */
long bench_mappings(void);

/* CPU time that a process has used, user and system, all its threads, ended
 * ones too. Exact to the moment, unlike the files of /proc. */
int64_t bench_cpu_ns(int pid);

/* Clear, or set, the "inexact" flag of the floating-point unit. It is sticky:
 * a context has it after nearly any computation. Loading a control word whose
 * flags differ from the present ones takes ten times as long on some CPUs: what
 * measures switches says which case it measures. Does nothing but on x86-64. */
void bench_set_inexact(int is_set);

/* The value at `share` (0..1) of n values, which are sorted here. */
uint32_t bench_percentile(uint32_t *values, size_t n, double share);

/* The next number of a fixed sequence (splitmix64). */
uint64_t bench_random(uint64_t *state);

/* A listener on a free port of 127.0.0.1; `flags` as SOCK_NONBLOCK. */
int bench_listen(int flags);

/* Say "port N" on stdout, for the program that measures. */
void bench_print_port(int fd);

#endif /* TN_BENCH_H */
