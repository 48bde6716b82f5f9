"""Row 7: a naive consumer that is exactly once as well, one invocation and one transaction for each event."""

from collections.abc import Iterator
from typing import Any

from benchmarks.consumer import consumer
from benchmarks.counted_table import CountedTable
from benchmarks.dollars import BATCH, LAMBDA_REQUEST, READ_UNIT, WRITE_UNIT
from benchmarks.figures import Figure, at_most, stated
from benchmarks.histories import MissingLog, by_learner, statistics
from cli.logs import Fields

A_WRITE = 3
"""Interactions for each write of a learner."""


def consume_one(table: CountedTable, fields: Fields) -> None:
    """Count an event in four counters, in one transaction with a marker that keeps it from counting twice."""
    user, day = f"USER#{fields['user_id']}", fields["occurred_at"][:10]
    marker = {"pk": {"S": user}, "sk": {"S": f"EVENT#{fields['event_id']}"}}
    counters = (
        "TOTAL",
        f"DAY#{day}",
        f"CONTENT#{fields['content_id']}",
        f"KIND#{fields['interaction_type']}",
    )
    amounts = {":one": 1, ":seconds": fields.get("time_spent", 0), ":score": int(fields.get("score", 0))}
    values: dict[str, Any] = {name: {"N": str(amount)} for name, amount in amounts.items()}
    updates = [
        {
            "Update": {
                "TableName": "views",
                "Key": {"pk": {"S": user}, "sk": {"S": counter}},
                "UpdateExpression": "ADD interactions :one, seconds :seconds, score :score",
                "ExpressionAttributeValues": values,
            }
        }
        for counter in counters
    ]
    put = {"TableName": "views", "Item": marker, "ConditionExpression": "attribute_not_exists(pk)"}
    table.transact_write_items(TransactItems=[{"Put": put}, *updates])


def figures() -> Iterator[Figure]:
    """Yield the figures of row 7."""
    how = "statistics log, counted by DynamoDB's rules; ours in batches of 3 interactions of one learner"
    try:
        history = statistics()
    except MissingLog as missing:
        yield stated(7, "units against a naive consumer", f"not measured: {missing}", how)
        return
    number = len(history.interactions)
    naive = CountedTable()
    for fields in history.interactions:
        consume_one(naive, fields)
    found = consumer(history.catalog)
    found.consume(by_learner(history.interactions, A_WRITE))
    ours, theirs = found.table.write_units / number, naive.write_units / number
    yield stated(7, "write units an interaction, ours and naive", f"{ours:.2f} and {theirs:.2f}", how)
    yield at_most(7, "write units over those of a naive consumer", ours / theirs, 0.2, how, ".3f")
    calls = sum(found.table.calls.values()) / number
    yield stated(
        7, "calls an interaction, ours and naive", f"{calls:.2f} and 1.00, and an invocation each", how
    )
    reads = found.table.read_units / number
    our_dollars = 1e6 * (
        ours * WRITE_UNIT.dollars + reads * READ_UNIT.dollars + LAMBDA_REQUEST.dollars / BATCH
    )
    naive_dollars = 1e6 * (theirs * WRITE_UNIT.dollars + LAMBDA_REQUEST.dollars)
    yield at_most(
        7,
        f"dollars a million over those of a naive consumer ({our_dollars:.2f} and {naive_dollars:.2f})",
        our_dollars / naive_dollars,
        0.2,
        f"units and invocations; ours with the units of row 7 and {BATCH} records an invocation",
        ".3f",
    )
