/* SPDX-License-Identifier: MIT */
/* run/offload.h - helpers and their jobs, for two files: offload.c is what the
 * hub does, helper.c what a helper does, and its birth and end. */
#ifndef TN_RUN_OFFLOAD_H
#define TN_RUN_OFFLOAD_H

#include "run/run.h"

enum {
    TN__HELPER_STACK = 32 * 1024, /* with a frame of all vector registers */
    TN__HELPER_CHUNK = 128,       /* stacks that are mapped at once */
    TN__HELPER_CHUNKS_MAX = 256
};

/* What a helper is about. It is asleep only if its word says so. */
enum {
    TN__HELPER_AWAKE,
    TN__HELPER_ASLEEP,
    TN__HELPER_BUSY,
    TN__HELPER_GONE,
    TN__HELPER_LEAVE
};

/* How far a job is. tn__run_helper_call() makes the call only in RUNNING. */
enum { TN__JOB_RUNNING, TN__JOB_KICKING, TN__JOB_KICKED, TN__JOB_DONE };

struct tn__job {
    struct tn__list link;      /* on pool.waiting */
    struct tn__job *next;      /* on the list of done ones */
    struct tn__run_call *call;
    struct tn_greenlet *g;
    struct tn__run_helper *helper; /* NULL: it waits for one */
    long result;
    int signal;                /* that the call has raised for its caller */
    int state;                 /* atomic */
    bool is_quick;
    bool is_own;               /* for the green thread's own helper */
    uint8_t is_done;
};

struct tn__run_helper {
    struct tn__list link;     /* on pool.idle, or that of those that end */
    struct tn__job *job;      /* valid while it is BUSY */
    int word;                 /* atomic, a futex: TN__HELPER_AWAKE and so on */
    int tid;                  /* the kernel sets it to 0 when it has ended */
    unsigned age;             /* pool.age at its birth */
    bool is_own;              /* of one green thread, until that ends */
    struct tn__run_regs regs; /* with which it begins, and its signal mask: */
    tn__run_set mask;         /* it reads them when we have gone on */
};

/* ---- offload.c ---- */
extern struct tn__job *tn__run_offload_done; /* atomic: newest first */
extern int tn__run_offload_pollers; /* atomic: kernel threads that poll, or are
                                     * about to look at the list of done ones */

/* ---- helper.c ---- */
/* A new one, which begins with this job. False: there can be none. */
bool tn__helper_make(struct tn__job *job, unsigned age);
/* Change the word of one that is idle. False: it is about to end. */
bool tn__helper_tell(struct tn__run_helper *h, int word);
/* It is off all lists, and ends or has ended: its stack is free when it has. */
void tn__helper_forget(struct tn__run_helper *h);
/* Interrupt it. It ends soon, unless it is in what no signal interrupts. */
void tn__job_kick(struct tn__job *job);
void tn__helpers_join(void);
void tn__helpers_in_child(void);

#endif /* TN_RUN_OFFLOAD_H */
