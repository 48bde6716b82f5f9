"""Interactions that arrive and dashboards that are read while the generations of the views are changed."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.content import ensure_content
from cli.logs import CatalogRow
from cli.stack import Stack
from cli.stream import Record, put_records
from cli.token import id_token
from domain.generations import Colour
from functions import items
from tests.e2e.wire import call
from tests.factory import make_interaction

CODE = "E2EGEN"
"""The certification of all these interactions."""
CONTENTS = 20
LEARNERS = [f"e2e-gen-{n:03}" for n in range(60)]
READ = LEARNERS[:5]
"""The learners whose dashboards are read, once they are in both generations."""
TWICE = 50
"""One in so many interactions is put into the stream twice."""
MAX_SECONDS = 120
"""How long to wait for what should come."""
BOTH: tuple[Colour, Colour] = ("blue", "green")


def ensure_contents(stack: Stack) -> None:
    """Write the contents of these interactions into the content table."""
    ensure_content(stack, [CatalogRow(f"{CODE}-{n}", CODE, "Storage", "beginner") for n in range(CONTENTS)])


@dataclass
class Traffic:
    """Interactions that arrive, and dashboards that are read, until it is stopped."""

    stack: Stack
    rate: int
    """Interactions a second."""
    stopping: threading.Event = field(default_factory=threading.Event)
    sent: Counter[str] = field(default_factory=Counter)
    """Different interactions that the stream has taken, by learner."""
    seconds: float = 0.0
    """How long they were written."""
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
            while number < seconds * self.rate:
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
            again = [one for one in batch if int(one["event_id"][1:]) % TWICE == 0]
            for _ in put_records(
                self.stack, [Record(json.dumps(one).encode(), one["user_id"]) for one in [*batch, *again]]
            ):
                pass
            self.seconds = time.monotonic() - began
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
def traffic(stack: Stack, rate: int) -> Iterator[Traffic]:
    """Let one writer and two readers work. `rate`: interactions a second."""
    token = id_token(stack, "e2e-gen-admin", "admins", existing=True)
    found = Traffic(stack, rate)
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


def check_exactly_once(stack: Stack, found: Traffic, queue: str) -> int:
    """Check that all that was sent counts once in both generations, and that each award was announced once.

    `queue`: as `subscribe` returned it before the traffic began. Return the number of awards.
    """
    assert set(found.statuses) == {200}

    def applied(colour: Colour) -> dict[str, int]:
        states = {user: stack.generation(colour).read_state(user) for user in found.sent}
        return {user: state.total.interactions if state else 0 for user, state in states.items()}

    eventually(lambda: applied("blue") == applied("green") == dict(found.sent))
    blue, green = (stored(stack, colour) for colour in BOTH)
    assert blue == green
    awards = {
        (pk.removeprefix("USER#"), sk.removeprefix(items.AWARD_PREFIX))
        for pk, sk in blue
        if sk.startswith(items.AWARD_PREFIX)
    }
    messages = Counter[tuple[str, str]]()

    def all_announced() -> bool:
        messages.update(announced(stack, queue))
        return messages.keys() >= awards

    eventually(all_announced)
    assert messages == Counter(awards)
    return len(awards)


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
    """Subscribe a queue to the awards of these learners on the stack's bus. Return its URL."""
    sqs, events = stack.client("sqs"), stack.client("events")
    url = str(sqs.create_queue(QueueName="e2e-generations")["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    users = [{"prefix": "e2e-gen-"}]
    pattern = json.dumps(
        {"source": ["streakline"], "detail-type": ["achievement.earned"], "detail": {"user_id": users}}
    )
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
