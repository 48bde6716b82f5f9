"""Ten minutes of interactions through all doors, while 200 dashboards are read.

Nothing here depends on how fast a machine is, as long as it keeps up with the rates below.
"""

import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from cli.api_client import post_interactions
from cli.content import ensure_content
from cli.doors import DOORS, Door, deliver
from cli.logs import CatalogRow
from tests.e2e.conftest import Deployed
from tests.e2e.test_alarms import from_the_log
from tests.e2e.wire import call
from tests.factory import make_interaction

SECONDS = int(os.environ.get("STREAKLINE_LOAD_SECONDS", "600"))
RATES: dict[Door, int] = {"stream": 60, "bus": 20, "api": 10}
"""Interactions a second."""
READERS = 200
READ_EVERY = 20.0
"""Seconds between the reads of a dashboard. The page reads once a minute."""
RAMP = 60.0
"""Seconds in which one reader after the other begins."""
AT_ONCE = 6
"""Reads on their way at most; others wait, and their wait counts. MiniStack starts a process for each
invocation that finds none idle, and 200 of them would take all of the machine."""
LEARNERS_OF_DOOR = 60
CODE = "LOAD"
CONTENTS = 40
SAMPLE_EVERY = 10.0
PROBE_EVERY = 1.0
MOST_LAG = 60.0
"""Seconds after which an interaction counts as lost."""


@dataclass
class Load:
    """What was sent, read and seen. Threads add to it."""

    stack: Deployed
    token: str
    began: float = field(default_factory=time.monotonic)
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    sent: Counter[str] = field(default_factory=Counter)
    refused: list[Any] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    reads: list[tuple[float, float]] = field(default_factory=list)
    """When each read began, and how long it took, in seconds."""
    lags: dict[Door, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    """When an interaction was sent, and after how many seconds it was in the view, by door."""
    memory: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    """Megabytes of each process over time."""
    faults: list[BaseException] = field(default_factory=list)
    places: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(AT_ONCE))

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def send(self, door: Door, users: Sequence[str]) -> None:
        """Send an interaction of each of these users."""
        with self.lock:
            numbers = [self._next(user) for user in users]
        minute_ago = datetime.now(UTC) - timedelta(minutes=1)
        interactions = [
            make_interaction(
                event_id=f"e{number}",
                user_id=user,
                content_id=f"{CODE}-{number % CONTENTS}",
                certification_type=CODE,
                occurred_at=minute_ago.isoformat(),
                score=number % 101,
                time_spent=5,
            )
            for user, number in zip(users, numbers, strict=True)
        ]
        sent = (
            # `deliver` would ask for a token each time.
            post_interactions(self.stack.api_url, self.token, interactions)
            if door == "api"
            else deliver(self.stack.stack, door, interactions)
        )
        for delivery in sent:
            self.refused += delivery.refused

    def _next(self, user: str) -> int:
        self.sent[user] += 1
        return self.sent[user]

    def write(self, door: Door) -> None:
        """Send the door's interactions, a batch each second."""
        users = learners(door)
        number = 0
        while not self.stopping.wait(max(0.0, self.began + number - time.monotonic())):
            first = number * RATES[door]
            self.send(door, [users[n % len(users)] for n in range(first, first + RATES[door])])
            number += 1

    def probe(self, door: Door) -> None:
        """Measure again and again how long an interaction takes to be in its learner's view."""
        user = f"load-probe-{door}"
        while not self.stopping.wait(PROBE_EVERY):
            self.send(door, [user])
            sent_at = self.seconds
            while self.total(user) < self.sent[user]:
                assert self.seconds - sent_at < MOST_LAG, (
                    f"an interaction through the {door} is not in the view"
                )
                time.sleep(0.05)
            self.lags[door].append((sent_at, self.seconds - sent_at))

    def total(self, user: str) -> int:
        answer = call(self.stack.api_url, "GET", f"/progress/{user}/analytics", self.token)
        if answer.status == 404:
            return 0
        with self.lock:
            self.statuses[answer.status] += 1
        return int(answer.json["total_interactions"]) if answer.status == 200 else 0

    def read(self, number: int) -> None:
        """Read one learner's dashboard, as a page does that stays open."""
        users = [user for door in DOORS for user in learners(door)]
        user = users[number % len(users)]
        next_at = RAMP * number / READERS
        while not self.stopping.wait(max(0.0, next_at - self.seconds)):
            at = self.seconds
            with self.places:
                status = call(self.stack.api_url, "GET", f"/progress/{user}/dashboard", self.token).status
            with self.lock:
                self.statuses[status] += 1
                self.reads.append((at, self.seconds - at))
            next_at += READ_EVERY

    def sample(self) -> None:
        """Note the memory of the emulator and of each function's process, and print how it goes."""
        while not self.stopping.wait(SAMPLE_EVERY):
            for name, megabytes in memory_of(self.stack.local):
                self.memory[name].append((self.seconds, megabytes))
            print(
                f"{self.seconds:4.0f} s: {self.sent.total():6} sent, {len(self.reads):6} dashboards read, "
                f"slowest {max((took for _, took in self.reads[-200:]), default=0):.2f} s, last lags "
                + ", ".join(f"{door} {found[-1][1]:.2f} s" for door, found in self.lags.items()),
                flush=True,
            )

    def guarded(self, run: Callable[..., None], *arguments: Any) -> Callable[[], None]:
        def guard() -> None:
            try:
                run(*arguments)
            except BaseException as error:  # raised in the test
                self.faults.append(error)
                self.stopping.set()

        return guard


