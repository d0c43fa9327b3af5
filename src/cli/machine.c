/* SPDX-License-Identifier: MIT */
/* cli/machine.c - what this machine offers, and where the engine lies. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/cli.h"

enum {
    SYSCALL_USER_DISPATCH = 59, /* PR_SET_SYSCALL_USER_DISPATCH */
    DISPATCH_SINCE = 5 * 1000 + 11,
    LOG_READ_ALL = 3, /* SYSLOG_ACTION_READ_ALL */
    FSGSBASE = 2      /* in AT_HWCAP2 */
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

/* The kernel's version as 1000 * major + minor. */
static int kernel_version(const struct utsname *u)
{
    char *end;
    long major = strtol(u->release, &end, 10);
    long minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;

    return (int)(1000 * major + minor);
}

/* The number that /proc/self/status has behind `name`; -1: none. */
static int from_status(const char *name)
{
    FILE *f = fopen("/proc/self/status", "re");
    size_t n = strlen(name);
    char line[256];
    int value = -1;

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, n) == 0)
            value = (int)strtol(line + n, NULL, 10);
    if (f)
        fclose(f);
    return value;
}

/* gVisor says so in the log of its kernel. */
static bool is_gvisor(void)
{
    static char log[4096];
    int n = klogctl(LOG_READ_ALL, log, sizeof log - 1);

    return n > 0 && memmem(log, (size_t)n, "gVisor", 6);
}

static int refuse_dispatch(int error)
{
    struct utsname u;

    if (is_gvisor())
        return tn__cli_refuse("this is gVisor, which has no Syscall User "
                              "Dispatch; use another runtime, or --fallback");
    if (uname(&u) == 0 && kernel_version(&u) < DISPATCH_SINCE)
        return tn__cli_refuse("this kernel, Linux %s, has no Syscall User "
                              "Dispatch; use Linux 5.11 or newer, or "
                              "--fallback",
                              u.release);
    if (from_status("Seccomp:") == 2)
        return tn__cli_refuse("a seccomp filter forbids Syscall User Dispatch "
                              "(prctl 59: %s); allow it in the sandbox or "
                              "container, or use --fallback",
                              strerror(error));
    return tn__cli_refuse("this kernel has no Syscall User Dispatch (prctl 59: "
                          "%s): built without it, emulated, or a sandbox; use "
                          "--fallback",
                          strerror(error));
}

int tn__cli_check_machine(void)
{
    struct utsname u;

#ifndef __x86_64__
    return tn__cli_refuse("`tendril run` needs an x86-64 CPU: the thread "
                          "pointer is set in a way that only it has; use "
                          "--fallback");
#endif
    if (uname(&u) == 0)
        tn__cli_note("kernel", "%s %s, %s", u.sysname, u.release, u.machine);
    tn__cli_note("seccomp", "%s",
                 from_status("Seccomp:") == 2
                     ? "a filter is there: it holds for the engine's calls, too"
                     : "no filter");
    if (!tn__cli_has_dispatch())
        return refuse_dispatch(errno);
    tn__cli_note("system calls", "Syscall User Dispatch is there");
    if (!tn__cli_has_fsgsbase())
        return tn__cli_refuse("this machine does not let programs set the FS "
                              "base (FSGSBASE); use Linux 5.9 or newer on a "
                              "CPU of 2012 or later, or --fallback");
    tn__cli_note("thread pointer", "FSGSBASE is there");
    return 0;
}

/* The dynamic linker must be able to map it, as code. */
static int try_to_map(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *at;

    if (fd < 0)
        return tn__cli_refuse("%s: %s; make the engine readable, or use "
                              "--fallback",
                              path, strerror(errno));
    at = mmap(NULL, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED) {
        int error = errno;

        close(fd);
        return tn__cli_refuse("%s: cannot be mapped as code (%s): a noexec "
                              "file system, or a policy; move the engine, or "
                              "use --fallback",
                              path, strerror(error));
    }
    munmap(at, 1);
    close(fd);
    return 0;
}

int tn__cli_check_engine(char path[PATH_MAX])
{
    if (!tn__cli_engine(path))
        return tn__cli_fail(EXIT_USAGE,
                            "libtendril-run.so is missing: not beside this "
                            "command, nor where it is installed; install "
                            "tendril again");
    if (strpbrk(path, " :"))
        return tn__cli_fail(EXIT_USAGE,
                            "%s: LD_PRELOAD can name no path with a space or "
                            "a colon; install tendril elsewhere",
                            path);
    tn__cli_note("engine", "%s", path);
    return try_to_map(path);
}

bool tn__cli_engine(char path[PATH_MAX])
{
    static const char *const places[] = {
        "../run/libtendril-run.so",  /* the build tree, src/cli/tendril */
        "src/run/libtendril-run.so", /* its top */
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
