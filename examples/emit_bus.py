"""Emit an interaction onto the EventBridge bus: for backends that use a bus anyway.

Run `eval "$(streakline env)"` first, then: python examples/emit_bus.py USER_ID
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
    "content_id": "python-3",
    "interaction_type": "viewed",
    "time_spent": 45,
}
answer = boto3.client("events").put_events(
    Entries=[
        {
            "EventBusName": os.environ["BUS_NAME"],
            "Source": "my.app",
            "DetailType": "interaction.recorded",
            "Detail": json.dumps(interaction),
        }
    ]
)
# PutEvents answers 200 even if it refused an entry. Send the refused ones again.
if answer["FailedEntryCount"]:
    sys.exit(f"not emitted: {answer['Entries'][0]['ErrorCode']}")
print("emitted", interaction["event_id"], interaction["occurred_at"])
