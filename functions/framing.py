"""Take framed records of the stream apart: several interactions in one record, or one in an envelope.

Producers use these frames: aggregates of the Kinesis Producer Library (KPL), gzip, a UTF-8 byte order mark,
JSON arrays, and JSON lines or other JSON values in a row. Frames can be inside each other.
"""

import json
import re
import zlib
from collections.abc import Iterator
from hashlib import md5
from typing import NamedTuple

MAX_DECOMPRESSED_BYTES = 10 * 1024 * 1024
"""Maximum bytes that the gzip frames of one record decompress to. Decompression stops there."""
MAX_MEMBERS = 100
"""Maximum members of a gzip frame. Empty ones take time, but none of the bytes."""
MAX_INTERACTIONS = 5_000
"""Maximum parts of a record."""
MAX_LEVELS = 4
"""Maximum number of gzip frames and aggregates inside each other."""

_KPL = b"\xf3\x89\x9a\xc2"
_MD5_BYTES = 16
_RECORDS, _DATA = 3, 3
"""Numbers of two fields of bytes: the records in an aggregate, and the data in a record."""

_GZIP = b"\x1f\x8b"
_GZIP_STEP = 64 * 1024

_BYTE_ORDER_MARK = "\ufeff"
_BLANK = " \t\r\n"
_MARK_OR_BLANK = f"{_BYTE_ORDER_MARK}{_BLANK}".encode()
_BLANKS = re.compile(f"[{_BLANK}]*")
_LINE = re.compile(r"[^\n]+")

# It only finds the end of a value. What is in the value is judged with the interaction.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, strict=False)


class Part(NamedTuple):
    """One part of a record: the bytes of one interaction, or of a frame that can't be read."""

    payload: bytes
    fault: str | None = None
    """Why the frame can't be read. It names the framing."""


_TOO_MANY = f"it has more than {MAX_INTERACTIONS:,} interactions"
_TOO_LARGE = f"it has more than {MAX_DECOMPRESSED_BYTES:,} bytes when decompressed"


class UnreadableFrame(Exception):
    """A frame can't be read, or exceeds a limit. The message names the framing."""


class _TooMuch(Exception):
    """A record exceeds a limit, so nothing of it is taken."""


class _Limits:
    """What is left of a record's limits."""

    def __init__(self) -> None:
        self.bytes = MAX_DECOMPRESSED_BYTES
        self.parts = MAX_INTERACTIONS

    def take_bytes(self, count: int) -> None:
        self.bytes -= count
        if self.bytes < 0:
            raise _TooMuch(_TOO_LARGE)

    def take_part(self) -> None:
        self.parts -= 1
        if self.parts < 0:
            raise _TooMuch(_TOO_MANY)


def unframe(data: bytes) -> tuple[Part, ...]:
    """Return the parts of a record's data, in order; none if it is one JSON object without a frame.

    Raise UnreadableFrame if the outermost frame can't be read, or if the record exceeds a limit. A frame
    inside an aggregate or a line that can't be read is one part among the others.
    """
    try:
        parts = _read(data, _Limits(), 0)
    except _TooMuch as error:
        raise UnreadableFrame(f"{_frame(data)}: {error}") from error
    return () if parts == [Part(data.strip())] else tuple(parts)


def _frame(data: bytes) -> str:
    """Return the name of the outermost frame."""
    if data.startswith(_KPL):
        return "KPL aggregate"
    if data.startswith(_GZIP):
        return "gzip"
    return "JSON array" if data.lstrip(_MARK_OR_BLANK).startswith(b"[") else "JSON lines"


def _read(data: bytes, limits: _Limits, level: int) -> list[Part]:
    if data.startswith(_KPL):
        return _read_aggregate(data, limits, level)
    if data.startswith(_GZIP):
        return _read_gzip(data, limits, level)
    return _read_text(data, limits)


def _check_level(frame: str, level: int) -> None:
    if level == MAX_LEVELS:
        raise UnreadableFrame(f"{frame}: more than {MAX_LEVELS} frames inside each other")


# -- gzip ------------------------------------------------------------------------------------------


def _read_gzip(data: bytes, limits: _Limits, level: int) -> list[Part]:
    _check_level("gzip", level)
    content = b"".join(_decompressed(data, limits))
    try:
        return _read(content, limits, level + 1)
    except UnreadableFrame as error:
        raise UnreadableFrame(f"gzip: {error}") from error


def _decompressed(data: bytes, limits: _Limits) -> Iterator[bytes]:
    """Yield the content of a gzip file, which can have several members, in pieces."""
    members = 0
    while data:
        members += 1
        if members > MAX_MEMBERS:
            raise UnreadableFrame(f"gzip: it has more than {MAX_MEMBERS:,} members")
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            try:
                # One byte more than the limit shows that it is exceeded.
                piece = member.decompress(data, min(_GZIP_STEP, limits.bytes + 1))
            except zlib.error as error:
                raise UnreadableFrame(f"gzip: {error}") from error
            limits.take_bytes(len(piece))
            data = member.unconsumed_tail
            if not piece and not data and not member.eof:
                raise UnreadableFrame("gzip: it is truncated, or something follows it")
            yield piece
        data = member.unused_data.lstrip(b"\0")  # Some writers pad.


