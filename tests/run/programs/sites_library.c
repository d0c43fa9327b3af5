/* SPDX-License-Identifier: MIT */
/* A library with a system call site, for sites.c. */
long call_parent(int n);

long call_parent(int n)
{
    long sum = 0;

    for (int i = 0; i < n; i++) {
        long r;

        __asm__ volatile("movl $110, %%eax\n syscall" /* getppid */
                         : "=a"(r)
                         :
                         : "rcx", "r11", "memory");
        sum += r;
    }
    return sum;
}
