/* SPDX-License-Identifier: MIT */
/* tests/unit/test_malloc.c - no wait enters malloc: this program's own
 * malloc() counts the calls, over every call that waits. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <stdlib.h>
#include <string.h>

#include "support/virtual.h"
#include "support/waits.h"

#if TEST_SANITIZED
static void count_is_on(bool on)
{
    (void)on;
    test_skip("the sanitizer has a malloc of its own");
}
static int n_calls;
#else
/* Of this thread: those of an offload pool come and go. */
static __thread bool is_counted;
static int n_calls;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void __libc_free(void *memory);

void *malloc(size_t size)
{
    n_calls += is_counted;
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    n_calls += is_counted;
    return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    n_calls += is_counted;
    return __libc_realloc(old, size);
}

void free(void *memory)
{
    n_calls += is_counted && memory;
    __libc_free(memory);
}

static void count_is_on(bool on)
{
    is_counted = on;
}
#endif

struct waiter {
    const struct wait_kind *kind;
    struct wait wait;
    tn_time deadline;
    long r;
};

static int call_it(void *arg)
{
    struct waiter *me = arg;
    tn_timeout t;

    tn_timeout_begin(&t, tn_after_s(1000));
    me->r = me->kind->call(&me->wait, me->deadline);
    tn_timeout_end(&t);
    return 0;
}

/* One that ends well, one by its deadline, one by a kill. */
static void wait_three_times(const struct wait_kind *kind)
{
    for (int way = 0; way < 3; way++) {
        struct waiter me = {kind, {.fds = {-1, -1, -1, -1}}, TN_FOREVER, 0};
        tn_greenlet *g;

        kind->open(&me.wait);
        if (way == 1)
            me.deadline = tn_after_us(50);
        if (way == 0 && !kind->satisfy)
            continue;
        count_is_on(true);
        g = spawn(call_it, &me);
        settle();
        if (way == 0)
            kind->satisfy(&me.wait);
        if (way == 2)
            assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
        join(g);
        count_is_on(false);
        assert_result(me.r, way == 0   ? kind->good
                            : way == 1 ? (kind->satisfy ? -ETIME : 0)
                                       : -ECANCELED);
        if (n_calls)
            fail_msg("%s: %d calls of malloc", kind->name, n_calls);
        wait_end(&me.wait);
    }
}

static void no_wait_on_a_descriptor_or_a_greenlet_enters_malloc(void)
{
    test_not_on("ev", "libev allocates");
    for (size_t k = 0; k < n_wait_kinds; k++)
        if (!wait_kinds[k].allocates)
            wait_three_times(&wait_kinds[k]);
}

static int sleep_a_little(void *arg)
{
    (void)arg;
    assert_result(tn_yield(), 0);
    return tn_sleep(tn_after_us(10));
}

static int wait_passively(void *arg)
{
    return tn_switch(arg, NULL, NULL);
}

static void no_other_wait_enters_malloc(void)
{
    struct pollfd many[100];
    tn_greenlet *g[500], *passive;

    test_not_on("ev", "libev allocates");
    for (int i = 0; i < 100; i++)
        many[i] = (struct pollfd){-1, POLLIN, 0};
    count_is_on(true);
    for (int i = 0; i < 500; i++)
        g[i] = spawn(sleep_a_little, NULL);
    for (int i = 0; i < 250; i++)
        assert_result(tn_kill(g[i], TN_FOREVER), 0);
    assert_result(tn_hub_join(TN_FOREVER), 0);
    for (int i = 0; i < 500; i++)
        join(g[i]);
    assert_result(tn_poll(many, 100, tn_after_us(10)), -ETIME);
    assert_result(tn_greenlet_new(NULL, wait_passively, tn_self(), &passive),
                  0);
    assert_result(tn_switch(passive, NULL, NULL), 0);
    assert_result(tn_kill(passive, TN_FOREVER), 0);
    tn_unref(passive);
    count_is_on(false);
    assert_int_equal(n_calls, 0);
}

TEST_MAIN(TEST(no_wait_on_a_descriptor_or_a_greenlet_enters_malloc),
          TEST(no_other_wait_enters_malloc))
