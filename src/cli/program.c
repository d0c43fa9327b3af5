/* SPDX-License-Identifier: MIT */
/* cli/program.c - can the engine run this program? Found out before it starts.
 *
 * A script is what its interpreter is, through env(1) too; without a #! line it
 * is the shell's. What is refused are
 * programs into which nothing can be preloaded, and those that bring threads of
 * their own which do not go through libc. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/cli.h"

enum { SCRIPTS_MAX = 5, LINE_MAX_BYTES = 256 }; /* as the kernel has it */

static bool is_program(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
           access(path, X_OK) == 0;
}

/* Copy a path; false if it is too long. */
static bool join(char path[PATH_MAX], const char *dir, size_t dir_len,
                 const char *name)
{
    int n = dir_len ? snprintf(path, PATH_MAX, "%.*s/%s", (int)dir_len, dir,
                               name)
                    : snprintf(path, PATH_MAX, "%s", name);

    return n > 0 && n < PATH_MAX;
}

static int judge_one(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return tn__cli_fail(EXIT_NOT_FOUND, "%s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return tn__cli_fail(EXIT_REFUSED, "%s: is a directory", path);
    if (!is_program(path))
        return tn__cli_fail(EXIT_REFUSED, "%s: is not executable", path);
    return 0;
}

int tn__cli_find(const char *name, char path[PATH_MAX])
{
    const char *dirs = getenv("PATH");
    bool is_there = false;

    if (strchr(name, '/')) {
        if (!join(path, "", 0, name))
            return tn__cli_fail(EXIT_NOT_FOUND, "%s: too long", name);
        return judge_one(path);
    }
    if (!dirs)
        dirs = "/usr/local/bin:/usr/bin:/bin";
    for (;;) {
        size_t n = strcspn(dirs, ":");

        if (join(path, n ? dirs : ".", n ? n : 1, name)) {
            if (is_program(path))
                return 0;
            is_there |= access(path, F_OK) == 0;
        }
        if (!dirs[n])
            break;
        dirs += n + 1;
    }
    if (is_there)
        return tn__cli_fail(EXIT_REFUSED, "%s: is not executable", name);
    return tn__cli_fail(EXIT_NOT_FOUND, "%s: no such program in PATH", name);
}

/* ---- ELF ---- */

/* A program as it lies in its file. */
struct image {
    const unsigned char *at;
    size_t bytes;
};

static const void *part(const struct image *i, size_t at, size_t bytes)
{
    return at <= i->bytes && bytes <= i->bytes - at ? i->at + at : NULL;
}

static bool has_interpreter(const struct image *i, const Elf64_Ehdr *h)
{
    for (int n = 0; n < h->e_phnum; n++) {
        const Elf64_Phdr *p =
            part(i, h->e_phoff + (size_t)n * sizeof *p, sizeof *p);

        if (p && p->p_type == PT_INTERP)
            return true;
    }
    return false;
}

static bool has_section(const struct image *i, const Elf64_Ehdr *h,
                        const char *name)
{
    size_t room = strlen(name) + 1;
    const Elf64_Shdr *names = part(
        i, h->e_shoff + (size_t)h->e_shstrndx * sizeof *names, sizeof *names);

    for (int n = 0; names && h->e_shoff && n < h->e_shnum; n++) {
        const Elf64_Shdr *s =
            part(i, h->e_shoff + (size_t)n * sizeof *s, sizeof *s);
        const char *text =
            s ? part(i, names->sh_offset + s->sh_name, room) : NULL;

        if (text && memcmp(text, name, room) == 0)
            return true;
    }
    return false;
}

static int judge_elf(const char *path, const struct image *i)
{
    const Elf64_Ehdr *h = part(i, 0, sizeof *h);

    if (!h || h->e_ident[EI_CLASS] != ELFCLASS64)
        return tn__cli_fail(EXIT_REFUSED, "%s: is a 32-bit program", path);
    if (h->e_machine != EM_X86_64)
        return tn__cli_fail(EXIT_REFUSED,
                            "%s: is a program for another kind of CPU", path);
    if (has_section(i, h, ".go.buildinfo") ||
        has_section(i, h, ".note.go.buildid"))
        return tn__cli_fail(EXIT_REFUSED,
                            "%s: is a Go program, which has green threads of "
                            "its own", path);
    if (!has_interpreter(i, h))
        return tn__cli_fail(EXIT_REFUSED,
                            "%s: is statically linked: nothing can be "
                            "preloaded into it", path);
    return 0;
}

/* ---- scripts ---- */

/* The next word of a line, cut out; NULL: none. */
static char *next_word(char **line)
{
    char *word = *line + strspn(*line, " \t");
    size_t n = strcspn(word, " \t");

    if (n == 0)
        return NULL;
    *line = word + n + (word[n] != '\0');
    word[n] = '\0';
    return word;
}

static bool is_env(const char *interpreter)
{
    const char *slash = strrchr(interpreter, '/');

    return strcmp(slash ? slash + 1 : interpreter, "env") == 0;
}

/* The program that a `#!` line comes to, in `path`. */
static int follow(const char *script, const struct image *i,
                  char path[PATH_MAX])
{
    char text[LINE_MAX_BYTES + 1], *line = text, *word;
    size_t n = i->bytes < LINE_MAX_BYTES ? i->bytes : LINE_MAX_BYTES;

    memcpy(text, i->at, n);
    text[n] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    line += 2;
    word = next_word(&line);
    if (!word)
        return tn__cli_fail(EXIT_REFUSED, "%s: its #! line names nothing",
                            script);
    if (!is_env(word))
        return tn__cli_find(word, path);
    do
        word = next_word(&line);
    while (word && (word[0] == '-' || strchr(word, '=')));
    if (!word)
        return tn__cli_fail(EXIT_REFUSED, "%s: its #! line names nothing",
                            script);
    return tn__cli_find(word, path);
}

/* ---- the whole ---- */

static int open_image(const char *path, struct image *i)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *at = MAP_FAILED;

    if (fd < 0)
        return tn__cli_fail(EXIT_REFUSED, "%s: %s", path, strerror(errno));
    if (fstat(fd, &st) == 0 && st.st_size > 0)
        at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (at == MAP_FAILED)
        return tn__cli_fail(EXIT_REFUSED, "%s: is not a program", path);
    *i = (struct image){at, (size_t)st.st_size};
    return 0;
}

