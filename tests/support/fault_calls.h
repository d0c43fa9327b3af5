/* SPDX-License-Identifier: MIT */
/* tests/support/fault_calls.h - between faults.c and the functions that fail.
 * Counts are atomic: any thread may call these functions. */
#ifndef TN_TESTS_FAULT_CALLS_H
#define TN_TESTS_FAULT_CALLS_H

#include <stdbool.h>
#include <stddef.h>

enum fault_kind { FAULT_ALLOCATION, FAULT_CALL };
enum { FAULT_SITES_MAX = 64 };

/* A block that was allocated in this run and is not freed. */
struct fault_block {
    const void *memory;
    const void *at; /* the call */
    size_t bytes;
};

struct fault_state {
    enum fault_kind kind; /* which functions fail now */
    bool is_lasting;      /* the later ones fail too */
    bool is_paused;
    int variant;      /* which of the errors of a call */
    int pid;          /* not that of a child which shares the memory */
    long target;      /* the number of the call that fails; 0: none */
    long count;       /* calls so far */
    long number;      /* `target`, kept after the end */
    const char *name; /* what failed first in this run, or NULL */
    const void *site; /* and from where it was called */
    int error;        /* the errno it gave */
    int n_variants;   /* how many errors that call has */
    long blocks;      /* allocated by malloc() and its like */
    long mapped;      /* bytes mapped, stacks of threads not included */
    int n_sites;
    struct fault_block sites[FAULT_SITES_MAX];
};

extern struct fault_state fault_state;

/* Whether this call is the one; errno is set then. `errors` ends with 0. */
bool fault_is_due(enum fault_kind kind, const char *name, const int *errors,
                  const void *site);
#define ERRORS(...) ((const int[]){__VA_ARGS__, 0})
#define CALLER __builtin_return_address(0)

/* The original of the function it is in. */
void *fault_find_original(const char *name);
#define REAL(name)                                                             \
 static __typeof__(name) *real;                                                \
 if (!real)                                                                    \
  real = (__typeof__(name) *)fault_find_original(#name);

/* Whether the call at `site` is libev's. */
bool fault_is_libev(const void *site);

/* Count from nothing; the `target`-th call then fails. What is known of it is
 * kept after the end. */
void fault_arm(long target);
void fault_disarm(void);

#endif /* TN_TESTS_FAULT_CALLS_H */
