/* SPDX-License-Identifier: MIT */
/* tests/run/programs/blocking.c - while main blocks in a call, another thread
 * must go on: it ticks some times and then does what ends the call. Each case
 * is one way to block, by libc's function, from within libc, or by a system
 * call of its own. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "support.h"

enum { TICKS = 5 };

static int pipe_fds[2], pair[2], listener, extra, word;
static struct sockaddr_in address = {.sin_family = AF_INET};
static sem_t sem;
static pid_t child;
static char path[] = "/tmp/tendril-lock-XXXXXX";
static volatile int ticks;

/* ---- how the other thread ends it ---- */

static void write_pipe(void)
{
    CHECK(write(pipe_fds[1], "x\n", 2) == 2);
}

static void write_pair(void)
{
    CHECK(write(pair[1], "x\n", 2) == 2);
}

static void drain_pair(void)
{
    char buf[4096];
    long left = 4000000;

    while (left > 0) {
        ssize_t n = read(pair[1], buf, sizeof buf);

        CHECK(n > 0);
        left -= n;
    }
}

static void connect_to(void)
{
    extra = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(extra, (struct sockaddr *)&address, sizeof address) == 0);
}

static void wake_word(void)
{
    word = 1;
    syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void post(void)
{
    sem_post(&sem);
}

static void end_child(void)
{
    CHECK(write(pipe_fds[1], "x", 1) == 1);
}

static void unlock(void)
{
    close(extra);
}

static void nothing(void)
{
}

static void send_signal(void)
{
    kill(getpid(), SIGUSR2);
}

/* ---- the calls that block ---- */

static void read_pipe(void)
{
    char c[2];

    CHECK(read(pipe_fds[0], c, 2) == 2);
}

static void raw_read(void)
{
    char c[2];
    long r;

    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "0"(SYS_read), "D"(pipe_fds[0]), "S"(c), "d"(2)
                     : "rcx", "r11", "memory");
    CHECK(r == 2);
}

static void stdio_read(void)
{
    FILE *f = fdopen(dup(pair[0]), "r");
    char line[8];

    CHECK(fgets(line, sizeof line, f) && line[0] == 'x');
    fclose(f);
}

static void do_recv(void)
{
    char c[2];

    CHECK(recv(pair[0], c, 2, MSG_WAITALL) == 2);
}

static void do_recvmsg(void)
{
    char c[2];
    struct iovec iov = {c, 2};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

    CHECK(recvmsg(pair[0], &m, 0) == 2);
}

static void do_recvmmsg(void)
{
    char c[2];
    struct iovec iov = {c, 2};
    struct mmsghdr m = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};

    CHECK(recvmmsg(pair[0], &m, 1, 0, NULL) == 1 && m.msg_len == 2);
}

static void write_much(void)
{
    char *buf = calloc(1, 4000000);

    CHECK(write(pair[0], buf, 4000000) == 4000000);
    free(buf);
}

static void writev_much(void)
{
    char *buf = calloc(1, 4000000);
    struct iovec iov[3] = {{buf, 1}, {buf + 1, 1999999}, {buf, 2000000}};

    CHECK(writev(pair[0], iov, 3) == 4000000);
    free(buf);
}

static void do_accept(void)
{
    int fd = accept(listener, NULL, NULL);

    CHECK(fd >= 0);
    CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
    CHECK(!(fcntl(listener, F_GETFL) & O_NONBLOCK));
    close(fd);
    close(extra);
}

static void do_poll(void)
{
    struct pollfd p[2] = {{pair[0], POLLIN, 0}, {pipe_fds[0], POLLIN, 0}};

    CHECK(poll(p, 2, -1) == 1 && p[1].revents == POLLIN);
    read_pipe();
}

static void poll_in_time(void)
{
    struct pollfd p = {pair[0], POLLIN, 0};

    CHECK(poll(&p, 1, 30) == 0 && p.revents == 0);
    CHECK(poll(NULL, 0, 10) == 0);
}

static void do_select(void)
{
    struct timeval t = {10, 0};
    fd_set in;

    FD_ZERO(&in);
    FD_SET(pipe_fds[0], &in);
    FD_SET(pair[0], &in);
    CHECK(select(pair[0] + pipe_fds[0] + 1, &in, NULL, NULL, &t) == 1);
    CHECK(FD_ISSET(pipe_fds[0], &in) && !FD_ISSET(pair[0], &in));
    CHECK(t.tv_sec < 10);
    read_pipe();
}

