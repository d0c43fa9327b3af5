/* SPDX-License-Identifier: MIT */
/* tests/run/programs/filters.c - a process that filters its own system calls
 * (seccomp) makes none that it would not make natively, and goes on with
 * threads, signals and handlers as they were. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "support.h"

enum { LIST_MAX = 32, TURNS = 100 };

static int fds[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn;
static char stack[65536];
static volatile sig_atomic_t n_handled, n_on_stack;

/* What is not on the list kills. The last one is 0. */
static struct sock_fprog program_of(const int *list)
{
    static struct sock_filter code[2 * LIST_MAX + 2];
    unsigned short n = 0;

    code[n++] = (struct sock_filter)BPF_STMT(
        BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    do {
        code[n++] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, (unsigned)*list, 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
                                                 SECCOMP_RET_ALLOW);
    } while (*list++);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
                                             SECCOMP_RET_KILL_PROCESS);
    return (struct sock_fprog){n, code};
}

/* By one of the two calls that do. SYS_read is 0, and always on the list. */
static void allow_only(const int *list, int is_prctl)
{
    struct sock_fprog program = program_of(list);

    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (is_prctl)
        CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    else
        CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
}

/* ---- in children, whose exit status tells ---- */

static int talk(int is_prctl)
{
    static const int list[] = {SYS_write, SYS_poll, SYS_exit_group, SYS_read};
    struct pollfd p = {fds[0], POLLIN, 0};
    char c = 0;

    allow_only(list, is_prctl);
    if (poll(&p, 1, 10) != 0 || write(fds[1], "x", 1) != 1 ||
        poll(&p, 1, -1) != 1 || read(fds[0], &c, 1) != 1)
        return 1;
    return c;
}

static int talk_after_prctl(void)
{
    return talk(1);
}

/* From a place that makes this call often. */
static int talk_after_many(void)
{
    for (int i = 0; i < 100; i++)
        CHECK(prctl(PR_GET_DUMPABLE) >= 0);
    return talk(1);
}

static int talk_after_seccomp(void)
{
    return talk(0);
}

static int make_another(void)
{
    static const int list[] = {SYS_exit_group, SYS_read};

    allow_only(list, 1);
    return getppid() != 0;
}

static int be_strict(void)
{
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
    if (write(fds[1], "y", 1) == 1)
        syscall(SYS_exit, 5);
    return 1;
}

static void handler(int sig)
{
    char here;

    (void)sig;
    n_handled++;
    n_on_stack += &here >= stack && &here < stack + sizeof stack;
}

static int take_a_signal(void)
{
    static const int list[] = {SYS_rt_sigprocmask, SYS_rt_sigreturn,
                               SYS_exit_group, SYS_read};
    struct sigaction a = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    stack_t alt = {.ss_sp = stack, .ss_size = sizeof stack};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK(sigaltstack(&alt, NULL) == 0);
    CHECK(sigaction(SIGUSR1, &a, NULL) == 0);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(raise(SIGUSR1) == 0);
    allow_only(list, 1);
    if (n_handled || sigprocmask(SIG_UNBLOCK, &set, NULL) != 0)
        return 1;
    return 10 * n_handled + n_on_stack;
}

/* ---- threads, by turns, and one that is cancelled ---- */

static void *take_turns(void *arg)
{
    int own = (int)(long)arg;

    pthread_mutex_lock(&mutex);
    for (int i = 0; i < TURNS; i++) {
        while (turn % 2 != own)
            pthread_cond_wait(&cond, &mutex);
        turn++;
        pthread_cond_broadcast(&cond);
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void *read_for_ever(void *arg)
{
    char c;

    while (read(fds[0], &c, 1) >= 0)
        ;
    return arg;
}

static int use_threads(void)
{
    pthread_t a = start(take_turns, (void *)0);
    pthread_t b = start(take_turns, (void *)1);
    pthread_t reader = start(read_for_ever, NULL);

    join(a);
    join(b);
    CHECK(pthread_cancel(reader) == 0);
    return join(reader) == PTHREAD_CANCELED && turn == 2 * TURNS ? 6 : 1;
}

static int start_threads(void)
{
    static const int list[] = {
        SYS_write, SYS_clone, SYS_clone3, SYS_mmap, SYS_munmap, SYS_mprotect,
        SYS_madvise, SYS_brk, SYS_futex, SYS_set_robust_list, SYS_rseq,
        SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_rt_sigreturn, SYS_getpid,
        SYS_gettid, SYS_tgkill, SYS_tkill, SYS_exit, SYS_exit_group,
        SYS_sched_yield, SYS_prctl, SYS_openat, SYS_newfstatat, SYS_close,
        SYS_pread64, SYS_getrandom, SYS_read};

    allow_only(list, 1);
    return use_threads();
}

/* ---- */

static void in_child(const char *name, int (*fn)(void))
{
    int status;
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0)
        _exit(fn());
    CHECK(waitpid(pid, &status, 0) == pid);
    printf("%s: ", name);
    if (WIFSIGNALED(status))
        printf("%s\n", strsignal(WTERMSIG(status)));
    else
        printf("status %d\n", WEXITSTATUS(status));
    fflush(stdout);
}

static void *compute(void *arg)
{
    struct timespec start, now;

    clock_gettime(CLOCK_MONOTONIC, &start);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec -
               start.tv_nsec < 30000000);
    return arg;
}

static void in_main(void)
{
    static const int list[] = {SYS_write, SYS_exit_group, SYS_read};

    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) < 0);
    printf("no program: %s\n", strerror(errno));
    join(start(compute, compute(NULL)));
    allow_only(list, 1);
    compute(NULL);
    printf("main goes on\n");
}

/* With an argument, only children have filters. */
int main(int argc, char **argv)
{
    (void)argv;
    CHECK(pipe(fds) == 0);
    printf("in children\n");
    fflush(stdout);
    in_child("by prctl", talk_after_prctl);
    in_child("by prctl, made often", talk_after_many);
    in_child("by seccomp", talk_after_seccomp);
    in_child("another call", make_another);
    in_child("strict", be_strict);
    in_child("a signal", take_a_signal);
    in_child("threads", start_threads);
    printf("threads here: %d\n", use_threads());
    turn = 0;
    in_child("threads, after some", start_threads);
    if (argc == 1)
        in_main();
    return 0;
}
