/* SPDX-License-Identifier: MIT */
/* tests/unit/test_dial.c - dialling names and lists of addresses, as RFC 8305
 * has it. A listener whose queue is full does not answer: it stands for an
 * address behind which nobody is. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/green.h"
#include "support/virtual.h"

enum { PLACES_MAX = 40, DELAY_MS = 250 };

/* An address, and who listens there. */
struct place {
    struct sockaddr_storage addr;
    struct addrinfo info;
    int listener; /* -1: nobody */
    int waiting;  /* fills the queue of one that does not answer; -1 */
};

static struct place places[PLACES_MAX];
static int n_places;

static struct place *add(const char *host)
{
    struct place *p = &places[n_places];
    socklen_t len = sizeof p->addr;
    char text[64];

    snprintf(text, sizeof text, "%s:0", host);
    p->listener = tn_listen(text, 0);
    if (p->listener == -EADDRNOTAVAIL || p->listener == -EAFNOSUPPORT)
        test_skip("no IPv6");
    assert_true(p->listener >= 0);
    assert_result(getsockname(p->listener, (struct sockaddr *)&p->addr, &len),
                  0);
    p->waiting = -1;
    p->info = (struct addrinfo){.ai_family = p->addr.ss_family,
                                .ai_socktype = SOCK_STREAM,
                                .ai_addr = (struct sockaddr *)&p->addr,
                                .ai_addrlen = len};
    if (n_places > 0)
        places[n_places - 1].info.ai_next = &p->info;
    n_places++;
    return p;
}

static void add_refusing(const char *host)
{
    struct place *p = add(host);

    assert_result(tn_close(p->listener), 0);
    p->listener = -1;
}

static void add_silent(const char *host)
{
    struct place *p = add(host);

    p->waiting = tn_socket(p->info.ai_family, SOCK_STREAM, 0);
    assert_result(tn_connect(p->waiting, p->info.ai_addr, p->info.ai_addrlen,
                             TN_FOREVER),
                  0);
}

/* Nothing leads there. */
static void add_unreachable(const char *host)
{
    struct place *p = add("127.0.0.1");
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&p->addr;

    assert_result(tn_close(p->listener), 0);
    p->listener = -1;
    memset(&p->addr, 0, sizeof p->addr);
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(1);
    assert_result(inet_pton(AF_INET6, host, &six->sin6_addr), 1);
    p->info.ai_family = AF_INET6;
    p->info.ai_addrlen = sizeof *six;
}

static void close_places(void)
{
    for (int i = 0; i < n_places; i++) {
        if (places[i].listener >= 0)
            assert_result(tn_close(places[i].listener), 0);
        if (places[i].waiting >= 0)
            assert_result(tn_close(places[i].waiting), 0);
    }
    n_places = 0;
}

static int dial(tn_time deadline)
{
    return tn_dial_addrs(&places[0].info, deadline);
}

/* A connection was made, to that place. */
static void expect_at(int fd, const struct place *p)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;

    if (fd < 0)
        fail_msg("%s", tn_gai_strerror(fd));
    assert_result(getpeername(fd, (struct sockaddr *)&peer, &len), 0);
    assert_memory_equal(&peer, &p->addr, p->info.ai_addrlen);
    assert_result(tn_close(fd), 0);
}

static void ipv6_is_tried_first(void)
{
    struct place *six;

    add("127.0.0.1");
    six = add("[::1]");
    expect_at(dial(TN_FOREVER), six);
    close_places();
}

static void the_families_take_turns(void)
{
    tn_time start = tn_now();
    struct place *four;

    add_silent("[::1]");
    add_silent("[::1]");
    add_silent("[::1]");
    four = add("127.0.0.1");
    expect_at(dial(TN_FOREVER), four); /* the second, not the fourth */
    assert_true(tn_now() - start >= DELAY_MS * MS);
    if (is_virtual())
        assert_true(tn_now() - start < 2 * DELAY_MS * MS);
    close_places();
}

static void one_that_is_refused_makes_way_at_once(void)
{
    tn_time start = tn_now();
    struct place *good;

    for (int i = 0; i < 10; i++)
        add_refusing("127.0.0.1");
    good = add("127.0.0.2");
    expect_at(dial(TN_FOREVER), good);
    if (is_virtual())
        assert_true(tn_now() - start < DELAY_MS * MS);
    close_places();
}

