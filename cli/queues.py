"""Delete and release SQS messages, at most ten in one call."""

from collections.abc import Iterable, Iterator
from itertools import batched
from typing import Any

MAX_MESSAGES = 10


def delete_messages(sqs: Any, url: str, receipts: Iterable[str]) -> list[str]:
    """Delete messages from a queue. Return why, for each message that SQS did not delete."""
    failed: list[str] = []
    for entries in _entries(receipts):
        answer = sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        failed += [one.get("Message") or one["Code"] for one in answer.get("Failed", [])]
    return failed


def release_messages(sqs: Any, url: str, receipts: Iterable[str]) -> None:
    """Make received messages visible to other readers again."""
    for entries in _entries(receipts):
        released = [{**entry, "VisibilityTimeout": 0} for entry in entries]
        sqs.change_message_visibility_batch(QueueUrl=url, Entries=released)


def _entries(receipts: Iterable[str]) -> Iterator[list[dict[str, Any]]]:
    for some in batched(receipts, MAX_MESSAGES):
        yield [{"Id": str(n), "ReceiptHandle": receipt} for n, receipt in enumerate(some)]
