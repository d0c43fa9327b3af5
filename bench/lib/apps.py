# SPDX-License-Identifier: MIT
"""apps - what people run today, native, under `tendril run` and on gevent."""

import contextlib
import functools
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

import process
import report
import threads

HERE = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))

import peerlib  # noqa: E402  (found in the folder that was just added)

WARM_S = 1
HOOKS = """\
def post_worker_init(worker):
    port = worker.sockets[0].getsockname()[1]
    print(f"worker {worker.pid} port {port}", flush=True)
"""


def skipping(fn, *arguments):
    """What a test would skip, a bench skips too."""
    try:
        return fn(*arguments)
    except SystemExit:
        raise process.Skipped("it is not installed") from None


class Gunicorn(process.Server):
    """A gunicorn with one worker: that is who is measured."""

    def _read_port(self):
        limit = threading.Timer(20, self.child.kill)
        limit.start()
        try:
            for line in self.child.stdout:
                found = re.search(rb"worker (\d+) port (\d+)", line)
                if found:
                    self.pid = int(found.group(1))
                    return int(found.group(2))
        finally:
            limit.cancel()
        raise process.Failed(f"gunicorn did not start: {self.reason()}")


@contextlib.contextmanager
def other_server():
    """An HTTP server that answers at once, on threads of this process."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
    answer = b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nother"

    def serve():
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            with one, contextlib.suppress(OSError):
                one.recv(4096)
                one.sendall(answer)
    for _ in range(2):
        threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def command_of(context, who, hooks):
    gunicorn = shutil.which("gunicorn")
    if not shutil.which("wrk"):
        raise process.Skipped("wrk is not installed")
    if not gunicorn or not os.access(context.python, os.X_OK):
        raise process.Skipped("gunicorn is not installed")
    words = [context.python, gunicorn, "-b", "127.0.0.1:0", "-c", hooks,
             "--chdir", str(HERE), "--log-level", "warning"]
    words += {"gevent": ["-k", "gevent"]}.get(who, ["--threads", "500"])
    words.append("app_flask:app")
    return threads.command_of(context, who, words)


def cpu_s(pid):
    """What a process has used, all of its threads."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        kib = {key: int(value) for key, value in
               re.findall(r"^(VmRSS|VmPTE|Threads):\s+(\d+)", f.read(), re.M)}
    return (kib["VmRSS"] + kib["VmPTE"] + 16 * kib["Threads"]) / 1024


def ask(context, port, connections, seconds):
    """Answers per second, by wrk; none may be wrong."""
    child = process.start(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
         f"http://127.0.0.1:{port}/"], context.second_core,
        stdout=subprocess.PIPE, text=True)
    out = child.communicate()[0]
    process.stop(child)
    found = re.search(r"Requests/sec:\s+([\d.]+)", out)
    if not found or "Non-2xx" in out:
        raise process.Failed(" ".join(out.split()))
    return float(found.group(1))


def run_flask(context, who, hooks, connections):
    with Gunicorn(command_of(context, who, hooks)) as server:
        ask(context, server.port, connections, WARM_S)
        before = cpu_s(server.pid)
        seconds = max(1, round(context.window_ms / 1000))
        per_s = ask(context, server.port, connections, seconds)
        used = cpu_s(server.pid) - before
        server.check()
        return {"per_s": per_s, "memory_mib": memory_mib(server.pid),
                "cpu_s_per_1000": used / (per_s * seconds) * 1000}


def measure_variant(context, name, connections, kind, hooks):
    os.environ["APP_KIND"] = kind
    runs = report.interleave(context, name, {
        who: functools.partial(run_flask, context, who, hooks, connections)
        for who in ("native", "tendril", "gevent")})
    rates = {who: [run["per_s"] for run in found]
             for who, found in runs.items()}
    for who, found in runs.items():
        fields = {"variant": kind, **report.medians(
            found, ("cpu_s_per_1000", "memory_mib"))}
        if who == "tendril":
            fields["goal"] = "gevent_ratio >= 1.1"
            for peer in ("native", "gevent"):
                if peer in runs:
                    fields.update(report.ratio_fields(
                        f"{peer}_ratio", rates[who], rates[peer]))
        report.line(name, who, "requests/s", rates[who], **fields)


def measure_flask(context, name, connections):
    with tempfile.TemporaryDirectory() as folder, other_server() as port:
        hooks = pathlib.Path(folder, "hooks.py")
        hooks.write_text(HOOKS, encoding="ascii")
        os.environ["OTHER"] = str(port)
        measure_variant(context, name, connections, "sleep", str(hooks))
        base = peerlib.Postgres(f"max_connections={3 * connections}")
        host = skipping(base.__enter__)
        try:
            os.environ["BASE"] = f"host={host} user=tester dbname=postgres"
            measure_variant(context, name, connections, "mixed", str(hooks))
        finally:
            base.__exit__()


def run_sleepers(context, who, base):
    return process.run_json(threads.command_of(
        context, who, [context.python, str(HERE / "sleepers_psycopg2.py"),
                       f"host={base} user=tester dbname=postgres"]))


def measure_sleepers(context, name):
    base = peerlib.Postgres("max_connections=300")
    host = skipping(base.__enter__)
    try:
        runs = report.interleave(context, name, {
            who: functools.partial(run_sleepers, context, who, host)
            for who in ("native", "tendril")})
    finally:
        base.__exit__()
    for who, found in runs.items():
        report.line(name, who, "s", [run["value"] for run in found],
                    goal="< 0.5" if who == "tendril" else None)


BENCHES = {
    "run_flask_200": (measure_flask, (200,)),
    "run_psycopg2_200": (measure_sleepers, ()),
}
