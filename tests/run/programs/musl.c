/* SPDX-License-Identifier: MIT */
/* musl - threads, locks and pipes of another libc; also runs with glibc. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROUNDS = 500 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn;
static long sum;

static void *take_turns(void *arg)
{
    int me = *(int *)arg;

    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&lock);
        while (turn != me)
            pthread_cond_wait(&changed, &lock);
        sum = sum * 31 % 1000003 + me;
        turn = !me;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void *echo(void *arg)
{
    int *ends = arg;
    char c;

    while (read(ends[0], &c, 1) == 1)
        if (write(ends[3], &c, 1) != 1)
            abort();
    close(ends[3]);
    return NULL;
}

int main(void)
{
    pthread_t threads[2], echoer;
    int numbers[2] = {0, 1}, ends[4], n = 0;
    char c = 'x';

    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, take_turns, &numbers[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("turns %ld\n", sum);
    if (pipe(ends) < 0 || pipe(ends + 2) < 0)
        return 1;
    pthread_create(&echoer, NULL, echo, ends);
    for (int i = 0; i < ROUNDS; i++)
        n += write(ends[1], &c, 1) == 1 && read(ends[2], &c, 1) == 1;
    close(ends[1]);
    pthread_join(echoer, NULL);
    printf("echoed %d, then %zd\n", n, read(ends[2], &c, 1));
    return 0;
}
