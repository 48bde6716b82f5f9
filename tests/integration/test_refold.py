"""Refolding a learner from the event log: what is mended, what it waits for, and who wins a race."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import count
from typing import Any

import click
import pytest

from cli import refold as refold_command
from cli.refold import Log, refold_learner, valid_of
from cli.retract import refuse_erased, unknown
from cli.stack import Stack
from domain.days import day_number
from domain.interaction import digest_of
from domain.log_line import LogLine, line_for
from functions import aws, items
from functions.errors import Unreadable
from functions.log_objects import read_line
from functions.records import Received
from functions.refold import (
    Erased,
    LogLags,
    OvertakenRefold,
    Refolded,
    Refolder,
    kept_of,
)
from tests.integration.conftest import ARRIVAL, CONTROL, VIEWS, World, interaction

RETRACTION = {"event_id": "b", "user_id": "ann", "retracted_on": "2026-03-01"}
DAYS = [f"2025-{month:02}-{day:02}T09:00:00Z" for month in range(1, 5) for day in range(1, 29)]


def lines(*fields: dict[str, Any]) -> list[LogLine]:
    return [line_for(json.dumps(f).encode(), ARRIVAL, "shard", str(n), 0) for n, f in enumerate(fields)]


def log(*fields: dict[str, Any]) -> list[Received]:
    return valid_of("ann", [one for line in lines(*fields) for one in read_line(line)])


def refolder(world: World) -> Refolder:
    return Refolder(aws.dynamodb(), VIEWS, world.store.full_catalog())


def mend(world: World, *fields: dict[str, Any]) -> Refolded:
    """Refold ann from a log of these, and apply what the log has besides, as the command does."""
    result = refolder(world).refold(refolder(world).read("ann"), log(*fields))
    assert not world.projector().apply(result.left).errors
    return result


def many_days() -> list[dict[str, Any]]:
    return [interaction(f"d{n}", occurred_at=at) for n, at in enumerate(DAYS)]


def without_versions(world: World) -> dict[tuple[str, str], Any]:
    return {
        key: {name: value for name, value in item.items() if name != "version"}
        for key, item in world.items().items()
    }


def without_silence(found: dict[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    return {
        key: {name: value for name, value in item.items() if name != "silent"} for key, item in found.items()
    }


def damage(world: World, sk: str, **attributes: Any) -> None:
    item = world.item("ann", sk)
    assert item is not None
    aws.dynamodb().put_item(TableName=VIEWS, Item={**item, **attributes})


def test_a_refold_of_what_is_right_changes_nothing(world: World) -> None:
    history = [*many_days(), interaction("b", interaction_type="completed")]
    world.project(*history)
    before = world.items()
    result = refolder(world).refold(refolder(world).read("ann"), log(*history))
    assert (result.events, result.changed, result.awards) == (len(history), (), ())
    assert world.items() == before


@pytest.mark.parametrize("sk", ["STATE", "DAY#2025-01-03"])
def test_an_item_that_was_folded_wrongly_is_mended(world: World, sk: str) -> None:
    history = many_days()
    world.project(*history)
    right = without_versions(world)
    changes: dict[str, dict[str, Any]] = {
        "STATE": {"named_zone": {"S": '[1,"Asia/Tokyo"]'}},
        "DAY#2025-01-03": {"tallies": {"M": {}}},
    }
    damage(world, sk, **changes[sk])
    result = refolder(world).refold(refolder(world).read("ann"), log(*history))
    assert result.changed == (sk,)
    assert without_versions(world) == right


def test_a_dry_run_says_what_would_change_and_changes_nothing(world: World) -> None:
    world.project(*many_days())
    damage(world, "DAY#2025-01-03", tallies={"M": {}})
    before = world.items()
    result = refolder(world).refold(refolder(world).read("ann"), log(*many_days()), dry_run=True)
    assert result.changed == ("DAY#2025-01-03",)
    assert world.items() == before


def test_a_learner_with_more_changed_days_than_a_transaction_takes_is_replaced_whole(world: World) -> None:
    world.project(*many_days())
    right = without_versions(world)
    for _, sk in list(world.items()):
        if sk.startswith(items.DAY_PREFIX):
            damage(world, sk, tallies={"M": {}})
    damage(world, "STATE", tracks={"S": "nonsense"}, version={"N": "7"})
    result = mend(world, *many_days())
    assert len(result.changed) > items.MAX_TRANSACTION_ITEMS
    assert without_versions(world) == right


@pytest.mark.parametrize("version", [None, {"S": "x"}, {"N": "-3"}])
def test_a_state_is_replaced_under_the_raw_version_that_was_found(world: World, version: Any) -> None:
    world.project(interaction("a"))
    right = without_versions(world)
    state = dict(world.item("ann", "STATE") or {})
    del state["version"]
    aws.dynamodb().put_item(TableName=VIEWS, Item=state if version is None else {**state, "version": version})
    stored = refolder(world).read("ann")
    mend(world, interaction("a"))
    assert without_versions(world) == right
    assert world.project(interaction("b")).applied == 1
    with pytest.raises(OvertakenRefold):
        refolder(world).refold(stored, log(interaction("a")))


def test_nothing_is_replaced_before_the_log_has_everything_that_is_stored(world: World) -> None:
    world.project(*many_days(), interaction("b"))
    before = world.items()
    with pytest.raises(LogLags, match="lacks 2 "):
        refolder(world).refold(refolder(world).read("ann"), log(*many_days()[1:]))
    assert world.items() == before


def test_a_consumer_that_writes_meanwhile_wins(world: World) -> None:
    world.project(*many_days())
    damage(world, "DAY#2025-01-03", tallies={"M": {}})
    stored = refolder(world).read("ann")
    world.project(interaction("late"))
    before = world.items()
    with pytest.raises(OvertakenRefold):
        refolder(world).refold(stored, log(*many_days()))
    assert world.items() == before


def test_what_was_retracted_counts_no_more_and_stays_out(world: World) -> None:
    history = [interaction("a"), interaction("b", interaction_type="completed")]
    world.project(*history, RETRACTION)
    before = world.store.read_state("ann")
    assert before is not None
    assert before.total.completions == 1
    awards = [key for key in world.items() if key[1].startswith(items.AWARD_PREFIX)]
    result = refolder(world).refold(refolder(world).read("ann"), log(*history, RETRACTION))
    assert result.events == 2, "an interaction and a retraction"
    state = world.store.read_state("ann")
    assert state is not None
    assert (state.total.interactions, state.total.completions) == (1, 0)
    assert [key for key in world.items() if key[1].startswith(items.AWARD_PREFIX)] == awards
    assert world.project(*history, RETRACTION).duplicates == 3


def test_a_day_on_which_nothing_counts_any_more_goes(world: World) -> None:
    history = [interaction("b"), interaction("c", occurred_at="2026-03-02T10:00:00Z")]
    world.project(*history, RETRACTION)
    result = refolder(world).refold(refolder(world).read("ann"), log(*history, RETRACTION))
    assert "DAY#2026-03-01" in result.changed
    assert world.item("ann", "DAY#2026-03-01") is None
    bucket = kept_of(refolder(world).read("ann")).applied[day_number(date(2026, 3, 1))]
    assert not bucket.digests
    assert bucket.retracted == {digest_of("b")}


def test_what_the_log_has_besides_is_applied_like_a_delivery(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = [*many_days(), interaction("b", interaction_type="completed")]
    world.project(*history)
    right = without_versions(world)
    for key in list(world.items()):
        if key[0] == "USER#ann":
            aws.dynamodb().delete_item(TableName=VIEWS, Key={"pk": {"S": key[0]}, "sk": {"S": key[1]}})
    give(monkeypatch, lines(*history, interaction("x", content_id="new")))
    would = refold_learner(Stopwatch().log(world), "ann", dry_run=True)
    assert (would.folded.changed, would.applied) == ((), len(history) + 1)
    result = refold_learner(Stopwatch().log(world), "ann")
    assert (result.applied, result.refused) == (len(history), ("no catalog has content new",))
    assert without_silence(without_versions(world)) == right


def test_an_erased_learner_is_not_refolded(world: World) -> None:
    world.project(interaction("a"))
    state = items.learner_of(world.item("ann", "STATE") or {})
    tombstone = items.state_item(state._replace(version=2, erased_at=1_772_000_000_000_000))
    aws.dynamodb().put_item(TableName=VIEWS, Item=tombstone)
    with pytest.raises(Erased):
        refolder(world).refold(refolder(world).read("ann"), log(interaction("a")))


def test_a_new_start_outlives_a_state_that_cant_be_read(world: World) -> None:
    """Interactions before the new start stay dropped, although the log has them."""
    world.project(interaction("a"))
    state = items.learner_of(world.item("ann", "STATE") or {})
    started_again = items.state_item(state._replace(starts_at=1_772_000_000_000_000))
    aws.dynamodb().put_item(TableName=VIEWS, Item={**started_again, "calendar": {"B": b"\x03"}})
    assert isinstance(refolder(world).read("ann").learner(), Unreadable)
    mend(world, interaction("a"))
    mended = items.learner_of(world.item("ann", "STATE") or {})
    assert mended.starts_at == 1_772_000_000_000_000


def test_an_erased_learner_whose_tombstone_cant_be_read_is_not_refolded(world: World) -> None:
    world.project(interaction("a"))
    state = items.learner_of(world.item("ann", "STATE") or {})
    tombstone = items.state_item(state._replace(version=2, erased_at=1_772_000_000_000_000))
    aws.dynamodb().put_item(TableName=VIEWS, Item={**tombstone, "version": {"S": "damaged"}})
    assert isinstance(refolder(world).read("ann").learner(), Unreadable)
    with pytest.raises(Erased):
        refolder(world).refold(refolder(world).read("ann"), log(interaction("a")))


# -- the command's patience ----------------------------------------------------------------------


class Stopwatch:
    """A clock that only pauses move on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def pause(self, seconds: float) -> None:
        self.seconds += seconds

    def log(self, world: World) -> Log:
        outputs = {"BlueViewsTableName": VIEWS, "ControlTableName": CONTROL, "StreakFreezes": "0"}
        stack = Stack(outputs, "", "http://127.0.0.1:1", None)
        stack.__dict__.update(_dynamodb=aws.dynamodb(), quarantine=world.quarantine)
        return Log(stack, self.pause, lambda: self.seconds)


