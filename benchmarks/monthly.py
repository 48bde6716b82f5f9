"""Dollars a month by rate and door, and what a number of learners needs: the tables of docs/scaling.md.

    python -m benchmarks.monthly

Prices are those of benchmarks/dollars.py and of this module: list prices of us-east-1, without free tiers, as
known in 2026-11. It runs nothing: what an interaction costs the table is the measured row 11 of
benchmarks/results.md. tests/unit/test_scaling.py keeps the document and these tables in step.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks.dollars import (
    API_GB,
    API_MILLISECONDS,
    API_REQUEST,
    BUS_EVENT,
    CONSUMER_GB,
    FIREHOSE_GB,
    KINESIS_PUT,
    KINESIS_SHARD_HOUR,
    LAMBDA_GB_SECOND,
    LAMBDA_REQUEST,
    LOG_GB,
    READ_CAPACITY_HOUR,
    READ_UNIT,
    WRITE_CAPACITY_HOUR,
    WRITE_UNIT,
    Load,
    Price,
    on_demand,
    provisioned,
)

SNAPSHOT_GB_SECOND = Price("Lambda", 0.0000015046, "GB-second of a snapshot of SnapStart")
TRACE = Price("X-Ray", 5.00e-6, "trace recorded")
MONITORING = 23
"""Dollars a month of alarms, metrics, dashboard and key (docs/operations.md), whatever the traffic."""

HOURS = 730
LOAD = Load(write_units=1.62, read_units=2.0, cpu_seconds=40e-6, batches=1 / 100)
"""Row 11, 25 interactions a learner-day, one for each learner-write."""
WINDOW_SECONDS, MAX_BATCH_SIZE = 1, 500
"""The template's defaults."""
SHARD_RATE = 700
"""Records a second that a shard is given. It takes 1,000."""
INVOCATION_SECONDS, RECORD_SECONDS = 0.02, 0.0015
"""What a batch and each record in it add to an invocation, mostly waiting for the table. Assumptions."""
BATCH_LINE_BYTES, RECORD_LINE_BYTES, MAX_LOGGED_RECORDS = 1_050, 10.5, 100
"""A line of the log and its metrics for a batch. The lag of each record is half of it at 100 records."""
REQUEST_LINES_BYTES = 900
"""The access log and the function's line for a request to the API. An assumption."""
SNAPSHOT_GB = CONSUMER_GB + 1.0 + 0.5
"""Memory of the three functions that start from snapshots, one version each."""
DOORS = ("stream", "bus", "API")


def shards(rate: float) -> int:
    """Return the shards for a rate of interactions a second."""
    return max(1, math.ceil(rate / SHARD_RATE))


def batches(rate: float) -> float:
    """Return the invocations of the consumer a second: one a window and shard, more if batches fill up."""
    each = rate / shards(rate)
    return shards(rate) / max(WINDOW_SECONDS, 1 / each) * max(1, each * WINDOW_SECONDS / MAX_BATCH_SIZE)


def traces(rate: float) -> float:
    """Return the traces a second of a function: the first invocation each second and 5 % of the others."""
    return min(1, rate) + 0.05 * max(0, rate - 1)


def month(rate: float, door: str) -> dict[str, float]:
    """Return dollars a month by service, at a steady rate of interactions a second through one door."""
    seconds = HOURS * 3600
    number = rate * seconds
    invocations = batches(rate) * seconds
    size = number / invocations
    busy = invocations * INVOCATION_SECONDS + number * RECORD_SECONDS
    log_bytes = invocations * (BATCH_LINE_BYTES + RECORD_LINE_BYTES * min(size, MAX_LOGGED_RECORDS))
    traced = traces(batches(rate))
    dollars = {
        "DynamoDB": number * (LOAD.write_units * WRITE_UNIT.dollars + LOAD.read_units * READ_UNIT.dollars),
        "Kinesis": number * KINESIS_PUT.dollars + shards(rate) * HOURS * KINESIS_SHARD_HOUR.dollars,
        "Firehose": number * 5 / 1024 / 1024 * FIREHOSE_GB.dollars,
        # Firehose calls the log's function for each megabyte or minute; that is a hundredth of the consumer.
        "Lambda": invocations * LAMBDA_REQUEST.dollars
        + busy * CONSUMER_GB * LAMBDA_GB_SECOND.dollars
        + SNAPSHOT_GB * seconds * SNAPSHOT_GB_SECOND.dollars,
        "door": 0.0,
    }
    if door == "bus":
        dollars["door"] = number * BUS_EVENT.dollars
    if door == "API":
        function = LAMBDA_REQUEST.dollars + API_MILLISECONDS / 1000 * API_GB * LAMBDA_GB_SECOND.dollars
        dollars["door"] = number * (API_REQUEST.dollars + function)
        log_bytes += number * REQUEST_LINES_BYTES
        traced += traces(rate)
    dollars["watching"] = log_bytes / 1024**3 * LOG_GB.dollars + traced * seconds * TRACE.dollars + MONITORING
    return dollars


