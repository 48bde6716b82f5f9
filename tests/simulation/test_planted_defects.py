"""Test the simulator: each defect planted into the code under test must break the expected invariant."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from greenlet import getcurrent

import functions.catalog
import functions.items
import functions.project
import functions.store
from domain import achievements
from domain import fold as fold_module
from domain.catalog import Certification, ContentMetadata, assign
from domain.fold import Change, fold
from domain.interaction import Interaction
from domain.learner import Day, Learner, Track
from domain.tally import Breakdown, Tally, values
from functions.quarantine import Quarantine, Quarantined
from functions.store import Store
from tests.simulation.dynamo import Dynamo, Item
from tests.simulation.history import history
from tests.simulation.simulation import run

HISTORIES = 2_000
type Defect = Callable[[pytest.MonkeyPatch], None]


def writes_have_no_version_condition(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(functions.store, "_if_version", lambda version: {})


def digests_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fold_module._Draft, "has", lambda *_: False)


def digest_is_stored_with_the_wrong_day(patch: pytest.MonkeyPatch) -> None:
    apply = fold_module._Draft.apply

    def misplaced(draft: Any, interaction: Interaction, digest: int, place: Any) -> None:
        apply(draft, interaction, digest, place)
        draft._days[interaction.day].digests.discard(digest)
        newest = draft._days[max(draft._days)]
        newest.digests.add(digest)
        newest.changed = True

    patch.setattr(fold_module._Draft, "apply", misplaced)


def _remember_folds(patch: pytest.MonkeyPatch) -> dict[str, Learner]:
    """Return a dict that always holds the state onto which each learner's last fold was made."""
    before: dict[str, Learner] = {}

    def remembering(learner: Learner, *rest: Any) -> Change:
        before[learner.user_id] = learner
        return fold(learner, *rest)

    patch.setattr(functions.project, "fold", remembering)
    return before


def tallies_are_added_without_a_condition(patch: pytest.MonkeyPatch) -> None:
    """A write adds a fold's amounts to whatever is stored, so a retried write adds them twice."""
    before = _remember_folds(patch)
    write = Dynamo._write

    def combined(one: Breakdown, other: Breakdown, sign: int) -> Breakdown:
        def group(ones: Any, others: Any) -> dict[str, Tally]:
            zero = Tally()
            return {
                name: Tally(
                    *(
                        a + sign * b
                        for a, b in zip(
                            values(ones.get(name, zero)), values(others.get(name, zero)), strict=True
                        )
                    )
                )
                for name in ones | others
            }

        return Breakdown(group(one.categories, other.categories), group(one.difficulties, other.difficulties))

    def added(after: Learner, stored: Item | None) -> Item:
        now = functions.items.learner_of(stored) if stored else Learner(after.user_id)
        empty = Track()
        tracks = {}
        for code, track in after.tracks.items():
            old = before[after.user_id].tracks.get(code, empty).tallies
            amounts = combined(track.tallies, old, -1)
            tracks[code] = replace(track, tallies=combined(now.tracks.get(code, empty).tallies, amounts, 1))
        return functions.items.state_item(replace(after, version=now.version + 1, tracks=tracks))

    def adding(dynamo: Dynamo, items: list[Item]) -> None:
        written = []
        for item in items:
            if item["sk"]["S"] == "STATE":
                stored = dynamo.items.get((item["pk"]["S"], "STATE"))
                written.append(added(functions.items.learner_of(item), stored))
            else:
                written.append(item)
        write(dynamo, written)

    patch.setattr(Dynamo, "_write", adding)
    patch.setattr(Dynamo, "_check_condition", lambda *_: None)


def open_day_is_also_stored_as_closed(patch: pytest.MonkeyPatch) -> None:
    freeze = fold_module._Draft.freeze

    def twice(draft: Any) -> tuple[Learner, tuple[Day, ...]]:
        after, closed = freeze(draft)
        assert after.latest is not None
        return after, (*closed, after.latest) if closed else closed

    patch.setattr(fold_module._Draft, "freeze", twice)


def state_is_not_read_again_after_a_failed_condition(patch: pytest.MonkeyPatch) -> None:
    """A lost answer is taken for a failed write: the retry folds onto the old state, at the new version."""
    before = _remember_folds(patch)
    stored_now = Store._stored_now

    def from_memory(store: Store, user_id: str, error: ClientError) -> Learner:
        return replace(before[user_id], version=stored_now(store, user_id, error).version)

    patch.setattr(Store, "_stored_now", from_memory)


