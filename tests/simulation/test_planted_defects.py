"""Test the simulator: each defect planted into the code under test must break the expected invariant."""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
from domain.catalog import Certification, ContentMetadata, Place, assign
from domain.fold import BucketNumbers, Buckets, Change, fold, is_applied, needed_buckets
from domain.interaction import NO_OFFSET, Interaction
from domain.learner import Applied, Day, Learner, Track, Zone
from domain.tally import Breakdown, Tally, tally_of, values
from functions.errors import Unreadable
from functions.quarantine import Quarantine, Quarantined
from functions.store import Store
from tests.simulation.dynamo import Dynamo, Item
from tests.simulation.planting import without_erasures
from tests.simulation.simulation import run

HISTORIES = 600
type Defect = Callable[[pytest.MonkeyPatch], None]


def writes_have_no_version_condition(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(functions.store, "if_version", lambda version: {})


def digests_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    has = fold_module._Draft.has

    def never(draft: Any, utc_day: int, digest: int) -> bool:
        has(draft, utc_day, digest)  # opens the bucket
        return False

    patch.setattr(fold_module._Draft, "has", never)


def digest_is_stored_with_the_wrong_day(patch: pytest.MonkeyPatch) -> None:
    apply = fold_module._Draft.apply

    def misplaced(draft: Any, interaction: Interaction, utc_day: int, digest: int, place: Any) -> None:
        apply(draft, interaction, utc_day, digest, place)
        draft._applied[utc_day][1].discard(digest)
        draft._applied[max(draft._applied)][1].add(digest)

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
                name: tally_of(
                    [
                        # Another consumer's fold can be the last one that is remembered.
                        max(0, a + sign * b)
                        for a, b in zip(
                            values(ones.get(name, zero)), values(others.get(name, zero)), strict=True
                        )
                    ]
                )
                for name in ones | others
            }

        return Breakdown(group(one.categories, other.categories), group(one.difficulties, other.difficulties))

    def added(after: Learner, stored: Item | None) -> Item:
        now = functions.items.learner_of(stored) if stored else Learner(after.user_id)
        if after.user_id not in before:
            # The next release has made the fold.
            return functions.items.state_item(after)
        empty = Track()
        tracks = {}
        for code, track in after.tracks.items():
            old = before[after.user_id].tracks.get(code, empty).tallies
            amounts = combined(track.tallies, old, -1)
            tracks[code] = track._replace(tallies=combined(now.tracks.get(code, empty).tallies, amounts, 1))
        return functions.items.state_item(after._replace(version=now.version + 1, tracks=tracks))

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

    def twice(draft: Any) -> tuple[Learner, tuple[Day, ...], tuple[Applied, ...]]:
        after, days, applied = freeze(draft)
        assert after.latest is not None
        return after, (*days, after.latest) if days else days, applied

    patch.setattr(fold_module._Draft, "freeze", twice)


def state_is_not_read_again_after_a_failed_condition(patch: pytest.MonkeyPatch) -> None:
    """A lost answer is taken for a failed write: the retry folds onto the old state, at the new version."""
    before = _remember_folds(patch)
    stored_now = Store._stored_now

    def from_memory(store: Store, user_id: str, error: ClientError) -> Learner:
        return before[user_id]._replace(version=stored_now(store, user_id, error).version)

    patch.setattr(Store, "_stored_now", from_memory)


def buckets_are_not_read_again_after_a_failed_condition(patch: pytest.MonkeyPatch) -> None:
    load_buckets, project = Store.load_buckets, functions.project.Projector.project
    read: dict[Any, dict[str, Buckets]] = {}

    def once(store: Store, wanted: Mapping[str, BucketNumbers]) -> dict[str, Buckets | Unreadable]:
        known = read.setdefault(getcurrent(), {})
        before = {user: known.get(user, Buckets()) for user in wanted}
        missing = {
            user: BucketNumbers(
                numbers.days - before[user].days.keys(), numbers.applied - before[user].applied.keys()
            )
            for user, numbers in wanted.items()
        }
        answer: dict[str, Buckets | Unreadable] = {}
        for user, found in load_buckets(store, missing).items():
            answer[user] = found
            if isinstance(found, Buckets):
                answer[user] = known[user] = Buckets(
                    {**before[user].days, **found.days}, {**before[user].applied, **found.applied}
                )
        return answer

    def forgetting(projector: Any, *arguments: Any) -> Any:
        read.pop(getcurrent(), None)
        return project(projector, *arguments)

    patch.setattr(Store, "load_buckets", once)
    patch.setattr(functions.project.Projector, "project", forgetting)


