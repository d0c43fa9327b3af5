# SPDX-License-Identifier: MIT
"""sleepers_psycopg2 - 200 threads, each with a connection of psycopg2, ask
PostgreSQL for pg_sleep(0.1) at the same time. Prints the seconds of that.

usage: sleepers_psycopg2.py CONNECTION-STRING
"""

import json
import sys
import threading
import time

import psycopg2

THREADS = 200
gate = threading.Barrier(THREADS + 1)


def ask():
    base = psycopg2.connect(sys.argv[1])
    cursor = base.cursor()
    gate.wait()
    cursor.execute("select pg_sleep(0.1)")
    cursor.fetchone()
    gate.wait()
    base.close()


threads = [threading.Thread(target=ask) for _ in range(THREADS)]
for thread in threads:
    thread.start()
gate.wait()
start = time.monotonic()
gate.wait()
print(json.dumps({"value": time.monotonic() - start, "unit": "s"}))
for thread in threads:
    thread.join()
