"""xAPI statements through the API, with quarantine and redrive."""

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import click
import pytest

from cli import quarantine, trial, voided
from cli.quarantine import read_quarantine
from cli.redrive import redrive_records
from cli.refold import Corrected
from cli.stack import Stack
from domain import xapi_verbs
from functions import aws, ingest, posting, stream
from functions.refold import Refolded
from tests.integration.conftest import ARRIVAL, World, interaction, streamed
from tests.integration.http_events import Answer, Claims, answer_of, claims, http_event, post
from tests.integration.test_redrive import make_stack

ADMIN = claims("the-lms", "admins")
PATH = "/xapi/statements"
VERBS = "http://adlnet.gov/expapi/verbs/"
PAUSED = "https://w3id.org/xapi/video/verbs/paused"


def statement(number: int = 1, **fields: Any) -> dict[str, Any]:
    """Return a statement that is an interaction, with these fields changed; None leaves a field out."""
    whole = {
        "id": f"00000000-0000-4000-8000-{number:012}",
        "actor": {"account": {"homePage": "https://learn.example.com", "name": "ann"}},
        "verb": {"id": f"{VERBS}answered"},
        "object": {"id": "https://learn.example.com/content/saa-1"},
        "result": {"score": {"scaled": 0.8}, "duration": "PT1M"},
        "timestamp": "2026-03-01T09:00:00+02:00",
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not None}


def actor(name: str) -> dict[str, Any]:
    return {"account": {"homePage": "https://learn.example.com", "name": name}}


def send(
    body: Any,
    who: Claims = ADMIN,
    version: str | None = "1.0.3",
    method: str = "POST",
    query: dict[str, str] | None = None,
    content_type: str = "application/json; charset=utf-8",
) -> tuple[int, Any, dict[str, str]]:
    """Send statements as an xAPI client does. Return status, body and headers."""
    headers = {"Content-Type": content_type}
    if version is not None:
        headers["X-Experience-API-Version"] = version
    event = http_event(method, PATH, who=who, body=body, query=query, headers=headers)
    return answer_of(ingest.handler(event, None))


def not_understood(answer: Answer) -> int:
    return int(answer[2]["X-Streakline-Not-Understood"])


# -- what is answered ------------------------------------------------------------------------------


def test_a_statement_is_answered_with_its_id_and_is_an_interaction_in_the_stream(world: World) -> None:
    status, body, headers = send(statement())
    assert (status, body) == (200, ["00000000-0000-4000-8000-000000000001"])
    assert headers["X-Experience-API-Version"] == "1.0.3"
    assert headers["X-Streakline-Not-Understood"] == "0"
    assert streamed() == [
        {
            "event_id": "00000000-0000-4000-8000-000000000001",
            "user_id": "ann",
            "content_id": "saa-1",
            "interaction_type": "answered",
            "occurred_at": "2026-03-01T09:00:00+02:00",
            "score": 80,
            "time_spent": 60,
        }
    ]
    assert world.quarantined() == []
    assert world.project(*streamed()).applied == 1


def test_several_statements_are_answered_with_their_ids_in_order(world: World) -> None:
    sent = [statement(n, actor=actor(name)) for n, name in enumerate(("ann", "bob", "cem"), 1)]
    answer = send(sent)
    assert answer[:2] == (200, [each["id"] for each in sent])
    assert [record["user_id"] for record in streamed()] == ["ann", "bob", "cem"]


def test_what_is_not_understood_is_answered_like_the_others_and_kept_in_quarantine(world: World) -> None:
    sent = [statement(1), statement(2, verb={"id": PAUSED}), statement(3, actor={"objectType": "Group"})]
    answer = send(sent)
    assert answer[:2] == (200, [each["id"] for each in sent])
    assert not_understood(answer) == 2
    assert [record["event_id"] for record in streamed()] == [sent[0]["id"]]
    first, second = sorted(world.quarantined(), key=lambda letter: letter["reason"])
    assert (first["code"], first["door"]) == ("not_understood", "api")
    assert first["reason"] == "actor: is a group, and a learner is one person"
    assert second["reason"] == f"verb.id: {PAUSED!r} does not count as an interaction with content"
    assert second["faults"] == [{"field": "verb.id", "message": second["reason"].removeprefix("verb.id: ")}]


def test_a_statement_that_is_sent_again_counts_once(world: World) -> None:
    for _ in range(2):
        assert send([statement(), statement(id=None)])[0] == 200
    outcome = world.project(*streamed())
    # The one without an id gets one that is derived from it.
    assert (outcome.applied, outcome.duplicates) == (2, 2)


def test_an_id_in_capitals_is_the_same_id(world: World) -> None:
    capitals = "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"
    assert send(statement(id=capitals))[1] == [capitals.lower()]


