#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""peer_gevent.py - the micro benches and the echo server on gevent, by the
names of bench_tendril. What is measured is gevent in CPython, as it is used.
"""

import json
import sys
import time

try:
    import gevent
    import gevent.queue
    import gevent.server
    import greenlet
except ImportError as missing:
    print(missing, file=sys.stderr)
    sys.exit(77)

SLICES = 5
TIMES = 20000


def best(count, run):
    """The least ns for each of `count` things that run() does."""
    least = 1e9
    for _ in range(SLICES):
        begin = time.perf_counter_ns()
        run()
        least = min(least, (time.perf_counter_ns() - begin) / count)
    return {"value": least, "unit": "ns"}


def switch(_n):
    here = greenlet.getcurrent()

    def back():
        while True:
            here.switch()

    other = greenlet.greenlet(back)

    def pairs():
        for _ in range(TIMES):
            other.switch()

    return best(2 * TIMES, pairs)


def yielding(n):
    over = []

    def until_over():
        while not over:
            gevent.sleep(0)

    others = [gevent.spawn(until_over) for _ in range(n - 1)]
    rounds = max(2, 5 * TIMES // n)

    def turns():
        for _ in range(rounds):
            gevent.sleep(0)

    gevent.sleep(0)
    found = best(rounds * n, turns)
    over.append(True)
    gevent.joinall(others)
    return found


def nothing():
    pass


def spawn(_n):
    def each():
        for _ in range(TIMES):
            gevent.spawn(nothing)
            gevent.sleep(0)

    return best(TIMES, each)


def spawn_join(_n):
    def each():
        for _ in range(TIMES):
            gevent.spawn(nothing).join()

    return best(TIMES, each)


def channel(_n):
    there = gevent.queue.Channel()

    def take():
        for _ in there:
            pass

    taker = gevent.spawn(take)

    def items():
        for i in range(TIMES):
            there.put(i)

    found = best(TIMES, items)
    there.put(StopIteration)
    taker.join()
    return found


def status(key):
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines
                    if line.startswith(key + ":"))


def memory():
    return status("VmRSS") + status("VmPTE")


def parked(n):
    before = memory()
    wake = time.monotonic() + 1 + n * 60e-6
    ended = []

    def sleep():
        gevent.sleep(wake - time.monotonic())
        ended.append(None)

    all_of_them = [gevent.spawn(sleep) for _ in range(n)]
    gevent.sleep(0)
    after = memory()
    early = len(ended)
    gevent.joinall(all_of_them)
    if early:
        print("some woke before all were parked", file=sys.stderr)
        sys.exit(77)
    return {"value": (after - before) * 1024 / n, "unit": "B",
            "finished": len(ended), "peak_rss_mib": status("VmHWM") // 1024}


def sleep_many(n):
    state = 1

    def number():
        nonlocal state
        mask = 2 ** 64 - 1
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
        return z ^ z >> 31

    begin = time.monotonic()
    gevent.joinall([gevent.spawn(gevent.sleep, number() % 1000000 / 1e6)
                    for _ in range(n)])
    return {"value": time.process_time(), "unit": "CPU s",
            "wall_s": time.monotonic() - begin,
            "peak_rss_mib": status("VmHWM") // 1024}


def serve(sock, _address):
    while True:
        data = sock.recv(1024)
        if not data:
            return
        sock.sendall(data)


def echo():
    server = gevent.server.StreamServer(("127.0.0.1", 0), serve, backlog=4096)
    server.start()
    print(f"port {server.server_port}", flush=True)
    server.serve_forever()


BENCHES = {"switch": switch, "yield": yielding, "spawn": spawn,
           "spawn_join": spawn_join, "channel": channel, "parked": parked,
           "sleep": sleep_many}


def main(name):
    if name == "echo":
        echo()
    kind, _, count = name.partition("_")
    if name in BENCHES:
        kind, count = name, "1"
    if kind not in BENCHES or not count.isdigit():
        print(f"gevent has no {name}", file=sys.stderr)
        sys.exit(77)
    print(json.dumps(BENCHES[kind](int(count))))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else "")
