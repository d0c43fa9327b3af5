/* SPDX-License-Identifier: MIT */
/* Settings: the environment, the program, what is refused and how that is
 * told. S149. */
#include <stdlib.h>
#include <string.h>

#include "support/green.h"

static struct tn_setting setting(const char *name)
{
    struct tn_setting s = {.size = sizeof s};
    int r;

    for (size_t i = 0; (r = tn_config_at(i, &s)) != -ENOENT; i++)
        if (strcmp(s.name, name) == 0)
            return s;
    fail_msg("there is no setting %s", name);
    return s;
}

static void assert_value(const char *name, const char *value,
                         const char *origin)
{
    struct tn_setting s = setting(name);
    char buf[TN_SETTING_TEXT_MAX];

    assert_string_equal(s.value, value);
    assert_string_equal(s.origin, origin);
    assert_int_equal(tn_config_get(name, buf, sizeof buf), strlen(value));
    assert_string_equal(buf, value);
}

/* Make this thread's hub, and free it again if that worked. */
static int try_hub(void)
{
    tn_hub *hub;
    int r = tn_hub_get(&hub);

    if (r == 0)
        assert_result(tn_hub_destroy(), 0);
    return r;
}

static void every_default_is_allowed(void)
{
    struct tn_setting s = {.size = sizeof s};
    size_t n = 0;

    while (tn_config_at(n, &s) != -ENOENT) {
        assert_result(tn_config_set(s.name, s.fallback), 0);
        assert_string_equal(setting(s.name).origin, "program");
        assert_non_null(strstr(s.env, "TENDRIL_"));
        assert_true(s.help[strlen(s.help) - 1] == '.');
        n++;
    }
    assert_true(n >= 6);
}

static void the_program_wins_over_the_environment_until_it_gives_back(void)
{
    assert_value("tick", "5ms", "default");
    setenv("TENDRIL_TICK", "7ms", 1);
    assert_result(try_hub(), 0);
    assert_value("tick", "7ms", "environment");
    assert_result(tn_config_set("tick", "9ms"), 0);
    assert_value("tick", "9ms", "program");
    assert_result(tn_config_set("tick", NULL), 0);
    assert_value("tick", "7ms", "environment");
}

static void no_hub_is_made_with_a_bad_value_and_the_error_says_why(void)
{
    setenv("TENDRIL_STACK_BYTES", "12", 1);
    assert_result(try_hub(), -EINVAL);
    assert_string_equal(tn_config_error(), "TENDRIL_STACK_BYTES is \"12\"; "
                                           "allowed: 16K to 1G");
    setenv("TENDRIL_STACK_BYTES", "128kb", 1);
    assert_result(try_hub(), 0);
}

static void a_bad_value_of_the_program_changes_nothing(void)
{
    assert_result(tn_config_set("guard", "mprotect"), 0);
    assert_result(tn_config_set("guard", "bricks"), -EINVAL);
    assert_string_equal(tn_config_error(), "guard is \"bricks\"; allowed: "
                                           "madvise mprotect none");
    assert_value("guard", "mprotect", "program");
    assert_result(tn_config_set("guard", ""), -EINVAL);
    assert_result(tn_config_set("guard", "mprotect none"), -EINVAL);
}

static void an_unknown_name_is_an_error_of_its_own(void)
{
    char buf[8];

    assert_result(tn_config_set("gaurd", "none"), -ENOENT);
    assert_non_null(strstr(tn_config_error(), "\"gaurd\""));
    assert_result(tn_config_get("gaurd", buf, sizeof buf), -ENOENT);
    assert_result(tn_config_set(NULL, "x"), -EINVAL);
    assert_result(tn_config_get(NULL, buf, sizeof buf), -EINVAL);
}

static void quantities_have_units_and_bounds(void)
{
    static const char *const good[] = {"16384", "16k", "16KB",   "16KiB",
                                       "1M",    "1g",  "0x10000"};
    static const char *const bad[] = {
        "",  "16 k",    "16kk", "-1", "2g", "1023g", "99999999999999999999",
        "k", "9000000g"};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_result(tn_config_set("stack_bytes", good[i]), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_result(tn_config_set("stack_bytes", bad[i]), -EINVAL);
    assert_result(tn_config_set("tick", "250us"), 0);
    assert_result(tn_config_set("tick", "1"), 0); /* seconds */
    assert_result(tn_config_set("tick", "1ns"), -EINVAL);
    assert_result(tn_config_set("overflow_report", "yes"), 0);
    assert_result(tn_config_set("overflow_report", "2"), -EINVAL);
}

static void an_older_program_knows_fewer_fields(void)
{
    struct {
        struct tn_setting s;
        char more[64]; /* of a newer one */
    } big;
    struct tn_setting small = {.size = offsetof(struct tn_setting, help)};

    small.help = "as it was";
    assert_result(tn_config_at(0, &small), 0);
    assert_string_equal(small.name, "loop");
    assert_string_equal(small.help, "as it was");
    memset(&big, 0xff, sizeof big);
    big.s.size = sizeof big;
    assert_result(tn_config_at(0, &big.s), 0);
    assert_string_equal(big.s.name, "loop");
    assert_int_equal(big.more[63], 0);
    small.size = 0;
    assert_result(tn_config_at(0, &small), -EINVAL);
    assert_result(tn_config_at(0, NULL), -EINVAL);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void the_size_of_stacks_is_the_settings(void)
{
    tn_greenlet *g;
    size_t bytes = 0;
    void *low;

    assert_result(tn_config_set("stack_bytes", "256K"), 0);
    g = spawn(nothing, NULL);
    assert_result(tn_greenlet_stack(g, &low, &bytes), 0);
    assert_true(bytes > 200 * 1024 && bytes <= 256 * 1024);
    assert_int_equal(join(g), 0);
    assert_result(tn_hub_destroy(), 0);
}

static void in_child(void)
{
    setenv("TENDRIL_TICK", "6ms", 1);
    assert_result(try_hub(), 0);
    assert_value("tick", "6ms", "environment");
}

static void a_forked_child_reads_the_environment_again(void)
{
    assert_result(try_hub(), 0);
    run_in_child(in_child);
    assert_value("tick", "5ms", "default");
}

TEST_MAIN(TEST_BARE(every_default_is_allowed),
          TEST_BARE(the_program_wins_over_the_environment_until_it_gives_back),
          TEST_BARE(no_hub_is_made_with_a_bad_value_and_the_error_says_why),
          TEST_BARE(a_bad_value_of_the_program_changes_nothing),
          TEST_BARE(an_unknown_name_is_an_error_of_its_own),
          TEST_BARE(quantities_have_units_and_bounds),
          TEST_BARE(an_older_program_knows_fewer_fields),
          TEST_BARE(the_size_of_stacks_is_the_settings),
          TEST_BARE(a_forked_child_reads_the_environment_again))
