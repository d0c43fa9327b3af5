/* SPDX-License-Identifier: MIT */
/* cli/info.c - `tendril info`: what this machine offers to tendril. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/cli.h"

enum {
    GUARD_INSTALL = 102, /* MADV_GUARD_INSTALL */
    EPOLL_PWAIT2 = 441,
    IO_URING_SETUP = 425
};

static bool has_guard_install(void)
{
    long bytes = sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool is_there;

    if (page == MAP_FAILED)
        return false;
    is_there = madvise(page, (size_t)bytes, GUARD_INSTALL) == 0;
    munmap(page, (size_t)bytes);
    return is_there;
}

/* A call that fails for another reason than that it is not there, or not
 * allowed. */
static bool has_call(long nr)
{
    return syscall(nr, -1, NULL, -1, NULL, NULL, 0) >= 0 ||
           (errno != ENOSYS && errno != EPERM);
}

static void say(const char *what, bool is_there, const char *use)
{
    printf("%-24s %-4s %s\n", what, is_there ? "yes" : "no", use);
}

int tn__cli_info(int argc, char **argv)
{
    bool can_run = tn__cli_has_dispatch() && tn__cli_has_fsgsbase();
    char engine[PATH_MAX];
    struct utsname u;

    if (argc > 1)
        return tn__cli_fail(EXIT_USAGE, "info takes no `%s`", argv[1]);
    if (uname(&u) == 0)
        printf("tendril %s on %s %s, %s\n", TN_VERSION, u.sysname, u.release,
               u.machine);
    say("Syscall User Dispatch", tn__cli_has_dispatch(), "for tendril run");
    say("FSGSBASE", tn__cli_has_fsgsbase(), "for tendril run");
    say("MADV_GUARD_INSTALL", has_guard_install(),
        "guard pages without mappings");
    say("epoll_pwait2", has_call(EPOLL_PWAIT2), "timeouts in nanoseconds");
    say("io_uring", has_call(IO_URING_SETUP), "not used yet");
    printf("%-24s epoll\n", "loop");
    if (!tn__cli_engine(engine))
        printf("%-24s libtendril-run.so is missing\n", "tendril run");
    else
        printf("%-24s %s\n", "tendril run",
               can_run ? "ready" : "not on this machine");
    return 0;
}