def idle(*, snapshots: bool = True) -> float:
    """Return dollars a month of a stack with one shard and without traffic."""
    kept = SNAPSHOT_GB * HOURS * 3600 * SNAPSHOT_GB_SECOND.dollars if snapshots else 0.0
    return HOURS * KINESIS_SHARD_HOUR.dollars + kept + MONITORING


class Need(NamedTuple):
    """What a number of active learners needs at the peak of a day."""

    learners: int
    mean: float
    peak: float
    """Interactions a second."""
    reads: float
    """Dashboards a second at the peak."""


INTERACTIONS_A_DAY, DASHBOARDS_A_DAY, PEAK = 25, 5, 4
"""Of an active learner; and the busiest minute over the mean. Put in your own."""


def need(learners: int) -> Need:
    """Return the rates of this number of learners who are active on a day."""
    mean = learners * INTERACTIONS_A_DAY / 86_400
    return Need(learners, mean, PEAK * mean, PEAK * learners * DASHBOARDS_A_DAY / 86_400)


# -- the tables of docs/scaling.md -------------------------------------------------------------------------


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def _money(dollars: float) -> str:
    return f"{dollars:,.2f}" if 0 < dollars < 10 else f"{dollars:,.0f}"


def _rate(rate: float) -> str:
    return f"{rate:,.1f}" if rate < 10 else f"{rate:,.0f}"


def cost_table() -> str:
    """Return dollars a month by rate and door."""
    rows = []
    for rate in (1, 100, 10_000):
        for door in DOORS:
            parts = month(rate, door)
            rows.append(
                [f"{rate:,}", door, f"**{_money(sum(parts.values()))}**", *map(_money, parts.values())]
            )
    names = ["DynamoDB", "Kinesis", "Firehose", "Lambda", "the door", "watching"]
    return _table(["a second", "door", "dollars a month", *names], rows)


def capacity_table() -> str:
    """Return dollars a month of the table's units at 10,000 interactions a second, by how they are bought."""
    rate, units = 10_000, LOAD[:2]
    rows = [["on demand", *_units(rate), f"{HOURS * on_demand(rate, *units):,.0f}"]]
    for used in (1.0, 0.7, 0.5):
        dollars = HOURS * provisioned(rate, *units, used)
        rows.append([f"provisioned, {used:.0%} used", *_units(rate / used), f"{dollars:,.0f}"])
    return _table(["how", "write units", "read units", "dollars a month"], rows)


def _units(rate: float) -> list[str]:
    return [f"{rate * LOAD.write_units:,.0f}", f"{rate * LOAD.read_units:,.0f}"]


def needs_table() -> str:
    """Return what 1,000, 100,000 and 10 million active learners need at the peak."""
    rows = []
    for learners in (1_000, 100_000, 10_000_000):
        found = need(learners)
        api = (found.peak + found.reads) * API_MILLISECONDS / 1000
        rows.append(
            [
                f"{learners:,}",
                _rate(found.mean),
                _rate(found.peak),
                str(shards(found.peak)),
                f"{shards(found.peak)} + {math.ceil(api):,}",
                f"{math.ceil(found.peak * LOAD.write_units):,}",
                _rate(found.reads),
            ]
        )
    head = ["active learners a day", "interactions a second", "at the peak", "`ShardCount`"]
    return _table([*head, "concurrent: consumer + API", "write units a second", "dashboards a second"], rows)


def warming(write_units: float, read_units: float) -> tuple[float, float]:
    """Return what it costs, once, to warm a new table on demand for so many units a second: writes, reads.

    AWS charges the difference once, at the price of provisioned units, which is that of an hour.
    """
    return (
        max(0.0, write_units - 4_000) * WRITE_CAPACITY_HOUR.dollars,
        max(0.0, read_units - 12_000) * READ_CAPACITY_HOUR.dollars,
    )


def tables() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each table."""
    yield "cost", cost_table()
    yield "capacity", capacity_table()
    yield "needs", needs_table()


if __name__ == "__main__":
    for name, text in tables():
        print(f"{name}\n\n{text}\n")
