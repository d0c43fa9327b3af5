/* SPDX-License-Identifier: MIT */
/* run/access.S - the program's memory, as the kernel would touch it: a bad
 * address gives EFAULT.
 *
 * Every instruction here that faults lies between tn__run_access_start and
 * tn__run_access_end, and none of these functions pushes anything: the handler
 * of SIGSEGV and SIGBUS (fault.c) moves the program counter to
 * tn__run_access_failed, and the caller sees -EFAULT. */

    .text
    .globl  tn__run_access_start, tn__run_access_end, tn__run_access_failed
    .hidden tn__run_access_start, tn__run_access_end, tn__run_access_failed

    .p2align 4
tn__run_access_start:

/* long tn__run_copy(void *to, const void *from, size_t n): 0, -EFAULT. What
 * could be copied before the bad address has been. */
    .globl  tn__run_copy
    .hidden tn__run_copy
    .type   tn__run_copy, @function
tn__run_copy:
    .cfi_startproc
    endbr64
    cmpq    $8, %rdx
    jb      2f
1:  movq    (%rsi), %rax
    movq    %rax, (%rdi)
    addq    $8, %rsi
    addq    $8, %rdi
    subq    $8, %rdx
    cmpq    $8, %rdx
    jae     1b
2:  movq    %rdx, %rcx
    rep movsb
    xorl    %eax, %eax
    ret
    .cfi_endproc
    .size   tn__run_copy, . - tn__run_copy

/* long tn__run_load(const uint32_t *word): its value, -EFAULT. */
    .globl  tn__run_load
    .hidden tn__run_load
    .type   tn__run_load, @function
    .p2align 4
tn__run_load:
    .cfi_startproc
    endbr64
    movl    (%rdi), %eax
    ret
    .cfi_endproc
    .size   tn__run_load, . - tn__run_load

/* long tn__run_exchange(uint32_t *word, uint32_t old, uint32_t new): `new`, if
 * it is `old`. The value that it had, -EFAULT. */
    .globl  tn__run_exchange
    .hidden tn__run_exchange
    .type   tn__run_exchange, @function
    .p2align 4
tn__run_exchange:
    .cfi_startproc
    endbr64
    movl    %esi, %eax
    lock cmpxchgl %edx, (%rdi)
    movl    %eax, %eax /* clears the upper half */
    ret
    .cfi_endproc
    .size   tn__run_exchange, . - tn__run_exchange

/* long tn__run_copy_text(char *to, const char *from, size_t n): up to n bytes,
 * or up to the first that is 0. How many came before it, -EFAULT. */
    .globl  tn__run_copy_text
    .hidden tn__run_copy_text
    .type   tn__run_copy_text, @function
    .p2align 4
tn__run_copy_text:
    .cfi_startproc
    endbr64
    xorl    %eax, %eax
1:  cmpq    %rdx, %rax
    jae     2f
    movb    (%rsi,%rax), %cl
    movb    %cl, (%rdi,%rax)
    testb   %cl, %cl
    jz      2f
    incq    %rax
    jmp     1b
2:  ret
    .cfi_endproc
    .size   tn__run_copy_text, . - tn__run_copy_text

tn__run_access_end:

tn__run_access_failed:
    .cfi_startproc
    movq    $-14, %rax /* -EFAULT */
    ret
    .cfi_endproc

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
