/* SPDX-License-Identifier: MIT */
/* registers - what a system call leaves alone: system call instructions behind
 * instructions of all lengths, with known contents in all registers, flags and
 * the bytes below the stack pointer. Each is called often enough to be
 * rewritten by `tendril run` on the way, while another thread spoils the vector
 * registers. Prints what is the same natively.
 *
 * usage: registers [sse]    sse: leave x87 and AVX alone, so that the CPU has
 *                           nothing but the SSE registers in use */
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ROUNDS = 12, RED_ZONE = 16 };

/* What is loaded before a call, and what is found after it. The assembly below
 * knows the offsets. */
struct state {
    uint64_t general[16];  /* 0: rax rbx rcx rdx rsi rdi rbp r8 to r15, rsp */
    uint64_t flags;        /* 128 */
    uint64_t red[RED_ZONE]; /* 136 */
    uint32_t mxcsr;        /* 264 */
    uint16_t x87, unused;  /* 268 */
    uint8_t top[16];       /* 272: the top of the x87 stack */
    uint8_t vectors[512];  /* 288 */
};

struct state in, out;
uint64_t has_avx, has_x87, where, entry, spare[4];

_Static_assert(offsetof(struct state, vectors) == 288, "the assembly has it");

#define EACH(op) \
    op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) \
    op(11) op(12) op(13) op(14) op(15)
#define LOAD_Y(n) "vmovups in+288+32*" #n "(%rip), %ymm" #n "\n"
#define STORE_Y(n) "vmovups %ymm" #n ", out+288+32*" #n "(%rip)\n"
#define LOAD_X(n) "movups in+288+32*" #n "(%rip), %xmm" #n "\n"
#define STORE_X(n) "movups %xmm" #n ", out+288+32*" #n "(%rip)\n"
#define LOAD_RED(n) \
    "movq in+136+8*" #n "(%rip), %rax\n movq %rax, -8-8*" #n "(%rsp)\n"
#define STORE_RED(n) \
    "movq -8-8*" #n "(%rsp), %rax\n movq %rax, out+136+8*" #n "(%rip)\n"
#define LOAD_R(reg, n) "movq in+8*" #n "(%rip), %" #reg "\n"
#define STORE_R(reg, n) "movq %" #reg ", out+8*" #n "(%rip)\n"
#define GENERAL(op) \
    op(rbx, 1) op(rcx, 2) op(rdx, 3) op(rsi, 4) op(rdi, 5) op(rbp, 6) \
    op(r8, 7) op(r9, 8) op(r10, 9) op(r11, 10) op(r12, 11) op(r13, 12) \
    op(r14, 13) op(r15, 14)

__asm__(".text\n"
        "load_all:\n"
        "popq where(%rip)\n"
        "cmpq $0, has_avx(%rip)\n je 1f\n" EACH(LOAD_Y) "jmp 2f\n"
        "1:" EACH(LOAD_X) "2:\n"
        "ldmxcsr in+264(%rip)\n cmpq $0, has_x87(%rip)\n je 3f\n"
        "fninit\n fldcw in+268(%rip)\n fldt in+272(%rip)\n 3:"
        EACH(LOAD_RED) GENERAL(LOAD_R)
        "leaq -128(%rsp), %rsp\n pushq in+128(%rip)\n popfq\n"
        "leaq 128(%rsp), %rsp\n movl $24, %eax\n" /* sched_yield */
        "jmpq *where(%rip)\n"
        "store_all:\n"
        "movq %rax, out(%rip)\n movq %rsp, out+120(%rip)\n" GENERAL(STORE_R)
        "popq where(%rip)\n pushfq\n popq out+128(%rip)\n"
        "cmpq $0, has_avx(%rip)\n je 1f\n" EACH(STORE_Y) "vzeroupper\n"
        "jmp 2f\n"
        "1:" EACH(STORE_X) "2:\n"
        "stmxcsr out+264(%rip)\n fnstcw out+268(%rip)\n"
        "cmpq $0, has_x87(%rip)\n je 3f\n"
        "fstpt out+272(%rip)\n fninit\n 3:"
        "movl $0x1f80, spare(%rip)\n ldmxcsr spare(%rip)\n"
        "jmpq *where(%rip)\n");

/* A function that makes the call behind `code`; `after` undoes what that did to
 * the stack. The address behind the call is its second value. */
