/* SPDX-License-Identifier: MIT */
/* tests/unit/test_faults_dns.c - the n-th allocation and the n-th system call
 * fail, for every n, in lookups of names, c-ares' own included (see
 * support/faults.h). */
#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/dns_server.h"
#include "support/faults.h"

/* What only c-ares asks of its files and sockets, and survives: it sorts and
 * searches less, or asks again. */
#define ARES_DOES_WITHOUT "libcares libc mmap madvise process_madvise epoll_ctl"

/* The server is another process: on a busy machine it can be late without
 * that anything failed, for one of two questions or for both. */
static bool is_late(int r)
{
    return (r == TN_EAI(EAI_AGAIN) || r == TN_EAI(EAI_NODATA)) &&
           !faults_have_struck();
}

static int look_up_once(const char *name)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    int r;

    tn_dns_flush();
    r = tn_getaddrinfo(name, "80", &hints, &list, tn_after_s(5));
    if (r == 0) {
        assert_non_null(list);
        tn_freeaddrinfo(list);
    }
    return r;
}

static int look_up(const char *name)
{
    int r;

    do
        r = look_up_once(name);
    while (is_late(r));
    return r;
}

static int name_is_found(void)
{
    return look_up("a.test");
}

static int long_answer_is_found(void)
{
    return look_up("long.test");
}

static int address_is_named(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    char host[64];
    int r;

    inet_pton(AF_INET, "192.0.2.4", &addr.sin_addr);
    do {
        tn_dns_flush();
        r = tn_getnameinfo((const struct sockaddr *)&addr, sizeof addr, host,
                           sizeof host, NULL, 0, NI_NAMEREQD, tn_after_s(5));
    } while (is_late(r));
    return r;
}

static int number_is_found(void)
{
    return look_up("127.0.0.1");
}

/* From 1.34 on, c-ares crashes, or loses a query, when it can allocate nothing
 * while it asks again. */
static void need_careful_ares(void)
{
    int version = 0;

    ares_version(&version);
    if (version >= 0x12200)
        test_skip("this c-ares does not survive failing allocations");
}

/* The server is another process, in which nothing fails. */
static void be_server(int tell, int until)
{
    struct dns_server server;
    char byte;

    signal(SIGPIPE, SIG_IGN); /* who fails hangs up between two writes */
    dns_server_start(&server);
    assert_result(tn_write_all(tell, server.address, sizeof server.address,
                               NULL, TN_FOREVER),
                  0);
    assert_result(tn_read(until, &byte, 1, TN_FOREVER), 0);
    _exit(0);
}

static void with_server(fault_scenario scenario)
{
    char address[sizeof((struct dns_server *)0)->address];
    int told[2], until[2], status;
    pid_t pid;

    test_not_on("sim", "the server has the real time");
    need_careful_ares();
    open_pipe(told);
    open_pipe(until);
    pid = tn_fork(0);
    if (pid == 0) {
        close(until[1]);
        be_server(told[1], until[0]);
    }
    assert_true(pid > 0);
    assert_result(tn_read(told[0], address, sizeof address, TN_FOREVER),
                  sizeof address);
    assert_result(tn_config_set("dns", "ares"), 0);
    assert_result(tn_config_set("dns_servers", address), 0);
    assert_result(tn_config_set("dns_timeout", "40ms"), 0);
    assert_result(tn_config_set("dns_tries", "3"), 0);
    faults_each(scenario, ARES_DOES_WITHOUT " calloc malloc");
    close_both(told);
    close_both(until);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void a_name(void)
{
    with_server(name_is_found);
}

static void a_long_answer(void)
{
    with_server(long_answer_is_found);
}

static void a_name_of_an_address(void)
{
    with_server(address_is_named);
}

static void a_number(void)
{
    faults_each(number_is_found, "");
}

TEST_MAIN(TEST_LONG(a_name, 0, 60), TEST_LONG(a_long_answer, 0, 60),
          TEST_LONG(a_name_of_an_address, 0, 60), TEST(a_number))
