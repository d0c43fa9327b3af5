/* SPDX-License-Identifier: MIT */
/* tendril/config.h - settings: each has a name, a type, a default, a range and
 * an environment variable; one table declares them all.
 *
 * Ownership  Texts that are given out are static, or lie in the caller's
 *            struct; texts that are given in are copied.
 * Blocking   Nothing here waits.
 * Threads    Every function may be called from any thread. The settings are
 *            the process's.
 * Manual     tn_config(3). `tendril info` prints all settings.
 */
#ifndef TN_CONFIG_H
#define TN_CONFIG_H

#include <tendril/base.h>

TN_BEGIN_DECLS

enum { TN_SETTING_TEXT_MAX = 128 };

/* One setting, as it stands. */
struct tn_setting {
    size_t size;          /* set by the caller: sizeof(struct tn_setting) */
    const char *name;     /* "stack_bytes" */
    const char *env;      /* "TENDRIL_STACK_BYTES" */
    const char *type;     /* "choice", "switch", "number", "bytes", "time",
                           * "text" */
    const char *fallback; /* the default, as text */
    const char *help;     /* what it does: one sentence */
    const char *origin;   /* "default", "environment" or "program" */
    char allowed[TN_SETTING_TEXT_MAX]; /* what a value may be */
    char value[TN_SETTING_TEXT_MAX];   /* the value, as text */
};

/* The setting number `index`, from 0. -ENOENT behind the last one; -EINVAL
 * when the environment has a bad value for it (ret->value is that value). */
TN_API TN_MUST int tn_config_at(size_t index, struct tn_setting *ret_setting);

/* Set the setting `name`; it then no longer comes from the environment. A NULL
 * value gives it back to the environment. It counts for what is made after
 * that: hubs, threads, greenlets.
 * -ENOENT no such setting; -EINVAL not an allowed value; nothing changes. */
TN_API TN_MUST int tn_config_set(const char *name, const char *value);

/* Write the value of `name` to `buf` (always terminated). Returns its full
 * length, -ENOENT, or -EINVAL for a bad one of the environment. */
TN_API TN_MUST int tn_config_get(const char *name, char *buf, size_t size);

/* What was wrong when a call on this thread last returned -EINVAL or -ENOENT
 * for a setting, tn_hub_get() included: the name, the value and what is
 * allowed. "" if nothing was. Valid until the next such call. */
TN_API const char *tn_config_error(void);

TN_END_DECLS
#endif /* TN_CONFIG_H */
