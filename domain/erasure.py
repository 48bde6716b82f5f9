"""Erasures of learners: what of the stored data is about an erased learner, and when nothing can come back.

A learner is erased in the views at once. Everything else that holds the learner's records is rewritten in
passes, which take many erasures together.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from pydantic_core import from_json

from domain import xapi
from domain.days import microseconds
from domain.events import parse_record
from domain.fold import is_dropped
from domain.interaction import InvalidInteraction, is_user_id
from domain.learner import Learner

STREAM_FORGETS = timedelta(days=8)
"""After this time no record from before the erasure can be delivered any more: the stream keeps records for
7 days, and the event log lags by minutes."""

_ID_CHARACTER = r"[A-Za-z0-9._:@+|-]"
_BEFORE_ID = rf"(?:(?<!{_ID_CHARACTER})|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{{4}}))"
"""An id begins after another character than an id has, or after one that JSON has escaped."""


class Erasure(NamedTuple):
    """The erasure of one learner, as long as something is left to do."""

    user_id: str
    erased_at: int
    """Microseconds since 1970."""
    starts_at: int | None = None
    """When the learner started again, in microseconds since 1970. What is later stays."""
    is_out_of_views: bool = False
    """Whether the views hold nothing but the tombstone, and others were told."""
    passed_at: int | None = None
    """When the last pass over the log that took the erasure along began, in microseconds since 1970."""
    taken_at: int | None = None
    """When the pass began that takes it along now, or that was the last to do so."""

    @property
    def second_pass_from(self) -> int:
        """When a pass must begin at the earliest that leaves nothing which could come back."""
        return self.erased_at + STREAM_FORGETS // timedelta(microseconds=1)

    def ends_with(self, began_at: int) -> bool:
        """Return whether a pass that began then leaves nothing that could come back."""
        return began_at >= self.second_pass_from

    def covers(self, payload: bytes, arrived_at: datetime) -> bool:
        """Return whether a record of this learner is erased: of any time, or from before the new start."""
        if self.starts_at is None:
            return True
        try:
            event = parse_record(payload, arrived_at)
        except InvalidInteraction:
            return microseconds(arrived_at) < self.starts_at
        return is_dropped(Learner(self.user_id, starts_at=self.starts_at), event)


@dataclass(frozen=True)
class Erasures:
    """The erasures that a pass knows of."""

    of: Mapping[str, Erasure]
    """By learner."""

    def has(self, payload: bytes, arrived_at: datetime) -> bool:
        """Return whether a record, without its frame, is about an erased learner."""
        user_id = learner_in(payload)
        if user_id is not None:
            erasure = self.of.get(user_id)
            return erasure is not None and erasure.covers(payload, arrived_at)
        return self.mentions(payload.decode(errors="replace"), arrived_at)

    def mentions(self, text: str, arrived_at: datetime) -> bool:
        """Return whether a text that names no learner in a readable form has an erased learner's id in it."""
        at = microseconds(arrived_at)
        found = (self.of[match[0]] for match in self._ids.finditer(text))
        return any(erasure.starts_at is None or at < erasure.starts_at for erasure in found)

    def mentions_item(self, change: Any, at: datetime) -> bool:
        """Return whether a change in a table's stream is of an item of an erased learner.

        The views' keys are `USER#<id>`; the replaced tracker's rows have a `user_id`.
        """
        try:
            keys = change["Keys"]
            name = keys["pk"]["S"] if "pk" in keys else f"USER#{keys['user_id']['S']}"
            kind, _, user_id = name.partition("#")
        except (AttributeError, KeyError, TypeError):
            return False
        erasure = self.of.get(user_id) if kind in ("USER", "REFUSED") else None
        return erasure is not None and (erasure.starts_at is None or microseconds(at) < erasure.starts_at)

    @cached_property
    def _ids(self) -> re.Pattern[str]:
        # The longest first: an id can be the beginning of another one.
        ids = "|".join(map(re.escape, sorted(self.of, key=len, reverse=True)))
        return re.compile(rf"{_BEFORE_ID}(?:{ids})(?!{_ID_CHARACTER})" if ids else r"(?!)")


def learner_in(payload: bytes) -> str | None:
    """Return the learner that a record names, valid or not, or that an xAPI statement is about."""
    try:
        fields: Any = from_json(payload)
    except ValueError:
        return None
    if not isinstance(fields, dict):
        return None
    user_id = fields.get("user_id")
    if isinstance(user_id, str) and is_user_id(user_id):
        return user_id
    if "actor" in fields:
        try:
            return xapi.learner_of(fields)
        except xapi.NotUnderstood:
            return None
    return None
