"""What all of the API's routes for writing share: their resolver, the body of a request, and the stream."""

import json
import os
import random
import time
from collections.abc import Sequence
from typing import Any

from domain.interaction import Fault
from functions import aws
from functions.api import ApiError, resolver
from functions.errors import is_transient
from functions.observability import logger

MAX_RECORDS = 500
"""PutRecords accepts as many, so one call is enough: `MAX_BODY_BYTES` is below its limit of 5 MiB too."""
MAX_PUTS = 4
FIRST_PAUSE = 0.1
"""Maximum attempts to put records that the stream refuses, and seconds to pause before the second."""
MAX_BODY_BYTES = 4 * 1024 * 1024
"""Encoded as base64, such a body still fits into a synchronous invocation's 6 MB."""

app = resolver()


def request_body() -> Any:
    """Return the body of the request, parsed as JSON. Raise ApiError if it is not JSON or too large."""
    content_type = (app.current_event.headers.get("Content-Type") or "application/json").partition(";")[0]
    if content_type.strip().lower() != "application/json":
        raise ApiError(415, "Send application/json.")
    try:
        body = app.current_event.decoded_body or ""
        if len(body.encode(errors="surrogatepass")) > MAX_BODY_BYTES:
            raise ApiError(413, f"Send at most {MAX_BODY_BYTES} bytes.")
        # json.loads accepts NaN and lone surrogates, so that `parse` can report the field that holds them.
        return json.loads(body)
    except ValueError as error:
        raise ApiError(400, f"The body is not JSON: {error}") from error
    except RecursionError as error:
        raise ApiError(400, "The body is nested too deeply.") from error


def listed(faults: Sequence[Fault]) -> list[dict[str, str]]:
    """Return faults as the body of an error lists them."""
    return [fault._asdict() for fault in faults]


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
