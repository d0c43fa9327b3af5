/* SPDX-License-Identifier: MIT */
/* tests/unit/test_state.c - what each greenlet has to itself: errno, rounding
 * and precision of floating point, registers, its stack. */
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/green.h"
#include "support/virtual.h"

static int errno_stays(void *arg)
{
    int mine = *(int *)arg;

    assert_int_equal(errno, 0);
    errno = mine;
    for (int i = 0; i < 100; i++) {
        assert_result(tn_yield(), 0);
        assert_int_equal(errno, mine);
    }
    assert_result(tn_sleep(tn_after_us(10)), 0);
    assert_int_equal(errno, mine);
    return 0;
}

static void errno_is_each_greenlets_own(void)
{
    static int values[] = {ENOENT, EIO, EPERM};
    tn_greenlet *g[3];

    errno = EDOM;
    for (int i = 0; i < 3; i++)
        g[i] = spawn(errno_stays, &values[i]);
    for (int i = 0; i < 3; i++)
        assert_result(join(g[i]), 0);
    assert_int_equal(errno, EDOM);
}

static void calls_that_fail_leave_errno_alone(void)
{
    char byte;
    int fds[2];

    errno = EDOM;
    assert_result(tn_close(999), -EBADF);
    assert_result(tn_fd_adopt(999), -EBADF);
    assert_result(tn_read(999, &byte, 1, TN_FOREVER), -EBADF);
    assert_result(tn_dial("127.0.0.1:1", TN_FOREVER), -ECONNREFUSED);
    assert_result(tn_listen("192.0.2.1:1", 1), -EADDRNOTAVAIL);
    assert_result(tn_socketpair(12345, 1, 0, fds), -EAFNOSUPPORT);
    assert_result(tn_sleep(tn_after_us(1)), 0);
    assert_int_equal(errno, EDOM);
}

static int round_own_way(void *arg)
{
    static const int ways[] = {FE_DOWNWARD, FE_UPWARD, FE_TONEAREST};
    int way = ways[(int)(intptr_t)arg];
    volatile double third;

    assert_int_equal(fegetround(), FE_TOWARDZERO); /* its maker's */
    fesetround(way);
    for (int i = 0; i < 50; i++) {
        assert_result(i % 2 ? tn_yield() : tn_sleep(tn_after_us(5)), 0);
        assert_int_equal(fegetround(), way);
        third = 1.0;
        third = third / 3.0;
        assert_true(way == FE_UPWARD ? third > 0.3333333333333333
                                     : third <= 0.3333333333333333);
    }
    return 0;
}

static void rounding_is_each_greenlets_own(void)
{
    tn_greenlet *g[3];

    if (test_is_on_valgrind())
        test_skip("Valgrind always rounds to nearest");
    fesetround(FE_TOWARDZERO);
    for (intptr_t i = 0; i < 3; i++)
        g[i] = spawn(round_own_way, (void *)i);
    for (int i = 0; i < 3; i++)
        assert_result(join(g[i]), 0);
    assert_int_equal(fegetround(), FE_TOWARDZERO);
}

/* Many live values across a switch: what the ABI makes the callee keep. */
static int keep_values(void *arg)
{
    volatile unsigned long seed = (unsigned long)(uintptr_t)arg;
    unsigned long a = seed, b = a * 3, c = b + 7, d = c * 5;
    unsigned long e = d ^ a, f = e + b;
    double x = (double)a, y = x * 1.5, z = y - 3;

    for (int i = 0; i < 1000; i++) {
        assert_result(tn_yield(), 0);
        a += b;
        b ^= c;
        c += d;
        d -= e;
        e += f;
        f ^= a;
        x += y;
        y = z - x * 0.5;
        z += 1;
    }
    return (int)((a ^ b ^ c ^ d ^ e ^ f ^ (unsigned long)(x > 1e15)) & 0xffff);
}

static void values_survive_switches(void)
{
    int alone = join(spawn(keep_values, (void *)17));
    tn_greenlet *g[5];

    for (intptr_t i = 0; i < 5; i++)
        g[i] = spawn(keep_values, (void *)(i == 2 ? 17 : i));
    for (int i = 0; i < 5; i++) {
        int result = join(g[i]);

        if (i == 2)
            assert_int_equal(result, alone);
    }
}

static int stack_is_where_it_says(void *arg)
{
    char here, *low;
    size_t bytes;

    (void)arg;
    assert_result(tn_greenlet_stack(tn_self(), (void **)&low, &bytes), 0);
#ifndef __SANITIZE_ADDRESS__ /* its locals may lie elsewhere */
    assert_true(&here > low && &here < low + bytes);
#else
    (void)here;
#endif
    assert_true(bytes > 32768);
    assert_int_equal((uintptr_t)__builtin_frame_address(0) % 16, 0);
    return 0;
}

static int use_bytes(void *arg)
{
    volatile char block[40000];

    for (size_t i = 0; i < sizeof block; i += 1024)
        block[i] = 1;
    (void)arg;
    return block[1024] == 1 ? tn_yield() : -1;
}

static void a_stack_says_how_deep_it_was_used(void)
{
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    size_t bytes, before;
    tn_greenlet *g;

    if (getenv("QEMU_PAGESIZE"))
        test_skip("mincore() of QEMU counts the host's pages");
    options.stack_bytes = 1 << 22; /* a size that nobody had before */
    assert_result(tn_greenlet_new(&options, use_bytes, NULL, &g), 0);
    assert_result(tn_greenlet_stack_used(g, &before), 0);
    assert_true(before > 0 && before <= 65536);
    assert_result(tn_start(g), 0);
    settle();
    assert_result(tn_greenlet_stack_used(g, &bytes), 0);
    if (!TEST_SANITIZED) /* its locals may lie elsewhere */
        assert_true(bytes >= 40000);
    assert_true(bytes >= before && bytes < 1 << 18);
    assert_result(tn_greenlet_stack_used(tn_self(), &bytes), -ENOENT);
    assert_result(tn_greenlet_stack_used(g, NULL), -EINVAL);
    assert_result(join(g), 0);
}

