"""The views once more, in one pass over the distinct valid interactions: plain Python from the raw records.

It shares no code with the fold, the store or the parser: what both come to independently is right.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.simulation.history import (
    CATEGORIES,
    MAX_AHEAD_SECONDS,
    MOVING_CATEGORIES,
    MOVING_DIFFICULTIES,
    Record,
    zone,
)

type Item = dict[str, Any]
type Key = tuple[str, str]

ALL_CATEGORIES = (*CATEGORIES, "Uncategorized", *MOVING_CATEGORIES)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_DAY = date(2000, 1, 1)

POINTS = {
    **{f"streak-{days}": days * 10 for days in (3, 7, 14, 30, 60, 100)},
    "score-70": 100,
    "score-80": 200,
    "score-90": 500,
    "score-95": 1000,
    "completed-10": 50,
    "completed-50": 250,
    "completed-100": 500,
    "completed-250": 1000,
    "hours-10": 100,
    "hours-50": 300,
    "hours-100": 600,
    "hours-200": 1200,
    "first": 20,
    "perfect-5": 100,
    "half": 250,
    "all": 1000,
    "mastered": 300,
}


@dataclass(slots=True)
class Seen:
    """A valid record, read."""

    user: str
    event_id: str
    content: str
    certification: str | None
    kind: str
    day: date
    at: int
    zone: tuple[bool, int, str]
    score: int | None
    seconds: int

    @property
    def identity(self) -> tuple[str, date, str]:
        return self.user, self.day, self.event_id

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.event_id.encode()).digest()[:8]


def read(record: Record) -> Seen | None:
    """What a record says; None where it is none of the contract."""
    if not record.valid:
        return None
    raw = json.loads(record.payload)
    occurred = datetime.fromisoformat(raw["occurred_at"].upper())
    if (occurred - EPOCH).total_seconds() - record.arrived_at > MAX_AHEAD_SECONDS:
        return None
    named = raw.get("timezone")
    local = occurred.astimezone(zone(named)) if named else occurred
    since = occurred - EPOCH
    at = (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
    text = raw["occurred_at"].upper()
    offset = "+00:00" if text.endswith("Z") else text[-6:]
    score = raw.get("score")
    return Seen(
        user=raw["user_id"],
        event_id=raw["event_id"],
        content=raw["content_id"],
        certification=raw.get("certification_type"),
        kind={"v": "viewed", "a": "answered", "c": "completed", "f": "completed"}[
            raw["interaction_type"][0].lower()
        ],
        day=local.date(),
        at=at,
        zone=(True, at, named) if named else (False, at, offset),
        score=None if score is None else int(f"{score:.2f}".replace(".", "")),
        seconds=raw.get("time_spent", 0),
    )


@dataclass(slots=True)
class Entry:
    """A content in the stored catalog."""

    certification: str
    ordinal: int
    content: str
    category: str
    difficulty: str
    active: bool
    assigned_at: int
    questions: int


def entries(items: Mapping[Key, Item], ordinals_per_part: int) -> list[Entry]:
    """The stored catalog, content by content."""
    found = []
    for (pk, sk), item in sorted(items.items()):
        if pk == "CATALOG" and sk != "HEAD":
            _, code, part = sk.split("#")
            for n, row in enumerate(json.loads(item["contents"]["S"])):
                found.append(Entry(code, int(part) * ordinals_per_part + n, *row[:6]))
    return found


@dataclass(slots=True)
class Recomputed:
    """One learner's views, and what there is to say of the achievements."""

    items: dict[Key, Item] = field(default_factory=dict)
    """STATE (without version and earned) and DAY# items."""
    due: set[str] = field(default_factory=set)
    """Achievements that must have been earned, in whatever order things were applied."""
    possible: set[str] = field(default_factory=set)
    """Those that may have been, for the order decides."""
    instants: set[int] = field(default_factory=set)


def placed(seen: Seen, catalog: Mapping[str, list[Entry]]) -> Entry | None:
    """The catalog's entry that an interaction counts for; None where there is none."""
    found = catalog.get(seen.content, [])
    if seen.certification is not None:
        found = [entry for entry in found if entry.certification == seen.certification]
    return min(found, key=lambda entry: (entry.assigned_at, entry.certification), default=None)


