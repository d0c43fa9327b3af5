/* SPDX-License-Identifier: MIT */
/* tests/run/programs/offload.c - calls that the kernel makes by stopping a
 * thread: the others go on, and signals, cancels, forks and changes of
 * credentials meet the call as they would natively. */
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "support.h"

enum { TICKS = 5, PAGE = 4096, MESSAGES = 2000 };

static char folder[] = "/tmp/tendril-offload-XXXXXX";
static char file_path[64], fifo_path[64];
static int holder, other_end, queue, semaphores;
static uint32_t *word; /* shared with children */
static char mq_name[32];
static mqd_t messages;
static pid_t child;
static atomic_int is_over, n_handled, ticks;

/* ---- calls, each with what makes it wait and what ends it ---- */

static void hold_flock(void)
{
    holder = open(file_path, O_RDWR);
    CHECK(flock(holder, LOCK_EX) == 0);
}

static void let_go(void)
{
    close(holder);
}

static long do_flock(void)
{
    int fd = open(file_path, O_RDWR);
    long r = flock(fd, LOCK_EX), error = errno;

    close(fd);
    errno = (int)error;
    return r;
}

static void hold_record(void)
{
    struct flock l = {.l_type = F_WRLCK};

    holder = open(file_path, O_RDWR);
    CHECK(fcntl(holder, F_OFD_SETLK, &l) == 0);
}

static long do_record(void)
{
    struct flock l = {.l_type = F_WRLCK};
    int fd = open(file_path, O_RDWR);
    long r = fcntl(fd, F_SETLKW, &l), error = errno;

    close(fd);
    errno = (int)error;
    return r;
}

static long do_ofd_record(void)
{
    struct flock l = {.l_type = F_WRLCK};
    int fd = open(file_path, O_RDWR);
    long r = fcntl(fd, F_OFD_SETLKW, &l), error = errno;

    close(fd);
    errno = (int)error;
    return r;
}

static void nothing(void)
{
}

static long open_fifo(void)
{
    int fd = open(fifo_path, O_RDONLY);

    if (fd >= 0)
        close(fd);
    return fd < 0 ? -1 : 0;
}

static void open_other_end(void)
{
    other_end = open(fifo_path, O_WRONLY);
    close(other_end);
}

static long receive(void)
{
    struct {
        long type;
        char text[8];
    } m;

    return msgrcv(queue, &m, sizeof m.text, 0, 0) == 1 ? 0 : -1;
}

static void send_message(void)
{
    struct {
        long type;
        char text[8];
    } m = {1, "x"};

    CHECK(msgsnd(queue, &m, 1, 0) == 0);
}

/* One of the operations has IPC_NOWAIT, and it is the other that waits. */
static long lower(void)
{
    struct sembuf ops[2] = {{0, 0, IPC_NOWAIT}, {1, -1, 0}};

    return semop(semaphores, ops, 2);
}

static void raise_it(void)
{
    struct sembuf op = {1, 1, 0};

    CHECK(semop(semaphores, &op, 1) == 0);
}

static void start_child(void)
{
    int ends[2];
    char c;

    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        close(ends[1]);
        _exit(read(ends[0], &c, 1) == 0 ? 0 : 1);
    }
    close(ends[0]);
    holder = ends[1];
}

static long wait_any(void)
{
    int status;

    return wait(&status) == child && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static long waitid_any(void)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED);
}

static long wait_word(void)
{
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == 0)
        if (syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0) < 0 &&
            errno != EAGAIN)
            return -1;
    return 0;
}

static void clear_word(void)
{
    __atomic_store_n(word, 0, __ATOMIC_RELEASE);
}

/* Another process does it. */
static void wake_word(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        __atomic_store_n(word, 1, __ATOMIC_RELEASE);
        _exit(syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) == 1 ? 0
                                                                      : 1);
    }
    CHECK(waitpid(pid, NULL, 0) == pid);
}

static void open_mq(void)
{
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8};

    messages = mq_open(mq_name, O_RDWR | O_CREAT, 0600, &attr);
    CHECK(messages >= 0 && mq_unlink(mq_name) == 0);
}

static long poll_mq(void)
{
    struct pollfd p = {messages, POLLIN, 0};

    return poll(&p, 1, -1) == 1 && p.revents == POLLIN ? 0 : -1;
}

static void send_mq(void)
{
    CHECK(mq_send(messages, "x", 1, 0) == 0);
}

