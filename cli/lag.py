"""Whether a generation's consumer is behind: what it lacks of the last interactions that the live one has.

CloudWatch's IteratorAge would say it minutes late, and not on the local stack.
"""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.stack import Stack
from domain.events import Fact
from domain.generations import Colour
from domain.retraction import Retraction
from functions.project import has_applied
from functions.quarantine import Position
from functions.records import Received, read_data
from functions.store import Store

AGES = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(days=1),
)
"""How long before now the sampled records arrived.

Older ones count only if the live generation has none of the newer ones: with a long batch window, both
consumers have not seen them yet, or none arrived.
"""
SAMPLE = 25
"""Records of a shard that are looked up."""
MAX_POLLS = 5
"""Calls until Kinesis returns a record. It can return none although there are some."""
WAIT_SECONDS = 30
"""How long a consumer may take to catch up."""
POLL_SECONDS = 1


def find_lag(
    stack: Stack,
    live: Colour,
    to: Colour,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> str | None:
    """Return how far a generation is behind the live one; None if it is not, within half a minute."""
    kinesis, stream = stack.client("kinesis"), stack.outputs["StreamName"]
    deadline = clock() + WAIT_SECONDS
    for page in kinesis.get_paginator("list_shards").paginate(StreamName=stream):
        for shard in page["Shards"]:
            age, applied = _last_applied(kinesis, stream, shard["ShardId"], stack.generation(live))
            missing = _without(stack.generation(to), applied)
            while missing and clock() < deadline:
                pause(POLL_SECONDS)
                missing = _without(stack.generation(to), missing)
            if missing:
                return (
                    f"The consumer of the {to} generation is behind: it lacks {len(missing)} of "
                    f"{len(applied)} interactions that arrived {age} ago and that {live} has."
                )
    return None


def _last_applied(kinesis: Any, stream: str, shard: str, live: Store) -> tuple[timedelta, list[Fact]]:
    """Return the newest interactions of a shard that a generation has, and how old they are."""
    now = datetime.now(UTC)
    for age in AGES:
        sample = _sample(kinesis, stream, shard, now - age)
        missing = _without(live, sample)
        if applied := [one for one in sample if one not in missing]:
            return age, applied
    return AGES[-1], []


def _sample(kinesis: Any, stream: str, shard: str, since: datetime) -> list[Fact]:
    """Return the first interactions in a shard that arrived after a time."""
    iterator = kinesis.get_shard_iterator(
        StreamName=stream, ShardId=shard, ShardIteratorType="AT_TIMESTAMP", Timestamp=since
    )["ShardIterator"]
    for _ in range(MAX_POLLS):
        answer = kinesis.get_records(ShardIterator=iterator, Limit=SAMPLE)
        found = [
            one.interaction
            for record in answer["Records"]
            for one in read_data(
                record["Data"],
                Position(shard, record["SequenceNumber"]),
                record["ApproximateArrivalTimestamp"].astimezone(UTC),
            )
            if isinstance(one, Received)
        ]
        iterator = answer.get("NextShardIterator")
        if found or iterator is None or answer["MillisBehindLatest"] == 0:
            # What is taken back has no digest to look for.
            return [event for event in found if not isinstance(event, Retraction)][:SAMPLE]
    return []


def _without(store: Store, events: Iterable[Fact]) -> list[Fact]:
    """Return the events that a generation has not applied."""
    return [event for event in events if not has_applied(store, event)]
