"""Generations of the views: which one was live when.

There are at most two, named by their colours. A cutover begins an epoch; the next one ends it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple, get_args

from pydantic import TypeAdapter

type Colour = Literal["blue", "green"]
COLOURS: tuple[Colour, ...] = get_args(Colour.__value__)


class Epoch(NamedTuple):
    """The time for which a generation is live: from `since` to the next epoch."""

    live: Colour
    since: int
    """Milliseconds since 1970."""


FIRST: tuple[Epoch, ...] = (Epoch("blue", 0),)
"""The epochs of a stack that never cut over."""

_EPOCHS: TypeAdapter[tuple[Epoch, ...]] = TypeAdapter(tuple[Epoch, ...])


def other(colour: Colour) -> Colour:
    """Return the other generation."""
    return "green" if colour == "blue" else "blue"


def live_at(epochs: Sequence[Epoch], moment: datetime) -> Colour:
    """Return the generation that is live at a moment. The epochs are in order of time."""
    milliseconds = moment.astimezone(UTC).timestamp() * 1000
    return next((epoch.live for epoch in reversed(epochs) if epoch.since <= milliseconds), epochs[0].live)


def to_text(epochs: Sequence[Epoch]) -> str:
    """Return epochs as JSON."""
    return _EPOCHS.dump_json(tuple(epochs)).decode()


def epochs_of(text: str) -> tuple[Epoch, ...]:
    """Return the epochs in a text that `to_text` made. Raise ValueError if there are none in it."""
    epochs = _EPOCHS.validate_json(text)
    if not epochs:
        raise ValueError("there is no epoch in it")
    return epochs
