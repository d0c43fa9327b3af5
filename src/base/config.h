/* SPDX-License-Identifier: MIT */
/* base/config.h - the settings, for the library itself. A new one is a line of
 * this enum and an entry of the table in config.c, and nothing else. */
#ifndef TN_BASE_CONFIG_H
#define TN_BASE_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <tendril/config.h>

enum tn__config_id {
    TN__CONFIG_LOOP,            /* choice: TN__LOOP_* */
    TN__CONFIG_GUARD,           /* choice: as enum tn__stack_guard */
    TN__CONFIG_OVERFLOW_REPORT, /* switch */
    TN__CONFIG_STACK_BYTES,     /* bytes */
    TN__CONFIG_TICK,            /* time: ns */
    TN__CONFIG_SIM_SEED,        /* number */
    TN__CONFIG_OFFLOAD_THREADS, /* number */
    TN__CONFIG_OFFLOAD_IDLE,    /* time: ns */
    TN__CONFIG_DNS,             /* choice: auto ares libc */
    TN__CONFIG_DNS_SERVERS,     /* text */
    TN__CONFIG_DNS_TIMEOUT,     /* time: ns */
    TN__CONFIG_DNS_TRIES,       /* number */
    TN__CONFIG_DNS_CACHE,       /* number */
    TN__CONFIG_FILES,           /* choice: 0 by io_uring, 1 by the pool */
    TN__CONFIG_COUNT
};

/* Read the environment. 0, or -EINVAL when a value there is not allowed:
 * tn_config_error() says which. Done when a hub is made; the values below are
 * as of then. */
int tn__config_load(void);

/* The value of a setting that is not a text: the number, the index of the
 * choice, 0 or 1, bytes, ns. The environment is read if it was not yet; a bad
 * value there counts as the default. */
int64_t tn__config_number(enum tn__config_id id);

/* The value of a setting that is a text, or of any as text. Returns its
 * length, which is below `size` if it fits. */
size_t tn__config_text(enum tn__config_id id, char *buf, size_t size);

#endif /* TN_BASE_CONFIG_H */
