"""Awards reach the bus within seconds, and are counted once, on the deployed stack."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.content import ensure_content
from cli.logs import CatalogRow
from tests.e2e.conftest import Deployed
from tests.factory import make_interaction

SECONDS = 5
"""How long to wait for messages that should not come."""
MAX_SECONDS = 60
"""How long to wait for messages that should come. Mostly it takes less than a second."""
LEARNER = "e2e-award"
CODE = "E2EAWARD"


def subscribe(stack: Deployed) -> str:
    """Subscribe a queue to the bus's awards with the rule of docs/api.md. Return its URL."""
    sqs, events = stack.stack.client("sqs"), stack.stack.client("events")
    url = str(sqs.create_queue(QueueName="e2e-awards")["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = stack.outputs["BusName"]
    pattern = json.dumps({"source": ["streakline"], "detail-type": ["achievement.earned"]})
    events.put_rule(Name="e2e-awards", EventBusName=bus, EventPattern=pattern)
    events.put_targets(Rule="e2e-awards", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    return url


def published(stack: Deployed, url: str, seconds: float, until: int = 10_000) -> list[dict[str, Any]]:
    """Return the learner's awards that reach the queue within so many seconds, or until there are enough."""
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


def counted(stack: Deployed) -> int:
    """Return how many learners have the first award of this test's certification, once that is known."""
    deadline = time.monotonic() + MAX_SECONDS
    while True:
        if number := stack.stack.store.rarity().earned.get(f"{CODE}:first"):
            return number
        assert time.monotonic() < deadline, "the award is not counted"
        time.sleep(1)


def put(stack: Deployed, interactions: list[dict[str, Any]]) -> None:
    kinesis = stack.stack.client("kinesis")
    for interaction in interactions:
        kinesis.put_record(
            StreamName=stack.outputs["StreamName"],
            PartitionKey=LEARNER,
            Data=json.dumps(interaction).encode(),
        )


def test_an_award_reaches_a_queue_is_not_repeated_and_is_counted_once(stack: Deployed) -> None:
    ensure_content(stack.stack, [CatalogRow(f"{CODE}-{n}", CODE, "Storage", "beginner") for n in range(4)])
    url = subscribe(stack)
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    history = [
        make_interaction(
            event_id=f"e{n}",
            user_id=LEARNER,
            content_id=f"{CODE}-{n % 3}",
            interaction_type="completed" if n == 0 else "viewed",
            occurred_at=(start + timedelta(days=n)).isoformat(),
        )
        for n in range(3)
    ]
    put(stack, history)
    awards = published(stack, url, MAX_SECONDS, until=2)
    assert {detail["achievement_id"] for detail in awards} == {f"{CODE}:first", "streak-3"}
    assert counted(stack) == 1
    before = earned(stack)
    put(stack, history)
    put(stack, history[::-1])
    assert stack.streakline("backfill-achievements", "--announce")["awards"] == 0
    repeated = published(stack, url, SECONDS)
    assert earned(stack) == before
    assert {detail["event_id"] for detail in repeated} <= {detail["event_id"] for detail in awards}
    assert counted(stack) == 1
