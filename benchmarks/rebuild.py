"""Measure a rebuild: its rate, the write units of a learner, and its memory as the log grows.

    python -m benchmarks.rebuild [INTERACTIONS...]

Without numbers, logs of 250,000 and of 1,000,000 interactions are rebuilt, each in a process of its own. The
bucket is a directory. The table counts write units and forgets what no fold needs again, so that the memory
measured is that of the function.
"""

import argparse
import gzip
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any, NamedTuple, cast

from benchmarks.consumer import fill_catalog
from benchmarks.counted_table import CountedTable, Item, item_bytes, key_of
from benchmarks.disk import DiskBucket
from benchmarks.figures import machine
from benchmarks.histories import contents
from domain.days import day_number, day_text
from domain.generations import FIRST, Epoch
from domain.log_line import LogLine, to_text
from domain.rebuilding import REPORT, Report
from functions.project import WRITERS
from functions.rebuild_runs import LatestRun
from functions.replay import Replay
from functions.run_files import RunFiles
from functions.store import Store

SIZES = (250_000, 1_000_000)
DAYS, A_DAY = 50, 5
"""Study days of a learner, and interactions a day."""
LINES_PER_OBJECT = 50_000
KEPT_LEARNERS = 2_000
"""Learners whose states the table remembers: more than are folded at once."""
FIRST_DAY = datetime(2026, 1, 5, tzinfo=UTC)
RUN = "benchmark"


class Measured(NamedTuple):
    """The figures of one rebuild."""

    interactions: int
    learners: int
    log_bytes: int
    """Compressed."""
    objects: int
    partitions: int
    divide_seconds: float
    """Of CPU."""
    fold_seconds: float
    """Of CPU."""
    write_units: float
    commits: int
    peak_megabytes: float
    """Of the process that rebuilds, the interpreter included."""
    base_megabytes: float
    """Before it begins."""


