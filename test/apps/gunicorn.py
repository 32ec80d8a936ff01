import itertools
import secrets

import flask

app = flask.Flask(__name__)
token = secrets.token_hex(16)
counter = itertools.count(1)


@app.get("/")
def answer():
    with open("/proc/sys/kernel/hostname") as hostname:
        return {"token": token, "counter": next(counter), "hostname": hostname.read().strip()}
