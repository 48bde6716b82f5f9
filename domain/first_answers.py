"""The earliest answers of a learner to the contents of one certification, and their stored bytes.

An answer is a minute and a score. The earliest one of a content is a minimum over these, so late and shuffled
interactions give the same result.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from struct import Struct, pack, unpack

from domain.content_set import pack_scores, unpack_scores

_ANSWER = Struct(">IH")
ANSWER_BYTES = _ANSWER.size
_MICROSECONDS_PER_MINUTE = 60_000_000
MINUTES_PER_DAY = 1_440
_LATEST_MINUTE = (1 << 32) - 1


def answer_bytes(at: int, score: int) -> bytes:
    """Return an answer as bytes. They compare as its minute and then its score do.

    `at` is in microseconds since 1970, and `score` in hundredths.
    """
    return _ANSWER.pack(at // _MICROSECONDS_PER_MINUTE, score)


def scores_of(answers: bytes) -> Sequence[int]:
    """Return the scores of answers, in hundredths. `answers` has `ANSWER_BYTES` for each."""
    return unpack(">" + "4xH" * (len(answers) // ANSWER_BYTES), answers)


def minutes_of(answers: bytes) -> Sequence[int]:
    """Return the minutes of answers, since 1970. `answers` has `ANSWER_BYTES` for each."""
    return unpack(">" + "I2x" * (len(answers) // ANSWER_BYTES), answers)


def pack_answers(answers: bytes) -> bytes:
    """Return the stored form of answers: nothing if there is none, else three parts.

    The first is the number of answers, that of different minutes, and then, in ascending order, the distance
    of each minute from the one before it, minus 1; all in LEB128. The second is the position of each answer's
    minute among them, in the fewest bits that hold every position, with zeros before the first one to fill
    whole bytes. The third is the scores, as `pack_scores` stores them.
    """
    if not answers:
        return b""
    minutes, scores = zip(*_ANSWER.iter_unpack(answers), strict=True)
    different = sorted(set(minutes))
    distances = [after - before - 1 for before, after in pairwise([-1, *different])]
    head = _leb128([len(minutes), len(different), *distances])
    packed_scores = pack_scores(pack(f">{len(scores)}H", *scores))
    width = _width(len(different))
    if not width:
        return head + packed_scores
    digits = {minute: f"{n:0{width}b}" for n, minute in enumerate(different)}
    positions = int("".join(map(digits.__getitem__, minutes)), 2)
    return head + positions.to_bytes(_position_bytes(len(minutes), width)) + packed_scores


def unpack_answers(data: bytes, most: int) -> bytes:
    """Return the answers that `pack_answers` wrote. Raise ValueError or IndexError for other bytes.

    `most`: the number of contents that can have an answer.
    """
    if not data:
        return b""
    (count, number), start = _numbers(data, 0, 2)
    if not 0 < number <= count <= most:
        raise ValueError(f"there are {count} first answers to {most} contents, at {number} different minutes")
    distances, start = _numbers(data, start, number)
    different = [minute - 1 for minute in accumulate(distance + 1 for distance in distances)]
    if different[-1] > _LATEST_MINUTE:
        raise ValueError("the minutes of first answers can't be read")
    width = _width(number)
    minutes: Sequence[int] = different * count if not width else ()
    if width:
        end = start + _position_bytes(count, width)
        text = f"{int.from_bytes(data[start:end]):0{count * width}b}"
        if len(text) > count * width or len(data) < end:
            raise ValueError(f"the minutes of {count} first answers can't be read")
        minutes = [different[int(text[n : n + width], 2)] for n in range(0, len(text), width)]
        start = end
    scores = memoryview(unpack_scores(data[start:], count)).cast("B")
    both = bytearray(ANSWER_BYTES * count)
    packed = pack(f">{count}I", *minutes)
    for n in range(4):
        both[n::ANSWER_BYTES] = packed[n::4]
    both[4::ANSWER_BYTES], both[5::ANSWER_BYTES] = scores[0::2], scores[1::2]
    return bytes(both)


def _width(different: int) -> int:
    """Return the bits that hold each position among so many."""
    return (different - 1).bit_length()


def _position_bytes(count: int, width: int) -> int:
    return (count * width + 7) // 8


def _leb128(numbers: Sequence[int]) -> bytes:
    data = bytearray()
    for number in numbers:
        while number > 0x7F:
            data.append(number & 0x7F | 0x80)
            number >>= 7
        data.append(number)
    return bytes(data)


def _numbers(data: bytes, start: int, count: int) -> tuple[list[int], int]:
    """Return so many numbers in LEB128, and the position after them. Raise IndexError at the end of data."""
    numbers: list[int] = []
    while len(numbers) < count:
        number = shift = 0
        while data[start] & 0x80:
            number |= (data[start] & 0x7F) << shift
            shift += 7
            start += 1
        numbers.append(number | data[start] << shift)
        start += 1
    return numbers, start
