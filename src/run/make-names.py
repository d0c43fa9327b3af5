#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""src/run/make-names.py - the names of system calls, for stats.

usage: make-names.py OUTPUT CC...

Asks the compiler for the macros of <asm/unistd.h> and writes a C table.
"""

import re
import subprocess
import sys


def main():
    output, compiler = sys.argv[1], sys.argv[2:]
    text = subprocess.run(
        compiler + ["-E", "-dM", "-x", "c", "-"], check=True, text=True,
        input="#include <asm/unistd.h>\n", capture_output=True).stdout
    names = sorted((int(number), name) for name, number in re.findall(
        r"^#define __NR_(\w+) (\d+)$", text, re.MULTILINE)
        if int(number) < 512)
    with open(output, "w", encoding="utf-8") as file:
        file.write('#include "run/run.h"\n\n'
                   "const char *const tn__run_call_names[TN__RUN_CALLS] = {\n")
        for number, name in names:
            file.write(f'    [{number}] = "{name}",\n')
        file.write("};\n")


main()
