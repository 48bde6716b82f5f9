"""Framed records of the stream, as producers write them."""

import gzip
from collections.abc import Sequence
from hashlib import md5

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
KPL_MAGIC = b"\xf3\x89\x9a\xc2"


def varint(number: int) -> bytes:
    """Return a number as Protocol Buffers write it."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def field(number: int, value: bytes | int) -> bytes:
    """Return a field of a Protocol Buffers message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def sealed(message: bytes) -> bytes:
    """Return an aggregate with this Protocol Buffers message."""
    return KPL_MAGIC + message + md5(message).digest()


def aggregate(records: Sequence[bytes]) -> bytes:
    """Return these records as the Kinesis Producer Library aggregates them, with one partition key each."""
    keys = b"".join(field(1, f"key-{n}".encode()) for n in range(len(records)))
    return sealed(
        keys + b"".join(field(3, field(1, n) + field(3, record)) for n, record in enumerate(records))
    )


def compressed(data: bytes) -> bytes:
    """Return data as gzip, always the same bytes."""
    return gzip.compress(data, mtime=0)
