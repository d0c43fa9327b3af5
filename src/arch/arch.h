/* SPDX-License-Identifier: MIT */
/* arch/arch.h - what each CPU provides: leave one stack, enter another. A
 * suspended context is its stack pointer; all else lies on its stack.
 *
 * x86_64/ and aarch64/ are assembly, generic/ is ucontext. Nothing here has
 * policy. */
#ifndef TN_ARCH_ARCH_H
#define TN_ARCH_ARCH_H

/* Save the caller's context, store its stack pointer in *save_sp, and resume
 * the context `to_sp`, in which the call that left it returns `value`. Returns
 * when somebody resumes *save_sp. Keeps what the ABI makes the callee keep,
 * floating-point control words included. */
int tn__arch_switch(void **save_sp, void *to_sp, int value);

/* The same, faster when `to_sp` is new or was left by a tail call: see
 * x86_64/switch.S. */
int tn__arch_switch_tail(void **save_sp, void *to_sp, int value);

/* Resume `to_sp` with `value`; the caller's context is lost. They do not
 * return, but are not declared so: then they can be tail calls. */
void tn__arch_jump(void *to_sp, int value);
void tn__arch_jump_tail(void *to_sp, int value);

/* Make a context that, when first resumed, calls entry(arg) on the stack whose
 * highest address is `top` (16-byte aligned) and whose lowest is `low`. `entry`
 * never returns. The floating-point control words are the caller's. */
void *tn__arch_prepare(void *low, void *top, void (*entry)(void *), void *arg);

#endif /* TN_ARCH_ARCH_H */
