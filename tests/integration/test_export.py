"""Exports: everything that is stored about a learner, as a job of the API that ends in a link."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from domain.log_line import LogLine, line_for
from functions import aws, export, exports
from functions.export import make_export, to_bytes
from functions.export_jobs import GIVEN_UP_AFTER, ExportJobs
from functions.refusals import Refusals
from tests.integration.conftest import ARRIVAL, BUCKET, CONTROL, VIEWS, World, interaction, stream_event
from tests.integration.http_events import Answer, Claims, answer_of, claims, http_event

ADMIN, TEACHER, ANN = claims("root", "admins"), claims("tess", "instructors"), claims("ann")
EVENTS = [
    interaction("a", occurred_at="2026-02-01T09:00:00+02:00", score=60),
    interaction("b", content_id="dva-1", interaction_type="completed", score=None),
    {
        "event_id": "exam",
        "user_id": "ann",
        "certification_type": "SAA",
        "occurred_at": "2026-02-20T12:00:00Z",
        "passed": True,
        "score": 81.5,
    },
]


@pytest.fixture(autouse=True)
def studied(world: World) -> None:
    projector = world.projector()
    projector.note_refusals = Refusals(aws.dynamodb(), VIEWS).note
    unknown = interaction("x", content_id="no-such")
    projector.project(stream_event(*EVENTS, unknown, interaction("b", user_id="bob"))["Records"])


def log() -> Iterator[LogLine]:
    """Yield ann's lines in no particular order, one of them twice, and a frame with others' records."""
    payloads = [json.dumps(event).encode() for event in EVENTS]
    for number, payload in enumerate([payloads[1], payloads[0], payloads[1]]):
        yield line_for(payload, ARRIVAL + timedelta(seconds=number), "shard", str(number), 0)
    other = json.dumps(interaction("b", user_id="bob")).encode()
    yield LogLine(b"[" + payloads[2] + b"," + other + b"]", ARRIVAL + timedelta(hours=1), "shard", "9")
    invalid = json.dumps(interaction("z", score=1000)).encode()
    yield line_for(invalid, ARRIVAL + timedelta(hours=2), "shard", "10", 0)


def exported(world: World, lines: Any = log, user_id: str = "ann") -> dict[str, Any]:
    refusals = [Refusals(aws.dynamodb(), VIEWS)]
    made = make_export(world.store, refusals, lines, user_id, ARRIVAL)
    read: dict[str, Any] = json.loads(b"".join(to_bytes(made)))
    return read


def test_an_export_has_views_awards_exams_refusals_and_the_log(world: World) -> None:
    found = exported(world)
    assert (found["user_id"], found["exported_at"]) == ("ann", "2026-03-02T12:00:00Z")
    assert found["state"]["latest_zone"] == "Europe/Helsinki"
    assert found["state"]["study_days"] == ["2026-02-01", "2026-03-01"]
    assert found["totals"]["total_interactions"] == 2
    assert [day["date"] for day in found["days"]] == ["2026-02-01", "2026-03-01"]
    assert found["certifications"]["SAA"]["exams"]["last_exam"]["score"] == 81.5
    assert "DVA:first" in {award["achievement_id"] for award in found["achievements"]}
    assert {content["content_id"] for content in found["contents"]} == {"saa-1", "dva-1"}
    assert found["first_answers"]["SAA"] == [
        {"content_id": "saa-1", "answered_at": "2026-02-01T07:00:00Z", "score": 60.0}
    ]
    [refused] = found["refused"]
    assert (refused["event_id"], refused["utc_day"], refused["code"]) == (
        "x",
        "2026-03-01",
        "unknown_content",
    )
    records = found["event_log"]["records"]
    assert [one["record"]["event_id"] for one in records] == ["b", "a", "exam", "z"]
    assert [one["times_received"] for one in records] == [2, 1, 1, 1]
    assert [one["refused_as"] for one in records] == [None, None, None, "invalid"]
    assert "bob" not in json.dumps(found)


def test_a_stack_without_an_event_log_says_so(world: World) -> None:
    assert exported(world, None)["event_log"]["kept"] is False


def test_a_learner_of_whom_nothing_is_stored_gets_an_empty_export(world: World) -> None:
    found = exported(world, list, "nobody")
    assert (found["contents"], found["refused"], found["event_log"]["records"]) == ([], [], [])


def test_an_export_is_text_that_a_person_can_read(world: World) -> None:
    def lines() -> Iterator[LogLine]:
        payload = json.dumps(interaction("ü", session_id="\ud800 ü"), ensure_ascii=True).encode()
        yield line_for(payload, ARRIVAL, "shard", "1", 0)
        yield LogLine(b'{"user_id": "ann", "event_id": "\xff"}', ARRIVAL, "shard", "2", user_id="ann")

    made = make_export(world.store, [], lines, "ann", ARRIVAL)
    text = b"".join(to_bytes(made)).decode()
    assert text.count("\n") > 50
    json.loads(text)


# -- the API ---------------------------------------------------------------------------------------


@pytest.fixture
def invoked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return what the worker is invoked with."""
    calls: list[dict[str, Any]] = []

    class Functions:
        def invoke(self, **params: Any) -> None:
            assert (params["FunctionName"], params["InvocationType"]) == ("export", "Event")
            calls.append(json.loads(params["Payload"]))

    monkeypatch.setattr(aws, "functions", Functions)
    return calls


