"""The errors of AWS calls, as botocore raises them."""

from typing import Any

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)

ENDPOINT = "https://dynamodb.eu-north-1.amazonaws.com"
_THROTTLED = "Throughput exceeds the current capacity"
_CONFLICT = "Transaction is ongoing for the item"


def client_error(code: str, message: str, operation: str, status: int = 400, **members: Any) -> ClientError:
    """Return the error for an error response. Members of a modeled error stand beside `Error`."""
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 0},
        **members,
    }
    return ClientError(response, operation)


def cancelled(reasons: list[dict[str, Any]]) -> ClientError:
    """Return the error for a cancelled transaction, given one reason per item."""
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    return client_error(
        "TransactionCanceledException", message, "TransactWriteItems", CancellationReasons=reasons
    )


def throttled(operation: str, by_table: bool, transaction_items: int) -> ClientError:
    """Return the error for a throttled call; `transaction_items` is 0 outside transactions."""
    if transaction_items:
        code = "ProvisionedThroughputExceeded" if by_table else "ThrottlingError"
        return cancelled(_one_reason(0, code, _THROTTLED, transaction_items))
    code = "ProvisionedThroughputExceededException" if by_table else "ThrottlingException"
    return client_error(code, _THROTTLED, operation)


def write_conflict(operation: str, position: int | None, transaction_items: int) -> ClientError:
    """Return the error for a write that meets another transaction on its item.

    `position` is the index of that item if the write is itself a transaction.
    """
    if position is None:
        return client_error("TransactionConflictException", _CONFLICT, operation)
    return cancelled(_one_reason(position, "TransactionConflict", _CONFLICT, transaction_items))


def timeout(number: int) -> Exception:
    """Return one of the three errors for a call without an answer. No. 2: no connection was made."""
    if number == 0:
        return ReadTimeoutError(endpoint_url=ENDPOINT, error="timed out")
    if number == 1:
        return ConnectionClosedError(endpoint_url=ENDPOINT)
    return EndpointConnectionError(endpoint_url=ENDPOINT, error="refused")


def _one_reason(position: int, code: str, message: str, items: int) -> list[dict[str, Any]]:
    reason = {"Code": code, "Message": message}
    return [reason if n == position else {"Code": "None"} for n in range(items)]
