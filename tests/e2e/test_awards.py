"""Awards on the deployed stack: on the bus within seconds, and once."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.emit import offer
from cli.logs import CatalogRow
from tests.e2e.conftest import Deployed

SECONDS = 5
LEARNER = "e2e-award"
CODE = "E2EAWARD"


def subscribed(stack: Deployed) -> str:
    """A queue that gets the bus's awards, by a rule as the README has it."""
    sqs, events = stack.stack.client("sqs"), stack.stack.client("events")
    url = str(sqs.create_queue(QueueName="e2e-awards")["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = stack.outputs["BusName"]
    pattern = json.dumps({"source": ["streakline"], "detail-type": ["achievement.earned"]})
    events.put_rule(Name="e2e-awards", EventBusName=bus, EventPattern=pattern)
    events.put_targets(Rule="e2e-awards", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    return url


def told(stack: Deployed, url: str, seconds: float, until: int = 10_000) -> list[dict[str, Any]]:
    """The learner's awards that reach the queue in that time."""
    sqs = stack.stack.client("sqs")
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + seconds
    while len(found) < until and time.monotonic() < deadline:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get(
            "Messages", []
        ):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            detail = json.loads(message["Body"])["detail"]
            if detail["user_id"] == LEARNER:
                found.append(detail)
    return found


def earned(stack: Deployed) -> dict[str, Any]:
    pages = stack.stack.client("dynamodb").query(
        TableName=stack.outputs["ViewsTableName"],
        KeyConditionExpression="pk = :pk AND begins_with(sk, :earned)",
        ExpressionAttributeValues={":pk": {"S": f"USER#{LEARNER}"}, ":earned": {"S": "EARNED#"}},
    )
    return {item["sk"]["S"]: item["award"] for item in pages["Items"]}


def put(stack: Deployed, interactions: list[dict[str, Any]]) -> None:
    kinesis = stack.stack.client("kinesis")
    for interaction in interactions:
        kinesis.put_record(
            StreamName=stack.outputs["StreamName"],
            PartitionKey=LEARNER,
            Data=json.dumps(interaction).encode(),
        )


def test_an_award_reaches_a_queue_within_5_seconds_and_nothing_brings_a_second_one(stack: Deployed) -> None:
    offer(stack.stack, [CatalogRow(f"{CODE}-{n}", CODE, "Storage", "beginner") for n in range(4)])
    url = subscribed(stack)
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    history = [
        {
            "event_id": f"e{n}",
            "user_id": LEARNER,
            "content_id": f"{CODE}-{n % 3}",
            "interaction_type": "completed" if n == 0 else "viewed",
            "occurred_at": (start + timedelta(days=n)).isoformat(),
        }
        for n in range(3)
    ]
    # The functions are warm from here on, as they are on a stack in use.
    put(stack, [{**history[0], "user_id": "e2e-warm"}])
    told(stack, url, SECONDS)
    put(stack, history)
    begun = time.monotonic()
    said = told(stack, url, SECONDS, until=2)
    assert time.monotonic() - begun < SECONDS
    assert {detail["achievement_id"] for detail in said} == {f"{CODE}:first", "streak-3"}
    before = earned(stack)
    put(stack, history)
    put(stack, history[::-1])
    assert stack.streakline("backfill-achievements", "--announce")["awards"] == 0
    again = told(stack, url, SECONDS)
    assert earned(stack) == before
    assert {detail["event_id"] for detail in again} <= {detail["event_id"] for detail in said}