static void do_epoll(void)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = 5};
    int ep = epoll_create1(0);

    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, pipe_fds[0], &e) == 0);
    CHECK(epoll_wait(ep, &e, 1, -1) == 1 && e.data.u32 == 5);
    read_pipe();
    CHECK(epoll_wait(ep, &e, 1, 10) == 0);
    close(ep);
}

static void wait_word(void)
{
    while (word == 0)
        syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
    word = 0;
}

static void do_sem(void)
{
    CHECK(sem_wait(&sem) == 0);
}

static void do_sleep(void)
{
    struct timespec t = {0, 30000000};

    CHECK(clock_nanosleep(CLOCK_REALTIME, 0, &t, NULL) == 0);
}

static void start_child(void)
{
    char c;

    child = fork();
    if (child == 0)
        _exit(read(pipe_fds[0], &c, 1) == 1 ? 9 : 1);
    CHECK(child > 0);
}

static void do_waitpid(void)
{
    int status;

    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 9);
}

static void do_wait(void)
{
    int status;

    CHECK(wait(&status) == child && WEXITSTATUS(status) == 9);
}

static void do_waitid(void)
{
    siginfo_t info;

    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED) == 0);
    CHECK(info.si_status == 9);
}

static void do_popen(void)
{
    FILE *f = popen("sleep 0.05; echo out", "r");
    char line[16];

    CHECK(fgets(line, sizeof line, f) && strcmp(line, "out\n") == 0);
    CHECK(pclose(f) == 0);
    CHECK(WEXITSTATUS((system)("sleep 0.02; exit 4")) == 4);
}

static void take_lock(void)
{
    extra = open(path, O_RDWR);
    CHECK(flock(extra, LOCK_EX) == 0);
}

static void do_flock(void)
{
    int fd = open(path, O_RDWR);

    CHECK(flock(fd, LOCK_EX) == 0);
    close(fd);
}

static void do_sigwait(void)
{
    sigset_t set;
    int sig;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK(sigwait(&set, &sig) == 0 && sig == SIGUSR2);
}

static void do_eventfd(void)
{
    struct itimerspec t = {.it_value = {0, 20000000}};
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    uint64_t n;

    CHECK(timerfd_settime(fd, 0, &t, NULL) == 0);
    CHECK(read(fd, &n, sizeof n) == sizeof n && n == 1);
    close(fd);
}

static void receive_in_time(void)
{
    struct timeval t = {0, 30000};
    char c;

    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    CHECK(recv(pair[0], &c, 1, 0) == -1 && errno == EAGAIN);
    t.tv_usec = 0;
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
}

/* ---- splice and its kin ---- */

static int spare[2];

static void open_spare(void)
{
    CHECK(pipe(spare) == 0);
}

/* What came through the spare pipe. */
static void read_spare(void)
{
    char c[2];

    CHECK(read(spare[0], c, 2) == 2 && c[0] == 'x');
    close(spare[0]);
    close(spare[1]);
}

static void do_splice(void)
{
    CHECK(splice(pipe_fds[0], NULL, spare[1], NULL, 64, 0) == 2);
    read_spare();
}

static void splice_from_socket(void)
{
    CHECK(splice(pair[0], NULL, spare[1], NULL, 2, 0) == 2);
    CHECK(!(fcntl(pair[0], F_GETFL) & O_NONBLOCK));
    read_spare();
}

static void splice_to_socket(void)
{
    char c[2];

    CHECK(splice(pipe_fds[0], NULL, pair[0], NULL, 64, 0) == 2);
    CHECK(read(pair[1], c, 2) == 2 && c[0] == 'x');
}

static void do_tee(void)
{
    CHECK(tee(pipe_fds[0], spare[1], 64, 0) == 2);
    read_spare();
    read_pipe();
}

static void fill_spare(void)
{
    static const char buf[4096];

    open_spare();
    fcntl(spare[1], F_SETFL, O_NONBLOCK);
    while (write(spare[1], buf, sizeof buf) > 0)
        ;
    fcntl(spare[1], F_SETFL, 0);
}

