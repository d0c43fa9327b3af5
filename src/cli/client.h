/* SPDX-License-Identifier: MIT */
/* cli/client.h - what a process under `tendril run` says of itself.
 *
 * Its engine listens on a unix socket (run/inspect.c) and answers with a file
 * in memory; here it is read into these. */
#ifndef TN_CLI_CLIENT_H
#define TN_CLI_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { TN_CLI_ARGS = 6, TN_CLI_WORD = 32 };

/* The registers that an unwinder begins with. */
struct tn__cli_registers {
    uint64_t rbx, rbp, rsp, r12, r13, r14, r15, rip;
};

/* A green thread. */
struct tn__cli_thread {
    int tid;
    int fd;                  /* what it waits on; -1: none */
    char state[TN_CLI_WORD]; /* running, ready, waiting */
    char call[TN_CLI_WORD];  /* the system call it makes; "": none */
    uint64_t args[TN_CLI_ARGS];
    int64_t for_ns;  /* how long it has made it */
    int64_t left_ns; /* until its timeout; -1: none */
    bool has_registers;
    struct tn__cli_registers at;
    char name[TN_CLI_WORD];
};

struct tn__cli_process {
    pid_t pid;
    uint64_t switches;
    char deadlock[TN_CLI_WORD]; /* no, but-for-signals, yes */
    size_t n;
    struct tn__cli_thread *threads; /* owned */
};

/* How asking went. */
enum tn__cli_answer {
    TN_CLI_ANSWERED,
    TN_CLI_NOBODY, /* it does not run under tendril, or has no socket */
    TN_CLI_BUSY,   /* it has not answered in time */
    TN_CLI_CUT,    /* not all of its answer is there */
    TN_CLI_DENIED  /* its socket is not for us */
};

enum tn__cli_answer tn__cli_ask(pid_t pid, struct tn__cli_process *ret);
void tn__cli_process_free(struct tn__cli_process *p);

/* Call `fn` for each process that has a socket we can see. */
void tn__cli_each_process(void (*fn)(pid_t pid, void *arg), void *arg);

/* A process by its number, as on the command line; 0, or the exit code after a
 * line that says what is wrong. */
int tn__cli_ask_for(const char *word, struct tn__cli_process *ret);

/* What a process says of itself must not do things to our terminal. */
void tn__cli_make_printable(char *text);

/* ---- describe.c ---- */

/* What it waits on, in words. */
void tn__cli_describe(const struct tn__cli_process *p,
                      const struct tn__cli_thread *t, char *to, size_t room);
/* A time: 12 ms, 3.4 s, 2 h. */
void tn__cli_span(int64_t ns, char *to, size_t room);

/* ---- unwind_dw.c or unwind_none.c ---- */

/* Print the backtraces of all threads (tid 0) or of one, each behind what
 * `head` prints. The exit code. */
int tn__cli_unwind(const struct tn__cli_process *p, int tid,
                   void (*head)(const struct tn__cli_process *p,
                                const struct tn__cli_thread *t));

/* Read the process's memory. False: not all of it can be. */
bool tn__cli_read_memory(pid_t pid, uint64_t at, void *to, size_t bytes);

#endif /* TN_CLI_CLIENT_H */