def awards_are_written_apart_from_the_state(patch: pytest.MonkeyPatch) -> None:
    commit = Store.commit

    def apart(store: Store, change: Change, *, silent: bool = False) -> Learner | None:
        for award in change.awards:
            item = functions.items.award_item(change.learner.user_id, award, silent)
            store.client.put_item(TableName=store.table, Item=item)
        return commit(store, change._replace(awards=()))

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
    """The consumer does not read closed local days, and folds onto empty ones instead."""

    def only_applied(learner: Learner, interactions: Sequence[Interaction]) -> BucketNumbers:
        return needed_buckets(learner, interactions)._replace(days=frozenset())

    def onto_empty_days(learner: Learner, buckets: Buckets, interactions: Any, *rest: Any) -> Change:
        empty = {i.day: Day(i.day) for i in interactions if isinstance(i, Interaction)}
        return fold(learner, buckets._replace(days=empty), interactions, *rest)

    patch.setattr(functions.project, "needed_buckets", only_applied)
    patch.setattr(functions.project, "fold", onto_empty_days)


def closed_utc_days_are_taken_for_empty(patch: pytest.MonkeyPatch) -> None:
    """The consumer does not read APPLIED# items. That raises no error, because an absent one means empty."""

    def only_days(learner: Learner, interactions: Sequence[Interaction]) -> BucketNumbers:
        return needed_buckets(learner, interactions)._replace(applied=frozenset())

    patch.setattr(functions.project, "needed_buckets", only_days)


def applied_items_are_read_eventually_consistently(patch: pytest.MonkeyPatch) -> None:
    read = Dynamo._read

    def careless(dynamo: Dynamo, key: Any, consistent: bool) -> Item | None:
        return read(dynamo, key, consistent and not key[1].startswith(functions.items.APPLIED_PREFIX))

    patch.setattr(Dynamo, "_read", careless)


def _applied_puts(store: Store, change: Change) -> list[Any]:
    user_id = change.learner.user_id
    return [
        {"TableName": store.table, "Item": functions.items.applied_item(user_id, applied)}
        for applied in change.digests
    ]


def applied_items_are_written_before_the_state(patch: pytest.MonkeyPatch) -> None:
    """APPLIED# items are written without the state's condition, even if the state's write then fails."""
    commit = Store.commit

    def apart(store: Store, change: Change, *, silent: bool = False) -> Learner | None:
        for put in _applied_puts(store, change):
            store.client.put_item(**put)
        return commit(store, change._replace(digests=()), silent=silent)

    patch.setattr(Store, "commit", apart)


def a_commit_is_split_by_kind(patch: pytest.MonkeyPatch) -> None:
    """APPLIED# items are written in a second transaction, after that of the state and its DAY# items."""
    commit = Store.commit

    def split(store: Store, change: Change, *, silent: bool = False) -> Learner | None:
        stored = commit(store, change._replace(digests=()), silent=silent)
        if stored is None and change.digests:
            puts: list[Any] = [{"Put": put} for put in _applied_puts(store, change)]
            store.client.transact_write_items(TransactItems=puts)
        return stored

    patch.setattr(Store, "commit", split)


def applied_items_of_late_interactions_are_not_written(patch: pytest.MonkeyPatch) -> None:
    freeze = fold_module._Draft.freeze

    def forgetful(draft: Any) -> tuple[Learner, tuple[Day, ...], tuple[Applied, ...]]:
        after, days, applied = freeze(draft)
        latest = draft._before.applied
        return after, days, tuple(each for each in applied if not latest or each.number >= latest.number)

    patch.setattr(fold_module._Draft, "freeze", forgetful)


def digests_are_looked_up_by_the_local_day(patch: pytest.MonkeyPatch) -> None:
    """An interaction is a duplicate only if its digest is stored for the UTC day with its local date."""
    digest, has = vars(Interaction)["digest"].fget, fold_module._Draft.has
    last: list[Interaction] = []

    def remembering(interaction: Interaction) -> int:
        last[:] = [interaction]
        number: int = digest(interaction)
        return number

    def by_local_day(draft: Any, utc_day: int, digest: int) -> bool:
        has(draft, utc_day, digest)
        return has(draft, last[0].day, digest)

    patch.setattr(Interaction, "digest", property(remembering))
    patch.setattr(fold_module._Draft, "has", by_local_day)


