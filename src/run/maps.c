/* SPDX-License-Identifier: MIT */
/* run/maps.c - what /proc/self/maps says of an address. */
#include "run/patch.h"

#include <fcntl.h>

/* One line as it is read: "START-END rwxp OFFSET MAJOR:MINOR INODE PATH". */
struct line {
    long start, end, inode;
    char mode[4];
    int field; /* 0 start, 1 end, 2 mode, 3 offset, 4 device, 5 inode, 6 path */
    int at;    /* in the mode */
};

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void take(struct line *l, char c)
{
    if (l->field >= 6)
        return;
    if ((l->field == 0 && c == '-') || (l->field > 0 && c == ' ')) {
        l->field++;
    } else if (l->field == 0) {
        l->start = l->start << 4 | digit(c);
    } else if (l->field == 1) {
        l->end = l->end << 4 | digit(c);
    } else if (l->field == 2 && l->at < 4) {
        l->mode[l->at++] = c;
    } else if (l->field == 5) {
        l->inode = l->inode * 10 + digit(c);
    }
}

/* Private text of a file: what JIT compilers write has none. */
static bool is_text(const struct line *l)
{
    return l->mode[0] == 'r' && l->mode[1] == '-' && l->mode[2] == 'x' &&
           l->mode[3] == 'p' && l->inode != 0;
}

bool tn__run_maps_text(long at, struct tn__run_range *ret)
{
    static char buf[4096];
    long fd = tn__raw3(SYS_open, (long)"/proc/self/maps", O_RDONLY | O_CLOEXEC,
                       0);
    struct line l = {0};
    bool is_found = false;
    long n;

    if (fd < 0)
        return false;
    while (!is_found &&
           (n = tn__raw3(SYS_read, fd, (long)buf, sizeof buf)) > 0)
        for (long i = 0; i < n && !is_found; i++) {
            if (buf[i] != '\n') {
                take(&l, buf[i]);
                continue;
            }
            is_found = at >= l.start && at < l.end;
            if (!is_found)
                l = (struct line){0};
        }
    tn__raw1(SYS_close, fd);
    if (!is_found || !is_text(&l))
        return false;
    *ret = (struct tn__run_range){l.start, l.end};
    return true;
}
