"""The consumer: batches of the stream become items, also after lost races and failures."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import pytest
from aws_lambda_powertools.metrics import MetricUnit

from domain.catalog import ContentMetadata
from domain.days import day_number
from domain.fold import Change
from domain.learner import Applied, Day, Learner
from domain.streaks import StudyCalendar
from functions import aws, items, project
from functions.catalog import CatalogWriter
from functions.errors import Contended, Unreadable
from functions.observability import logger, metrics
from functions.outcome import Outcome, Trouble
from functions.quarantine import Position
from functions.records import Received
from functions.store import STATES_PER_READ, Store
from tests.factory import make_parsed, make_tally
from tests.faults import client_error
from tests.integration.conftest import (
    ARRIVAL,
    BUCKET,
    CATALOG_TIME,
    VIEWS,
    Context,
    World,
    interaction,
    stream_event,
)


def fail_writes(monkeypatch: pytest.MonkeyPatch, errors: Mapping[str, Exception]) -> None:
    """Make the writes of these learners raise an error. All other writes succeed."""
    client = aws.dynamodb()

    def failing_for_some(real: Callable[..., Any]) -> Callable[..., Any]:
        def write(**arguments: Any) -> Any:
            state = arguments["TransactItems"][0]["Put"] if "TransactItems" in arguments else arguments
            user_id = state["Item"]["pk"]["S"].removeprefix("USER#")
            if user_id in errors:
                raise errors[user_id]
            return real(**arguments)

        return write

    for name in ("put_item", "transact_write_items"):
        monkeypatch.setattr(client, name, failing_for_some(getattr(client, name)))


def stored_learner(world: World) -> Learner:
    """Return the stored state of ann, which must exist."""
    learner = world.store.read_state("ann")
    assert learner is not None
    return learner


def states(world: World) -> set[str]:
    """Return the learners that have a state."""
    return {pk.removeprefix("USER#") for pk, sk in world.items() if sk == "STATE"}


def codes(world: World) -> list[str]:
    """Return the codes of the messages in quarantine, and remove the messages."""
    return [message["code"] for message in world.quarantined()]


# -- one batch -------------------------------------------------------------------------------------


def test_interactions_become_a_state(world: World) -> None:
    outcome = world.project(
        interaction("a", interaction_type="viewed", score=None),
        interaction("b", score=87.5),
        interaction("c", interaction_type="completed", content_id="saa-3", score=None),
    )
    assert (outcome.applied, outcome.duplicates, outcome.quarantined) == (3, 0, [])
    stored = world.store.read("ann", 0)
    assert stored is not None
    assert stored.learner.total.interactions == 3
    assert stored.learner.total.average_score == 87.5
    assert "SAA:first" in [award.achievement_id for award in stored.awards]


def test_a_learners_part_of_a_batch_costs_one_read_and_one_conditional_put(world: World) -> None:
    world.project(interaction("first"))
    projector = world.projector()
    projector.project(stream_event(interaction("warm"))["Records"])
    world.calls.clear()
    batch = [interaction(f"e{n}", content_id="saa-2", score=None, time_spent=0) for n in range(300)]
    projector.project(stream_event(*batch)["Records"])
    assert world.operations() == ["BatchGetItem", "PutItem"]
    read, write = (params for _, params in world.calls)
    assert read["RequestItems"][VIEWS]["ConsistentRead"] is True
    assert write["ConditionExpression"] == "version = :read"


def test_the_catalog_is_read_once_and_again_only_if_its_head_moves(world: World) -> None:
    projector = world.projector()
    projector.project(stream_event(interaction("a"))["Records"])
    assert world.operations()[:2] == ["BatchGetItem", "BatchGetItem"], "the states, and the catalog"
    world.calls.clear()
    projector.project(stream_event(interaction("b"))["Records"])
    assert world.operations() == ["BatchGetItem", "PutItem"]
    CatalogWriter(world.store).update({"DVA": [ContentMetadata("dva-2")]}, CATALOG_TIME)
    world.calls.clear()
    projector.project(stream_event(interaction("c"))["Records"])
    [_, parts] = [params["RequestItems"][VIEWS] for name, params in world.calls if name == "BatchGetItem"]
    assert [key["sk"]["S"] for key in parts["Keys"]] == ["CERT#DVA#000000"], "only what changed"


def test_one_read_takes_the_states_of_at_most_99_learners(world: World) -> None:
    world.project(*(interaction("e", user_id=f"learner-{n}") for n in range(100)))
    sizes = [
        len(params["RequestItems"][VIEWS]["Keys"]) for name, params in world.calls if name == "BatchGetItem"
    ]
    assert sizes == [100, 2, 2], "with the head of the catalog in each; the catalog's two parts once"


@pytest.mark.parametrize(
    ("second", "sort_keys"),
    [
        (interaction("b", occurred_at="2026-03-02T09:00:00+02:00"), ["DAY#2026-03-01", "APPLIED#2026-03-01"]),
        (interaction("b", occurred_at="2026-03-02T00:30:00+02:00"), ["DAY#2026-03-01"]),
        (interaction("b", occurred_at="2026-02-28T09:00:00+02:00"), ["DAY#2026-02-28", "APPLIED#2026-02-28"]),
        (interaction("b", interaction_type="completed"), ["EARNED#SAA:first"]),
    ],
    ids=["both days close", "the local day closes", "a late interaction", "an award is earned"],
)
def test_a_further_item_is_written_in_one_transaction_with_the_state(
    world: World, second: dict[str, Any], sort_keys: list[str]
) -> None:
    world.project(interaction("a"))
    world.calls.clear()
    world.project(second)
    [writes] = [params["TransactItems"] for name, params in world.calls if name == "TransactWriteItems"]
    assert writes[0]["Put"]["ConditionExpression"] == "version = :read"
    assert [write["Put"]["Item"]["sk"]["S"] for write in writes] == ["STATE", *sort_keys]
    assert "PutItem" not in world.operations()


def test_a_redelivered_batch_changes_nothing(world: World) -> None:
    batch = [interaction(f"e{n}", occurred_at=f"2026-02-{n + 1:02}T09:00:00+02:00") for n in range(20)]
    world.project(*batch)
    before = world.items()
    world.calls.clear()
    outcome = world.project(*batch)
    assert (outcome.applied, outcome.duplicates) == (0, 20)
    assert world.items() == before
    assert not {"PutItem", "TransactWriteItems"} & set(world.operations())


# -- lost races ------------------------------------------------------------------------------------


def test_a_lost_race_is_folded_again_onto_the_stored_state(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.project(interaction("a"))
    slow, fast = world.projector(), world.projector()
    real = Store.commit
    raced: list[bool] = []

    def commit(self: Store, change: Any, **options: Any) -> Any:
        if not raced:
            raced.append(True)
            fast.project(stream_event(interaction("faster"))["Records"])
        return real(self, change, **options)

    monkeypatch.setattr(Store, "commit", commit)
    outcome = slow.project(stream_event(interaction("b"))["Records"])
    assert raced
    assert (outcome.applied, outcome.duplicates) == (1, 0)
    learner = stored_learner(world)
    assert (learner.total.interactions, learner.version) == (3, 3)


def test_a_learner_who_loses_every_race_is_left_for_redelivery(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(random, "uniform", lambda shortest, longest: shortest - longest)
    projector = world.projector()
    projector.pause = pauses.append
    tries: list[int] = []

    def commit(_: Store, change: Any, **__: Any) -> Learner:
        tries.append(change.learner.version)
        return Learner("ann", version=len(tries))

    monkeypatch.setattr(Store, "commit", commit)
    with pytest.raises(ExceptionGroup) as failure:
        projector.project(stream_event(interaction("a"))["Records"])
    [contended] = failure.value.exceptions
    assert isinstance(contended, Contended)
    assert str(contended) == "lost 20 write races for the state of one learner"
    assert tries == list(range(1, 21)), "each fold starts from the stored state"
    assert pauses == [-0.01, -0.02, -0.04, -0.08, -0.16, *[-0.2] * 14], "full jitter, up to a limit"


# -- the function ----------------------------------------------------------------------------------


def test_the_function_logs_and_counts_the_outcome_of_a_batch_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[tuple[str, Any]] = []
    counted: list[tuple[str, Any, float]] = []
    count = metrics.add_metric

    def add_metric(*metric: Any) -> None:
        counted.append(metric)
        count(*metric)

    monkeypatch.setattr(metrics, "add_metric", add_metric)
    monkeypatch.setattr(logger, "info", lambda text, extra: logged.append((text, extra)))
    batch: list[Any] = [
        interaction("a"),
        interaction("a"),
        interaction("b"),
        b"{",
        interaction("c", content_id="new"),
    ]
    project.handler(stream_event(*batch), Context())
    assert logged == [
        (
            "batch",
            {
                "received": 5,
                "learners": 1,
                "applied": 2,
                "duplicates": 1,
                "erased": 0,
                "quarantined": {"malformed": 1, "unknown_content": 1},
                "conflicts": 0,
                "awards": 0,
                "errors": 0,
            },
        )
    ]
    lags = [metric for metric in counted if metric[0] == "ViewLag"]
    assert [unit for _, unit, _ in lags] == [MetricUnit.Milliseconds] * 3
    assert [metric for metric in counted if metric not in lags] == [
        ("Received", MetricUnit.Count, 5),
        ("Applied", MetricUnit.Count, 2),
        ("Duplicates", MetricUnit.Count, 1),
        ("Erased", MetricUnit.Count, 0),
        ("Quarantined", MetricUnit.Count, 2),
        ("Learners", MetricUnit.Count, 1),
        ("Conflicts", MetricUnit.Count, 0),
        ("Awards", MetricUnit.Count, 0),
        ("LearnersInTrouble", MetricUnit.Count, 0),
        ("UnreadableStates", MetricUnit.Count, 0),
        ("LaterFormats", MetricUnit.Count, 0),
        ("Failures", MetricUnit.Count, 0),
        ("ArrivedMoreThanTwoDaysLate", MetricUnit.Count, 0),
    ]


def test_the_environment_configures_one_projector_per_process(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAK_FREEZES", "2")
    made = project.projector()
    assert (made.freezes, made.store.table) == (2, VIEWS)
    assert (made.quarantine.url, made.quarantine.bucket) == (world.queue_url, BUCKET)
    assert project.projector() is made


def test_the_function_starts_no_work_without_enough_time_left(world: World) -> None:
    context = Context()
    context.milliseconds_left = 49_999
    with pytest.raises(ExceptionGroup):
        project.handler(stream_event(interaction("a")), context)
    assert world.store.read_state("ann") is None
    context.milliseconds_left = 50_000
    project.handler(stream_event(interaction("a")), context)
    assert world.store.read_state("ann") is not None


# -- failures --------------------------------------------------------------------------------------


def test_a_failed_write_fails_the_batch_after_all_others_were_tried(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_writes(monkeypatch, {"ann": client_error("InternalServerError", "PutItem")})
    with pytest.raises(ExceptionGroup, match=r"^1 parts of the batch failed") as failure:
        world.project(interaction("a"), b"no JSON", interaction("b", user_id="bob"))
    assert len(failure.value.exceptions) == 1
    assert states(world) == {"bob"}
    assert codes(world) == ["malformed"]


def test_no_learner_is_started_without_enough_time_left(world: World) -> None:
    clock = iter([100.0, 100.0, 100.0, 49.9, 10.0])
    batch: list[Any] = [interaction("a", user_id=f"learner-{n}") for n in range(4)]
    with pytest.raises(ExceptionGroup) as failure:
        world.projector().project(stream_event(*batch, b"no JSON")["Records"], lambda: next(clock))
    assert [type(error) for error in failure.value.exceptions] == [project.OutOfTime] * 2
    assert len(states(world)) == 2
    assert codes(world) == ["malformed"], "there is still time for the quarantine"
    assert world.project(*batch).applied == 2, "redelivery applies the rest"


def test_a_failed_read_affects_neither_other_learners_nor_the_quarantine(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = aws.dynamodb().batch_get_item, iter(range(100))

    def batch_get_item(**arguments: Any) -> Any:
        if next(calls) == 1:
            raise client_error("InternalServerError", "BatchGetItem")
        return real(**arguments)

    monkeypatch.setattr(aws.dynamodb(), "batch_get_item", batch_get_item)
    batch = [interaction("a", user_id=f"learner-{n}") for n in range(3 * STATES_PER_READ)]
    with pytest.raises(ExceptionGroup, match=r"^1 parts of the batch failed"):
        world.project(*batch, b"no JSON")
    assert len(states(world)) == 2 * STATES_PER_READ
    assert codes(world) == ["malformed"]
    assert world.project(*batch).applied == STATES_PER_READ


@pytest.mark.parametrize(
    "error",
    [
        KeyError("a bug"),
        client_error("ValidationException", "PutItem", "no such operator"),
    ],
    ids=["a bug", "an invalid request"],
)
def test_a_bug_quarantines_one_learners_records_and_is_logged(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    logged: list[tuple[str, Any]] = []
    monkeypatch.setattr(logger, "error", lambda text, **more: logged.append((text, more)))
    fail_writes(monkeypatch, {"ann": error})
    batch = stream_event(interaction("a"), interaction("b"), interaction("c", user_id="bob"))
    project.handler(batch, Context())
    held = world.quarantined()
    assert [(message["code"], message["position"]["sequence_number"]) for message in held] == [
        ("failed", "1"),
        ("failed", "2"),
    ]
    assert held[0]["reason"] == f"a bug: {error!r}; see the consumer's log"
    assert world.store.read_state("bob") is not None
    [(text, more)] = logged
    assert (text, more["extra"]) == ("learners in trouble", {"learners": {"failed": 1}})
    assert more["exc_info"].exceptions == (error,)


def test_each_kind_of_bug_is_logged_with_its_trace_even_if_the_batch_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[Any] = []
    monkeypatch.setattr(logger, "error", lambda _, **more: logged.append(more))
    errors = {
        "ann": KeyError("a bug"),
        "bob": ValueError("another bug"),
        "cho": KeyError("a bug of the first kind"),
        "dan": TimeoutError("a transient failure"),
    }
    fail_writes(monkeypatch, errors)
    with pytest.raises(ExceptionGroup) as failure:
        world.project(*(interaction("a", user_id=user_id) for user_id in errors))
    assert failure.value.exceptions == (errors["dan"],)
    assert codes(world) == ["failed"] * 3
    [more] = logged
    assert more["extra"] == {"learners": {"failed": 3}}
    assert sorted(type(error).__name__ for error in more["exc_info"].exceptions) == ["KeyError", "ValueError"]


DAMAGED: dict[str, tuple[str, dict[str, Any], str]] = {
    "truncated JSON in the state": ("STATE", {"earned": {"S": '["a'}}, "unreadable_state"),
    "a state of the wrong type": ("STATE", {"tracks": {"S": "{}"}}, "unreadable_state"),
    "a state with a text for its earned ids": ("STATE", {"earned": {"S": '"abc"'}}, "unreadable_state"),
    "a state that is nested too deeply": ("STATE", {"earned": {"S": "[" * 100_000}}, "unreadable_state"),
    "a state of an earlier format": ("STATE", {"format": {"N": "1"}}, "unreadable_state"),
    "a zone of another type": ("STATE", {"named_zone": {"S": '["now","UTC"]'}}, "unreadable_state"),
    "a zone at a time that no clock shows": (
        "STATE",
        {"named_zone": {"S": f'[{10**23},"UTC"]'}},
        "unreadable_state",
    ),
    "an offset that is none": ("STATE", {"plain_offset": {"S": '[1,"x"]'}}, "unreadable_state"),
    "study days that are no dates": ("STATE", {"calendar_first": {"N": "99999999999"}}, "unreadable_state"),
    "a latest day that is not the last one": (
        "STATE",
        {"calendar": {"B": b"\x01"}},
        "unreadable_state",
    ),
    "a version that no write has made": ("STATE", {"version": {"N": "0"}}, "unreadable_state"),
    "sums that are texts": (
        "DAY#2026-02-28",
        {"tallies": {"M": {"SAA": {"M": {"names": {"S": '[["Storage"],[]]'}, "sums": {"S": "1"}}}}}},
        "unreadable_state",
    ),
    "a state with a text for a number": ("STATE", {"format": {"S": "2"}}, "unreadable_state"),
    "a state of a later format": ("STATE", {"format": {"N": "3"}}, "later_format"),
    "a closed day": ("DAY#2026-02-28", {"tallies": {"S": "{"}}, "unreadable_state"),
    "a closed UTC day": ("APPLIED#2026-02-28", {"digests": {"B": b"1234567"}}, "unreadable_state"),
}


def damage(world: World, user_id: str, sort_key: str, changed: dict[str, Any]) -> None:
    item = world.item(user_id, sort_key)
    assert item is not None
    aws.dynamodb().put_item(TableName=VIEWS, Item={**item, **changed})


def test_a_state_that_has_lost_its_best_scores_is_unreadable(world: World) -> None:
    world.project(interaction("a"), interaction("b", interaction_type="completed", content_id="saa-2"))
    state = world.item("ann", "STATE")
    assert state is not None
    del state["tracks"]["M"]["SAA"]["M"]["best"]
    assert "scored" in state["tracks"]["M"]["SAA"]["M"], "else the track has no scores"
    damage(world, "ann", "STATE", {"tracks": state["tracks"]})
    assert [trouble.code for trouble in world.project(interaction("c")).troubles] == ["unreadable_state"]


@pytest.mark.parametrize("name", DAMAGED)
def test_an_unreadable_item_is_the_trouble_of_its_learner_alone(world: World, name: str) -> None:
    sort_key, changed, code = DAMAGED[name]
    days = [interaction(f"e{day}", occurred_at=f"2026-02-{day}T09:00:00+02:00") for day in (28, 27)]
    world.project(*reversed(days), interaction("a"))
    damage(world, "ann", sort_key, changed)
    late = interaction("late", occurred_at="2026-02-28T10:00:00+02:00")
    outcome = world.project(late, interaction("b", user_id="bob"), {**late, "user_id": "cho"})
    assert (outcome.applied, len(outcome.troubles)) == (2, 1)
    [held] = world.quarantined()
    assert (held["code"], held["position"]["sequence_number"]) == (code, "1")


def test_a_day_that_the_state_promises_and_that_is_gone_is_unreadable(world: World) -> None:
    days = [interaction(f"e{day}", occurred_at=f"2026-02-{day}T09:00:00+02:00") for day in (27, 28)]
    world.project(*days)
    key = {"pk": {"S": "USER#ann"}, "sk": {"S": "DAY#2026-02-27"}}
    aws.dynamodb().delete_item(TableName=VIEWS, Key=key)
    world.project(interaction("late", occurred_at="2026-02-27T10:00:00+02:00"))
    assert codes(world) == ["unreadable_state"]


def test_what_was_written_before_a_learner_became_unreadable_is_not_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "MAX_TRANSACTION_ITEMS", 10)
    load, calls = Store.load_buckets, []

    def load_damaged_later(self: Store, wanted: Any) -> Any:
        calls.append(wanted)
        return load(self, wanted) if len(calls) < 3 else {"ann": Unreadable("damaged meanwhile")}

    monkeypatch.setattr(Store, "load_buckets", load_damaged_later)
    days = [interaction(f"e{n}", occurred_at=f"2026-02-{n:02}T09:00:00+00:00") for n in range(1, 29)]
    unknown = interaction("x", content_id="never", occurred_at="2026-02-01T10:00:00+00:00")
    outcome = world.project(*days, unknown)
    assert outcome.applied == stored_learner(world).total.interactions > 0
    assert Counter(codes(world)) == {"unknown_content": 1, "unreadable_state": 28 - outcome.applied}


def test_a_repair_between_the_state_and_its_days_is_a_lost_race(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [interaction(f"e{day}", occurred_at=f"2026-02-{day}T09:00:00+02:00") for day in (27, 28)]
    world.project(*days)
    load = Store.load_buckets
    key = {"pk": {"S": "USER#ann"}}

    def load_after_a_repair(self: Store, wanted: Any) -> Any:
        monkeypatch.setattr(Store, "load_buckets", load)
        for sort_key in ("STATE", "DAY#2026-02-27", "APPLIED#2026-02-27"):
            aws.dynamodb().delete_item(TableName=VIEWS, Key={**key, "sk": {"S": sort_key}})
        return load(self, wanted)

    monkeypatch.setattr(Store, "load_buckets", load_after_a_repair)
    assert world.project(interaction("late", occurred_at="2026-02-27T10:00:00+02:00")).applied == 1
    assert stored_learner(world).total.interactions == 1


@pytest.mark.parametrize(("learners", "fails"), [(60, False), (59, True)])
def test_too_many_learners_in_trouble_fail_the_batch_after_all_others_were_written(
    world: World, learners: int, fails: bool
) -> None:
    batch = [interaction("a", user_id=f"learner-{n}") for n in range(learners)]
    world.project(*batch[:3])
    for n in range(3):
        damage(world, f"learner-{n}", "STATE", {"format": {"N": "3"}})
    again = [{**each, "event_id": "b"} for each in batch]
    if fails:
        world.project(*batch[3:4])
        damage(world, "learner-3", "STATE", {"tracks": {"S": ""}})
        with pytest.raises(ExceptionGroup, match=r"^4 parts of the batch failed"):
            world.project(*again)
        assert codes(world) == []
    else:
        assert world.project(*again).applied == learners - 3
        assert codes(world) == ["later_format"] * 3


def test_the_halves_of_a_batch_that_failed_for_trouble_fail_too(world: World) -> None:
    batch = [interaction("a", user_id=f"learner-{n}") for n in range(8)]
    world.project(*batch)
    for n in range(8):
        damage(world, f"learner-{n}", "STATE", {"format": {"N": "3"}})
    now = [0.0]
    projector = world.projector()
    projector.clock = lambda: now[0]
    records = stream_event(*({**each, "event_id": "b"} for each in batch))["Records"]
    for size in (8, 4, 2, 1):
        with pytest.raises(ExceptionGroup):
            projector.project(records[:size])
    assert codes(world) == []
    now[0] = 601.0
    projector.project(records[:1])
    assert codes(world) == ["later_format"], "one learner alone, and the others are forgotten"


def test_many_good_batches_do_not_hide_the_trouble_of_a_bad_one(world: World) -> None:
    batch = [interaction("a", user_id=f"learner-{n}") for n in range(4)]
    projector = world.projector()
    for _ in range(30):
        projector.project(stream_event(*batch)["Records"])
    for n in range(4):
        damage(world, f"learner-{n}", "STATE", {"format": {"N": "3"}})
    with pytest.raises(ExceptionGroup, match=r"^4 parts of the batch failed"):
        projector.project(stream_event(*({**each, "event_id": "b"} for each in batch))["Records"])
    assert codes(world) == []


def test_trouble_is_counted_even_if_it_fails_the_batch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: dict[str, float] = {}
    monkeypatch.setattr(metrics, "add_metric", lambda name, _, value: counted.update({name: value}))
    batch = [interaction("a", user_id=f"learner-{n}") for n in range(4)]
    world.project(*batch)
    for n in range(4):
        damage(world, f"learner-{n}", "STATE", {"format": {"N": "3"}})
    again = [{**each, "event_id": "b"} for each in batch]
    with pytest.raises(ExceptionGroup):
        project.handler(stream_event(*again, interaction("c", user_id="bob")), Context())
    assert (counted["LearnersInTrouble"], counted["Applied"], counted["Quarantined"]) == (4, 1, 0)


def test_fields_of_a_later_release_are_written_back_unchanged(world: World) -> None:
    world.project(interaction("a", occurred_at="2026-02-27T09:00:00+02:00"), interaction("b"))
    state, day = world.item("ann", "STATE"), world.item("ann", "DAY#2026-02-27")
    assert state is not None
    assert day is not None
    learner = items.learner_of(state)
    # The tally of Storage gets two counters more.
    tallies = learner.tracks["SAA"].tallies
    later = tallies._replace(categories={"Storage": tallies.categories["Storage"]._replace(unknown=(7, 9))})
    learner = learner._replace(tracks={"SAA": learner.tracks["SAA"]._replace(tallies=later)})
    track = {**items.state_item(learner)["tracks"]["M"]["SAA"]["M"], "badge": {"S": "new"}}
    damage(world, "ann", "STATE", {"mood": {"S": "new"}, "tracks": {"M": {"SAA": {"M": track}}}})
    damage(world, "ann", "DAY#2026-02-27", {"weather": {"S": "new"}})
    world.project(interaction("c", occurred_at="2026-02-27T10:00:00+02:00"), interaction("d"))
    state, day = world.item("ann", "STATE"), world.item("ann", "DAY#2026-02-27")
    assert state is not None
    assert day is not None
    track = state["tracks"]["M"]["SAA"]["M"]
    assert (state["mood"], track["badge"], day["weather"]) == ({"S": "new"},) * 3
    storage = items.learner_of(state).tracks["SAA"].tallies.categories["Storage"]
    assert storage == make_tally(interactions=4, answers=4, seconds=240, scored=4, score=32000)._replace(
        unknown=(7, 9)
    )
    assert stored_learner(world).total.interactions == 4


def test_fields_of_a_later_release_stay_with_the_digests_and_the_zone_they_belong_to(world: World) -> None:
    at = {"timezone": None, "occurred_at": "2026-03-01T09:00:00+02:00"}
    world.project(interaction("a", occurred_at="2026-02-27T09:00:00+02:00"), interaction("b", **at))
    state = world.item("ann", "STATE")
    assert state is not None
    applied = {"M": {**state["applied"]["M"], "source": {"S": "new"}}}
    zones = {
        name: {"S": state[name]["S"].replace("]", ',{"via":"GPS"},1]')}
        for name in ("named_zone", "plain_offset")
    }
    damage(world, "ann", "STATE", {"applied": applied, **zones})
    damage(world, "ann", "APPLIED#2026-02-27", {"source": {"S": "new"}})

    # Both buckets get another digest. The named zone changes, and the offset stays.
    world.project(interaction("c", occurred_at="2026-02-27T10:00:00+02:00"), interaction("d"))
    state, closed = world.item("ann", "STATE"), world.item("ann", "APPLIED#2026-02-27")
    assert state is not None
    assert closed is not None
    assert state["applied"]["M"]["source"] == closed["source"] == {"S": "new"}
    assert (len(state["applied"]["M"]["digests"]["B"]), len(closed["digests"]["B"])) == (16, 16)
    assert state["plain_offset"] == zones["plain_offset"]
    assert state["named_zone"] == {"S": '[1772348400000000,"Europe/Helsinki"]'}

    # The bucket is closed with what belongs to it.
    world.project(interaction("e", occurred_at="2026-03-02T09:00:00+02:00"))
    closed = world.item("ann", "APPLIED#2026-03-01")
    assert closed is not None
    assert closed["source"] == {"S": "new"}


def test_categories_that_differ_only_in_case_earn_one_award(world: World) -> None:
    same_name = [ContentMetadata("net-1", "Networking"), ContentMetadata("net-2", "networking")]
    CatalogWriter(world.store).update({"SAA": same_name}, CATALOG_TIME)
    both = [
        interaction(f"e{n}", content_id=f"net-{n}", interaction_type="completed", score=100) for n in (1, 2)
    ]
    assert world.project(*both).applied == 2
    assert world.item("ann", "EARNED#SAA:mastered:networking") is not None
    learner = stored_learner(world)
    assert learner.total.interactions == 2


def test_no_write_is_started_without_enough_time_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "MAX_TRANSACTION_ITEMS", 10)
    clock = iter([100.0] * 7 + [49.9] * 10)
    days = [interaction(f"e{n}", occurred_at=f"2026-02-{n:02}T09:00:00+00:00") for n in range(1, 29)]
    with pytest.raises(ExceptionGroup) as failure:
        world.projector().project(stream_event(*days)["Records"], lambda: next(clock))
    assert [type(error) for error in failure.value.exceptions] == [project.OutOfTime]
    learner = stored_learner(world)
    written = learner.total.interactions
    assert 0 < written < 28, "each part is complete by itself"
    again = world.project(*days)
    assert (again.applied, again.duplicates) == (28 - written, written)


def test_two_batches_apply_20000_interactions_of_one_learner_in_a_day(world: World) -> None:
    for half in (0, 10_000):
        batch = [interaction(f"e{n}", score=None, time_spent=0) for n in range(half, half + 10_000)]
        world.calls.clear()
        assert world.project(*batch).applied == 10_000
        assert len([name for name in world.operations() if "Put" in name or "Write" in name]) == 1
    learner = stored_learner(world)
    assert learner.total.interactions == 20_000


def test_a_batch_fails_if_the_quarantine_refuses_a_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = {"Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]}
    monkeypatch.setattr(aws.sqs(), "send_message_batch", lambda **_: failed)
    with pytest.raises(RuntimeError, match="the quarantine refused a record"):
        world.project(b"no JSON")


def test_content_added_after_the_catalog_was_read_is_found(world: World) -> None:
    projector = world.projector()
    projector.project(stream_event(interaction("a"))["Records"])
    CatalogWriter(world.store).update({"SAA": [ContentMetadata("saa-new", "Storage")]}, 1)
    outcome = projector.project(stream_event(interaction("b", content_id="saa-new"))["Records"])
    assert outcome.applied == 1


def test_known_content_added_to_another_certification_meanwhile_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    projector = world.projector()
    projector.project(stream_event(interaction("a"))["Records"])
    load = Store.load

    def load_before_it_is_added(self: Store, user_ids: Any) -> Any:
        loaded = load(self, user_ids)
        CatalogWriter(world.store).update({"DVA": [ContentMetadata("saa-1", "Storage")]}, 1)
        return loaded

    monkeypatch.setattr(Store, "load", load_before_it_is_added)
    outcome = projector.project(stream_event(interaction("b", certification_type="DVA"))["Records"])
    assert (outcome.applied, outcome.quarantined) == (1, [])


def test_outcomes_add_up() -> None:
    received = Received(make_parsed(), b"", Position("shard", "1"), ARRIVAL)
    trouble, error = Trouble("failed", KeyError("a bug"), [received]), TimeoutError()
    outcome = Outcome(1, 2, 5, [received.refused("a", "")])
    outcome.add(Outcome(3, 4, 6, [received.refused("b", "")], [trouble], [error]))
    assert (outcome.applied, outcome.duplicates, outcome.erased) == (4, 6, 11)
    assert (outcome.troubles, outcome.errors) == ([trouble], [error])
    assert [refused.code for refused in outcome.quarantined] == ["a", "b"]


def test_the_consumer_follows_the_streak_policy(world: World) -> None:
    batch = [
        interaction(f"e{day}", occurred_at=f"2026-02-{day:02}T09:00:00+02:00")
        for day in range(1, 16)
        if day != 8
    ]
    world.projector(freezes=1).project(stream_event(*batch)["Records"])
    assert world.item("ann", "EARNED#streak-14") is not None
    world.project(*({**each, "user_id": "bob"} for each in batch))
    assert world.item("bob", "EARNED#streak-14") is None, "without freezes"


# -- sizes -----------------------------------------------------------------------------------------


def test_a_batch_of_more_days_than_one_transaction_takes_is_split(world: World) -> None:
    batch = [
        interaction(f"e{month}-{day}", occurred_at=f"2025-{month:02}-{day:02}T09:00:00Z", timezone=None)
        for month in range(1, 13)
        for day in range(1, 21)
    ]
    outcome = world.project(*batch)
    assert outcome.applied == 240
    learner = stored_learner(world)
    assert len(learner.calendar) == 240
    assert learner.total.interactions == 240
    sizes = [len(p["TransactItems"]) for name, p in world.calls if name == "TransactWriteItems"]
    assert max(sizes) <= 100


def test_a_batch_of_more_bytes_than_one_transaction_takes_is_split(world: World) -> None:
    first, many = day_number(date(2026, 2, 10)), frozenset(range(45_000))
    calendar = StudyCalendar()
    for number in range(first, first + 13):
        calendar = calendar.add(number)
    for n in range(12):  # Each takes 350 KB.
        latest = Day(first + 12)
        learner = Learner("ann", n + 1, calendar=calendar, latest=latest, applied=Applied(first + 12))
        closed = Applied(first + n, many)
        assert world.store.commit(Change(learner, (Day(first + n),), (), 1, 0, (), (closed,))) is None
    world.calls.clear()
    batch = [
        interaction(f"{hour}-{n}", occurred_at=f"2026-02-{10 + n}T{hour}:00:00+02:00")
        for hour in ("09", "10")
        for n in range(12)
    ]
    assert world.project(*batch).applied == 24
    written = [p["TransactItems"] for name, p in world.calls if name == "TransactWriteItems"]
    for prefix in ("DAY#", "APPLIED#"):
        sizes = [sum(i["Put"]["Item"]["sk"]["S"].startswith(prefix) for i in items) for items in written]
        assert sizes == [6, 6], "half of the days each, so that a day is written once"
    applied = world.store.read_applied("ann", range(first, first + 12))
    assert {len(digests) for digests in applied.values()} == {45_002}
    assert world.project(*batch).duplicates == 24
