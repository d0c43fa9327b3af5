/* SPDX-License-Identifier: MIT */
/* tests/run/programs/aio.c - the kernel's AIO and io_uring: who waits for
 * results does not stop the others, and is interrupted and timed as ever. */
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "support.h"

enum { TICKS = 5, ENTRIES = 8, ROUNDS = 20 };

static aio_context_t context;
static int pipe_fds[2], ring;
static uint32_t *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;
static char bufs[ENTRIES][2];
static const char *deferred_reason; /* why there is no such ring */
static atomic_int is_over, is_enough, n_handled;
static volatile int ticks;

static long result(long r)
{
    return r < 0 ? -errno : r;
}

/* ---- AIO: a poll of the pipe ---- */

static void submit_poll(void)
{
    struct iocb cb = {.aio_lio_opcode = IOCB_CMD_POLL,
                      .aio_fildes = (uint32_t)pipe_fds[0],
                      .aio_buf = POLLIN}, *list = &cb;

    CHECK(syscall(SYS_io_submit, context, 1, &list) == 1);
}

static long get_events(void)
{
    struct io_event events[2];

    return result(syscall(SYS_io_getevents, context, 1, 2, events, NULL));
}

static long get_events_in_time(void)
{
    struct io_event events[2];
    struct timespec span = {0, 5000000};

    return result(syscall(SYS_io_getevents, context, 1, 2, events, &span));
}

/* ---- io_uring: reads of the pipe ---- */

static const char *open_ring(unsigned flags)
{
    struct io_uring_params p = {.flags = flags};
    char *sq, *cq;

    ring = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
    if (ring < 0)
        return strerror(errno);
    CHECK(p.flags == flags);
    sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE,
              MAP_SHARED, ring, IORING_OFF_SQ_RING);
    cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof *cqes,
              PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    sqes = mmap(NULL, p.sq_entries * sizeof *sqes, PROT_READ | PROT_WRITE,
                MAP_SHARED, ring, IORING_OFF_SQES);
    CHECK(sq != MAP_FAILED && cq != MAP_FAILED && sqes != MAP_FAILED);
    sq_tail = (uint32_t *)(void *)(sq + p.sq_off.tail);
    sq_mask = (uint32_t *)(void *)(sq + p.sq_off.ring_mask);
    sq_array = (uint32_t *)(void *)(sq + p.sq_off.array);
    cq_head = (uint32_t *)(void *)(cq + p.cq_off.head);
    cq_tail = (uint32_t *)(void *)(cq + p.cq_off.tail);
    cq_mask = (uint32_t *)(void *)(cq + p.cq_off.ring_mask);
    cqes = (struct io_uring_cqe *)(void *)(cq + p.cq_off.cqes);
    return NULL;
}

static void add_read(int fd)
{
    uint32_t tail = *sq_tail, at = tail & *sq_mask;

    memset(&sqes[at], 0, sizeof sqes[at]);
    sqes[at].opcode = IORING_OP_READ;
    sqes[at].fd = fd;
    sqes[at].addr = (uintptr_t)bufs[at];
    sqes[at].len = 2;
    sq_array[at] = at;
    __atomic_store_n(sq_tail, tail + 1, __ATOMIC_RELEASE);
}

static long enter(unsigned submit, unsigned wait)
{
    return result(syscall(SYS_io_uring_enter, ring, submit, wait,
                          IORING_ENTER_GETEVENTS, NULL, 0));
}

/* Of all that is done: how many, and the sum of their results. */
static void show_done(void)
{
    uint32_t head = *cq_head;
    int n = 0, sum = 0;

    for (; head != __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE); head++) {
        sum += cqes[head & *cq_mask].res;
        n++;
    }
    __atomic_store_n(cq_head, head, __ATOMIC_RELEASE);
    printf(", %d done with %d", n, sum);
}

static long submit_and_wait(void)
{
    add_read(pipe_fds[0]);
    return enter(1, 1);
}

static long wait_for_two(void)
{
    add_read(pipe_fds[0]);
    add_read(pipe_fds[0]);
    return enter(2, 2);
}

/* A ring that only its maker can use, and that has results only where that one
 * asks the kernel for them. The maker may be anywhere each time. */
