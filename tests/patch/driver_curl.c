/* SPDX-License-Identifier: MIT */
/* driver_curl - libcurl's blocking calls in greenlets.
 *
 * usage: driver_curl URL N [CA]   (a page that takes a while) */
#include "crew.h"

#include <curl/curl.h>

static const char *url, *authority;

/* A short answer. */
struct text {
    char bytes[100];
    size_t n;
};

static size_t keep(char *data, size_t size, size_t n, void *arg)
{
    struct text *text = arg;

    if (text->n + size * n >= sizeof text->bytes)
        return 0;
    memcpy(text->bytes + text->n, data, size * n);
    text->n += size * n;
    return size * n;
}

static int fetch(int number)
{
    CURL *c = curl_easy_init();
    char wanted[100], address[200];
    struct text text = {"", 0};
    CURLcode r;

    if (!c)
        return 0;
    snprintf(address, sizeof address, "%s?%d", url, number);
    snprintf(wanted, sizeof wanted, "answer %d\n", number);
    curl_easy_setopt(c, CURLOPT_URL, address);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &text);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, 30L);
    if (authority)
        curl_easy_setopt(c, CURLOPT_CAINFO, authority);
    crew_go();
    r = curl_easy_perform(c);
    if (r != CURLE_OK)
        printf("%s\n", curl_easy_strerror(r));
    curl_easy_cleanup(c);
    return r == CURLE_OK && strcmp(text.bytes, wanted) == 0;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    url = argv[1];
    authority = argv[3];
    curl_global_init(CURL_GLOBAL_ALL);
    printf("libcurl with %s\n",
           curl_version_info(CURLVERSION_NOW)->ares ? "c-ares" : "threads");
    crew_run("perform", number_of(argv[2]), fetch);
    curl_global_cleanup();
    return 0;
}
