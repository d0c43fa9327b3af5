/* SPDX-License-Identifier: MIT */
/* Names and addresses: what libc would say, from a server of the test's own
 * (S127, S128, S80k). */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "support/dns_server.h"
#include "support/virtual.h"

/* ---- reading lists ---- */

static void put_text(const struct addrinfo *a, char *buf, size_t size)
{
    char host[64], port[8];

    assert_int_equal(getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host,
                                 port, sizeof port,
                                 NI_NUMERICHOST | NI_NUMERICSERV),
                     0);
    snprintf(buf, size, "%s:%s/%d/%d ", host, port, a->ai_socktype,
             a->ai_protocol);
}

/* The whole list as a text. */
static const char *text_of(const struct addrinfo *list)
{
    static char text[4096];
    size_t n = 0;

    text[0] = '\0';
    for (; list; list = list->ai_next) {
        assert_int_equal(list->ai_family, list->ai_addr->sa_family);
        put_text(list, text + n, sizeof text - n);
        n += strlen(text + n);
    }
    return text;
}

static int look_up(const char *name, int family, struct addrinfo **ret,
                   tn_time deadline)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};

    return tn_getaddrinfo(name, "80", &hints, ret, deadline);
}

static void assert_found(const char *name, int family, const char *text)
{
    struct addrinfo *list;

    assert_result(look_up(name, family, &list, TN_FOREVER), 0);
    assert_string_equal(text_of(list), text);
    tn_freeaddrinfo(list);
}

static void assert_not_found(const char *name, int error)
{
    struct addrinfo *list;

    assert_result(look_up(name, AF_INET, &list, TN_FOREVER), TN_EAI(error));
}

#define FOUR "192.0.2.4:80/1/6 "

/* ---- without the network ---- */

struct numeric {
    const char *node, *service;
    int family, type, flags;
};

static const struct numeric numerics[] = {
    {"127.0.0.1", "80", AF_UNSPEC, 0, 0},
    {"127.0.0.1", "http", AF_UNSPEC, SOCK_STREAM, 0},
    {"127.0.0.1", "domain", AF_UNSPEC, 0, 0},
    {"127.1", "80", AF_INET, SOCK_STREAM, 0},
    {"::1", "80", AF_UNSPEC, SOCK_DGRAM, 0},
    {"::1", NULL, AF_INET, 0, 0},
    {"fe80::1%lo", "1", AF_INET6, SOCK_STREAM, 0},
    {"127.0.0.1", NULL, AF_INET6, 0, AI_V4MAPPED},
    {NULL, "80", AF_UNSPEC, SOCK_STREAM, AI_PASSIVE},
    {NULL, "80", AF_UNSPEC, SOCK_STREAM, 0},
    {NULL, NULL, AF_UNSPEC, 0, 0},
    {"no.such.host", "80", AF_UNSPEC, 0, AI_NUMERICHOST},
    {"127.0.0.1", "no such service", AF_UNSPEC, 0, 0},
    {"127.0.0.1", "http", AF_UNSPEC, 0, AI_NUMERICSERV},
    {"127.0.0.1", "80", AF_UNIX, 0, 0},
    {"127.0.0.1", "80", AF_UNSPEC, 77, 0},
    {"127.0.0.1", "80", AF_UNSPEC, 0, 1 << 30},
    {"127.0.0.1", "80", AF_UNSPEC, SOCK_STREAM, AI_CANONNAME},
    {"255.255.255.255", "1", AF_UNSPEC, SOCK_DGRAM, 0},
};

static void what_needs_no_network_is_libcs_and_never_waits(void)
{
    for (size_t i = 0; i < sizeof numerics / sizeof numerics[0]; i++) {
        const struct numeric *n = &numerics[i];
        struct addrinfo hints = {.ai_family = n->family,
                                 .ai_socktype = n->type,
                                 .ai_flags = n->flags};
        struct addrinfo *ours, *libcs;
        char text[4096];
        int r = getaddrinfo(n->node, n->service, &hints, &libcs);

        assert_result(
            tn_getaddrinfo(n->node, n->service, &hints, &ours, TN_NOWAIT),
            r ? TN_EAI(r) : 0);
        if (r)
            continue;
        snprintf(text, sizeof text, "%s", text_of(libcs));
        assert_string_equal(text_of(ours), text);
        if (libcs->ai_canonname)
            assert_string_equal(ours->ai_canonname, libcs->ai_canonname);
        freeaddrinfo(libcs);
        tn_freeaddrinfo(ours);
    }
    tn_freeaddrinfo(NULL);
}

