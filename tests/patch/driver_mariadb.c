/* SPDX-License-Identifier: MIT */
/* driver_mariadb - libmariadb's blocking calls in greenlets.
 *
 * usage: driver_mariadb SOCKET N */
#include "crew.h"

#include <mysql.h>

static const char *path;

static MYSQL *open_connection(void)
{
    MYSQL *c = mysql_init(NULL);

    if (!c || !mysql_real_connect(c, NULL, "root", "", NULL, 0, path, 0)) {
        printf("%s\n", c ? mysql_error(c) : "no memory");
        exit(1);
    }
    return c;
}

static int nap(int number)
{
    MYSQL *c = open_connection();
    MYSQL_RES *result;
    MYSQL_ROW row;
    char text[64];
    int is_good = 0;

    snprintf(text, sizeof text, "select %d, sleep(0.1)", number);
    crew_go();
    if (mysql_query(c, text) == 0 && (result = mysql_store_result(c))) {
        row = mysql_fetch_row(result);
        is_good = row && number_of(row[0]) == number;
        mysql_free_result(result);
    }
    mysql_close(c);
    return is_good;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    path = argv[1];
    mysql_library_init(0, NULL, NULL);
    crew_run("sleep", number_of(argv[2]), nap);
    mysql_library_end();
    return 0;
}