static long by_maker_only(void)
{
    enum { SINGLE_ISSUER = 1 << 12, DEFER_TASKRUN = 1 << 13 };

    deferred_reason = open_ring(SINGLE_ISSUER | DEFER_TASKRUN);
    if (deferred_reason)
        return 0;
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(write(pipe_fds[1], "xy", 2) == 2);
        CHECK(submit_and_wait() == 1);
        __atomic_store_n(cq_head, *cq_head + 1, __ATOMIC_RELEASE);
        nap_ms(1);
    }
    return submit_and_wait();
}

static void *compute(void *arg)
{
    while (!is_enough)
        ;
    return arg;
}

static long wait_only(void)
{
    return enter(0, 1);
}

static long wait_in_time(void)
{
    struct timespec span = {0, 5000000};
    struct io_uring_getevents_arg arg = {.ts = (uintptr_t)&span};

    return result(syscall(SYS_io_uring_enter, ring, 0, 1,
                          IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg,
                          sizeof arg));
}

/* ---- */

static void *make_call(void *arg)
{
    long r = (*(long (**)(void))arg)();

    is_over = 1;
    return (void *)r;
}

static void *tick(void *arg)
{
    (void)arg;
    for (ticks = 0; ticks < TICKS; ticks++)
        nap_ms(1);
    return NULL;
}

/* Both ends of what waits: `bytes` are written when others have ticked. */
static void others_go_on(const char *name, long (*fn)(void), int bytes)
{
    pthread_t t;

    is_over = 0;
    t = start(make_call, &fn);
    join(start(tick, NULL));
    nap_ms(5);
    printf("%s: %d ticks, %s", name, ticks, is_over ? "over" : "waits");
    for (int i = 0; i < bytes; i += 2)
        CHECK(write(pipe_fds[1], "xy", 2) == 2);
    printf(", gives %ld", (long)join(t));
}

static void handler(int sig)
{
    (void)sig;
    n_handled++;
}

static void a_signal_interrupts(const char *name, long (*fn)(void))
{
    pthread_t t;

    is_over = n_handled = 0;
    t = start(make_call, &fn);
    nap_ms(5);
    while (!is_over) {
        pthread_kill(t, SIGUSR1);
        nap_ms(2);
    }
    printf("%s: handled %d, ", name, n_handled > 0);
    printf("%s\n", strerror(-(int)(long)join(t)));
}

static void test_aio(void)
{
    char c[2];

    if (syscall(SYS_io_setup, ENTRIES, &context) < 0) {
        printf("skip AIO: %s\n", strerror(errno));
        return;
    }
    submit_poll();
    others_go_on("io_getevents", get_events, 2);
    CHECK(read(pipe_fds[0], c, 2) == 2);
    printf("\nin time: %ld\n", (long)join(start(make_call,
                               &(long (*)(void)){get_events_in_time})));
    a_signal_interrupts("io_getevents", get_events);
    syscall(SYS_io_destroy, context);
}

static void test_ring(void)
{
    const char *reason = open_ring(0);
    pthread_t busy[2];

    if (reason) {
        printf("skip io_uring: %s\n", reason);
        return;
    }
    others_go_on("submit and wait", submit_and_wait, 2);
    show_done();
    others_go_on("\nwait for two", wait_for_two, 4);
    show_done();
    printf("\nin time: %s\n",
           strerror(-(int)(long)join(start(make_call,
                                    &(long (*)(void)){wait_in_time}))));
    a_signal_interrupts("io_uring_enter", wait_only);
    for (int i = 0; i < 2; i++)
        busy[i] = start(compute, NULL);
    others_go_on("deferred", by_maker_only, 2);
    is_enough = 1;
    for (int i = 0; i < 2; i++)
        join(busy[i]);
    if (deferred_reason)
        printf("\nskip deferred: %s\n", deferred_reason);
    else
        show_done();
    printf("\n");
}

int main(void)
{
    struct sigaction a = {.sa_handler = handler};
    pthread_t idle;

    sigaction(SIGUSR1, &a, NULL);
    CHECK(pipe(pipe_fds) == 0);
    idle = start(tick, NULL);
    join(idle);
    test_aio();
    test_ring();
    return 0;
}
