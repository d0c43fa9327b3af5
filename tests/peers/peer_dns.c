/* SPDX-License-Identifier: MIT */
/* peer_dns - ask for names, all at once.
 *
 * usage: peer_dns NAME...
 *
 * Prints a line for each, in order: NAME: ADDRESS... (sorted as text), or the
 * error. A name that begins with a digit is an address whose name is wanted. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tendril/tendril.h>

enum { NAMES_MAX = 64, ADDRESSES_MAX = 600 };

struct question {
    const char *name;
    char *answer;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void put_addresses(struct question *q, const struct addrinfo *list)
{
    static char texts[ADDRESSES_MAX][INET6_ADDRSTRLEN];
    size_t n = 0, at = 0, size;

    for (; list && n < ADDRESSES_MAX; list = list->ai_next)
        getnameinfo(list->ai_addr, list->ai_addrlen, texts[n++],
                    sizeof texts[0], NULL, 0, NI_NUMERICHOST);
    qsort(texts, n, sizeof texts[0], by_text);
    size = n * (INET6_ADDRSTRLEN + 1) + 1;
    q->answer = malloc(size);
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(q->answer + at, size - at, " %s", texts[i]);
}

static void put_word(struct question *q, const char *word)
{
    size_t size = strlen(word) + 2;

    q->answer = malloc(size);
    snprintf(q->answer, size, " %s", word);
}

static int ask_name(struct question *q)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    char host[NI_MAXHOST];
    int r;

    inet_pton(AF_INET, q->name, &addr.sin_addr);
    r = tn_getnameinfo((struct sockaddr *)&addr, sizeof addr, host, sizeof host,
                       NULL, 0, NI_NAMEREQD, tn_after_s(10));
    put_word(q, r < 0 ? tn_gai_strerror(r) : host);
    return 0;
}

static int ask(void *arg)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    struct question *q = arg;
    int r;

    if (q->name[0] >= '0' && q->name[0] <= '9')
        return ask_name(q);
    r = tn_getaddrinfo(q->name, NULL, &hints, &list, tn_after_s(10));
    if (r == 0) {
        put_addresses(q, list);
        tn_freeaddrinfo(list);
        return 0;
    }
    put_word(q, tn_gai_strerror(r));
    return 0;
}

int main(int argc, char **argv)
{
    static struct question questions[NAMES_MAX];
    static tn_greenlet *greenlets[NAMES_MAX];

    for (int i = 1; i < argc && i <= NAMES_MAX; i++) {
        questions[i - 1].name = argv[i];
        if (tn_spawn(ask, &questions[i - 1], &greenlets[i - 1]) < 0)
            return 1;
    }
    for (int i = 0; i < argc - 1 && i < NAMES_MAX; i++) {
        if (tn_join(greenlets[i], NULL, TN_FOREVER) < 0)
            return 1;
        printf("%s:%s\n", questions[i].name, questions[i].answer);
        free(questions[i].answer);
    }
    return 0;
}
