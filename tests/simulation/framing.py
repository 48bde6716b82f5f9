"""Put several records of a history into one, as producers frame them.

Nothing here runs code under test. The generator knows what is in each frame because it put it there.
"""

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

from tests.frames import BYTE_ORDER_MARK, aggregate, compressed
from tests.simulation.interactions import MALFORMED

if TYPE_CHECKING:
    from tests.simulation.history import Record

AGGREGATE, GZIP, MARK = "KPL aggregate", "gzip", "byte order mark"
LINES, ARRAY = "JSON lines", "JSON array"
FRAMES = (AGGREGATE, GZIP, MARK, LINES, ARRAY)
MAX_PARTS = 5
_NOT_A_LINE = {b"", b"[]", bytes(range(256))}
"""Malformed records that are not one line: two have no value, and one has two lines."""
_NOT_A_VALUE = _NOT_A_LINE | {b"{", b"\xff\xfe\x00"}
"""Malformed records that make a whole JSON array unreadable."""


def framed(random: Random, records: Sequence["Record"], rate: float) -> list["Record"]:
    """Return the records, some of them together in frames. A few of the frames can't be read."""
    result: list[Record] = []
    left = list(records)
    while left:
        size = random.randrange(1, MAX_PARTS + 1) if random.random() < rate else 0
        group, left = left[: size or 1], left[size or 1 :]
        frame = random.choice(FRAMES)
        if size:
            group = _with_bad_ones(random, group)
        parts = [record for record in group if _suits(frame, record)] if size else []
        if any(record.payload not in MALFORMED for record in parts):
            if frame == LINES and len(parts) == 1:
                frame = ARRAY  # One line has no frame.
            result.append(_framed(random, frame, parts))
            group = [record for record in group if record not in parts]
        result += group
    return result


def _with_bad_ones(random: Random, group: Sequence["Record"]) -> list["Record"]:
    """Return the records with a few malformed ones among them."""
    mixed: list[Record] = []
    for record in group:
        if random.random() < 0.15:
            mixed.append(record._replace(payload=random.choice(MALFORMED), valid=False))
        mixed.append(record)
    return mixed


def _suits(frame: str, record: "Record") -> bool:
    """Return whether a record is one part of such a frame, even if it is malformed."""
    if frame == AGGREGATE:
        return True
    return record.payload not in (_NOT_A_LINE if frame == LINES else _NOT_A_VALUE)


def _framed(random: Random, frame: str, parts: Sequence["Record"]) -> "Record":
    payloads = [part.payload for part in parts]
    payload = _payload(random, frame, payloads)
    arrived_at = max(part.arrived_at for part in parts)
    if frame != MARK and random.random() < 0.1:
        # The end is missing. Lines are still readable, so they get an array's first character.
        broken = b"[" + payload if frame == LINES else payload[:-1]
        return parts[0]._replace(payload=broken, arrived_at=arrived_at, valid=False, frame=f"broken {frame}")
    inside = tuple(part._replace(arrived_at=arrived_at) for part in parts)
    return parts[0]._replace(payload=payload, arrived_at=arrived_at, parts=inside, frame=frame)


def _payload(random: Random, frame: str, payloads: list[bytes]) -> bytes:
    if frame == AGGREGATE:
        return _aggregate(random, payloads)
    if frame == GZIP:
        inner = random.choice((AGGREGATE, MARK, LINES, ARRAY))
        return compressed(_payload(random, inner, payloads))
    if frame == MARK:
        return BYTE_ORDER_MARK + _payload(random, random.choice((LINES, ARRAY)), payloads)
    if frame == LINES:
        end = random.choice((b"\n", b"\r\n"))
        lines = end.join(payloads)
        return lines + end if random.random() < 0.5 else lines
    return b"[" + random.choice((b",", b" ,\n ")).join(payloads) + b"]"


def _aggregate(random: Random, payloads: list[bytes]) -> bytes:
    """Return an aggregate. Some have lines in their last record."""
    last = payloads[1:]
    suit = len(last) > 1 and not _NOT_A_LINE.intersection(last) and not set(MALFORMED).intersection(last)
    if suit and random.random() < 0.3:
        return aggregate([payloads[0], b"\n".join(last)])
    return aggregate(payloads)