static void drain_spare(void)
{
    static char buf[65536];

    CHECK(read(spare[0], buf, sizeof buf) > 4096);
}

static void do_vmsplice(void)
{
    struct iovec iov = {path, 4};

    CHECK(vmsplice(spare[1], &iov, 1, 0) == 4);
    close(spare[0]);
    close(spare[1]);
}

static void splice_to_a_full_pipe(void)
{
    write_pipe();
    CHECK(splice(pipe_fds[0], NULL, spare[1], NULL, 64, 0) == 2);
    close(spare[0]);
    close(spare[1]);
}

static void do_preadv2(void)
{
    char c[2];
    struct iovec iov = {c, 2};

    CHECK(preadv2(pipe_fds[0], &iov, 1, -1, 0) == 2);
}

static void do_pwritev2(void)
{
    struct iovec iov = {path, 4};

    CHECK(pwritev2(spare[1], &iov, 1, -1, 0) == 4);
    close(spare[0]);
    close(spare[1]);
}

/* ---- queues, semaphores, FIFOs ---- */

struct message {
    long type;
    char text[8000];
};

static struct message message = {.type = 1, .text = "m"};
static mqd_t queue;

static void make_queue(void)
{
    extra = msgget(IPC_PRIVATE, 0600);
    CHECK(extra >= 0);
}

static void send_message(void)
{
    CHECK(msgsnd(extra, &message, sizeof message.text, 0) == 0);
}

static void receive_message(void)
{
    CHECK(msgrcv(extra, &message, sizeof message.text, 0, 0) ==
          sizeof message.text);
}

static void do_msgrcv(void)
{
    receive_message();
    msgctl(extra, IPC_RMID, NULL);
}

static void fill_queue(void)
{
    make_queue();
    while (msgsnd(extra, &message, sizeof message.text, IPC_NOWAIT) == 0)
        ;
}

static void do_msgsnd(void)
{
    send_message();
    msgctl(extra, IPC_RMID, NULL);
}

static void remove_queue(void)
{
    msgctl(extra, IPC_RMID, NULL);
}

static void lose_queue(void)
{
    CHECK(msgrcv(extra, &message, 1, 0, 0) == -1 && errno == EIDRM);
}

static void make_semaphore(void)
{
    extra = semget(IPC_PRIVATE, 1, 0600);
    CHECK(extra >= 0);
}

static void raise_semaphore(void)
{
    struct sembuf up = {0, 1, 0};

    CHECK(semop(extra, &up, 1) == 0);
}

static void do_semop(void)
{
    struct sembuf down = {0, -1, 0}, now = {0, -1, IPC_NOWAIT};
    struct timespec t = {0, 20000000};

    CHECK(semop(extra, &now, 1) == -1 && errno == EAGAIN);
    CHECK(semop(extra, &down, 1) == 0);
    CHECK(semtimedop(extra, &down, 1, &t) == -1 && errno == EAGAIN);
    semctl(extra, 0, IPC_RMID);
}

static void make_mq(void)
{
    struct mq_attr a = {.mq_maxmsg = 1, .mq_msgsize = 16};
    char name[40];

    snprintf(name, sizeof name, "/tendril-%d", (int)getpid());
    queue = mq_open(name, O_CREAT | O_RDWR, 0600, &a);
    CHECK(queue >= 0);
    mq_unlink(name);
}

static void send_mq(void)
{
    CHECK(mq_send(queue, "x", 1, 0) == 0);
}

static void receive_mq(void)
{
    struct timespec past = {1, 0};
    char c[16];

    CHECK(mq_receive(queue, c, sizeof c, NULL) == 1);
    CHECK(mq_timedreceive(queue, c, sizeof c, NULL, &past) == -1 &&
          errno == ETIMEDOUT);
    mq_close(queue);
}

static void fill_mq(void)
{
    make_mq();
    send_mq();
}

static void drain_mq(void)
{
    char c[16];

    CHECK(mq_receive(queue, c, sizeof c, NULL) == 1);
}

static void write_mq(void)
{
    send_mq();
    mq_close(queue);
}

static void make_fifo(void)
{
    unlink(path);
    CHECK(mkfifo(path, 0600) == 0);
}

static void open_writer(void)
{
    extra = open(path, O_WRONLY);
    CHECK(extra >= 0 && write(extra, "x", 1) == 1);
}

