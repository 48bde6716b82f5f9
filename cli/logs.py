"""Reads the logs that `emit` takes: what rows mean as interactions, and the catalog that they imply."""

import csv
import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from domain.days import zone_of

type Fields = dict[str, Any]
"""An interaction as an app writes it (docs of `domain.interaction.InteractionV1`)."""


class CatalogRow(NamedTuple):
    """One row of the content table."""

    content_id: str
    certification_type: str
    category: str
    difficulty_level: str | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """A log as interactions, in the file's order."""

    rows: int
    interactions: list[Fields]
    left_out: Counter[str]
    """Rows that are no interaction, by what they are."""
    catalog: list[CatalogRow]


_MOODLE_ZONE = "Europe/Helsinki"
_MOODLE_CERTIFICATION = "LA"
_MOODLE_KINDS = {
    "Course activity completion updated": "completed",
    "Quiz attempt submitted": "answered",
    "A submission has been submitted.": "answered",
    "Submission created.": "answered",
    "Choice answer added": "answered",
    "Quiz attempt reviewed": "viewed",
}

_STATISTICS_ZONE = "America/Chicago"
_STATISTICS_CERTIFICATION = "STATS"
_STATISTICS_OUTCOMES: dict[str, Fields] = {
    "CORRECT": {"interaction_type": "answered", "score": 100},
    "INCORRECT": {"interaction_type": "answered", "score": 0},
    "STUDY": {"interaction_type": "viewed"},
}


def read_interactions(path: Path) -> Log:
    """JSON lines in the contract's form. They imply no catalog."""
    with _open(path) as lines:
        interactions = [json.loads(line) for line in lines if line.strip()]
    return Log(len(interactions), interactions, Counter(), [])


def read_moodle(path: Path) -> Log:
    """A Moodle course's log: columns user, timecreated, context, component, event_name."""
    zone = zone_of(_MOODLE_ZONE)
    rows = 0
    left_out: Counter[str] = Counter()
    interactions: list[Fields] = []
    components: dict[str, Counter[str]] = {}
    event_id = _event_ids()
    for row in _rows(path):
        rows += 1
        kind = _moodle_kind(row["event_name"])
        if kind is None:
            left_out[row["event_name"]] += 1
            continue
        content_id = slug(row["context"])
        components.setdefault(content_id, Counter())[row["component"]] += 1
        interactions.append(
            {
                "event_id": event_id(row["user"], row["timecreated"], content_id, kind),
                "user_id": row["user"],
                "content_id": content_id,
                "interaction_type": kind,
                "occurred_at": _local_time(row["timecreated"], zone),
                "timezone": _MOODLE_ZONE,
            }
        )
    catalog = [
        CatalogRow(content_id, _MOODLE_CERTIFICATION, _most_common(found))
        for content_id, found in sorted(components.items())
    ]
    return Log(rows, interactions, left_out, catalog)


def read_statistics(path: Path) -> Log:
    """Practice of statistics items: columns learner, time, item, topic, outcome, duration_seconds."""
    zone = zone_of(_STATISTICS_ZONE)
    rows = 0
    left_out: Counter[str] = Counter()
    interactions: list[Fields] = []
    topics: dict[str, str] = {}
    event_id = _event_ids()
    for row in _rows(path):
        rows += 1
        outcome = _STATISTICS_OUTCOMES.get(row["outcome"])
        if outcome is None:
            left_out[row["outcome"]] += 1
            continue
        topics[row["item"]] = row["topic"]
        interactions.append(
            {
                "event_id": event_id(row["learner"], row["time"], row["item"], outcome["interaction_type"]),
                "user_id": row["learner"],
                "content_id": row["item"],
                **outcome,
                "occurred_at": _local_time(row["time"], zone),
                "timezone": _STATISTICS_ZONE,
                "time_spent": int(row["duration_seconds"]),
            }
        )
    catalog = [CatalogRow(item, _STATISTICS_CERTIFICATION, topic) for item, topic in sorted(topics.items())]
    return Log(rows, interactions, left_out, catalog)


FORMATS: dict[str, Callable[[Path], Log]] = {
    "interactions": read_interactions,
    "moodle": read_moodle,
    "statistics": read_statistics,
}


def in_order_of_time(interactions: Iterable[Fields]) -> list[Fields]:
    """The interactions as they happened; in the file's order where they happened at once.

    An interaction whose time can't be read comes first: it goes to quarantine whenever it comes.
    """
    return sorted(interactions, key=_instant)


def _instant(fields: Fields) -> float:
    try:
        return datetime.fromisoformat(str(fields.get("occurred_at"))).timestamp()
    except (ValueError, OverflowError):
        return float("-inf")


def slug(text: str) -> str:
    """Lower case, runs of other characters than letters and digits to one hyphen."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _moodle_kind(event_name: str) -> str | None:
    if event_name.removesuffix(".").endswith("viewed"):
        return "viewed"
    return _MOODLE_KINDS.get(event_name)


def _most_common(names: Counter[str]) -> str:
    return min(names, key=lambda name: (-names[name], name))


def _local_time(wall_clock: str, zone: ZoneInfo) -> str:
    """A time without a zone, read in this one; the first of two where summer time ends."""
    return datetime.fromisoformat(wall_clock).replace(tzinfo=zone).isoformat()


def _event_ids() -> Callable[..., str]:
    """Ids by what a row says and how many equal rows came before it: the same at each import."""
    seen: Counter[str] = Counter()

    def event_id(*facts: str) -> str:
        name = "|".join(facts)
        seen[name] += 1
        return str(uuid5(NAMESPACE_URL, f"{name}|{seen[name] - 1}"))

    return event_id


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with _open(path) as lines:
        yield from csv.DictReader(lines)


def _open(path: Path) -> Any:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")