def learner(
    user: str, history: Iterable[Seen], stored: list[Entry], freezes: int, catalog_stands: bool
) -> Recomputed:
    """The views of one learner from their distinct interactions, all of which have a place.

    `catalog_stands`: it was the same from before the first interaction on.
    """
    catalog: dict[str, list[Entry]] = defaultdict(list)
    for known in stored:
        catalog[known.content].append(known)
    tracks: dict[str, dict[str, Any]] = {}
    days: dict[date, dict[str, Any]] = {}
    result = Recomputed()
    latest_zone: tuple[bool, int, str] | None = None
    scores: list[int] = []
    seconds = 0
    for seen in history:
        entry = placed(seen, catalog)
        assert entry is not None
        code = entry.certification
        amounts = [
            1,
            int(seen.kind == "viewed"),
            int(seen.kind == "answered"),
            int(seen.kind == "completed"),
            seen.seconds,
            int(seen.score is not None),
            seen.score or 0,
            int(seen.score == 10000),
        ]
        track = tracks.setdefault(
            code, {"tallies": ({}, {}), "viewed": set(), "answered": set(), "completed": set(), "best": {}}
        )
        bucket = days.setdefault(seen.day, {"tallies": {}, "digests": set()})
        for tallies in (track["tallies"], bucket["tallies"].setdefault(code, ({}, {}))):
            for group, name in zip(tallies, (entry.category, entry.difficulty), strict=True):
                sums = group.setdefault(name, [0] * 8)
                for n in range(8):
                    sums[n] += amounts[n]
        bucket["digests"].add(seen.digest)
        track[seen.kind].add(entry.ordinal)
        if seen.score is not None:
            scores.append(seen.score)
            track["best"][entry.ordinal] = max(seen.score, track["best"].get(entry.ordinal, 0))
        seconds += seen.seconds
        latest_zone = seen.zone if latest_zone is None else max(latest_zone, seen.zone)
        result.instants.add(seen.at)
    if not days:
        return result

    latest = max(days)
    first = min(days)
    pk = f"USER#{user}"
    for day, bucket in days.items():
        if day != latest:
            sk = f"DAY#{day.isoformat()}"
            result.items[pk, sk] = {"pk": {"S": pk}, "sk": {"S": sk}, **_bucket(bucket)}
    result.items[pk, "STATE"] = {
        "pk": {"S": pk},
        "sk": {"S": "STATE"},
        "format": {"N": "1"},
        "tracks": {"M": {code: {"M": _track(track)} for code, track in tracks.items()}},
        "calendar_first": {"N": str((first - FIRST_DAY).days)},
        "calendar": {"B": _bitmap((day - first).days for day in days)},
        "zone": {"S": _json(list(latest_zone or ()))},
        "latest": {"M": {"day": {"N": str((latest - FIRST_DAY).days)}, **_bucket(days[latest])}},
    }
    _achievements(result, tracks, stored, longest_streak(set(days), freezes), scores, seconds, catalog_stands)
    return result


def _track(track: dict[str, Any]) -> Item:
    item: Item = {"tallies": {"S": _json(_trimmed(track["tallies"]))}}
    for name in ("viewed", "answered", "completed"):
        if track[name]:
            item[name] = {"B": _bitmap(track[name])}
    if track["best"]:
        marks = [0] * (max(track["best"]) + 1)
        for ordinal, score in track["best"].items():
            marks[ordinal] = score + 1
        item["best"] = {"B": b"".join(mark.to_bytes(2, "big") for mark in marks)}
    return item


def _bucket(bucket: dict[str, Any]) -> Item:
    tallies = {code: _trimmed(groups) for code, groups in bucket["tallies"].items()}
    return {"tallies": {"S": _json(tallies)}, "digests": {"B": b"".join(sorted(bucket["digests"]))}}


def _trimmed(groups: Any) -> list[dict[str, list[int]]]:
    """Without the zeros at the end."""
    trimmed = []
    for group in groups:
        copy = {}
        for name, sums in group.items():
            last = max(n for n, value in enumerate(sums) if value)
            copy[name] = sums[: last + 1]
        trimmed.append(copy)
    return trimmed


