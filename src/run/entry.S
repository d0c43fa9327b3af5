/* SPDX-License-Identifier: MIT */
/* run/entry.S - the only system call instructions of the engine.
 *
 * They lie in a section of their own, and exactly that section is what Syscall
 * User Dispatch is told to let through: any other `syscall` in the process
 * traps, the rest of the engine included. The section holds
 *   tn__raw              a system call
 *   tn__raw_unless_alert one that may sleep in the kernel
 *   tn__run_helper_call  one that a helper makes (offload.c)
 *   tn__run_..._handler  signal handlers of ours
 *   tn__run_restore      where they return to
 *   tn__run_sigreturn    rt_sigreturn() done for the program
 *   tn__run_spawn        a clone() whose child goes on in the program
 *   tn__run_spawn_here   the same, on the stack of who made the call
 * Outside of it are
 *   tn__run_enter        leave the engine for a saved set of registers
 *   tn__run_trap         a system call that does trap
 *
 * struct tn__run_regs (run.h) is the order in which registers are saved: that
 * of the kernel's struct sigcontext. */

    .set R8, 0
    .set R9, 8
    .set R10, 16
    .set R11, 24
    .set R12, 32
    .set R13, 40
    .set R14, 48
    .set R15, 56
    .set RDI, 64
    .set RSI, 72
    .set RBP, 80
    .set RBX, 88
    .set RDX, 96
    .set RCX, 112
    .set RSP, 120
    .set RIP, 128

/* Of struct tn__run_cpu; cpu.h knows the offsets. */
    .set IN_ENGINE, 0
    .set IS_ALERT, 4
    .set KERNEL_MASK, 72

/* Of the mask in a signal frame, from the return address on; signal.c knows. */
    .set FRAME_MASK, 304

    .section .text.tn_exempt, "ax", @progbits
    .globl  tn__run_exempt_start
    .hidden tn__run_exempt_start
tn__run_exempt_start:

/* long tn__raw(long nr, long a, long b, long c, long d, long e, long f) */
    .globl  tn__raw
    .hidden tn__raw
    .type   tn__raw, @function
    .p2align 4
tn__raw:
    .cfi_startproc
    endbr64
    movq    %rdi, %rax
    movq    %rsi, %rdi
    movq    %rdx, %rsi
    movq    %rcx, %rdx
    movq    %r8, %r10
    movq    %r9, %r8
    movq    8(%rsp), %r9
    syscall
    ret
    .cfi_endproc
    .size   tn__raw, . - tn__raw

/* long tn__raw_unless_alert(long nr, long a, ..., long f): as tn__raw(), or
 * TN__RUN_AGAIN with nothing done if a signal waits. The test is part of the
 * range in which a signal handler moves the program counter to
 * tn__raw_alerted: a signal is seen by the test or ends the range, whenever it
 * comes, and a call that the kernel has begun is interrupted by it. */
    .globl  tn__raw_unless_alert, tn__raw_range, tn__raw_range_last
    .globl  tn__raw_alerted
    .hidden tn__raw_unless_alert, tn__raw_range, tn__raw_range_last
    .hidden tn__raw_alerted
    .type   tn__raw_unless_alert, @function
    .p2align 4
tn__raw_unless_alert:
    .cfi_startproc
    endbr64
    movq    %rdi, %rax
    movq    %rsi, %rdi
    movq    %rdx, %rsi
    movq    %rcx, %rdx
    movq    %r8, %r10
    movq    %r9, %r8
    movq    8(%rsp), %r9
tn__raw_range:
    cmpl    $0, tn__run_is_many(%rip)
    je      1f
    cmpl    $0, %gs:IS_ALERT
    jmp     2f
1:  cmpl    $0, tn__run_first+IS_ALERT(%rip)
2:  jne     tn__raw_alerted
tn__raw_range_last:
    syscall
    ret
tn__raw_alerted:
    movq    $-513, %rax /* TN__RUN_AGAIN */
    ret
    .cfi_endproc
    .size   tn__raw_unless_alert, . - tn__raw_unless_alert

/* long tn__run_helper_call(const struct tn__run_call *c, const int *state):
 * a call that a helper makes, if *state is 0; else, or when SIGSYS came before
 * the call has begun, TN__RUN_AGAIN with nothing done. */
    .globl  tn__run_helper_call, tn__run_helper_range
    .globl  tn__run_helper_range_last, tn__run_helper_kicked
    .hidden tn__run_helper_call, tn__run_helper_range
    .hidden tn__run_helper_range_last, tn__run_helper_kicked
    .type   tn__run_helper_call, @function
    .p2align 4
