"""The bytes of stored sets, scores and sums, written again from docs/design.md.

Shares no code with domain/content_set.py and functions/packing.py.
"""

from collections.abc import Iterable, Sequence

from tests.simulation.reading import Item

_HALF_BYTES = {**{str(digit): f"{digit}" for digit in range(10)}, ",": "a", ";": "b", "-": "c"}
_CHARACTERS = {half_byte: character for character, half_byte in _HALF_BYTES.items()} | {"f": ""}


def bitmap(numbers: Iterable[int]) -> bytes:
    """Return a bitmap, little-endian."""
    marked = set(numbers)
    data = bytearray(max(marked) // 8 + 1)
    for number in marked:
        data[number // 8] |= 1 << number % 8
    return bytes(data)


def stored_set(numbers: set[int]) -> bytes:
    """Return a set of ordinals as it is stored: as a bitmap or as distances, whichever is shorter."""
    distances = b""
    before = -1
    for number in sorted(numbers):
        distances += leb128(number - before - 1)
        before = number
    return min(b"\0" + bitmap(numbers), b"\1" + distances, key=len)


def stored_scores(scores: list[int]) -> bytes:
    """Return scores as they are stored: one after the other, or by number in the list of different ones."""
    raw = b"\0" + b"".join(score.to_bytes(2, "big") for score in scores)
    different = sorted(set(scores))
    if len(different) > 255:
        return raw
    width = next(bits for bits in (0, 1, 4, 8) if len(different) <= 1 << bits)
    binary = "".join(f"{different.index(score):0{width}b}" for score in scores) if width else ""
    size = -(-len(binary) // 8)
    listed = bytes([len(different)]) + b"".join(score.to_bytes(2, "big") for score in different)
    listed += int(binary or "0", 2).to_bytes(size, "big")
    return min(raw, listed, key=len)


def leb128(number: int) -> bytes:
    """Return a number in LEB128: seven bits a byte, the lowest first."""
    septets = [number & 127]
    while number := number >> 7:
        septets.append(number & 127)
    return bytes([*(septet + 128 for septet in septets[:-1]), septets[-1]])


def stored_answers(answers: list[tuple[int, int]]) -> bytes:
    """Return answers, each a minute and a score, as they are stored: minutes, their positions, scores."""
    minutes = sorted({minute for minute, _ in answers})
    listed = leb128(len(answers)) + leb128(len(minutes))
    for before, after in zip([-1, *minutes], minutes, strict=False):
        listed += leb128(after - before - 1)
    width = next(bits for bits in range(32) if len(minutes) <= 1 << bits)
    binary = "".join(f"{minutes.index(minute):0{width}b}" for minute, _ in answers) if width else ""
    size = -(-len(binary) // 8)
    listed += int(binary or "0", 2).to_bytes(size, "big")
    return listed + stored_scores([score for _, score in answers])


def stored_numbers(lists: Sequence[Sequence[int]]) -> Item:
    """Return lists of numbers as they are stored: half a byte for each character."""
    text = ";".join(",".join(map(str, numbers)) for numbers in lists)
    half_bytes = "".join(_HALF_BYTES[character] for character in text)
    return {"B": bytes.fromhex(half_bytes + "f" * (len(half_bytes) % 2))}


def read_numbers(attribute: Item) -> list[list[int]]:
    """Read what `stored_numbers` returns."""
    text = "".join(_CHARACTERS[half_byte] for half_byte in attribute["B"].hex())
    return [[int(number) for number in part.split(",") if number] for part in text.split(";")]


def columns(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the columns of rows of sums as they are stored."""
    full = [[row[n] for row in rows] for n in range(len(rows[0]))]
    short: list[list[int]] = []
    for n, column in enumerate(full):
        if set(column) == {0}:
            short.append([])
        else:
            same = full.index(column)
            short.append(column if same == n else [-1 - same])
    while not short[-1]:
        short.pop()
    return short


def rows(columns: Sequence[Sequence[int]], count: int) -> list[list[int]]:
    """Read what `columns` returns, for this number of rows."""
    full: list[Sequence[int]] = []
    for column in columns:
        if not column:
            full.append([0] * count)
        elif column[0] < 0:
            full.append(full[-1 - column[0]])
        else:
            full.append(column)
    return [[column[n] for column in full] for n in range(count)]
