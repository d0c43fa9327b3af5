# SPDX-License-Identifier: MIT
"""500 threads that use what a threaded Python program uses. The output does
not depend on the order in which they run."""

import queue
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

N = 500


def serve(listener):
    """Echo, a thread per connection."""
    def echo(connection):
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)
    threads = []
    for _ in range(N):
        connection, _ = listener.accept()
        threads.append(threading.Thread(target=echo, args=(connection,)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def sockets():
    listener = socket.create_server(("127.0.0.1", 0), backlog=N)
    port = listener.getsockname()[1]
    server = threading.Thread(target=serve, args=(listener,))
    server.start()
    right = []
    lock = threading.Lock()

    def client(number):
        family, kind, protocol, _, address = socket.getaddrinfo(
            "localhost", port, socket.AF_INET, socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as connection:
            connection.settimeout(30 if number % 2 else None)
            connection.connect(address)
            message = f"client {number} ".encode() * 50
            connection.sendall(message)
            got = b""
            while len(got) < len(message):
                got += connection.recv(1000)
            with lock:
                right.append(got == message)
    run_all(client)
    server.join()
    listener.close()
    print("sockets", len(right), all(right))


def run_all(function):
    threads = [threading.Thread(target=function, args=(number,))
               for number in range(N)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def locks():
    lock = threading.Lock()
    total = [0]

    def add(number):
        for _ in range(20):
            with lock:
                value = total[0]
                if number % 50 == 0:
                    time.sleep(0)
                total[0] = value + 1
    run_all(add)
    print("lock", total[0])


def conditions():
    condition = threading.Condition()
    turn = [0]

    def take(number):
        with condition:
            condition.wait_for(lambda: turn[0] == number, timeout=60)
            turn[0] += 1
            condition.notify_all()
    threads = [threading.Thread(target=take, args=(number,))
               for number in reversed(range(60))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("condition", turn[0])


def queues():
    items, results = queue.Queue(maxsize=10), queue.Queue()

    def work(_):
        while (item := items.get()) is not None:
            results.put(item * item)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(N)]
    for thread in threads:
        thread.start()
    for item in range(2000):
        items.put(item)
    for _ in threads:
        items.put(None)
    for thread in threads:
        thread.join()
    print("queue", sum(results.get() for _ in range(2000)))


def events():
    event, barrier = threading.Event(), threading.Barrier(N)
    woken, lock = [], threading.Lock()
    local = threading.local()

    def wait(number):
        local.number = number
        barrier.wait(60)
        assert event.wait(60)
        with lock:
            woken.append(local.number)
    timer = threading.Timer(0.2, event.set)
    timer.start()
    run_all(wait)
    timer.join()
    print("event", len(woken), sum(woken), threading.Event().wait(0.01))


def sleeps():
    begun = time.monotonic()
    run_all(lambda number: time.sleep(0.2))
    print("sleep", time.monotonic() - begun >= 0.2)


def others():
    with ThreadPoolExecutor(20) as pool:
        print("pool", sum(pool.map(lambda x: x * 2, range(1000))))
        print("subprocess", sorted(pool.map(
            lambda x: subprocess.run(["sh", "-c", f"echo {x}; exit {x}"],
                                     capture_output=True).returncode,
            range(10))))
    got = []
    signal.signal(signal.SIGALRM, lambda *_: got.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    threading.Event().wait(0.3)
    print("signal", got)


for part in (sockets, locks, conditions, queues, events, sleeps, others):
    part()
