"""Read the objects of the event log, line by line: those under `log/`, and those of Firehose's errors.

Memory stays flat, whatever the size of an object.
"""

import zlib
from base64 import b64decode
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic_core import from_json

from domain.log_line import LogLine, UnreadableLine, line_of
from functions.quarantine import Position, Quarantined
from functions.records import Received, read_data, read_event

LOG, LOG_ERRORS = "log/", "log-errors/"
"""The prefixes of what Firehose writes."""
MAX_LINE_BYTES = 16 * 1024 * 1024
"""The longest line that is read. A record of the stream has at most 1 MiB, and 10 MiB unpacked."""
_CHUNK = 16 * 1024
"""Bytes that are read at once. Decompressed, they are at most a thousand times as many."""
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

    `last_modified` is the time of the object. It stands for the arrival of records whose line has none. A
    line without a position gets its own: the key, and the number of the line.
    """
    for number, text in enumerate(raw_lines(body), 1):
        try:
            if isinstance(text, UnreadableLine):
                raise text
            if not text.strip():
                continue
            line = _error_line(text) if key.startswith(LOG_ERRORS) else line_of(text)
        except UnreadableLine as error:
            yield BadLine(key, number, str(error))
            continue
        if not line.sequence_number:
            line = line._replace(shard=key, sequence_number=str(number))
        yield line._replace(arrived_at=line.arrived_at or last_modified)


def raw_lines(body: Any) -> Iterator[bytes | UnreadableLine]:
    """Yield the lines of an object without their ends. A line that is too long, or cut off, is an error."""
    return _lines(_chunks(body))


def _lines(chunks: Iterable[bytes | UnreadableLine]) -> Iterator[bytes | UnreadableLine]:
    """Yield the lines in chunks of bytes."""
    pending: list[bytes] = []
    size = 0
    for chunk in chunks:
        if isinstance(chunk, UnreadableLine):
            if 0 < size <= MAX_LINE_BYTES:
                yield b"".join(pending)  # Only the end of the compression may be lost.
            yield chunk
            return
        *ended, rest = chunk.split(b"\n")
        for line in ended:
            size += len(line)
            pending.append(line)
            yield b"".join(pending) if size <= MAX_LINE_BYTES else _too_long()
            pending, size = [], 0
        size += len(rest)
        if size <= MAX_LINE_BYTES:
            pending.append(rest)
        else:
            pending.clear()
    if size:
        yield b"".join(pending) if size <= MAX_LINE_BYTES else _too_long()


def _too_long() -> UnreadableLine:
    return UnreadableLine(f"it is longer than {MAX_LINE_BYTES:,} bytes")


def _chunks(body: Any) -> Iterator[bytes | UnreadableLine]:
    """Yield the content of an object, decompressed if it is gzip. An error of the compression ends it."""
    data = body.read(_CHUNK)
    if not data.startswith(_GZIP):
        while data:
            yield data
            data = body.read(_CHUNK)
        return
    member = zlib.decompressobj(wbits=31)
    while data:
        try:
            chunk = member.decompress(data)
        except zlib.error as error:
            yield UnreadableLine(f"the rest of the object can't be read: gzip: {error}")
            return
        if chunk:
            yield chunk
        data = member.unused_data.lstrip(b"\0") or body.read(_CHUNK)  # Some writers pad.
        if data and member.eof:
            member = zlib.decompressobj(wbits=31)
    if not member.eof:
        yield UnreadableLine("the rest of the object can't be read: gzip: it is truncated")


def _error_line(text: bytes) -> LogLine:
    """Return the record that Firehose could not transform or deliver.

    Its form: https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html
    """
    try:
        fields = from_json(text)
        payload = b64decode(fields["rawData"], validate=True)
        arrived_at = datetime.fromtimestamp(int(fields["arrivalTimestamp"]) / 1000, UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise UnreadableLine(f"it is no error record of Firehose: {error!r}") from error
    return LogLine(payload, arrived_at)


def read_line(line: LogLine, last_modified: datetime | None = None) -> list[Received | Quarantined]:
    """Return the events in a line, judged as when they arrived, or their quarantine entries if invalid.

    `last_modified` stands for the arrival of a record whose line has none. A record that was kept as it came
    can be framed, and so have several events. A part of a framed record is judged alone.
    """
    arrived_at = line.arrived_at or last_modified
    if arrived_at is None:
        raise ValueError("the time of arrival is unknown")
    position = Position(line.shard, line.sequence_number, line.part)
    if line.part:
        return [read_event(line.payload, position, arrived_at)]
    return read_data(line.payload, position, arrived_at)
