/* SPDX-License-Identifier: MIT */
/* driver.c - a blocking client library, in greenlets: libtendril-patch. */
#include <stdio.h>
#include <sys/socket.h>
#include <tendril/tendril.h>
#include <unistd.h>

/* Such a library knows nothing of greenlets: it calls libc, and waits. */
static int library_ask(int fd, char question)
{
    char answer = '?';

    if (write(fd, &question, 1) != 1 || read(fd, &answer, 1) != 1)
        return -1;
    return answer;
}

struct client {
    int fds[2]; /* ours, and the server's */
    char question;
};

static int client(void *arg)
{
    struct client *c = arg;

    printf("asking %c\n", c->question);
    printf("%c was answered: %c\n", c->question,
           library_ask(c->fds[0], c->question));
    return 0;
}

int main(void)
{
    struct client clients[3];
    tn_greenlet *greenlets[3];
    char question;
    int i;

    printf("libtendril-patch is there: %s\n", tn_patch_version() ? "yes" : "");
    for (i = 0; i < 3; i++) {
        clients[i].question = (char)('a' + i);
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, clients[i].fds) < 0 ||
            tn_spawn(client, &clients[i], &greenlets[i]) < 0)
            return 1;
    }
    /* The server, on the same thread, answers the last one first. */
    for (i = 2; i >= 0; i--) {
        char answer;

        if (read(clients[i].fds[1], &question, 1) != 1)
            return 1;
        answer = (char)(question - 'a' + 'A');
        if (write(clients[i].fds[1], &answer, 1) != 1 ||
            tn_join(greenlets[i], NULL, TN_FOREVER) < 0)
            return 1;
    }
    return 0;
}