static void numeric_names_never_wait(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(80)};
    char host[64], service[32];

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_result(tn_getnameinfo((void *)&addr, sizeof addr, host, sizeof host,
                                 service, sizeof service, NI_NUMERICHOST,
                                 TN_NOWAIT),
                  0);
    assert_string_equal(host, "127.0.0.1");
    assert_string_equal(service, "http");
    assert_result(tn_getnameinfo((void *)&addr, sizeof addr, host, 4, NULL, 0,
                                 NI_NUMERICHOST, TN_NOWAIT),
                  TN_EAI(EAI_OVERFLOW));
    assert_result(tn_getnameinfo((void *)&addr, 4, host, sizeof host, NULL, 0,
                                 0, TN_FOREVER),
                  TN_EAI(EAI_FAMILY)); /* as libc says of half an address */
    assert_result(tn_getnameinfo(NULL, 0, host, 4, NULL, 0, 0, TN_NOWAIT),
                  -EINVAL);
}

static void errors_have_words(void)
{
    assert_string_equal(tn_gai_strerror(TN_EAI(EAI_NONAME)),
                        gai_strerror(EAI_NONAME));
    assert_string_equal(tn_gai_strerror(-ETIME), strerror(ETIME));
    assert_string_equal(tn_gai_strerror(0), "no error");
}

/* ---- answers ---- */

static void a_name_has_addresses_of_both_families(void)
{
    struct dns_server s;
    struct addrinfo *list;
    const char *text;

    dns_server_start(&s);
    assert_result(tn_getaddrinfo("a.test", "53", NULL, &list, TN_FOREVER), 0);
    text = text_of(list);
    for (int type = 1; type <= 3; type++) {
        char one[64];
        int protocol = type == 1 ? 6 : type == 2 ? 17 : 0;

        snprintf(one, sizeof one, "192.0.2.1:53/%d/%d ", type, protocol);
        assert_non_null(strstr(text, one));
        snprintf(one, sizeof one, "2001:db8::1:53/%d/%d ", type, protocol);
        assert_non_null(strstr(text, one));
    }
    tn_freeaddrinfo(list);
    assert_int_equal(s.n_queries, 2);
    dns_server_stop(&s);
}

static void one_family_asks_one_question(void)
{
    struct dns_server s;

    dns_server_start(&s);
    assert_found("four.test", AF_INET, FOUR);
    assert_int_equal(s.n_queries, 1);
    dns_server_stop(&s);
}

static void errors_are_libcs(void)
{
    struct dns_server s;

    dns_server_start(&s);
    assert_not_found("nothing.test", EAI_NONAME);
    assert_not_found("fail.test", EAI_AGAIN);
    assert_not_found("refuse.test", EAI_AGAIN);
    {
        struct addrinfo *list;

        assert_result(look_up("four.test", AF_INET6, &list, TN_FOREVER),
                      TN_EAI(EAI_NODATA));
        assert_result(tn_getaddrinfo("four.test", "no such service", NULL,
                                     &list, TN_FOREVER),
                      TN_EAI(EAI_SERVICE));
    }
    dns_server_stop(&s);
}

static void an_alias_tells_the_canonical_name(void)
{
    struct addrinfo hints = {.ai_family = AF_INET,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_CANONNAME};
    struct dns_server s;
    struct addrinfo *list;

    dns_server_start(&s);
    assert_result(tn_getaddrinfo("alias.test", "80", &hints, &list, TN_FOREVER),
                  0);
    assert_string_equal(list->ai_canonname, "a.test");
    assert_string_equal(text_of(list), "192.0.2.1:80/1/6 ");
    tn_freeaddrinfo(list);
    dns_server_stop(&s);
}

static void a_v4_address_may_be_mapped(void)
{
    struct addrinfo hints = {.ai_family = AF_INET6,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_V4MAPPED};
    struct dns_server s;
    struct addrinfo *list;

    dns_server_start(&s);
    assert_result(tn_getaddrinfo("four.test", "80", &hints, &list, TN_FOREVER),
                  0);
    assert_string_equal(text_of(list), "::ffff:192.0.2.4:80/1/6 ");
    tn_freeaddrinfo(list);
    dns_server_stop(&s);
}

