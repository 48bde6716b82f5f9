"""`streakline redrive`: puts quarantined records back through the stream."""

import json
from collections import Counter
from collections.abc import Sequence
from itertools import batched
from typing import Any

import click

from cli.quarantine import Held, look
from cli.stack import Stack, on_stack, print_json

FOR_GOOD = {"malformed", "invalid"}
"""Reasons that lie in the record itself: it stays, for its producer to look at."""


@click.command()
@click.option("--reason", help="Only records with this code, such as unknown_content.")
@click.option("--dry-run", is_flag=True, help="Only list.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@on_stack
def redrive(stack: Stack, reason: str | None, dry_run: bool, as_json: bool) -> None:
    """Put quarantined records back through the stream.

    Records whose fault lies in themselves stay, and are listed. Running it twice has no effect beyond
    once: what was applied in the meantime is recognised.
    """
    held = [message for message in look(stack) if reason in (None, message.code)]
    chosen = [message for message in held if message.code not in FOR_GOOD]
    staying = [message for message in held if message.code in FOR_GOOD]
    sent = 0 if dry_run else put_back(stack, chosen)
    if as_json:
        print_json(
            {
                "redriven": sent,
                "eligible": dict(Counter(message.code for message in chosen)),
                "staying": [_described(message) for message in staying],
            }
        )
        return
    for code, count in sorted(Counter(message.code for message in chosen).items()):
        click.echo(f"{'would go back' if dry_run else 'back in the stream'}: {count:5,}  {code}")
    if dry_run:
        for message in chosen:
            click.echo(f"  {message.position}  {message.reason}")
    for message in staying:
        click.echo(f"stays: {message.position}  {message.code}: {message.reason}")
    if not held:
        click.echo("Nothing in quarantine" + (f" for {reason}." if reason else "."))


def put_back(stack: Stack, chosen: Sequence[Held]) -> int:
    """Put records into the stream, and take those out of quarantine that it has; how many."""
    kinesis, sqs = stack.client("kinesis"), stack.client("sqs")
    sent = 0
    for chunk in batched(chosen, 10):
        records = [{"Data": m.payload, "PartitionKey": _partition_key(m.payload)} for m in chunk]
        results = kinesis.put_records(StreamName=stack.outputs["StreamName"], Records=records)["Records"]
        taken = [m for m, result in zip(chunk, results, strict=True) if "ErrorCode" not in result]
        for queue in {m.queue for m in taken}:
            of_queue = [receipt for m in taken if m.queue == queue for receipt in m.receipts]
            for receipts in batched(of_queue, 10):
                entries = [{"Id": str(n), "ReceiptHandle": receipt} for n, receipt in enumerate(receipts)]
                sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
        sent += len(taken)
    return sent


def _partition_key(payload: bytes) -> str:
    # What the bus could not deliver may lack one: the consumer then says so, with the field's name.
    return str(json.loads(payload).get("user_id") or "unknown")


def _described(message: Held) -> dict[str, Any]:
    return {
        "position": message.position,
        "code": message.code,
        "reason": message.reason,
        "arrived_at": message.arrived_at,
    }
