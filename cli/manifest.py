"""The manifest of a stack: what `emit` has emitted there and `wait` has not found yet."""

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from cli.logs import Fields
from cli.stack import LOCAL, Stack
from domain.events import parse_event
from domain.interaction import InvalidInteraction


class Emitted(NamedTuple):
    """An emitted interaction: how to recognise it in its learner's views and in quarantine."""

    user_id: str
    """Empty for an invalid interaction."""
    utc_day: int | None
    """The UTC day whose digests contain it. None for an invalid interaction: only quarantine can hold it."""
    digest: int
    payload: str
    """Fingerprint of the payload."""


def manifest_of(stack: Stack) -> Path:
    """Return the path of a stack's manifest."""
    return manifest_of_table(stack.outputs["ViewsTableName"])


def manifest_of_table(views_table: str) -> Path:
    """Return the path of the manifest of the stack with this views table."""
    return LOCAL / f"manifest-{views_table}.jsonl"


def end_of_demo(views_table: str) -> Path:
    """Return the path of the file with the time at which the demo ends on the stack with this views table."""
    return LOCAL / f"demo-{views_table}.txt"


def manifest_entry(fields: Fields) -> Emitted:
    """Return the manifest entry of an interaction."""
    payload = fingerprint(json.dumps(fields).encode())
    try:
        event = parse_event(fields, datetime.now(UTC))
    except InvalidInteraction:
        return Emitted("", None, 0, payload)
    return Emitted(event.user_id, event.utc_day, event.digest, payload)


def fingerprint(payload: bytes) -> str:
    """Return a hash that is the same for equal JSON, because the bus rewrites the JSON that it carries."""
    # A payload that is not JSON is identified by its bytes.
    with suppress(ValueError, RecursionError):
        payload = json.dumps(json.loads(payload), sort_keys=True).encode()
    return sha256(payload).hexdigest()[:24]


def add_to_manifest(entries: Iterable[Emitted], path: Path) -> None:
    """Append entries to the manifest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as lines:
        lines.writelines(f"{json.dumps(entry)}\n" for entry in entries)


def read_manifest(path: Path) -> list[Emitted]:
    """Return what was emitted since the last `wait` that found everything."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as lines:
        return [Emitted(*json.loads(line)) for line in lines]


def clear_manifest(path: Path) -> None:
    """Delete the manifest."""
    path.unlink(missing_ok=True)
