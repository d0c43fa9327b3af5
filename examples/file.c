/* SPDX-License-Identifier: MIT */
/* file.c - a file is written, read and listed; only this greenlet waits. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tendril/tendril.h>

static const char text[] = "written by a greenlet\n";

static int write_and_read(const char *path)
{
    char back[sizeof text];
    ssize_t n;
    int fd = tn_file_open(path, O_RDWR | O_CREAT, 0600, TN_FOREVER);

    if (fd < 0)
        return fd;
    n = tn_file_pwrite(fd, text, strlen(text), 0, TN_FOREVER);
    if (n > 0)
        n = tn_file_fsync(fd, tn_after_s(10));
    if (n == 0)
        n = tn_file_pread(fd, back, sizeof back, 0, TN_FOREVER);
    if (n > 0)
        fwrite(back, 1, (size_t)n, stdout);
    tn_file_close(fd);
    return n < 0 ? (int)n : 0;
}

int main(void)
{
    char dir[] = "/tmp/tendril-example-XXXXXX", path[64], **names;
    int n;

    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof path, "%s/note", dir);
    if (write_and_read(path) < 0)
        return 1;
    n = tn_file_readdir(dir, &names, TN_FOREVER);
    if (n != 1)
        return 1;
    printf("%d file: %s\n", n, names[0]);
    free(names);
    if (tn_file_unlink(path, TN_FOREVER) < 0)
        return 1;
    return tn_file_rmdir(dir, TN_FOREVER) < 0;
}