tn__run_helper_call:
    .cfi_startproc
    endbr64
    movq    %rsi, %rcx
    movq    %rdi, %r11
    movq    (%r11), %rax
    movq    8(%r11), %rdi
    movq    16(%r11), %rsi
    movq    24(%r11), %rdx
    movq    32(%r11), %r10
    movq    40(%r11), %r8
    movq    48(%r11), %r9
tn__run_helper_range:
    cmpl    $0, (%rcx)
    jne     tn__run_helper_kicked
tn__run_helper_range_last:
    syscall
    ret
tn__run_helper_kicked:
    movq    $-513, %rax /* TN__RUN_AGAIN */
    ret
    .cfi_endproc
    .size   tn__run_helper_call, . - tn__run_helper_call

/* long tn__run_spawn(long nr, const long a[6], struct tn__run_regs *regs,
 *                    const tn__run_set *mask)
 *
 * A clone() that shares memory and gives the child a stack of its own. The
 * parent returns; the child takes this signal mask and has the registers `regs`
 * as if the program's own instruction had made the call. It never touches this
 * stack. */
    .globl  tn__run_spawn
    .hidden tn__run_spawn
    .type   tn__run_spawn, @function
    .p2align 4
tn__run_spawn:
    .cfi_startproc
    endbr64
    pushq   %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    movq    %rdi, %rax
    movq    %rdx, %rbx
    movq    %rcx, %rbp
    movq    %rsi, %rcx
    movq    (%rcx), %rdi
    movq    8(%rcx), %rsi
    movq    16(%rcx), %rdx
    movq    24(%rcx), %r10
    movq    32(%rcx), %r8
    movq    40(%rcx), %r9
    syscall
    testq   %rax, %rax
    jz      1f
    popq    %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    popq    %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    ret
1:  .cfi_undefined rip
spawned: /* rbx: regs; rbp: mask */
    movl    $14, %eax /* rt_sigprocmask(SIG_SETMASK, mask, NULL, 8) */
    movl    $2, %edi
    movq    %rbp, %rsi
    xorl    %edx, %edx
    movl    $8, %r10d
    syscall
    xorl    %eax, %eax
    movq    R8(%rbx), %r8
    movq    R9(%rbx), %r9
    movq    R10(%rbx), %r10
    movq    R11(%rbx), %r11
    movq    R12(%rbx), %r12
    movq    R13(%rbx), %r13
    movq    R14(%rbx), %r14
    movq    R15(%rbx), %r15
    movq    RDI(%rbx), %rdi
    movq    RSI(%rbx), %rsi
    movq    RBP(%rbx), %rbp
    movq    RDX(%rbx), %rdx
    movq    RIP(%rbx), %rcx
    movq    RBX(%rbx), %rbx
    jmpq    *%rcx
    .cfi_endproc
    .size   tn__run_spawn, . - tn__run_spawn

/* long tn__run_spawn_here(long nr, const long a[6], struct tn__run_regs *regs,
 *                         const tn__run_set *mask, void *save)
 *
 * As vfork(): the child has the stack of the program, too, on which we run.
 * What lies between here and the program's stack pointer is saved before, to
 * `save`, and put back when the kernel lets the parent go on; until then the
 * parent must not touch the stack, and keeps all it needs in registers. */
    .globl  tn__run_spawn_here
    .hidden tn__run_spawn_here
    .type   tn__run_spawn_here, @function
    .p2align 4
tn__run_spawn_here:
    .cfi_startproc
    endbr64
    pushq   %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    pushq   %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    pushq   %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    movq    %rdi, %rax
    movq    %rdx, %rbx
    movq    %rcx, %rbp
    movq    %r8, %r12
    movq    %rsi, %rdx
    movq    RSP(%rbx), %r13
    subq    %rsp, %r13
    movq    %r12, %rdi
    movq    %rsp, %rsi
    movq    %r13, %rcx
    rep movsb
    movq    %rdx, %rcx
    movq    (%rcx), %rdi
    movq    8(%rcx), %rsi
    movq    16(%rcx), %rdx
    movq    24(%rcx), %r10
    movq    32(%rcx), %r8
    movq    40(%rcx), %r9
    syscall
    testq   %rax, %rax
    jz      1f
    movq    %rsp, %rdi
    movq    %r12, %rsi
    movq    %r13, %rcx
    rep movsb
    popq    %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore r13
    popq    %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore r12
    popq    %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    popq    %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    ret
1:  .cfi_undefined rip
    movq    RSP(%rbx), %rsp
    jmp     spawned
    .cfi_endproc
    .size   tn__run_spawn_here, . - tn__run_spawn_here

