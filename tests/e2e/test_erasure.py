"""An erasure on a deployed stack: the API, the command, and the state machine's pass over everything."""

import gzip
import json
import secrets
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from cli.quarantine import read_quarantine
from domain.days import microseconds
from domain.log_line import line_for, to_text
from tests.e2e.conftest import Deployed
from tests.e2e.interactions import ensure_test_content, eventually, interaction

NOW = datetime.now(UTC)
EVERYWHERE = ["failed_batch", "invalid", "undelivered", "unknown_content"]
"""Why the records of a learner are in queues and failed batches."""


@pytest.fixture
def learners(stack: Deployed) -> tuple[str, str]:
    """Return the ids of two learners who have studied."""
    ensure_test_content(stack.stack)
    number = secrets.token_hex(4)
    gone, stays = f"gone-{number}", f"stays-{number}"
    for user in (gone, stays):
        post(stack, user, 3)
    for user in (gone, stays):
        assert eventually(partial(total, stack, user), 3) == 3
    return gone, stays


def post(stack: Deployed, user: str, count: int) -> None:
    posted = [interaction(user_id=user) for _ in range(count)]
    path = f"/progress/{user}/interactions"
    assert stack.call("POST", path, stack.token("admins"), posted)[0] == 202


def total(stack: Deployed, user: str) -> int:
    """Return the number of a learner's interactions; -1 if there is no such learner."""
    status, body, _ = stack.call("GET", f"/progress/{user}/analytics", stack.token("instructors"))
    assert status in (200, 404)
    return int(body["total_interactions"]) if status == 200 else -1


def fill(stack: Deployed, users: tuple[str, str]) -> None:
    """Put records of both learners wherever an erasure has to look."""
    client, bucket = stack.stack.client, stack.outputs["EventLogBucket"]
    records = {user: json.dumps({"user_id": user, **interaction()}).encode() for user in users}
    lines = [
        to_text(line_for(record, NOW, "shardId-000000000000", str(n), 0))
        for n, record in enumerate(records.values())
    ]
    key = f"log/{NOW:%Y/%m/%d}/{secrets.token_hex(4)}.gz"
    client("s3").put_object(Bucket=bucket, Key=key, Body=gzip.compress("\n".join(lines).encode()))
    batch = [
        {
            "eventID": f"shardId-0:{user}",
            "kinesis": {
                "data": b64encode(record).decode(),
                "partitionKey": user,
                "approximateArrivalTimestamp": NOW.timestamp(),
            },
        }
        for user, record in records.items()
    ]
    failed = {
        "requestContext": {"functionArn": "arn", "condition": "RetryAttemptsExhausted"},
        "timestamp": NOW.isoformat(),
        "payload": json.dumps({"Records": batch}),
    }
    key = f"aws/lambda/{secrets.token_hex(4)}"
    client("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(failed).encode())
    for user, record in records.items():
        unknown = {**json.loads(record), "content_id": "e2e-unknown"}
        large = {**unknown, "event_id": "large", "additional_data": {"text": "x" * 70_000}}
        for data in (json.dumps(unknown).encode(), json.dumps(large).encode()):
            client("kinesis").put_record(StreamName=stack.outputs["StreamName"], Data=data, PartitionKey=user)
        client("sqs").send_message(QueueUrl=stack.outputs["RuleDeadLettersUrl"], MessageBody=record.decode())
    for user in users:
        assert eventually(partial(in_quarantine, stack, user), EVERYWHERE) == EVERYWHERE


def in_quarantine(stack: Deployed, user: str) -> list[str]:
    """Return why records of a learner are in queues and failed batches, in order."""
    found = read_quarantine(stack.stack).records
    return sorted(record.code for record in found if user.encode() in record.payload.data)


def places(stack: Deployed) -> Iterator[tuple[str, str]]:
    """Yield what is stored in tables and bucket, with its place."""
    client, bucket = stack.stack.client, stack.outputs["EventLogBucket"]
    for name in ("ViewsTableName", "ControlTableName"):
        for page in client("dynamodb").get_paginator("scan").paginate(TableName=stack.outputs[name]):
            for item in page["Items"]:
                yield f"{name} {item['pk']['S']} {item['sk']['S']}", repr(item)
    for page in client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in page.get("Contents", []):
            content = client("s3").get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
            text = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
            yield found["Key"], found["Key"] + text.decode(errors="replace")


def test_an_erased_learner_is_nowhere_and_everybody_else_stays(
    stack: Deployed, learners: tuple[str, str]
) -> None:
    gone, stays = learners
    fill(stack, learners)
    kept = sorted(place for place, text in places(stack) if stays in text)
    state = [text for place, text in places(stack) if place.endswith(f"USER#{stays} STATE")]
    status, body, _ = stack.call("DELETE", f"/progress/{gone}", stack.token("admins"))
    assert (status, body["status"]) == (202, "erased")
    assert total(stack, gone) == -1
    [waiting] = [one for one in stack.streakline("erase", "--log")["waiting"] if one["user_id"] == gone]
    assert waiting["passed_at"] is not None
    # As if the stream had forgotten the learner since.
    stack.stack.client("dynamodb").update_item(
        TableName=stack.outputs["ControlTableName"],
        Key={"pk": {"S": "ERASURE"}, "sk": {"S": gone}},
        UpdateExpression="SET erased_at = :then",
        ExpressionAttributeValues={":then": {"N": str(microseconds(NOW - timedelta(days=9)))}},
    )
    assert gone not in json.dumps(stack.streakline("erase", "--log"))
    assert [place for place, text in places(stack) if gone in text] == [f"ViewsTableName USER#{gone} STATE"]
    assert in_quarantine(stack, gone) == []
    assert sorted(place for place, text in places(stack) if stays in text) == kept
    assert [text for place, text in places(stack) if place.endswith(f"USER#{stays} STATE")] == state
    assert in_quarantine(stack, stays) == EVERYWHERE


def test_a_learner_who_is_erased_by_the_command_can_start_again(
    stack: Deployed, learners: tuple[str, str]
) -> None:
    gone, stays = learners
    assert stack.streakline("erase", gone, "--yes")["erased"] == gone
    post(stack, gone, 1)
    post(stack, stays, 1)
    assert eventually(partial(total, stack, stays), 4) == 4
    assert total(stack, gone) == -1, "it was posted before the other learner's, which counts"
    restarted = subprocess.run(
        [sys.executable, "-m", "cli", "restart", gone],
        env=stack.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert restarted.returncode == 0, restarted.stderr
    post(stack, gone, 1)  # A minute ago, and so before the new start.
    later = {**interaction(user_id=gone), "occurred_at": datetime.now(UTC).isoformat()}
    assert stack.call("POST", f"/progress/{gone}/interaction", stack.token("admins"), later)[0] == 202
    assert eventually(partial(total, stack, gone), 1) == 1
