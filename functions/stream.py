"""Put interactions into the stream."""

import json
import os
import random
import time
from typing import Any

from functions import aws
from functions.errors import is_transient
from functions.observability import logger

MAX_RECORDS = 500
"""The most records for one call. PutRecords takes 5 MiB with them, and the API's bodies are smaller."""
MAX_PUTS = 4
FIRST_PAUSE = 0.1
"""Maximum attempts to put records that the stream refuses, and seconds to pause before the second."""


def put(records: list[dict[str, Any]]) -> list[bool]:
    """Put records into the stream. Return for each whether the stream has it.

    Records that the stream refuses are sent again a few times: a shard may be throttled for a moment.
    """
    entries: list[Any] = [
        {
            # Unescaped and without spaces, so that it is no longer than what was posted.
            "Data": json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode(),
            "PartitionKey": record["user_id"],
        }
        for record in records
    ]
    left = list(range(len(entries)))
    for attempt in range(MAX_PUTS):
        if attempt:
            time.sleep(random.uniform(0, FIRST_PAUSE * 2**attempt))
        sent = [entries[n] for n in left]
        try:
            answer = aws.kinesis().put_records(StreamName=os.environ["STREAM_NAME"], Records=sent)
        except Exception as error:
            if len(left) == len(entries) or not is_transient(error):
                raise
            # The stream has the other records. Only these must be sent again.
            logger.exception("records could not be put again", extra={"records": len(left)})
            break
        left = [n for n, result in zip(left, answer["Records"], strict=True) if "ErrorCode" in result]
        if not left:
            break
    refused = set(left)
    return [n not in refused for n in range(len(entries))]
