/* SPDX-License-Identifier: MIT */
/* cli/program.c - which ELF program will run? Found out before it starts.
 *
 * A script is what its interpreter is, through env(1) too; without a #! line it
 * is the shell's. env(1) on the command line is looked through as well. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/image.h"

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
    int n = dir_len
                ? snprintf(path, PATH_MAX, "%.*s/%s", (int)dir_len, dir, name)
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

enum { FOUND, NOT_EXECUTABLE, NOT_FOUND };

/* `name`, which has no slash, in the folders of PATH. */
static int search(const char *name, char path[PATH_MAX])
{
    const char *dirs = getenv("PATH");
    int r = NOT_FOUND;

    if (!dirs)
        dirs = "/usr/local/bin:/usr/bin:/bin";
    for (;;) {
        size_t n = strcspn(dirs, ":");

        if (join(path, n ? dirs : ".", n ? n : 1, name)) {
            if (is_program(path))
                return FOUND;
            if (access(path, F_OK) == 0)
                r = NOT_EXECUTABLE;
        }
        if (!dirs[n])
            return r;
        dirs += n + 1;
    }
}

static bool is_there(const char *name)
{
    char path[PATH_MAX];

    return strchr(name, '/') ? is_program(name) : search(name, path) == FOUND;
}

int tn__cli_find(const char *name, char path[PATH_MAX])
{
    if (strchr(name, '/')) {
        if (!join(path, "", 0, name))
            return tn__cli_fail(EXIT_NOT_FOUND, "%s: too long", name);
        return judge_one(path);
    }
    switch (search(name, path)) {
    case FOUND:
        return 0;
    case NOT_EXECUTABLE:
        return tn__cli_fail(EXIT_REFUSED, "%s: is not executable", name);
    default:
        return tn__cli_fail(EXIT_NOT_FOUND, "%s: no such program in PATH",
                            name);
    }
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

/* ---- env(1) ---- */

/* Words of env(1) up to the program's name. */
struct env_words {
    bool drops_engine; /* it starts the program without LD_PRELOAD */
    bool wants_value;  /* the next word belongs to an option */
    bool is_unset;     /* and that option is -u */
};

/* False: `word` is the program's name. */
static bool is_env_word(struct env_words *e, const char *word)
{
    static const char preload[] = "LD_PRELOAD";

    if (e->wants_value) {
        e->wants_value = false;
        e->drops_engine |= e->is_unset && strcmp(word, preload) == 0;
        return true;
    }
    if (word[0] == '-') {
        e->is_unset = strcmp(word, "-u") == 0 || strcmp(word, "--unset") == 0;
        e->wants_value = e->is_unset || strcmp(word, "-C") == 0 ||
                         strcmp(word, "--chdir") == 0;
        e->drops_engine |= !word[1] || strcmp(word, "-i") == 0 ||
                           strcmp(word, "--ignore-environment") == 0 ||
                           strcmp(word, "-uLD_PRELOAD") == 0 ||
                           strcmp(word, "--unset=LD_PRELOAD") == 0;
        return true;
    }
    if (strncmp(word, preload, strlen(preload)) == 0 &&
        word[strlen(preload)] == '=')
        e->drops_engine = true;
    return strchr(word, '=') != NULL;
}

static int judge_env(const struct env_words *e, const char *script)
{
    if (!e->drops_engine)
        return 0;
    return tn__cli_refuse("%s: env is told to drop LD_PRELOAD, and with it the "
                          "engine; use `env ... tendril run PROGRAM`",
                          script);
}

/* ---- the chain ---- */

/* The program that a `#!` line comes to, in `path`. */
static int follow(const char *script, const struct tn__cli_image *i,
                  char path[PATH_MAX])
{
    char text[LINE_MAX_BYTES + 1], *line = text, *word;
    size_t n = i->bytes < LINE_MAX_BYTES ? i->bytes : LINE_MAX_BYTES;
    struct env_words e = {false, false, false};
    int r;

    memcpy(text, i->at, n);
    text[n] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    tn__cli_note("script", "%s: %s", script, text);
    line += 2;
    word = next_word(&line);
    if (!word)
        return tn__cli_refuse("%s: its #! line names nothing; name the "
                              "interpreter there",
                              script);
    if (!is_env(word))
        return tn__cli_find(word, path);
    do
        word = next_word(&line);
    while (word && is_env_word(&e, word));
    if (!word)
        return tn__cli_refuse("%s: its #! line names nothing; name the "
                              "interpreter there",
                              script);
    r = judge_env(&e, script);
    return r ? r : tn__cli_find(word, path);
}

static int open_image(const char *path, struct tn__cli_image *i)
{
    int r = tn__cli_image_open(path, i);

    if (r == -EACCES)
        return tn__cli_refuse("%s: cannot be read, and so not be checked; make "
                              "it readable, or use --fallback",
                              path);
    if (r < 0)
        return tn__cli_refuse("%s: is not a program", path);
    return 0;
}

/* A program of some kind has a zero byte soon. */
static bool is_text(const struct tn__cli_image *i)
{
    size_t n = i->bytes < LINE_MAX_BYTES ? i->bytes : LINE_MAX_BYTES;

    return n == 0 || !memchr(i->at, '\0', n);
}

/* Judge one file; `path` becomes the interpreter's for a script, else "". */
static int judge_file(char path[PATH_MAX])
{
    struct tn__cli_image i = {NULL, 0};
    int r = open_image(path, &i);

    if (r != 0)
        return r;
    if (i.bytes > 2 && memcmp(i.at, "#!", 2) == 0) {
        char script[PATH_MAX];

        memcpy(script, path, PATH_MAX);
        r = follow(script, &i, path);
    } else if (tn__cli_image_is_elf(&i)) {
        tn__cli_note("program", "%s", path);
        r = tn__cli_judge(path, &i);
        path[0] = '\0';
    } else if (is_text(&i)) {
        tn__cli_note("script", "%s: without #!, for %s", path, TN_CLI_SHELL);
        r = tn__cli_find(TN_CLI_SHELL, path);
    } else {
        r = tn__cli_refuse("%s: is neither a program nor a script", path);
    }
    tn__cli_image_close(&i);
    return r;
}

static int judge_chain(const char *path)
{
    char at[PATH_MAX];

    if (!join(at, "", 0, path))
        return tn__cli_refuse("%s: too long", path);
    for (int i = 0; i < SCRIPTS_MAX; i++) {
        int r = judge_file(at);

        if (r != 0 || !at[0])
            return r;
    }
    return tn__cli_refuse("%s: too many interpreters", path);
}

int tn__cli_check(const char *path, char **args)
{
    struct env_words e = {false, false, false};
    char next[PATH_MAX];
    int r = judge_chain(path);

    if (r != 0 || !is_env(path))
        return r;
    while (*args && is_env_word(&e, *args))
        args++;
    if (!*args)
        return 0;
    r = judge_env(&e, path);
    /* What env itself would not find, env shall say. */
    if (r != 0 || !is_there(*args))
        return r;
    r = tn__cli_find(*args, next);
    return r ? r : tn__cli_check(next, args + 1);
}
