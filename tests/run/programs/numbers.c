/* SPDX-License-Identifier: MIT */
/* tests/run/programs/numbers.c - a thread's number where the kernel takes it
 * for its process's, or shows what it keeps for the thread; numbers of
 * which a call takes the lower half; and what of the process is locked in
 * memory. */
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "support.h"

static const char *said(long r)
{
    return r < 0 ? strerrorname_np(errno) : "works";
}

static void show_file(const char *form, int tid)
{
    char path[64], line[64];
    struct stat st;
    int fd;

    snprintf(path, sizeof path, form, tid);
    printf("%s: access %s, ", form, said(access(path, R_OK)));
    printf("stat %s, ", said(stat(path, &st)));
    fd = open(path, O_RDONLY);
    printf("read %s\n", said(read(fd, line, sizeof line)));
    close(fd);
}

static void show_numbers(int tid)
{
    struct rlimit limit;
    int here = 1, there = 0, ends[2];
    struct iovec from = {&here, sizeof here}, to = {&there, sizeof there};
    struct f_owner_ex owner = {F_OWNER_TID, tid};

    CHECK(pipe(ends) == 0);
    printf("prlimit %s\n", said(prlimit(tid, RLIMIT_NOFILE, NULL, &limit)));
    printf("getsid %d\n", getsid(tid) == getsid(0));
    printf("getpgid %d\n", getpgid(tid) == getpgid(0));
    printf("ioprio_get %s\n", said(syscall(SYS_ioprio_get, 1, tid)));
    printf("F_SETOWN_EX %s\n", said(fcntl(ends[0], F_SETOWN_EX, &owner)));
    printf("process_vm_readv %s, ",
           said(process_vm_readv(tid, &to, 1, &from, 1, 0)));
    printf("%d\n", there);
    show_file("/proc/self/task/%d/stat", tid);
    show_file("/proc/self/task/%d/comm", tid);
    show_file("/proc/%d/status", tid);
    close(ends[0]);
    close(ends[1]);
}

static void *main_of_thread(void *arg)
{
    int tid = (int)syscall(SYS_gettid);

    printf("setpgid %s\n", said(setpgid(tid, 0)));
    show_numbers(tid);
    return arg;
}

/* Where the end of a thread is told, which its join waits for: asked for, and
 * set again. */
static void *ask_and_set(void *arg)
{
    long *where = NULL, tid;

    CHECK(prctl(PR_GET_TID_ADDRESS, &where) == 0);
    CHECK(syscall(SYS_set_tid_address, NULL) > 0);
    tid = syscall(SYS_set_tid_address, where);
    printf("set_tid_address gives gettid %d\n", tid == syscall(SYS_gettid));
    return arg;
}

static sigjmp_buf back;
static volatile int n_faults;

static void on_fault(int sig)
{
    (void)sig;
    n_faults++;
    siglongjmp(back, 1);
}

/* A process that may not read the CPU's counter goes on; the vDSO, which reads
 * it for the time, must not be asked. */
static void test_without_counter(void)
{
    const int r = prctl(PR_SET_TSC, PR_TSC_SIGSEGV);

    signal(SIGSEGV, on_fault);
    if (sigsetjmp(back, 1) == 0)
        __builtin_ia32_rdtsc();
    nap_ms(2);
    join(start(ask_and_set, NULL));
    printf("without the counter %d: faults %d, ", r, n_faults);
    CHECK(prctl(PR_SET_TSC, PR_TSC_ENABLE) == 0);
    __builtin_ia32_rdtsc();
    printf("with it %d\n", n_faults);
    signal(SIGSEGV, SIG_DFL);
}

static long resident_kib(void)
{
    char line[128];
    long n = -1;
    FILE *f = fopen("/proc/self/status", "r");

    CHECK(f != NULL);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "VmRSS:", 6) == 0)
            n = strtol(line + 6, NULL, 10);
    fclose(f);
    return n;
}

/* The memory of one whose engine has tables for a million descriptors. */
static void test_mlockall(void)
{
    long before = resident_kib();
    int r = mlockall(MCL_CURRENT);

    printf("mlockall %s: ", said(r));
    printf("less than 32 MB more %d\n", resident_kib() - before < 32 * 1024);
    munlockall();
}

static void *wait_for_end(void *arg)
{
    pthread_mutex_lock(arg);
    pthread_mutex_unlock(arg);
    return NULL;
}

/* What an int in a register may have above it. */
#define ABOVE (1l << 32)

static void *wait_on(void *word)
{
    while (*(volatile int *)word == 0)
        syscall(SYS_futex, word, FUTEX_WAIT | ABOVE, 0 | ABOVE, NULL);
    return NULL;
}

static void test_futex_of_half(void)
{
    static int word;
    pthread_t t = start(wait_on, &word);
    long r;

    while ((r = syscall(SYS_futex, &word, FUTEX_WAKE | ABOVE, 1 | ABOVE)) == 0)
        nap_ms(1);
    printf("wake: %s\n", said(r));
    __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &word, FUTEX_WAKE, 1);
    join(t);
}

static void test_descriptors_of_half(void)
{
    struct timeval span = {.tv_usec = 10000};
    int ends[2];
    char c;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(syscall(SYS_setsockopt, ends[0] | ABOVE, SOL_SOCKET | ABOVE,
                  SO_RCVTIMEO | ABOVE, &span, sizeof span) == 0);
    printf("receive: %s\n", said(read(ends[0], &c, 1)));
    CHECK(syscall(SYS_fcntl, ends[1] | ABOVE, F_SETFL | ABOVE, O_NONBLOCK) ==
          0);
    printf("read: %s\n", said(read(ends[1], &c, 1)));
    close(ends[0]);
    close(ends[1]);
}

static void *use_halves(void *arg)
{
    sigset_t set;
    char name[16] = "";

    sigemptyset(&set);
    printf("sigprocmask: %s\n", said(syscall(SYS_rt_sigprocmask,
                                             SIG_BLOCK | ABOVE, &set, NULL,
                                             8)));
    printf("getpriority: %s\n", said(syscall(SYS_getpriority,
                                             PRIO_PROCESS | ABOVE,
                                             gettid() | ABOVE)));
    printf("tgkill: %s\n", said(syscall(SYS_tgkill, getpid() | ABOVE,
                                        gettid() | ABOVE, 0 | ABOVE)));
    prctl(PR_SET_NAME, "halves");
    CHECK(syscall(SYS_prctl, PR_GET_NAME | ABOVE, name) == 0);
    printf("name: %s\n", name);
    test_futex_of_half();
    test_descriptors_of_half();
    return arg;
}

int main(void)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_t t;

    pthread_mutex_lock(&mutex);
    t = start(wait_for_end, &mutex);
    test_mlockall();
    join(start(main_of_thread, NULL));
    join(start(use_halves, NULL));
    join(start(ask_and_set, NULL));
    ask_and_set(NULL);
    test_without_counter();
    pthread_mutex_unlock(&mutex);
    join(t);
    return 0;
}
