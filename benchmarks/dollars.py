"""Row 11: dollars for a million interactions and a million dashboards, from list prices.

The prices are list prices of us-east-1, as known in 2026-11: aws.amazon.com/dynamodb/pricing/on-demand,
/lambda/pricing, /kinesis/data-streams/pricing, /firehose/pricing, /eventbridge/pricing, /api-gateway/pricing
and /cloudwatch/pricing. Check them there before you rely on them. Storage, metrics and traces are left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from benchmarks.consumer import consumer
from benchmarks.counted_table import UncountedTable
from benchmarks.figures import Figure, at_most, cpu_seconds, stated
from benchmarks.histories import Batch, contents, fixed, generated, windows
from cli.logs import Fields


class Price(NamedTuple):
    """What one unit of a service costs."""

    service: str
    dollars: float
    unit: str


WRITE_UNIT = Price("DynamoDB", 0.625e-6, "write request unit, on demand")
READ_UNIT = Price("DynamoDB", 0.125e-6, "read request unit, on demand")
LAMBDA_REQUEST = Price("Lambda", 0.20e-6, "invocation")
LAMBDA_GB_SECOND = Price("Lambda", 0.0000133334, "GB-second on arm64")
WRITE_CAPACITY_HOUR = Price("DynamoDB", 0.00065, "hour of a write unit a second, provisioned")
READ_CAPACITY_HOUR = Price("DynamoDB", 0.00013, "hour of a read unit a second, provisioned")
KINESIS_PUT = Price("Kinesis", 0.014e-6, "payload unit of 25 KB")
KINESIS_SHARD_HOUR = Price("Kinesis", 0.015 + 0.020, "shard-hour, with seven days of retention")
FIREHOSE_GB = Price("Firehose", 0.029, "GB, each record rounded up to 5 KB")
BUS_EVENT = Price("EventBridge", 1.00e-6, "custom event of up to 64 KB")
API_REQUEST = Price("API Gateway", 1.00e-6, "request of an HTTP API")
LOG_GB = Price("CloudWatch Logs", 0.50, "GB ingested")

RATE = 100
"""Interactions a second at which a shard's hour is shared out."""
CONSUMER_GB, API_GB = 1769 / 1024, 1.0
"""Memory of the functions in template.yaml."""
BATCH = 100
"""Records in a batch, at one interaction for each learner-write."""
LOG_BYTES_A_BATCH = 2_100
"""A log line and its metrics, as one batch of 100 writes them. Half of it is the lag of each record."""
WAITING = 4
"""Time of an invocation over its CPU time: it mostly waits for the table. An assumption, worth a cent."""
API_MILLISECONDS = 60
"""Time of an API invocation, mostly waiting for the table or the stream."""


class Load(NamedTuple):
    """What one interaction costs the consumer, on average."""

    write_units: float
    read_units: float
    cpu_seconds: float
    batches: float


def by_stream(load: Load) -> dict[str, float]:
    """Return dollars for a million interactions on the stream, by service."""
    return {
        "DynamoDB": 1e6 * (load.write_units * WRITE_UNIT.dollars + load.read_units * READ_UNIT.dollars),
        "Lambda": 1e6
        * (
            load.batches * LAMBDA_REQUEST.dollars
            + load.cpu_seconds * WAITING * CONSUMER_GB * LAMBDA_GB_SECOND.dollars
        ),
        "Kinesis": 1e6 * (KINESIS_PUT.dollars + KINESIS_SHARD_HOUR.dollars / 3600 / RATE),
        "Firehose": 1e6 * 5 / 1024 / 1024 * FIREHOSE_GB.dollars,
        "logs": 1e6 * load.batches * LOG_BYTES_A_BATCH / 1024**3 * LOG_GB.dollars,
    }


def by_bus(load: Load) -> dict[str, float]:
    """Return dollars for a million interactions on the bus."""
    return by_stream(load) | {"EventBridge": 1e6 * BUS_EVENT.dollars}


def by_api(load: Load) -> dict[str, float]:
    """Return dollars for a million interactions that are posted one by one."""
    function = LAMBDA_REQUEST.dollars + API_MILLISECONDS / 1000 * API_GB * LAMBDA_GB_SECOND.dollars
    return by_stream(load) | {"API": 1e6 * (API_REQUEST.dollars + function)}


def of_dashboards(read_units: float) -> dict[str, float]:
    """Return dollars for a million dashboards, by service."""
    return {
        "API Gateway": 1e6 * API_REQUEST.dollars,
        "Lambda": 1e6
        * (LAMBDA_REQUEST.dollars + API_MILLISECONDS / 1000 * API_GB * LAMBDA_GB_SECOND.dollars),
        "DynamoDB": 1e6 * read_units * READ_UNIT.dollars,
    }


def on_demand(rate: float, write_units: float, read_units: float) -> float:
    """Return DynamoDB's dollars for an hour at this many interactions a second, on demand."""
    return 3600 * rate * (write_units * WRITE_UNIT.dollars + read_units * READ_UNIT.dollars)


def provisioned(rate: float, write_units: float, read_units: float, used: float) -> float:
    """Return the same with provisioned capacity, of which this share is used."""
    units = write_units * WRITE_CAPACITY_HOUR.dollars + read_units * READ_CAPACITY_HOUR.dollars
    return rate * units / used


DAYS, LEARNERS = 60, 20


def _load(history: Sequence[Fields], batches: list[Batch], size: float) -> Load:
    rows = contents(150)
    counted = consumer(rows)
    counted.consume(batches)
    uncounted = consumer(rows, UncountedTable())
    seconds = cpu_seconds(lambda: uncounted.consume(batches))
    number = len(history)
    table = counted.table
    return Load(table.write_units / number, table.read_units / number, seconds / number, 1 / size)


def _loads(a_day: int) -> dict[str, Load]:
    """Return the load at one interaction for each learner-write, and at windows of 60 seconds."""
    history = generated(DAYS, a_day, contents(150), learners=LEARNERS)
    # The table is charged as if each interaction came alone. The invocation is shared by a whole batch.
    alone = _load(history, list(fixed(history, 1)), BATCH)
    together = list(fixed(history, BATCH))
    shared = _load(history, together, BATCH)
    minute = list(windows(history, 60))
    return {
        "1 each": alone._replace(cpu_seconds=shared.cpu_seconds),
        "windows of 60 s": _load(history, minute, len(history) / len(minute)),
    }


def _text(dollars: Mapping[str, float]) -> str:
    parts = ", ".join(f"{name} {amount:.2f}" for name, amount in dollars.items())
    return f"{sum(dollars.values()):.2f} ({parts})"


def figures() -> Iterator[Figure]:
    """Yield the figures of row 11."""
    how = f"list prices of us-east-1, 2026-11; {LEARNERS} learners, {DAYS} days; {RATE} interactions a second"
    for a_day in (25, 5):
        for window, load in _loads(a_day).items():
            name = f"dollars a million by stream, {a_day} a learner-day, {window}"
            stream = by_stream(load)
            if a_day == 25 and window == "1 each":
                yield at_most(11, name, sum(stream.values()), 1.60, f"{how}; {_text(stream)}")
            else:
                yield stated(11, name, _text(stream), how)
            if a_day == 25:
                yield stated(11, f"the same by bus, {window}", f"{sum(by_bus(load).values()):.2f}", how)
                yield stated(11, f"the same by API, {window}", f"{sum(by_api(load).values()):.2f}", how)
    yield stated(11, "dollars a million dashboards", _text(of_dashboards(2.0)), "two read units each (row 5)")
