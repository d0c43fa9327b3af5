/* SPDX-License-Identifier: MIT */
/* floor_switch.S - the fastest switch that keeps what it has to keep.
 *
 * void floor_switch(void **from_sp, void *to_sp)
 *
 * Keeps what SysV x86-64 makes the callee keep: rbx rbp r12-r15, and the
 * control bits of MXCSR and x87, saved and loaded unconditionally. Leaves by
 * an indirect jump, which is predicted; a ret never is here.
 *
 *   *from_sp -> +0 mxcsr|x87cw  +8 r15  +16 r14  +24 r13  +32 r12
 *               +40 rbx  +48 rbp  +56 return address               */
#ifdef __x86_64__
    .text
    .p2align 6
    .globl floor_switch
    .hidden floor_switch
    .type floor_switch, @function
floor_switch:
    .cfi_startproc
    endbr64
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    subq $8, %rsp
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    popq %rcx
    jmpq *%rcx
    .cfi_endproc
    .size floor_switch, . - floor_switch
#endif
    .section .note.GNU-stack, "", @progbits