static void one_that_is_silent_makes_way_after_a_while(void)
{
    tn_time start = tn_now();
    struct place *good;

    add_silent("127.0.0.1");
    add_silent("127.0.0.2");
    good = add("127.0.0.3");
    expect_at(dial(TN_FOREVER), good);
    assert_true(tn_now() - start >= 2 * DELAY_MS * MS);
    close_places();
}

static void when_all_fail_the_most_telling_error_is_told(void)
{
    add_refusing("127.0.0.1");
    add_unreachable("100::1");
    add_refusing("127.0.0.2");
    assert_result(dial(TN_FOREVER), -ECONNREFUSED);
    close_places();
}

static void it_gives_up_at_its_deadline(void)
{
    add_silent("127.0.0.1");
    add_refusing("127.0.0.2");
    add_silent("127.0.0.3");
    assert_result(dial(tn_after_ms(10)), -ETIME);
    assert_result(dial(tn_after_ms(DELAY_MS + 10)), -ETIME);
    assert_result(dial(TN_NOWAIT), -EAGAIN);
    close_places();
}

static void a_scope_ends_it(void)
{
    tn_timeout t;

    add_silent("127.0.0.1");
    add_silent("127.0.0.2");
    tn_timeout_begin(&t, tn_after_ms(DELAY_MS + 10));
    assert_result(dial(TN_FOREVER), -ETIME);
    assert_int_equal(t.fired, 1);
    tn_timeout_end(&t);
    close_places();
}

static int dial_for_ever(void *arg)
{
    (void)arg;
    return dial(TN_FOREVER);
}

/* Refusals that come while it waits: attempts have the next descriptors. */
static void one_that_fails_later_makes_way_too(void)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    tn_time start = tn_now();
    tn_greenlet *g;
    int attempt;

    add_silent("127.0.0.1");
    add_silent("127.0.0.2");
    add_silent("127.0.0.3");
    attempt = dup(0);
    close(attempt);
    g = spawn(dial_for_ever, NULL);
    settle();
    for (int i = 0; i < 3; i++) {
        assert_result(connect(attempt, &nobody, sizeof nobody), 0);
        assert_result(tn_sleep(tn_after_ms(1)), 0);
    }
    assert_result(join(g), -ECONNRESET);
    if (is_virtual())
        assert_true(tn_now() - start < DELAY_MS * MS);
    close_places();
}

static void one_that_fails_later_makes_way_while_another_goes_on(void)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    tn_time start = tn_now();
    int attempts[2];
    tn_greenlet *g;

    add_silent("127.0.0.1");
    add_silent("127.0.0.2");
    add("127.0.0.3");
    attempts[0] = dup(0);
    attempts[1] = dup(0);
    close(attempts[0]);
    close(attempts[1]);
    g = spawn(dial_for_ever, NULL);
    assert_result(tn_sleep(tn_after_ms(DELAY_MS + 10)), 0); /* two are open */
    assert_result(connect(attempts[1], &nobody, sizeof nobody), 0);
    expect_at(join(g), &places[2]);
    if (is_virtual())
        assert_true(tn_now() - start < 2 * DELAY_MS * MS);
    close_places();
}

/* Reset the attempt at the time when another is due. */
static int reset_when_next_is_due(void *arg)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    tn_time due = tn_after_ms(DELAY_MS);

    assert_result(tn_sleep(due - 2000), 0);
    while (tn_now() < due)
        assert_result(tn_yield(), 0);
    return connect(*(int *)arg, &nobody, sizeof nobody);
}

static void one_that_fails_as_another_begins_leaves_that_one_waiting(void)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    tn_greenlet *g, *resetter;
    int attempts[2];

    add_silent("127.0.0.1");
    add_silent("127.0.0.2");
    attempts[0] = dup(0);
    attempts[1] = dup(0);
    close(attempts[0]);
    close(attempts[1]);
    resetter = spawn(reset_when_next_is_due, &attempts[0]);
    g = spawn(dial_for_ever, NULL);
    assert_result(join(resetter), 0);
    assert_result(tn_sleep(tn_after_ms(DELAY_MS)), 0);
    assert_result(connect(attempts[1], &nobody, sizeof nobody), 0);
    assert_result(join(g), -ECONNRESET);
    close_places();
}

