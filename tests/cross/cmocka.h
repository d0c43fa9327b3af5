/* SPDX-License-Identifier: MIT */
/* tests/cross/cmocka.h - stands in for cmocka's header where the tests are
 * cross-built and there is no cmocka for that CPU: the assertions our tests
 * use, by the same names. test.h needs nothing else: the runner is ours. */
#ifndef TN_TESTS_CROSS_CMOCKA_H
#define TN_TESTS_CROSS_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void shim_check(int is_good, const char *text, const char *file,
                              int line)
{
    if (is_good)
        return;
    fprintf(stderr, "%s:%d: %s\n", file, line, text);
    abort();
}

#define SHIM_CHECK(condition)                                                  \
 shim_check(!!(condition), #condition, __FILE__, __LINE__)

#define assert_true(a) SHIM_CHECK(a)
#define assert_false(a) SHIM_CHECK(!(a))
#define assert_null(a) SHIM_CHECK((a) == NULL)
#define assert_non_null(a) SHIM_CHECK((a) != NULL)
#define assert_int_equal(a, b)                                                 \
 SHIM_CHECK((unsigned long long)(a) == (unsigned long long)(b))
#define assert_int_not_equal(a, b)                                             \
 SHIM_CHECK((unsigned long long)(a) != (unsigned long long)(b))
#define assert_ptr_equal(a, b) SHIM_CHECK((const void *)(a) == (b))
#define assert_ptr_not_equal(a, b) SHIM_CHECK((const void *)(a) != (b))
#define assert_string_equal(a, b) SHIM_CHECK(strcmp(a, b) == 0)
#define assert_string_not_equal(a, b) SHIM_CHECK(strcmp(a, b) != 0)
#define assert_memory_equal(a, b, n) SHIM_CHECK(memcmp(a, b, n) == 0)
#define assert_memory_not_equal(a, b, n) SHIM_CHECK(memcmp(a, b, n) != 0)
#define assert_in_range(a, low, high)                                          \
 SHIM_CHECK((unsigned long long)(a) >= (unsigned long long)(low) &&            \
            (unsigned long long)(a) <= (unsigned long long)(high))
#define fail() SHIM_CHECK(!"reached")
#define fail_msg(...)                                                          \
 (fprintf(stderr, "%s:%d: ", __FILE__, __LINE__),                              \
  fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), abort())

#endif /* TN_TESTS_CROSS_CMOCKA_H */
