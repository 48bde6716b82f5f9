"""What was emitted and not yet found again: `emit` notes it, `wait` looks for it."""

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from cli.logs import Fields
from cli.stack import LOCAL
from domain.interaction import InvalidInteraction, parse

MANIFEST = LOCAL / "manifest.jsonl"


class Emitted(NamedTuple):
    """One emitted interaction: how its learner's day remembers it, and how quarantine would hold it."""

    user_id: str
    day: int | None
    """None for what is no valid interaction: it can only be in quarantine."""
    digest: int
    payload: str
    """Fingerprint of the payload."""


def emitted(fields: Fields) -> Emitted:
    """What to look for after this was emitted."""
    mark = fingerprint(json.dumps(fields).encode())
    try:
        interaction = parse(fields, datetime.now(UTC))
    except InvalidInteraction:
        return Emitted(str(fields.get("user_id")), None, 0, mark)
    return Emitted(interaction.user_id, interaction.day, interaction.digest, mark)


def fingerprint(payload: bytes) -> str:
    """The same for equal JSON, however it is written: a bus writes it anew."""
    # What is no JSON is told by its bytes.
    with suppress(ValueError, RecursionError):
        payload = json.dumps(json.loads(payload), sort_keys=True).encode()
    return sha256(payload).hexdigest()[:24]


def note(entries: Iterable[Emitted], path: Path = MANIFEST) -> None:
    """Add to the manifest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as lines:
        lines.writelines(f"{json.dumps(entry)}\n" for entry in entries)


def noted(path: Path = MANIFEST) -> list[Emitted]:
    """All that was emitted since the last wait that found everything."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as lines:
        return [Emitted(*json.loads(line)) for line in lines]


def forget(path: Path = MANIFEST) -> None:
    """Begin a new manifest."""
    path.unlink(missing_ok=True)
