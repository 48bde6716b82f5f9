"""The generations of the views at run time: which tables exist, and which of them is live.

The live one is read from an item of the control table. A parameter would not reach a function behind an
alias, because SAM publishes a new version only for new code.

| pk      | sk   | content                                               |
|---------|------|-------------------------------------------------------|
| CONTROL | LIVE | `epochs`: which generation was live from when, JSON   |
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from domain.generations import COLOURS, FIRST, Colour, Epoch, epochs_of, live_at, other
from functions import aws
from functions.errors import is_transient
from functions.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CACHED_SECONDS = 5
"""How long a process keeps what it has read. A cutover announces itself earlier than that."""
MAX_STALE_SECONDS = 60
"""How old that may be for a reader of views while the control table can't be read.

The generation that was live a minute ago still has every interaction, so the answer is right. A consumer may
not go on with an old value: two consumers that disagree about a record's arrival could both quarantine it, or
neither.
"""
LIVE = {"pk": {"S": "CONTROL"}, "sk": {"S": "LIVE"}}
"""The item's key."""


class GenerationGone(OSError):
    """The live generation's table is not in this stack. A reader must not answer from another one."""


@dataclass(slots=True)
class Generations:
    """The generations of a stack, as the control table has them."""

    client: "DynamoDBClient"
    table: str
    clock: Callable[[], float] = time.monotonic
    """Seconds of a clock that never goes back."""
    _epochs: tuple[Epoch, ...] = FIRST
    _read_at: float = float("-inf")
    _failed_at: float = float("-inf")

    def epochs(self, max_stale: float = CACHED_SECONDS) -> tuple[Epoch, ...]:
        """Return the epochs, at most five seconds old.

        If the table can't be read, return what was read within the last `max_stale` seconds, and try again in
        five seconds. Raise the error of the table if that is too old, and ValueError if the item can't be
        decoded.
        """
        now = self.clock()
        if now - self._read_at <= CACHED_SECONDS:
            return self._epochs
        may_be_stale = now - self._read_at <= max_stale
        if may_be_stale and now - self._failed_at <= CACHED_SECONDS:
            return self._epochs
        try:
            answer: Any = self.client.get_item(TableName=self.table, Key=LIVE, ConsistentRead=True)
        except Exception as error:
            if not may_be_stale or not is_transient(error):
                raise
            self._failed_at = now
            logger.warning("the control table can't be read", exc_info=error)
            return self._epochs
        item = answer.get("Item")
        self._epochs = epochs_of(item["epochs"]["S"]) if item else FIRST
        self._read_at = now
        return self._epochs

    def live(self, max_stale: float = CACHED_SECONDS) -> Colour:
        """Return the generation that is live now."""
        return live_at(self.epochs(max_stale), datetime.now(UTC))

    def live_at(self, moment: datetime) -> Colour:
        """Return the generation that is live at a moment, as far as it is known now."""
        return live_at(self.epochs(), moment)


@cache
def generations() -> Generations:
    """Return the generations of this process's stack."""
    return Generations(aws.dynamodb(), os.environ["CONTROL_TABLE"])


def tables() -> Mapping[Colour, str]:
    """Return the views tables that exist, by colour, from this process's environment. Blue comes first."""
    named = {colour: os.environ.get(f"{colour.upper()}_VIEWS_TABLE") for colour in COLOURS}
    return {colour: table for colour, table in named.items() if table}


def live_table() -> str:
    """Return the name of the live generation's table, for readers of views.

    Raise GenerationGone if the stack has dropped it.
    """
    colour = generations().live(MAX_STALE_SECONDS)
    found = tables()
    if colour not in found:
        raise GenerationGone(f"the live generation is {colour}, and this stack has only {', '.join(found)}")
    return found[colour]


def other_table(colour: Colour) -> str | None:
    """Return the name of the other generation's table; None without one."""
    return tables().get(other(colour))


def is_responsible(colour: Colour, arrived_at: datetime) -> bool:
    """Return whether a generation's consumer answers for a record: it was live when the record arrived.

    If the stack has dropped the generation that was live then, the one that is left answers for it.
    """
    live = generations().live_at(arrived_at)
    return live == colour or live not in tables()
