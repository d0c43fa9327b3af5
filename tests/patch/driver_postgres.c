/* SPDX-License-Identifier: MIT */
/* driver_postgres - libpq's blocking calls in greenlets.
 *
 * usage: driver_postgres CONNINFO N */
#include "crew.h"

#include <errno.h>
#include <libpq-fe.h>

static const char *conninfo;

static PGconn *open_connection(void)
{
    PGconn *c = PQconnectdb(conninfo);

    if (PQstatus(c) != CONNECTION_OK) {
        printf("%s", PQerrorMessage(c));
        exit(1);
    }
    return c;
}

static int nap(int number)
{
    PGconn *c = open_connection();
    PGresult *r;
    char text[64];
    int is_good;

    snprintf(text, sizeof text, "select %d, pg_sleep(0.1)", number);
    crew_go();
    r = PQexec(c, text);
    is_good = PQresultStatus(r) == PGRES_TUPLES_OK &&
              number_of(PQgetvalue(r, 0, 0)) == number;
    PQclear(r);
    PQfinish(c);
    return is_good;
}

/* A query that a scope ends: libpq reports it, and the connection is lost, as
 * after any error of its socket. */
static int leave_at_deadline(void *arg)
{
    PGconn *c = open_connection();
    tn_timeout scope;
    PGresult *r;

    (void)arg;
    tn_timeout_begin(&scope, tn_after_ms(50));
    r = PQexec(c, "select pg_sleep(30)");
    tn_timeout_end(&scope);
    printf("deadline: fired %d, %s", scope.fired, PQresultErrorMessage(r));
    PQclear(r);
    PQfinish(c);
    return 0;
}

int main(int argc, char **argv)
{
    struct tn_greenlet_options options = TN_GREENLET_OPTIONS;
    tn_greenlet *g;

    if (argc != 3)
        return 2;
    conninfo = argv[1];
    crew_run("pg_sleep", number_of(argv[2]), nap);
    options.stack_bytes = 512 * 1024;
    if (tn_spawn_with(&options, leave_at_deadline, NULL, &g) < 0 ||
        tn_join(g, NULL, tn_after_s(10)) < 0)
        return 1;
    return 0;
}