def test_without_any_time_the_time_of_the_request_counts_and_each_statement_is_new(world: World) -> None:
    timeless = statement(id=None, timestamp=None)
    [first], [second] = send(timeless)[1], send(timeless)[1]
    assert first != second
    assert {record["occurred_at"] for record in streamed()} == {ARRIVAL.isoformat()}
    assert send(statement(timestamp=None, stored="2026-02-28T09:00:00Z"))[0] == 200
    assert streamed()[-1]["occurred_at"] == "2026-02-28T09:00:00Z"


def test_a_time_that_is_ahead_is_left_to_the_consumer(world: World) -> None:
    ahead = (ARRIVAL + timedelta(hours=1)).isoformat()
    assert send(statement(timestamp=ahead))[0] == 200
    world.project(*streamed())
    [letter] = world.quarantined()
    assert letter["code"] == "too_early"


@pytest.mark.parametrize(
    ("version", "named"),
    [("1.0.3", "1.0.3"), ("1.0.0", "1.0.3"), ("1.0", "1.0.3"), ("2.0.0", "2.0.0"), ("2.0", "2.0.0")],
)
def test_both_versions_are_accepted_and_the_answer_names_the_latest_release(
    world: World, version: str, named: str
) -> None:
    status, _, headers = send(statement(), version=version)
    assert (status, headers["X-Experience-API-Version"]) == (200, named)


@pytest.mark.parametrize("version", [None, "", "0.95", "1.1.0", "3.0.0", "1", "1.0.x", "latest"])
def test_another_version_is_answered_400(world: World, version: str | None) -> None:
    status, body, headers = send(statement(), version=version)
    assert status == 400
    assert body["error"]["faults"][0]["field"].lower() == "x-experience-api-version"
    assert headers["X-Experience-API-Version"] == "1.0.3"
    assert streamed() == []


@pytest.mark.parametrize(
    ("sent", "field", "message"),
    [
        (["text"], "0", "must be a JSON object"),
        ({}, "0", "must have actor, verb and object"),
        ([statement(), statement(actor=None)], "1", "must have actor, verb and object"),
        ([statement(), statement(2, id="seven")], "1", "id: is no UUID"),
        ({"statements": [statement()]}, "0", "must have actor, verb and object"),
        ([interaction("x-1")], "0", "must have actor, verb and object"),
    ],
)
def test_a_batch_with_something_else_than_a_statement_is_refused_as_a_whole(
    world: World, sent: Any, field: str, message: str
) -> None:
    status, body, _ = send(sent)
    assert (status, body["error"]["faults"]) == (400, [{"field": field, "message": message}])
    assert streamed() == world.quarantined() == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ([], 400),
        ([statement(n) for n in range(stream.MAX_RECORDS)], 200),
        ([statement(n) for n in range(stream.MAX_RECORDS + 1)], 400),
        ("x" * (posting.MAX_BODY_BYTES + 1), 413),
        ("{", 400),
        ("[" * 100_000, 400),
    ],
    ids=["none", "the most", "one more", "too many bytes", "no JSON", "too deep"],
)
def test_a_request_has_the_limits_of_other_posts(world: World, sent: Any, status: int) -> None:
    assert send(sent)[0] == status


def test_statements_with_attachments_in_several_parts_are_answered_415(world: World) -> None:
    assert send("--x", content_type="multipart/mixed; boundary=x")[0] == 415


def test_a_large_statement_that_is_not_understood_waits_in_the_bucket(world: World) -> None:
    sent = statement(verb={"id": PAUSED}, result={"response": "é" * 100_000})
    assert send(sent)[0] == 200
    [letter] = world.quarantined()
    pointer = letter["payload_s3"]
    stored = aws.s3().get_object(Bucket=pointer["bucket"], Key=pointer["key"])["Body"].read()
    assert json.loads(stored) == sent


# -- one statement by PUT --------------------------------------------------------------------------


def test_a_put_takes_one_statement_with_the_id_of_the_request(world: World) -> None:
    known_as = statement()["id"]
    for sent in (statement(), statement(id=None), statement(id=known_as.upper())):
        status, body, headers = send(sent, method="PUT", query={"statementId": known_as})
        assert (status, body) == (204, {})
        assert headers["X-Experience-API-Version"] == "1.0.3"
    assert {record["event_id"] for record in streamed()} == {known_as}


@pytest.mark.parametrize(
    ("sent", "query"),
    [
        (statement(), {}),
        (statement(), {"statementId": statement(2)["id"]}),
        (statement(id=None), {"statementId": "seven"}),
        ([statement()], {"statementId": statement()["id"]}),
    ],
)
def test_a_put_of_something_else_is_answered_400(world: World, sent: Any, query: dict[str, str]) -> None:
    assert send(sent, method="PUT", query=query)[0] == 400
    assert streamed() == []


# -- who may send ----------------------------------------------------------------------------------