static int dial_when_killed(void *arg)
{
    (void)arg;
    tn_yield();
    return dial(TN_NOWAIT);
}

static void a_kill_ends_it(void)
{
    tn_greenlet *g;

    add_silent("127.0.0.1");
    add_silent("127.0.0.2");
    add("127.0.0.3");
    g = spawn(dial_for_ever, NULL);
    assert_result(tn_sleep(tn_after_ms(DELAY_MS + 10)), 0); /* two are open */
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    assert_result(join(g), -ECANCELED);
    g = spawn(dial_when_killed, NULL);
    assert_result(tn_yield(), 0);
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    assert_result(join(g), -ECANCELED);
    close_places();
}

static void of_many_addresses_the_first_are_tried(void)
{
    struct place *good;

    for (int i = 0; i < 31; i++)
        add_refusing("127.0.0.1");
    good = add("127.0.0.2");
    for (int i = 0; i < 4; i++)
        add_refusing("127.0.0.1");
    expect_at(dial(TN_FOREVER), good);
    close_places();
}

static void a_list_of_one_is_like_an_address(void)
{
    struct place *only = add("127.0.0.1");

    expect_at(dial(TN_FOREVER), only);
    assert_result(tn_dial_addrs(NULL, TN_FOREVER), -EINVAL);
    close_places();
}

static void a_name_is_dialled(void)
{
    char text[64];
    struct sockaddr_in addr;
    int listener = open_listener(&addr), fd;

    snprintf(text, sizeof text, "localhost:%d", ntohs(addr.sin_port));
    fd = tn_dial(text, TN_FOREVER); /* ::1 refuses, 127.0.0.1 answers */
    if (fd < 0)
        fail_msg("%s", tn_gai_strerror(fd));
    assert_result(tn_close(fd), 0);
    assert_result(tn_close(listener), 0);
    assert_result(tn_dial(text, TN_FOREVER), -ECONNREFUSED);
}

/* libc's would be another port. */
static void what_is_no_port_is_refused(void)
{
    assert_result(tn_dial("127.0.0.1:65536", TN_FOREVER), -EINVAL);
    assert_result(tn_dial("localhost:99999", TN_FOREVER), -EINVAL);
    assert_result(tn_dial("localhost:18446744073709551617", TN_FOREVER),
                  -EINVAL);
    assert_result(tn_dial("localhost: 80", TN_FOREVER), -EINVAL);
    assert_result(tn_dial("localhost:+80", TN_FOREVER), -EINVAL);
    assert_result(tn_dial("localhost:-1", TN_FOREVER), -EINVAL);
}

static void what_is_no_address_is_refused(void)
{
    assert_result(tn_dial("localhost", TN_FOREVER), -EINVAL);
    assert_result(tn_dial("localhost:", TN_FOREVER), -EINVAL);
    assert_result(tn_dial("a:b:c", TN_FOREVER), -EINVAL);
    assert_result(tn_dial("[::1:80", TN_FOREVER), -EINVAL);
    assert_result(tn_dial("", TN_FOREVER), -EINVAL);
    assert_result(tn_dial(NULL, TN_FOREVER), -EINVAL);
    assert_result(tn_dial("unix:", TN_FOREVER), -EINVAL);
    assert_result(tn_dial("127.0.0.1:no-such-service", TN_FOREVER),
                  TN_EAI(EAI_SERVICE));
}

TEST_MAIN(TEST(ipv6_is_tried_first),
          TEST(the_families_take_turns),
          TEST(one_that_is_refused_makes_way_at_once),
          TEST(one_that_is_silent_makes_way_after_a_while),
          TEST(when_all_fail_the_most_telling_error_is_told),
          TEST(it_gives_up_at_its_deadline),
          TEST(a_scope_ends_it),
          TEST(a_kill_ends_it),
          TEST(one_that_fails_later_makes_way_too),
          TEST(one_that_fails_later_makes_way_while_another_goes_on),
          TEST(one_that_fails_as_another_begins_leaves_that_one_waiting),
          TEST(of_many_addresses_the_first_are_tried),
          TEST(a_list_of_one_is_like_an_address),
          TEST(a_name_is_dialled),
          TEST(what_is_no_port_is_refused),
          TEST(what_is_no_address_is_refused))
