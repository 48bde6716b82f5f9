"""Packed lists of numbers: their bytes, and the columns of sums."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.packing import columns_of, pack_lists, rows_of, unpack_lists

sums = st.integers(0, 3) | st.integers(0, 10**12)
tables = st.integers(1, 9).flatmap(
    lambda width: st.lists(st.lists(sums, min_size=width, max_size=width), min_size=1, max_size=12)
)


@given(st.lists(st.lists(st.integers(-(10**12), 10**12)), min_size=1))
def test_packed_lists_are_read_back(lists: list[list[int]]) -> None:
    assert unpack_lists(pack_lists(lists)) == lists


@pytest.mark.parametrize(
    ("lists", "half_bytes"),
    [([[]], ""), ([[7]], "7f"), ([[12, 3], [], [-1]], "12a3bbc1"), ([[0], [0]], "0b0f")],
    ids=["one empty list", "half a byte", "three lists", "zeros"],
)
def test_lists_have_these_packed_bytes(lists: list[list[int]], half_bytes: str) -> None:
    assert pack_lists(lists).hex() == half_bytes
    assert unpack_lists(bytes.fromhex(half_bytes)) == lists


@pytest.mark.parametrize("half_bytes", ["1d", "aa", "1f2f", "01"], ids=["letter", "commas", "filler", "zero"])
def test_bytes_that_are_no_lists_are_refused(half_bytes: str) -> None:
    with pytest.raises(ValueError, match="at line 1"):
        unpack_lists(bytes.fromhex(half_bytes))


@given(tables)
def test_rows_of_sums_are_read_back_from_their_columns(table: list[list[int]]) -> None:
    columns = columns_of(table)
    assert rows_of(columns, len(table), len(table[0])) == [tuple(row) for row in table]
    assert columns_of([[*row, 0, 0] for row in table]) == columns, "counters that are 0 take no space"


def test_columns_of_zeros_are_empty_and_equal_columns_are_stored_once() -> None:
    assert columns_of([[4, 0, 4, 7, 0], [5, 0, 5, 7, 0]]) == [(4, 5), (), (-1,), (7, 7)]
    assert rows_of([[4, 5], [], [-1], [7, 7]], 2, 5) == [(4, 0, 4, 7, 0), (5, 0, 5, 7, 0)]


def test_rows_without_sums_have_no_columns() -> None:
    assert columns_of([]) == []
    assert rows_of([], 3, 2) == [(0, 0)] * 3


def test_negative_sums_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^the sums \(4, -1\) can't be stored$"):
        columns_of([[4], [-1]])


@pytest.mark.parametrize(
    ("columns", "count", "error"),
    [([[1, 2]], 3, ValueError), ([[1, 2], [1]], 2, ValueError), ([[-1]], 1, IndexError)],
    ids=["another number of rows", "a short column", "a column that is missing"],
)
def test_columns_that_do_not_fit_are_refused(
    columns: list[list[int]], count: int, error: type[Exception]
) -> None:
    with pytest.raises(error):
        rows_of(columns, count, 1)