def learners(door: Door) -> list[str]:
    return [f"load-{door}-{n:03}" for n in range(LEARNERS_OF_DOOR)]


def memory_of(local: Path) -> Iterator[tuple[str, float]]:
    """Yield the resident megabytes of a local stack's processes: MiniStack and the warm functions."""
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            status = (process / "status").read_text()
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if str(local).encode() not in b"\0".join([*command, environment]) or "VmRSS" not in status:
            continue
        megabytes = int(status.split("VmRSS:")[1].split()[0]) / 1024
        worker = next((part for part in command if part.endswith(b"_worker.py")), None)
        if worker is not None:
            yield f"{Path(worker.decode()).parent.name} {process.name}", megabytes
        elif b"ministack" in command:
            yield "MiniStack", megabytes


@contextmanager
def threads(*runs: Callable[[], None], stopping: threading.Event) -> Iterator[None]:
    started = [threading.Thread(target=run) for run in runs]
    for thread in started:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in started:
            thread.join()


def p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100)[-1]


def of_part(found: Sequence[tuple[float, float]], start: float, end: float) -> list[float]:
    return [value for at, value in found if start <= at < end]


def test_ten_minutes_of_load_fail_nothing_lag_no_more_and_take_no_more_memory(stack: Deployed) -> None:
    ensure_content(
        stack.stack, [CatalogRow(f"{CODE}-{n}", CODE, "Storage", "beginner") for n in range(CONTENTS)]
    )
    quarantined = stack.streakline("quarantine", "list")
    load = Load(stack, stack.token("admins"))
    for door in DOORS:
        load.send(door, [*learners(door), f"load-probe-{door}"])
    deadline = time.monotonic() + MOST_LAG
    while not all(load.total(user) == load.sent[user] for user in load.sent):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    began_at = time.time()
    load.began = time.monotonic()
    with threads(
        *(load.guarded(load.write, door) for door in DOORS),
        *(load.guarded(load.probe, door) for door in DOORS),
        *(load.guarded(load.read, number) for number in range(READERS)),
        load.guarded(load.sample),
        stopping=load.stopping,
    ):
        load.stopping.wait(SECONDS)
    assert load.faults == []
    seconds = load.seconds

    assert load.refused == []
    assert set(load.statuses) == {200}
    deadline = time.monotonic() + MOST_LAG
    while missing := {
        user: load.sent[user] - load.total(user) for user in load.sent if load.total(user) != load.sent[user]
    }:
        assert time.monotonic() < deadline, missing
        time.sleep(1)
    assert stack.streakline("quarantine", "list") == quarantined

    warm = RAMP + READ_EVERY
    middle = (warm + seconds) / 2
    first, last = (warm, middle), (middle, seconds)
    emitted = [one.value / 1000 for one in from_the_log(stack, began_at) if one.name == "ViewLag"]
    assert emitted
    print(f"{load.sent.total()} interactions and {len(load.reads)} reads in {seconds:.0f} s, no error")
    reads = of_part(load.reads, warm, seconds)
    print(f"reads: median {median(reads):.3f} s, p99 {p99(reads):.3f} s")
    print(f"view lag as the functions report it: median {median(emitted):.2f} s, p99 {p99(emitted):.2f} s")
    for door, lags in load.lags.items():
        values = [lag for _, lag in lags]
        print(f"view lag through the {door}, as seen: median {median(values):.2f} s, p99 {p99(values):.2f} s")
        # The lag of a consumer that can't keep up grows with time.
        assert median(of_part(lags, *last)) < 2 * median(of_part(lags, *first)) + 1
    assert median(of_part(load.reads, *last)) < 2 * median(of_part(load.reads, *first)) + 0.5
    for name, samples in load.memory.items():
        before, after = of_part(samples, *first), of_part(samples, *last)
        if not before or not after:
            continue
        print(f"memory of {name}: {median(before):.0f} MB, later {median(after):.0f} MB")
        # The emulator itself keeps every record, item and line of the log in memory.
        if name != "MiniStack":
            assert median(after) < 1.1 * median(before) + 5
