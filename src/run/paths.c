/* SPDX-License-Identifier: MIT */
/* run/paths.c - calls by the name of a file. Where that is on a slow file
 * system (mounts.c) a helper makes them. */
#include "run/run.h"

#include <fcntl.h>

enum { /* not in all headers */
    NR_OPEN_TREE = 428,
    NR_MOVE_MOUNT = 429,
    NR_FSPICK = 433,
    NR_MOUNT_SETATTR = 442,
    NR_FCHMODAT2 = 452,
    NR_SETXATTRAT = 463,
    NR_GETXATTRAT,
    NR_LISTXATTRAT,
    NR_REMOVEXATTRAT,
    NR_OPEN_TREE_ATTR,
    NR_FILE_GETATTR,
    NR_FILE_SETATTR
};

/* Which arguments are a directory and a path below it. */
struct form {
    short nr;
    signed char dir, path; /* dir -1: the current one */
    signed char dir2, path2; /* path2 0: there is no second */
};

static const struct form forms[] = {
    {SYS_stat, -1, 0, 0, 0},       {SYS_lstat, -1, 0, 0, 0},
    {SYS_newfstatat, 0, 1, 0, 0},  {SYS_statx, 0, 1, 0, 0},
    {SYS_access, -1, 0, 0, 0},     {SYS_faccessat, 0, 1, 0, 0},
    {439, 0, 1, 0, 0},             {SYS_chdir, -1, 0, 0, 0},
    {SYS_mkdir, -1, 0, 0, 0},      {SYS_mkdirat, 0, 1, 0, 0},
    {SYS_rmdir, -1, 0, 0, 0},      {SYS_unlink, -1, 0, 0, 0},
    {SYS_unlinkat, 0, 1, 0, 0},    {SYS_rename, -1, 0, -1, 1},
    {SYS_renameat, 0, 1, 2, 3},    {SYS_renameat2, 0, 1, 2, 3},
    {SYS_link, -1, 0, -1, 1},      {SYS_linkat, 0, 1, 2, 3},
    {SYS_symlink, -1, 1, 0, 0},    {SYS_symlinkat, 1, 2, 0, 0},
    {SYS_readlink, -1, 0, 0, 0},   {SYS_readlinkat, 0, 1, 0, 0},
    {SYS_chmod, -1, 0, 0, 0},      {SYS_fchmodat, 0, 1, 0, 0},
    {SYS_chown, -1, 0, 0, 0},      {SYS_lchown, -1, 0, 0, 0},
    {SYS_fchownat, 0, 1, 0, 0},    {SYS_truncate, -1, 0, 0, 0},
    {SYS_statfs, -1, 0, 0, 0},     {SYS_utimensat, 0, 1, 0, 0},
    {SYS_utimes, -1, 0, 0, 0},     {SYS_mknod, -1, 0, 0, 0},
    {SYS_mknodat, 0, 1, 0, 0},     {SYS_getxattr, -1, 0, 0, 0},
    {SYS_lgetxattr, -1, 0, 0, 0},  {SYS_setxattr, -1, 0, 0, 0},
    {SYS_listxattr, -1, 0, 0, 0},  {SYS_llistxattr, -1, 0, 0, 0},
    {SYS_lsetxattr, -1, 0, 0, 0},  {SYS_removexattr, -1, 0, 0, 0},
    {SYS_lremovexattr, -1, 0, 0, 0}, {SYS_chroot, -1, 0, 0, 0},
    {SYS_utime, -1, 0, 0, 0},      {SYS_futimesat, 0, 1, 0, 0},
    {SYS_name_to_handle_at, 0, 1, 0, 0},
    {SYS_inotify_add_watch, -1, 1, 0, 0},
    {SYS_fanotify_mark, 3, 4, 0, 0}, {SYS_acct, -1, 0, 0, 0},
    {SYS_pivot_root, -1, 0, -1, 1}, {NR_OPEN_TREE, 0, 1, 0, 0},
    {NR_MOVE_MOUNT, 0, 1, 2, 3},   {NR_FSPICK, 0, 1, 0, 0},
    {NR_MOUNT_SETATTR, 0, 1, 0, 0}, {NR_FCHMODAT2, 0, 1, 0, 0},
    {NR_SETXATTRAT, 0, 1, 0, 0},   {NR_GETXATTRAT, 0, 1, 0, 0},
    {NR_LISTXATTRAT, 0, 1, 0, 0},  {NR_REMOVEXATTRAT, 0, 1, 0, 0},
    {NR_OPEN_TREE_ATTR, 0, 1, 0, 0}, {NR_FILE_GETATTR, 0, 1, 0, 0},
    {NR_FILE_SETATTR, 0, 1, 0, 0},
};

static bool is_slow(const struct tn__run_call *c, int dir, int path)
{
    if (dir >= 0 && !c->a[path])
        return tn__run_fd_is_slow((int)c->a[dir]); /* as futimens() */
    return tn__run_path_is_slow(dir < 0 ? AT_FDCWD : c->a[dir],
                                (const char *)c->a[path]);
}

/* It is not there. In /proc, of a green thread? */
static long of_task(const struct tn__run_call *c, int arg)
{
    struct tn__run_call now = *c;
    char path[TN__RUN_TASK_PATH];

    if (!tn__run_task_path((const char *)c->a[arg], path))
        return -ENOENT;
    now.a[arg] = (long)path;
    return tn__run_kernel(&now);
}

long tn__run_path(struct tn__run_call *c)
{
    const struct form *f = forms;
    long r;

    if (tn__run.counts.alive == 1)
        return tn__run_kernel(c);
    while (f->nr != c->nr)
        f++;
    if (is_slow(c, f->dir, f->path) ||
        (f->path2 && is_slow(c, f->dir2, f->path2)))
        return tn__run_offload(c);
    r = tn__run_kernel(c);
    return TN_UNLIKELY(r == -ENOENT) ? of_task(c, f->path) : r;
}
