# SPDX-License-Identifier: MIT
"""app_flask - the web application of run_flask_200, for gunicorn.

Each request waits as much as real ones do, by what APP_KIND says:
sleep   10 ms of time.sleep()
mixed   that, another HTTP server, and 10 ms of PostgreSQL by psycopg2, a driver
        in C, which gevent cannot patch
"""

import http.client
import os
import threading
import time

import flask

app = flask.Flask(__name__)
local = threading.local()


def ask_other():
    other = http.client.HTTPConnection("127.0.0.1", int(os.environ["OTHER"]))
    other.request("GET", "/")
    text = other.getresponse().read()
    other.close()
    return text


def ask_database():
    import psycopg2
    if not hasattr(local, "base"):
        local.base = psycopg2.connect(os.environ["BASE"])
        local.base.autocommit = True
    cursor = local.base.cursor()
    cursor.execute("select pg_sleep(0.01)")
    cursor.close()


def wait():
    time.sleep(0.01)
    if os.environ["APP_KIND"] == "mixed":
        ask_other()
        ask_database()


@app.route("/")
def index():
    wait()
    return "hello\n"