struct waiting {
    const char *name;
    void (*prepare)(void);
    long (*call)(void);
    void (*end)(void);
    int is_cancel_point;
    int may_restart;
};

static const struct waiting calls[] = {
    {"flock", hold_flock, do_flock, let_go, 0, 1},
    {"F_SETLKW", hold_record, do_record, let_go, 1, 1},
    {"F_OFD_SETLKW", hold_record, do_ofd_record, let_go, 1, 1},
    {"open of a FIFO", nothing, open_fifo, open_other_end, 1, 1},
    {"msgrcv", nothing, receive, send_message, 1, 0},
    {"semop", nothing, lower, raise_it, 0, 0},
    {"wait", start_child, wait_any, let_go, 1, 1},
    {"waitid", start_child, waitid_any, let_go, 1, 1},
    {"poll on a queue", open_mq, poll_mq, send_mq, 0, 0},
    {"shared futex", clear_word, wait_word, wake_word, 0, 1},
};

enum { N_CALLS = sizeof calls / sizeof calls[0] };

static void *make_call(void *arg)
{
    const struct waiting *w = arg;
    long r = w->call(), error = errno;

    is_over = 1;
    return (void *)(r < 0 ? strerror((int)error) : "done");
}

static void *tick(void *arg)
{
    (void)arg;
    for (int i = 0; i < TICKS; i++) {
        nap_ms(1);
        ticks++;
    }
    return NULL;
}

static void others_go_on(void)
{
    for (int i = 0; i < N_CALLS; i++) {
        const struct waiting *w = &calls[i];
        pthread_t t;

        w->prepare();
        is_over = ticks = 0;
        t = start(make_call, (void *)w);
        join(start(tick, NULL));
        nap_ms(5);
        printf("%s: %d ticks, %s, ", w->name, ticks,
               is_over ? "over" : "waits");
        w->end();
        printf("%s\n", (char *)join(t));
    }
}

static void handler(int sig)
{
    (void)sig;
    n_handled++;
}

static void handle_with(int flags)
{
    struct sigaction a = {.sa_handler = handler, .sa_flags = flags};

    sigaction(SIGUSR1, &a, NULL);
    n_handled = 0;
}

/* Signals until the call is over: the first may come before it has begun. */
static void a_signal_interrupts(void)
{
    handle_with(0);
    for (int i = 0; i < N_CALLS; i++) {
        const struct waiting *w = &calls[i];
        pthread_t t;

        w->prepare();
        is_over = n_handled = 0;
        t = start(make_call, (void *)w);
        nap_ms(5);
        while (!is_over) {
            pthread_kill(t, SIGUSR1);
            nap_ms(2);
        }
        printf("%s, handled %d: %s\n", w->name, n_handled > 0,
               (char *)join(t));
        if (w->call == wait_any || w->call == waitid_any) {
            let_go();
            CHECK(waitpid(child, NULL, 0) == child);
        } else if (w->prepare != nothing && w->prepare != clear_word &&
                   w->prepare != open_mq) {
            let_go();
        }
    }
}

static void sa_restart_makes_it_again(void)
{
    handle_with(SA_RESTART);
    for (int i = 0; i < N_CALLS; i++) {
        const struct waiting *w = &calls[i];
        pthread_t t;

        if (!w->may_restart)
            continue;
        w->prepare();
        is_over = n_handled = 0;
        t = start(make_call, (void *)w);
        while (n_handled < 3) {
            pthread_kill(t, SIGUSR1);
            nap_ms(3);
        }
        printf("%s, restart: %s, ", w->name, is_over ? "over" : "waits");
        w->end();
        printf("%s\n", (char *)join(t));
    }
}

/* Signals at any moment of a call: none is made twice, or is lost. */
static void *receive_all(void *arg)
{
    struct {
        long type;
        long number;
    } m;
    long sum = 0;

    (void)arg;
    for (int n = 0; n < MESSAGES;) {
        ssize_t r = msgrcv(queue, &m, sizeof m.number, 0, 0);

        if (r < 0 && errno == EINTR)
            continue;
        CHECK(r == sizeof m.number);
        sum += m.number;
        n++;
    }
    is_over = 1;
    return (void *)sum;
}

