"""Classify AWS errors, and define the errors that several functions share."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

MAX_RACES = 20
"""Maximum lost write races for one item before the writer gives up."""


class Contended(Exception):
    """Other writers were faster at every attempt. The batch must be delivered again."""


class Unreadable(Exception):
    """A stored item can't be decoded. `code` is the reason in quarantine."""

    code = "unreadable_state"


class LaterFormat(Unreadable):
    """A later release wrote this state, and this release can't read it."""

    code = "later_format"


class TooLarge(Exception):
    """DynamoDB can't accept a change: an item is over 400 KB, or one transaction has too much in it."""


_CONTENTION = {
    "ConditionalCheckFailedException",
    "TransactionConflictException",
    "ConditionalCheckFailed",
    "TransactionConflict",
}

_THROTTLED = {"ThrottlingError", "ProvisionedThroughputExceeded"}
"""Reasons why DynamoDB throttles one item of a transaction. botocore does not retry them."""

_INVALID = {"ValidationException", "ValidationError"}


def cancellation_reasons(error: ClientError) -> list[dict[str, Any]]:
    """Return why each item of a cancelled transaction was refused, in order; empty for any other error."""
    response: Any = error.response
    reasons: list[dict[str, Any]] = response.get("CancellationReasons", [])
    return reasons


def _codes(error: ClientError) -> set[str | None]:
    return {error.response["Error"]["Code"], *(reason.get("Code") for reason in cancellation_reasons(error))}


def is_contention(error: ClientError) -> bool:
    """Return whether another writer was faster, or is writing now.

    Nothing was written, and a new fold can succeed.
    """
    return bool(_codes(error) & _CONTENTION)


def is_failed_condition(error: ClientError) -> bool:
    """Return whether the condition of a write of one item does not hold."""
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"


def is_throttled(error: ClientError) -> bool:
    """Return whether a transaction was cancelled because one of its keys takes no more for the moment."""
    return bool(_codes(error) & _THROTTLED)


def is_transient(error: Exception) -> bool:
    """Return whether the same call can succeed later: the cause is neither a bug nor an invalid request."""
    if isinstance(error, ClientError):
        return not _codes(error) & _INVALID
    return isinstance(error, BotoCoreError | OSError | Contended)


def is_oversize(error: ClientError) -> bool:
    """Return whether DynamoDB counted more bytes than `item_bytes` did. No retry can succeed."""
    messages = (part.get("Message") for part in _parts(error))
    return any("item size" in str(message).lower() for message in messages)


def stored_item(error: ClientError) -> dict[str, Any] | None:
    """Return the item that failed the condition, if DynamoDB returned it."""
    response: Any = error.response
    items = (refused.get("Item") for refused in (response, *cancellation_reasons(error)))
    return next(filter(None, items), None)


def _parts(error: ClientError) -> Iterator[Any]:
    yield error.response["Error"]
    yield from cancellation_reasons(error)
