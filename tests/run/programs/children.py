# SPDX-License-Identifier: MIT
"""Children of a threaded Python program that use threads themselves: os.fork()
and each way of multiprocessing. What is said of kernel threads is for
tests/run/children; without arguments it is left out."""

import multiprocessing
import os
import pathlib
import queue
import sys
import threading
import time

N = 20


def kernel_threads():
    """But for the engine's helpers, which read files."""
    return sum(not comm.read_text().startswith("tendril-helper")
               for comm in pathlib.Path("/proc/self/task").glob("*/comm"))


def work(number):
    """What N threads have put into a queue, and how many there were."""
    results, gate = queue.Queue(), threading.Event()

    def put(k):
        gate.wait(60)
        time.sleep(0.01)
        results.put(number + k)
    threads = [threading.Thread(target=put, args=(k,)) for k in range(N)]
    for thread in threads:
        thread.start()
    kernel = kernel_threads()
    gate.set()
    for thread in threads:
        thread.join()
    return sum(results.get() for _ in range(N)), kernel


def tell(name, result, kernel):
    if len(sys.argv) > 1:
        print(name, kernel, flush=True)
    else:
        print(name, result, flush=True)


def fork_one(name):
    pid = os.fork()
    if pid == 0:
        tell(name, *work(1))
        is_main = threading.current_thread() is threading.main_thread()
        os._exit(7 if is_main else 8)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main():
    done = threading.Event()
    others = [threading.Thread(target=done.wait) for _ in range(N)]
    for thread in others:
        thread.start()
    status = [fork_one("fork")]
    forker = threading.Thread(
        target=lambda: status.append(fork_one("fork by a thread")))
    forker.start()
    forker.join()
    for method in "fork", "spawn", "forkserver":
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            for result, kernel in pool.map(work, [100, 200]):
                tell(method, result, kernel)
    done.set()
    for thread in others:
        thread.join()
    if len(sys.argv) == 1:
        print("status", status)


if __name__ == "__main__":
    main()