#define SHAPE(name, code, after) \
    void name(void); \
    extern char name##_end[]; \
    __asm__(".text\n .globl " #name "\n" #name ":\n" \
            "pushq %rbx\n pushq %rbp\n pushq %r12\n pushq %r13\n" \
            "pushq %r14\n pushq %r15\n subq $264, %rsp\n" \
            "call load_all\n" code "\n syscall\n" #name "_end:\n" \
            /* a comparison, as libc's calls have it */ \
            ".byte 0x48, 0x8d, 0x40, 0x00\n" /* leaq 0(%rax), %rax */ \
            after "\n" \
            "leaq -128(%rsp), %rsp\n call store_red\n" \
            "leaq 128(%rsp), %rsp\n call store_all\n" \
            "addq $264, %rsp\n popq %r15\n popq %r14\n popq %r13\n" \
            "popq %r12\n popq %rbp\n popq %rbx\n ret\n")

/* The bytes below the stack pointer, before a call uses them. */
__asm__("store_red:\n movq %rax, spare+16(%rip)\n"
        "leaq 136(%rsp), %rsp\n" EACH(STORE_RED)
        "leaq -136(%rsp), %rsp\n movq spare+16(%rip), %rax\n ret\n");

SHAPE(two_bytes, "xorl %edx, %edx", "");
SHAPE(two_bytes_number, "movl %eax, %eax", "");
SHAPE(three_bytes, "movq %r12, %rdi", "");
SHAPE(three_bytes_lower, "movl %r9d, %r8d", "");
SHAPE(four_bytes, "xorb $0x80, %sil", "");
SHAPE(four_bytes_nop, "nopl 0(%rax)", "");
SHAPE(five_bytes, "movl $24, %eax", "");
SHAPE(five_bytes_memory, "movq -8(%rsp), %rdi", "");
SHAPE(six_bytes, "andl $0x80, %esi", "");
SHAPE(seven_bytes, "movq $24, %rax", "");
SHAPE(relative_six, "movl in+4(%rip), %esi", "");
SHAPE(relative_seven, "leaq spare(%rip), %rdi", "");
SHAPE(relative_store, "movq %r13, spare+24(%rip)", "");
SHAPE(relative_immediate, "movl $77, spare+8(%rip)", "");
SHAPE(locked, "lock incl spare+12(%rip)", "");
SHAPE(nine_bytes, "movq %fs:0, %rdx", "");
SHAPE(ten_bytes, "movabsq $0x1122334455667788, %r9", "");
SHAPE(vector_move, "movaps %xmm3, %xmm9", "");
SHAPE(vector_store, "vmovups %ymm5, 64(%rsp)", "");
SHAPE(stack_down, "subq $8, %rsp", "leaq 8(%rsp), %rsp");
SHAPE(stack_push, "push $24\n popq %rax", "");
SHAPE(stack_pop, "push $24\n lea 0(%rax), %rax\n pop %r14", "");
/* Jumps to the call itself, every other time. */
SHAPE(jumped_to,
      "notq entry(%rip)\n cmpq $0, entry(%rip)\n je 1f\n"
      "jmp 2f\n 1: movl $24, %eax\n 2:", "");
SHAPE(behind_branch, "jnc 1f\n 1:", "");
SHAPE(behind_string, "movl $24, %eax\n cld\n rep nop", "");

static const struct {
    const char *name;
    void (*fn)(void);
    const char *end;
    int needs_avx;
} shapes[] = {
#define ROW(name) {#name, name, name##_end, 0}
    ROW(two_bytes), ROW(two_bytes_number), ROW(three_bytes),
    ROW(three_bytes_lower), ROW(four_bytes), ROW(four_bytes_nop),
    ROW(five_bytes), ROW(five_bytes_memory), ROW(six_bytes),
    ROW(seven_bytes), ROW(relative_six), ROW(relative_seven),
    ROW(relative_store), ROW(relative_immediate), ROW(locked),
    ROW(nine_bytes), ROW(ten_bytes), ROW(vector_move),
    {"vector_store", vector_store, vector_store_end, 1},
    ROW(stack_down), ROW(stack_push), ROW(stack_pop), ROW(jumped_to),
    ROW(behind_branch), ROW(behind_string)};

static volatile int is_over;

