"""The control table's item that says which generation of the views is live.

It is read at run time: a parameter would not reach a function behind an alias, because SAM publishes a new
version only for new code.

| pk      | sk   | content                                               |
|---------|------|-------------------------------------------------------|
| CONTROL | LIVE | `epochs`: which generation was live from when, JSON   |
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from domain.generations import FIRST, Colour, Epoch, epochs_of, live_at
from functions import aws

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CACHED_SECONDS = 5
"""How long a process keeps what it has read. A cutover announces itself earlier than that."""
LIVE = {"pk": {"S": "CONTROL"}, "sk": {"S": "LIVE"}}
"""The item's key."""


@dataclass(slots=True)
class Generations:
    """The generations of a stack, as the control table has them."""

    client: "DynamoDBClient"
    table: str
    clock: Callable[[], float] = time.monotonic
    """Seconds of a clock that never goes back."""
    _epochs: tuple[Epoch, ...] = FIRST
    _read_at: float | None = field(default=None)

    def epochs(self) -> tuple[Epoch, ...]:
        """Return the epochs, at most five seconds old. Raise ValueError if the item can't be decoded."""
        now = self.clock()
        if self._read_at is None or now - self._read_at > CACHED_SECONDS:
            answer: Any = self.client.get_item(TableName=self.table, Key=LIVE, ConsistentRead=True)
            item = answer.get("Item")
            self._epochs = epochs_of(item["epochs"]["S"]) if item else FIRST
            self._read_at = now
        return self._epochs

    def live(self) -> Colour:
        """Return the generation that is live now."""
        return self.live_at(datetime.now(UTC))

    def live_at(self, moment: datetime) -> Colour:
        """Return the generation that is live at a moment, as far as it is known now."""
        return live_at(self.epochs(), moment)


@cache
def generations() -> Generations:
    """Return the generations of this process's stack."""
    return Generations(aws.dynamodb(), os.environ["CONTROL_TABLE"])


def tables() -> Mapping[str, str]:
    """Return the views tables that exist, by colour, from the environment of this process."""
    named = {"blue": os.environ.get("BLUE_VIEWS_TABLE"), "green": os.environ.get("GREEN_VIEWS_TABLE")}
    return {colour: table for colour, table in named.items() if table}


def live_table() -> str:
    """Return the name of the live generation's table. Raise KeyError if the stack has dropped it."""
    return tables()[generations().live()]
