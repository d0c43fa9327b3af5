# SPDX-License-Identifier: MIT
"""servers - MariaDB and a Java server, native and under `tendril run`."""

import contextlib
import functools
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import apps
import process
import report
import threads

HERE = pathlib.Path(__file__).resolve().parent.parent
START_S = 30
CLIENTS = 200
SLAP = {
    "run_mariadb_select": ["--query=select 1;", "--delimiter=;",
                           "--create-schema=mysql",  # is there, and stays so
                           "--number-of-queries=200000"],
    "run_mariadb_mixed": [
        "--auto-generate-sql", "--auto-generate-sql-load-type=mixed",
        "--auto-generate-sql-add-autoincrement", "--engine=innodb",
        "--number-of-queries=8000"],
}


def need(*commands):
    for command in commands:
        if not shutil.which(command):
            raise process.Skipped(f"{command} is not installed")


def finish(command, **options):
    """Run to the end; what it has printed."""
    done = subprocess.run(command, capture_output=True, text=True,
                          check=False, timeout=120, **options)
    if done.returncode != 0:
        raise process.Failed(f"{process.name_of(command)}: "
                             + " ".join(done.stderr.split())[-300:])
    return done.stdout


@contextlib.contextmanager
def mariadb(context, who, folder):
    """A server with a thread for each connection; its process."""
    path = f"{folder}/socket"
    words = ["mariadbd", "--no-defaults", f"--datadir={folder}/data",
             f"--socket={path}", "--skip-networking",
             f"--pid-file={folder}/pid", f"--max-connections={CLIENTS + 10}",
             # The client does not wait where the backlog is full.
             f"--back-log={CLIENTS + 10}",
             "--thread-handling=one-thread-per-connection"]
    if os.geteuid() == 0:
        words.append("--user=root")
    child = process.start(threads.command_of(context, who, words),
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
    try:
        limit = time.monotonic() + START_S
        while subprocess.run(["mariadb-admin", "--no-defaults", "-uroot",
                              f"--socket={path}", "ping"], check=False,
                             capture_output=True).returncode != 0:
            if child.poll() is not None or time.monotonic() > limit:
                raise process.Failed("mariadbd did not start")
            time.sleep(0.1)
        yield child
    finally:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(START_S)
        process.stop(child)


def run_mariadb(context, who, folder, words):
    """Queries per second, as its own load generator counts them."""
    with mariadb(context, who, folder) as child:
        before = apps.cpu_s(child.pid)
        load = process.start(
            ["mariadb-slap", "--no-defaults", "-uroot", "--csv", "--silent",
             f"--socket={folder}/socket", f"--concurrency={CLIENTS}", *words],
            context.second_core, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        out, error = load.communicate(timeout=120)
        process.stop(load)
        if load.returncode != 0 or error.strip() or not out.strip():
            raise process.Failed(" ".join(error.split())[-300:])
        fields = out.strip().splitlines()[-1].split(",")
        seconds, asked = float(fields[2]), CLIENTS * int(fields[6])
        used = apps.cpu_s(child.pid) - before
        return {"per_s": asked / seconds, "cpu_us": used / asked * 1e6,
                "memory_mib": apps.memory_mib(child.pid)}


def measure_mariadb(context, name, goal):
    need("mariadbd", "mariadb-slap", "mariadb-admin", "mariadb-install-db")
    with tempfile.TemporaryDirectory() as folder:
        words = ["mariadb-install-db", "--no-defaults",
                 f"--datadir={folder}/data", "--skip-test-db",
                 "--auth-root-authentication-method=normal"]
        finish(words + (["--user=root"] if os.geteuid() == 0 else []))
        tell(context, name, goal, lambda who: run_mariadb(
            context, who, folder, SLAP[name]))


def run_java(context, who, folder):
    words = ["java", "-Xmx256m", "-Dsun.net.httpserver.nodelay=true", "-cp",
             folder, "HelloServer", str(CLIENTS)]
    with process.Server(threads.command_of(context, who, words)) as server:
        apps.ask(context, server.port, CLIENTS, 3)  # the compiler's turn
        before = apps.cpu_s(server.pid)
        seconds = max(2, round(context.window_ms / 1000))
        per_s = apps.ask(context, server.port, CLIENTS, seconds)
        used = apps.cpu_s(server.pid) - before
        server.check()
        return {"per_s": per_s, "cpu_us": used / (per_s * seconds) * 1e6,
                "memory_mib": apps.memory_mib(server.pid)}


def measure_java(context, name, goal):
    need("java", "javac", "wrk")
    with tempfile.TemporaryDirectory() as folder:
        finish(["javac", "-d", folder, str(HERE / "HelloServer.java")])
        tell(context, name, goal, lambda who: run_java(context, who, folder))


def tell(context, name, goal, run):
    """Native and tendril in turn, and their lines."""
    runs = report.interleave(context, name, {
        who: functools.partial(run, who) for who in ("native", "tendril")})
    for who, found in runs.items():
        fields = report.medians(found, ("memory_mib",))
        fields["cpu_s_per_million"] = report.medians(
            found, ("cpu_us",))["cpu_us"]
        if who == "tendril":
            fields["goal"] = goal
        if who == "tendril" and "native" in runs:
            fields.update(report.ratio_fields(
                "ratio", threads.rates(found), threads.rates(runs["native"])))
            fields.update(report.ratio_fields(
                "cpu_ratio", threads.per_cpu(found),
                threads.per_cpu(runs["native"])))
        report.line(name, who, "requests/s", threads.rates(found), **fields)


BENCHES = {
    "run_java_200": (measure_java, ("ratio >= 1.0",)),
    "run_mariadb_mixed": (measure_mariadb, ("ratio >= 1.0",)),
    "run_mariadb_select": (measure_mariadb, ("ratio >= 1.2",)),
}
