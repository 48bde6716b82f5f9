"""The backfill of achievements whose rules were added later, on moto."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cli.backfill import SEGMENTS, backfill
from cli.checkpoint import Checkpoint
from domain import achievements
from domain.achievements import ACHIEVEMENTS, Achievement, Rules
from domain.days import day_number
from domain.fold import Change
from domain.learner import Learner
from domain.tally import sum_of
from functions import aws
from functions.errors import Contended
from functions.store import Store
from tests.factory import make_interaction
from tests.integration.conftest import VIEWS, World

NEW_RULE: Achievement[Any] = Achievement(
    "first-minute",
    "time",
    "First Minute",
    "Study for a minute",
    "⏱️",
    5,
    sum_of("seconds"),
    60,
)


@pytest.fixture
def new_rule(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three learners with a minute of study each, and a rule that is added afterwards."""
    world.project(
        *(make_interaction(event_id="a", user_id=user, time_spent=60) for user in ("ann", "bob", "cho"))
    )
    monkeypatch.setattr(achievements, "ACHIEVEMENTS", Rules((*ACHIEVEMENTS, NEW_RULE)))


def run(store: Store, path: Path, *, silent: bool = True) -> tuple[int, int]:
    """Run a backfill with its checkpoint at `path`. Return the numbers of learners and awards."""
    checkpoint = Checkpoint.load(path, "views")
    result = backfill(store, checkpoint, 1e6, 0, silent=silent, on_progress=lambda: None)
    assert result.unreadable == ()
    return result.learners, result.awards


@pytest.mark.usefixtures("new_rule")
@pytest.mark.parametrize("silent", [True, False])
def test_a_backfill_gives_the_awards_of_new_rules_and_a_second_one_none(
    world: World, tmp_path: Path, silent: bool
) -> None:
    assert run(world.store, tmp_path / "a", silent=silent) == (3, 3)
    award = world.item("ann", "EARNED#first-minute")
    assert award is not None
    assert award.get("silent") == ({"BOOL": True} if silent else None)
    before = world.items()
    assert run(world.store, tmp_path / "b") == (3, 0)
    assert world.items() == before
    stored = world.store.read("ann", day_number(date(2026, 3, 1)))
    assert stored is not None
    assert "first-minute" in stored.learner.earned
    assert stored.learner.total.interactions == 1


@pytest.mark.usefixtures("new_rule")
def test_the_next_interaction_leaves_an_award_of_a_backfill_alone(world: World, tmp_path: Path) -> None:
    run(world.store, tmp_path / "a")
    award = world.item("ann", "EARNED#first-minute")
    world.project(make_interaction(event_id="b"))
    assert world.item("ann", "EARNED#first-minute") == award


@pytest.mark.usefixtures("new_rule")
def test_an_interrupted_backfill_continues_where_it_stopped(world: World, tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    interrupted = Checkpoint.load(path, "views")
    for segment in range(SEGMENTS):
        interrupted.save(segment, None)
    assert run(world.store, path) == (0, 0)
    assert Checkpoint.load(path, "another stack").after == {}
    path.unlink()
    assert run(world.store, path) == (3, 3)


@pytest.mark.usefixtures("new_rule")
def test_an_award_of_a_retired_rule_stays(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(world.store, tmp_path / "a")
    monkeypatch.setattr(achievements, "ACHIEVEMENTS", ACHIEVEMENTS)
    world.project(make_interaction(event_id="b"))
    run(world.store, tmp_path / "b")
    stored = world.store.read("ann", 0)
    assert stored is not None
    assert [award.title for award in stored.awards] == ["First Minute"]


class ContendedStore(Store):
    """A store whose commits always lose to another writer."""

    def commit(self, change: Change, *, silent: bool = False) -> Learner | None:
        return self.read_state(change.learner.user_id)


@pytest.mark.usefixtures("new_rule")
def test_a_backfill_that_loses_every_race_raises_contended(tmp_path: Path) -> None:
    with pytest.raises(Contended):
        run(ContendedStore(aws.dynamodb(), VIEWS), tmp_path / "a")
