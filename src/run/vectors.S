/* SPDX-License-Identifier: MIT */
/* run/vectors.S - the vector registers of a call that came from a stub.
 *
 * The only code of the engine that touches them. A trap leaves them in the
 * kernel's frame, a function that we interpose may lose them; but code around a
 * rewritten system call counts on them. The engine itself does not use them, so
 * they are saved only when such a call gives way to another green thread, and
 * put back at its end.
 *
 * With xgetbv(1) the CPU says what is not in its initial state; patched.S asks
 * it. Where that is the 16 SSE registers alone, since functions end with
 * vzeroupper, sixteen moves do (5 ns; XSAVEC with XRSTOR takes 370 ns on the
 * machine where this was measured). libc's functions for AVX-512 leave others.
 *
 * struct tn__run_vectors (patch.h): saved 0, mxcsr 8, in_use 12, area 64. */
    .set SAVED, 0
    .set MXCSR, 8
    .set IN_USE, 12
    .set AREA, 64
    .set SSE, 2

.macro EACH what, base
    \what   0, \base
    \what   1, \base
    \what   2, \base
    \what   3, \base
    \what   4, \base
    \what   5, \base
    \what   6, \base
    \what   7, \base
    \what   8, \base
    \what   9, \base
    \what   10, \base
    \what   11, \base
    \what   12, \base
    \what   13, \base
    \what   14, \base
    \what   15, \base
.endm

.macro PUT n, base
    movaps  %xmm\n, (AREA + 16 * \n)(\base)
.endm

.macro GET n, base
    movaps  (AREA + 16 * \n)(\base), %xmm\n
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

    .text

/* void tn__run_vectors_save(struct tn__run_vectors *v) */
BEGIN tn__run_vectors_save
    movl    IN_USE(%rdi), %eax /* as at entry, for we have used none */
    movq    %rax, SAVED(%rdi)
    stmxcsr MXCSR(%rdi)
    cmpl    $SSE, %eax
    jne     1f
    EACH    PUT, %rdi
    ret
    /* The header, which XRSTOR reads in full: XSAVEC writes its first half. */
1:  xorl    %edx, %edx
    movq    %rdx, (AREA + 512 + 16)(%rdi)
    movq    %rdx, (AREA + 512 + 24)(%rdi)
    movq    %rdx, (AREA + 512 + 32)(%rdi)
    movq    %rdx, (AREA + 512 + 40)(%rdi)
    movq    %rdx, (AREA + 512 + 48)(%rdi)
    movq    %rdx, (AREA + 512 + 56)(%rdi)
    xsavec64 AREA(%rdi)
    ret
    .cfi_endproc
    .size   tn__run_vectors_save, . - tn__run_vectors_save

/* void tn__run_vectors_load(const struct tn__run_vectors *v): components that
 * were not saved were in their initial state. */
BEGIN tn__run_vectors_load
    cmpq    $SSE, SAVED(%rdi)
    jne     2f
    movl    $1, %ecx
    xgetbv
    andl    tn__run_vectors_mask(%rip), %eax
    andl    $~SSE, %eax
    jne     3f
1:  EACH    GET, %rdi
    stmxcsr -8(%rsp)
    movl    -8(%rsp), %eax
    cmpl    MXCSR(%rdi), %eax
    jne     4f
    ret
2:  movl    tn__run_vectors_mask(%rip), %eax
    xorl    %edx, %edx
    xrstor64 AREA(%rdi)
    ret
3:  xorl    %edx, %edx
    xrstor64 nothing(%rip)
    jmp     1b
4:  ldmxcsr MXCSR(%rdi)
    ret
    .cfi_endproc
    .size   tn__run_vectors_load, . - tn__run_vectors_load

/* A compacted area whose components are all in their initial state. */
    .section .rodata
    .p2align 6
nothing:
    .zero   24
    .long   0x1f80, 0xffff
    .zero   480 + 8
    .quad   1 << 63
    .zero   48

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
