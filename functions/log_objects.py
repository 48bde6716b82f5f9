"""Read the objects of the event log, line by line: those under `log/`, and those of Firehose's errors.

Memory stays flat, whatever the size of an object.
"""

import gzip
import zlib
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BufferedReader
from typing import Any, NamedTuple

from pydantic_core import from_json

from domain.log_line import LogLine, UnreadableLine, line_of
from functions.quarantine import Position, Quarantined
from functions.records import Received, read_data

LOG, LOG_ERRORS = "log/", "log-errors/"
"""The prefixes of what Firehose writes."""
MAX_LINE_BYTES = 16 * 1024 * 1024
"""The longest line that is read. A record of the stream has at most 1 MiB, and 10 MiB unpacked."""
_GZIP = b"\x1f\x8b"


class BadLine(NamedTuple):
    """A line, or the rest of an object, that can't be read."""

    key: str
    line: int
    """Its number in the object, from 1 on."""
    why: str


def read_object(body: Any, key: str, last_modified: datetime) -> Iterator[LogLine | BadLine]:
    """Yield the records in an object of the log, and what can't be read of it.

    `body` is a binary stream, such as the body that S3 answers.

    `last_modified` is the time of the object. It stands for the arrival of records whose line has none.
    """
    number = 0
    try:
        for number, text in enumerate(_lines(body), 1):
            if not text.strip():
                continue
            try:
                line = _error_line(text) if key.startswith(LOG_ERRORS) else line_of(text)
            except UnreadableLine as error:
                yield BadLine(key, number, str(error))
            else:
                yield line._replace(arrived_at=line.arrived_at or last_modified)
    except (EOFError, OSError, zlib.error) as error:
        yield BadLine(key, number + 1, f"the rest of the object can't be read: {error}")


def _lines(body: Any) -> Iterator[bytes]:
    """Yield the lines of an object, which may be compressed. Raise OSError if it can't be decompressed."""
    buffered = BufferedReader(body)
    is_compressed = buffered.peek(2)[:2] == _GZIP
    content = gzip.GzipFile(fileobj=buffered) if is_compressed else buffered
    while line := content.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES:
            raise OSError("a line is too long")
        yield line


def _error_line(text: bytes) -> LogLine:
    """Return the record that Firehose could not transform or deliver.

    Its form: https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html
    """
    try:
        fields = from_json(text)
        payload = b64decode(fields["rawData"], validate=True)
        arrived_at = datetime.fromtimestamp(int(fields["arrivalTimestamp"]) / 1000, UTC)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UnreadableLine(f"it is no error record of Firehose: {error!r}") from error
    return LogLine(payload, arrived_at)


def read_line(line: LogLine, last_modified: datetime | None = None) -> list[Received | Quarantined]:
    """Return the events in a line, judged as when they arrived, or their quarantine entries if invalid.

    `last_modified` stands for the arrival of a record whose line has none. A record that Firehose could not
    transform can be framed, and so have several events.
    """
    arrived_at = line.arrived_at or last_modified
    if arrived_at is None:
        raise ValueError("the time of arrival is unknown")
    position = Position(line.shard, line.sequence_number, line.part)
    return read_data(line.payload, position, arrived_at)
