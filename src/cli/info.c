/* SPDX-License-Identifier: MIT */
/* cli/info.c - `tendril info`: what this machine offers to tendril. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <tendril/config.h>
#include <unistd.h>

#include "cli/cli.h"

enum {
    GUARD_INSTALL = 102, /* MADV_GUARD_INSTALL */
    EPOLL_PWAIT2 = 441,
    IO_URING_SETUP = 425,
    PIDFD_OPEN = 434
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

/* Whether the kernel can encrypt TLS records of sockets. Its module may not be
 * loaded yet: then it is not seen here. */
static bool has_ktls(void)
{
    FILE *f = fopen("/proc/sys/net/ipv4/tcp_available_ulp", "re");
    char names[256] = "";
    bool is_there;

    if (!f)
        return false;
    is_there = fgets(names, sizeof names, f) && strstr(names, "tls");
    fclose(f);
    return is_there;
}

static void say(const char *what, bool is_there, const char *use)
{
    printf("%-24s %-4s %s\n", what, is_there ? "yes" : "no", use);
}

/* Print the settings. False if the environment has a bad one. */
static bool say_settings(void)
{
    struct tn_setting s = {.size = sizeof s};
    bool is_good = true;
    int r;

    puts("\nsettings (value, where it comes from, what is allowed):");
    for (size_t i = 0; (r = tn_config_at(i, &s)) != -ENOENT; i++) {
        printf("%-24s %-10s %-12s %s\n", s.env, s.value,
               r < 0 ? "REFUSED" : s.origin, s.allowed);
        printf("%-24s   %s\n", "", s.help);
        is_good &= r == 0;
    }
    return is_good;
}

static bool is_setting(const char *variable)
{
    struct tn_setting s = {.size = sizeof s};
    size_t len = strcspn(variable, "=");

    /* Those of `tendril run` are not settings of the library. */
    if (strncmp(variable, "TENDRIL_RUN", strlen("TENDRIL_RUN")) == 0)
        return true;
    for (size_t i = 0; tn_config_at(i, &s) != -ENOENT; i++)
        if (strlen(s.env) == len && strncmp(s.env, variable, len) == 0)
            return true;
    return false;
}

/* Print variables that look like settings and are none. False if there are. */
static bool say_strangers(void)
{
    bool is_good = true;

    for (char **e = environ; *e; e++) {
        if (strncmp(*e, "TENDRIL_", strlen("TENDRIL_")) != 0 || is_setting(*e))
            continue;
        printf("%-24.*s REFUSED: there is no such setting\n",
               (int)strcspn(*e, "="), *e);
        is_good = false;
    }
    return is_good;
}

int tn__cli_info(int argc, char **argv)
{
    bool can_run = tn__cli_has_dispatch() && tn__cli_has_fsgsbase();
    char engine[PATH_MAX];
    struct utsname u;
    bool is_good;

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
    say("io_uring", has_call(IO_URING_SETUP), "for files");
    say("pidfd_open", has_call(PIDFD_OPEN), "children without SIGCHLD");
    say("kTLS", has_ktls(), "TLS records encrypted by the kernel");
    say("built with libev", TN_WITH_LIBEV, "the loop ev");
    say("built with OpenSSL", TN_WITH_OPENSSL, "TLS");
    say("built with c-ares", TN_WITH_CARES, "names resolved on the loop");
    say("built with liburing", TN_WITH_URING, "files through io_uring");
    if (!tn__cli_engine(engine))
        printf("%-24s libtendril-run.so is missing\n", "tendril run");
    else
        printf("%-24s %s\n", "tendril run",
               can_run ? "ready" : "not on this machine");
    is_good = say_settings();
    is_good &= say_strangers();
    return is_good ? 0 : 1;
}
