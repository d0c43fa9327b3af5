/* SPDX-License-Identifier: MIT */
/* tests/support/faults.h - what happens when the n-th allocation, or the n-th
 * system call, fails: for every n, until nothing is left that could.
 *
 * A program that is built with faults.c (fault_tests in unit/meson.build) has
 * a malloc() and system calls of its own, which the library, OpenSSL and c-ares
 * get as well. A scenario makes something, uses it and gives it back:
 *
 *     static int pipe_is_made(void)
 *     {
 *         int fds[2], r = tn_pipe(fds);
 *
 *         if (r < 0)
 *             return r;
 *         r = tn_close(fds[0]);
 *         tn_close(fds[1]);
 *         return r;
 *     }
 *     static void a_pipe(void)
 *     {
 *         faults_each(pipe_is_made, "");
 *     }
 *
 * faults_each() runs it once untouched, to warm caches up; then with the first
 * allocation failing, with the second, ... until a run touches the end; then
 * the same with each later allocation failing too; then with each system call,
 * and with each error that the call can give. After every run
 *   - it returned a negative errno; or 0, if the error was EINTR or the call
 *     is one of those named: words with a blank between them, as "setsockopt
 *     sigaltstack", of failures that are documented to do no harm; or one by
 *     a library that is named, as "libcrypto", or "ld" for ld.so
 *   - as many descriptors are open, greenlets alive, timers armed, operations
 *     parked, stacks in use and blocks allocated as before (what grows the
 *     first time only, such as a cache, is no leak); without a hub before it,
 *     as many bytes mapped too
 *   - the same, untouched, gives 0.
 * A close() never fails, nor does what only asks. One run may not need the
 * outcome of the run before it. Where two threads allocate, the numbers vary
 * from run to run; that does no harm.
 *
 * What libev allocates never fails, nor its epoll_ctl(): it would end the
 * process. Of its other system calls it may survive any. Under a sanitizer,
 * which has a malloc() of its own, only system calls fail.
 * FAULTS_TRACE=1 in the environment: say on stderr what failed in each run. */
#ifndef TN_TESTS_FAULTS_H
#define TN_TESTS_FAULTS_H

#include "support/green.h"

/* 0 or a negative errno; leaves nothing behind in either case. */
typedef int (*fault_scenario)(void);

void faults_each(fault_scenario scenario, const char *may_survive);

/* The same, with each `stride`-th allocation only; with FAULTS_ALL=1 in the
 * environment (suite slow) with each. */
void faults_some(fault_scenario scenario, const char *may_survive, int stride);

/* Within a scenario: what comes between is the test's own and never fails. */
void faults_pause(void);
void faults_resume(void);

/* Within a scenario: something has failed in this run of it. */
bool faults_have_struck(void);

/* Within a scenario: until no thread but this one is left. */
void faults_await_threads(void);

#endif /* TN_TESTS_FAULTS_H */
