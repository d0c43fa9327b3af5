/* SPDX-License-Identifier: MIT */
/* peer_postgres - PostgreSQL by libpq's non-blocking calls, one connection for
 * each of many greenlets, on one thread.
 *
 * usage: peer_postgres CONNINFO
 *
 * Each of 30 greenlets keeps a row, sleeps 0.2 s in the server, and reads the
 * row back; prints how many did, how many seconds all took, and what a query
 * that was left at its deadline became. */
#include <libpq-fe.h>
#include <poll.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tendril/tendril.h>

enum { CLIENTS = 30 };

static const char *conninfo;

/* Wait for the connection's socket. */
static int await(PGconn *c, short events, tn_time deadline)
{
    struct pollfd p = {.fd = PQsocket(c), .events = events};
    int r = tn_poll(&p, 1, deadline);

    return r < 0 ? r : 0;
}

static PGconn *open_connection(void)
{
    PGconn *c = PQconnectStart(conninfo);
    PostgresPollingStatusType s = PGRES_POLLING_WRITING;

    while (s != PGRES_POLLING_OK && s != PGRES_POLLING_FAILED) {
        if (await(c, s == PGRES_POLLING_READING ? POLLIN : POLLOUT,
                  tn_after_s(10)) < 0)
            break;
        s = PQconnectPoll(c);
    }
    if (s != PGRES_POLLING_OK) {
        fprintf(stderr, "%s", PQerrorMessage(c));
        exit(1);
    }
    PQsetnonblocking(c, 1);
    return c;
}

/* The first value of the query's result, to be freed; NULL: `*ret` says why. */
static char *query(PGconn *c, const char *text, tn_time deadline, int *ret)
{
    PGresult *result;
    char *value = NULL;

    *ret = PQsendQuery(c, text) ? 0 : -EIO;
    while (*ret == 0 && PQflush(c) == 1)
        *ret = await(c, POLLIN | POLLOUT, deadline);
    for (;;) {
        while (*ret == 0 && PQisBusy(c)) {
            *ret = await(c, POLLIN, deadline);
            if (*ret == 0 && !PQconsumeInput(c))
                *ret = -EIO;
        }
        result = *ret == 0 ? PQgetResult(c) : NULL;
        if (!result)
            return value;
        if (PQresultStatus(result) == PGRES_TUPLES_OK && !value)
            value = strdup(PQgetvalue(result, 0, 0));
        else if (PQresultStatus(result) != PGRES_COMMAND_OK)
            fprintf(stderr, "%s", PQresultErrorMessage(result));
        PQclear(result);
    }
}

static int run_client(void *arg)
{
    int number = (int)(intptr_t)arg, r, is_good;
    PGconn *c = open_connection();
    char text[200], *value;

    snprintf(text, sizeof text, "insert into kept values (%d, 'row %d')",
             number, number);
    free(query(c, text, tn_after_s(10), &r));
    free(query(c, "select pg_sleep(0.2)", tn_after_s(10), &r));
    snprintf(text, sizeof text, "select t from kept where n = %d", number);
    value = query(c, text, tn_after_s(10), &r);
    snprintf(text, sizeof text, "row %d", number);
    is_good = value && strcmp(value, text) == 0;
    free(value);
    PQfinish(c);
    return is_good;
}

int main(int argc, char **argv)
{
    tn_greenlet *greenlets[CLIENTS];
    int n_good = 0, r, result;
    tn_time begin;
    PGconn *c;

    if (argc != 2)
        return 2;
    conninfo = argv[1];
    c = open_connection();
    free(query(c, "create table kept (n int, t text)", tn_after_s(10), &r));
    begin = tn_now();
    for (int i = 0; i < CLIENTS; i++)
        if (tn_spawn(run_client, (void *)(intptr_t)i, &greenlets[i]) < 0)
            return 1;
    for (int i = 0; i < CLIENTS; i++)
        if (tn_join(greenlets[i], &result, tn_after_s(30)) == 0)
            n_good += result;
    printf("good %d\nseconds %.3f\n", n_good, (double)(tn_now() - begin) / 1e9);
    free(query(c, "select pg_sleep(10)", tn_after_ms(50), &r));
    printf("left %s\n", strerror(-r));
    PQfinish(c);
    return 0;
}
