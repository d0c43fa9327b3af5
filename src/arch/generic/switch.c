/* SPDX-License-Identifier: MIT */
/* arch/generic/switch.c - the switch by ucontext, for CPUs without assembly of
 * their own. A suspended context's stack pointer is the address of its
 * ucontext_t, which lies on its stack. swapcontext() makes a system call for
 * the signal mask: this is the portable way, not a fast one. */
#include "arch/arch.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

/* What a new context needs besides its ucontext; at the top of its stack. */
struct start {
    ucontext_t context;
    void (*entry)(void *);
    void *arg;
};

/* The value on its way from the one that leaves to the one that is resumed. */
static __thread int passed;

/* `here` must lie on the stack itself, not on one that AddressSanitizer made up
 * for it: what lies below is given back. */
__attribute__((no_sanitize_address))
int tn__arch_switch(void **save_sp, void *to_sp, int value)
{
    ucontext_t here;

    *save_sp = &here;
    passed = value;
    if (swapcontext(&here, to_sp))
        abort();
    return passed;
}

int tn__arch_switch_tail(void **save_sp, void *to_sp, int value)
{
    return tn__arch_switch(save_sp, to_sp, value);
}

void tn__arch_jump(void *to_sp, int value)
{
    passed = value;
    setcontext(to_sp);
    abort();
}

void tn__arch_jump_tail(void *to_sp, int value)
{
    tn__arch_jump(to_sp, value);
}

/* makecontext() passes ints: the pointer comes in two halves. */
static void begin(unsigned high, unsigned low)
{
    struct start *s = (struct start *)((uintptr_t)high << 16 << 16 | low);

    s->entry(s->arg);
    abort();
}

void *tn__arch_prepare(void *low, void *top, void (*entry)(void *), void *arg)
{
    uintptr_t at = ((uintptr_t)top - sizeof(struct start)) & ~(uintptr_t)63;
    struct start *s = (struct start *)at;

    getcontext(&s->context);
    s->entry = entry;
    s->arg = arg;
    s->context.uc_link = NULL;
    s->context.uc_stack.ss_sp = low;
    s->context.uc_stack.ss_size = (size_t)((char *)s - (char *)low);
    makecontext(&s->context, (void (*)(void))begin, 2,
                (unsigned)(at >> 16 >> 16), (unsigned)at);
    return &s->context;
}