def give(monkeypatch: pytest.MonkeyPatch, *answers: Sequence[LogLine]) -> None:
    """Answer the reads of the log one after the other; the last answer stays."""
    reads = count()
    monkeypatch.setattr(refold_command, "lines_of", lambda *_: answers[min(next(reads), len(answers) - 1)])


def test_the_command_waits_for_the_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    history = [interaction("a"), interaction("b")]
    world.project(*history)
    damage(world, "STATE", calendar={"B": b"\x03"})
    watch = Stopwatch()
    give(monkeypatch, lines(history[0]), lines(*history))
    assert refold_learner(watch.log(world), "ann").folded.changed == ("STATE",)
    assert watch.seconds > 0


def test_the_command_gives_up_and_says_that_nothing_was_replaced(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.project(interaction("a"), interaction("b"))
    before = world.items()
    give(monkeypatch, lines(interaction("a")))
    with pytest.raises(click.ClickException, match=r"lacks 1 .*nothing was replaced"):
        refold_learner(Stopwatch().log(world), "ann")
    assert world.items() == before


def test_a_retraction_of_an_erased_learner_is_refused_at_once(world: World) -> None:
    world.project(interaction("a"))
    log_of_world = Stopwatch().log(world)
    refuse_erased(log_of_world, "ann")
    state = items.learner_of(world.item("ann", "STATE") or {})
    tombstone = items.state_item(state._replace(version=2, erased_at=1_772_000_000_000_000))
    aws.dynamodb().put_item(TableName=VIEWS, Item=tombstone)
    with pytest.raises(click.ClickException, match="ann is erased"):
        refuse_erased(log_of_world, "ann")


def test_the_command_tells_which_retracted_events_the_log_does_not_have(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistyped id takes nothing back."""
    world.project(interaction("a"), interaction("b"), RETRACTION)
    give(
        monkeypatch, lines(interaction("a"), interaction("b"), RETRACTION, {**RETRACTION, "event_id": "typo"})
    )
    result = refold_learner(Stopwatch().log(world), "ann")
    day = day_number(date(2026, 3, 1))
    assert unknown(["b", "typo"], day, result) == ["typo"]
    assert unknown(["b"], day + 1, result) == ["b"]


def test_a_state_that_cant_be_read_is_mended_only_after_the_log_has_had_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.project(interaction("a"), interaction("b"))
    right = without_versions(world)
    damage(world, "STATE", tracks={"S": "nonsense"})
    watch = Stopwatch()
    reads: list[float] = []

    def lines_of(*_: Any) -> list[LogLine]:
        reads.append(watch.seconds)
        return lines(interaction("a"), interaction("b"))

    monkeypatch.setattr(refold_command, "lines_of", lines_of)
    result = refold_learner(watch.log(world), "ann")
    assert (result.folded.changed, result.applied) == (("STATE",), 2), "its latest day was lost with it"
    assert reads[0] >= watch.log(world).lag
    assert without_versions(world) == right


def test_records_of_others_and_invalid_ones_are_left_out_and_the_order_is_that_of_arrival() -> None:
    mine = [interaction("b"), interaction("a")]
    later, earlier = lines(*mine)
    earlier = earlier._replace(arrived_at=ARRIVAL - timedelta(seconds=1))
    others = lines(interaction("c", user_id="bob"), {"user_id": "ann"})
    found = [one for line in (later, earlier, *others) for one in read_line(line)]
    assert [one.interaction.event_id for one in valid_of("ann", found)] == ["a", "b"]
