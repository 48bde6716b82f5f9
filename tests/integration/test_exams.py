"""Results of exams through the doors: stream, frames and API; quarantine; and the views that show them."""

import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner

from benchmarks.evaluation.log import Taken, read_log
from cli import stack as cli_stack
from cli.__main__ import main
from cli.bridge import NAME, make_bridge
from cli.stack import Stack
from functions import aws
from tests.integration.conftest import ARRIVAL, BUS, World, interaction, streamed
from tests.integration.http_events import claims, faulty_fields, get, post
from tests.integration.template import template
from tests.integration.test_redrive import make_stack


def exam(event_id: str | None = "x-1", **fields: Any) -> dict[str, Any]:
    """Return a valid result with these fields changed; None leaves a field out."""
    whole = {
        "event_id": event_id,
        "user_id": "ann",
        "certification_type": "SAA",
        "occurred_at": "2026-03-01T09:00:00+02:00",
        "passed": True,
        "score": 78.5,
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not None}


SHOWN = {"occurred_at": "2026-03-01T07:00:00Z", "passed": True, "score": 78.5}


def test_a_result_on_the_stream_is_shown_once_however_often_it_is_delivered(world: World) -> None:
    first = world.project(exam())
    again = world.project(exam(occurred_at="2026-03-01T07:00:00Z"), interaction("e-1"))
    assert (first.applied, again.applied, again.duplicates) == (1, 1, 1)
    status, view, _ = get("readiness", query={"certification_type": "SAA"})
    assert (status, view["last_exam"], view["exams"]) == (200, SHOWN, [SHOWN])
    assert get("analytics")[1]["total_interactions"] == 1


def test_every_view_of_a_learner_with_nothing_but_an_exam_is_answered(world: World) -> None:
    world.project(exam())
    for view in ("dashboard", "analytics", "trends", "activity", "streak", "achievements", "content"):
        assert get(view)[0] == 200, view
    assert get("readiness")[1]["certifications"]["SAA"]["last_exam"] == SHOWN
    assert get("streak")[1]["total_study_days"] == 0


@pytest.mark.parametrize("frame", ["lines", "array"])
def test_results_in_frames_are_judged_one_by_one(world: World, frame: str) -> None:
    parts = [json.dumps(one) for one in (exam(), interaction("e-1"), exam("x-2", passed="no"))]
    data = "\n".join(parts) if frame == "lines" else f"[{','.join(parts)}]"
    outcome = world.project(data.encode())
    assert outcome.applied == 2
    [refused] = world.quarantined()
    assert (refused["code"], [fault["field"] for fault in refused["faults"]]) == ("invalid", ["passed"])
    assert refused["position"]["part"] == 3


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"certification_type": "XYZ"}, "unknown_certification"),
        ({"occurred_at": (ARRIVAL + timedelta(minutes=6)).isoformat()}, "too_early"),
        ({"score": -1}, "invalid"),
    ],
)
def test_a_result_that_is_refused_goes_to_quarantine(world: World, fields: dict[str, Any], code: str) -> None:
    outcome = world.project(exam(**fields), exam("x-2"))
    assert (outcome.applied, [message["code"] for message in world.quarantined()]) == (1, [code])


def test_the_rules_of_the_bus_and_of_its_local_stand_in_pass_results_on(world: World) -> None:
    rule = template()["Resources"]["BusToStream"]
    pattern = rule["Properties"]["EventPattern"]
    assert set(pattern["detail-type"]) == {"interaction.recorded", "exam.taken", "interaction.retracted"}
    clients = {"sqs": aws.sqs(), "events": aws.eventbridge()}
    make_bridge(cast(Stack, SimpleNamespace(client=clients.__getitem__, outputs={"BusName": BUS})))
    bridge = aws.eventbridge().describe_rule(Name=NAME, EventBusName=BUS)
    assert json.loads(bridge["EventPattern"]) == pattern


# -- the API -----------------------------------------------------------------------------------------


def test_a_posted_result_reaches_the_views_and_a_retry_counts_once(world: World) -> None:
    without_id = exam(None, user_id=None, extra="dropped")
    answers = [post(without_id, form="exam") for _ in range(2)]
    assert [status for status, _, _ in answers] == [202, 202]
    assert answers[0][1] == answers[1][1], "the id is derived from the result"
    records = streamed()
    assert set(records[0]) == {*exam()}
    outcome = world.project(*records)
    assert (outcome.applied, outcome.duplicates) == (1, 1)
    assert get("readiness", query={"certification_type": "SAA"})[1]["last_exam"] == SHOWN


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        ({"passed": None}, {"passed"}),
        ({"passed": "yes", "score": 101}, {"passed", "score"}),
        ({"certification_type": None}, {"certification_type"}),
        ({"occurred_at": None}, {"occurred_at"}),
        ({"occurred_at": (ARRIVAL - timedelta(days=31)).isoformat()}, {"occurred_at"}),
        ({"occurred_at": (ARRIVAL + timedelta(minutes=6)).isoformat()}, {"occurred_at"}),
        ({"user_id": "bob"}, {"user_id"}),
    ],
)
def test_a_posted_result_with_faults_is_answered_400(
    world: World, fields: dict[str, Any], faulty: set[str]
) -> None:
    answer = post(exam(**fields), form="exam")
    assert (answer[0], faulty_fields(answer)) == (400, faulty)
    assert answer[1]["error"]["message"] == "The exam result is not valid."
    assert streamed() == []


def test_only_the_learner_and_admins_post_a_result(world: World) -> None:
    assert post(exam(), claims("bob"), user="ann", form="exam")[0] == 404
    assert post(exam(), claims("bob", "instructors"), user="ann", form="exam")[0] == 403
    assert post(exam(), claims("bob", "admins"), user="ann", form="exam")[0] == 202


def test_results_are_printed_as_rows_of_a_log(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world.project(
        exam(),
        exam("x-2", user_id="bob", passed=False, score=None),
        exam("x-3", certification_type="DVA"),
        interaction("e-1"),
    )
    monkeypatch.setattr(cli_stack, "connect", lambda name, region: make_stack(world))
    printed = CliRunner().invoke(main, ["exam-results", "SAA"], catch_exceptions=False).stdout
    file = tmp_path / "exams.csv"
    file.write_text(printed, "utf-8")
    assert {learner: [row.exam for row in rows] for learner, rows in read_log(file).items()} == {
        "ann": [Taken(True, 78.5, 72.0)],
        "bob": [Taken(False, None, 72.0)],
    }
    printed = CliRunner().invoke(main, ["exam-results", "SAA", "--json"], catch_exceptions=False).stdout
    assert [(row["learner"], row["time"], row["outcome"]) for row in json.loads(printed)] == [
        ("ann", "2026-03-01T07:00:00Z", "PASSED"),
        ("bob", "2026-03-01T07:00:00Z", "FAILED"),
    ]
    unknown = CliRunner().invoke(main, ["exam-results", "XYZ"])
    assert (unknown.exit_code, unknown.output) == (1, "Error: the catalog has no certification XYZ\n")
