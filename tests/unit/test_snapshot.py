"""What a function does before Lambda copies its process, and what the copies do not share."""

import random
from typing import Any

import pytest

from functions import snapshot


def draws_of_a_copy(state: Any) -> list[float]:
    """Return what a process draws that starts with this state of the generator, as a copy does."""
    random.setstate(state)
    snapshot.reseed.cache_clear()
    snapshot.reseed()
    return [random.random() for _ in range(3)]


def test_copies_of_a_process_draw_different_pauses() -> None:
    state = random.getstate()
    first, second = draws_of_a_copy(state), draws_of_a_copy(state)
    assert first != second


def test_a_process_is_reseeded_once() -> None:
    snapshot.reseed.cache_clear()
    snapshot.reseed()
    state = random.getstate()
    snapshot.reseed()
    assert random.getstate() == state


@pytest.mark.parametrize(("kind", "runs"), [("snap-start", 1), ("on-demand", 0), (None, 0)])
def test_only_a_process_that_is_copied_prepares_itself_when_it_is_imported(
    kind: str | None, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_LAMBDA_INITIALIZATION_TYPE", raising=False)
    if kind:
        monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", kind)
    ran: list[int] = []
    snapshot.prepare(lambda: ran.append(1))
    assert len(ran) == runs