def ask(user: str = "me", who: Claims = ANN) -> Answer:
    return answer_of(exports.handler(http_event("POST", f"/progress/{user}/export", who=who), None))


def look(job: str, user: str = "me", who: Claims = ANN) -> Answer:
    return answer_of(exports.handler(http_event("GET", f"/progress/{user}/export/{job}", who=who), None))


class Context:
    """What Lambda tells a function about its invocation."""


def test_an_export_is_a_job_that_ends_in_a_link(world: World, invoked: list[dict[str, Any]]) -> None:
    key = "log/2026/03/02/lines"
    line = json.dumps(EVENTS[0]).encode() + b"\n"
    aws.s3().put_object(Bucket=BUCKET, Key=key, Body=gzip.compress(line))
    status, asked, _ = ask()
    assert (status, asked["status"], asked["url"]) == (202, "running", None)
    assert look(asked["job"])[1] == asked
    [event] = invoked
    export.handler(event, Context())  # type: ignore[arg-type]  # the parts that it reads
    status, ready, _ = look(asked["job"])
    assert (status, ready["status"]) == (200, "ready")
    link = urlparse(ready["url"])
    query = parse_qs(link.query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["900"]
    assert "ann" not in link.path
    stored = aws.s3().get_object(Bucket=BUCKET, Key=link.path.removeprefix("/").removeprefix(f"{BUCKET}/"))
    assert json.loads(stored["Body"].read())["user_id"] == "ann"


def test_an_export_that_is_new_enough_is_not_made_again(invoked: list[dict[str, Any]]) -> None:
    first, again = ask()[1], ask("ann", ADMIN)[1]
    assert first["job"] == again["job"]
    assert len(invoked) == 1


def test_a_failed_export_is_reported_and_can_be_asked_for_again(
    invoked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ask()[1]
    with monkeypatch.context() as patch:
        patch.setattr(export, "make_export", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export.handler(invoked[0], Context())  # type: ignore[arg-type]  # the parts that it reads
    assert look(asked["job"])[1]["status"] == "failed"
    assert ask()[1]["job"] != asked["job"]


def test_an_export_that_never_ended_has_failed(world: World) -> None:
    jobs = ExportJobs(aws.dynamodb(), CONTROL, aws.s3(), BUCKET)
    now = datetime(2026, 3, 2, tzinfo=UTC)
    job, _ = jobs.ask("ann", now)
    for later, status in ((timedelta(minutes=1), "running"), (GIVEN_UP_AFTER, "failed")):
        found = jobs.find("ann", job.id, now + later)
        assert found is not None
        assert found.status == status
    assert jobs.find("ann", job.id, now + timedelta(days=2)) is None


def test_only_the_learner_and_admins_may_export(invoked: list[dict[str, Any]]) -> None:
    job = ask()[1]["job"]
    for who, statuses in ((TEACHER, [403, 403]), (claims("bob"), [404, 404]), (ADMIN, [202, 200])):
        assert [ask("ann", who)[0], look(job, "ann", who)[0]] == statuses
    assert look("no-such-job")[0] == 404
    assert look(job, "me", claims("bob"))[0] == 404, "a job is looked for among the learner's own"


def test_an_erasure_deletes_exports_and_one_that_is_being_made_is_not_kept(
    world: World, invoked: list[dict[str, Any]]
) -> None:
    jobs = ExportJobs(aws.dynamodb(), CONTROL, aws.s3(), BUCKET)
    asked = ask()[1]
    export.handler(invoked[0], Context())  # type: ignore[arg-type]  # the parts that it reads
    assert aws.s3().list_objects_v2(Bucket=BUCKET)["KeyCount"] == 1
    jobs.forget("ann")
    assert aws.s3().list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0
    export.handler(invoked[0], Context())  # type: ignore[arg-type]  # the parts that it reads
    assert aws.s3().list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0
    assert look(asked["job"])[0] == 404
