#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""src/patch/make-tables.py - what follows from symbols.txt.

usage: make-tables.py SYMBOLS map|table OUTPUT

map    the linker's version script
table  real-table.h: a pointer for each function of libc that is patched, and
       their names in the same order
"""

import sys


def read_symbols(path):
    """(name, the name whose function it shares or None) of each line."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split("#")[0].replace("=", " ").split()
            if words:
                yield words[0], words[1] if len(words) > 1 else None


def map_of(symbols):
    return "{ global: " + " ".join(
        f"{name};" for name, _ in symbols) + " local: *; };\n"


def table_of(symbols):
    real = [name for name, other in symbols
            if not other and not name.startswith(("__", "tn_"))]
    members = "".join(f"    __typeof__(&tn__patch_{name}) {name};\n"
                      for name in real)
    names = "".join(f'    "{name}",\n' for name in real)
    return ("/* Made by make-tables.py from symbols.txt. */\n"
            f"struct tn__patch_real {{\n{members}}};\n"
            f"#ifdef TN_PATCH_NAMES\nstatic const char *const names[] = {{\n"
            f"{names}}};\n#endif\n")


def main():
    symbols = list(read_symbols(sys.argv[1]))
    text = {"map": map_of, "table": table_of}[sys.argv[2]](symbols)
    with open(sys.argv[3], "w", encoding="utf-8") as file:
        file.write(text)


main()
