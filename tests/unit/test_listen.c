/* SPDX-License-Identifier: MIT */
/* tests/unit/test_listen.c - listening with options. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/green.h"

static int port_of(int fd)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;

    assert_result(getsockname(fd, (struct sockaddr *)&addr, &len) < 0, 0);
    return ntohs(addr.sin_port);
}

static int listen_at(const char *host, int port, int flags)
{
    struct tn_listen_options options = TN_LISTEN_OPTIONS;
    char addr[64];

    options.flags = flags;
    snprintf(addr, sizeof addr, "%s:%d", host, port);
    return tn_listen_with(addr, &options);
}

static void a_port_is_shared_by_those_who_all_say_so(void)
{
    int a = listen_at("127.0.0.1", 0, TN_LISTEN_REUSEPORT), b;

    assert_true(a >= 0);
    b = listen_at("127.0.0.1", port_of(a), TN_LISTEN_REUSEPORT);
    assert_true(b >= 0);
    assert_result(listen_at("127.0.0.1", port_of(a), 0), -EADDRINUSE);
    close_both((int[2]){a, b});
}

static void ipv6_alone_leaves_the_port_to_ipv4(void)
{
    int six = listen_at("[::]", 0, TN_LISTEN_V6ONLY), four;

    if (six == -EAFNOSUPPORT || six == -EADDRNOTAVAIL)
        test_skip("no IPv6");
    assert_true(six >= 0);
    four = listen_at("0.0.0.0", port_of(six), 0);
    assert_true(four >= 0);
    close_both((int[2]){six, four});
}

static char folder[64], path[80], addr[96];

static void open_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/tendril-listen-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/s", folder);
    snprintf(addr, sizeof addr, "unix:%s", path);
}

static void close_folder(void)
{
    unlink(path);
    assert_result(rmdir(folder), 0);
}

static void a_unix_socket_has_the_permissions_asked_for(void)
{
    static const mode_t modes[] = {0600, 0666, 0};
    mode_t umask_before = umask(027);

    open_folder();
    for (int i = 0; i < 3; i++) {
        struct tn_listen_options options = TN_LISTEN_OPTIONS;
        struct stat st;
        int fd;

        options.mode = (int)modes[i];
        fd = tn_listen_with(addr, &options);
        assert_true(fd >= 0);
        assert_result(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, modes[i]);
        assert_result(tn_close(fd), 0);
        unlink(path);
    }
    close_folder();
    umask(umask_before);
}

static int listen_again(void)
{
    struct tn_listen_options options = TN_LISTEN_OPTIONS;

    options.flags = TN_LISTEN_REPLACE_DEAD;
    return tn_listen_with(addr, &options);
}

static void only_a_dead_unix_socket_is_replaced(void)
{
    FILE *file;
    int fd, client;

    open_folder();
    fd = tn_listen(addr, 0);
    assert_true(fd >= 0);
    assert_result(tn_listen(addr, 1), -EADDRINUSE);
    assert_result(listen_again(), -EADDRINUSE); /* it lives */
    do /* also when its queue is full */
        client = tn_dial(addr, TN_NOWAIT);
    while (client >= 0 && tn_close(client) == 0);
    assert_result(client, -EAGAIN);
    assert_result(listen_again(), -EADDRINUSE);
    assert_result(tn_close(fd), 0);
    assert_result(tn_listen(addr, 1), -EADDRINUSE); /* not if not told so */
    fd = listen_again();
    assert_true(fd >= 0);
    client = tn_dial(addr, TN_FOREVER);
    assert_true(client >= 0);
    close_both((int[2]){fd, client});
    unlink(path);
    file = fopen(path, "w"); /* and nothing that is no socket */
    assert_non_null(file);
    fclose(file);
    assert_result(listen_again(), -EADDRINUSE);
    assert_result(access(path, F_OK), 0);
    close_folder();
}

static void bad_options_are_refused(void)
{
    struct tn_listen_options options = TN_LISTEN_OPTIONS;

    int fd = tn_listen_with("127.0.0.1:0", NULL);

    assert_true(fd >= 0); /* none at all are fine */
    assert_result(tn_close(fd), 0);
    assert_result(tn_listen_with("localhost:0", &options), -EINVAL);
    options.mode = 010000;
    assert_result(tn_listen_with("127.0.0.1:0", &options), -EINVAL);
    options.mode = -1;
    options.size = 1;
    assert_result(tn_listen_with("127.0.0.1:0", &options), -EINVAL);
}

static void what_is_no_address_is_refused(void)
{
    static const char *const bad[] = {
        "",       ":",     ":99999", "[::1",          "[::1]",  "host",
        "host:1", "unix:", "::1:80", "[127.0.0.1]:0", "[]:0",   "[*]:0",
        ":+1",    ":0x1",  "[::1]]:0"};
    char text[300];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_result(tn_listen(bad[i], 1), -EINVAL);
    assert_result(tn_listen(NULL, 1), -EINVAL);
    memset(text, 'a', sizeof text);
    memcpy(text + 290, ":1", 3);
    assert_result(tn_listen(text, 1), -EINVAL);
    memcpy(text, "unix:", 5);
    assert_result(tn_listen(text, 1), -ENAMETOOLONG);
}

TEST_MAIN(TEST(a_port_is_shared_by_those_who_all_say_so),
          TEST(ipv6_alone_leaves_the_port_to_ipv4),
          TEST(a_unix_socket_has_the_permissions_asked_for),
          TEST(only_a_dead_unix_socket_is_replaced),
          TEST(what_is_no_address_is_refused),
          TEST(bad_options_are_refused))
