/* SPDX-License-Identifier: MIT */
/* cli/cli.h - what the files of the `tendril` command share. */
#ifndef TN_CLI_CLI_H
#define TN_CLI_CLI_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* Exit codes, as env(1) has them. */
enum {
    EXIT_USAGE = 125,     /* the command line is wrong, or we have failed */
    EXIT_REFUSED = 126,   /* the program is there and cannot be run */
    EXIT_NOT_FOUND = 127
};

/* What runs an executable text that names no interpreter. */
#define TN_CLI_SHELL "/bin/sh"

/* Print "tendril: ..." on stderr. Returns `code`. */
int tn__cli_fail(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Subcommands. argv[0] is the subcommand's name. The exit code. */
int tn__cli_run(int argc, char **argv);
int tn__cli_info(int argc, char **argv);
int tn__cli_ps(int argc, char **argv);
int tn__cli_stacks(int argc, char **argv);

/* ---- options.c ---- */

struct tn__cli_run_options {
    int first;      /* where the program's name is in argv */
    bool has_stats;
    long stats_s;   /* 0: at the end only */
    bool has_fallback; /* real threads instead of a refusal */
    bool is_explain;   /* say what would happen, and end */
};

/* Read the options of `tendril run`; those for the engine go into the
 * environment. 0; or prints what is wrong and returns the exit code. */
int tn__cli_run_options(int argc, char **argv, struct tn__cli_run_options *o);
/* While explaining: the settings, with where they come from. */
void tn__cli_explain_settings(const struct tn__cli_run_options *o);

/* ---- program.c ---- */

/* Find `name` as execvp() would. 0; or prints why not and returns the exit
 * code. */
int tn__cli_find(const char *name, char path[PATH_MAX]);

/* 0 if the engine can run the program at `path`, which is started with `args`;
 * else prints why not and returns the exit code. */
int tn__cli_check(const char *path, char **args);

/* ---- judge.c, libc.c ---- */

struct tn__cli_image;
/* An ELF file: 0, or the exit code after a line that says why not. */
int tn__cli_judge(const char *path, const struct tn__cli_image *i);
int tn__cli_judge_libc(const char *path, const struct tn__cli_image *i);

/* ---- report.c ---- */

/* From now on the checks tell what they see, and only tell. */
void tn__cli_explain(void);
bool tn__cli_is_explaining(void);
/* While explaining: a headline; a line. */
void tn__cli_head(const char *text);
void tn__cli_note(const char *name, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Say why a program is refused. Returns EXIT_REFUSED. */
int tn__cli_refuse(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* ---- machine.c ---- */

bool tn__cli_has_dispatch(void); /* Syscall User Dispatch */
bool tn__cli_has_fsgsbase(void);

/* 0 if the engine works on this machine; else prints why not and returns the
 * exit code. */
int tn__cli_check_machine(void);
/* The same of the engine's file, whose path it gives. */
int tn__cli_check_engine(char path[PATH_MAX]);

/* Where libtendril-run.so is: beside us in the build tree, or installed.
 * False: nowhere. */
bool tn__cli_engine(char path[PATH_MAX]);

#endif /* TN_CLI_CLI_H */
