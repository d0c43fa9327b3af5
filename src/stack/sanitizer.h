/* SPDX-License-Identifier: MIT */
/* stack/sanitizer.h - what AddressSanitizer and ThreadSanitizer must be told
 * at each switch. Empty in other builds. */
#ifndef TN_STACK_SANITIZER_H
#define TN_STACK_SANITIZER_H

#include <stddef.h>

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

#endif /* TN_STACK_SANITIZER_H */
