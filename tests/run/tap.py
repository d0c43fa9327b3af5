# SPDX-License-Identifier: MIT
"""tests/run/tap.py - what the scripts here share: programs started under
`tendril run`, and TAP.

A script is called with TENDRIL PROGRAMS_DIR [NAME...]."""

import pathlib
import subprocess
import sys
import traceback

TENDRIL = pathlib.Path(sys.argv[1]).absolute()
PROGRAMS = pathlib.Path(sys.argv[2]).absolute()
LIMIT_S = 60


class Skip(Exception):
    """Its text is the reason."""


def expect(is_true, what):
    if not is_true:
        raise AssertionError(what)


def start(*command, **options):
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
               "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen(command, **options)


def finish(process):
    try:
        out, err = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out, err


def native(*command, **options):
    return finish(start(*command, **options))


def green(*command, **options):
    return finish(start(TENDRIL, "run", *command, **options))


def run(tests):
    """Run the functions, or those of them that are named, and exit."""
    wanted = sys.argv[3:]
    tests = [t for t in tests if not wanted or t.__name__ in wanted]
    failed = 0
    print(f"1..{len(tests)}")
    for number, test in enumerate(tests, 1):
        name = f"{number} - {test.__name__}"
        try:
            test()
            print(f"ok {name}", flush=True)
        except Skip as reason:
            print(f"ok {name} # SKIP {reason}", flush=True)
        except Exception:  # any failure of a test is a failed test
            failed += 1
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            print(f"not ok {name}", flush=True)
    sys.exit(failed != 0)
