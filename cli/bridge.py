"""The local bridge from bus to stream: MiniStack does not deliver a rule's Kinesis target.

A second rule, outside the template, sends the bus's interactions to a queue; this pumps them into the
stream. On AWS the template's own rule does that.
"""

import json
import sys
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli.stack import Stack, connect
from cli.stream import MAX_RECORDS, record

NAME = "streakline-bridge"


def make_bridge(stack: Stack) -> str:
    """Make the second rule and its queue; the queue's URL. Doing so again changes nothing."""
    sqs, events = stack.client("sqs"), stack.client("events")
    url = str(sqs.create_queue(QueueName=NAME)["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = stack.outputs["BusName"]
    pattern = json.dumps({"detail-type": ["interaction.recorded"]})
    events.put_rule(Name=NAME, EventBusName=bus, EventPattern=pattern)
    target = {"Id": "bridge", "Arn": arn, "InputPath": "$.detail"}
    events.put_targets(Rule=NAME, EventBusName=bus, Targets=[target])
    return url


def pump(stack: Stack, url: str) -> None:
    """Move messages from the queue into the stream, for ever: deleted once the stream has them."""
    sqs, kinesis = stack.client("sqs"), stack.client("kinesis")
    while True:
        try:
            moved = _move(sqs, kinesis, url, stack.outputs["StreamName"])
        except (ClientError, BotoCoreError) as error:
            print(f"again in a second: {error}", file=sys.stderr, flush=True)
            moved = 0
        if not moved:
            time.sleep(0.2)


def _move(sqs: Any, kinesis: Any, url: str, stream: str) -> int:
    messages: list[dict[str, str]] = []
    while len(messages) < MAX_RECORDS:
        more = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        messages += more
        if not more:
            break
    if not messages:
        return 0
    records = [record(m["Body"].encode()).entry for m in messages]
    answer = kinesis.put_records(StreamName=stream, Records=records)
    taken = [m for m, result in zip(messages, answer["Records"], strict=True) if "ErrorCode" not in result]
    for start in range(0, len(taken), 10):
        entries = [
            {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]}
            for n, m in enumerate(taken[start : start + 10])
        ]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return len(taken)


if __name__ == "__main__":
    pump(connect(None, None), sys.argv[1])
