"""Read the logs that `emit` accepts: their rows as interactions, and the content that the rows name."""

import csv
import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, assert_never, get_args
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

import click

from domain.days import zone_of
from domain.interaction import Kind

type Fields = dict[str, Any]
"""An interaction as an app writes it: JSON fields as in `domain.interaction.InteractionV1`."""

type Format = Literal["interactions", "moodle", "statistics"]
FORMATS: tuple[Format, ...] = get_args(Format.__value__)


class CatalogRow(NamedTuple):
    """One row of the content table."""

    content_id: str
    certification_type: str
    category: str
    difficulty_level: str | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """A log's interactions, in the order of the file."""

    rows: int
    interactions: list[Fields]
    left_out: Counter[str]
    """Counts of rows that are not interactions, by the name of what they record."""
    catalog: list[CatalogRow]
    """The content that the rows name; empty if the format says nothing about it."""


_MOODLE_ZONE = "Europe/Helsinki"
_MOODLE_CERTIFICATION = "LA"
_MOODLE_KINDS: Mapping[str, Kind] = {
    "Course activity completion updated": "completed",
    "Quiz attempt submitted": "answered",
    "A submission has been submitted.": "answered",
    "Submission created.": "answered",
    "Choice answer added": "answered",
    "Quiz attempt reviewed": "viewed",
}

_STATISTICS_ZONE = "America/Chicago"
_STATISTICS_CERTIFICATION = "STATS"
_STATISTICS_OUTCOMES: Mapping[str, tuple[Kind, int | None]] = {
    "CORRECT": ("answered", 100),
    "INCORRECT": ("answered", 0),
    "STUDY": ("viewed", None),
}
"""The kind and the score of each outcome."""


def read_log(path: Path, log_format: Format) -> Log:
    """Read a log. Raise click.ClickException if the file is not in this format."""
    try:
        match log_format:
            case "interactions":
                return read_interactions(path)
            case "moodle":
                return read_moodle(path)
            case "statistics":
                return read_statistics(path)
            case _:
                assert_never(log_format)
    except KeyError as error:
        raise click.ClickException(
            f"{path} is not a valid {log_format} log: column {error} is missing"
        ) from error
    except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
        raise click.ClickException(f"{path} is not a valid {log_format} log: {error}") from error


def read_interactions(path: Path) -> Log:
    """Read JSON lines with the contract's fields. Raise ValueError if a line is no JSON object."""
    interactions: list[Fields] = []
    with _open(path) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                interactions.append(_json_object(line, number))
    return Log(len(interactions), interactions, Counter(), [])


def _json_object(line: str, number: int) -> Fields:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"line {number} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"line {number} is not a JSON object")
    return value


def read_moodle(path: Path) -> Log:
    """Read the log of a Moodle course: columns user, timecreated, context, component, event_name."""
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
    """Read a log of statistics practice: columns learner, time, item, topic, outcome, duration_seconds."""
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
        kind, score = outcome
        topics[row["item"]] = row["topic"]
        interactions.append(
            {
                "event_id": event_id(row["learner"], row["time"], row["item"], kind),
                "user_id": row["learner"],
                "content_id": row["item"],
                "interaction_type": kind,
                **({} if score is None else {"score": score}),
                "occurred_at": _local_time(row["time"], zone),
                "timezone": _STATISTICS_ZONE,
                "time_spent": int(row["duration_seconds"]),
            }
        )
    catalog = [CatalogRow(item, _STATISTICS_CERTIFICATION, topic) for item, topic in sorted(topics.items())]
    return Log(rows, interactions, left_out, catalog)


def in_order_of_time(interactions: Iterable[Fields]) -> list[Fields]:
    """Sort interactions by the time they happened; equal times keep their order.

    An interaction whose time can't be read comes first. It is refused at any position.
    """
    return sorted(interactions, key=_timestamp)


def _timestamp(fields: Fields) -> float:
    try:
        return datetime.fromisoformat(str(fields.get("occurred_at"))).timestamp()
    except (ValueError, OverflowError):
        return float("-inf")


def slug(text: str) -> str:
    """Return the text in lower case, with each run of other characters than a-z and 0-9 as one hyphen."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _moodle_kind(event_name: str) -> Kind | None:
    if event_name.removesuffix(".").endswith("viewed"):
        return "viewed"
    return _MOODLE_KINDS.get(event_name)


def _most_common(names: Counter[str]) -> str:
    return min(names, key=lambda name: (-names[name], name))


def _local_time(wall_clock: str, zone: ZoneInfo) -> str:
    """Add a zone to a time without one. A time that occurs twice, as summer time ends, is the first one."""
    return datetime.fromisoformat(wall_clock).replace(tzinfo=zone).isoformat()


def _event_ids() -> Callable[..., str]:
    """Return a function that makes a row's id from its facts and the number of equal rows before it.

    The ids are therefore the same at each import, and equal rows have different ones.
    """
    seen: Counter[str] = Counter()

    def event_id(*facts: str) -> str:
        name = "|".join(facts)
        seen[name] += 1
        return str(uuid5(NAMESPACE_URL, f"{name}|{seen[name] - 1}"))

    return event_id


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with _open(path) as lines:
        reader = csv.DictReader(lines)
        for row in reader:
            if None in row.values():
                raise ValueError(f"line {reader.line_num} has too few columns")
            yield row


def _open(path: Path) -> Any:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")