def greatest_offset_counts_instead_of_the_latest(patch: pytest.MonkeyPatch) -> None:
    note_zone = fold_module._Draft._note_zone

    def greatest(draft: Any, interaction: Interaction) -> None:
        before = draft._plain_offset
        note_zone(draft, interaction)
        if before:
            draft._plain_offset = max(before, draft._plain_offset, key=lambda zone: zone.name)

    patch.setattr(fold_module._Draft, "_note_zone", greatest)


def zero_offset_counts_as_a_place(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fold_module, "NO_OFFSET", "")


def duplicates_change_the_latest_zone(patch: pytest.MonkeyPatch) -> None:
    """The zone of a retry counts although the retry does not: two variants of one identity are mixed."""

    def noting(learner: Learner, buckets: Buckets, interactions: Any, *rest: Any) -> Change:
        change = fold(learner, buckets, interactions, *rest)
        zones = [
            Zone(i.at, i.zone)
            for i in interactions
            if isinstance(i, Interaction)
            and not i.zone_named
            and i.zone != NO_OFFSET
            and is_applied(learner, buckets, i)
        ]
        if not change.applied or not zones:
            return change
        after = change.learner
        latest = max(zones + ([after.plain_offset] if after.plain_offset else []))
        return change._replace(learner=after._replace(plain_offset=latest))

    patch.setattr(functions.project, "fold", noting)


def awards_are_given_once_per_rule_that_shares_them(patch: pytest.MonkeyPatch) -> None:
    def newly_earned(draft: Any, interaction: Interaction, place: Place, certification: Any) -> Any:
        track = draft._tracks[place.certification]
        # Only what an earlier batch has earned is left out.
        before = draft._before.earned
        reached = track.reached(certification, place.content.category, before)
        rules = [rule for rule in (*draft._waiting.take(draft), *reached) if rule.id not in before]
        draft._earned |= {rule.id for rule in rules}
        return [achievements.award(rule, interaction.at) for rule in rules]

    patch.setattr(fold_module._Draft, "newly_earned", newly_earned)


MISCOUNTED = "differs from its recomputation"
MISSING = "is missing"
LOST = "is neither in the views nor in quarantine"
OVERTAKEN = " goes to version "
REPLAYED = "replaying the whole log changed the views"
REWRITTEN = "is written again"
NOT_QUARANTINED = "but quarantined for []"

DEFECTS: dict[Defect, tuple[str, ...]] = {
    writes_have_no_version_condition: (OVERTAKEN,),
    digests_are_not_checked: (MISCOUNTED, REPLAYED),
    digest_is_stored_with_the_wrong_day: (LOST,),
    tallies_are_added_without_a_condition: (REWRITTEN, MISCOUNTED, OVERTAKEN),
    open_day_is_also_stored_as_closed: ("no record accounts for the items", MISCOUNTED),
    state_is_not_read_again_after_a_failed_condition: (REWRITTEN, MISCOUNTED),
    buckets_are_not_read_again_after_a_failed_condition: (MISCOUNTED, LOST, "a read finds"),
    awards_are_written_apart_from_the_state: (REWRITTEN,),
    ordinals_are_reused: ("an ordinal was reassigned",),
    rejected_quarantine_messages_are_ignored: (LOST, NOT_QUARANTINED),
    closed_days_are_taken_for_empty: (MISCOUNTED,),
    closed_utc_days_are_taken_for_empty: (LOST, MISCOUNTED, REPLAYED),
    applied_items_are_read_eventually_consistently: (MISCOUNTED, LOST, REPLAYED),
    applied_items_are_written_before_the_state: (MISCOUNTED, MISSING, LOST),
    a_commit_is_split_by_kind: (MISCOUNTED, LOST),
    applied_items_of_late_interactions_are_not_written: (LOST, MISCOUNTED),
    digests_are_looked_up_by_the_local_day: (MISCOUNTED, LOST),
    greatest_offset_counts_instead_of_the_latest: (MISCOUNTED,),
    zero_offset_counts_as_a_place: (MISCOUNTED,),
    duplicates_change_the_latest_zone: (MISCOUNTED, MISSING),
    awards_are_given_once_per_rule_that_shares_them: ("TransactWriteItems refuses these",),
}
"""The defects, and the violations by which the simulator finds each. Another violation, such as a record
quarantined for a bug, would mean that the planted code itself is broken."""


@pytest.mark.parametrize("plant", DEFECTS, ids=lambda plant: plant.__name__)
def test_the_simulator_finds_a_planted_defect(plant: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    for seed in range(HISTORIES):
        if violation := run(without_erasures(seed)).violation:
            assert any(expected in violation for expected in DEFECTS[plant]), f"seed {seed}: {violation}"
            return
    pytest.fail(f"{HISTORIES} histories did not find the defect")
