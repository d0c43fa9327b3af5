/* SPDX-License-Identifier: MIT */
/* arch/x86_64/switch.S - the switch for System V x86-64.
 *
 * It keeps what the ABI makes a callee keep: rbx rbp r12-r15 rsp, and the
 * control bits of MXCSR and of the x87 unit. All else is dead here: this is an
 * ordinary call and the compiler has saved what it needs.
 *
 *   saved sp ->  +0 mxcsr | x87 control word   +8 r12  +16 r13  +24 r14
 *                +32 r15  +40 rbx  +48 rbp  +56 return address
 *
 * The control words are loaded only when the control bits differ. The status
 * bits of MXCSR, which the ABI does not preserve, do not count: they differ as
 * soon as one greenlet has rounded a result and another has not, and a load
 * that changes them costs ten switches (43 ns against 4 here).
 *
 * How it ends decides what the CPU's return predictor makes of the returns that
 * follow. It predicts a `ret` from the calls that were made before, here by the
 * greenlet that is being left. One that left deep inside a waiting call is
 * mostly followed by one that resumes in the same call, from the same place:
 * to resume such a one, tn__arch_switch ends in `ret`, and all the returns up
 * to the user are right. One that left by a call that is nothing but a switch
 * (tn_yield, tn_switch), or is new, has no returns to come and may resume
 * anywhere: for it, tn__arch_switch_tail ends in an indirect jump. For the same
 * reason a new context is entered by a jump. */

    .text

/* Save the context on the current stack and its address in (%rdi). */
.macro SAVE
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    pushq   %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq   %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    pushq   %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    pushq   %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    pushq   %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    leaq    -8(%rsp), %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw  4(%rsp)
    movq    %rsp, (%rdi)
.endm

/* Go to the stack whose frame is at %rsi and load it, up to the return address.
 * The control words now in force are at (%rsp); uses rcx and r8. */
.macro LOAD
    movl    (%rsp), %ecx
    movzwl  4(%rsp), %r8d
    movq    %rsi, %rsp
    xorl    (%rsp), %ecx
    xorw    4(%rsp), %r8w
    andl    $0xffc0, %ecx
    orl     %r8d, %ecx
    jne     2f
1:
    leaq    8(%rsp), %rsp
    .cfi_adjust_cfa_offset -8
    popq    %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore r12
    popq    %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore r13
    popq    %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore r14
    popq    %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore r15
    popq    %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    popq    %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
.endm

/* Out of line: the control bits differ. */
.macro RELOAD
2:
    .cfi_def_cfa rsp, 64
    ldmxcsr (%rsp)
    fldcw   4(%rsp)
    jmp     1b
.endm

.macro BEGIN name
    .globl  \name
    .hidden \name
    .type   \name, @function
    .p2align 6
\name:
    .cfi_startproc
    endbr64
.endm

.macro END name
    .cfi_endproc
    .size   \name, . - \name
.endm

/* int tn__arch_switch(void **save_sp, void *to_sp, int value) */
BEGIN tn__arch_switch
    SAVE
    movl    %edx, %eax
    LOAD
    ret
    RELOAD
END tn__arch_switch

/* int tn__arch_switch_tail(void **save_sp, void *to_sp, int value) */
BEGIN tn__arch_switch_tail
    SAVE
    movl    %edx, %eax
    LOAD
    popq    %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    jmpq    *%rcx
    RELOAD
END tn__arch_switch_tail

/* void tn__arch_jump(void *to_sp, int value) */
BEGIN tn__arch_jump
    movl    %esi, %eax
    movq    %rdi, %rsi
    leaq    -8(%rsp), %rsp
    .cfi_def_cfa rsp, 64
    stmxcsr (%rsp)
    fnstcw  4(%rsp)
    LOAD
    ret
    RELOAD
END tn__arch_jump

/* void tn__arch_jump_tail(void *to_sp, int value) */
BEGIN tn__arch_jump_tail
    movl    %esi, %eax
    movq    %rdi, %rsi
    leaq    -8(%rsp), %rsp
    .cfi_def_cfa rsp, 64
    stmxcsr (%rsp)
    fnstcw  4(%rsp)
    LOAD
    popq    %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    jmpq    *%rcx
    RELOAD
END tn__arch_jump_tail

/* Where a new context begins: r12 is the function, r13 its argument. There is
 * no caller: backtraces end here. */
BEGIN tn__arch_start
    .cfi_undefined rip
    xorl    %ebp, %ebp
    movq    %r13, %rdi
    pushq   $0 /* no return address: it is entered, not called */
    jmpq    *%r12
END tn__arch_start

    .section .note.GNU-stack, "", @progbits

/* Indirect branch tracking: every target above begins with endbr64. Shadow
 * stacks are not claimed. */
    .section .note.gnu.property, "a"
    .p2align 3
    .long   4
    .long   16
    .long   5
    .asciz  "GNU"
    .long   0xc0000002
    .long   4
    .long   1
    .long   0
