/* SPDX-License-Identifier: MIT */
/* run/mounts.c - which file systems are slow: those of a network or of another
 * process. What is on one must be known without asking it, for it may not
 * answer.
 *
 * The table is read from /proc/self/mountinfo, again after a second. A path is
 * compared with the places in it letter by letter, so a symbolic link that
 * leads to one is not seen. An open file is known by its device, as the kernel
 * remembers it. */
#include "run/run.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { MOUNTS_MAX = 32, NAME = 256, PATH = 4096, DECIMAL = 10 };

struct mount {
    size_t bytes; /* of the place's name */
    unsigned major, minor;
    char place[NAME];
};

static struct mount slow[MOUNTS_MAX];
static int n_slow;
static tn_time read_at; /* 0: never */

/* ---- the table ---- */

static bool begins_with(const char *s, const char *head)
{
    while (*head)
        if (*s++ != *head++)
            return false;
    return true;
}

static bool is_slow_type(const char *type)
{
    static const char *const heads[] = {
        "nfs", "cifs", "smb", "9p", "ceph", "afs", "autofs", "coda", "fuse",
        "virtiofs", "lustre", "gfs", "ocfs", "orangefs", "beegfs", "gpfs"};

    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        if (begins_with(type, heads[i]))
            return !begins_with(type, "fusectl") &&
                   !begins_with(type, "nfsd");
    return false;
}

/* A line of the file, a character at a time. */
struct line {
    int field;    /* counted by blanks */
    int type_at;  /* the field that is the type; 0: not seen yet */
    size_t n;     /* characters of this field */
    char type[16];
    struct mount m;
};

static unsigned number(const char **s)
{
    unsigned n = 0;

    while (**s >= '0' && **s <= '9')
        n = n * DECIMAL + (unsigned)(*(*s)++ - '0');
    return n;
}

/* "\040" and such are characters by their octal numbers. */
static void decode(struct mount *m)
{
    size_t to = 0;

    for (size_t at = 0; at < m->bytes; at++, to++) {
        const char *s = m->place + at;

        m->place[to] = *s;
        if (*s == '\\' && at + 3 < m->bytes) {
            m->place[to] = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
                                  (s[3] - '0'));
            at += 3;
        }
    }
    m->bytes = to;
    m->place[to] = '\0';
}

static void keep(struct line *line)
{
    const char *s = line->m.place;

    if (!line->type_at || !is_slow_type(line->type) || n_slow == MOUNTS_MAX)
        return;
    decode(&line->m);
    if (line->m.bytes == 1 && *s == '/')
        line->m.bytes = 0;
    slow[n_slow++] = line->m;
}

static void take(struct line *line, char c)
{
    enum { DEVICE = 2, PLACE = 4 };

    if (c == ' ') {
        if (line->n == 1 && line->type[0] == '-' && line->field > PLACE &&
            !line->type_at)
            line->type_at = line->field + 1;
        if (line->field == DEVICE) {
            const char *s = line->type;

            line->m.major = number(&s);
            s += *s == ':';
            line->m.minor = number(&s);
        }
        line->field++;
        line->n = 0;
        return;
    }
    if (line->field == PLACE && line->m.bytes < NAME - 1)
        line->m.place[line->m.bytes++] = c;
    else if ((!line->type_at || line->field == line->type_at) &&
             line->n < sizeof line->type - 1) {
        line->type[line->n] = c;
        line->type[line->n + 1] = '\0';
    }
    line->n++;
}

static void read_table(void)
{
    static struct line line; /* too large for a small stack, as is: */
    static char buf[PATH];
    long fd = tn__raw3(SYS_open, (long)"/proc/self/mountinfo",
                       O_RDONLY | O_CLOEXEC, 0);
    long n;

    n_slow = 0;
    line = (struct line){0};
    while (fd >= 0 &&
           (n = tn__raw3(SYS_read, fd, (long)buf, sizeof buf)) > 0) {
        for (long i = 0; i < n; i++) {
            if (buf[i] != '\n') {
                take(&line, buf[i]);
                continue;
            }
            keep(&line);
            line = (struct line){0};
        }
    }
    if (fd >= 0)
        tn__raw1(SYS_close, fd);
}

static bool has_slow(void)
{
    tn_time now = tn__clock_now();

    if (!read_at || now - read_at > 1000000000) {
        read_table();
        read_at = now;
    }
    return n_slow > 0;
}

/* ---- files and paths ---- */

bool tn__run_fd_is_slow(int fd)
{
    struct statx st;

    if (!has_slow() || tn__raw(SYS_statx, fd, (long)"",
                               AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0,
                               (long)&st, 0) < 0)
        return false;
    for (int i = 0; i < n_slow; i++)
        if (slow[i].major == st.stx_dev_major &&
            slow[i].minor == st.stx_dev_minor)
            return true;
    return false;
}

/* The name of a directory, into `to`. How long it is; 0: not known. */
static size_t name_of(long dir, char *to)
{
    char link[32] = "/proc/self/fd/", digits[12];
    size_t n = 0, at = sizeof digits;
    long r;

    if ((int)dir == AT_FDCWD) {
        r = tn__raw3(SYS_getcwd, (long)to, PATH, 0);
        return r > 1 ? (size_t)r - 1 : 0; /* with the 0 at its end */
    }
    if ((int)dir < 0)
        return 0;
    while (link[n])
        n++;
    do
        digits[--at] = (char)('0' + dir % DECIMAL);
    while ((dir /= DECIMAL) > 0);
    while (at < sizeof digits)
        link[n++] = digits[at++];
    r = tn__raw3(SYS_readlink, (long)link, (long)to, PATH);
    return r > 0 ? (size_t)r : 0;
}

/* Take out ".", ".." and what is twice "/". Returns how long it is. */
static size_t tidy(char *path, size_t n)
{
    size_t to = 0, at = 0;

    while (at < n) {
        size_t start = at, bytes;

        while (at < n && path[at] != '/')
            at++;
        bytes = at - start;
        at++;
        if (bytes == 0 || (bytes == 1 && path[start] == '.'))
            continue;
        if (bytes == 2 && path[start] == '.' && path[start + 1] == '.') {
            while (to > 0 && path[--to] != '/')
                ;
            continue;
        }
        path[to++] = '/';
        for (size_t i = 0; i < bytes; i++)
            path[to++] = path[start + i];
    }
    return to;
}

static bool is_in_slow(const char *path, size_t n)
{
    for (int i = 0; i < n_slow; i++) {
        const struct mount *m = &slow[i];
        size_t at = 0;

        while (at < m->bytes && at < n && path[at] == m->place[at])
            at++;
        if (at == m->bytes && (at == n || path[at] == '/'))
            return true;
    }
    return false;
}

bool tn__run_path_is_slow(long dir, const char *path)
{
    static char full[2 * PATH + 2]; /* nobody parks in here */
    size_t n = 0;
    long r;

    if (!path || !has_slow())
        return false;
    r = tn__run_copy_text(full, path, PATH - 1);
    if (r < 0)
        return false;
    if (full[0] != '/') {
        n = name_of(dir, full);
        full[n++] = '/';
        r = tn__run_copy_text(full + n, path, PATH - 1);
        if (r < 0)
            return false;
    }
    n += (size_t)r;
    return is_in_slow(full, tidy(full, n));
}