static void signals_lose_no_message(void)
{
    struct {
        long type;
        long number;
    } m = {1, 0};
    pthread_t t;

    handle_with(0);
    is_over = 0;
    t = start(receive_all, NULL);
    for (; m.number < MESSAGES; m.number++) {
        CHECK(msgsnd(queue, &m, sizeof m.number, 0) == 0);
        if (m.number % 3)
            pthread_kill(t, SIGUSR1);
        if (m.number % 7 == 0)
            sched_yield();
    }
    while (!is_over) {
        pthread_kill(t, SIGUSR1);
        sched_yield();
    }
    printf("messages: %ld of %d\n", (long)join(t), MESSAGES);
}

static void clean_up(void *arg)
{
    (void)arg;
    is_over = 2;
}

static void *call_to_be_cancelled(void *arg)
{
    const struct waiting *w = arg;

    pthread_cleanup_push(clean_up, NULL);
    w->call();
    pthread_cleanup_pop(0);
    return (void *)"not cancelled";
}

static void a_cancel_ends_it(void)
{
    for (int i = 0; i < N_CALLS; i++) {
        const struct waiting *w = &calls[i];
        pthread_t t;
        void *result;

        if (!w->is_cancel_point)
            continue;
        w->prepare();
        is_over = 0;
        t = start(call_to_be_cancelled, (void *)w);
        nap_ms(10);
        pthread_cancel(t);
        result = join(t);
        printf("%s: %s, cleaned up %d\n", w->name,
               result == PTHREAD_CANCELED ? "cancelled" : (char *)result,
               is_over == 2);
        if (w->prepare != nothing)
            let_go();
        if (w->prepare == start_child)
            CHECK(waitpid(child, NULL, 0) == child);
    }
}

/* ---- processes ---- */

static void *wait_for_lock(void *arg)
{
    (void)arg;
    return (void *)do_flock();
}

