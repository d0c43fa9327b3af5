/* SPDX-License-Identifier: MIT */
/* tests/run/programs/signs.c - a harmless program that has the sign of another
 * kind: a name for the dynamic linker (NAME), or a constant (TEXT). */
#include <stdio.h>

#ifdef NAME
extern int NAME;
__attribute__((visibility("default"))) int NAME = 1;
#endif
#ifdef TEXT
static const char text[] = TEXT;
#else
static const char text[] = "nothing";
#endif

int main(void)
{
    printf("it ran: %s\n", text);
    return 0;
}