static void open_reader(void)
{
    extra = open(path, O_RDONLY);
    CHECK(extra >= 0);
}

static void do_fifo_read(void)
{
    int fd = open(path, O_RDONLY);
    char c;

    CHECK(fd >= 0 && !(fcntl(fd, F_GETFL) & O_NONBLOCK));
    CHECK(read(fd, &c, 1) == 1 && c == 'x');
    close(fd);
}

static void do_fifo_write(void)
{
    int fd = open(path, O_WRONLY);

    CHECK(fd >= 0 && !(fcntl(fd, F_GETFL) & O_NONBLOCK));
    close(fd);
}

struct test {
    const char *name;
    void (*prepare)(void);
    void (*block)(void);
    void (*end)(void);
};

static const struct test tests[] = {
    {"read a pipe", nothing, read_pipe, write_pipe},
    {"read by an instruction of its own", nothing, raw_read, write_pipe},
    {"fgets on a socket", nothing, stdio_read, write_pair},
    {"recv", nothing, do_recv, write_pair},
    {"recvmsg", nothing, do_recvmsg, write_pair},
    {"recvmmsg", nothing, do_recvmmsg, write_pair},
    {"write more than fits", nothing, write_much, drain_pair},
    {"writev more than fits", nothing, writev_much, drain_pair},
    {"accept", nothing, do_accept, connect_to},
    {"poll", nothing, do_poll, write_pipe},
    {"poll with a timeout", nothing, poll_in_time, nothing},
    {"select", nothing, do_select, write_pipe},
    {"epoll_wait", nothing, do_epoll, write_pipe},
    {"futex", nothing, wait_word, wake_word},
    {"sem_wait", nothing, do_sem, post},
    {"clock_nanosleep", nothing, do_sleep, nothing},
    {"waitpid", start_child, do_waitpid, end_child},
    {"wait", start_child, do_wait, end_child},
    {"waitid", start_child, do_waitid, end_child},
    {"popen and system", nothing, do_popen, nothing},
    {"flock", take_lock, do_flock, unlock},
    {"sigwait", nothing, do_sigwait, send_signal},
    {"read a timerfd", nothing, do_eventfd, nothing},
    {"recv with SO_RCVTIMEO", nothing, receive_in_time, nothing},
    {"accept after a fork", nothing, do_accept, connect_to},
    {"splice", open_spare, do_splice, write_pipe},
    {"splice from a socket", open_spare, splice_from_socket, write_pair},
    {"splice to a socket", nothing, splice_to_socket, write_pipe},
    {"splice to a full pipe", fill_spare, splice_to_a_full_pipe, drain_spare},
    {"tee", open_spare, do_tee, write_pipe},
    {"vmsplice", fill_spare, do_vmsplice, drain_spare},
    {"preadv2", nothing, do_preadv2, write_pipe},
    {"pwritev2", fill_spare, do_pwritev2, drain_spare},
    {"msgrcv", make_queue, do_msgrcv, send_message},
    {"msgsnd", fill_queue, do_msgsnd, receive_message},
    {"a queue that is removed", make_queue, lose_queue, remove_queue},
    {"semop", make_semaphore, do_semop, raise_semaphore},
    {"mq_receive", make_mq, receive_mq, send_mq},
    {"mq_send", fill_mq, write_mq, drain_mq},
    {"open a FIFO to read", make_fifo, do_fifo_read, open_writer},
    {"open a FIFO to write", make_fifo, do_fifo_write, open_reader},
};

static void *tick(void *arg)
{
    const struct test *t = arg;

    for (int i = 0; i < TICKS; i++) {
        nap_ms(1);
        ticks++;
    }
    t->end();
    return NULL;
}

static void set_up(void)
{
    socklen_t len = sizeof address;
    sigset_t set;
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    close(fd);
    CHECK(pipe(pipe_fds) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, len) == 0);
    CHECK(listen(listener, 5) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    sem_init(&sem, 0, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int main(void)
{
    set_up();
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        pthread_t other;

        tests[i].prepare();
        ticks = 0;
        other = start(tick, (void *)&tests[i]);
        tests[i].block();
        join(other);
        printf("%s: %d ticks\n", tests[i].name, ticks);
        fflush(stdout);
    }
    unlink(path);
    return 0;
}
