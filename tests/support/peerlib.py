# SPDX-License-Identifier: MIT
"""tests/support/peerlib.py - programs that are not ours, started and stopped.

For scripts that report TAP: a report, servers on free ports of the loopback,
a PostgreSQL server.
"""

import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

LIMIT = 60  # seconds for anything that should end by itself


class Report:
    """TAP, a line for each case."""

    def __init__(self):
        self.n = self.wrong = 0

    def case(self, name, is_good, *details):
        self.n += 1
        self.wrong += not is_good
        print(f"{'ok' if is_good else 'not ok'} {self.n} - {name}", flush=True)
        if not is_good:
            for detail in details:
                for line in str(detail).splitlines()[-12:]:
                    print(f"# {line}")

    def end(self):
        print(f"1..{self.n}")
        return 1 if self.wrong else 0


def skip(reason):
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)


def need(*commands):
    for command in commands:
        if not shutil.which(command):
            skip(f"{command} is not installed")


def run(words, text="", **options):
    """Run to the end; (exit status, standard output, standard error)."""
    done = subprocess.run(words, input=text, capture_output=True, text=True,
                          timeout=LIMIT, check=False, errors="replace",
                          **options)
    return done.returncode, done.stdout, done.stderr


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def await_port(port, process):
    """Until somebody listens there."""
    for _ in range(200):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit(f"{process.args[0]} does not listen on port {port}")


def start_on_port(make, kind=socket.SOCK_STREAM):
    """Start make(port), a server, on a free port: (process, port). Somebody
    else may be quicker to take the port; then on another one."""
    for _ in range(5):
        port = free_port(kind)
        process = subprocess.Popen(
            make(port), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        try:
            await_port(port, process)
            if process.poll() is None:
                return process, port
        except SystemExit as reason:
            print(f"# {reason}")
        stop(process)
    raise SystemExit("no server could be started")


def stop(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def as_other_user():
    """Words before a command that must not run as root."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        skip("root, and no setpriv to be somebody else")
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


class Postgres:
    """A PostgreSQL server of its own, in a folder of its own: `with` gives the
    folder, which is the host to connect to (or `port` on 127.0.0.1), as user
    tester to database postgres."""

    def __init__(self, *settings, port=0):
        self.settings = settings
        self.port = port

    def __enter__(self):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
        if not found:
            skip("PostgreSQL is not installed")
        tools = os.path.dirname(found[-1])
        user = as_other_user()
        self.folder = tempfile.TemporaryDirectory()
        name = self.folder.name
        if user:
            os.chown(name, 65534, 65534)
        status, out, err = run(
            user + [f"{tools}/initdb", "-D", f"{name}/data", "-U", "tester",
                    "-A", "trust", "--no-sync"], cwd=name)
        if status != 0:
            raise SystemExit(f"initdb: {out}{err}")
        address = "127.0.0.1" if self.port else ""
        words = [f"{tools}/postgres", "-D", f"{name}/data", "-k", name, "-c",
                 f"listen_addresses={address}", "-c", "fsync=off", "-p",
                 str(self.port or 5432)]
        for setting in self.settings:
            words += ["-c", setting]
        self.server = subprocess.Popen(
            user + words, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, cwd=name)
        for _ in range(200):
            if run([f"{tools}/pg_isready", "-h", name, "-p",
                    str(self.port or 5432)])[0] == 0:
                break
            time.sleep(0.05)
        return name

    def __exit__(self, *why):
        self.server.send_signal(signal.SIGINT)
        self.server.wait(LIMIT)
        self.folder.cleanup()
