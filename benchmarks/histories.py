"""What the benchmarks fold: real logs beside the repository, and generated learners, as stream records."""

import csv
import gzip
import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from cli.logs import CatalogRow, Fields, in_order_of_time, read_log

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
"""The real logs are not part of the repository."""


class History(NamedTuple):
    """Interactions in order of time, and the content that they name."""

    name: str
    interactions: list[Fields]
    catalog: list[CatalogRow]


class MissingLog(Exception):
    """A real log is not beside the repository."""


def moodle() -> History:
    """Return a Moodle course's log: 88,818 interactions of 130 learners in seven weeks."""
    log = read_log(_path("moodle_course_events.csv.gz"), "moodle")
    return History("Moodle", in_order_of_time(log.interactions), log.catalog)


def statistics() -> History:
    """Return a log of statistics practice: 32,504 interactions of 478 learners with 144 items."""
    log = read_log(_path("statistics_practice.csv.gz"), "statistics")
    return History("statistics", in_order_of_time(log.interactions), log.catalog)


def toeic(zone: str | None = None) -> History:
    """Return a log of language practice: 45,060 interactions of 499 learners with 10,671 questions.

    The times are UTC. With a `zone`, the learners' local days are those of the zone.
    """
    interactions: list[Fields] = []
    topics: dict[str, str] = {}
    with gzip.open(_path("toeic_practice.csv.gz"), "rt", encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines)):
            topics[row["item"]] = row["topic"]
            studied = row["outcome"] == "STUDY"
            moment = datetime.fromisoformat(row["time"]).isoformat()
            interactions.append(
                {
                    "event_id": str(uuid5(NAMESPACE_URL, f"toeic|{number}")),
                    "user_id": row["learner"],
                    "content_id": row["item"],
                    "interaction_type": "viewed" if studied else "answered",
                    "occurred_at": f"{moment}Z" if "+" not in moment else moment,
                    **({} if studied else {"score": 100 if row["outcome"] == "CORRECT" else 0}),
                    **({"timezone": zone} if zone else {}),
                }
            )
    catalog = [CatalogRow(item, "TOEIC", topic) for item, topic in sorted(topics.items())]
    return History(f"TOEIC ({zone or 'UTC'})", in_order_of_time(interactions), catalog)


def _path(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        raise MissingLog(f"../shared/data/{name} is missing")
    return path


def contents(count: int, certification: str = "SAA", categories: int = 5) -> list[CatalogRow]:
    """Return the content of a generated certification."""
    return [
        CatalogRow(f"{certification.lower()}-{n:06}", certification, f"Domain {n % categories + 1}")
        for n in range(count)
    ]


def generated(
    days: int,
    a_day: int,
    catalog: Sequence[CatalogRow],
    *,
    offset: int = 0,
    learners: int = 1,
    last_day: str = "2026-03-01",
    seed: int = 17,
) -> list[Fields]:
    """Return learners who study every day from 18:00 to 22:00 of their zone, in order of time.

    `offset` is that of their zone from UTC in hours. Nine of ten interactions are answers with a score.
    """
    random = Random(seed)
    zone = timezone(timedelta(hours=offset))
    end = datetime.fromisoformat(last_day).replace(tzinfo=zone)
    made: list[Fields] = []
    for day in range(days):
        evening = end - timedelta(days=days - 1 - day) + timedelta(hours=18)
        for number in range(a_day):
            for learner in range(learners):
                content = random.choice(catalog)
                answered = random.random() < 0.9
                seconds = 4 * 3600 * number / a_day + random.uniform(0, 60)
                made.append(
                    {
                        "event_id": f"{learner}-{day}-{number}-{random.getrandbits(48):012x}",
                        "user_id": f"learner-{learner:05}",
                        "content_id": content.content_id,
                        "certification_type": content.certification_type,
                        "interaction_type": "answered" if answered else "viewed",
                        "occurred_at": (evening + timedelta(seconds=seconds)).isoformat(),
                        **({"score": random.choice((0, 100, 100, 100))} if answered else {}),
                        "time_spent": random.randint(10, 120),
                    }
                )
    return in_order_of_time(made)


# -- as records of the stream ------------------------------------------------------------------------


def moment(fields: Fields) -> float:
    """Return when an interaction happened, in seconds since 1970."""
    return datetime.fromisoformat(fields["occurred_at"]).timestamp()


def record(fields: Fields, number: int = 0) -> dict[str, Any]:
    """Return an interaction as a record of a Kinesis event, which arrives a second after it happened."""
    return {
        "eventID": f"shardId-000000000000:{number}",
        "kinesis": {
            "partitionKey": fields["user_id"],
            "sequenceNumber": str(number),
            "data": b64encode(json.dumps(fields).encode()).decode(),
            "approximateArrivalTimestamp": moment(fields) + 1,
        },
    }


type Batch = list[dict[str, Any]]
MAX_BATCH = 500
"""BatchSize in template.yaml."""


def one_each(interactions: Iterable[Fields]) -> Iterator[Batch]:
    """Yield each interaction as a batch of its own."""
    for number, fields in enumerate(interactions):
        yield [record(fields, number)]


def fixed(interactions: Sequence[Fields], size: int) -> Iterator[Batch]:
    """Yield consecutive interactions as batches of this size."""
    for start in range(0, len(interactions), size):
        yield [record(fields, start + n) for n, fields in enumerate(interactions[start : start + size])]


def windows(interactions: Sequence[Fields], seconds: float) -> Iterator[Batch]:
    """Yield batches as a window of this length gathers them: it begins with the first record."""
    batch: Batch = []
    begun = 0.0
    for number, fields in enumerate(interactions):
        at = moment(fields)
        if batch and (at >= begun + seconds or len(batch) == MAX_BATCH):
            yield batch
            batch = []
        if not batch:
            begun = at
        batch.append(record(fields, number))
    if batch:
        yield batch


def by_learner(interactions: Sequence[Fields], size: int) -> Iterator[Batch]:
    """Yield each learner's consecutive interactions in batches of this size."""
    in_order = sorted(interactions, key=lambda fields: str(fields["user_id"]))
    for _, own in groupby(in_order, key=lambda fields: str(fields["user_id"])):
        yield from fixed(list(own), size)
