/* SPDX-License-Identifier: MIT */
/* base/assert.h - TN_ASSERT stays on in release builds: a broken invariant in
 * the core ends the process with the place and the text, on descriptor 2. */
#ifndef TN_BASE_ASSERT_H
#define TN_BASE_ASSERT_H

#define TN_LIKELY(x) __builtin_expect(!!(x), 1)
#define TN_UNLIKELY(x) __builtin_expect(!!(x), 0)

_Noreturn void tn__panic(const char *file, int line, const char *text);

#define TN_ASSERT(x)                                                           \
    (TN_LIKELY(x) ? (void)0 : tn__panic(__FILE__, __LINE__, #x))

/* The structure of which `ptr` is the given member. */
#define TN_CONTAINER(ptr, type, member)                                        \
    ((type *)((char *)(ptr)-offsetof(type, member)))

#endif /* TN_BASE_ASSERT_H */
