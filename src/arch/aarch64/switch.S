/* SPDX-License-Identifier: MIT */
/* arch/aarch64/switch.S - the switch for AAPCS64.
 *
 * It keeps what the ABI makes a callee keep: x19-x30, sp, the low halves of
 * v8-v15, and FPCR. All else is dead here: this is an ordinary call and the
 * compiler has saved what it needs.
 *
 *   saved sp ->  +0 x19 x20   +16 x21 x22   +32 x23 x24   +48 x25 x26
 *                +64 x27 x28  +80 x29 x30   +96 d8 d9     +112 d10 d11
 *                +128 d12 d13 +144 d14 d15  +160 FPCR     +168 unused
 *
 * FPCR is written only when it differs: a write drains the pipeline. What the
 * ABI lets a callee change, the flags, is in another register (FPSR).
 *
 * Both ways to leave end in `ret`, whose predictor then guesses where tail
 * calls go on from the calls of the greenlet that is left, as the essay of
 * x86_64/switch.S says. An indirect branch would be predicted better there, but
 * with branch target identification it may only land on a landing pad, and what
 * follows a call in the user's code is none; `ret` is exempt.
 *
 * The saved return address is signed (pointer authentication) with the stack
 * pointer at which it is used: a frame that was copied or overwritten does not
 * return. prepare.c signs that of a new context. CPUs without it take these
 * instructions for hints. */

    .text

/* Save the context on the current stack and its address in [x0]. */
.macro SAVE
    paciasp
    .cfi_negate_ra_state
    stp     x19, x20, [sp, #-176]!
    .cfi_adjust_cfa_offset 176
    .cfi_rel_offset x19, 0
    .cfi_rel_offset x20, 8
    stp     x21, x22, [sp, #16]
    .cfi_rel_offset x21, 16
    .cfi_rel_offset x22, 24
    stp     x23, x24, [sp, #32]
    .cfi_rel_offset x23, 32
    .cfi_rel_offset x24, 40
    stp     x25, x26, [sp, #48]
    .cfi_rel_offset x25, 48
    .cfi_rel_offset x26, 56
    stp     x27, x28, [sp, #64]
    .cfi_rel_offset x27, 64
    .cfi_rel_offset x28, 72
    stp     x29, x30, [sp, #80]
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    stp     d8, d9, [sp, #96]
    .cfi_rel_offset d8, 96
    .cfi_rel_offset d9, 104
    stp     d10, d11, [sp, #112]
    .cfi_rel_offset d10, 112
    .cfi_rel_offset d11, 120
    stp     d12, d13, [sp, #128]
    .cfi_rel_offset d12, 128
    .cfi_rel_offset d13, 136
    stp     d14, d15, [sp, #144]
    .cfi_rel_offset d14, 144
    .cfi_rel_offset d15, 152
    mrs     x9, fpcr
    str     x9, [sp, #160]
    mov     x10, sp
    str     x10, [x0]
.endm

/* Go to the stack whose frame is at x1, load it and return from it. FPCR as it
 * now is lies in x9; uses x10. */
.macro LOAD_AND_RETURN
    mov     sp, x1
    ldr     x10, [sp, #160]
    cmp     x9, x10
    b.ne    2f
1:
    ldp     d14, d15, [sp, #144]
    .cfi_restore d14
    .cfi_restore d15
    ldp     d12, d13, [sp, #128]
    .cfi_restore d12
    .cfi_restore d13
    ldp     d10, d11, [sp, #112]
    .cfi_restore d10
    .cfi_restore d11
    ldp     d8, d9, [sp, #96]
    .cfi_restore d8
    .cfi_restore d9
    ldp     x29, x30, [sp, #80]
    .cfi_restore x29
    .cfi_restore x30
    ldp     x27, x28, [sp, #64]
    .cfi_restore x27
    .cfi_restore x28
    ldp     x25, x26, [sp, #48]
    .cfi_restore x25
    .cfi_restore x26
    ldp     x23, x24, [sp, #32]
    .cfi_restore x23
    .cfi_restore x24
    ldp     x21, x22, [sp, #16]
    .cfi_restore x21
    .cfi_restore x22
    ldp     x19, x20, [sp], #176
    .cfi_restore x19
    .cfi_restore x20
    .cfi_adjust_cfa_offset -176
    autiasp
    .cfi_negate_ra_state
    ret
.endm

/* Out of line: FPCR differs. */
.macro RELOAD
2:
    FRAME
    msr     fpcr, x10
    b       1b
.endm

/* What CFI says of a complete frame. */
.macro FRAME
    .cfi_def_cfa sp, 176
    .cfi_negate_ra_state
    .irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    .cfi_rel_offset x\n, (\n - 19) * 8
    .endr
    .irp n, 8, 9, 10, 11, 12, 13, 14, 15
    .cfi_rel_offset d\n, 96 + (\n - 8) * 8
    .endr
.endm

.macro BEGIN name
    .globl  \name
    .hidden \name
    .type   \name, %function
    .p2align 6
\name:
    .cfi_startproc
.endm

.macro END name
    .cfi_endproc
    .size   \name, . - \name
.endm

/* int tn__arch_switch(void **save_sp, void *to_sp, int value)
 * int tn__arch_switch_tail(void **save_sp, void *to_sp, int value) */
    .globl  tn__arch_switch_tail
    .hidden tn__arch_switch_tail
    .type   tn__arch_switch_tail, %function
    .set    tn__arch_switch_tail, tn__arch_switch
BEGIN tn__arch_switch
    SAVE /* begins with paciasp: a landing pad */
    mov     w0, w2
    LOAD_AND_RETURN
    RELOAD
END tn__arch_switch

/* void tn__arch_jump(void *to_sp, int value)
 * void tn__arch_jump_tail(void *to_sp, int value) */
    .globl  tn__arch_jump_tail
    .hidden tn__arch_jump_tail
    .type   tn__arch_jump_tail, %function
    .set    tn__arch_jump_tail, tn__arch_jump
BEGIN tn__arch_jump
    hint    #34 /* bti c */
    mrs     x9, fpcr
    mov     w2, w1
    mov     x1, x0
    mov     w0, w2
    FRAME
    LOAD_AND_RETURN
    RELOAD
END tn__arch_jump

/* Where a new context begins: x19 is the function, x20 its argument. There is
 * no caller: backtraces end here. */
BEGIN tn__arch_start
    .cfi_undefined x30
    mov     x29, #0
    mov     x0, x20
    blr     x19
    brk     #1 /* it does not return */
END tn__arch_start

    .section .note.GNU-stack, "", %progbits

/* Branch target identification and return address signing hold for all of the
 * above. */
    .section .note.gnu.property, "a"
    .p2align 3
    .word   4
    .word   16
    .word   5
    .asciz  "GNU"
    .word   0xc0000000
    .word   4
    .word   3
    .word   0
