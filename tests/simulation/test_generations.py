"""Histories of two generations of the views with cutovers, and defects that they must find."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

import pytest

import functions.project
import functions.store
from functions.generations import Generations
from tests.simulation import generations
from tests.simulation.generations import history_of_generations, run_generations

HISTORIES = 400
MOST_UNTIL_FOUND = 800

MISJUDGED = ("arrived when it was not live", "is lost", "but quarantined for []", "is announced by")

type Defect = Callable[[pytest.MonkeyPatch], None]


def test_each_record_is_judged_and_each_award_announced_by_one_generations_consumer() -> None:
    seen: Counter[str] = Counter()
    for seed in range(HISTORIES):
        result = run_generations(history_of_generations(seed))
        assert result.violation is None, f"seed {seed}: {result.violation}"
        seen += result.seen
    assert seen["cutovers"] > HISTORIES
    for what in ("blue", "green"):
        assert seen[f"awards announced by {what}"] > 20
    for what in ("LiveIsBehind", "crashes", "failed batches", "redriven records", "ambiguous identities"):
        assert seen[what] > 50, what


def without_notice(patch: pytest.MonkeyPatch) -> None:
    """A cutover begins at once, before every process has heard of it."""
    patch.setattr(generations, "NOTICE_SECONDS", 0)


def by_the_consumers_clock(patch: pytest.MonkeyPatch) -> None:
    """The consumer that is live when it processes a record answers for it."""
    patch.setattr(Generations, "live_at", lambda self, _: self.epochs()[-1].live)


def without_waiting(patch: pytest.MonkeyPatch) -> None:
    """A consumer refuses unknown content that the live one may still apply."""
    patch.setattr(functions.project.Projector, "_check_judged", lambda *_: None)


def without_a_second_look(patch: pytest.MonkeyPatch) -> None:
    """A consumer takes what the live one has applied for another event of the same identity."""

    def check(self: Any, refused: Iterable[Any]) -> None:
        waiting = [one for one in refused if not self.was_live(one.arrived_at)]
        if not all(map(self.is_judged, waiting)):
            raise functions.project.LiveIsBehind

    patch.setattr(functions.project.Projector, "_check_judged", check)


def live_records_first(patch: pytest.MonkeyPatch) -> None:
    """A consumer folds the records of the time when it was live before the others."""

    def grouped(values: list[Any], key: Callable[[Any], bool]) -> Iterator[Any]:
        return groupby(sorted(values, key=lambda one: not key(one)), key)

    patch.setattr(functions.project, "groupby", grouped)


def announced_by_all(patch: pytest.MonkeyPatch) -> None:
    """A consumer announces awards although it was not live."""
    real = functions.store.Store.commit
    patch.setattr(functions.store.Store, "commit", lambda self, change, **_: real(self, change))


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        (without_notice, MISJUDGED),
        (by_the_consumers_clock, MISJUDGED),
        (without_waiting, ("is lost",)),
        (without_a_second_look, ("is lost",)),
        (live_records_first, ("is announced by",)),
        (announced_by_all, ("is announced by 2 consumers",)),
    ],
)
def test_a_planted_defect_of_generations_is_found(
    plant: Defect, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    for seed in range(MOST_UNTIL_FOUND):
        if violation := run_generations(history_of_generations(seed)).violation:
            assert any(each in violation for each in expected), f"seed {seed}: {violation}"
            return
    pytest.fail(f"{MOST_UNTIL_FOUND} histories did not find the defect")
