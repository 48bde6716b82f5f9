"""Retry calls that can succeed for some of their entries and fail for others."""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import click

MAX_TRIES = 10
FIRST_PAUSE, MAX_PAUSE = 0.1, 5.0
"""Upper bounds, in seconds, of the first pause and of any pause between two tries."""


def retry[T](entries: list[T], attempt: Callable[[list[T]], list[T]]) -> list[T]:
    """Return the entries that are still rejected after MAX_TRIES.

    `attempt` makes one call and returns the entries that the call rejected.
    """
    for tries in range(MAX_TRIES):
        entries = attempt(entries)
        if not entries:
            break
        pause(tries)
    return entries


def retry_until_accepted[T](entries: list[T], attempt: Callable[[list[T]], list[T]]) -> None:
    """Retry until every entry is accepted. Raise click.ClickException after MAX_TRIES."""
    if left := retry(entries, attempt):
        raise click.ClickException(
            f"AWS rejected {len(left)} entries {MAX_TRIES} times; run the command again later, which is safe"
        )


def rejected[T](entries: Sequence[T], results: Sequence[dict[str, Any]]) -> list[T]:
    """Return the entries that a PutRecords or PutEvents call rejected, given its results in order."""
    return [entry for entry, result in zip(entries, results, strict=True) if "ErrorCode" in result]


def pause(tries: int) -> None:
    """Sleep for a random time whose upper bound doubles with every try."""
    time.sleep(random.uniform(0, min(MAX_PAUSE, FIRST_PAUSE * 2**tries)))
