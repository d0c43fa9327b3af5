/* SPDX-License-Identifier: MIT */
/* peer_redis - Redis by hiredis, on sockets that are tendril's.
 *
 * usage: peer_redis PATH (of the server's unix socket)
 *
 * hiredis builds and parses; waiting is ours. 20 greenlets count up, one waits
 * for an item of a list that another one pushes, one hears what is published.
 * Prints what came of it. */
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tendril/tendril.h>

enum { CLIENTS = 20, TIMES = 50 };

static const char *path;

static redisContext *open_connection(void)
{
    redisContext *c = redisConnectUnixNonBlock(path);

    if (!c || c->err) {
        fprintf(stderr, "%s\n", c ? c->errstr : "no memory");
        exit(1);
    }
    return c;
}

static int await(redisContext *c, short events, tn_time deadline)
{
    struct pollfd p = {.fd = c->fd, .events = events};
    int r = tn_poll(&p, 1, deadline);

    return r < 0 ? r : 0;
}

/* The next reply; NULL on an error or at the deadline. */
static redisReply *read_reply(redisContext *c, tn_time deadline)
{
    void *reply = NULL;
    int is_sent = 0;

    while (!is_sent) {
        if (redisBufferWrite(c, &is_sent) != REDIS_OK)
            return NULL;
        if (!is_sent && await(c, POLLOUT, deadline) < 0)
            return NULL;
    }
    while (redisGetReplyFromReader(c, &reply) == REDIS_OK && !reply)
        if (await(c, POLLIN, deadline) < 0 || redisBufferRead(c) != REDIS_OK)
            return NULL;
    return reply;
}

static redisReply *command(redisContext *c, tn_time deadline,
                           const char *format, ...)
{
    va_list args;

    va_start(args, format);
    redisvAppendCommand(c, format, args);
    va_end(args);
    return read_reply(c, deadline);
}

static int count_up(void *arg)
{
    redisContext *c = open_connection();
    int n = 0;

    (void)arg;
    for (int i = 0; i < TIMES; i++) {
        redisReply *r = command(c, tn_after_s(10), "INCR counter");

        n += r && r->type == REDIS_REPLY_INTEGER;
        freeReplyObject(r);
    }
    redisFree(c);
    return n;
}

static int wait_for_item(void *arg)
{
    redisContext *c = open_connection();
    redisReply *r = command(c, tn_after_s(10), "BLPOP list 0");

    (void)arg;
    printf("popped %s\n", r && r->elements == 2 ? r->element[1]->str : "no");
    freeReplyObject(r);
    redisFree(c);
    return 0;
}

static int hear(void *arg)
{
    redisContext *c = open_connection();
    redisReply *r = command(c, tn_after_s(10), "SUBSCRIBE news");

    *(int *)arg = 1; /* subscribed */
    freeReplyObject(r);
    r = read_reply(c, tn_after_s(10));
    printf("heard %s\n", r && r->elements == 3 ? r->element[2]->str : "no");
    freeReplyObject(r);
    redisFree(c);
    return 0;
}

int main(int argc, char **argv)
{
    tn_greenlet *counters[CLIENTS], *popper, *hearer;
    int is_subscribed = 0, n = 0, result;
    redisContext *c;
    redisReply *r;

    if (argc != 2)
        return 2;
    path = argv[1];
    for (int i = 0; i < CLIENTS; i++)
        if (tn_spawn(count_up, NULL, &counters[i]) < 0)
            return 1;
    if (tn_spawn(wait_for_item, NULL, &popper) < 0 ||
        tn_spawn(hear, &is_subscribed, &hearer) < 0)
        return 1;
    for (int i = 0; i < CLIENTS; i++)
        if (tn_join(counters[i], &result, TN_FOREVER) == 0)
            n += result;
    c = open_connection();
    r = command(c, tn_after_s(10), "GET counter");
    printf("counted %d, the server says %s\n", n, r ? r->str : "nothing");
    freeReplyObject(r);
    freeReplyObject(command(c, tn_after_s(10), "RPUSH list item"));
    if (tn_join(popper, NULL, TN_FOREVER) < 0)
        return 1;
    while (!is_subscribed)
        if (tn_sleep(tn_after_ms(1)) < 0)
            return 1;
    freeReplyObject(command(c, tn_after_s(10), "PUBLISH news today"));
    if (tn_join(hearer, NULL, TN_FOREVER) < 0)
        return 1;
    r = command(c, tn_after_ms(30), "BLPOP nothing 0");
    printf("deadline %s\n", r ? "no" : "yes");
    freeReplyObject(r);
    redisFree(c);
    return 0;
}
