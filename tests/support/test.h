/* SPDX-License-Identifier: MIT */
/* tests/support/test.h - a program of tests. Assertions are cmocka's; each test
 * runs in a child process of its own, with a time limit, and what it left
 * behind is checked at its end (see runner.c). Reports TAP.
 *
 * Arguments of a program are parts of names: only tests that match are run. */
#ifndef TN_TESTS_TEST_H
#define TN_TESTS_TEST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* The build says so itself for what it compiles without TSan. */
#if defined(__SANITIZE_THREAD__) && !defined(TEST_TSAN)
# define TEST_TSAN 1
#elif defined(__has_feature)
# if __has_feature(thread_sanitizer)
#  define TEST_TSAN 1
# endif
#endif
#ifndef TEST_TSAN
# define TEST_TSAN 0
#endif

/* How much slower than a plain build this one may be. */
#if defined(__SANITIZE_ADDRESS__) || TEST_TSAN
# define TEST_SLOWNESS 10
# define TEST_SANITIZED 1
#elif defined(__has_feature)
# if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#  define TEST_SLOWNESS 10
#  define TEST_SANITIZED 1
# endif
#endif
#if defined(TEST_EMULATED) && !defined(TEST_SLOWNESS)
# define TEST_SLOWNESS 5
# define TEST_SANITIZED 0
#endif
#ifndef TEST_SLOWNESS
# define TEST_SLOWNESS 1
# define TEST_SANITIZED 0
#endif

enum {
    TEST_ALONE = 1 /* no hub is made before it, none is looked at after it */
};

struct test {
    const char *name;
    void (*fn)(void);
    int flags;   /* TEST_ALONE */
    int seconds; /* time limit, before slowness; 0: 20 */
};

#define TEST(fn)                                                               \
 {                                                                             \
#  fn, fn, 0, 0                                                                \
 }
#define TEST_BARE(fn)                                                          \
 {                                                                             \
#  fn, fn, TEST_ALONE, 0                                                       \
 }
#define TEST_LONG(fn, flags, seconds)                                          \
 {                                                                             \
#  fn, fn, flags, seconds                                                      \
 }

#define TEST_MAIN(...)                                                         \
 static const struct test all_tests[] = {__VA_ARGS__};                         \
 int main(int argc, char **argv)                                               \
 {                                                                             \
  return test_main(all_tests, sizeof all_tests / sizeof all_tests[0], argc,    \
                   argv);                                                      \
 }

#ifdef __cplusplus
# define TEST_NORETURN [[noreturn]]
#else
# define TEST_NORETURN _Noreturn
#endif

int test_main(const struct test *tests, size_t n, int argc, char **argv);

/* End the test as skipped. */
TEST_NORETURN void test_skip(const char *reason);

/* Skip on every back end but this one, or on this one. */
void test_only_on(const char *loop, const char *reason);
void test_not_on(const char *loop, const char *reason);

/* Whether the scheduler is seeded (TENDRIL_SIM_SEED) and so not first in, first
 * out; and skip if so. */
bool test_is_seeded(void);
void test_not_seeded(const char *reason);

/* Skip under TSan, which knows nothing of threads and greenlets in the child of
 * a fork, and delivers signals when it sees fit. */
void test_not_under_tsan(void);

/* Valgrind does not do all that the CPU does. */
bool test_is_on_valgrind(void);

/* The result of a call, in words. */
void test_result(long is, long should_be, const char *text, const char *file,
                 int line);
#define assert_result(call, expected)                                          \
 test_result((long)(call), (long)(expected), #call, __FILE__, __LINE__)

#endif /* TN_TESTS_TEST_H */
