"""Move events from the local bus into the stream.

MiniStack does not deliver events to a rule's Kinesis target. `streakline up` therefore adds a second rule,
which sends the bus's interactions to a queue, and starts this module to move them from there into the
stream. On AWS the template's own rule does this.
"""

import json
import sys
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli.queues import MAX_MESSAGES, delete_messages
from cli.retry import rejected
from cli.stack import Stack, connect
from cli.stream import MAX_RECORDS, make_record

NAME = "streakline-bridge"
IDLE_SECONDS = 0.2


def make_bridge(stack: Stack) -> str:
    """Create the second rule and its queue if they don't exist. Return the queue's URL."""
    sqs, events = stack.client("sqs"), stack.client("events")
    url = str(sqs.create_queue(QueueName=NAME)["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = stack.outputs["BusName"]
    pattern = json.dumps({"detail-type": ["interaction.recorded", "exam.taken", "interaction.retracted"]})
    events.put_rule(Name=NAME, EventBusName=bus, EventPattern=pattern)
    target = {"Id": "bridge", "Arn": arn, "InputPath": "$.detail"}
    events.put_targets(Rule=NAME, EventBusName=bus, Targets=[target])
    return url


def pump(stack: Stack, url: str) -> None:
    """Move messages from the queue into the stream until the process is stopped."""
    sqs, kinesis = stack.client("sqs"), stack.client("kinesis")
    while True:
        try:
            moved = _move(sqs, kinesis, url, stack.outputs["StreamName"])
        except (ClientError, BotoCoreError) as error:
            print(f"retrying after an error: {error}", file=sys.stderr, flush=True)
            moved = 0
        if not moved:
            time.sleep(IDLE_SECONDS)


def _move(sqs: Any, kinesis: Any, url: str, stream: str) -> int:
    """Move one batch, and return how many messages were moved.

    Messages are deleted only after the stream has accepted them, so none is lost.
    """
    messages: list[dict[str, str]] = []
    while len(messages) <= MAX_RECORDS - MAX_MESSAGES:
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=MAX_MESSAGES).get("Messages", [])
        messages += received
        if not received:
            break
    if not messages:
        return 0
    records = [make_record(message["Body"].encode()).entry for message in messages]
    results = kinesis.put_records(StreamName=stream, Records=records)["Records"]
    receipts = [message["ReceiptHandle"] for message in messages]
    left = set(rejected(receipts, results))
    accepted = [receipt for receipt in receipts if receipt not in left]
    # One that SQS did not delete comes again, and counts once all the same.
    delete_messages(sqs, url, accepted)
    return len(accepted)


if __name__ == "__main__":
    pump(connect(None, None), sys.argv[1])
