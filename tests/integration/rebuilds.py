"""A second generation on moto, an event log, and a stand-in for Step Functions."""

import gzip
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.log_line import LogLine, line_for, to_text
from domain.rebuilding import REPORT, Report
from functions import aws
from functions.generations import Generations
from functions.rebuild_runs import LatestRun, Runs
from functions.replay import Replay
from functions.run_files import RunFiles
from functions.store import Store
from tests.integration.conftest import ARRIVAL, BUCKET, CONTROL, GREEN, VIEWS, Item

RUN = "run-1"


def lines(*records: dict[str, Any] | bytes, first: int = 0, at: datetime = ARRIVAL) -> list[LogLine]:
    """Return the log's lines of these records, in one shard."""
    payloads = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in records]
    return [line_for(payload, at, "shard-0", str(first + n), 0) for n, payload in enumerate(payloads)]


def put_object(key: str, found: Iterable[LogLine]) -> None:
    """Put an object of the event log."""
    text = "".join(f"{to_text(line)}\n" for line in found)
    aws.s3().put_object(Bucket=BUCKET, Key=key, Body=gzip.compress(text.encode()))


@dataclass
class Rebuild:
    """A rebuild of the green generation, and how long its invocations may take."""

    time_left: Callable[[], float] = lambda: 900.0
    since: int = 0
    run: str = RUN
    waited: list[int] = field(default_factory=list)
    """How many seconds Step Functions was told to wait, each time."""

    def begin(self) -> "Rebuild":
        """Note that this rebuild is the one under way."""
        runs = Runs(aws.dynamodb(), CONTROL)
        assert runs.begin(LatestRun(self.run, "green", 1), runs.latest())
        return self

    @property
    def files(self) -> RunFiles:
        return RunFiles(aws.s3, BUCKET, self.run)

    def replay(self) -> Replay:
        """Return the function of one invocation."""
        return Replay(
            self.files,
            Runs(aws.dynamodb(), CONTROL),
            Generations(aws.dynamodb(), CONTROL),
            {"blue": Store(aws.dynamodb(), VIEWS), "green": Store(aws.dynamodb(), GREEN)},
            since=self.since,
            pause=lambda _: None,
            now=lambda: datetime.now(UTC) + timedelta(seconds=sum(self.waited)),
        )

    def to_the_end(self, on_item: Callable[[dict[str, str]], object] = lambda _: None) -> Report:
        """Do what Step Functions does, and return the report."""
        while (planned := self.replay().plan("green"))["next"] != "end":
            if planned["next"] == "wait":
                self.waited.append(planned["seconds"])
                continue
            for item in json.loads(self.files.read(planned["items"]) or b""):
                on_item(item)
                while not self.replay().work(item["step"], item["item"], self.time_left):
                    pass
        return REPORT.validate_json(self.files.read(f"{self.files.root}report.json") or b"")


def items_of(table: str) -> dict[tuple[str, str], Item]:
    """Return all items of a table, without versions, and without what is counted in each generation."""
    found = aws.dynamodb().scan(TableName=table)["Items"]
    return {
        (item["pk"]["S"], item["sk"]["S"]): {n: v for n, v in item.items() if n not in ("version", "silent")}
        for item in found
        if item["pk"]["S"] != "RARITY" and item["sk"]["S"] != "COUNTED"
    }
