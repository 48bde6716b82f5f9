"""Two generations of the views: cut over and back while interactions arrive and dashboards are read."""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.content import ensure_content
from cli.logs import CatalogRow
from cli.stack import ROOT, Stack, describe
from cli.stream import Record, put_records
from cli.token import id_token
from domain.generations import Colour
from functions import items
from tests.e2e.conftest import Deployed
from tests.e2e.second_stack import second_stack
from tests.e2e.wire import call
from tests.factory import make_interaction

NAME = "streakline-two"
CODE = "E2EGEN"
LEARNERS = [f"e2e-gen-{n:03}" for n in range(60)]
READ = LEARNERS[:5]
"""The learners whose dashboards are read, once they are in both generations."""
RATE = int(os.environ.get("STREAKLINE_E2E_RATE", "100"))
"""Interactions a second."""
CONTENTS = 20
VERSIONS = {"AWS::Lambda::Version", "AWS::AppConfig::HostedConfigurationVersion"}
"""The types of resources that each change of the settings makes anew."""
MAX_SECONDS = 120
"""How long to wait for what should come."""
BOTH: tuple[Colour, Colour] = ("blue", "green")


@pytest.fixture(scope="module")
def deployed(stack: Deployed) -> Iterator[Stack]:
    """Yield a stack that had a blue generation only, and got a green one by an update."""
    with second_stack(stack.stack, NAME) as made:
        before = resources(made)
        both = update(made, "both")
        after = resources(both)
        assert before.items() <= after.items(), "an update replaced something"
        assert {name for name in after if "Green" in name} == after.keys() - before.keys()
        ensure_content(
            both, [CatalogRow(f"{CODE}-{n}", CODE, "Storage", "beginner") for n in range(CONTENTS)]
        )
        yield both


def resources(stack: Stack) -> dict[str, str]:
    """Return the physical ids of a stack's resources by their logical ids, without versions."""
    cloudformation = stack.client("cloudformation")
    found = cloudformation.describe_stack_resources(StackName=NAME)["StackResources"]
    return {
        one["LogicalResourceId"]: one["PhysicalResourceId"]
        for one in found
        if one["ResourceType"] not in VERSIONS
    }


def update(stack: Stack, views: str) -> Stack:
    """Deploy the stack with another value of `Views`."""
    cloudformation = stack.client("cloudformation")
    [described] = cloudformation.describe_stacks(StackName=NAME)["Stacks"]
    current = {one["ParameterKey"]: one["ParameterValue"] for one in described["Parameters"]}
    cloudformation.update_stack(
        StackName=NAME,
        UsePreviousTemplate=True,
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in {**current, "Views": views}.items()
        ],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    deadline = time.monotonic() + MAX_SECONDS
    while True:
        [described] = cloudformation.describe_stacks(StackName=NAME)["Stacks"]
        if not described["StackStatus"].endswith("_IN_PROGRESS"):
            assert described["StackStatus"] == "UPDATE_COMPLETE"
            break
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return replace(stack, outputs=describe(stack.session, stack.endpoint_url, NAME))


