/* SPDX-License-Identifier: MIT */
/* tests/run/programs/terminals.c - writing to a terminal: lines stay whole, and
 * a process in the background is stopped where it was told to. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>

#include "support.h"

enum { WRITERS = 4, LINES = 20, LINE = 1500 };

static int master, slave;

static void open_pair(tcflag_t local)
{
    struct termios t;

    master = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    CHECK(slave >= 0 && tcgetattr(slave, &t) == 0);
    t.c_lflag = local;
    t.c_oflag = 0;
    CHECK(tcsetattr(slave, TCSANOW, &t) == 0);
}

static void close_pair(void)
{
    close(master);
    close(slave);
}

/* ---- lines ---- */

static void *write_lines(void *arg)
{
    char line[LINE];
    struct iovec halves[2] = {{line, LINE / 2}, {line + LINE / 2, LINE / 2}};

    memset(line, (int)(intptr_t)arg, LINE);
    line[LINE - 1] = '\n';
    for (int i = 0; i < LINES; i++)
        CHECK((i % 2 ? writev(slave, halves, 2) : write(slave, line, LINE)) ==
              LINE);
    return NULL;
}

/* Read what the others write: how many lines are not of one letter. */
static int count_mixed(void)
{
    static char buf[WRITERS * LINES * LINE];
    size_t got = 0;
    int mixed = 0;

    while (got < sizeof buf) {
        ssize_t n = read(master, buf + got, sizeof buf - got);

        CHECK(n > 0);
        got += (size_t)n;
    }
    for (size_t at = 0; at < got; at += LINE) {
        int is_mixed = buf[at + LINE - 1] != '\n';

        for (int i = 0; i < LINE - 1; i++)
            is_mixed |= buf[at + (size_t)i] != buf[at];
        mixed += is_mixed;
    }
    return mixed;
}

static void test_threads(void)
{
    pthread_t t[WRITERS];

    open_pair(0);
    for (int i = 0; i < WRITERS; i++)
        t[i] = start(write_lines, (void *)(intptr_t)('a' + i));
    printf("mixed lines of threads: %d\n", count_mixed());
    for (int i = 0; i < WRITERS; i++)
        join(t[i]);
    close_pair();
}

static void test_processes(void)
{
    open_pair(0);
    fflush(stdout);
    for (int i = 0; i < WRITERS; i++)
        if (fork() == 0) {
            write_lines((void *)(intptr_t)('a' + i));
            _exit(0);
        }
    printf("mixed lines of processes: %d\n", count_mixed());
    while (wait(NULL) > 0)
        ;
    close_pair();
}

/* ---- in the background ---- */

static void on_signal(int sig)
{
    (void)sig;
}

static void *keep_busy(void *arg)
{
    for (;;)
        nap_ms(1);
    return arg;
}

/* What becomes of a write to the terminal by a background process of two
 * threads: its status, in words. */
static void write_in_background(const char *what, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        setpgid(0, 0);
        start(keep_busy, NULL);
        sigaction(SIGTTOU, &action, NULL);
        _exit(write(slave, "x", 1) == 1 ? 1 : errno == EINTR ? 2 : 3);
    }
    CHECK(waitpid(pid, &status, WUNTRACED) == pid);
    printf("%s: %s %d\n", what, WIFSTOPPED(status) ? "stopped" : "ended",
           WIFSTOPPED(status) ? WSTOPSIG(status) == SIGTTOU
                              : WEXITSTATUS(status));
    fflush(stdout);
    if (WIFSTOPPED(status)) {
        kill(pid, SIGKILL);
        CHECK(waitpid(pid, &status, 0) == pid);
    }
}

static void test_background(tcflag_t local)
{
    pid_t pid;

    open_pair(local);
    printf("%s TOSTOP\n", local & TOSTOP ? "with" : "without");
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        setsid();
        CHECK(ioctl(slave, TIOCSCTTY, 0) == 0);
        write_in_background("by default", SIG_DFL);
        write_in_background("ignored", SIG_IGN);
        write_in_background("with a handler", on_signal);
        signal(SIGHUP, SIG_IGN);
        _exit(0);
    }
    CHECK(waitpid(pid, NULL, 0) == pid);
    close_pair();
}

int main(void)
{
    test_threads();
    test_processes();
    test_background(TOSTOP);
    test_background(0);
    return 0;
}
