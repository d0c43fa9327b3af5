/* SPDX-License-Identifier: MIT */
/* hub/watch.h - watchers inside the library: what each kind of them adds to the
 * common part (watch.c), and what the life of a hub means to them. */
#ifndef TN_HUB_WATCH_H
#define TN_HUB_WATCH_H

#include <tendril/watch.h>

#include "hub/hub.h"

/* What a kind of watcher does. Each may be NULL. */
struct tn__watch_ops {
    int (*start)(struct tn_watch *w);  /* 0 or a negative errno */
    void (*stop)(struct tn_watch *w);  /* it was started */
    void (*fired)(struct tn_watch *w); /* its callback is next; may stop it */
    void (*free)(struct tn_watch *w);  /* it was stopped */
};

/* The common head of all of them. */
struct tn_watch {
    const struct tn__watch_ops *ops;
    struct tn_hub *hub; /* NULL: its hub has ended */
    tn_watch_fn fn;
    void *arg;
    struct tn__list all;  /* on tn__watches.all */
    struct tn__list due;  /* its callback is due; else alone */
    struct tn__list role; /* on a list of its kind; else alone */
    int events;           /* what its callback will be told */
    uint8_t is_active;
    uint8_t is_ref; /* tn_hub_join() waits for it while it is active */
};

/* A hub's part in the delivery of signals: see signal.c. */
struct tn__signal_slot {
    struct tn__signal_slot *next; /* atomic: of the other hubs */
    struct tn_hub *hub;
    uint64_t wanted;        /* atomic: bit n - 1 for signal n */
    uint64_t pending;       /* atomic: written by the handler */
    uint32_t n_wanting[65]; /* watchers of each signal, of this hub */
    bool is_linked;         /* handlers see it */
};

/* What a hub knows of its watchers. */
struct tn__watches {
    struct tn__list all;
    struct tn__list due;   /* callbacks to be made in the next turn */
    struct tn__list rearm; /* role of io: to be submitted before the poll */
    struct tn__list told;  /* role of stat: inotify has said something */
    struct tn__list idle;  /* role of each of these kinds: those active */
    struct tn__list prepare;
    struct tn__list check;
    struct tn__list async;
    struct tn__list signal;
    struct tn__list fork;
    struct tn__signal_slot slot;
};

/* Make a watcher of `bytes`, zeroed behind the head, on this thread's hub. 0 or
 * a negative errno. */
int tn__watch_make(const struct tn__watch_ops *ops, size_t bytes,
                   tn_watch_fn fn, void *arg, struct tn_watch **ret_w);

/* Have its callback made in the turn to come, with `events` added. */
void tn__watch_queue(struct tn_watch *w, int events);

/* Stop it, on its hub. */
void tn__watch_stop(struct tn_watch *w);

/* ---- what thread.c calls ---- */

/* Stop all watchers of the hub, which ends: they belong to no hub then. */
void tn__watch_end(struct tn_hub *h);

/* In the child of a fork, of whose parent's thread `h` was the hub (or NULL):
 * only fork watchers live on. */
void tn__watch_forked(struct tn_hub *h);

/* `h` is new: give it the fork watchers that are left over, if any. */
void tn__watch_adopt(struct tn_hub *h);

/* ---- the kinds ---- */

/* watch_io.c: submit those that wait on descriptors and were called back. */
void tn__watch_rearm(struct tn__watches *ws);

/* watch_stat.c: look at what inotify has told of. */
void tn__watch_take_told(struct tn__watches *ws);

/* watch_turn.c: queue those that tn_watch_async_send() was called for. */
void tn__watch_take_asyncs(struct tn__watches *ws);
bool tn__watch_is_fork(const struct tn_watch *w);

/* ---- signal.c ---- */

/* Have signals `signo` noted in the slot, or not. Each call adds one to those
 * who want it, or takes one off. 0 or -EINVAL. */
int tn__signal_begin(struct tn__signal_slot *slot, int signo);
void tn__signal_end(struct tn__signal_slot *slot, int signo);

/* In the child of a fork: give every signal its disposition back. */
void tn__signal_forked(void);

/* Queue the watchers of the signals that have come. */
void tn__watch_take_signals(struct tn__watches *ws);

#endif /* TN_HUB_WATCH_H */