static void wrong_answers_are_not_believed(void)
{
    struct dns_server s;

    dns_server_start(&s);
    assert_found("wrong.test", AF_INET, FOUR);
    dns_server_stop(&s);
}

static void an_answer_cut_short_is_asked_for_by_tcp(void)
{
    struct dns_server s;

    dns_server_start(&s);
    assert_found("long.test", AF_INET, FOUR);
    assert_int_equal(s.n_tcp, 1);
    dns_server_stop(&s);
}

static void an_address_has_a_name(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct dns_server s;
    char host[64], service[32];

    dns_server_start(&s);
    inet_pton(AF_INET, "192.0.2.4", &addr.sin_addr);
    assert_result(tn_getnameinfo((void *)&addr, sizeof addr, host, sizeof host,
                                 service, sizeof service, 0, TN_FOREVER),
                  0);
    assert_string_equal(host, "four.test");
    assert_string_equal(service, "http");
    inet_pton(AF_INET, "192.0.2.9", &addr.sin_addr);
    assert_result(tn_getnameinfo((void *)&addr, sizeof addr, host, sizeof host,
                                 NULL, 0, 0, TN_FOREVER),
                  0);
    assert_string_equal(host, "192.0.2.9");
    assert_result(tn_getnameinfo((void *)&addr, sizeof addr, host, sizeof host,
                                 NULL, 0, NI_NAMEREQD, TN_FOREVER),
                  TN_EAI(EAI_NONAME));
    dns_server_stop(&s);
}

/* ---- sharing and keeping ---- */

static int find_late(void *arg)
{
    struct addrinfo *list;
    int r = look_up("late.test", AF_INET, &list, TN_FOREVER);

    (void)arg;
    if (r == 0)
        tn_freeaddrinfo(list);
    return r;
}

static void those_who_want_the_same_name_share_one_lookup(void)
{
    enum { N = 20 };
    tn_greenlet *g[N];
    struct dns_server s;

    dns_server_start(&s);
    for (int i = 0; i < N; i++)
        g[i] = spawn(find_late, NULL);
    settle();
    tn_kill(g[0], TN_FOREVER);
    assert_int_equal(join(g[0]), -ECANCELED);
    for (int i = 1; i < N; i++)
        assert_int_equal(join(g[i]), 0);
    assert_int_equal(s.n_queries, 1);
    dns_server_stop(&s);
}

static void an_answer_is_kept_until_it_is_flushed(void)
{
    struct dns_server s;

    dns_server_start(&s);
    assert_found("four.test", AF_INET, FOUR);
    assert_found("FOUR.test", AF_INET, FOUR);
    assert_int_equal(s.n_queries, 1);
    tn_dns_flush();
    assert_found("four.test", AF_INET, FOUR);
    assert_int_equal(s.n_queries, 2);
    dns_server_stop(&s);
}

static void an_answer_is_kept_for_its_time_and_no_longer(void)
{
    struct dns_server s;

    need_virtual_time();
    dns_server_start(&s);
    assert_found("short.test", AF_INET, "192.0.2.1:80/1/6 ");
    virtual_jump(tn_now() + 1900 * (tn_time)MS);
    assert_found("short.test", AF_INET, "192.0.2.1:80/1/6 ");
    assert_int_equal(s.n_queries, 1);
    virtual_jump(tn_now() + 200 * (tn_time)MS);
    assert_found("short.test", AF_INET, "192.0.2.1:80/1/6 ");
    assert_int_equal(s.n_queries, 2);
    dns_server_stop(&s);
}

static void errors_are_not_kept(void)
{
    struct dns_server s;

    dns_server_start(&s);
    assert_not_found("nothing.test", EAI_NONAME);
    {
        int before = s.n_queries;

        assert_not_found("nothing.test", EAI_NONAME);
        assert_true(s.n_queries > before);
    }
    dns_server_stop(&s);
}

static void the_cache_has_a_bound(void)
{
    struct dns_server s;

    dns_server_start(&s);
    assert_result(tn_config_set("dns_cache", "1"), 0);
    assert_found("four.test", AF_INET, FOUR);
    assert_found("long.test", AF_INET, FOUR);
    assert_found("four.test", AF_INET, FOUR);
    assert_int_equal(s.n_queries, 3);
    dns_server_stop(&s);
}