@dataclass
class ForgetfulTable(CountedTable):
    """A table that counts write units and keeps only the catalog and the latest states."""

    users: dict[str, None] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def scan(self, **_: Any) -> Item:
        """Return an empty page: the live generation has no learners from whom anything is taken along."""
        return {"Items": []}

    def _holds(self, key: tuple[str, str], guard: Item) -> bool:
        # Both generations have the same catalog, so nothing of it is newer.
        is_of_catalog = guard.get("ConditionExpression") == "attribute_not_exists(pk) OR version < :version"
        return not is_of_catalog and super()._holds(key, guard)

    def _write(self, item: Item, factor: int) -> None:
        key = key_of(item)
        if not key[0].startswith("USER#"):
            super()._write(item, factor)
            return
        with self.lock:
            self._count(key, item, factor)

    def _count(self, key: tuple[str, str], item: Item, factor: int) -> None:
        size = item_bytes(item)
        units = factor * max(1, -(-max(size, self.sizes.get(key, 0)) // 1024))
        self.write_units += units
        self.written[key[1].partition("#")[0]] += units
        if key[1] == "STATE":
            self.items[key], self.sizes[key] = item, size
            self.users[key[0]] = None
            if len(self.users) > KEPT_LEARNERS:
                oldest = next(iter(self.users))
                del self.users[oldest], self.items[oldest, "STATE"], self.sizes[oldest, "STATE"]


def write_log(bucket: DiskBucket, interactions: int) -> int:
    """Write objects of the log, in the order in which records arrive. Return the number of learners."""
    random = Random(17)
    rows = contents(200)
    learners = max(1, interactions // (DAYS * A_DAY))
    left, number, lines = interactions, 0, list[str]()

    def flush() -> None:
        nonlocal lines
        if lines:
            body = gzip.compress("".join(f"{line}\n" for line in lines).encode(), 6)
            bucket.put_object(Bucket="", Key=f"log/2026/01/05/{number:09}.gz", Body=body)
            lines = []

    for day in range(DAYS):
        for _ in range(A_DAY):
            evening = FIRST_DAY + timedelta(days=day, hours=18)
            for learner in range(learners):
                if not left:
                    break
                at = evening + timedelta(seconds=random.uniform(0, 4 * 3600))
                lines.append(_line(random, f"learner-{learner:06}", rows, at, number))
                number += 1
                left -= 1
                if len(lines) == LINES_PER_OBJECT:
                    flush()
    flush()
    return learners


def _line(random: Random, user_id: str, rows: Sequence[Any], at: datetime, number: int) -> str:
    content = random.choice(rows)
    event_id = f"{random.getrandbits(128):032x}"
    answered = random.random() < 0.9
    fields = {
        "event_id": event_id,
        "user_id": user_id,
        "content_id": content.content_id,
        "certification_type": content.certification_type,
        "interaction_type": "answered" if answered else "viewed",
        "occurred_at": at.isoformat(),
        **({"score": random.choice((0, 100, 100, 100))} if answered else {}),
        "time_spent": random.randint(10, 120),
    }
    line = LogLine(
        json.dumps(fields).encode(),
        at + timedelta(seconds=1),
        "shardId-000000000000",
        f"49660000000000000000000000000000000000000000000{number:09}",
        0,
        user_id,
        event_id,
        day_text(day_number(at.date())),
        "interaction",
    )
    return to_text(line)


class _Runs:
    def __init__(self) -> None:
        self.item = LatestRun(RUN, "green", 1)

    def latest(self) -> LatestRun:
        return self.item

    def finish(self, run: LatestRun, at: int) -> None:
        self.item = run._replace(finished_at=at)


class _Generations:
    def epochs(self) -> tuple[Epoch, ...]:
        return FIRST


def rebuild(directory: str, interactions: int) -> Measured:
    """Rebuild the log in a directory, and return the figures."""
    bucket = DiskBucket(Path(directory))
    table = ForgetfulTable()
    store = Store(cast(Any, table), "views")
    fill_catalog(store, contents(200))
    table.write_units = 0
    table.calls.clear()
    files = RunFiles(lambda: cast(Any, bucket), "bucket", RUN)
    one = Replay(
        files,
        cast(Any, _Runs()),
        cast(Any, _Generations()),
        {"blue": store, "green": store},
        map_learners=ThreadPoolExecutor(WRITERS).map,
    )
    objects = list(files.list("log/"))
    base = _peak_megabytes()
    seconds: dict[str, float] = {"partition": 0, "fold": 0, "copy": 0}
    partitions = 0
    while (planned := one.plan("green"))["next"] == "work":
        for item in json.loads(files.read(planned["items"]) or b""):
            begun = time.process_time()
            while not one.work(item["step"], item["item"], lambda: 900):
                pass
            kind = item["step"].split("-")[1]
            seconds[kind] += time.process_time() - begun
            partitions += kind == "fold"
    report: Report = REPORT.validate_json(files.read(f"{files.root}report.json") or b"")
    assert report.applied == report.lines == interactions, report
    return Measured(
        interactions,
        report.learners,
        sum(each.size for each in objects),
        len(objects),
        partitions,
        seconds["partition"],
        seconds["fold"],
        table.write_units,
        table.calls["PutItem"] + table.calls["TransactWriteItems"],
        _peak_megabytes(),
        base,
    )


def _peak_megabytes() -> float:
    """Return the most memory that this process has had. What its parent had at the fork does not count."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measure(sizes: Sequence[int]) -> Iterator[Measured]:
    """Rebuild a log of each size, each in a process of its own."""
    for size in sizes:
        with tempfile.TemporaryDirectory() as directory:
            begun = time.perf_counter()
            write_log(DiskBucket(Path(directory)), size)
            print(f"{size:,} lines made in {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
            with get_context("spawn").Pool(1) as pool:
                yield pool.apply(rebuild, (directory, size))


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sizes", nargs="*", type=int, metavar="INTERACTIONS")
    sizes = parser.parse_args().sizes or SIZES
    print(f"Measured on {machine()}.\n")
    print(
        "| interactions | learners | log, MB | partitions | divided, per CPU second | folded | both "
        "| write units a learner | a learner's commits | peak memory, MB (at the begin) |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for found in measure(sizes):
        n = found.interactions
        both = n / (found.divide_seconds + found.fold_seconds)
        print(
            f"| {n:,} | {found.learners:,} | {found.log_bytes / 1e6:.0f} in {found.objects} objects "
            f"| {found.partitions} | {n / found.divide_seconds:,.0f} | {n / found.fold_seconds:,.0f} "
            f"| {both:,.0f} "
            f"| {found.write_units / found.learners:.1f} | {found.commits / found.learners:.2f} "
            f"| {found.peak_megabytes:.0f} ({found.base_megabytes:.0f}) |",
            flush=True,
        )


if __name__ == "__main__":
    main()
