"""Sets of contents of one certification, and their best scores, with their stored bytes.

The stored bytes grow with what a learner touched, and not with the highest ordinal. Each value has exactly
one form, so equal values are equal bytes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, compress
from struct import pack, unpack

MAX_ORDINAL = 100_000_000
"""A stored set with a higher ordinal is not valid. Its bitmap could take any amount of memory."""
_BITMAP, _GAPS = 0, 1
"""The first byte of a stored set: a bitmap follows, or the distances between ordinals."""
_DENSE = 16
"""If at least one of so many ordinals is in a set, looking at each is faster than searching."""
_SHORT_GAPS = bytes(range(0x80))
_PLUS_ONE = bytes(range(1, 256)) + b"\0"


@dataclass(frozen=True, slots=True)
class ContentSet:
    """A set of contents of one certification, as a bitmap over their ordinals."""

    bits: int = 0
    _stored: bytes | None = field(default=None, compare=False, repr=False)
    """The stored form, if the set was read from it: most sets of a state stay the same when it is written."""

    def __and__(self, other: "ContentSet") -> "ContentSet":
        return ContentSet(self.bits & other.bits)

    def __or__(self, other: "ContentSet") -> "ContentSet":
        return ContentSet(self.bits | other.bits)

    def __len__(self) -> int:
        return self.bits.bit_count()

    def __contains__(self, ordinal: int) -> bool:
        return bool(self.bits >> ordinal & 1)

    def __iter__(self) -> Iterator[int]:
        # On long bitmaps, string search is faster than arithmetic.
        text = f"{self.bits:b}"[::-1]
        if _DENSE * len(self) > len(text):
            return compress(range(len(text)), text.encode().translate(_POSITIONS))
        return _ones(text)

    @classmethod
    def of(cls, ordinals: Iterable[int]) -> "ContentSet":
        """Return the set of these ordinals."""
        ordinals = list(ordinals)
        # On long bitmaps, setting bits one by one would copy the bitmap each time.
        flags = bytearray(max(ordinals, default=-1) // 8 + 1)
        for ordinal in ordinals:
            flags[ordinal >> 3] |= 1 << (ordinal & 7)
        return cls(int.from_bytes(flags, "little"))

    def to_bytes(self) -> bytes:
        """Return the stored form: nothing for the empty set, else the shorter of two forms.

        One is the byte 0 and the bitmap, little-endian. The other is the byte 1 and the distance from each
        ordinal to the next, minus 1, in LEB128. The bitmap is taken if both have the same length.
        """
        if self._stored is not None:
            return self._stored
        size = (self.bits.bit_length() + 7) // 8
        if not size:
            return b""
        # A distance takes at least a byte.
        if len(self) < size:
            gaps = _gaps(self)
            if len(gaps) < size:
                return bytes((_GAPS,)) + gaps
        return bytes((_BITMAP,)) + self.bits.to_bytes(size, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> "ContentSet":
        """Return the set that `to_bytes` wrote. Raise ValueError if the bytes have another form."""
        if not data:
            return cls()
        if data[0] == _BITMAP:
            return cls(int.from_bytes(data[1:], "little"), data)
        if data[0] == _GAPS:
            return cls(cls.of(_ordinals(data[1:])).bits, data)
        raise ValueError(f"a set of contents can't have the form {data[0]}")


def _ones(text: str) -> Iterator[int]:
    """Yield the positions of the ones in a text of zeros and ones."""
    position = text.find("1")
    while position >= 0:
        yield position
        position = text.find("1", position + 1)


def _gaps(contents: ContentSet) -> bytes:
    gaps = bytearray()
    last = -1
    for ordinal in contents:
        gap = ordinal - last - 1
        last = ordinal
        while gap > 0x7F:
            gaps.append(gap & 0x7F | 0x80)
            gap >>= 7
        gaps.append(gap)
    return bytes(gaps)


def _ordinals(gaps: bytes) -> Iterator[int]:
    if not gaps.translate(None, _SHORT_GAPS):
        # Every distance is a single byte, so the ordinals are plain sums.
        yield from [end - 1 for end in accumulate(gaps.translate(_PLUS_ONE))]
        return
    ordinal, gap, shift = -1, 0, 0
    for byte in gaps:
        gap |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            ordinal += gap + 1
            if ordinal > MAX_ORDINAL:
                raise ValueError(f"a set of contents has the ordinal {ordinal}")
            yield ordinal
            gap = shift = 0
    if shift:
        raise ValueError("a set of contents ends in the middle of a number")


# -- scores ----------------------------------------------------------------------------------------

SCORE_BYTES = 2


def position_of(contents: int, ordinal: int) -> int:
    """Return the number of contents with a lower ordinal. `contents` is the bitmap of a set."""
    return (contents & ((1 << ordinal) - 1)).bit_count()


def score_of(scored: ContentSet, scores: bytes, ordinal: int) -> int | None:
    """Return the score of a content in hundredths; None if it is not in `scored`.

    `scores` has two bytes for each content in `scored`, by ordinal, big-endian.
    """
    if ordinal not in scored:
        return None
    start = SCORE_BYTES * position_of(scored.bits, ordinal)
    return int.from_bytes(scores[start : start + SCORE_BYTES])


# The digits of a number to the base of 2 and of 16, as the positions that they stand for, and back.
_POSITIONS = bytes.maketrans(b"0123456789abcdef", bytes(range(16)))
_DIGITS = bytes.maketrans(bytes(range(16)), b"0123456789abcdef")
_RAW = b"\0"
_MAX_PALETTE = 255


def pack_scores(scores: bytes) -> bytes:
    """Return the stored form of scores: nothing if there is none, else the shorter of two forms.

    `scores` has two bytes for each, big-endian. One form is the byte 0 and the scores as they are. The other
    is the number of different scores, these in ascending order, and the position of each score among them in
    0, 1, 4 or 8 bits. The first is taken if both have the same length.
    """
    if not scores:
        return b""
    numbers = unpack(f">{len(scores) // 2}H", scores)
    palette = sorted(set(numbers))
    if len(palette) <= _MAX_PALETTE:
        position = {number: n for n, number in enumerate(palette)}
        positions = bytes(map(position.__getitem__, numbers))
        head = pack(f">B{len(palette)}H", len(palette), *palette)
        packed = head + _pack_positions(positions, len(palette))
        if len(packed) < 1 + len(scores):
            return packed
    return _RAW + scores


def unpack_scores(data: bytes, count: int) -> bytes:
    """Return `count` scores that `pack_scores` wrote. Raise ValueError if the bytes hold another number."""
    if not data:
        scores = b""
    elif data[0] == 0:
        scores = data[1:]
    else:
        end = 1 + 2 * data[0]
        palette = data[1:end]
        positions = _unpack_positions(data[end:], data[0], count)
        if len(palette) < 2 * data[0] or max(positions, default=0) >= data[0]:
            raise ValueError("the scores refer to one that is missing")
        high = positions.translate(palette[0::2].ljust(256, b"\0"))
        low = positions.translate(palette[1::2].ljust(256, b"\0"))
        both = bytearray(2 * len(positions))
        both[0::2], both[1::2] = high, low
        scores = bytes(both)
    if len(scores) != 2 * count:
        raise ValueError(f"{len(scores)} bytes can't hold {count} scores")
    return scores


def _pack_positions(positions: bytes, different: int) -> bytes:
    if different == 1:
        return b""
    if different == 2:
        return int(positions.translate(_DIGITS), 2).to_bytes((len(positions) + 7) // 8)
    if different <= 16:
        return int(positions.translate(_DIGITS), 16).to_bytes((len(positions) + 1) // 2)
    return positions


def _unpack_positions(data: bytes, different: int, count: int) -> bytes:
    if different == 1:
        return bytes(count)
    if different == 2:
        return f"{int.from_bytes(data):0{count}b}".encode().translate(_POSITIONS)
    if different <= 16:
        return f"{int.from_bytes(data):0{count}x}".encode().translate(_POSITIONS)
    return data
