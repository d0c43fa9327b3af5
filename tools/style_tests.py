# SPDX-License-Identifier: MIT
"""style_tests - small trees that tools/check-style must accept or refuse."""

SPDX = "/* SPDX-License-Identifier: MIT */\n"
README = {"src/hub/README": "hub - where greenlets wait.\n"}


def hub(text):
    """A tree whose only source file is src/hub/hub.c."""
    return dict(README, **{"src/hub/hub.c": SPDX + text})


def function(lines):
    return "int f(int a)\n{\n" + "    a++;\n" * (lines - 4) + \
        "    return a;\n}\n"


def ratchet(value, reason="# a table reads better whole"):
    return {"tools/style-ratchet.txt":
            f"src/hub/hub.c function-lines {value} {reason}\n"}


DEEP = """int f(int a)
{
    static const int table[2][2] = {{1, 2}, {3, 4}};
    if (a) {
        while (a) {
            if (a) {
                if (a) {
                    %s
                }
            }
        }
    }
    return table[0][0];
}
"""

DEEPER = """if (a) {
                        a--;
                    }"""

TESTS = [
    ("clean_code_is_accepted",
     hub("/* See https://example.org // or not. */\n" + function(100) +
         'const char *url = "http://x";\n'), None),
    ("a_wide_line_is_refused", hub("/* " + "x" * 80 + " */\n"),
     "src/hub/hub.c: 1 lines wider"),
    ("a_wide_table_row_is_accepted", hub("    {" + "1, " * 28 + "1},\n"), None),
    ("a_long_function_is_refused", hub(function(101)),
     "101 lines in the longest function; at most 100 (f() at line 2)"),
    ("a_recorded_long_function_is_accepted",
     dict(hub(function(101)), **ratchet(101)), None),
    ("growth_over_a_recorded_value_is_refused",
     dict(hub(function(103)), **ratchet(102)), "it may only fall"),
    ("a_value_that_fell_must_be_lowered",
     dict(hub(function(101)), **ratchet(102)), "lower it"),
    ("a_record_without_a_reason_is_refused",
     dict(hub(function(101)), **ratchet(101, "")), "path measure value"),
    ("a_record_of_a_lost_file_is_refused", dict(README, **ratchet(101)),
     "is not there any more"),
    ("a_long_file_is_refused", hub("int a;\n" * 700), "701 lines in the file"),
    ("seven_parameters_are_refused",
     hub("int f(int a, int b, int c, int d,\n      int e, int g, int h)\n"
         "{\n    return 0;\n}\n"), "7 parameters of one function"),
    ("four_blocks_inside_one_another_are_accepted", hub(DEEP % "a--;"), None),
    ("five_blocks_inside_one_another_are_refused",
     hub(DEEP % DEEPER), "5 blocks inside one another"),
    ("a_line_comment_is_refused", hub("int a; // why\n"), "a // comment"),
    ("a_tab_is_refused", hub("\tint a;\n"), "a tab"),
    ("a_trailing_space_is_refused", hub("int a; \n"), "space at the end"),
    ("debt_without_an_owner_is_refused", hub("/* TO" "DO: later */\n"),
     "debt without an owner"),
    ("debt_with_an_owner_is_accepted",
     hub("/* TO" "DO(#12): drop with Linux 6.1 */\n"), None),
    ("a_banned_call_is_refused", hub("void f(char *a)\n{\n    gets(a);\n}\n"),
     "gets() is banned"),
    ("a_library_that_prints_is_refused",
     hub('void f(void)\n{\n    printf("x");\n}\n'), "printf() is banned"),
    ("a_command_that_prints_is_accepted",
     {"src/cli/README": "cli\n",
      "src/cli/main.c": SPDX + 'void f(void)\n{\n    printf("x");\n}\n'}, None),
    ("many_macros_are_refused", hub("#define F(a) a\n" * 5),
     "function-like macros"),
    ("many_conditions_are_refused", hub("#if A\n#endif\n" * 6),
     "#if per 1,000 lines"),
    ("a_folder_without_a_readme_is_refused", {"src/hub/hub.c": SPDX},
     "src/hub: no README"),
    ("a_long_readme_is_refused",
     {"src/hub/README": "x\n" * 16, "src/hub/hub.c": SPDX},
     "16 lines in the README"),
    ("a_path_of_a_machine_is_refused", hub("/* see /ho" "me/me/x */\n"),
     "somebody's machine"),
    ("a_missing_spdx_line_is_refused",
     dict(README, **{"src/hub/hub.c": "int a;\n"}), "no SPDX line"),
    ("a_missing_last_newline_is_refused", hub("int a;"), "no newline"),
]
