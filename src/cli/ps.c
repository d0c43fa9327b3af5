/* SPDX-License-Identifier: MIT */
/* cli/ps.c - `tendril ps` and `tendril stacks`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"

enum { TEXT = 512 };

/* ---- all processes ---- */

static void print_command(pid_t pid)
{
    char path[64], words[160];
    FILE *f;
    size_t n = 0;

    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    f = fopen(path, "re");
    if (f) {
        n = fread(words, 1, sizeof words, f);
        fclose(f);
    }
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n || words[i])
            putchar((unsigned char)words[i] < ' ' ? ' ' : words[i]);
    }
    putchar('\n');
}

static void print_process(pid_t pid, void *arg)
{
    struct tn__cli_process p;

    (void)arg;
    switch (tn__cli_ask(pid, &p)) {
    case TN_CLI_ANSWERED:
        printf("%9d %8zu  ", (int)pid, p.n);
        tn__cli_process_free(&p);
        break;
    case TN_CLI_BUSY:
        printf("%9d %8s  ", (int)pid, "busy");
        break;
    case TN_CLI_CUT:
        printf("%9d %8s  ", (int)pid, "?");
        break;
    default:
        return; /* another process, which has the number now */
    }
    print_command(pid);
}

/* ---- one process ---- */

static void print_head(const struct tn__cli_process *p)
{
    printf("process %d: %zu green thread%s, %llu switches\n", (int)p->pid, p->n,
           p->n == 1 ? "" : "s", (unsigned long long)p->switches);
    if (strcmp(p->deadlock, "yes") == 0)
        puts("DEADLOCK: each waits for another of them, for ever");
    else if (strcmp(p->deadlock, "but-for-signals") == 0)
        puts("each waits for another of them: only a signal's handler can end "
             "this");
}

static void print_thread(const struct tn__cli_process *p,
                         const struct tn__cli_thread *t)
{
    char what[TEXT], span[TN_CLI_WORD] = "";

    tn__cli_describe(p, t, what, sizeof what);
    if (t->call[0])
        tn__cli_span(t->for_ns, span, sizeof span);
    printf("%9d %-8s %9s  %-15s  %s\n", t->tid, t->state, span, t->name, what);
}

int tn__cli_ps(int argc, char **argv)
{
    struct tn__cli_process p;
    int r;

    if (argc > 2)
        return tn__cli_fail(EXIT_USAGE, "ps takes one process number");
    if (argc < 2) {
        printf("%9s %8s  %s\n", "PID", "THREADS", "COMMAND");
        tn__cli_each_process(print_process, NULL);
        return 0;
    }
    r = tn__cli_ask_for(argv[1], &p);
    if (r != 0)
        return r;
    print_head(&p);
    printf("%9s %-8s %9s  %-15s  %s\n", "TID", "STATE", "FOR", "NAME",
           "WAITS ON");
    for (size_t i = 0; i < p.n; i++)
        print_thread(&p, &p.threads[i]);
    tn__cli_process_free(&p);
    return 0;
}

/* ---- backtraces ---- */

static void head_of_stack(const struct tn__cli_process *p,
                          const struct tn__cli_thread *t)
{
    char what[TEXT], span[TN_CLI_WORD];

    tn__cli_describe(p, t, what, sizeof what);
    printf("\n%d \"%s\" %s", t->tid, t->name, what);
    if (t->call[0]) {
        tn__cli_span(t->for_ns, span, sizeof span);
        printf(", for %s", span);
    }
    putchar('\n');
}

int tn__cli_stacks(int argc, char **argv)
{
    struct tn__cli_process p;
    int tid = 0, r;

    if (argc < 2 || argc > 3)
        return tn__cli_fail(EXIT_USAGE, "stacks of what? "
                                        "tendril stacks PID [TID]");
    if (argc == 3) {
        char *end;
        long n = strtol(argv[2], &end, 10);

        if (n <= 0 || n > INT_MAX || *end)
            return tn__cli_fail(EXIT_USAGE, "`%s` is no thread number",
                                argv[2]);
        tid = (int)n;
    }
    r = tn__cli_ask_for(argv[1], &p);
    if (r != 0)
        return r;
    print_head(&p);
    r = tn__cli_unwind(&p, tid, head_of_stack);
    tn__cli_process_free(&p);
    return r;
}
