/* SPDX-License-Identifier: MIT */
/* run/comm.c - what /proc tells of the process's threads.
 *
 * /proc/self/task/TID/comm of a green thread, by which libc tells and sets the
 * name of another thread: there is no such file. What is opened instead is one
 * in memory, with the name in it; what was written to it when it is closed is
 * the new name.
 *
 * /proc/self/stat, in which programs look how many threads they have before
 * they fork: the kernel's answer counts hubs and helpers, no green threads. */
#include "run/run.h"

#include <fcntl.h>

enum { OPEN_MAX_AT_ONCE = 16, PATH_BYTES = 64 };

static struct {
    int fd, tid;
} opened[OPEN_MAX_AT_ONCE];
static int n_opened;

/* Does `text` begin with `head`? What follows; or NULL. */
static const char *after(const char *text, const char *head)
{
    while (*head)
        if (*text++ != *head++)
            return NULL;
    return text;
}

static const char *number(const char *text, int *ret)
{
    const char *start = text;
    int n = 0;

    while (*text >= '0' && *text <= '9' && n < 100000000)
        n = n * 10 + *text++ - '0';
    *ret = n;
    return text == start ? NULL : text;
}

static char *put(char *to, const char *end, const char *text)
{
    while (*text && to < end)
        *to++ = *text++;
    return to;
}

static char *put_number(char *to, const char *end, int n)
{
    char digits[12];
    size_t at = sizeof digits - 1;

    digits[at] = '\0';
    do
        digits[--at] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    return put(to, end, digits + at);
}

bool tn__run_task_path(const char *path, char to[TN__RUN_TASK_PATH])
{
    const char *end = to + TN__RUN_TASK_PATH - 1, *at, *rest;
    char text[PATH_BYTES];
    long n = tn__run_copy_text(text, path, sizeof text);
    int first, tid;
    char *p;

    if (n < 0 || n == sizeof text)
        return false;
    at = after(text, "/proc/");
    rest = at ? number(at, &first) : NULL;
    if (at && after(at, "self")) {
        rest = after(at, "self");
        first = tn__run.pid;
    }
    if (!rest)
        return false;
    tid = first;
    if (first == tn__run.pid && after(rest, "/task/"))
        rest = number(after(rest, "/task/"), &tid);
    if (!rest || (*rest && *rest != '/') || !tn__run_is_green_number(tid))
        return false;
    p = put(to, end, "/proc/self/task/");
    p = put_number(p, end, tn__run.pid);
    p = put(p, end, rest);
    *p = '\0';
    return p < end;
}

/* Whose name is it? NULL: it is another file. */
static struct tn__run_green *find(const char *path)
{
    char text[PATH_BYTES];
    const char *at;
    int pid, tid;

    if (tn__run_copy_text(text, path, sizeof text) < 0)
        return NULL;
    text[sizeof text - 1] = '\0';
    at = after(text, "/proc/");
    if (!at)
        return NULL;
    if (after(at, "self/task/")) {
        at = after(at, "self/task/");
    } else {
        at = number(at, &pid);
        at = at && pid == tn__run.pid ? after(at, "/task/") : NULL;
    }
    at = at ? number(at, &tid) : NULL;
    at = at && tid >= TN__RUN_TID_MIN ? after(at, "/comm") : NULL;
    return at && !*at ? tn__run_find_tid(tid) : NULL;
}

/* The file of `green`, at its beginning, or empty. */
static long make(const struct tn__run_green *green, int flags)
{
    char line[sizeof green->name + 1];
    const char *name = green->name[0] ? green->name : tn__run.main->name;
    size_t n = 0;
    long fd = tn__raw3(SYS_memfd_create, (long)"comm",
                       flags & O_CLOEXEC ? 1 : 0, 0);

    if (fd < 0)
        return fd;
    for (; n < sizeof green->name - 1 && name[n]; n++)
        line[n] = name[n];
    line[n++] = '\n';
    if (!(flags & O_TRUNC) && tn__run_write_own(fd, line, n) > 0)
        tn__raw3(SYS_lseek, fd, 0, SEEK_SET);
    return fd;
}

long tn__run_comm_open(const char *path, int flags)
{
    struct tn__run_green *green = find(path);
    long fd;

    if (!green)
        return -ENOENT;
    if ((flags & O_ACCMODE) != O_RDONLY && n_opened == OPEN_MAX_AT_ONCE)
        return -EMFILE;
    fd = make(green, flags);
    if (fd >= 0 && (flags & O_ACCMODE) != O_RDONLY) {
        opened[n_opened].fd = (int)fd;
        opened[n_opened++].tid = green->tid;
    }
    return fd;
}

static void rename_from(int fd, int tid)
{
    struct tn__run_green *green = tn__run_find_tid(tid);
    long n = tn__raw3(SYS_lseek, fd, 0, SEEK_CUR);
    char name[sizeof green->name] = {0};

    if (!green || n <= 0)
        return;
    if (n > (long)sizeof name - 1)
        n = sizeof name - 1;
    n = tn__raw4(SYS_pread64, fd, (long)name, n, 0);
    if (n > 0 && name[n - 1] == '\n')
        name[n - 1] = '\0';
    for (size_t i = 0; i < sizeof name; i++)
        green->name[i] = green->g.name[i] = name[i];
}

void tn__run_comm_close(int fd)
{
    for (int i = 0; i < n_opened; i++) {
        if (opened[i].fd != fd)
            continue;
        rename_from(fd, opened[i].tid);
        opened[i] = opened[--n_opened];
        return;
    }
}

/* ---- /proc/self/stat ---- */

/* The field with this number, from 1, of a line of it. The second one, a name
 * in parentheses, may have anything in it. */
static const char *field(const char *line, long n, int number)
{
    const char *at = line + n;

    while (at > line && *at != ')')
        at--;
    if (*at != ')')
        return NULL;
    for (number -= 2; number > 0; at++) {
        if (!*at)
            return NULL;
        number -= *at == ' ';
    }
    return at;
}

static size_t to_digits(char *to, size_t room, uint64_t n)
{
    size_t at = room;

    do
        to[--at] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    for (size_t i = at; i < room; i++)
        to[i - at] = to[i];
    return room - at;
}

/* `n` bytes were read from a file of procfs, to `text` with `room` for more. If
 * they are that whole line, put the number of threads right. How many bytes
 * there are then. */
long tn__run_stat_put_right(char *text, long n, size_t room)
{
    enum { N_THREADS = 20, LINE_BYTES = 768 };
    char line[LINE_BYTES], digits[24];
    const char *from, *to;
    size_t head, rest, n_digits;
    int value;

    if (n <= 0 || n >= LINE_BYTES || tn__run_copy(line, text, (size_t)n) < 0)
        return n;
    line[n] = '\0';
    if (line[n - 1] != '\n' || !number(line, &value) || value != tn__run.pid)
        return n;
    from = field(line, n, N_THREADS);
    to = from ? number(from, &value) : NULL;
    if (!to || *to != ' ')
        return n;
    n_digits = to_digits(digits, sizeof digits, tn__run.counts.alive);
    head = (size_t)(from - line);
    rest = (size_t)(line + n - to);
    if (head + n_digits + rest > room ||
        tn__run_copy(text + head, digits, n_digits) < 0 ||
        tn__run_copy(text + head + n_digits, to, rest) < 0)
        return n;
    return (long)(head + n_digits + rest);
}