def days_are_not_read_again_after_a_failed_condition(patch: pytest.MonkeyPatch) -> None:
    load_days, project = Store.load_days, functions.project.Projector.project
    read: dict[Any, dict[tuple[str, int], Day]] = {}

    def once(store: Store, wanted: dict[str, set[int]]) -> dict[str, dict[int, Day]]:
        known = read.setdefault(getcurrent(), {})
        missing = {user: [n for n in days if (user, n) not in known] for user, days in wanted.items()}
        for user, days in load_days(store, missing).items():
            known |= {(user, number): day for number, day in days.items()}
        return {
            user: {n: known[user, n] for n in days if (user, n) in known} for user, days in wanted.items()
        }

    def forgetting(projector: Any, *arguments: Any) -> Any:
        read.pop(getcurrent(), None)
        return project(projector, *arguments)

    patch.setattr(Store, "load_days", once)
    patch.setattr(functions.project.Projector, "project", forgetting)


def awards_are_written_apart_from_the_state(patch: pytest.MonkeyPatch) -> None:
    commit = Store.commit

    def apart(store: Store, change: Change, *, silent: bool = False) -> Learner | None:
        for award in change.awards:
            item = functions.items.award_item(change.learner.user_id, award, silent)
            store.client.put_item(TableName=store.table, Item=item)
        return commit(store, replace(change, awards=()))

    patch.setattr(Store, "commit", apart)


def ordinals_are_reused(patch: pytest.MonkeyPatch) -> None:
    def reusing(certification: Certification, changes: Iterable[ContentMetadata], now: int) -> Certification:
        changed = list(changes)
        names = {content.content_id for content in certification.contents}
        new = [change for change in changed if change.active and change.content_id not in names]
        inactive = [content for content in certification.contents if not content.active]
        if not new or not inactive:
            return assign(certification, changed, now)
        reused = inactive[0]._replace(content_id=new[0].content_id)
        contents = [reused if c.ordinal == reused.ordinal else c for c in certification.contents]
        return assign(replace(certification, contents=tuple(contents)), changed, now)

    patch.setattr(functions.catalog, "assign", reusing)


def rejected_quarantine_messages_are_ignored(patch: pytest.MonkeyPatch) -> None:
    put = Quarantine.put

    def careless(quarantine: Quarantine, records: list[Quarantined]) -> None:
        try:
            put(quarantine, records)
        except RuntimeError:
            return

    patch.setattr(Quarantine, "put", careless)


def closed_days_are_taken_for_empty(patch: pytest.MonkeyPatch) -> None:
    """The consumer does not read closed days, and folds onto empty ones instead."""

    def closed_days(learner: Learner, interactions: Iterable[Interaction]) -> set[int]:
        return set()

    def onto_empty_days(learner: Learner, days: Any, interactions: Any, *rest: Any) -> Change:
        empty = {i.day: Day(i.day) for i in interactions}
        return fold(learner, empty | dict(days), interactions, *rest)

    patch.setattr(functions.project, "closed_days", closed_days)
    patch.setattr(functions.project, "fold", onto_empty_days)


def awards_are_given_once_per_rule_that_shares_them(patch: pytest.MonkeyPatch) -> None:
    def newly_earned(draft: Any, interaction: Interaction, *rest: Any) -> Any:
        for rule in draft._reached(*rest):
            draft._earned |= {rule.id}
            yield achievements.award(rule, interaction.at)

    patch.setattr(fold_module._Draft, "newly_earned", newly_earned)


DEFECTS: dict[Defect, str] = {
    writes_have_no_version_condition: "STATE goes to version ",
    digests_are_not_checked: "differs from its recomputation",
    digest_is_stored_with_the_wrong_day: "is neither in the views nor in quarantine",
    tallies_are_added_without_a_condition: "is written again",
    open_day_is_also_stored_as_closed: "is stored twice",
    state_is_not_read_again_after_a_failed_condition: "is written again",
    days_are_not_read_again_after_a_failed_condition: "differs from its recomputation",
    awards_are_written_apart_from_the_state: "is written again",
    ordinals_are_reused: "an ordinal was reassigned",
    rejected_quarantine_messages_are_ignored: "is neither in the views nor in quarantine",
    closed_days_are_taken_for_empty: "is neither in the views nor in quarantine",
    awards_are_given_once_per_rule_that_shares_them: "TransactWriteItems refuses these",
}
"""The defects, and the violation by which the simulator finds each. Another violation, such as a record
quarantined for a bug, would mean that the planted code itself is broken."""


@pytest.mark.parametrize("plant", DEFECTS, ids=lambda plant: plant.__name__)
def test_the_simulator_finds_a_planted_defect(plant: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    for seed in range(HISTORIES):
        if violation := run(history(seed)).violation:
            assert DEFECTS[plant] in violation, f"seed {seed}"
            return
    pytest.fail(f"{HISTORIES} histories did not find the defect")
