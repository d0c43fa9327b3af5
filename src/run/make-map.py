#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""src/run/make-map.py - the linker's version script from symbols.txt.

usage: make-map.py SYMBOLS OUTPUT
"""

import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        names = [line.split("#")[0].strip() for line in file]
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write("{ global: " + " ".join(
            name + ";" for name in names if name) + " local: *; };\n")


main()
