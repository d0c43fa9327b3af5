/* SPDX-License-Identifier: MIT */
/* shell.c - programs run as children, and one that is not there. */
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <tendril/tendril.h>

/* What the program says, within a second. */
static int ask(char *const argv[])
{
    struct tn_process_io io = TN_PROCESS_IO;
    int r = tn_run(argv, NULL, &io, tn_after_s(1));

    if (r == 0)
        printf("status %d: %s", WEXITSTATUS(io.status), io.out);
    tn_process_io_free(&io);
    return r;
}

int main(void)
{
    static char sh[] = "sh", c[] = "-c", hello[] = "echo hello; exit 3";
    static char no[] = "no-such-program";
    char *const good[] = {sh, c, hello, NULL}, *const bad[] = {no, NULL};

    if (ask(good) < 0)
        return 1;
    printf("not there: %d\n", ask(bad) == -ENOENT);
    return 0;
}