/* Others use all of these as they like. */
static void *spoil(void *arg)
{
    static const uint32_t odd = 0x7fbf; /* all flags up, rounding to zero */

    (void)arg;
    while (!is_over) {
        __asm__ volatile("ldmxcsr %0\n" : : "m"(odd));
        if (has_x87)
            __asm__ volatile("fld1\n fldpi\n fmulp\n");
        if (has_avx)
            __asm__ volatile("vpcmpeqd %%ymm0, %%ymm0, %%ymm0\n"
                             "vmovaps %%ymm0, %%ymm1\n"
                             "vmovaps %%ymm0, %%ymm5\n"
                             "vmovaps %%ymm0, %%ymm9\n"
                             "vmovaps %%ymm0, %%ymm15\n"
                             : : : "xmm0", "xmm1", "xmm5", "xmm9", "xmm15");
        __asm__ volatile("pcmpeqd %%xmm3, %%xmm3\n movaps %%xmm3, %%xmm8\n"
                         "movaps %%xmm3, %%xmm14\n"
                         : : : "xmm3", "xmm8", "xmm14");
        syscall(SYS_sched_yield);
        if (has_x87)
            __asm__ volatile("fstp %%st(0)" : : : "st");
    }
    return NULL;
}

static void prepare(unsigned seed)
{
    uint8_t *bytes = (uint8_t *)&in;
    static const uint32_t modes[4] = {0x1f80, 0x7f80, 0x1fa0, 0x5fbf};
    static const long double values[4] = {3.25L, 4.5L, 0.1L, 1e300L};

    for (size_t i = 0; i < sizeof in; i++)
        bytes[i] = (uint8_t)(i * 37 + seed * 11 + (i >> 5));
    in.flags = 0x202 | (seed & 1 ? 0x8d5 : 0);
    in.mxcsr = modes[seed & 3];
    in.x87 = seed & 2 ? 0xf7f : 0x37f;
    memcpy(in.top, &values[seed & 3], 10);
    memset(spare, 0, sizeof spare);
    memset(&out, 0xee, sizeof out);
}

/* What must not differ from call to call, as a number; rcx and r11 apart. */
static uint64_t digest(int has_flags)
{
    struct state copy = out;
    const uint8_t *bytes = (const uint8_t *)&copy;
    uint64_t hash = 14695981039346656037u;

    copy.general[2] = copy.general[10] = copy.general[15] = 0;
    copy.general[5] = copy.general[5] == (uint64_t)spare ? 1
                                                         : copy.general[5];
    memset(copy.top + 10, 0, 6);
    if (!has_flags) /* they say something of an address */
        copy.flags = 0;
    if (!has_avx)
        for (int i = 0; i < 16; i++)
            memset(copy.vectors + 32 * i + 16, 0, 16);
    for (size_t i = 0; i < sizeof copy; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    for (size_t i = 0; i < 4 * sizeof *spare && i < 16; i++)
        hash = (hash ^ ((uint8_t *)spare)[i]) * 1099511628211u;
    return hash;
}

static void run_shape(size_t i)
{
    uint64_t first[4] = {0}, now;
    uint64_t fs_base;
    int n_wrong = 0, n_places = 0;

    __asm__("movq %%fs:0, %0" : "=r"(fs_base));
    for (unsigned round = 0; round < ROUNDS; round++) {
        prepare(round & 3);
        shapes[i].fn();
        if (out.general[3] == fs_base)
            out.general[3] = 2;
        now = digest(shapes[i].fn != stack_down);
        if (round < 4)
            first[round] = now;
        n_wrong += now != first[round & 3];
        n_places += out.general[2] == (uint64_t)shapes[i].end &&
                    (out.general[10] & 0x8d5) == (out.flags & 0x8d5);
    }
    printf("%s %016llx %016llx %016llx %016llx: %d wrong, %d of %d returns "
           "in rcx and r11\n",
           shapes[i].name, (unsigned long long)first[0],
           (unsigned long long)first[1], (unsigned long long)first[2],
           (unsigned long long)first[3], n_wrong, n_places, ROUNDS);
}

int main(int argc, char **argv)
{
    pthread_t other;

    has_x87 = argc < 2 || strcmp(argv[1], "sse") != 0;
    has_avx = has_x87 && __builtin_cpu_supports("avx");
    pthread_create(&other, NULL, spoil, NULL);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (has_avx || !shapes[i].needs_avx)
            run_shape(i);
    is_over = 1;
    pthread_join(other, NULL);
    return 0;
}
