/* SPDX-License-Identifier: MIT */
/* cli/judge.c - can the engine run this ELF program?
 *
 * Refused are programs into which nothing can be preloaded, those whose threads
 * do not go through libc, and those that use on themselves what the engine
 * lives by (SIGSYS, Syscall User Dispatch, ptrace). The signs of the last kind
 * are in one table: a name that the dynamic linker sees, or a constant that no
 * other program has a reason to hold. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/image.h"

enum { GO_BUILD_ID = 4 }; /* type of the note */

/* ---- privileges ---- */

/* Programs on this file system gain nothing by their mode. */
static bool is_nosuid(const char *path)
{
    struct statvfs v;

    return statvfs(path, &v) == 0 && (v.f_flag & ST_NOSUID);
}

/* The dynamic linker ignores LD_PRELOAD when the kernel sets AT_SECURE: when
 * the program gets another user or group than ours, or capabilities. */
static int judge_privilege(const char *path)
{
    bool is_bare = prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) == 1;
    struct stat st;

    if (stat(path, &st) < 0)
        return tn__cli_refuse("%s: %s", path, strerror(errno));
    if (getuid() != geteuid() || getgid() != getegid())
        return tn__cli_refuse(
            "%s: real and effective user or group differ here, so that nothing "
            "can be preloaded; become one user first, or use --fallback",
            path);
    if (is_nosuid(path)) {
        tn__cli_note("privileges", "none gained: the file system is nosuid");
        return 0;
    }
    if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
        return tn__cli_refuse(
            "%s: has file capabilities: nothing can be preloaded into it; give "
            "them another way (capsh, ambient ones), or use --fallback",
            path);
    if ((st.st_mode & S_ISUID) && st.st_uid != getuid() && !is_bare)
        return tn__cli_refuse("%s: is setuid: nothing can be preloaded into "
                              "it; use --fallback",
                              path);
    if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) &&
        st.st_gid != getgid() && !is_bare)
        return tn__cli_refuse("%s: is setgid: nothing can be preloaded into "
                              "it; use --fallback",
                              path);
    tn__cli_note("privileges", "%s",
                 is_bare ? "none gained: no_new_privs is set"
                         : "no setuid, setgid or file capabilities that count");
    return 0;
}

/* ---- kinds of programs ---- */

static int judge_cpu(const char *path, const struct tn__cli_image *i)
{
    static const struct {
        int machine;
        const char *name;
    } cpus[] = {{EM_AARCH64, "aarch64"}, {EM_RISCV, "RISC-V"},
                {EM_ARM, "ARM"},         {EM_PPC64, "POWER"},
                {EM_S390, "s390x"},      {EM_386, "i386"}};
    const Elf64_Ehdr *h = tn__cli_image_part(i, 0, sizeof *h);
    const char *name = "another kind of CPU";

    if (!h)
        return tn__cli_refuse("%s: is no whole program", path);
    for (size_t n = 0; n < sizeof cpus / sizeof cpus[0]; n++)
        if (h->e_machine == cpus[n].machine)
            name = cpus[n].name;
    if (h->e_ident[EI_CLASS] != ELFCLASS64)
        return tn__cli_refuse("%s: is a 32-bit program%s; build it for x86-64, "
                              "or use --fallback",
                              path, h->e_machine == EM_X86_64 ? " (x32)" : "");
    if (h->e_machine != EM_X86_64)
        return tn__cli_refuse("%s: is a program for %s; the engine is for "
                              "x86-64; use --fallback",
                              path, name);
    return 0;
}

static bool is_go(const struct tn__cli_image *i)
{
    return tn__cli_elf_has_section(i, ".go.buildinfo") ||
           tn__cli_elf_has_note(i, "Go", GO_BUILD_ID);
}

static int judge_linkage(const char *path, const struct tn__cli_image *i)
{
    const Elf64_Ehdr *h = tn__cli_image_part(i, 0, sizeof *h);

    if (tn__cli_elf_interpreter(i))
        return 0;
    if (tn__cli_elf_has_name(i, "_dl_exception_create") ||
        tn__cli_elf_has_name(i, "__dls2b"))
        return tn__cli_refuse("%s: is the dynamic linker; name the program "
                              "itself",
                              path);
    return tn__cli_refuse("%s: is statically linked%s: nothing can be "
                          "preloaded into it; link it dynamically, or use "
                          "--fallback",
                          path, h->e_type == ET_DYN ? " (static-pie)" : "");
}

/* ---- those that bring the same means ---- */

struct sign {
    bool is_constant; /* in .rodata; else a name of the dynamic linker's */
    const char *text;
    const char *what;
};

static const struct sign signs[] = {
    {false, "wine_main_preload_info",
     "is Wine, which uses Syscall User Dispatch itself"},
    {true, "librrpreload.so", "is rr, which traces system calls itself"},
    {true, "disable-seccomp-filter-sandbox",
     "is built on Chromium, whose sandbox uses SIGSYS itself"},
    {false, "libmozsandbox.so",
     "is built on Firefox, whose sandbox uses SIGSYS itself"},
    {false, "libtendril-patch.so.0.1",
     "has libtendril-patch, which stands in front of libc itself"},
    {false, "__asan_init",
     "is built with AddressSanitizer, which must be the first library itself"},
    {false, "__tsan_init",
     "is built with ThreadSanitizer, which must know every kernel thread"},
    {false, "__msan_init",
     "is built with MemorySanitizer, which must know every write"},
};

/* This very command: it has the texts that are looked for. */
static bool is_self(const char *path)
{
    struct stat self, other;

    return stat("/proc/self/exe", &self) == 0 && stat(path, &other) == 0 &&
           self.st_dev == other.st_dev && self.st_ino == other.st_ino;
}

static int judge_signs(const char *path, const struct tn__cli_image *i)
{
    if (is_self(path))
        return 0;
    for (size_t n = 0; n < sizeof signs / sizeof signs[0]; n++) {
        const struct sign *s = &signs[n];
        bool is_there =
            s->is_constant
                ? tn__cli_elf_constant(i, s->text, strlen(s->text)) != NULL
                : tn__cli_elf_has_name(i, s->text);

        if (is_there)
            return tn__cli_refuse("%s: %s (it has `%s`); use --fallback", path,
                                  s->what, s->text);
    }
    tn__cli_note("own means", "no sign of Wine, rr, a browser or a sanitizer");
    if (tn__cli_elf_has_name(i, "ptrace"))
        tn__cli_note("", "it can trace others (ptrace): what it starts should "
                         "be native, --children=native");
    if (tn__cli_elf_has_name(i, "libseccomp.so.2"))
        tn__cli_note("", "it can filter system calls (libseccomp): then it has "
                         "no green threads from there on");
    return 0;
}

int tn__cli_judge(const char *path, const struct tn__cli_image *i)
{
    int r = judge_privilege(path);

    if (r == 0)
        r = judge_cpu(path, i);
    if (r == 0 && is_go(i))
        r = tn__cli_refuse("%s: is a Go program, which has green threads of "
                           "its own; run it as it is, or use --fallback",
                           path);
    if (r == 0)
        r = judge_linkage(path, i);
    if (r == 0) {
        tn__cli_note("kind", "x86-64, dynamically linked, not Go");
        r = tn__cli_judge_libc(path, i);
    }
    return r == 0 ? judge_signs(path, i) : r;
}