@pytest.fixture(scope="module")
def cut_over(deployed: Stack, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Return a function that runs `streakline cutover`, for which this stack is the local one."""
    local = tmp_path_factory.mktemp("second")
    described = {
        "endpoint_url": deployed.endpoint_url,
        "api_url": deployed.api_url,
        "outputs": deployed.outputs,
    }
    (local / "stack.json").write_text(json.dumps(described))

    def run(*arguments: str) -> dict[str, Any]:
        environment = {**os.environ, "STREAKLINE_LOCAL": str(local)}
        command = [sys.executable, "-m", "cli", "cutover", "--json", *arguments]
        ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        answer: dict[str, Any] = json.loads(ran.stdout)
        return answer

    return run


@dataclass
class Traffic:
    """Interactions that arrive, and dashboards that are read, until it is stopped."""

    stack: Stack
    stopping: threading.Event = field(default_factory=threading.Event)
    sent: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0
    faults: list[BaseException] = field(default_factory=list)

    def write(self) -> None:
        """Emit interactions. A learner begins later than the one before, so awards come all the time."""
        began = time.monotonic()
        start = datetime.now(UTC) - timedelta(minutes=10)
        number = 0
        while not self.stopping.is_set():
            seconds = time.monotonic() - began
            active = LEARNERS[: 1 + int(seconds)]
            batch = []
            while number < seconds * RATE:
                user = active[-1] if number % 4 == 0 else active[number % len(active)]
                count = self.sent[user]
                self.sent[user] += 1
                batch.append(
                    make_interaction(
                        event_id=f"e{number}",
                        user_id=user,
                        content_id=f"{CODE}-{count % CONTENTS}",
                        interaction_type="completed",
                        certification_type=CODE,
                        occurred_at=(start + timedelta(seconds=count % 600)).isoformat(),
                        score=100,
                    )
                )
                number += 1
            for _ in put_records(
                self.stack, [Record(json.dumps(one).encode(), one["user_id"]) for one in batch]
            ):
                pass
            time.sleep(0.05)

    def read(self, token: str) -> None:
        """Read dashboards, one after the other."""
        number = 0
        while not self.stopping.is_set():
            number += 1
            user = READ[number % len(READ)]
            began = time.monotonic()
            self.statuses[call(self.stack.api_url, "GET", f"/progress/{user}/dashboard", token).status] += 1
            self.slowest = max(self.slowest, time.monotonic() - began)

    def guarded(self, run: Callable[[], None]) -> Callable[[], None]:
        def guard() -> None:
            try:
                run()
            except BaseException as error:  # raised in the test
                self.faults.append(error)
                self.stopping.set()

        return guard


@contextmanager
def traffic(stack: Stack) -> Iterator[Traffic]:
    """Let one writer and two readers work."""
    token = id_token(stack, "e2e-gen-admin", "admins", existing=True)
    found = Traffic(stack)
    writer = threading.Thread(target=found.guarded(found.write))
    writer.start()
    eventually(lambda: all(stack.generation(c).read_state(user) for c in BOTH for user in READ))
    readers = [threading.Thread(target=found.guarded(lambda: found.read(token))) for _ in range(2)]
    for thread in readers:
        thread.start()
    try:
        yield found
    finally:
        found.stopping.set()
        for thread in (writer, *readers):
            thread.join()
    assert found.faults == []


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + MAX_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def announced(stack: Stack, url: str) -> Counter[tuple[str, str]]:
    """Return how often each award has come out of the bus, by learner and achievement."""
    sqs, found = stack.client("sqs"), Counter[tuple[str, str]]()
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2).get(
        "Messages"
    ):
        for message in messages:
            detail = json.loads(message["Body"])["detail"]
            found[detail["user_id"], detail["achievement_id"]] += 1
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def subscribe(stack: Stack) -> str:
    """Subscribe a queue to the awards of the stack's bus. Return its URL."""
    sqs, events = stack.client("sqs"), stack.client("events")
    url = str(sqs.create_queue(QueueName="e2e-generations")["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = json.dumps({"source": ["streakline"], "detail-type": ["achievement.earned"]})
    bus = stack.outputs["BusName"]
    events.put_rule(Name="e2e-generations", EventBusName=bus, EventPattern=pattern)
    events.put_targets(Rule="e2e-generations", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    return url


def stored(stack: Stack, colour: Colour) -> dict[tuple[str, str], Any]:
    """Return the items of learners in a generation, without what may differ between two of them."""
    pages = stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.generation(colour).table)
    return {
        (item["pk"]["S"], item["sk"]["S"]): {
            name: value for name, value in item.items() if name not in {"version", "silent", "counted"}
        }
        for page in pages
        for item in page["Items"]
        if item["pk"]["S"].startswith("USER#e2e-gen-")
    }


def test_two_cutovers_under_load_fail_no_read_and_lose_and_double_nothing(
    deployed: Stack, cut_over: Callable[..., dict[str, Any]]
) -> None:
    queue = subscribe(deployed)
    began = time.monotonic()
    with traffic(deployed) as found:
        assert cut_over()["live"] == "green"
        to_green = found.statuses.copy()
        time.sleep(3)
        assert cut_over()["live"] == "blue"
        time.sleep(3)
    seconds = time.monotonic() - began
    assert deployed.live == "blue"
    assert set(found.statuses) == {200}
    assert to_green.total() > 20
    assert (found.statuses - to_green).total() > 20

    def applied(colour: Colour) -> dict[str, int]:
        states = {user: deployed.generation(colour).read_state(user) for user in found.sent}
        return {user: state.total.interactions if state else 0 for user, state in states.items()}

    eventually(lambda: applied("blue") == applied("green") == dict(found.sent))
    blue, green = (stored(deployed, colour) for colour in BOTH)
    assert blue == green
    awards = {
        (pk.removeprefix("USER#"), sk.removeprefix(items.AWARD_PREFIX))
        for pk, sk in blue
        if sk.startswith(items.AWARD_PREFIX)
    }
    messages = Counter[tuple[str, str]]()

    def all_announced() -> bool:
        messages.update(announced(deployed, queue))
        return messages.keys() >= awards

    eventually(all_announced)
    assert messages == Counter(awards)
    print(
        f"{found.sent.total()} interactions in {seconds:.0f} s, {found.statuses.total()} reads, the slowest "
        f"in {found.slowest:.2f} s; {len(awards)} awards"
    )


def test_a_generation_is_dropped_by_a_parameter_and_its_table_is_kept(
    deployed: Stack, cut_over: Callable[..., dict[str, Any]]
) -> None:
    assert cut_over("--to", "green")["live"] == "green"
    dropped = deployed.generation("blue").table
    left = update(deployed, "green")
    assert left.colours == ("green",)
    assert left.outputs["ViewsTableName"] == left.outputs["GreenViewsTableName"]
    gone = {"ViewsTable", "ProjectFunction", "ProjectRole", "AnnounceFunctionAwards", "RarityFunctionInserts"}
    assert not gone & resources(left).keys()
    table = left.client("dynamodb").describe_table(TableName=dropped)["Table"]
    assert table["TableStatus"] == "ACTIVE"
    token = id_token(left, "e2e-gen-last", None, existing=True)
    one = make_interaction(
        event_id="last", user_id="ignored", content_id=f"{CODE}-0", certification_type=CODE
    )
    del one["user_id"]
    one["occurred_at"] = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    assert call(left.api_url, "POST", "/progress/me/interaction", token, one).status == 202

    def total() -> int:
        return int(call(left.api_url, "GET", "/progress/me/analytics", token).json["total_interactions"])

    eventually(lambda: total() == 1)
    left.client("dynamodb").delete_table(TableName=dropped)
