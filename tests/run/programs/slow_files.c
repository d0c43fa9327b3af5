/* SPDX-License-Identifier: MIT */
/* tests/run/programs/slow_files.c - a file system that answers when it is told
 * to: a process of ours serves it through /dev/fuse. While a thread waits for
 * it, the others go on. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <sys/wait.h>

#include "helpers.h"

enum { TICKS = 5, FILE_NODE = 2, REQUEST = 1 << 17 };

static char folder[] = "/tmp/tendril-slow-XXXXXX";
static char file_path[64];
static const char text[] = "hello\n";
static volatile int *held; /* the kind of request whose answer has to wait, and
                            * what a FUSE_FLUSH gives */
static int gate[2];        /* a byte for each answer that may go */
static int device, fd = -1;
static volatile int ticks, is_over;
static int in_memory; /* a file of 8 bytes on another file system */

/* ---- the server ---- */

static void answer(uint64_t unique, int error, const void *data, size_t bytes)
{
    static char buf[8192];
    struct fuse_out_header head = {(uint32_t)(sizeof head + bytes), error,
                                   unique};

    memcpy(buf, &head, sizeof head);
    if (bytes)
        memcpy(buf + sizeof head, data, bytes);
    if (write(device, buf, head.len) < 0 && errno != ENOENT)
        _exit(3);
}

static struct fuse_attr attributes_of(uint64_t node)
{
    struct fuse_attr a = {.ino = node, .nlink = 1};

    a.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644;
    a.size = node == FUSE_ROOT_ID ? 0 : sizeof text - 1;
    return a;
}

static void answer_lookup(const struct fuse_in_header *in, const char *name)
{
    struct fuse_entry_out out = {.nodeid = FILE_NODE,
                                 .attr = attributes_of(FILE_NODE)};

    if (strcmp(name, "file") != 0)
        answer(in->unique, -ENOENT, NULL, 0);
    else
        answer(in->unique, 0, &out, sizeof out);
}

static void answer_list(const struct fuse_in_header *in,
                        const struct fuse_read_in *read)
{
    _Alignas(8) char buf[64] = {0};
    struct fuse_dirent *e = (struct fuse_dirent *)(void *)buf;

    e->ino = FILE_NODE;
    e->off = 1;
    e->namelen = 4;
    e->type = DT_REG;
    memcpy(e->name, "file", 4);
    answer(in->unique, 0, buf, read->offset ? 0 : FUSE_DIRENT_SIZE(e));
}

static void answer_one(const struct fuse_in_header *in, const void *data)
{
    struct fuse_init_out init = {.major = 7, .minor = 31, .max_write = 4096,
                                 .max_readahead = 4096};
    struct fuse_attr_out attr = {.attr = attributes_of(in->nodeid)};
    struct fuse_open_out open = {.open_flags = FOPEN_DIRECT_IO};
    struct fuse_statfs_out fs = {{0}};
    const struct fuse_read_in *read = data;

    switch (in->opcode) {
    case FUSE_INIT:
        answer(in->unique, 0, &init, sizeof init);
        break;
    case FUSE_LOOKUP:
        answer_lookup(in, data);
        break;
    case FUSE_GETATTR:
    case FUSE_SETATTR:
        answer(in->unique, 0, &attr, sizeof attr);
        break;
    case FUSE_OPEN:
    case FUSE_OPENDIR:
        answer(in->unique, 0, &open, sizeof open);
        break;
    case FUSE_READ:
        answer(in->unique, 0, text, read->offset ? 0 : sizeof text - 1);
        break;
    case FUSE_READDIR:
        answer_list(in, read);
        break;
    case FUSE_STATFS:
        answer(in->unique, 0, &fs, sizeof fs);
        break;
    case FUSE_UNLINK:
        answer(in->unique, -EPERM, NULL, 0);
        break;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        break;
    case FUSE_FLUSH:
        answer(in->unique, -held[1], NULL, 0);
        break;
    default: /* FUSE_FSYNC, FUSE_RELEASE... */
        answer(in->unique, in->opcode <= FUSE_ACCESS ? 0 : -ENOSYS, NULL, 0);
    }
}

static void serve(void)
{
    static _Alignas(8) char buf[REQUEST];
    const struct fuse_in_header *in = (const void *)buf;
    char c;

    while (read(device, buf, sizeof buf) >= (ssize_t)sizeof *in) {
        if (*held == (int)in->opcode) {
            *held = 0;
            if (read(gate[0], &c, 1) != 1)
                break;
        }
        answer_one(in, in + 1);
    }
    _exit(0);
}

/* ---- the program ---- */

static long do_stat(void)
{
    struct stat st;

    return stat(file_path, &st) == 0 ? (long)st.st_size : -1;
}

static long do_open(void)
{
    fd = open(file_path, O_RDONLY);
    return fd < 0 ? -1 : 0;
}

static long do_fstat(void)
{
    struct stat st;

    return fstat(fd, &st) == 0 ? (long)st.st_size : -1;
}

static long do_read(void)
{
    char buf[16];

    return read(fd, buf, sizeof buf);
}

static long do_ioctl(void)
{
    return ioctl(fd, 0x1234, 0);
}

static long do_sync(void)
{
    return fsync(fd);
}

static long do_chmod(void)
{
    return fchmod(fd, 0600);
}

static long do_times(void)
{
    return futimens(fd, NULL);
}

static long do_attribute(void)
{
    return fremovexattr(fd, "user.x");
}

static long do_chdir(void)
{
    int here = open(".", O_RDONLY), dir = open(folder, O_RDONLY);
    long r = fchdir(dir);

    CHECK(here >= 0 && fchdir(here) == 0);
    close(here);
    close(dir);
    return r;
}

