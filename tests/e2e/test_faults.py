"""Faults on the deployed stack: between the functions and DynamoDB, and in the middle of a batch.

microburst stands between the consumer and DynamoDB, and answers as DynamoDB does when it fails.
"""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from cli.content import ensure_content
from cli.demo_log import LAST_DAY, demo_catalog, demo_log
from cli.local import TOOLS
from tests.e2e.conftest import Deployed
from tests.e2e.test_real_logs import check_every_view, demo_rows, emit_and_wait, items

KILLS = 4
RULES: dict[str, dict[str, Any]] = {
    "throttles": {"probability": 0.3, "error": {"code": "ProvisionedThroughputExceededException"}},
    "internal errors": {"probability": 0.05, "error": {"code": "InternalServerError", "status": 500}},
    # The call has its effect, and its answer is cut.
    "applied, then cut": {"probability": 0.05, "response": {"abort_frac": 0.3}},
    "resets": {"probability": 0.03, "reset": True},
    "latency": {"probability": 0.1, "latency": {"min": 5, "max": 40}},
    "transaction conflicts": {
        "operation": "TransactWriteItems",
        "probability": 0.1,
        "error": {"code": "TransactionConflictException"},
    },
    "conflicts of single writes": {
        "operation": "PutItem",
        # Few learners' parts of a batch are of one day alone: each third of their writes.
        "sequence": {"fail": 1, "pass": 2},
        "error": {"code": "TransactionConflictException"},
    },
}


class Proxy:
    """microburst, with the rules of one test."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_microburst/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def fired(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", "fired?limit=100000")
        return found


@pytest.fixture
def proxy(stack: Deployed, tmp_path: Path) -> Iterator[Proxy]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(TOOLS / "microburst"), "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "microburst.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--upstream", str(stack.stack.endpoint_url)], stdout=log, stderr=subprocess.STDOUT
        )
    made = Proxy(port)
    try:
        for _ in range(100):
            try:
                made.ask("GET", "health")
                break
            except OSError:
                time.sleep(0.1)
        yield made
    finally:
        process.terminate()
        process.wait(10)


def consumer(stack: Deployed) -> str:
    """Return the name of the function that folds."""
    functions = stack.stack.client("lambda").list_functions()["Functions"]
    [name] = [f["FunctionName"] for f in functions if "ProjectFunction" in f["FunctionName"]]
    return str(name)


@contextmanager
def environment_of(stack: Deployed, **more: str) -> Iterator[None]:
    """Give the consumer another environment while the context is open, by a version of its own."""
    client, name = stack.stack.client("lambda"), consumer(stack)
    released = client.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
    before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    client.update_function_configuration(FunctionName=name, Environment={"Variables": {**before, **more}})
    version = client.publish_version(FunctionName=name)["Version"]
    client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
    try:
        yield
    finally:
        client.update_alias(FunctionName=name, Name="live", FunctionVersion=released)
        client.update_function_configuration(FunctionName=name, Environment={"Variables": before})


def of_this_test(name: str) -> list[dict[str, Any]]:
    """Return the demo's interactions, by learners of this test's own."""
    return [{**fields, "user_id": f"{name}-{fields['user_id']}"} for fields in demo_log().interactions]


def expected_rows(name: str) -> list[dict[str, Any]]:
    return [{**row, "user": f"{name}-{row['user']}"} for row in demo_rows()]


def test_under_faults_through_both_doors_nothing_is_lost_and_nothing_counts_twice(
    stack: Deployed, proxy: Proxy, tmp_path: Path
) -> None:
    ensure_content(stack.stack, demo_catalog())
    history = of_this_test("faults")
    halves = {"stream": history[: len(history) // 2], "bus": history[len(history) // 2 :]}
    rules = proxy.ask("POST", "rules", [{"service": "dynamodb", **rule} for rule in RULES.values()])
    quarantined: Counter[str] = Counter()
    with environment_of(stack, AWS_ENDPOINT_URL_DYNAMODB=proxy.url):
        for door, half in halves.items():
            path = tmp_path / f"{door}.jsonl"
            path.write_text("".join(f"{json.dumps(fields)}\n" for fields in half))
            found = emit_and_wait(
                stack, str(path), "--format", "interactions", "--door", door, "--order", "file"
            )
            quarantined.update(found["quarantined"])
    assert quarantined == {"invalid": 4, "unknown_timezone": 1, "unknown_content": 1}
    fired = proxy.fired()
    proxy.ask("POST", "rules", [])
    counts = {
        name: sum(fault["rule_id"] == rule["id"] for fault in fired)
        for name, rule in zip(RULES, rules, strict=True)
    }
    print(f"faults fired: {counts}")
    assert min(counts.values()) > 0, f"each kind of fault has fired: {counts}"
    check_every_view(stack, expected_rows("faults"), LAST_DAY)
    before = items(stack)
    emit_and_wait(stack, str(path), "--format", "interactions", "--order", "file")
    assert items(stack) == before, "what was applied under faults is recognised"


def workers(stack: Deployed) -> list[int]:
    """Return the consumer's processes in this stack, by the code that they run."""
    code = f"{stack.local / 'tmp'}/ministack-lambda-{consumer(stack)}"
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if code in command:
                found.append(int(process.name))
    return found


def event_source(stack: Deployed) -> dict[str, Any]:
    """Return the consumer's event source, with the result of its last batch."""
    client = stack.stack.client("lambda")
    [mapping] = client.list_event_source_mappings(FunctionName=f"{consumer(stack)}:live")[
        "EventSourceMappings"
    ]
    return dict(mapping)


@contextmanager
def batches_of(stack: Deployed, size: int) -> Iterator[None]:
    """Give the event source another batch size while the context is open."""
    client, mapping = stack.stack.client("lambda"), event_source(stack)
    client.update_event_source_mapping(UUID=mapping["UUID"], BatchSize=size)
    try:
        yield
    finally:
        client.update_event_source_mapping(UUID=mapping["UUID"], BatchSize=mapping["BatchSize"])


def test_the_consumers_process_may_die_in_the_middle_of_a_batch(stack: Deployed, tmp_path: Path) -> None:
    ensure_content(stack.stack, demo_catalog())
    path = tmp_path / "killed.jsonl"
    path.write_text("".join(f"{json.dumps(fields)}\n" for fields in of_this_test("killed")))
    killed: set[int] = set()
    cut_off = 0
    # In small batches the consumer is at it for longer than the kills take.
    with batches_of(stack, 50), ThreadPoolExecutor(1) as background:
        emitted = background.submit(
            stack.streakline, "emit", str(path), "--format", "interactions", "--order", "file"
        )
        deadline = time.monotonic() + 20
        while len(killed) < KILLS and time.monotonic() < deadline:
            for worker in workers(stack):
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                    killed.add(worker)
            # A batch that was cut off has failed; the event source delivers it again a second later.
            failed = False
            for _ in range(7):
                time.sleep(0.1)
                failed = failed or event_source(stack)["LastProcessingResult"] == "FAILED"
            cut_off += failed
            while failed and time.monotonic() < deadline:
                time.sleep(0.1)
                failed = event_source(stack)["LastProcessingResult"] == "FAILED"
        emitted.result()
    print(f"{len(killed)} processes killed, {cut_off} batches cut off")
    assert cut_off > 0
    waited = stack.streakline("wait", "--timeout", "120")
    assert waited["missing"] == 0
    check_every_view(stack, expected_rows("killed"), LAST_DAY)
