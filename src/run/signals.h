/* SPDX-License-Identifier: MIT */
/* run/signals.h - signals, from the kernel's to the program's handler: what
 * action.c, mask.c, signal.c, pending.c and their kin have for all. */
#ifndef TN_RUN_SIGNALS_H
#define TN_RUN_SIGNALS_H

#include "run/run.h"

/* In our handler everything is blocked but what an instruction may raise. */
#define TN__RUN_BLOCKED                                                        \
    (~(1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1) | 1ull << (SIGILL - 1) |  \
       1ull << (SIGTRAP - 1) | 1ull << (SIGFPE - 1) | 1ull << (SIGSYS - 1)))
/* mask.c: give `green` this mask, and the kernel what follows from it. */
void tn__run_mask_set(struct tn__run_green *green, tn__run_set mask);
/* Let the kernel have this very mask: for fork() and exec(). */
void tn__run_mask_load(tn__run_set mask);
/* Let the kernel have what all block, whatever it had. */
void tn__run_mask_reload(void);
/* Before mask_set() in a call: if the process's mask will change, be where that
 * is done at once. May park. */
void tn__run_mask_prepare(const struct tn__run_green *green, tn__run_set mask);
/* What the kernel threads but the first have: all but what the CPU raises. */
tn__run_set tn__run_mask_of_others(void);
/* The masks of some green threads have gone: more may be blocked. */
void tn__run_mask_grow(void);
/* action.c: what the program has installed for `sig`. */
struct tn__run_action *tn__run_action_of(int sig);
bool tn__run_has_handler(int sig);
/* Let the kernel have what follows from what the program wants, again. */
void tn__run_action_renew(int sig);
/* From now on our handler has these signals in any case. */
void tn__run_actions_watch(tn__run_set set);
/* As the kernel's rt_sigaction(), without a word to the program. */
long tn__run_action_load(int sig, const struct tn__run_action *action);
void tn__run_actions_init(void);
/* Give the kernel the program's own handlers: for a child. */
void tn__run_actions_go_native(void);
/* The default action for all that the program has a handler for. */
void tn__run_actions_clear(void);
/* What the program ignores stays so over exec(), which a handler of ours would
 * not. The signals for which it has to be loaded again. */
tn__run_set tn__run_actions_before_exec(void);
void tn__run_actions_after_exec(tn__run_set set);
/* A child prints no stats. */
void tn__run_actions_unwatch(void);
/* signal.c: before a return by sigreturn: the kernel will take its mask and its
 * alternate stack from this frame. */
void tn__run_frame_settle(struct tn__run_green *green, ucontext_t *uc);
/* In a handler of ours: let the kernel block no more than it should. */
void tn__run_unblock(void);
/* Leave the engine, and then the program's frame that `uc` is. */
void tn__run_go_back(struct tn__run_green *green, ucontext_t *uc);
/* The handler of every signal the program has a handler for. This and the other
 * two say whether the frame is of the program's, and so is to be settled. */
bool tn__run_on_signal(int sig, siginfo_t *info, void *context);
void tn__run_signals_init(void);
void tn__run_signals_in_child(void);
/* record.c: this one came while the engine was at work. In a handler. */
void tn__run_signal_record(const siginfo_t *info, ucontext_t *uc);
void tn__run_records_in_child(void);
/* Those that nobody has looked at yet. */
tn__run_set tn__run_signals_recorded(void);
/* Hand what was recorded to green threads. In the engine. */
void tn__run_signals_drain(void);
/* Put it on the list that it is for, or do at once what its default says. In
 * the engine. */
void tn__run_signal_hand_over(const siginfo_t *info);
/* kill.c: a call has raised it for the green thread that runs. */
void tn__run_raise_self(int sig);
/* Do as the default action of a signal says that somebody takes. */
void tn__run_act_by_default(int sig);

/* ---- pending.c ---- */
/* Put a signal on `green`'s list, or on that of the process (NULL), and wake
 * who takes it. 0, -EAGAIN. In the engine. */
long tn__run_signal_post(struct tn__run_green *green, const siginfo_t *info);
/* The same for one that a thread sends to `green`: the kernel may have it. */
long tn__run_signal_send(struct tn__run_green *green, const siginfo_t *info);
/* Who takes this signal for the process; or NULL. */
struct tn__run_green *tn__run_signal_taker(int sig);
/* Those for the process that wait. */
tn__run_set tn__run_signals_shared(void);
/* A timer goes on when its signal is taken from the kernel, and may be faster
 * than we are. So as long as one of its signals is pending here, the next stay
 * there: the kernel is to block these, beyond the mask. */
tn__run_set tn__run_signals_stalled(void);
/* One more has come of what is pending: true if it is a timer's, and stalled.
 * In a handler, too. */
bool tn__run_signal_stall(const siginfo_t *info);
/* This one is not pending any more. In the engine. */
void tn__run_signal_go_on(const siginfo_t *info);
/* Somebody who was to take one does not: alert others. */
void tn__run_signals_retarget(void);
/* A signal of this number is ignored from now on: none is pending. */
void tn__run_signal_discard(int sig);
/* This one is sent: SIGCONT and what stops a process take each other back. */
void tn__run_signal_displace(int sig);
/* None of the timer `id` is pending any more. */
void tn__run_signal_drop_timer(int id);
/* It has come just now: if a call has raised it, or the CPU time of the process
 * is up, let it say for whom. */
void tn__run_signal_attribute(siginfo_t *info, const ucontext_t *uc);
/* Does it say that it is for the green thread *ret_tid? */
bool tn__run_signal_is_tagged(const siginfo_t *info, int *ret_tid);
/* The number of the next of `set` that `green` is to take; 0: none. */
int tn__run_signal_next(const struct tn__run_green *green, tn__run_set set);
/* The same of those that it does not block, `but` these. One for the process
 * is its only if it is who takes it: others may run at the same time. */
int tn__run_signal_due(const struct tn__run_green *green, tn__run_set but);
/* The next of this number, which there is, is for nobody else any more. */
void tn__run_signal_claim(struct tn__run_green *green, int sig);
/* Take that. False: none. */
bool tn__run_signal_take(struct tn__run_green *green, tn__run_set set,
                         siginfo_t *ret_info);
void tn__run_signals_drop(struct tn__run_green *green);
/* altstack.c: did `green`, interrupted here, run on its alternate stack? */
bool tn__run_was_on_altstack(const struct tn__run_green *green,
                             const ucontext_t *uc);
/* Does `green` run on one that others have, too? */
bool tn__run_is_on_shared(const struct tn__run_green *green);
/* The program handles this signal on alternate stacks. */
void tn__run_altstack_handler(int sig);
/* Somebody has had one. hub/carry.h knows it, too. */
extern bool tn__run_has_altstacks;
/* The kernel has none any more, whoever stands on it. */
void tn__run_altstack_unload(void);
void tn__run_altstack_leave(void);
/* Load the alternate stack of the one that runs, if need be. */
void tn__run_altstack_load(struct tn__run_green *green);

/* timers.c: whose the signal of a timer is. 0: the process's; -1: nobody's. */
int tn__run_timer_target(const siginfo_t *info);
/* Its thread is told of this signal. */
void tn__run_timer_taken(const siginfo_t *info);
void tn__run_timers_in_child(void);

#endif /* TN_RUN_SIGNALS_H */
