/* SPDX-License-Identifier: MIT */
/* arch/x86_64/prepare.c - builds the frame that switch.S expects to resume. */
#include "arch/arch.h"

#include <stdint.h>

void tn__arch_start(void);

/* The frame of switch.S, lowest address first. */
struct frame {
    uint32_t mxcsr;
    uint32_t x87;
    void *r12, *r13, *r14, *r15, *rbx, *rbp;
    void *rip;
    void *end[2]; /* rsp points here at tn__arch_start, 16-byte aligned */
};

void *tn__arch_prepare(void *low, void *top, void (*entry)(void *), void *arg)
{
    struct frame *f = (struct frame *)top - 1;

    (void)low;
    __asm__("stmxcsr %0\n\tfnstcw %1" : "=m"(f->mxcsr), "=m"(f->x87));
    f->r12 = (void *)entry;
    f->r13 = arg;
    f->rip = (void *)tn__arch_start;
    return f;
}