def test_a_learner_sends_their_own_statements(world: World) -> None:
    assert send([statement(1), statement(2, verb={"id": PAUSED})], claims("ann"))[0] == 200
    assert len(streamed()) == len(world.quarantined()) == 1


@pytest.mark.parametrize(
    "other",
    [actor("bob"), {"mbox": "mailto:ann@example.com"}, {"objectType": "Group", "member": []}, "ann", {}],
    ids=str,
)
@pytest.mark.parametrize("groups", [(), ("instructors",), ("x,admins",)], ids=str)
def test_nobody_but_an_admin_sends_statements_of_others(
    world: World, other: Any, groups: tuple[str, ...]
) -> None:
    status, body, _ = send([statement(1), statement(2, actor=other)], claims("ann", *groups))
    assert (status, body["error"]["code"]) == (403, "forbidden")
    assert streamed() == world.quarantined() == []


def test_a_token_is_checked_before_the_request(world: World) -> None:
    status, body, _ = send("{", claims("ann", token_use="access"), version="0.9")
    assert (status, body["error"]["code"]) == (401, "unauthorized")


def test_only_a_learners_own_old_statements_are_refused(world: World) -> None:
    old = statement(1, timestamp=(ARRIVAL - timedelta(days=31)).isoformat())
    status, body, _ = send([statement(2), old], claims("ann"))
    assert status == 400
    assert body["error"]["faults"] == [{"field": "1.timestamp", "message": "must be at most 30 days ago"}]
    assert streamed() == []
    # A platform delivers its backlog, and is trusted with it.
    assert send([statement(2), old], ADMIN)[0] == 200
    assert len(streamed()) == 2


# -- what fails ------------------------------------------------------------------------------------