/* To a file: there is nothing to wait for but this one. */
static long do_sendfile(void)
{
    char path[] = "/tmp/tendril-copy-XXXXXX";
    int copy = mkstemp(path);
    long n;

    CHECK(copy >= 0 && unlink(path) == 0);
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    n = sendfile(copy, fd, NULL, 100);
    close(copy);
    return n;
}

static long do_dup2(void)
{
    int other = open(file_path, O_RDONLY);
    long r;

    CHECK(other >= 0);
    r = dup2(gate[1], other) == other ? 0 : -1;
    close(other);
    return r;
}

static long do_close(void)
{
    return close(fd);
}

static long do_list(void)
{
    DIR *dir = opendir(folder);
    long n = 0;

    CHECK(dir != NULL);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static long do_unlink(void)
{
    return unlink(file_path) < 0 && errno == EPERM ? 1 : 0;
}

static long do_relative(void)
{
    int dir = open(folder, O_PATH);
    long r = faccessat(dir, "../x/./../file", F_OK, 0);

    /* "../x" is beside the folder: there is none. */
    CHECK(r < 0);
    r = faccessat(dir, "./file", F_OK, 0);
    close(dir);
    return r;
}

struct call {
    const char *name;
    long (*fn)(void);
    int opcode;
};

static const struct call calls[] = {
    {"stat", do_stat, FUSE_LOOKUP},
    {"faccessat", do_relative, FUSE_LOOKUP},
    {"open", do_open, FUSE_OPEN},
    {"fstat", do_fstat, FUSE_GETATTR},
    {"read", do_read, FUSE_READ},
    {"ioctl", do_ioctl, FUSE_IOCTL},
    {"fsync", do_sync, FUSE_FSYNC},
    {"fchmod", do_chmod, FUSE_SETATTR},
    {"futimens", do_times, FUSE_SETATTR},
    {"fremovexattr", do_attribute, FUSE_REMOVEXATTR},
    {"fchdir", do_chdir, FUSE_ACCESS},
    {"sendfile", do_sendfile, FUSE_READ},
    {"dup2", do_dup2, FUSE_FLUSH},
    {"close", do_close, FUSE_FLUSH},
    {"opendir", do_list, FUSE_OPENDIR},
    {"readdir", do_list, FUSE_READDIR},
    {"unlink", do_unlink, FUSE_UNLINK},
};

static void *make_call(void *arg)
{
    long r = ((const struct call *)arg)->fn();

    is_over = 1;
    return (void *)r;
}

/* Meanwhile a file that is in memory is read from its position, here. */
static void *tick(void *arg)
{
    char buf[8];

    (void)arg;
    for (ticks = 0; ticks < TICKS; ticks++) {
        CHECK(lseek(in_memory, 0, SEEK_SET) == 0);
        CHECK(read(in_memory, buf, sizeof buf) == sizeof buf);
        nap_ms(1);
    }
    return NULL;
}

static void call_them(void)
{
    int most = 0;

    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        pthread_t t;

        *held = calls[i].opcode;
        is_over = 0;
        t = start(make_call, (void *)&calls[i]);
        while (*held)
            nap_ms(1);
        join(start(tick, NULL));
        most = n_helpers() > most ? n_helpers() : most;
        printf("%s: %d ticks, %s", calls[i].name, ticks,
               is_over ? "over" : "waits");
        fflush(stdout);
        CHECK(write(gate[1], "x", 1) == 1);
        printf(", gives %ld\n", (long)join(t));
    }
    printf("more helpers than one: %d\n", most > 1);
}

static void *close_once(void *arg)
{
    int state;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    return close(fd) < 0 ? (void *)strerrorname_np(errno) : arg;
}

/* The number is free then, whatever it gives: it is not made again for a cancel
 * that came meanwhile. */
static void test_interrupted_close(void)
{
    pthread_t t;

    CHECK(do_open() == 0);
    held[1] = EINTR;
    held[0] = FUSE_FLUSH;
    t = start(close_once, (void *)"nothing");
    while (*held)
        nap_ms(1);
    pthread_cancel(t);
    nap_ms(20);
    CHECK(write(gate[1], "x", 1) == 1);
    printf("close: %s", (const char *)join(t));
    printf(", and it is open: %d\n", fcntl(fd, F_GETFD) >= 0);
    held[1] = 0;
}

/* Why there can be no such file system here; NULL: there is one. */
static const char *mount_it(void)
{
    char options[96];

    device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (device < 0)
        return "no /dev/fuse";
    CHECK(mkdtemp(folder) != NULL);
    snprintf(options, sizeof options,
             "fd=%d,rootmode=40000,user_id=%d,group_id=%d", device,
             (int)getuid(), (int)getgid());
    if (mount("tendril", folder, "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
        rmdir(folder);
        return "no right to mount";
    }
    snprintf(file_path, sizeof file_path, "%s/file", folder);
    return NULL;
}

int main(void)
{
    char memory_path[] = "/var/tmp/tendril-memory-XXXXXX";
    const char *reason = mount_it();
    pid_t server;

    if (reason) {
        printf("skip: %s\n", reason);
        fprintf(stderr, "skip: %s\n", reason);
        return 0;
    }
    held = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(held != MAP_FAILED && pipe(gate) == 0);
    in_memory = mkstemp(memory_path);
    CHECK(in_memory >= 0 && unlink(memory_path) == 0);
    CHECK(write(in_memory, "memory\n", 8) == 8);
    server = fork();
    if (server == 0) {
        close(gate[1]);
        serve();
    }
    close(device);
    call_them();
    test_interrupted_close();
    CHECK(umount2(folder, MNT_DETACH) == 0);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    rmdir(folder);
    return 0;
}