/* A process with a thread that waits for a lock; it ends as `how` says. */
static int ends_with(int how)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        start(wait_for_lock, NULL);
        nap_ms(10);
        if (how < 0)
            exit(3);
        if (how)
            kill(getpid(), how);
        for (;;)
            pause();
    }
    if (how == 0) {
        nap_ms(50);
        kill(pid, SIGKILL);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

static void a_process_ends_in_it(void)
{
    hold_flock();
    printf("exit: %x\n", ends_with(-1));
    printf("SIGTERM: %x\n", ends_with(SIGTERM));
    printf("SIGKILL: %x\n", ends_with(0));
    let_go();
}

/* Fork while helpers are in calls; the child makes such calls too. */
static void a_fork_meanwhile(void)
{
    pthread_t t[3];
    int status;
    pid_t pid;

    hold_flock();
    for (int i = 0; i < 3; i++)
        t[i] = start(make_call, (void *)&calls[0]);
    nap_ms(10);
    pid = fork();
    if (pid == 0) {
        pthread_t own = start(make_call, (void *)&calls[5]);

        nap_ms(5);
        raise_it();
        _exit(strcmp(join(own), "done") == 0 ? 7 : 1);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    printf("fork meanwhile: %d", WEXITSTATUS(status));
    let_go();
    for (int i = 0; i < 3; i++)
        printf(" %s", (char *)join(t[i]));
    printf("\n");
}

/* Each holds what the other wants: the kernel tells one of them. */
static void *lock_both(void *arg)
{
    struct flock l = {.l_type = F_WRLCK, .l_len = 1};
    int first = *(int *)arg, fd = open(file_path, O_RDWR);
    long r;

    l.l_start = first;
    CHECK(fcntl(fd, F_SETLK, &l) == 0);
    __atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(word, __ATOMIC_SEQ_CST) < 2)
        nap_ms(1);
    l.l_start = !first;
    r = fcntl(fd, F_SETLKW, &l);
    if (r < 0 && errno != EDEADLK)
        r = -2;
    close(fd);
    return (void *)r;
}

static void two_processes_lock_each_other(void)
{
    int one = 1, zero = 0, status;
    long mine;
    pid_t pid;

    clear_word();
    pid = fork();
    if (pid == 0)
        _exit(join(start(lock_both, &one)) == NULL ? 0 : 1);
    mine = (long)join(start(lock_both, &zero));
    CHECK(waitpid(pid, &status, 0) == pid);
    printf("of two, %d has EDEADLK\n", (mine == -1) + WEXITSTATUS(status));
}

/* Nothing but the wake-up itself tells. */
static void *wait_once(void *arg)
{
    (void)arg;
    return (void *)syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void a_wake_from_another_process_is_seen(void)
{
    pthread_t t;
    int status;
    pid_t pid;

    clear_word();
    t = start(wait_once, NULL);
    pid = fork();
    if (pid == 0) {
        int n = 0;

        while (n == 0) {
            n = (int)syscall(SYS_futex, word, FUTEX_WAKE, 5, NULL, NULL, 0);
            nap_ms(1);
        }
        _exit(n);
    }
    printf("woken: %ld", (long)join(t));
    CHECK(waitpid(pid, &status, 0) == pid);
    printf(", %d in all\n", WEXITSTATUS(status));
}

static void *wait_shortly(void *arg)
{
    struct timespec span = {0, 5000000};

    (void)arg;
    return (void *)(syscall(SYS_futex, word, FUTEX_WAIT, 0, &span, NULL, 0)
                        ? (long)errno
                        : 0);
}

static void a_shared_wait_has_its_timeout(void)
{
    clear_word();
    printf("timeout: %s\n", strerror((int)(long)join(start(wait_shortly,
                                                           NULL))));
}

/* ---- credentials ---- */

static void *idle(void *arg)
{
    (void)arg;
    while (!is_over)
        nap_ms(1);
    return NULL;
}

/* A FIFO that only root may open, before and after. */
static void helpers_have_new_credentials(void)
{
    pthread_t t, stays;

    if (geteuid() != 0) {
        fprintf(stderr, "skip credentials: not root\n");
        return;
    }
    is_over = 0;
    t = start(make_call, (void *)&calls[3]);
    nap_ms(5);
    open_other_end();
    printf("as root: %s\n", (char *)join(t));
    is_over = 0;
    stays = start(idle, NULL);
    CHECK(seteuid(65534) == 0);
    printf("as nobody: %s\n", open_fifo() == 0 ? "done" : strerror(errno));
    CHECK(seteuid(0) == 0);
    is_over = 1;
    join(stays);
}

/* ---- helpers that are all busy ---- */

static void *make_syncs(void *arg)
{
    int fd = *(int *)arg;

    for (int i = 0; i < 5; i++) {
        CHECK(pwrite(fd, "x", 1, i) == 1);
        CHECK(fdatasync(fd) == 0);
    }
    return NULL;
}

/* More calls that wait for ever than helpers for those that do not. */
static void many_locks_starve_nobody(void)
{
    enum { MANY = 60 };
    pthread_t t[MANY];
    int fd = open(file_path, O_RDWR), n = 0;

    hold_flock();
    for (int i = 0; i < MANY; i++)
        t[i] = start(make_call, (void *)&calls[0]);
    nap_ms(20);
    is_over = 0;
    join(start(make_syncs, &fd));
    printf("synced while %d wait: %s\n", MANY, is_over ? "none" : "yes");
    let_go();
    for (int i = 0; i < MANY; i++)
        n += strcmp(join(t[i]), "done") == 0;
    printf("%d locks\n", n);
    close(fd);
}

static void set_up(void)
{
    union semun {
        int value;
    } zero = {0};
    int fd;

    CHECK(mkdtemp(folder) != NULL);
    snprintf(mq_name, sizeof mq_name, "/tendril-%d", (int)getpid());
    snprintf(file_path, sizeof file_path, "%s/file", folder);
    snprintf(fifo_path, sizeof fifo_path, "%s/fifo", folder);
    CHECK(chmod(folder, 0755) == 0);
    fd = open(file_path, O_RDWR | O_CREAT, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
    CHECK(mkfifo(fifo_path, 0600) == 0);
    queue = msgget(IPC_PRIVATE, 0600);
    semaphores = semget(IPC_PRIVATE, 2, 0600);
    CHECK(queue >= 0 && semaphores >= 0);
    CHECK(semctl(semaphores, 1, SETVAL, zero) == 0);
    word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(word != MAP_FAILED);
}

static void (*const tests[])(void) = {
    others_go_on, a_signal_interrupts, sa_restart_makes_it_again,
    signals_lose_no_message, a_cancel_ends_it, a_process_ends_in_it,
    a_fork_meanwhile, two_processes_lock_each_other,
    a_wake_from_another_process_is_seen,
    a_shared_wait_has_its_timeout, helpers_have_new_credentials,
    many_locks_starve_nobody,
};

int main(void)
{
    set_up();
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        tests[i]();
        fflush(stdout);
    }
    msgctl(queue, IPC_RMID, NULL);
    semctl(semaphores, 0, IPC_RMID);
    unlink(file_path);
    unlink(fifo_path);
    rmdir(folder);
    return 0;
}