def _bitmap(numbers: Iterable[int]) -> bytes:
    marked = set(numbers)
    data = bytearray(max(marked) // 8 + 1)
    for number in marked:
        data[number // 8] |= 1 << number % 8
    return bytes(data)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def longest_streak(days: set[date], freezes: int) -> int:
    """Walked day by day."""
    longest = run = in_a_row = banked = 0
    day, last = min(days), max(days)
    while day <= last:
        if day in days:
            run += 1
            in_a_row += 1
            longest = max(longest, run)
            if in_a_row % 7 == 0:
                banked = min(freezes, banked + 1)
        else:
            in_a_row = 0
            if banked:
                banked -= 1
            else:
                run = 0
        day += timedelta(days=1)
    return longest


def _achievements(
    result: Recomputed,
    tracks: Mapping[str, dict[str, Any]],
    stored: list[Entry],
    streak: int,
    scores: list[int],
    seconds: int,
    catalog_stands: bool,
) -> None:
    due, possible = result.due, result.possible
    completed = sum(len(track["completed"]) for track in tracks.values())
    due |= {f"streak-{n}" for n in (3, 7, 14, 30, 60, 100) if streak >= n}
    due |= {f"completed-{n}" for n in (10, 50, 100, 250) if completed >= n}
    due |= {f"hours-{n}" for n in (10, 50, 100, 200) if seconds >= n * 3600}
    best = sorted(scores)[-10:]
    for n in (70, 80, 90, 95):
        if len(scores) >= 10 and sum(scores) >= n * 100 * len(scores):
            due.add(f"score-{n}")
        if len(scores) >= 10 and sum(best) >= n * 1000:
            possible.add(f"score-{n}")
    for code, track in tracks.items():
        done = track["completed"]
        active = [entry for entry in stored if entry.certification == code and entry.active]
        perfect = sum(sums[7] for sums in track["tallies"][1].values())
        due |= {f"{code}:first"} if done else set()
        due |= {f"{code}:perfect-5"} if perfect >= 5 else set()
        if not catalog_stands:
            if done:
                possible |= {f"{code}:half", f"{code}:all"}
                possible |= {f"{code}:mastered:{_slug(name)}" for name in ALL_CATEGORIES}
            continue
        done_active = sum(entry.ordinal in done for entry in active)
        due |= {f"{code}:half"} if active and 2 * done_active >= len(active) else set()
        due |= {f"{code}:all"} if active and done_active == len(active) else set()
        for name, sums in track["tallies"][0].items():
            held = [entry for entry in active if entry.category == name]
            if held and all(entry.ordinal in done for entry in held) and sums[5]:
                possible.add(f"{code}:mastered:{_slug(name)}")
                if sums[6] >= 85 * 100 * sums[5]:
                    due.add(f"{code}:mastered:{_slug(name)}")
    possible |= due


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


# -- what of an item can be compared -----------------------------------------------------------------


def comparable(item: Item, moves: bool) -> Item:
    """An item without what depends on when things were applied (DESIGN, invariant 1)."""
    item = {name: value for name, value in item.items() if name not in ("version", "earned")}
    if not moves:
        return item
    if "tracks" in item:
        tracks = item["tracks"]["M"].items()
        item["tracks"] = {"M": {code: {"M": _unmoved(track["M"], "track")} for code, track in tracks}}
        if "latest" in item:
            item["latest"] = {"M": _unmoved(item["latest"]["M"], "bucket")}
        return item
    return _unmoved(item, "bucket")


def _unmoved(item: Item, kind: str) -> Item:
    """The categories that content moves between taken for one, and the difficulties likewise."""
    tallies = json.loads(item["tallies"]["S"])
    for groups in [tallies] if kind == "track" else tallies.values():
        for group, moving in zip(groups, (MOVING_CATEGORIES, MOVING_DIFFICULTIES), strict=True):
            sums = [0] * 8
            for name in moving:
                for n, value in enumerate(group.pop(name, [])):
                    sums[n] += value
            if any(sums):
                group["moving"] = sums
    return {**item, "tallies": {"S": _json(tallies)}}
