"""Sets of contents and their scores: their arithmetic, and the bytes in which they are stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.content_set import ContentSet, pack_scores, position_of, score_of, unpack_scores

ordinals = st.sets(st.integers(0, 200))
sparse = st.sets(st.integers(0, 50_000), max_size=60)
numbers = st.lists(st.integers(0, 10_000)) | st.lists(st.sampled_from([0, 10_000, 5_000]))


def packed(scores: list[int]) -> bytes:
    return b"".join(score.to_bytes(2) for score in scores)


@given(ordinals, ordinals)
def test_a_content_set_behaves_like_a_set(one: set[int], other: set[int]) -> None:
    first, second = ContentSet.of(one), ContentSet.of(other)
    assert list(first) == sorted(one)
    assert len(first) == len(one)
    assert set(first & second) == one & other
    assert set(first | second) == one | other
    assert all((n in first) == (n in one) for n in range(201))


@given(ordinals | sparse)
def test_a_stored_set_is_read_back_and_takes_the_shorter_form(found: set[int]) -> None:
    stored = ContentSet.of(found).to_bytes()
    assert ContentSet.from_bytes(stored) == ContentSet.of(found)
    assert len(stored) <= 2 + max(found, default=-1) // 8
    assert len(stored) <= 1 + 3 * len(found)


@pytest.mark.parametrize(
    ("found", "stored"),
    [
        (set(), b""),
        ({0}, b"\0\x01"),
        ({7}, b"\0\x80"),
        ({8}, b"\1\x08"),
        ({3, 40_000}, b"\1\x03\xbc\xb8\x02"),
        (set(range(16)), b"\0\xff\xff"),
        ({0, 15}, b"\0\x01\x80"),
        ({0, 16}, b"\1\x00\x0f"),
    ],
    ids=["empty", "one", "last of a byte", "far", "very far", "dense", "as long in both forms", "gap"],
)
def test_sets_have_these_stored_bytes(found: set[int], stored: bytes) -> None:
    assert ContentSet.of(found).to_bytes() == stored
    assert ContentSet.from_bytes(stored) == ContentSet.of(found)


@pytest.mark.parametrize(
    "stored",
    [b"\2\x01", b"\1\x80", b"\1" + b"\xff" * 5 + b"\1"],
    ids=["unknown form", "half a number", "an ordinal that no catalog has"],
)
def test_bytes_that_are_no_set_are_refused(stored: bytes) -> None:
    with pytest.raises(ValueError, match="a set of contents"):
        ContentSet.from_bytes(stored)


def test_a_hundred_contents_of_fifty_thousand_take_under_three_hundred_bytes() -> None:
    assert len(ContentSet.of(range(17, 50_000, 500)).to_bytes()) < 300


@given(st.dictionaries(st.integers(0, 300), st.integers(0, 10_000)))
def test_the_score_of_a_content_is_found_by_its_ordinal(scores: dict[int, int]) -> None:
    scored = ContentSet.of(scores)
    values = packed([scores[n] for n in sorted(scores)])
    assert [score_of(scored, values, n) for n in range(301)] == [scores.get(n) for n in range(301)]
    assert [position_of(scored.bits, n) for n in sorted(scores)] == list(range(len(scores)))


@given(numbers)
def test_stored_scores_are_read_back_and_take_the_shorter_form(scores: list[int]) -> None:
    stored = pack_scores(packed(scores))
    assert unpack_scores(stored, len(scores)) == packed(scores)
    assert len(stored) <= 1 + 2 * len(scores)


@pytest.mark.parametrize(
    ("scores", "stored"),
    [
        ([], b""),
        ([10_000], b"\0\x27\x10"),
        ([10_000] * 9, b"\1\x27\x10"),
        ([0, 10_000, 0, 10_000, 10_000, 0, 0, 0, 10_000], b"\2\0\0\x27\x10\0\xb1"),
        ([0, 1, 2] * 4, b"\3\0\0\0\1\0\2\x01\x20\x12\x01\x20\x12"),
    ],
    ids=["none", "one", "all equal", "two different", "three different"],
)
def test_scores_have_these_stored_bytes(scores: list[int], stored: bytes) -> None:
    assert pack_scores(packed(scores)) == stored
    assert unpack_scores(stored, len(scores)) == packed(scores)


def test_many_different_scores_take_a_byte_each_or_two() -> None:
    assert len(pack_scores(packed(list(range(200)) * 5))) == 1 + 400 + 1000
    assert len(pack_scores(packed(list(range(256)) * 5))) == 1 + 2560


@pytest.mark.parametrize(
    ("stored", "count"),
    [
        (b"\0\0\0", 2),
        (b"", 1),
        (b"\2\0\0\x27\x10\xb1", 3),
        (b"\3\0\0\0\1\0\2\x09", 2),
        (b"\2\0\0", 1),
    ],
    ids=["too few", "none", "too many", "a position beyond the list", "a list that is cut off"],
)
def test_bytes_that_are_not_so_many_scores_are_refused(stored: bytes, count: int) -> None:
    with pytest.raises(ValueError, match="score"):
        unpack_scores(stored, count)
