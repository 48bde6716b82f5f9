"""Emit an interaction into the Kinesis stream: for backends, the cheapest and fastest door.

Run `eval "$(streakline env)"` first, then: python examples/emit_stream.py USER_ID
"""

import json
import os
import sys
import uuid
from datetime import UTC, datetime

import boto3

interaction = {
    # Make the id when the interaction happens, and keep both id and time for every retry: it counts once.
    "event_id": str(uuid.uuid4()),
    "occurred_at": datetime.now(UTC).isoformat(),
    "user_id": sys.argv[1],
    "content_id": "python-2",
    "interaction_type": "answered",
    "timezone": "Europe/Helsinki",
    "score": 87.5,
    "time_spent": 120,
}
boto3.client("kinesis").put_record(
    StreamName=os.environ["STREAM_NAME"],
    # The learner's id as the key keeps their interactions in order, and in one batch.
    PartitionKey=interaction["user_id"],
    Data=json.dumps(interaction).encode(),
)
print("emitted", interaction["event_id"], interaction["occurred_at"])
