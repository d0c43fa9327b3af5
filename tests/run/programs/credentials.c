/* SPDX-License-Identifier: MIT */
/* tests/run/programs/credentials.c - what the kernel keeps for each thread:
 * credentials, namespaces, the working directory once it is unshared; and
 * setuid(), which is for all threads. For root.
 *
 * usage: credentials           all that is as natively
 *        credentials starts    what such a thread may not start */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "support.h"

enum { USER = 12345, OTHER = 12346 };

static char secret[] = "/tmp/tendril-secret-XXXXXX";
static sem_t changed, looked;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int can_open(const char *name)
{
    int fd = open(name, O_RDONLY);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* Let main look at what it has, while we have something else. */
static void pause_for_main(void)
{
    sem_post(&changed);
    sem_wait(&looked);
}

static void *with_fsuid(void *arg)
{
    setfsuid(USER);
    printf("fsuid: mine %d, secret %d\n", setfsuid(-1), can_open(secret));
    pause_for_main();
    pthread_mutex_lock(&lock);
    printf("after a lock %d\n", can_open(secret));
    pthread_mutex_unlock(&lock);
    setfsuid(0);
    printf("put back: secret %d\n", can_open(secret));
    return arg;
}

static void *with_uid(void *arg)
{
    uid_t r, e, s;

    CHECK(syscall(SYS_setresuid, USER, USER, 0) == 0);
    CHECK(getresuid(&r, &e, &s) == 0);
    printf("uid: mine %d %d %d, secret %d\n", r, e, s, can_open(secret));
    pause_for_main();
    return arg;
}

static void *with_directory(void *arg)
{
    char name[100];

    if (unshare(CLONE_FS) < 0)
        printf("unshare: %s\n", strerror(errno));
    CHECK(chdir("/usr") == 0);
    umask(0777);
    printf("directory: %s, bin %d\n", getcwd(name, sizeof name),
           can_open("bin"));
    pause_for_main();
    printf("umask %o\n", (unsigned)umask(0777));
    return arg;
}

static void *with_nothing(void *arg)
{
    return arg;
}

static void *with_host(void *arg)
{
    struct utsname u;

    if (unshare(CLONE_NEWUTS) < 0 || sethostname("other", 5) < 0)
        printf("unshare: %s\n", strerror(errno));
    uname(&u);
    printf("host: other %d\n", strcmp(u.nodename, "other") == 0);
    pause_for_main();
    return arg;
}

static void *starts(void *arg)
{
    pthread_t t;
    int r;

    CHECK(unshare(-1) < 0); /* nothing came of it */
    join(start(with_nothing, NULL));
    setfsuid(USER);
    r = pthread_create(&t, NULL, with_nothing, NULL);
    printf("thread: %s, ", strerror(r));
    printf("fork: %s, ", fork() < 0 ? strerror(errno) : "done");
    execl("/bin/true", "true", NULL);
    printf("exec: %s\n", strerror(errno));
    return arg;
}

/* What does not concern what it has changed goes on as for any thread. */
static volatile int n_handled;

static void on_signal(int sig)
{
    (void)sig;
    n_handled++;
}

static int pair[2];

static void *with_work(void *arg)
{
    struct pollfd p = {.fd = pair[1], .events = POLLIN};
    ssize_t n;
    char c;

    setfsuid(USER);
    sem_post(&changed);
    n = read(pair[1], &c, 1);
    printf("interrupted %d %d %d\n", (int)n, errno == EINTR, n_handled);
    sem_post(&changed);
    CHECK(read(pair[1], &c, 1) == 1);
    printf("read %c\n", c);
    CHECK(write(pair[1], "b", 1) == 1);
    CHECK(poll(&p, 1, -1) == 1 && recv(pair[1], &c, 1, 0) == 1);
    printf("poll and recv %c\n", c);
    nap_ms(2);
    printf("it ends\n");
    return arg;
}

static void test_work(void)
{
    struct sigaction a = {.sa_handler = on_signal};
    pthread_t t;
    char c;

    sigaction(SIGUSR1, &a, NULL);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    t = start(with_work, NULL);
    sem_wait(&changed);
    nap_ms(20);
    pthread_kill(t, SIGUSR1);
    sem_wait(&changed);
    CHECK(write(pair[0], "a", 1) == 1);
    CHECK(read(pair[0], &c, 1) == 1);
    nap_ms(5);
    CHECK(write(pair[0], &c, 1) == 1);
    join(t);
}

static void test_alone(const char *name, void *(*fn)(void *))
{
    char directory[100];
    struct utsname before, u;
    pthread_t t;

    uname(&before);
    pthread_mutex_lock(&lock);
    t = start(fn, NULL);
    sem_wait(&changed);
    uname(&u);
    printf("%s, main: uid %d, secret %d, %s, host %d\n", name, geteuid(),
           can_open(secret), getcwd(directory, sizeof directory),
           strcmp(u.nodename, before.nodename) == 0);
    pthread_mutex_unlock(&lock);
    sem_post(&looked);
    join(t);
}

static void *nap_on(void *arg)
{
    nap_ms(100);
    return arg;
}

/* A signal of the program's own makes nobody's call one for all. */
static void *with_uid_after_signal(void *arg)
{
    pthread_t t = start(nap_on, NULL);

    for (int sig = SIGRTMIN; sig < SIGRTMIN + 3; sig++)
        CHECK(pthread_kill(t, sig) == 0);
    with_uid(arg);
    join(t);
    return arg;
}

static void test_after_signal(void)
{
    for (int sig = SIGRTMIN; sig < SIGRTMIN + 3; sig++)
        signal(sig, on_signal);
    test_alone("after a signal", with_uid_after_signal);
}

/* ---- for all ---- */

static void *look(void *arg)
{
    uid_t r, e, s;

    if (arg)
        setfsuid(OTHER);
    pause_for_main();
    CHECK(getresuid(&r, &e, &s) == 0);
    printf("of all: %d %d %d, group %d, secret %d\n", r, e, s, getegid(),
           can_open(secret));
    return NULL;
}

static void *drop(void *arg)
{
    CHECK(setgid(USER) == 0);
    CHECK(setresuid(USER, USER, USER) == 0);
    printf("setuid(0) again %d\n", setuid(0));
    return arg;
}

static void test_all(void)
{
    pthread_t t[3];

    for (int i = 0; i < 3; i++) {
        t[i] = start(look, i == 2 ? t : NULL);
        sem_wait(&changed);
    }
    join(start(drop, NULL));
    for (int i = 0; i < 3; i++)
        sem_post(&looked);
    for (int i = 0; i < 3; i++)
        join(t[i]);
    printf("main: %d %d, secret %d\n", getuid(), getgid(), can_open(secret));
}

static void print_uids(const char *who)
{
    uid_t r, e, s;

    CHECK(getresuid(&r, &e, &s) == 0);
    printf("%s: %d %d %d\n", who, r, e, s);
}

static void *look_at_uids(void *arg)
{
    pause_for_main();
    print_uids("thread");
    return arg;
}

/* What setuid(0) does depends on what it finds: made a second time, for another
 * thread, it would change all three. */
static void test_once(void)
{
    pthread_t t[2];

    CHECK(setresuid(USER, USER, 0) == 0);
    for (int i = 0; i < 2; i++) {
        t[i] = start(look_at_uids, NULL);
        sem_wait(&changed);
    }
    for (int i = 0; i < 2; i++) {
        printf("setuid(0) %d\n", setuid(0));
        print_uids("main");
        CHECK(seteuid(USER) == 0);
    }
    for (int i = 0; i < 2; i++)
        sem_post(&looked);
    for (int i = 0; i < 2; i++)
        join(t[i]);
}

static void in_child(void (*test)(void))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        test();
        exit(0);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    printf("in the parent: %d, status %d\n", geteuid(), status);
}

int main(int argc, char **argv)
{
    int fd;

    if (geteuid() != 0) {
        printf("not root\n");
        return 0;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1 && strcmp(argv[1], "starts") == 0)
        return join(start(starts, NULL)) != NULL;
    fd = mkstemp(secret);
    CHECK(fd >= 0 && fchmod(fd, 0600) == 0 && chdir("/") == 0);
    sem_init(&changed, 0, 0);
    sem_init(&looked, 0, 0);
    test_alone("fsuid", with_fsuid);
    test_alone("uid", with_uid);
    test_alone("directory", with_directory);
    test_alone("host", with_host);
    test_work();
    test_after_signal();
    in_child(test_all);
    in_child(test_once);
    unlink(secret);
    return 0;
}
