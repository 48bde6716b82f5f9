"""Where an erased learner's id is found in a text that names no learner in a readable form."""

from datetime import UTC, datetime

import pytest

from domain.erasure import Erasure, Erasures

AT = datetime(2026, 3, 2, tzinfo=UTC)
ERASURES = Erasures({"ann": Erasure("ann", 1)})


@pytest.mark.parametrize(
    "text", ["ann", '"ann"', r'{"user_id":"\tann"}', r'{"user_id":"\u0000ann"}', r'{"user_id":"ann\n"}']
)
def test_an_id_is_found_beside_characters_that_json_escapes(text: str) -> None:
    assert ERASURES.mentions(text, AT)


@pytest.mark.parametrize("text", ["joann", "ann2", "user:ann", "ann@example.org", r"\tjoann", r"\u0061bann"])
def test_an_id_is_not_found_in_another_one(text: str) -> None:
    assert not ERASURES.mentions(text, AT)


def test_an_invalid_record_with_a_padded_id_is_of_the_erased_learner() -> None:
    assert ERASURES.has(rb'{"user_id":"\tann","event_id":"e"}', AT)
