/* SPDX-License-Identifier: MIT */
/* driver_redis - hiredis' blocking calls in greenlets.
 *
 * usage: driver_redis PATH PORT N   (the server's unix socket and port)
 *
 * N greenlets wait for an item each, which comes when all of them do; then N
 * count up together. */
#include "crew.h"

#include <hiredis/hiredis.h>
#include <time.h>

static const char *path;
static int port;

static redisContext *open_connection(int number)
{
    redisContext *c =
        number % 2 ? redisConnect("127.0.0.1", port) : redisConnectUnix(path);

    if (!c || c->err) {
        printf("%s\n", c ? c->errstr : "no memory");
        exit(1);
    }
    return c;
}

/* The last one pushes what all wait for. */
static int pop(int number)
{
    redisContext *c = open_connection(number);
    redisReply *r;
    int is_good;

    crew_go();
    if (number == crew.n - 1) {
        while (crew.n_now < crew.n)
            nanosleep(&(struct timespec){0, 1000000}, NULL);
        for (int i = 0; i < crew.n - 1; i++)
            freeReplyObject(redisCommand(c, "RPUSH list %d", i));
        redisFree(c);
        return 1;
    }
    r = redisCommand(c, "BLPOP list 20");
    is_good = r && r->type == REDIS_REPLY_ARRAY && r->elements == 2;
    freeReplyObject(r);
    redisFree(c);
    return is_good;
}

static int count(int number)
{
    redisContext *c = open_connection(number);
    int n = 0;

    crew_go();
    for (int i = 0; i < 50; i++) {
        redisReply *r = redisCommand(c, "INCR counter");

        n += r && r->type == REDIS_REPLY_INTEGER;
        freeReplyObject(r);
    }
    redisFree(c);
    return n == 50;
}

int main(int argc, char **argv)
{
    redisContext *c;
    redisReply *r;

    if (argc != 4)
        return 2;
    path = argv[1];
    port = number_of(argv[2]);
    crew_run("blpop", number_of(argv[3]), pop);
    crew_run("incr", number_of(argv[3]), count);
    c = open_connection(0);
    r = redisCommand(c, "GET counter");
    printf("counter %s\n", r ? r->str : "none");
    freeReplyObject(r);
    redisFree(c);
    return 0;
}