# -- aggregates ------------------------------------------------------------------------------------


def _read_aggregate(data: bytes, limits: _Limits, level: int) -> list[Part]:
    _check_level("KPL aggregate", level)
    try:
        records = _records(data)
    except ValueError as error:
        raise UnreadableFrame(f"KPL aggregate: {error}") from error
    parts: list[Part] = []
    for record in records:
        try:
            parts += _read(record, limits, level + 1)
        except UnreadableFrame as error:
            limits.take_part()
            parts.append(Part(record, f"KPL aggregate: {error}"))
    return parts


def _records(data: bytes) -> list[bytes]:
    """Return the data of each record in an aggregate. Raise ValueError if it can't be read.

    The partition keys don't matter, because each interaction names its learner.
    """
    message, digest = data[len(_KPL) : -_MD5_BYTES], data[-_MD5_BYTES:]
    if len(data) < len(_KPL) + _MD5_BYTES or md5(message, usedforsecurity=False).digest() != digest:
        raise ValueError("it is truncated, or its MD5 checksum is wrong")
    records = []
    for record in _bytes_fields(message, _RECORDS):
        found = list(_bytes_fields(record, _DATA))
        if not found:
            raise ValueError("a record in it has no data")
        records.append(found[-1])
        if len(records) > MAX_INTERACTIONS:
            raise _TooMuch(_TOO_MANY)
    if not records:
        raise ValueError("there is no record in it")
    return records


def _bytes_fields(message: bytes, number: int) -> Iterator[bytes]:
    """Yield the values of a field of a Protocol Buffers message. Raise ValueError if it can't be read."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        match tag & 7:
            case 0:  # varint
                _, end = _varint(message, at)
            case 1:
                end = at + 8
            case 2:
                length, at = _varint(message, at)
                end = at + length
            case 5:
                end = at + 4
            case other:
                raise ValueError(f"its Protocol Buffers message has a field of the unknown type {other}")
        if end > len(message):
            raise ValueError("its Protocol Buffers message is truncated")
        if tag == number << 3 | 2:
            yield message[at:end]
        at = end


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at an index, and the index after it."""
    value = 0
    for length, byte in enumerate(message[at : at + 10]):
        value |= (byte & 0x7F) << 7 * length
        if byte < 0x80:
            return value, at + length + 1
    raise ValueError("its Protocol Buffers message is truncated")


# -- text ------------------------------------------------------------------------------------------


def _read_text(data: bytes, limits: _Limits) -> list[Part]:
    # Bytes that are not UTF-8 stay as they are, and are refused with the interaction that they are in.
    text = data.decode(errors="surrogateescape").removeprefix(_BYTE_ORDER_MARK).strip(_BLANK)
    try:
        parts = [Part(_bytes(value)) for value in _values(text, limits.parts)]
    except UnreadableFrame as error:
        parts = _read_lines(text, limits.parts) if "\n" in text else []
        if not parts:
            raise UnreadableFrame(f"JSON array: {error}" if text.startswith("[") else str(error)) from None
    limits.parts -= len(parts)
    return parts


def _read_lines(text: str, most: int) -> list[Part]:
    """Return the JSON values of each line. A line that can't be read is one part.

    Return nothing if the text does not consist of lines: no line has an interaction, or it is an array that
    goes on after the first line.
    """
    parts: list[Part] = []
    readable = False
    for match in _LINE.finditer(text):
        line = match[0].strip(_BLANK + _BYTE_ORDER_MARK)
        if not line:
            continue
        try:
            parts += [Part(_bytes(value)) for value in _values(line, most - len(parts))]
            readable = True
        except UnreadableFrame as error:
            if not readable and (text.startswith("[") or len(parts) == most):
                return []
            parts.append(Part(_bytes(line), f"JSON lines: {error}"))
        if len(parts) > most:
            raise _TooMuch(_TOO_MANY)
    return parts if readable else []


def _values(text: str, most: int) -> list[str]:
    """Return the JSON values in a text. Each element of an array is a value of its own.

    Raise UnreadableFrame if there is anything else in the text, or no JSON object.
    """
    values = []
    for value in _scan(text):
        values.append(value)
        if len(values) > most:
            raise _TooMuch(_TOO_MANY)
    if not any(value.startswith("{") for value in values):
        raise UnreadableFrame("there is no JSON object in it")
    return values


def _scan(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        if text[at] == "[":
            at = _skip_blanks(text, at + 1)
            more = not text.startswith("]", at)
            while more:
                end = _end(text, at)
                yield text[at:end]
                at = _skip_blanks(text, end)
                more = text.startswith(",", at)
                if more:
                    at = _skip_blanks(text, at + 1)
            if not text.startswith("]", at):
                raise UnreadableFrame(f"not JSON: expected ',' or ']' at character {at}")
            at += 1
        else:
            end = _end(text, at)
            yield text[at:end]
            at = end
        at = _skip_blanks(text, at)


def _skip_blanks(text: str, at: int) -> int:
    blanks = _BLANKS.match(text, at)
    return blanks.end() if blanks else at


def _end(text: str, at: int) -> int:
    """Return the index after the JSON value that begins at this index."""
    try:
        _, end = _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise UnreadableFrame(f"not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise UnreadableFrame("not JSON: it is nested too deeply") from error
    return end


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