static int judge_privilege(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return tn__cli_fail(EXIT_REFUSED, "%s: %s", path, strerror(errno));
    if (st.st_mode & (S_ISUID | S_ISGID))
        return tn__cli_fail(EXIT_REFUSED,
                            "%s: is set%sid: nothing can be preloaded into it",
                            path, st.st_mode & S_ISUID ? "u" : "g");
    if (getxattr(path, "security.capability", NULL, 0) > 0)
        return tn__cli_fail(EXIT_REFUSED,
                            "%s: has file capabilities: nothing can be "
                            "preloaded into it", path);
    return 0;
}

/* A program of some kind has a zero byte soon. */
static bool is_text(const struct image *i)
{
    size_t n = i->bytes < LINE_MAX_BYTES ? i->bytes : LINE_MAX_BYTES;

    return !memchr(i->at, '\0', n);
}

/* Judge one file; `path` becomes the interpreter's for a script, else "". */
static int judge_file(char path[PATH_MAX])
{
    struct image i = {NULL, 0};
    int r = open_image(path, &i);

    if (r != 0)
        return r;
    if (i.bytes > 2 && memcmp(i.at, "#!", 2) == 0) {
        char script[PATH_MAX];

        memcpy(script, path, PATH_MAX);
        r = follow(script, &i, path);
    } else if (i.bytes > SELFMAG && memcmp(i.at, ELFMAG, SELFMAG) == 0) {
        r = judge_privilege(path);
        if (r == 0)
            r = judge_elf(path, &i);
        path[0] = '\0';
    } else if (is_text(&i)) {
        r = tn__cli_find(TN_CLI_SHELL, path);
    } else {
        r = tn__cli_fail(EXIT_REFUSED, "%s: is neither a program nor a script",
                         path);
    }
    munmap((void *)i.at, i.bytes);
    return r;
}

int tn__cli_check(const char *path)
{
    char at[PATH_MAX];

    if (!join(at, "", 0, path))
        return tn__cli_fail(EXIT_REFUSED, "%s: too long", path);
    for (int i = 0; i < SCRIPTS_MAX; i++) {
        int r = judge_file(at);

        if (r != 0 || !at[0])
            return r;
    }
    return tn__cli_fail(EXIT_REFUSED, "%s: too many interpreters", path);
}
