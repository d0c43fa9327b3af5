/* SPDX-License-Identifier: MIT */
/* shout.c - a datagram server that answers in capitals, and a client of it. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <tendril/tendril.h>

static void shout(tn_datagram_server *s, const struct tn_datagram *d, void *arg)
{
    char text[64];
    size_t len = d->len < sizeof text ? d->len : sizeof text;
    struct tn_datagram answer = *d; /* to the same peer */

    (void)arg;
    for (size_t i = 0; i < len; i++)
        text[i] = (char)toupper(((const unsigned char *)d->data)[i]);
    answer.data = text;
    answer.len = len;
    if (tn_datagram_server_send(s, &answer, tn_after_s(1)) < 0)
        fprintf(stderr, "shout: an answer is lost\n");
}

/* Send a word from a socket of any port to the server's, and print the answer.
 */
static int ask(const tn_datagram_server *s, const char *word)
{
    struct sockaddr_storage at;
    socklen_t at_len;
    char addr[32], text[64];
    int fd = tn_socket(AF_INET, SOCK_DGRAM, 0);
    ssize_t r = fd;

    snprintf(addr, sizeof addr, "127.0.0.1:%d", tn_datagram_server_port(s));
    if (r >= 0)
        r = tn_addr_parse(addr, &at, &at_len);
    if (r >= 0)
        r = tn_sendto(fd, word, strlen(word), 0, (struct sockaddr *)&at, at_len,
                      tn_after_s(1));
    if (r >= 0)
        r = tn_recv(fd, text, sizeof text, 0, tn_after_s(5));
    if (r >= 0)
        printf("%s: %.*s\n", word, (int)r, text);
    if (fd >= 0)
        tn_close(fd);
    return r < 0 ? (int)r : 0;
}

int main(void)
{
    tn_datagram_server *s;
    int r = tn_datagram_server_new("127.0.0.1:0", shout, NULL, NULL, &s);

    if (r < 0)
        return 1;
    r = tn_datagram_server_start(s);
    if (r == 0)
        r = ask(s, "hello");
    if (r == 0)
        r = ask(s, "world");
    tn_datagram_server_free(s);
    return r < 0;
}
