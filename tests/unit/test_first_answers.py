"""First answers: the order of their bytes, and the bytes in which they are stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.first_answers import ANSWER_BYTES, answer_bytes, pack_answers, scores_of, unpack_answers

MINUTE = 60 * 10**6
TODAY = 29_930_000 * MINUTE

instants = st.integers(0, (2**32 - 1) * MINUTE) | st.integers(TODAY, TODAY + 90 * MINUTE)
scores = st.integers(0, 10_000) | st.sampled_from([0, 10_000])
answers = st.tuples(instants, scores)


def joined(found: list[tuple[int, int]]) -> bytes:
    return b"".join(answer_bytes(at, score) for at, score in found)


@given(answers, answers)
def test_an_answer_is_less_than_another_if_its_minute_and_then_its_score_are(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    (at, score), (other_at, other_score) = one, other
    earlier = (at // MINUTE, score) < (other_at // MINUTE, other_score)
    assert (answer_bytes(*one) < answer_bytes(*other)) == earlier


@given(st.lists(answers, max_size=60), st.integers(0, 3))
def test_stored_answers_are_read_back(found: list[tuple[int, int]], further: int) -> None:
    data = joined(found)
    assert unpack_answers(pack_answers(data), len(found) + further) == data
    assert list(scores_of(data)) == [score for _, score in found]


@given(st.lists(st.tuples(st.integers(0, 89), st.booleans()), min_size=30, max_size=60))
def test_answers_of_a_lesson_take_less_than_three_bytes_each(found: list[tuple[int, bool]]) -> None:
    data = joined([(TODAY + minute * MINUTE, 10_000 * right) for minute, right in found])
    assert len(pack_answers(data)) < 2.5 * len(found) + 15


@given(st.binary(max_size=30), st.integers(0, 40))
def test_other_bytes_are_refused_or_read_as_so_many_answers_at_most(data: bytes, most: int) -> None:
    try:
        read = unpack_answers(data, most)
    except (IndexError, ValueError):
        return
    assert len(read) <= most * ANSWER_BYTES


def test_more_answers_than_contents_are_refused() -> None:
    stored = pack_answers(joined([(TODAY, 0), (TODAY, 100)]))
    with pytest.raises(ValueError, match="2 first answers to 1 contents"):
        unpack_answers(stored, 1)
