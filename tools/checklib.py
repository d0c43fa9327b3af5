# SPDX-License-Identifier: MIT
"""checklib - what the check programs of tools/ have in common.

A check is a function check(root, arguments) that yields problems, each one
string like "src/hub/hub.c:12: what is wrong". It may raise Skip. Its self
tests are rows (name, {path: text}, expected): files of a small tree, and the
text that one of the problems must contain, or None if there may be none.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

SKIP_STATUS = 77
SOURCE_ENDINGS = (".c", ".h", ".S")


class Skip(Exception):
    """This check has nothing to look at; the text says why."""


def run(command, **options):
    """Run a command and return it, with its output as text."""
    try:
        return subprocess.run(command, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False,
                              **options)
    except FileNotFoundError:
        return sys.exit(f"{command[0]} is not there; tools/setup installs it")


def output_of(command):
    """The standard output of a command that has to succeed."""
    done = run(command)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def tree_files(root):
    """Every file of the tree, as a path relative to root, sorted."""
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders
                      if name not in (".git", "__pycache__", ".cache")
                      and not is_build_folder(os.path.join(folder, name))]
        for name in files:
            path = pathlib.Path(folder, name)
            if path.is_file() and not path.is_symlink():
                found.append(path.relative_to(root))
    return sorted(found)


def is_build_folder(folder):
    return os.path.exists(os.path.join(folder, "meson-private"))


def read(root, path):
    return pathlib.Path(root, path).read_text(encoding="utf-8",
                                              errors="replace")


def blank_comments(text, keep_strings=False):
    """C text with comments (and string contents) blanked, lines kept."""
    pattern = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
                         r"|/\*.*?\*/|//[^\n]*", re.DOTALL)

    def blank(match):
        found = match.group(0)
        if found[0] in "\"'":
            if keep_strings:
                return found
            return found[0] + " " * (len(found) - 2) + found[0]
        return re.sub(r"[^\n]", " ", found)

    return pattern.sub(blank, text)


def self_test(check, tests):
    """Run the check on each small tree. Returns the number that went wrong."""
    wrong = 0
    for name, files, expected in tests:
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                target = pathlib.Path(root, path)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
            problems = list(check(root, []))
        if expected is None:
            good = not problems
        else:
            good = any(expected in problem for problem in problems)
        print(f"{'ok' if good else 'not ok'} - {name}")
        if not good:
            wrong += 1
            print(f"# wanted: {expected}")
            for problem in problems:
                print(f"# got: {problem}")
    print(f"1..{len(tests)}")
    return wrong


def main(check, tests):
    """The command line of a check: ROOT [ARGUMENTS...] or --self-test."""
    arguments = sys.argv[1:]
    if arguments == ["--self-test"]:
        sys.exit(1 if self_test(check, tests) else 0)
    root = arguments[0] if arguments else str(
        pathlib.Path(__file__).resolve().parent.parent)
    try:
        problems = list(check(root, arguments[1:]))
    except Skip as skip:
        print(f"skipped: {skip}")
        sys.exit(SKIP_STATUS)
    except FileNotFoundError as missing:
        problems = [f"{missing.filename} is not there"]
    for problem in problems:
        print(problem)
    name = os.path.basename(sys.argv[0])
    print(f"{name}: {len(problems) or 'no'} problem"
          f"{'' if len(problems) == 1 else 's'}")
    sys.exit(1 if problems else 0)
