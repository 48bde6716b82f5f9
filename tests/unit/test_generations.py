"""Generations of the views: which one is live at a moment."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from domain.generations import FIRST, Epoch, epochs_of, live_at, other, to_text

CUTOVER = datetime(2026, 3, 2, 12, tzinfo=UTC)
EPOCHS = (*FIRST, Epoch("green", int(CUTOVER.timestamp() * 1000)))


def test_a_cutover_takes_effect_at_its_instant() -> None:
    assert live_at(EPOCHS, CUTOVER - timedelta(milliseconds=1)) == "blue"
    assert live_at(EPOCHS, CUTOVER) == "green"
    assert live_at(EPOCHS, CUTOVER.astimezone(timezone(timedelta(hours=5)))) == "green"
    back = (*EPOCHS, Epoch("blue", EPOCHS[-1].since + 1_000))
    assert live_at(back, CUTOVER + timedelta(seconds=2)) == "blue"


def test_a_stack_that_never_cut_over_has_the_blue_generation() -> None:
    assert live_at(FIRST, datetime(1970, 1, 1, tzinfo=UTC)) == "blue"
    assert other(other("blue")) == "blue"


def test_epochs_are_read_as_they_were_written() -> None:
    assert epochs_of(to_text(EPOCHS)) == EPOCHS


@pytest.mark.parametrize("text", ["", "[]", '[["red", 0]]', '{"live": "blue"}'])
def test_what_are_no_epochs_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"validation error|epoch"):
        epochs_of(text)
