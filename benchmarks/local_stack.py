"""Row 10: how long an interaction takes to show on the local stack, and how long reads take.

    python -m benchmarks.local_stack

Prints JSON. The stack must be up, and STREAKLINE_LOCAL name its directory. `benchmarks` starts one for it.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.figures import Figure, percentile, stated
from cli.content import ensure_content
from cli.demo_log import demo_catalog
from cli.stack import Stack, connect
from cli.stream import make_record, put_records
from cli.token import id_token
from domain.interaction import digest_of

ROOT = Path(__file__).parents[1]
RATES = (50, 500)
SECONDS = 20
READ_RATES = (5, 50)
SAMPLE = "bench-sample"


def _interaction(user: str, content: str) -> dict[str, Any]:
    return {
        "event_id": str(uuid4()),
        "user_id": user,
        "content_id": content,
        "interaction_type": "answered",
        "occurred_at": datetime.now(UTC).isoformat(),
        "score": 100,
    }


def _put(stack: Stack, interactions: list[dict[str, Any]]) -> None:
    records = [make_record(json.dumps(fields).encode()) for fields in interactions]
    for _ in put_records(stack, records):
        pass


def _load(stack: Stack, rate: int, content: str, until: float) -> None:
    """Put so many interactions a second, of as many learners, in ten calls a second."""
    number = 0
    while time.monotonic() < until:
        begun = time.monotonic()
        users = [f"bench-{(number + n) % rate}" for n in range(rate // 10)]
        _put(stack, [_interaction(user, content) for user in users])
        number += len(users)
        time.sleep(max(0.0, 0.1 - (time.monotonic() - begun)))


def lags(stack: Stack, rate: int, content: str) -> list[float]:
    """Return the seconds after which single interactions are in the views, under a load."""
    until = time.monotonic() + SECONDS
    loading = threading.Thread(target=_load, args=(stack, rate, content, until))
    loading.start()
    found: list[float] = []
    while time.monotonic() < until:
        fields = _interaction(SAMPLE, content)
        digest = digest_of(fields["event_id"])
        begun = time.monotonic()
        _put(stack, [fields])
        while True:
            learner = stack.store.read_state(SAMPLE)
            if learner and learner.applied and digest in learner.applied.digests:
                break
            time.sleep(0.02)
        found.append(time.monotonic() - begun)
    loading.join()
    return found


def reads(stack: Stack, rate: int) -> list[float]:
    """Return the seconds that dashboards take, at so many a second."""
    token = id_token(stack, "bench-reader", existing=True)
    request = urllib.request.Request(
        f"{stack.api_url}/progress/me/dashboard", headers={"Authorization": f"Bearer {token}"}
    )

    def read(at: float) -> float:
        time.sleep(max(0.0, at - time.monotonic()))
        with urllib.request.urlopen(request) as answer:
            answer.read()
        # From when it was due, so that a queue counts.
        return time.monotonic() - at

    # The function's first call is a cold start.
    read(time.monotonic())
    begin = time.monotonic() + 0.2
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(read, [begin + n / rate for n in range(rate * SECONDS)]))


def main() -> None:
    """Measure, and print JSON."""
    stack = connect(None, None)
    ensure_content(stack, demo_catalog())
    content = demo_catalog()[0].content_id
    lags_by_rate = {rate: lags(stack, rate, content) for rate in RATES}
    reads_by_rate = {rate: reads(stack, rate) for rate in READ_RATES}
    print(json.dumps({"lags": lags_by_rate, "reads": reads_by_rate}))


def figures() -> Iterator[Figure]:
    """Start a local stack, measure it, stop it, and yield the figures of row 10."""
    with tempfile.TemporaryDirectory() as local:
        environment = {**os.environ, "STREAKLINE_LOCAL": local}

        def run(*module: str) -> str:
            command = [sys.executable, "-m", *module]
            done = subprocess.run(
                command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
            )
            return done.stdout

        try:
            run("cli", "up", "--json")
            found = json.loads(run("benchmarks.local_stack").splitlines()[-1])
        finally:
            run("cli", "down")
    how = "local stack on this machine; the emulator, the load and the samples share its cores"
    for rate, seconds in found["lags"].items():
        measured = f"p50 {percentile(seconds, 0.5):.2f} s, p99 {percentile(seconds, 0.99):.2f} s"
        yield stated(
            10, f"view lag at {rate} interactions a second", f"{measured} ({len(seconds)} samples)", how
        )
    for rate, seconds in found["reads"].items():
        half, most = 1e3 * percentile(seconds, 0.5), 1e3 * percentile(seconds, 0.99)
        measured = f"p50 {half:.0f} ms, p99 {most:.0f} ms"
        yield stated(10, f"dashboards over HTTP at {rate} a second", measured, how)


if __name__ == "__main__":
    main()
