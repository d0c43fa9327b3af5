/* SPDX-License-Identifier: MIT */
/* tests/run/programs/readiness.c - what poll() and select() say of a pipe that
 * only their caller reads holds when they return. Another process writes, so
 * that data come at any moment of a wait. */
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/wait.h>

#include "support.h"

enum { ROUNDS = 60000, WRITER_SPINS = 30000, READER_SPINS = 20000 };

static void spin(int n)
{
    for (volatile int i = 0; i < n; i++)
        ;
}

static pid_t start_writer(const int fds[2])
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid > 0)
        return pid;
    close(fds[0]);
    for (int i = 0; i < ROUNDS; i++) {
        if (write(fds[1], "x", 1) != 1)
            _exit(1);
        spin(i * 7 % WRITER_SPINS);
    }
    _exit(0);
}

static void wait_by_poll(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    CHECK(poll(&p, 1, -1) == 1);
    CHECK((p.revents & ~(POLLIN | POLLHUP)) == 0);
}

static void wait_by_select(int fd)
{
    fd_set set;

    FD_ZERO(&set);
    FD_SET(fd, &set);
    CHECK(select(fd + 1, &set, NULL, NULL, NULL) == 1);
}

/* How often there was nothing to be read, up to the end of the file. */
static int read_all(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char text[64];
    int n, n_wrong = 0;

    for (int i = 0;; i++) {
        spin(i * 13 % READER_SPINS);
        if (i % 2)
            wait_by_poll(fd);
        else
            wait_by_select(fd);
        CHECK(ioctl(fd, FIONREAD, &n) == 0);
        if (n > 0)
            CHECK(read(fd, text, sizeof text) > 0);
        else if (poll(&p, 1, 0) == 0)
            n_wrong++;
        else if (p.revents == POLLHUP)
            return n_wrong;
    }
}

static void *wait_for_end(void *arg)
{
    char c;

    CHECK(read(*(int *)arg, &c, 1) == 0);
    return NULL;
}

int main(void)
{
    int fds[2], end[2], status;
    pthread_t other;
    pid_t pid;

    CHECK(pipe(fds) == 0 && pipe(end) == 0);
    pid = start_writer(fds);
    close(fds[1]);
    other = start(wait_for_end, &end[0]); /* alone, main would poll */
    printf("ready with nothing to read: %d\n", read_all(fds[0]));
    close(end[1]);
    join(other);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    return 0;
}
