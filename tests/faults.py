"""AWS errors for tests, and calls that raise them."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions import aws


def client_error(code: str, operation: str, message: str = "", **more: Any) -> ClientError:
    """Return the error with which AWS answers an operation."""
    response: Any = {"Error": {"Code": code, "Message": message}, **more}
    return ClientError(response, operation)


def cancelled(*codes: str, item: dict[str, Any] | None = None) -> ClientError:
    """Return the error of a transaction with one code for each of its items.

    `item` is the stored item that the first code returns.
    """
    reasons: list[dict[str, Any]] = [{"Code": code} for code in codes]
    if item is not None:
        reasons[0]["Item"] = item
    return client_error("TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons)


def failing(times: int, error: Exception, real: Callable[..., Any]) -> Callable[..., Any]:
    """Return a call that fails `times` times and then succeeds."""
    left = iter(range(times))

    def call(**arguments: Any) -> Any:
        if next(left, None) is not None:
            raise error
        return real(**arguments)

    return call


def refuse_writes(monkeypatch: pytest.MonkeyPatch, error: ClientError, times: int = 1) -> None:
    """Make DynamoDB refuse the next `times` writes of each sort: single, and in a transaction."""
    client = aws.dynamodb()
    for name in ("put_item", "transact_write_items"):
        monkeypatch.setattr(client, name, failing(times, error, getattr(client, name)))