/* The signal handlers: what the C function says, and then, if that returns true
 * and the program is to go on, the mask of the kernel thread that we are on
 * goes into the frame. One that arrives between that and the sigreturn may move
 * us to another, and brings us back to tn__run_settle: signal.c. */
    .macro HANDLER name, function
    .globl  \name
    .hidden \name
    .type   \name, @function
    .p2align 4
\name:
    .cfi_startproc
    endbr64
    subq    $8, %rsp
    .cfi_adjust_cfa_offset 8
    call    \function
    addq    $8, %rsp
    .cfi_adjust_cfa_offset -8
    testb   %al, %al
    jnz     tn__run_settle
    ret
    .cfi_endproc
    .size   \name, . - \name
    .endm

    HANDLER tn__run_trap_handler, tn__run_on_trap
    HANDLER tn__run_quantum_handler, tn__run_on_quantum
    HANDLER tn__run_signal_handler, tn__run_on_signal

    .globl  tn__run_settle, tn__run_settle_last
    .hidden tn__run_settle, tn__run_settle_last
    .type   tn__run_settle, @function
    .p2align 4
tn__run_settle:
    .cfi_startproc
    cmpl    $0, tn__run_is_many(%rip)
    je      tn__run_settle_last
    cmpl    $0, %gs:IN_ENGINE
    jne     tn__run_settle_last
    movq    %gs:KERNEL_MASK, %rax
    movq    %rax, FRAME_MASK(%rsp)
tn__run_settle_last:
    ret
    .cfi_endproc
    .size   tn__run_settle, . - tn__run_settle

/* void tn__run_sigreturn(void *frame): rt_sigreturn with the stack pointer at
 * `frame`, as at the end of a handler. */
    .globl  tn__run_sigreturn
    .hidden tn__run_sigreturn
    .type   tn__run_sigreturn, @function
    .p2align 4
tn__run_sigreturn:
    .cfi_startproc
    .cfi_undefined rip
    endbr64
    leaq    tn__run_restore(%rip), %rax
    movq    %rax, -8(%rdi)
    leaq    -8(%rdi), %rsp
    jmp     tn__run_settle
    .cfi_endproc
    .size   tn__run_sigreturn, . - tn__run_sigreturn

/* Where the kernel sends the end of a handler. Unwinders know these very bytes
 * (mov $15,%rax; syscall) when they find no CFI for them, and for that reason
 * there is none; the nop keeps the address before out of the function above.
 * gdb wants the name too. */
    .globl  tn__run_restore, tn__run_restore_last
    .hidden tn__run_restore, tn__run_restore_last
    .p2align 4
    nop
    .type   __restore_rt, @function
__restore_rt:
tn__run_restore:
    movq    $15, %rax
tn__run_restore_last:
    syscall
    ud2     /* the kernel looks at the address after the call: inside, too */
    .size   __restore_rt, . - __restore_rt

    .globl  tn__run_exempt_end
    .hidden tn__run_exempt_end
tn__run_exempt_end:

    .text

/* void tn__run_enter(const struct tn__run_regs *regs): go on in the program
 * with these registers and 0 in rax. rcx is lost, as in a system call. */
    .globl  tn__run_enter
    .hidden tn__run_enter
    .type   tn__run_enter, @function
    .p2align 4
tn__run_enter:
    .cfi_startproc
    .cfi_undefined rip
    endbr64
    movq    R8(%rdi), %r8
    movq    R9(%rdi), %r9
    movq    R10(%rdi), %r10
    movq    R11(%rdi), %r11
    movq    R12(%rdi), %r12
    movq    R13(%rdi), %r13
    movq    R14(%rdi), %r14
    movq    R15(%rdi), %r15
    movq    RSI(%rdi), %rsi
    movq    RBP(%rdi), %rbp
    movq    RBX(%rdi), %rbx
    movq    RDX(%rdi), %rdx
    movq    RSP(%rdi), %rsp
    movq    RIP(%rdi), %rcx
    movq    RDI(%rdi), %rdi
    xorl    %eax, %eax
    jmpq    *%rcx
    .cfi_endproc
    .size   tn__run_enter, . - tn__run_enter

/* long tn__run_trap(long nr, const long a[6]): made outside of the section that
 * may, so that it arrives in trap.c with a full set of registers. */
    .globl  tn__run_trap
    .hidden tn__run_trap
    .type   tn__run_trap, @function
    .p2align 4
tn__run_trap:
    .cfi_startproc
    endbr64
    movq    %rdi, %rax
    movq    %rsi, %rcx
    movq    (%rcx), %rdi
    movq    8(%rcx), %rsi
    movq    16(%rcx), %rdx
    movq    24(%rcx), %r10
    movq    32(%rcx), %r8
    movq    40(%rcx), %r9
    syscall
    ret
    .cfi_endproc
    .size   tn__run_trap, . - tn__run_trap

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
