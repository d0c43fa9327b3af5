/* SPDX-License-Identifier: MIT */
/* tests/run/programs/static.c - linked statically: nothing can be preloaded. */
#include <stdio.h>

int main(void)
{
    puts("it ran");
    return 0;
}
