/* SPDX-License-Identifier: MIT */
/* arch/aarch64/prepare.c - builds the frame that switch.S expects to resume. */
#include "arch/arch.h"

#include <stdint.h>

void tn__arch_start(void);

/* The frame of switch.S, lowest address first. */
struct frame {
    void *x19, *x20;
    void *x21_to_x28[8];
    void *x29, *x30;
    double d8_to_d15[8];
    uint64_t fpcr;
    uint64_t unused; /* the frame is 16-byte aligned */
};

_Static_assert(sizeof(struct frame) == 176, "as in switch.S");

/* As `paciasp` does with the stack pointer at `sp`. */
static void *sign(void *address, void *sp)
{
    register void *x17 __asm__("x17") = address;
    register void *x16 __asm__("x16") = sp;

    __asm__("hint #8" : "+r"(x17) : "r"(x16)); /* pacia1716 */
    return x17;
}

void *tn__arch_prepare(void *low, void *top, void (*entry)(void *), void *arg)
{
    struct frame *f = (struct frame *)top - 1;

    (void)low;
    __asm__ volatile("mrs %0, fpcr" : "=r"(f->fpcr));
    f->x19 = (void *)entry;
    f->x20 = arg;
    f->x30 = sign((void *)tn__arch_start, top);
    return f;
}
