# SPDX-License-Identifier: MIT
"""process - run the programs of a bench, on chosen cores, and end them all.

A child dies with this process however that ends: by the end of cleanup(), or,
should the runner crash, by the signal that Linux sends at its parent's death.
"""

import contextlib
import ctypes
import json
import os
import re
import signal
import subprocess
import tempfile
import threading

SKIP_STATUS = 77
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)
_children = []


class Failed(Exception):
    """A run went wrong; the text says how."""


class Skipped(Exception):
    """This machine cannot give that figure; the text says why."""


class Context:
    """What every bench needs to know."""

    def __init__(self, build, options):
        self.build = build
        self.pairs = options.pairs
        self.window_ms = round(options.window * 1000)
        self.python = options.python
        self.failures = []  # names of what failed, shared by all copies
        cores = sorted(os.sched_getaffinity(0))
        self.first_core = {cores[0]}
        self.second_core = {cores[1]} if len(cores) > 1 else None

    def changed(self, **fields):
        """The same, with some things otherwise."""
        copy = object.__new__(Context)
        copy.__dict__.update(self.__dict__, **fields)
        return copy

    def program(self, name, is_peer=False):
        """The path of a program of ours."""
        path = self.build / "bench" / name
        if path.exists():
            return str(path)
        if is_peer:
            raise Skipped(f"{name} was not built: its library is missing")
        raise Failed(f"{path} is not there: build first")


def start(command, cores=None, **options):
    """Start a child of which cleanup() knows."""
    def prepare():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if cores:
            os.sched_setaffinity(0, cores)

    try:
        child = subprocess.Popen(  # noqa: PLW1509 (no thread runs here)
            command, preexec_fn=prepare, start_new_session=True, **options)
    except OSError as error:
        raise Failed(f"{command[0]}: {error.strerror}") from None
    _children.append(child)
    return child


def stop(child, number=signal.SIGKILL):
    """End a child and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)
    try:
        child.wait(timeout=10)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()
    if child in _children:
        _children.remove(child)


@contextlib.contextmanager
def cleanup():
    """End all children at the end of the block, also at SIGTERM or SIGHUP."""
    def leave(number, _frame):
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, leave)
    try:
        yield
    finally:
        for child in list(_children):
            stop(child)


def run_json(command, cores=None, timeout=120):
    """Run a program that measures, and return the object it prints."""
    child = start(command, cores, stdout=subprocess.PIPE,
                  stderr=subprocess.PIPE, text=True)
    try:
        out, error = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failed(f"{name_of(command)} took more than {timeout} s") from None
    finally:
        stop(child)
    return answer(command, child.returncode, out, error)


def answer(command, status, out, error):
    """The object that a program printed, or why there is none."""
    reason = " ".join(error.split())[-400:]
    if status == SKIP_STATUS:
        raise Skipped(reason)
    if status != 0:
        ending = f"signal {-status}" if status < 0 else f"status {status}"
        raise Failed(f"{name_of(command)}: {ending} {reason}".strip())
    try:
        return json.loads(out)
    except json.JSONDecodeError:
        raise Failed(f"{name_of(command)} printed {out[:100]!r}") from None


def name_of(command):
    """A command as it is shown: without the folder of its program."""
    return " ".join([os.path.basename(command[0]), *command[1:2]])


class Server:
    """A server that says "port N" when it is ready."""

    def __init__(self, command, cores=None):
        self.command = command
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in stop)
        self.child = start(command, cores, stdout=subprocess.PIPE,
                           stderr=self.errors)
        self.pid = self.child.pid
        try:
            self.port = self._read_port()
        except BaseException:
            self.stop()
            raise

    def _read_port(self):
        """Read its output until it names the port, for ten seconds."""
        limit = threading.Timer(10, self.child.kill)
        limit.start()
        try:
            for line in self.child.stdout:
                found = re.search(rb"\bport (\d+)", line)
                if found:
                    return int(found.group(1))
        finally:
            limit.cancel()
        raise Failed(f"{name_of(self.command)} did not start: {self.reason()}")

    def reason(self):
        """The end of what it has written on stderr."""
        self.errors.seek(0)
        text = self.errors.read()[-400:].decode(errors="replace")
        return " ".join(text.split())

    def state(self):
        """How it is, for a report of failure."""
        status = self.child.poll()
        how = "runs" if status is None else f"ended with status {status}"
        return f"{name_of(self.command)} {how} {self.reason()}".strip()

    def check(self):
        """Fail if it has ended."""
        if self.child.poll() is not None:
            raise Failed(self.state())

    def stop(self):
        stop(self.child)
        self.errors.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
