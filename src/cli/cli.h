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

/* ---- program.c ---- */

/* Find `name` as execvp() would. 0; or prints why not and returns the exit
 * code. */
int tn__cli_find(const char *name, char path[PATH_MAX]);

/* 0 if the engine can run the program at `path`; else prints why not and
 * returns the exit code. */
int tn__cli_check(const char *path);

/* ---- machine.c ---- */

bool tn__cli_has_dispatch(void); /* Syscall User Dispatch */
bool tn__cli_has_fsgsbase(void);

/* Where libtendril-run.so is: beside us in the build tree, or installed.
 * False: nowhere. */
bool tn__cli_engine(char path[PATH_MAX]);

#endif /* TN_CLI_CLI_H */
