"""Read a learner's lines of the event log."""

from collections.abc import Iterator

from cli.stack import Stack
from domain.log_line import LogLine
from functions.log_objects import LOG, LOG_ERRORS, BadLine, read_object


def lines_of(stack: Stack, user_id: str) -> Iterator[LogLine]:
    """Yield the lines of a learner, and those whose learner can't be read, with their times of arrival.

    They come in no particular order, and can come twice.
    """
    s3, bucket = stack.client("s3"), stack.outputs["EventLogBucket"]
    pages = s3.get_paginator("list_objects_v2")
    for prefix in (LOG, LOG_ERRORS):
        for page in pages.paginate(Bucket=bucket, Prefix=prefix):
            for found in page.get("Contents", []):
                body = s3.get_object(Bucket=bucket, Key=found["Key"])["Body"]
                for line in read_object(body, found["Key"], found["LastModified"]):
                    if not isinstance(line, BadLine) and line.user_id in (user_id, None):
                        yield line
