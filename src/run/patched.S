/* SPDX-License-Identifier: MIT */
/* run/patched.S - how a call arrives from a stub (stub.c).
 *
 * All registers are the program's as they were at its system call instruction,
 * but rcx, which is the address behind it. As in a system call, rax, rcx and
 * r11 change and nothing else: the other registers are saved here or kept by
 * the functions that we call, and vectors.S says what becomes of the vector
 * registers. The 128 bytes below the stack pointer may be in use.
 *
 * To an unwinder this is a function that the program's own one has called from
 * its system call instruction.
 *
 * Room for the vector registers is on the program's stack, which may be small:
 * it is made for those that are in use.
 *
 * If tn__run_patched() does not take the call, all is put back, and the system
 * call instruction is executed after all. */
    .set IN_USE, 12 /* of struct tn__run_vectors */
    .set SSE, 2

    .text
    .globl  tn__run_patched_entry
    .hidden tn__run_patched_entry
    .type   tn__run_patched_entry, @function
    .p2align 6
tn__run_patched_entry:
    .cfi_startproc
    .cfi_def_cfa rsp, 0
    .cfi_register rip, rcx
    leaq    -128(%rsp), %rsp
    .cfi_def_cfa rsp, 128
    pushfq
    .cfi_adjust_cfa_offset 8
    pushq   %rcx
    .cfi_adjust_cfa_offset 8
    .cfi_offset rip, -144
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_offset rbp, -152
    movq    %rsp, %rbp
    .cfi_def_cfa rbp, 152
    cld
    pushq   %r15
    pushq   %r14
    pushq   %r13
    pushq   %r12
    pushq   %rbx
    pushq   %r9
    pushq   %r8
    pushq   %r10
    pushq   %rdx
    pushq   %rsi
    pushq   %rdi
    pushq   %rax
    movq    %rsp, %rdi /* struct tn__run_patched */
    movl    $1, %ecx
    xgetbv
    andl    tn__run_vectors_mask(%rip), %eax
    orl     $SSE, %eax
    leaq    tn__run_vectors_bytes(%rip), %rcx
    movzwl  (%rcx, %rax, 2), %ecx
    subq    %rcx, %rsp
    andq    $-64, %rsp
    movl    %eax, IN_USE(%rsp)
    movq    %rsp, %rsi /* struct tn__run_vectors */
    call    tn__run_patched
    testb   %al, %al
    leaq    -96(%rbp), %rsp
    popq    %rax
    popq    %rdi
    popq    %rsi
    popq    %rdx
    popq    %r10
    popq    %r8
    popq    %r9
    leaq    40(%rsp), %rsp
    popq    %rbp
    .cfi_def_cfa rsp, 144
    .cfi_restore rbp
    popq    %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    jz      1f
    movq    (%rsp), %r11
    popfq
    .cfi_adjust_cfa_offset -8
    leaq    128(%rsp), %rsp
    .cfi_adjust_cfa_offset -128
    jmpq    *%rcx
1:  .cfi_adjust_cfa_offset 136
    popfq
    .cfi_adjust_cfa_offset -8
    leaq    128(%rsp), %rsp
    .cfi_adjust_cfa_offset -128
    leaq    -2(%rcx), %rcx
    jmpq    *%rcx
    .cfi_endproc
    .size   tn__run_patched_entry, . - tn__run_patched_entry

    .section .note.GNU-stack, "", @progbits

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
