"""Random histories with retractions, damages and refolds, and defects that they must find."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import functions.refold
from domain import fold as fold_module
from domain import refold as refold_module
from domain.retraction import Retraction
from tests.simulation.corrections import CHANGES, Corrections, correctable
from tests.simulation.faults import Violation
from tests.simulation.simulation import patched

HISTORIES = 800
MOST = 400
"""Histories that a planted defect may take to be found."""
MUST_HAPPEN = (
    "refolds that changed something",
    "refolds in several transactions",
    "retracted events that are left out",
    "retracted events that wait for a refold",
    "LogLags",
    "refolds that ended with OvertakenRefold",
    "refolds that ended with Crash",
    "damaged items",
    "events that a refold found besides",
)


@pytest.fixture(autouse=True)
def small_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions.refold, "CHANGES", CHANGES)


def violation_of(seed: int, seen: Counter[str] | None = None) -> str | None:
    simulation = Corrections(correctable(seed))
    try:
        with patched(simulation.world, simulation.releases):
            simulation.run()
    except Violation as violation:
        return f"seed {seed}: {violation}"
    finally:
        if seen is not None:
            seen.update(simulation.world.seen)
    return None


def test_corrected_views_are_those_of_the_events_that_count() -> None:
    seen: Counter[str] = Counter()
    for seed in range(HISTORIES):
        assert violation_of(seed, seen) is None
    assert not [what for what in MUST_HAPPEN if not seen[what]], seen


# -- planted defects -------------------------------------------------------------------------------

type Defect = Callable[[pytest.MonkeyPatch], None]


def a_refold_needs_no_version(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(functions.refold, "unchanged", lambda _: {})


def a_refold_does_not_wait_for_the_log(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(functions.refold, "missing", lambda *_: {})


def parts_of_a_refold_do_not_move_the_version_on(patch: pytest.MonkeyPatch) -> None:
    write = functions.refold.Refolder._write

    def in_parts(self: Any, stored: Any, state: Any, puts: list[Any], removed: list[Any]) -> None:
        while len(puts) > CHANGES:
            self._transact(self._puts(puts[:CHANGES]))
            puts = puts[CHANGES:]
        write(self, stored, state, puts, removed)

    patch.setattr(functions.refold.Refolder, "_write", in_parts)


def a_retracted_event_may_come_again(patch: pytest.MonkeyPatch) -> None:
    def has(draft: Any, utc_day: int, digest: int) -> bool:
        before, new = draft._bucket(utc_day)
        return digest in before.digests or digest in new

    patch.setattr(fold_module._Draft, "has", has)


def a_refold_forgets_what_was_retracted(patch: pytest.MonkeyPatch) -> None:
    def without(events: Any) -> Sequence[Any]:
        return [event for event in events if not isinstance(event, Retraction)]

    def missing(kept: refold_module.Kept, change: Any) -> Any:
        applied = {n: bucket._replace(retracted=frozenset()) for n, bucket in kept.applied.items()}
        return refold_module.missing(kept._replace(applied=applied), change)

    patch.setattr(refold_module, "_retractions_first", without)
    patch.setattr(functions.refold, "missing", missing)


def a_closing_day_forgets_what_was_retracted(patch: pytest.MonkeyPatch) -> None:
    freeze = fold_module._Draft.freeze

    def forgetful(draft: Any) -> Any:
        after, days, closed = freeze(draft)
        return after, days, tuple(bucket._replace(retracted=frozenset()) for bucket in closed)

    patch.setattr(fold_module._Draft, "freeze", forgetful)


DEFECTS: dict[Defect, tuple[str, ...]] = {
    a_refold_needs_no_version: ("is lost", "differs from its recomputation", "goes to version"),
    a_refold_does_not_wait_for_the_log: ("is lost", "was retracted"),
    parts_of_a_refold_do_not_move_the_version_on: ("without the state's version",),
    a_retracted_event_may_come_again: ("retracted",),
    a_refold_forgets_what_was_retracted: ("retracted",),
    a_closing_day_forgets_what_was_retracted: ("retracted", "differs from its recomputation"),
}


@pytest.mark.parametrize("plant", DEFECTS, ids=lambda plant: plant.__name__)
def test_the_simulator_finds_a_planted_defect(plant: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    for seed in range(MOST):
        if violation := violation_of(seed):
            assert any(each in violation for each in DEFECTS[plant]), violation
            return
    pytest.fail(f"{MOST} histories did not find the defect")
