"""The metrics of the functions, with their dimensions, and the request that a line of the log is about."""

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from domain.fold import Change
from functions import aws, project, read
from functions.batch_report import MAX_LAGS, sample
from functions.observability import TROUBLES, logger
from functions.store import Store
from tests.integration.conftest import ARRIVAL, GREEN, Context, World, interaction, stream_event
from tests.integration.emitted import Emitted, emitted
from tests.integration.http_events import claims, http_event

THIS_STACK = {"service": "streakline"}
ROOT = Path(__file__).parents[2]


def of(output: list[Emitted], name: str, **dimensions: str) -> list[float]:
    """Return the values of a metric with exactly these dimensions and the stack's."""
    return [one.value for one in output if one.name == name and one.dimensions == THIS_STACK | dimensions]


def consume(capsys: pytest.CaptureFixture[str], *batch: dict[str, Any] | bytes) -> list[Emitted]:
    """Return the metrics of the consumer for a batch."""
    capsys.readouterr()
    project.handler(stream_event(*batch), Context())
    return emitted(capsys.readouterr().out)


def damage(world: World, user_id: str) -> None:
    """Replace the format of a learner's state by one that no release has written."""
    aws.dynamodb().update_item(
        TableName=world.store.table,
        Key={"pk": {"S": f"USER#{user_id}"}, "sk": {"S": "STATE"}},
        UpdateExpression="REMOVE version",
    )


def test_quarantined_records_are_counted_by_code_and_together(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    found = consume(capsys, b"{", b"[", interaction("a", content_id="new"), interaction("b"))
    assert of(found, "Quarantined") == [3]
    assert of(found, "Quarantined", code="malformed") == [2]
    assert of(found, "Quarantined", code="unknown_content") == [1]


def test_learners_are_counted_once_a_batch(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    batch = [interaction(f"e{n}", user_id=f"learner-{n % 3}") for n in range(10)]
    found = consume(capsys, *batch)
    assert (of(found, "Learners"), of(found, "Received"), of(found, "Applied")) == ([3], [10], [10])


def test_the_view_lag_is_the_time_from_arrival_to_commit(world: World) -> None:
    projector = world.projector()
    projector.now = lambda: ARRIVAL.timestamp() + 1.234
    outcome = projector.project(stream_event(interaction("a"), interaction("b", content_id="new"))["Records"])
    assert outcome.lags == [1234]


def test_a_batch_of_duplicates_has_no_view_lag(world: World) -> None:
    world.project(interaction("a"))
    assert world.project(interaction("a")).lags == []


def test_a_generation_that_is_not_live_has_neither_lag_nor_awards(world: World) -> None:
    done = {"content_id": "dva-1", "interaction_type": "completed", "score": None}
    live, building = world.projector(), world.projector()
    building.was_live = lambda _: False
    outcome = building.project(stream_event(interaction("a", user_id="bob", **done))["Records"])
    assert (outcome.applied, outcome.awards, outcome.lags) == (1, 0, [])
    assert live.project(stream_event(interaction("a", **done))["Records"]).awards > 0


def test_the_figures_of_a_generation_that_is_not_live_do_not_add_to_those_of_the_live_one(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREEN_VIEWS_TABLE", GREEN)
    monkeypatch.setenv("GENERATION", "green")
    project.projector.cache_clear()
    building = consume(capsys, b"{", interaction("a"))
    monkeypatch.setenv("GENERATION", "blue")
    project.projector.cache_clear()
    live = consume(capsys, b"{", interaction("a"))
    for name, value, dimensions in [("Received", 2, {}), ("Quarantined", 1, {"code": "malformed"})]:
        assert of(building, name, **dimensions) == []
        assert of(building, name, **dimensions, generation="green") == [value]
        assert of(live, name, **dimensions) == [value]
    assert not [one for one in live if "generation" in one.dimensions]


def test_lost_write_races_are_counted_as_conflicts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Store.commit
    others = iter(["b", "c"])

    def contended(store: Store, change: Change, *, silent: bool = False) -> Any:
        for other in others:
            monkeypatch.setattr(Store, "commit", commit)
            world.project(interaction(other))
            monkeypatch.setattr(Store, "commit", contended)
            break
        return commit(store, change, silent=silent)

    monkeypatch.setattr(Store, "commit", contended)
    outcome = world.project(interaction("a"))
    assert (outcome.applied, outcome.conflicts) == (1, 2)


def test_an_unreadable_state_is_counted_by_the_consumer_and_by_the_api(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.project(interaction("a"))
    damage(world, "ann")
    found = consume(capsys, interaction("b"))
    assert (of(found, "UnreadableStates"), of(found, "LaterFormats"), of(found, "Failures")) == (
        [1],
        [0],
        [0],
    )
    assert of(found, "LearnersInTrouble") == [1]
    answer = read.handler(http_event("GET", "/progress/me/streak", who=claims("ann")), None)
    assert answer["statusCode"] == 503
    assert of(emitted(capsys.readouterr().out), "UnreadableStates") == [1]


def test_a_bug_in_the_api_is_counted(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(read, "view_context", broken)
    answer = read.handler(http_event("GET", "/progress/me/streak", who=claims("ann")), None)
    assert answer["statusCode"] == 500
    assert of(emitted(capsys.readouterr().out), "Failures") == [1]


@pytest.mark.parametrize("number", [0, 1, 99, 100, 101, 250, 499, 500])
def test_a_sample_of_lags_has_the_percentiles_of_all(number: int) -> None:
    lags = list(range(number, 0, -1))
    sampled = sample(lags)
    assert len(sampled) == min(number, MAX_LAGS)
    assert set(sampled) <= set(lags)
    for percent in (1, 50, 99):
        if number > MAX_LAGS:
            exact = percent / 100 * number
            assert abs(sampled[percent - 1] - exact) <= number / MAX_LAGS


def test_log_lines_carry_the_id_of_their_invocation_or_request(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", written)
    project.handler(stream_event(interaction("a")), Context())
    event = http_event("GET", "/progress/me/streak", who=claims("ann"))
    read.handler(event, None)
    logged = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [(line["message"], line["request_id"]) for line in logged] == [
        ("batch", "request-1"),
        ("request", event["requestContext"]["requestId"]),
    ]


def test_every_metric_of_the_code_is_described(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    sources = "".join(path.read_text() for path in (ROOT / "functions").glob("*.py"))
    names = set(re.findall(r"\b(?:add_metric|single_metric)\(\s*\"(\w+)\"", sources)) | {*TROUBLES.values()}
    names |= {one.name for one in consume(capsys, interaction("a"), b"{")}
    text = (ROOT / "docs" / "operations.md").read_text()
    table = text.partition("\n**Metrics** ")[2].partition("\n**Logs** ")[0]
    cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert {name for cell in cells for name in re.findall(r"`([A-Z]\w+)`", cell)} == names
