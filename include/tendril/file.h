/* SPDX-License-Identifier: MIT */
/* tendril/file.h - files: POSIX with a deadline. The calls block in the kernel
 * and not here: by io_uring where there is one, else on a thread of the offload
 * pool. What is in the page cache is read at once.
 *
 * For regular files, directories and disks. Pipes, terminals and sockets are
 * for <tendril/net.h>.
 *
 * Ownership  Descriptors are plain ones, to be closed by tn_file_close(), or by
 *            tn_close(). Paths and buffers are the caller's; nobody uses them
 *            any more when the call returns, whatever it returns.
 * Blocking   Every function waits but tn_file_backend(). tn_file_close() is not
 *            refused or ended by a kill, a scope or a deadline.
 * Threads    Descriptors may be used from any thread.
 * Manual     tn_file(3).  Example: examples/file.c.
 *
 * Errors     Those of the POSIX call, and -ETIME -EAGAIN -ECANCELED -EDEADLK
 *            -ENOMEM as everywhere. When a kill or a deadline comes the call is
 *            cancelled, and returns when that has happened; if it is done all
 *            the same, its result is returned. TN_NOWAIT reads and writes what
 *            goes at once; all other calls are then -EAGAIN.
 */
#ifndef TN_FILE_H
#define TN_FILE_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <tendril/base.h>

TN_BEGIN_DECLS

/* As open(2), with O_CLOEXEC. A FIFO is opened without waiting for its other
 * end. Returns a descriptor. */
TN_API TN_MUST int tn_file_open(const char *path, int flags, mode_t mode,
                                tn_time deadline);

/* As close(2). Before a hub, on it, or without memory it closes right here. */
TN_API int tn_file_close(int fd);

/* As pread(2) and pwrite(2). Fewer bytes than asked for: the end of the file,
 * or something came in between that the next call will tell. */
TN_API TN_MUST ssize_t tn_file_pread(int fd, void *buf, size_t len,
                                     int64_t offset, tn_time deadline);
TN_API TN_MUST ssize_t tn_file_pwrite(int fd, const void *buf, size_t len,
                                      int64_t offset, tn_time deadline);

/* As fsync(2), fdatasync(2), ftruncate(2). */
TN_API TN_MUST int tn_file_fsync(int fd, tn_time deadline);
TN_API TN_MUST int tn_file_fdatasync(int fd, tn_time deadline);
TN_API TN_MUST int tn_file_ftruncate(int fd, int64_t len, tn_time deadline);

/* As stat(2), lstat(2), fstat(2). */
TN_API TN_MUST int tn_file_stat(const char *path, struct stat *ret_stat,
                                tn_time deadline);
TN_API TN_MUST int tn_file_lstat(const char *path, struct stat *ret_stat,
                                 tn_time deadline);
TN_API TN_MUST int tn_file_fstat(int fd, struct stat *ret_stat,
                                 tn_time deadline);

/* As rename(2), unlink(2), mkdir(2), rmdir(2). */
TN_API TN_MUST int tn_file_rename(const char *from, const char *to,
                                  tn_time deadline);
TN_API TN_MUST int tn_file_unlink(const char *path, tn_time deadline);
TN_API TN_MUST int tn_file_mkdir(const char *path, mode_t mode,
                                 tn_time deadline);
TN_API TN_MUST int tn_file_rmdir(const char *path, tn_time deadline);

/* The names in a directory but "." and "..", in its order, with a NULL behind
 * the last. *ret_names is one block, to be given to free(3). Returns how many.
 */
TN_API TN_MUST int tn_file_readdir(const char *path, char ***ret_names,
                                   tn_time deadline);

/* How this thread's hub does all this: "uring" or "pool". */
TN_API const char *tn_file_backend(void);

TN_END_DECLS
#endif /* TN_FILE_H */
