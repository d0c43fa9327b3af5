/* SPDX-License-Identifier: MIT */
/* cli/machine.c - what this machine offers, and where the engine lies. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli/cli.h"

enum {
    SYSCALL_USER_DISPATCH = 59, /* PR_SET_SYSCALL_USER_DISPATCH */
    FSGSBASE = 2                /* in AT_HWCAP2 */
};

bool tn__cli_has_dispatch(void)
{
    /* Turning it off where it is off succeeds if the kernel has it. */
    return prctl(SYSCALL_USER_DISPATCH, 0L, 0L, 0L, 0L) == 0;
}

bool tn__cli_has_fsgsbase(void)
{
#ifdef __x86_64__
    return getauxval(AT_HWCAP2) & FSGSBASE;
#else
    return false;
#endif
}

bool tn__cli_engine(char path[PATH_MAX])
{
    static const char *const places[] = {
        "../run/libtendril-run.so",     /* the build tree, src/cli/tendril */
        "src/run/libtendril-run.so",    /* its top */
        TN_ENGINE_FROM_BIN "/libtendril-run.so"};
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    char *slash;

    if (n <= 0)
        return false;
    exe[n] = '\0';
    slash = strrchr(exe, '/');
    if (!slash)
        return false;
    *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char wanted[2 * PATH_MAX];

        snprintf(wanted, sizeof wanted, "%s/%s", exe, places[i]);
        if (realpath(wanted, path))
            return true;
    }
    return false;
}
