/* SPDX-License-Identifier: MIT */
/* tests/run/programs/tls_library.c - a library whose thread-local variable is
 * at a fixed place behind each thread's pointer. */
static __thread int value __attribute__((tls_model("initial-exec"))) = 1234;

int *tls_of_library(void);

int *tls_of_library(void)
{
    return &value;
}
