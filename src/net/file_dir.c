/* SPDX-License-Identifier: MIT */
/* net/file_dir.c - the names in a directory, read by a thread of the offload
 * pool: io_uring has no call for that. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <tendril/file.h>
#include <tendril/offload.h>

enum { ROOM_FIRST = 4096 };

struct listing {
    const char *path;
    char *text;  /* owned: names with their ends, one after the other */
    size_t used; /* of text */
    size_t room;
    size_t n;     /* names */
    char **names; /* the result: one block */
};

static bool is_itself(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int add(struct listing *l, const char *name)
{
    size_t len = strlen(name) + 1;

    if (l->used + len > l->room) {
        size_t room = l->room ? 2 * l->room : ROOM_FIRST;
        char *text = realloc(l->text, room); /* a name has at most 256 bytes */

        if (!text)
            return -ENOMEM;
        l->text = text;
        l->room = room;
    }
    memcpy(l->text + l->used, name, len);
    l->used += len;
    l->n++;
    return 0;
}

static int add_all(struct listing *l, DIR *dir)
{
    for (;;) {
        struct dirent *entry;
        int r;

        errno = 0;
        entry = readdir(dir);
        if (!entry)
            return -errno;
        r = is_itself(entry->d_name) ? 0 : add(l, entry->d_name);
        if (r < 0)
            return r;
    }
}

/* Pointers first, then what they point to. */
static int make_block(struct listing *l)
{
    size_t bytes = (l->n + 1) * sizeof l->names[0];
    char *text;

    l->names = malloc(bytes + l->used);
    if (!l->names)
        return -ENOMEM;
    text = (char *)l->names + bytes;
    if (l->used)
        memcpy(text, l->text, l->used);
    for (size_t i = 0; i < l->n; i++) {
        l->names[i] = text;
        text += strlen(text) + 1;
    }
    l->names[l->n] = NULL;
    return 0;
}

/* On a thread of the pool. */
static long list(void *arg)
{
    struct listing *l = arg;
    int before = errno, r;
    DIR *dir = opendir(l->path);

    if (!dir) {
        r = -errno;
    } else {
        r = add_all(l, dir);
        closedir(dir);
        if (r == 0)
            r = make_block(l);
    }
    free(l->text);
    errno = before;
    return r < 0 ? r : (long)l->n;
}

int tn_file_readdir(const char *path, char ***ret_names, tn_time deadline)
{
    struct listing l = {.path = path};
    long r;

    if (!path || !ret_names)
        return -EINVAL;
    r = tn_offload(list, &l, deadline);
    if (r >= 0)
        *ret_names = l.names;
    return (int)r;
}