/* ---- waiting ---- */

/* Wait until no lookup is under way any more. */
static void await_idle(void)
{
    struct tn_hub_stats stats = {.size = sizeof stats};

    do
        assert_result(tn_sleep(tn_after_ms(5)), 0);
    while (tn_hub_stats(&stats) == 0 && stats.timers > 0);
}

static void a_silent_server_is_waited_for_until_the_deadline(void)
{
    struct dns_server s;
    struct addrinfo *list;

    test_not_on("sim", "c-ares counts real time");
    assert_result(tn_config_set("dns_timeout", "50ms"), 0);
    assert_result(tn_config_set("dns_tries", "1"), 0);
    dns_server_start(&s);
    assert_result(look_up("silent.test", AF_INET, &list, TN_NOWAIT), -EAGAIN);
    assert_result(look_up("silent.test", AF_INET, &list, tn_after_ms(5)),
                  -ETIME);
    assert_found("four.test", AF_INET, FOUR); /* nobody else is kept waiting */
    await_idle(); /* the lookup has gone on, and ends by itself */
    dns_server_stop(&s);
}

static void a_silent_server_is_given_up_in_time(void)
{
    struct dns_server s;

    test_not_on("sim", "c-ares counts real time");
    assert_result(tn_config_set("dns_timeout", "20ms"), 0);
    assert_result(tn_config_set("dns_tries", "2"), 0);
    dns_server_start(&s);
    assert_not_found("silent.test", EAI_AGAIN);
    assert_int_equal(s.n_queries, 2);
    dns_server_stop(&s);
}

static void a_killed_greenlet_asks_nothing(void)
{
    struct dns_server s;
    tn_greenlet *g;

    dns_server_start(&s);
    g = spawn(find_late, NULL);
    settle();
    assert_result(tn_kill(g, TN_NOWAIT), -EAGAIN);
    assert_int_equal(join(g), -ECANCELED);
    assert_result(tn_sleep(tn_after_ms(40)), 0); /* its answer comes, unheard */
    assert_found("late.test", AF_INET, FOUR);
    assert_int_equal(s.n_queries, 1);
    dns_server_stop(&s);
}

/* ---- libc's resolver ---- */

static void localhost_is_found_by_libc_on_a_thread(void)
{
    struct addrinfo *list;

    assert_result(tn_config_set("dns", "libc"), 0);
    tn_dns_flush();
    assert_result(look_up("localhost", AF_INET, &list, TN_NOWAIT), -EAGAIN);
    assert_found("localhost", AF_INET, "127.0.0.1:80/1/6 ");
    assert_not_found("no such name", EAI_NONAME);
}

static void find_in_child(void)
{
    struct addrinfo *list;

    assert_result(look_up("localhost", AF_INET, &list, TN_FOREVER), 0);
    tn_freeaddrinfo(list);
}

static void a_forked_child_finds_names_either_way(void)
{
    test_not_under_tsan();
    assert_result(tn_config_set("dns", "libc"), 0);
    tn_dns_flush();
    find_in_child();
    run_in_child(find_in_child);
    assert_result(tn_config_set("dns", "ares"), 0);
    tn_dns_flush();
    find_in_child();
    run_in_child(find_in_child);
}

TEST_MAIN(TEST(what_needs_no_network_is_libcs_and_never_waits),
          TEST(numeric_names_never_wait), TEST(errors_have_words),
          TEST(a_name_has_addresses_of_both_families),
          TEST(one_family_asks_one_question), TEST(errors_are_libcs),
          TEST(an_alias_tells_the_canonical_name),
          TEST(a_v4_address_may_be_mapped),
          TEST(wrong_answers_are_not_believed),
          TEST(an_answer_cut_short_is_asked_for_by_tcp),
          TEST(an_address_has_a_name),
          TEST(those_who_want_the_same_name_share_one_lookup),
          TEST(an_answer_is_kept_until_it_is_flushed),
          TEST(an_answer_is_kept_for_its_time_and_no_longer),
          TEST(errors_are_not_kept), TEST(the_cache_has_a_bound),
          TEST(a_silent_server_is_waited_for_until_the_deadline),
          TEST(a_silent_server_is_given_up_in_time),
          TEST(a_killed_greenlet_asks_nothing),
          TEST(localhost_is_found_by_libc_on_a_thread),
          TEST(a_forked_child_finds_names_either_way))
