# SPDX-License-Identifier: MIT
"""load - drive a server with one of the load programs."""

import contextlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import process
import report

ATTACH_S = 0.3  # from its start until a tracer is attached


def command_of(context, program, server, connections, warm_ms):
    return [context.program(program), f"--port={server.port}",
            f"--pid={server.pid}", f"--connections={connections}",
            f"--warm-ms={warm_ms}", f"--window-ms={context.window_ms}"]


def drive(context, program, server, connections, warm_ms=300):
    """One measured window; what the load program says of it."""
    command = command_of(context, program, server, connections, warm_ms)
    try:
        figures = process.run_json(command, context.second_core)
    except process.Failed as error:
        raise process.Failed(f"{error} ({server.state()})") from None
    server.check()
    return figures


class Tracer:
    """Counts the system calls of a process from outside."""

    def __init__(self, pid):
        self.output = tempfile.NamedTemporaryFile()  # noqa: SIM115
        self.name, command = self._command(pid)
        self.child = process.start(command, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(ATTACH_S)
        if self.child.poll() is not None:
            raise process.Skipped(f"{self.name} could not attach")

    def _command(self, pid):
        """perf disturbs less; strace is there more often."""
        event = "raw_syscalls:sys_enter"
        if shutil.which("perf") and subprocess.run(
                ["perf", "stat", "-e", event, "true"], check=False,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL).returncode == 0:
            return "perf", ["perf", "stat", "-x,", "-e", event, "-p", str(pid),
                            "-o", self.output.name]
        if shutil.which("strace"):
            return "strace", ["strace", "-f", "-c", "-p", str(pid),
                              "-o", self.output.name]
        raise process.Skipped("neither perf nor strace can be used")

    def count(self):
        """Detach, and return how many there were."""
        self.child.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(timeout=10)
        with open(self.output.name, encoding="utf-8") as file:
            text = file.read()
        pattern = (r"^(\d+),,raw_syscalls" if self.name == "perf" else
                   r"^100\.00\s+\S+\s+\d*\s+(\d+).*total$")
        found = re.search(pattern, text, re.MULTILINE)
        if not found:
            raise process.Skipped(f"{self.name} counted nothing")
        return int(found.group(1))

    def stop(self):
        process.stop(self.child, signal.SIGINT)
        self.output.close()


def count_syscalls(context, program, server, connections):
    """System calls of the server per answer, and who counted them.

    A run of its own, because being counted costs time. The load program waits
    at its gates while the tracer attaches and leaves, so that connecting is not
    counted.
    """
    command = command_of(context, program, server, connections, 0)
    child = process.start(command + ["--gate"], context.second_core,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    limit = threading.Timer(60, child.kill)
    limit.start()
    tracer = None
    try:
        if child.stdout.readline() != b"ready\n":
            raise process.Failed("the load program could not connect")
        tracer = Tracer(server.pid)
        child.stdin.write(b"\n")
        child.stdin.flush()
        text = child.stdout.readline().decode()
        if not text:
            raise process.Failed(child.stderr.read().decode().strip())
        calls = tracer.count()
        total = process.answer(command, 0, text, "")["total"]
        return calls / total, tracer.name
    finally:
        limit.cancel()
        if tracer:
            tracer.stop()
        process.stop(child)


def syscall_fields(context, bench, program, make_server, connections):
    """The fields of count_syscalls(), or none and a note."""
    try:
        with make_server() as server:
            calls, counter = count_syscalls(context, program, server,
                                            connections)
    except process.Skipped as reason:
        report.note(f"{bench}: system calls not counted: {reason}")
        return {}
    return {"syscalls": calls, "syscalls_by": counter}
