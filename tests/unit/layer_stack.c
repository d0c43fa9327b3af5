/* SPDX-License-Identifier: MIT */
/* tests/unit/layer_stack.c - slabs, guards and the cache of stacks. */
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stack/stack.h"
#include "support/test.h"

enum { N = 3000 };

static struct tn__stack_pool pool;

static void open_pool(enum tn__stack_guard guard)
{
    tn__stack_pool_init(&pool, (size_t)sysconf(_SC_PAGESIZE), guard);
}

static struct tn__stack *get(size_t bytes)
{
    int size_class = tn__stack_class(pool.page, bytes);
    struct tn__stack *s;

    assert_result(tn__stack_get(&pool, size_class, &s), 0);
    return s;
}

static void sizes_are_rounded_up_to_classes(void)
{
    assert_int_equal(tn__stack_class(4096, 0), tn__stack_class(4096, 65536));
    assert_int_equal(tn__stack_class(4096, 1), 0);
    assert_int_equal(tn__stack_class(4096, 16384), 0);
    assert_int_equal(tn__stack_class(4096, 16385), 1);
    assert_int_equal(tn__stack_class(4096, (size_t)1 << 30), 16);
    assert_int_equal(tn__stack_class(4096, ((size_t)1 << 30) + 1), -1);
    assert_int_equal(tn__stack_class(4096, SIZE_MAX), -1);
}

static void there_is_room_beside_the_guard_where_pages_are_large(void)
{
    assert_int_equal(tn__stack_class(65536, 0), 3);
    assert_int_equal(tn__stack_class(65536, 1), 3);
    assert_int_equal(tn__stack_class(65536, 131073), 4);
    assert_int_equal(tn__stack_class(16384, 1), 1);
}

static void stacks_do_not_overlap_and_are_writable(void)
{
    static struct tn__stack *s[N];

    open_pool(TN__GUARD_MADVISE);
    for (int i = 0; i < N; i++) {
        s[i] = get((size_t)16384 << i % 3);
        assert_int_equal((uintptr_t)s[i] % 64, 0);
        memset(s[i]->low, i, 64);
        memset((char *)s[i] - 64, i, 64);
    }
    for (int i = 0; i < N; i++) {
        assert_int_equal((unsigned char)s[i]->low[63], i & 255);
        assert_int_equal(((unsigned char *)s[i])[-64], i & 255);
        tn__stack_put(&pool, s[i]);
    }
    tn__stack_pool_fini(&pool);
}

static int count(struct tn__stack *s, void *arg)
{
    assert_int_equal(s->is_used, 1);
    ++*(int *)arg;
    return 0;
}

static void the_last_put_is_the_next_got(void)
{
    struct tn__stack *a, *b;
    uint64_t n, n_free;
    int n_used = 0;

    open_pool(TN__GUARD_MADVISE);
    a = get(0);
    b = get(0);
    tn__stack_put(&pool, a);
    assert_ptr_equal(get(0), a);
    tn__stack_each(&pool, count, &n_used);
    assert_int_equal(n_used, 2);
    tn__stack_put(&pool, b);
    tn__stack_put(&pool, a);
    tn__stack_count(&pool, &n, &n_free);
    assert_int_equal(n, 2);
    assert_int_equal(n_free, 2);
    tn__stack_pool_fini(&pool);
}

static sigjmp_buf fault;

static void on_fault(int number)
{
    (void)number;
    siglongjmp(fault, 1);
}

/* 1 if a write to `at` faults. */
static int faults(volatile char *at)
{
    if (sigsetjmp(fault, 1))
        return 1;
    *at = 1;
    return 0;
}

static void the_page_below_is_a_guard(void)
{
    struct sigaction action = {.sa_handler = on_fault};
    struct tn__stack *s;

    if (TEST_SANITIZED)
        test_skip("the sanitizer wants to see the fault");
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    for (int guard = TN__GUARD_MADVISE; guard <= TN__GUARD_MPROTECT; guard++) {
        open_pool(guard);
        s = get(0);
        assert_int_equal(faults(s->low), 0);
        assert_int_equal(faults(s->low - 1), 1);
        assert_int_equal(faults(s->low - pool.page), 1);
        assert_true(tn__stack_is_guard(&pool, s, s->low - 1));
        assert_false(tn__stack_is_guard(&pool, s, s->low));
        assert_false(tn__stack_is_guard(&pool, s, s->low - pool.page - 1));
        tn__stack_put(&pool, s);
        tn__stack_pool_fini(&pool);
    }
}

TEST_MAIN(TEST_BARE(sizes_are_rounded_up_to_classes),
          TEST_BARE(there_is_room_beside_the_guard_where_pages_are_large),
          TEST_BARE(stacks_do_not_overlap_and_are_writable),
          TEST_BARE(the_last_put_is_the_next_got),
          TEST_BARE(the_page_below_is_a_guard))