/* As an older program and a newer one know the struct. */
static void options_may_be_smaller_or_larger(void)
{
    struct {
        struct tn_greenlet_options known;
        size_t later;
    } o = {.known = TN_GREENLET_OPTIONS};
    char name[32];
    tn_greenlet *g;

    o.known.name = "small";
    o.known.stack_bytes = SIZE_MAX; /* beyond the size: not looked at */
    o.known.size = offsetof(struct tn_greenlet_options, stack_bytes);
    assert_result(tn_spawn_with(&o.known, use_bytes, NULL, &g), 0);
    tn_greenlet_name(g, name, sizeof name);
    assert_string_equal(name, "small");
    assert_result(join(g), 0);
    o.known.stack_bytes = 0;
    o.known.size = sizeof o;
    assert_result(tn_spawn_with(&o.known, use_bytes, NULL, &g), 0);
    assert_result(join(g), 0);
    o.later = 1; /* what this library does not have is not ignored */
    assert_result(tn_spawn_with(&o.known, use_bytes, NULL, &g), -EINVAL);
    o.known.size = 1;
    assert_result(tn_spawn_with(&o.known, use_bytes, NULL, &g), -EINVAL);
}

static void a_stack_has_the_size_asked_for(void)
{
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    tn_greenlet *g;
    void *low;
    size_t bytes;

    assert_result(join(spawn(stack_is_where_it_says, NULL)), 0);
    assert_result(tn_greenlet_stack(tn_self(), &low, &bytes), -ENOENT);
    for (size_t want = 1; want <= (size_t)64 << 20; want *= 4) {
        options.stack_bytes = want + 1;
        assert_result(
            tn_greenlet_new(&options, stack_is_where_it_says, NULL, &g), 0);
        assert_result(tn_greenlet_stack(g, &low, &bytes), 0);
        assert_true(bytes > want / 4 * 3);
        memset((char *)low, 1, 1); /* usable down to its end */
        assert_int_equal(((char *)low)[0], 1);
        tn_unref(g);
    }
}

static void names_are_copied_and_cut(void)
{
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    char text[] = "a name that is longer than thirty-one bytes", buf[64];
    tn_greenlet *g, *unnamed;

    options.name = text;
    assert_result(tn_greenlet_new(&options, keep_values, NULL, &g), 0);
    memset(text, 'z', 5);
    assert_int_equal(tn_greenlet_name(g, buf, sizeof buf), 31);
    assert_string_equal(buf, "a name that is longer than thir");
    assert_int_equal(tn_greenlet_name(g, buf, 7), 31);
    assert_string_equal(buf, "a name");
    assert_int_equal(tn_greenlet_name(g, NULL, 0), 31);
    assert_result(tn_greenlet_set_name(g, ""), 0);
    assert_result(tn_greenlet_set_name(g, NULL), -EINVAL);
    assert_result(tn_greenlet_new(NULL, keep_values, NULL, &unnamed), 0);
    tn_greenlet_name(unnamed, buf, sizeof buf);
    assert_memory_equal(buf, "greenlet-", 9);
    tn_greenlet_name(tn_self(), buf, sizeof buf);
    assert_string_equal(buf, "main");
    assert_true(tn_greenlet_id(tn_self()) == 1);
    assert_true(tn_greenlet_id(g) != tn_greenlet_id(unnamed));
    tn_unref(g);
    tn_unref(unnamed);
}

static void wrong_arguments_change_nothing(void)
{
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    struct tn_hub_stats stats = {.size = sizeof stats}, before;
    tn_greenlet *g = (tn_greenlet *)(void *)&stats;

    assert_result(tn_hub_stats(&stats), 0);
    before = stats;
    assert_result(tn_spawn(NULL, NULL, &g), -EINVAL);
    assert_result(tn_greenlet_new(NULL, NULL, NULL, &g), -EINVAL);
    assert_result(tn_greenlet_new(NULL, keep_values, NULL, NULL), -EINVAL);
    options.size = 3;
    assert_result(tn_spawn_with(&options, keep_values, NULL, &g), -EINVAL);
    options.size = sizeof options;
    options.stack_bytes = SIZE_MAX;
    assert_result(tn_spawn_with(&options, keep_values, NULL, &g), -EINVAL);
    assert_ptr_equal(g, &stats); /* untouched */
    assert_result(tn_hub_stats(NULL), -EINVAL);
    assert_result(tn_hub_get(NULL), -EINVAL);
    assert_result(tn_hub_set_tick(999), -EINVAL);
    assert_result(tn_hub_set_tick(1000), 0);
    stats.size = 4;
    assert_result(tn_hub_stats(&stats), -EINVAL);
    stats.size = sizeof stats;
    assert_result(tn_hub_stats(&stats), 0);
    assert_true(stats.spawned == before.spawned);
    assert_true(stats.alive == before.alive);
}

TEST_MAIN(TEST(a_stack_says_how_deep_it_was_used),
          TEST(options_may_be_smaller_or_larger),
          TEST(errno_is_each_greenlets_own),
          TEST(calls_that_fail_leave_errno_alone),
          TEST(rounding_is_each_greenlets_own), TEST(values_survive_switches),
          TEST(a_stack_has_the_size_asked_for), TEST(names_are_copied_and_cut),
          TEST(wrong_arguments_change_nothing))
