"""The simulator itself tested: each of these defects, planted into the code, must make it fail."""

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
from tests.simulation.world import run

HISTORIES = 2_000
Planting = Callable[[pytest.MonkeyPatch], None]


def no_version_condition(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(functions.store, "_if_version", lambda version: {})


def digest_check_left_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fold_module._Draft, "has", lambda *_: False)


def digest_kept_in_the_wrong_day(patch: pytest.MonkeyPatch) -> None:
    apply = fold_module._Draft.apply

    def misplaced(draft: Any, interaction: Interaction, digest: int, place: Any) -> None:
        apply(draft, interaction, digest, place)
        draft._days[interaction.day].digests.discard(digest)
        newest = draft._days[max(draft._days)]
        newest.digests.add(digest)
        newest.changed = True

    patch.setattr(fold_module._Draft, "apply", misplaced)


def _remember_folds(patch: pytest.MonkeyPatch) -> dict[str, Learner]:
    """What each learner's last fold began with."""
    begun: dict[str, Learner] = {}

    def remembering(learner: Learner, *rest: Any) -> Change:
        begun[learner.user_id] = learner
        return fold(learner, *rest)

    patch.setattr(functions.project, "fold", remembering)
    return begun


def bare_add(patch: pytest.MonkeyPatch) -> None:
    """Tallies are added to what stands there, whatever that is: an update made again adds again."""
    begun = _remember_folds(patch)
    write = Dynamo._write

    def minus(more: Breakdown, less: Breakdown) -> Breakdown:
        def group(ones: Any, others: Any) -> dict[str, Tally]:
            zero = Tally()
            return {
                name: Tally(
                    *(a - b for a, b in zip(values(sums), values(others.get(name, zero)), strict=True))
                )
                for name, sums in ones.items()
            }

        return Breakdown(group(more.categories, less.categories), group(more.difficulties, less.difficulties))

    def plus(one: Breakdown, other: Breakdown) -> Breakdown:
        def group(ones: Any, others: Any) -> dict[str, Tally]:
            return {name: ones.get(name, Tally()) + others.get(name, Tally()) for name in ones | others}

        return Breakdown(group(one.categories, other.categories), group(one.difficulties, other.difficulties))

    def added(after: Learner, before: Learner, standing: Item | None) -> Item:
        now = functions.items.learner_of(standing) if standing else Learner(after.user_id)
        nothing = Track()
        tracks = {
            code: replace(
                track,
                tallies=plus(
                    now.tracks.get(code, nothing).tallies,
                    minus(track.tallies, before.tracks.get(code, nothing).tallies),
                ),
            )
            for code, track in after.tracks.items()
        }
        return functions.items.state_item(replace(after, version=now.version + 1, tracks=tracks))

    def adding(dynamo: Dynamo, items: list[Item]) -> None:
        made = []
        for item in items:
            if item["sk"]["S"] == "STATE":
                after = functions.items.learner_of(item)
                standing = dynamo.items.get((item["pk"]["S"], "STATE"))
                made.append(added(after, begun[after.user_id], standing))
            else:
                made.append(item)
        write(dynamo, made)

    patch.setattr(Dynamo, "_write", adding)
    patch.setattr(Dynamo, "_check_condition", lambda *_: None)


def day_closed_twice(patch: pytest.MonkeyPatch) -> None:
    """The day that stays open is written as a closed one besides."""
    freeze = fold_module._Draft.freeze

    def twice(draft: Any) -> tuple[Learner, tuple[Day, ...]]:
        after, closed = freeze(draft)
        assert after.latest is not None
        return after, (*closed, after.latest) if closed else closed

    patch.setattr(fold_module._Draft, "freeze", twice)


def answer_lost_taken_for_failure_without_reading_again(patch: pytest.MonkeyPatch) -> None:
    begun = _remember_folds(patch)
    standing = Store._stored_now

    def from_memory(store: Store, user_id: str, error: ClientError) -> Learner:
        return replace(begun[user_id], version=standing(store, user_id, error).version)

    patch.setattr(Store, "_stored_now", from_memory)


def late_day_folded_onto_a_bucket_read_before_the_condition_failed(patch: pytest.MonkeyPatch) -> None:
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


def award_put_without_its_state(patch: pytest.MonkeyPatch) -> None:
    commit = Store.commit

    def apart(store: Store, change: Change, *, silent: bool = False) -> Learner | None:
        for award in change.awards:
            item = functions.items.award_item(change.learner.user_id, award, silent)
            store.client.put_item(TableName=store.table, Item=item)
        return commit(store, replace(change, awards=()))

    patch.setattr(Store, "commit", apart)


def ordinals_reused(patch: pytest.MonkeyPatch) -> None:
    def reusing(certification: Certification, changes: Iterable[ContentMetadata], now: int) -> Certification:
        changed = list(changes)
        names = {content.content_id for content in certification.contents}
        new = [change for change in changed if change.active and change.content_id not in names]
        gone = [content for content in certification.contents if not content.active]
        if not new or not gone:
            return assign(certification, changed, now)
        taken = gone[0]._replace(content_id=new[0].content_id)
        contents = [taken if c.ordinal == taken.ordinal else c for c in certification.contents]
        return assign(replace(certification, contents=tuple(contents)), changed, now)

    patch.setattr(functions.catalog, "assign", reusing)


def quarantine_that_took_not_all_is_taken_for_done(patch: pytest.MonkeyPatch) -> None:
    put = Quarantine.put

    def careless(quarantine: Quarantine, records: list[Quarantined]) -> None:
        try:
            put(quarantine, records)
        except RuntimeError:
            return

    patch.setattr(Quarantine, "put", careless)


def days_read_before_the_state_that_guards_them(patch: pytest.MonkeyPatch) -> None:
    """A day that is not found is taken for empty."""

    def closed_days(learner: Learner, interactions: Iterable[Interaction]) -> set[int]:
        return set()

    def filled(learner: Learner, days: Any, interactions: Any, *rest: Any) -> Change:
        given = {i.day: Day(i.day) for i in interactions}
        return fold(learner, given | dict(days), interactions, *rest)

    patch.setattr(functions.project, "closed_days", closed_days)
    patch.setattr(functions.project, "fold", filled)


def an_award_given_for_each_rule_that_shares_it(patch: pytest.MonkeyPatch) -> None:
    def newly_earned(draft: Any, interaction: Interaction, *rest: Any) -> Any:
        for rule in draft._reached(*rest):
            draft._earned |= {rule.id}
            yield achievements.award(rule, interaction.at)

    patch.setattr(fold_module._Draft, "newly_earned", newly_earned)


DEFECTS: tuple[Planting, ...] = (
    no_version_condition,
    digest_check_left_out,
    digest_kept_in_the_wrong_day,
    bare_add,
    day_closed_twice,
    answer_lost_taken_for_failure_without_reading_again,
    late_day_folded_onto_a_bucket_read_before_the_condition_failed,
    award_put_without_its_state,
    ordinals_reused,
    quarantine_that_took_not_all_is_taken_for_done,
    days_read_before_the_state_that_guards_them,
    an_award_given_for_each_rule_that_shares_it,
)


@pytest.mark.parametrize("plant", DEFECTS, ids=lambda plant: plant.__name__)
def test_a_planted_defect_is_found(plant: Planting, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    for seed in range(HISTORIES):
        if violation := run(history(seed)).violation:
            print(f"{plant.__name__}: seed {seed}: {violation[:200]}")
            return
    pytest.fail(f"{HISTORIES} histories did not find {plant.__name__}")