def test_a_batch_that_is_not_stored_as_a_whole_is_answered_503(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.stream.time.sleep", lambda _: None)

    def refuse(**request: Any) -> Any:
        return {
            "Records": [{"ErrorCode": "ProvisionedThroughputExceededException"} for _ in request["Records"]]
        }

    with monkeypatch.context() as failing:
        failing.setattr(aws.kinesis(), "put_records", refuse)
        status, _, headers = send(statement())
        assert (status, headers["Retry-After"]) == (503, "2")
    with monkeypatch.context() as failing:
        failing.setattr(aws.sqs(), "send_message_batch", lambda **_: {"Failed": [{"Code": "Busy"}]})
        assert send([statement(1), statement(2, verb={"id": PAUSED})])[0] == 503
    assert streamed() == []


def test_an_interaction_of_another_form_is_refused_with_its_name(world: World) -> None:
    status, body, _ = post(statement())
    assert status == 400
    assert "this is an xAPI statement: send it to POST /xapi/statements" in json.dumps(body)
    [result] = post([statement()], form="interactions")[1]["results"]
    assert result["status"] == "invalid"
    assert "xAPI statement" in result["faults"][0]["message"]
    world.project(statement())
    [letter] = world.quarantined()
    assert letter["code"] == "invalid"
    assert letter["reason"].startswith("this is an xAPI statement")


# -- redrive ---------------------------------------------------------------------------------------


@pytest.fixture
def redriving(world: World, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setattr(quarantine, "WAIT_SECONDS", 0)
    monkeypatch.setattr(trial, "now", lambda: ARRIVAL)
    made = make_stack(world)
    made.outputs["XapiContentPrefixes"] = "https://learn.example.com/content/"
    return made


def test_a_release_that_understands_a_statement_redrives_it_as_an_interaction(
    redriving: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    send([statement(n, verb={"id": PAUSED}) for n in (1, 1, 2)])
    result = redrive_records(redriving, "not_understood")
    assert [(staying.code, staying.why) for staying in result.staying] == [
        ("not_understood", f"verb.id: {PAUSED!r} does not count as an interaction with content")
    ] * 2, "the same statement is in quarantine once"
    assert streamed() == []
    rules = {xapi_verbs.without_scheme(PAUSED): xapi_verbs.VIEW}
    monkeypatch.setattr("domain.xapi.VERBS", xapi_verbs.VERBS | rules)
    assert redrive_records(redriving, "not_understood").redriven == {"not_understood": 2}
    assert [(record["event_id"][-1], record["content_id"]) for record in streamed()] == [
        ("1", "saa-1"),
        ("2", "saa-1"),
    ]
    assert read_quarantine(redriving).records == ()


def test_two_statements_with_the_same_id_are_both_in_quarantine(world: World, redriving: Stack) -> None:
    send([statement(1, verb={"id": PAUSED}), statement(1, verb={"id": f"{VERBS}voided"})])
    assert len(read_quarantine(redriving).records) == 2


# -- taking statements back ------------------------------------------------------------------------


def voiding(number: int, target: str, **fields: Any) -> dict[str, Any]:
    reference = {"objectType": "StatementRef", "id": target}
    return statement(number, verb={"id": f"{VERBS}voided"}, object=reference, result=None, **fields)


def test_an_admins_voiding_statement_waits_for_the_command_and_a_learners_is_not_understood(
    world: World,
) -> None:
    target = statement(1)["id"]
    assert send([voiding(2, target, actor=actor("the-lms"))])[0] == 200
    assert send([voiding(3, target)], who=claims("ann"))[0] == 200
    admins, learners = sorted(world.quarantined(), key=lambda letter: letter["code"], reverse=True)
    assert (admins["code"], admins["reason"]) == (
        "voided",
        f"verb.id: voided takes back the statement {target}",
    )
    assert (learners["code"], learners["reason"]) == (
        "not_understood",
        "verb.id: only admins can void statements",
    )
    assert streamed() == []


def test_redrive_leaves_voiding_statements_to_the_command(redriving: Stack) -> None:
    send([voiding(2, statement(1)["id"])])
    [staying] = redrive_records(redriving).staying
    assert staying.code == "voided"
    assert "streakline retract --voided" in staying.why


class Log:
    """Stands in for the event log: which learner and day the events with an id have."""

    def __init__(self, *identities: tuple[str, str, str]) -> None:
        self.identities = identities
        self.folded: list[str] = []
        self.fails_for = ""

    def run(self, _: Stack, sql: str) -> list[dict[str, str]]:
        return [
            {"user_id": user_id, "utc_day": day, "event_id": event_id}
            for user_id, day, event_id in self.identities
            if f"'{event_id}'" in sql
        ]

    def refold(self, _: Any, user_id: str) -> Corrected:
        self.folded.append(user_id)
        if user_id == self.fails_for:
            raise click.ClickException("the log lags")
        return Corrected(Refolded(events=1, changed=("STATE",), awards=(), left=()), 0, ())


def retracting(monkeypatch: pytest.MonkeyPatch, log: Log) -> list[tuple[str, int]]:
    """Let the command ask this log. Return the learners and days of which it waits for retractions."""
    waits: list[tuple[str, int]] = []
    monkeypatch.setattr(voided, "run", log.run)
    monkeypatch.setattr(voided, "log_queries", lambda _: SimpleNamespace(engine="duckdb"))
    monkeypatch.setattr(voided, "refold_learner", log.refold)
    monkeypatch.setattr(
        voided, "wait_until_retracted", lambda _, user_id, day, digests: waits.append((user_id, len(digests)))
    )
    return waits


def test_what_voiding_statements_name_is_retracted_and_the_learners_are_folded_anew(
    redriving: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [statement(n)["id"] for n in range(1, 6)]
    send([voiding(10 + n, target) for n, target in enumerate([*ids, ids[0]])])
    log = Log(
        ("ann", "2026-03-01", ids[0]),
        ("ann", "2026-03-02", ids[0]),
        ("ann", "2026-03-01", ids[1]),
        ("bob", "2026-03-01", ids[2]),
        ("bob", "2026-03-01", ids[3]),
        ("cem", "2026-03-01", ids[3]),
    )
    waits = retracting(monkeypatch, log)
    capsys.readouterr()
    voided.retract_voided(redriving, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert [(r["user_id"], r["event_id"], r["retracted_on"]) for r in streamed()] == [
        ("ann", ids[0], "2026-03-01"),
        ("ann", ids[0], "2026-03-02"),
        ("ann", ids[1], "2026-03-01"),
        ("bob", ids[2], "2026-03-01"),
    ]
    assert waits == [("ann", 2), ("ann", 1), ("bob", 1)]
    assert log.folded == ["ann", "bob"]
    assert shown["changed"] == {"ann": ["STATE"], "bob": ["STATE"]}
    assert {one["statement_id"]: one["why"][:20] for one in shown["left"]} == {
        ids[3]: "several learners hav",
        ids[4]: "the event log has no",
    }
    assert len(read_quarantine(redriving).records) == 2
    voided.retract_voided(redriving, as_json=False)
    assert "0 interactions were taken back" in capsys.readouterr().out


def test_a_learner_who_can_not_be_folded_anew_is_named_and_the_others_are(
    redriving: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [statement(n)["id"] for n in (1, 2)]
    send([voiding(10 + n, target) for n, target in enumerate(ids)])
    log = Log(("ann", "2026-03-01", ids[0]), ("bob", "2026-03-01", ids[1]))
    log.fails_for = "ann"
    retracting(monkeypatch, log)
    with pytest.raises(SystemExit):
        voided.retract_voided(redriving, as_json=False)
    assert log.folded == ["ann", "bob"]
    assert "not folded anew: ann: the log lags" in capsys.readouterr().err
    assert read_quarantine(redriving).records == (), "the retractions are in the stream"
