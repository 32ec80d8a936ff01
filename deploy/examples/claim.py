#!/usr/bin/env python3
"""Claims an instance, asks it something, gives it back. Python 3.9 or later, nothing to install.

    THAW_URL=http://127.0.0.1:7070 THAW_KEY=… python3 claim.py POOL TENANT

A claim is asked for again under the same Idempotency-Key until it is answered: it never becomes two.
"""

import http.client
import json
import os
import random
import sys
import time
import urllib.error
import urllib.request
import uuid

URL = os.environ.get("THAW_URL", "http://127.0.0.1:7070").rstrip("/")
KEY = os.environ["THAW_KEY"]
TRIES = 6
TIMEOUT_S = 40  # above the 25 s that a claim may wait in line


class Refused(Exception):
    """Thaw said no: `problem["code"]` is stable, `problem["fix"]` says what to do."""

    def __init__(self, problem):
        super().__init__(f'{problem["code"]}: {problem["detail"]} {problem.get("fix", "")}')
        self.problem = problem


def call(method, path, body=None, idempotency_key=None):
    """Sends a request until it is answered. A POST that creates needs an idempotency key, or a lost answer would be a second claim."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    if idempotency_key:
        headers["Idempotency-Key"] = idempotency_key
    data = None if body is None else json.dumps(body).encode()
    for attempt in range(1, TRIES + 1):
        delay = min(5, 0.1 * 2**attempt) * random.uniform(0.5, 1)
        try:
            request = urllib.request.Request(URL + path, data, headers, method=method)
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
                return json.load(response)
        except urllib.error.HTTPError as answer:
            if answer.headers.get("Content-Type") != "application/problem+json":
                raise
            refused = Refused(json.load(answer))
            if answer.code not in (429, 503) or attempt == TRIES:  # those two: later, perhaps
                raise refused from None
            delay = float(answer.headers.get("Retry-After", delay))
        except (OSError, http.client.HTTPException, ValueError):  # no answer, or half of one: it may have been done all the same
            if attempt == TRIES or (method == "POST" and not idempotency_key):
                raise
        time.sleep(delay)


def main(pool, tenant):
    order = str(uuid.uuid4())  # better: the number of the order, kept, so that a restart of this program asks for the same claim
    claim = call("POST", f"/v1/pools/{pool}/claims", {"tenant": tenant, "waitMs": 10_000}, idempotency_key=order)
    try:
        endpoint = claim["instance"]["endpoints"][0]
        with urllib.request.urlopen(f'http://{endpoint["host"]}:{endpoint["port"]}/', timeout=10) as answer:
            print(json.dumps({"claim": claim["id"], "path": claim["receipt"]["path"], "answer": answer.status}))
        call("POST", f'/v1/claims/{claim["id"]}/renew', {})  # while it is needed; here once
    finally:
        ended = call("DELETE", f'/v1/claims/{claim["id"]}')
        print(json.dumps({"claim": ended["id"], "state": ended["state"]}))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
