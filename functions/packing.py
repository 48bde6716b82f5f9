"""Lists of whole numbers as bytes: half a byte for each digit, so that a state costs fewer write units.

The conversion goes through JSON and hexadecimal digits, because these are fast, and gives the same bytes on
every platform, which a compression library does not promise.
"""

from collections.abc import Iterable, Sequence

from pydantic_core import from_json, to_json

# JSON needs three characters besides digits; the last hexadecimal digit fills up the last byte.
_TO_HEX = bytes.maketrans(b",;-", b"abc")
_FROM_HEX = bytes.maketrans(b"abc", b",;-")
_FILLER = "f"

type Lists = Sequence[Sequence[int]]


def pack_lists(lists: Lists) -> bytes:
    """Return at least one list of whole numbers as bytes. Equal lists are equal bytes."""
    text = to_json(lists)[2:-2].replace(b"],[", b";").translate(_TO_HEX).decode()
    return bytes.fromhex(text + _FILLER * (len(text) % 2))


def unpack_lists(data: bytes) -> list[list[int]]:
    """Return the lists that `pack_lists` wrote. Raise ValueError if the bytes have another form."""
    text = data.hex().rstrip(_FILLER).encode().translate(_FROM_HEX)
    lists: list[list[int]] = from_json(b"[[" + text.replace(b";", b"],[") + b"]]")
    return lists


def columns_of(rows: Iterable[Sequence[int]]) -> list[Sequence[int]]:
    """Return the columns of rows of the same length.

    A column of zeros is empty, and one that equals an earlier column is the negative number of that column,
    counted from 1: most counters of a tally are 0 or equal to another. Empty columns at the end are left out.
    Raise ValueError if a number is negative.
    """
    columns: list[Sequence[int]] = []
    numbers: dict[tuple[int, ...], int] = {}
    for number, column in enumerate(zip(*rows, strict=True), start=1):
        if not any(column):
            columns.append(())
        elif column in numbers:
            columns.append((-numbers[column],))
        elif min(column) < 0:
            raise ValueError(f"the sums {column} can't be stored")
        else:
            numbers[column] = number
            columns.append(column)
    while columns and not columns[-1]:
        columns.pop()
    return columns


def rows_of(columns: Lists, count: int, width: int) -> list[tuple[int, ...]]:
    """Return the `count` rows with these columns, each with at least `width` numbers.

    Raise ValueError if there is another number of rows, IndexError if a column refers to one that is missing.
    """
    full: list[Sequence[int]] = []
    for column in columns:
        if not column:
            full.append((0,) * count)
        elif column[0] < 0:
            full.append(full[-column[0] - 1])
        else:
            full.append(column)
    full += [(0,) * count] * (width - len(full))
    rows: list[tuple[int, ...]] = list(zip(*full, strict=True))
    if len(rows) != count:
        raise ValueError(f"there are {len(rows)} rows of sums and {count} names")
    return rows
