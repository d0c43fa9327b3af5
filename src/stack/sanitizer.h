/* SPDX-License-Identifier: MIT */
/* stack/sanitizer.h - what AddressSanitizer and ThreadSanitizer must be told
 * at each switch; empty in other builds. And what Valgrind must be told of each
 * stack, in every build that has its header: a few instructions that do nothing
 * outside of it, when a stack gets memory and when it gives that back. */
#ifndef TN_STACK_SANITIZER_H
#define TN_STACK_SANITIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __has_feature
# if __has_feature(address_sanitizer)
#  define TN_ASAN 1
# endif
# if __has_feature(thread_sanitizer)
#  define TN_TSAN 1
# endif
#endif
#ifdef __SANITIZE_ADDRESS__
# define TN_ASAN 1
#endif
#ifdef __SANITIZE_THREAD__
# define TN_TSAN 1
#endif

#ifdef TN_ASAN
void __sanitizer_start_switch_fiber(void **fake, const void *low, size_t bytes);
void __sanitizer_finish_switch_fiber(void *fake, const void **ret_low,
                                     size_t *ret_bytes);
void __asan_unpoison_memory_region(const volatile void *start, size_t bytes);
#endif
#ifdef TN_TSAN
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
#endif

#ifdef TN_HAVE_VALGRIND
# include <valgrind/valgrind.h>
#endif

static inline bool tn__is_on_valgrind(void)
{
#ifdef TN_HAVE_VALGRIND
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

/* [low, top) is a stack: else a switch to it looks like a very large frame
 * being pushed or popped. Returns Valgrind's number for it. */
static inline uint32_t tn__valgrind_add(char *low, char *top)
{
#ifdef TN_HAVE_VALGRIND
    return (uint32_t)VALGRIND_STACK_REGISTER(low, top - 1);
#else
    (void)low;
    (void)top;
    return 0;
#endif
}

static inline void tn__valgrind_remove(uint32_t id)
{
#ifdef TN_HAVE_VALGRIND
    VALGRIND_STACK_DEREGISTER(id);
#else
    (void)id;
#endif
}

#endif /* TN_STACK_SANITIZER_H */
