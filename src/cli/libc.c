/* SPDX-License-Identifier: MIT */
/* cli/libc.c - which libc a program will run on, read from files.
 *
 * The dynamic linker's name says which one. glibc's libc.so.6 lies beside it,
 * or where the usual paths lead; both libcs hold their version as text. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/image.h"

enum { GLIBC_LEAST = 31, GLIBC_MOST = 42 }; /* 2.x that doc/design/run.md has */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static size_t digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* The number x of glibc 2.x in this file; -1: not found. */
static int glibc_minor(const char *path)
{
    static const char banner[] = "GNU C Library", before[] = "version 2.";
    struct tn__cli_image i;
    const char *at, *end;
    int minor = -1;

    if (tn__cli_image_open(path, &i) < 0)
        return -1;
    at = tn__cli_elf_constant(&i, banner, strlen(banner));
    end = at ? memchr(at, '\0', i.bytes - (size_t)(at - (const char *)i.at))
             : NULL;
    if (end) {
        at = strstr(at, before);
        if (at && at < end)
            minor = (int)strtol(at + strlen(before), NULL, 10);
    }
    tn__cli_image_close(&i);
    return minor;
}

/* libc.so.6 of the dynamic linker at `linker`. */
static bool find_glibc(const char *linker, char path[PATH_MAX])
{
    static const char *const folders[] = {"/lib64", "/usr/lib64",
                                          "/lib/x86_64-linux-gnu",
                                          "/usr/lib/x86_64-linux-gnu"};
    char real[PATH_MAX];

    if (realpath(linker, real)) {
        *strrchr(real, '/') = '\0';
        if (snprintf(path, PATH_MAX, "%s/libc.so.6", real) < PATH_MAX &&
            access(path, R_OK) == 0)
            return true;
    }
    for (size_t n = 0; n < sizeof folders / sizeof folders[0]; n++) {
        snprintf(path, PATH_MAX, "%s/libc.so.6", folders[n]);
        if (access(path, R_OK) == 0)
            return true;
    }
    return false;
}

static void note_glibc(const char *linker)
{
    char path[PATH_MAX];
    int minor;

    if (!tn__cli_is_explaining())
        return;
    if (!find_glibc(linker, path)) {
        tn__cli_note("libc", "glibc, libc.so.6 not found: version unknown");
        return;
    }
    minor = glibc_minor(path);
    if (minor < 0)
        tn__cli_note("libc", "glibc of an unknown version (%s)", path);
    else
        tn__cli_note("libc", "glibc 2.%d (%s)%s", minor, path,
                     minor < GLIBC_LEAST || minor > GLIBC_MOST
                         ? "; outside of 2.31 to 2.42: it is checked at start"
                         : "");
}

/* A text of three numbers with dots, alone in its string. */
static bool is_version(const char *text)
{
    size_t n = 0;

    for (int part = 0; part < 3; part++) {
        size_t more = digits(text + n);

        if (more == 0 || (part == 0 && (more != 1 || text[n] != '1')))
            return false;
        n += more;
        if (part < 2 && text[n++] != '.')
            return false;
    }
    return text[n] == '\0' || text[n] == '-';
}

static void note_musl(const char *linker)
{
    static const char before[] = "\0001.";
    struct tn__cli_image i;
    const char *version = NULL;

    if (!tn__cli_is_explaining() || tn__cli_image_open(linker, &i) < 0)
        return;
    for (size_t at = 0; !version && at + 32 < i.bytes; at++) {
        const char *text = memmem(i.at + at, i.bytes - at - 32, before, 3);

        if (!text)
            break;
        if (is_version(text + 1))
            version = text + 1;
        at = (size_t)(text - (const char *)i.at);
    }
    tn__cli_note("libc", "musl %.31s (%s)", version ? version : "?", linker);
    tn__cli_image_close(&i);
}

int tn__cli_judge_libc(const char *path, const struct tn__cli_image *i)
{
    const char *linker = tn__cli_elf_interpreter(i);
    const char *name = base_name(linker);

    tn__cli_note("dynamic linker", "%s", linker);
    if (access(linker, X_OK) < 0)
        return tn__cli_refuse("%s: its dynamic linker %s: %s; install the "
                              "libc it was built for",
                              path, linker, strerror(errno));
    if (begins(name, "ld-linux")) {
        note_glibc(linker);
        return 0;
    }
    if (begins(name, "ld-musl")) {
        note_musl(linker);
        return 0;
    }
    return tn__cli_refuse("%s: its libc is neither glibc nor musl (dynamic "
                          "linker %s); use --fallback",
                          path, linker);
}
