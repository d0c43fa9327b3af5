/* SPDX-License-Identifier: MIT */
/* run/memory.c - the four functions that a freestanding compiler may call, and
 * two that the core does. libc's use vector registers, which belong to the
 * program; these do not. */
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *text);
size_t strnlen(const char *text, size_t max);

void *memcpy(void *to, const void *from, size_t n)
{
    void *start = to;

    __asm__ volatile("rep movsb"
                     : "+D"(to), "+S"(from), "+c"(n)
                     :
                     : "memory");
    return start;
}

void *memmove(void *to, const void *from, size_t n)
{
    char *last_to = (char *)to + n - 1;
    const char *last_from = (const char *)from + n - 1;

    if ((size_t)((char *)to - (const char *)from) >= n)
        return memcpy(to, from, n);
    __asm__ volatile("std\n\trep movsb\n\tcld"
                     : "+D"(last_to), "+S"(last_from), "+c"(n)
                     :
                     : "memory", "cc");
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    void *start = to;

    __asm__ volatile("rep stosb"
                     : "+D"(to), "+c"(n)
                     : "a"(byte)
                     : "memory");
    return start;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *p = a, *q = b;

    for (; n > 0; n--, p++, q++)
        if (*p != *q)
            return *p - *q;
    return 0;
}

size_t strnlen(const char *text, size_t max)
{
    size_t n = 0;

    while (n < max && text[n])
        n++;
    return n;
}

size_t strlen(const char *text)
{
    return strnlen(text, (size_t)-1);
}
