/* SPDX-License-Identifier: MIT */
/* tests/unit/layer_arch.c - the bare switch. Built for this CPU's assembly and
 * for the portable ucontext variant. */
#include <fenv.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "arch/arch.h"
#include "support/test.h"

enum { STACK_BYTES = 65536 };

static void *main_sp, *other_sp;
static int n_entered;

static void *make_stack(void)
{
    void *low = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(low != MAP_FAILED);
    return low;
}

static void count_values(void *arg)
{
    int value = 0;

    assert_ptr_equal(arg, &n_entered);
    assert_int_equal((uintptr_t)__builtin_frame_address(0) % 16, 0);
    for (;;) {
        n_entered++;
        value = tn__arch_switch(&other_sp, main_sp, value + 1);
    }
}

static void values_go_both_ways(void)
{
    char *low;

    if (TEST_SANITIZED)
        test_skip("the switch alone does not tell the sanitizer");
    low = make_stack();
    other_sp =
        tn__arch_prepare(low, low + STACK_BYTES, count_values, &n_entered);
    assert_int_equal(n_entered, 0);
    assert_int_equal(tn__arch_switch(&main_sp, other_sp, 0), 1);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(tn__arch_switch(&main_sp, other_sp, i), i + 1);
    assert_int_equal(n_entered, 1001);
    munmap(low, STACK_BYTES);
}

static void round_down(void *arg)
{
    (void)arg;
    assert_int_equal(fegetround(), FE_UPWARD); /* its maker's */
    fesetround(FE_DOWNWARD);
    for (;;) {
        tn__arch_switch(&other_sp, main_sp, 0);
        assert_int_equal(fegetround(), FE_DOWNWARD);
    }
}

static void control_words_are_kept(void)
{
    char *low;

    if (TEST_SANITIZED)
        test_skip("the switch alone does not tell the sanitizer");
    low = make_stack();
    fesetround(FE_UPWARD);
    other_sp = tn__arch_prepare(low, low + STACK_BYTES, round_down, NULL);
    fesetround(FE_TOWARDZERO);
    for (int i = 0; i < 3; i++) {
        tn__arch_switch(&main_sp, other_sp, 0);
        assert_int_equal(fegetround(), FE_TOWARDZERO);
    }
    fesetround(FE_TONEAREST);
    munmap(low, STACK_BYTES);
}

static void jump_away(void *arg)
{
    (void)arg;
    tn__arch_jump(main_sp, 42);
    abort();
}

static void a_jump_leaves_for_good(void)
{
    char *low;

    if (TEST_SANITIZED)
        test_skip("the switch alone does not tell the sanitizer");
    low = make_stack();
    for (int i = 0; i < 10; i++) {
        other_sp = tn__arch_prepare(low, low + STACK_BYTES, jump_away, NULL);
        assert_int_equal(tn__arch_switch(&main_sp, other_sp, 0), 42);
    }
    munmap(low, STACK_BYTES);
}

TEST_MAIN(TEST_BARE(values_go_both_ways), TEST_BARE(control_words_are_kept),
          TEST_BARE(a_jump_leaves_for_good))
