"""`streakline quarantine`: list, show and drop records."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import quarantine, trial
from cli.__main__ import main
from cli.quarantine import list_records
from cli.queues import delete_messages
from cli.stack import Stack
from tests.factory import make_interaction
from tests.integration.conftest import ARRIVAL, World, interaction
from tests.integration.test_redrive import make_stack


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setattr(quarantine, "WAIT_SECONDS", 0)
    monkeypatch.setattr(trial, "now", lambda: ARRIVAL)
    made = make_stack(world)
    monkeypatch.setattr("cli.stack.connect", lambda *_: made)
    world.project(
        b"no JSON",
        interaction("a", score=101),
        interaction("b", user_id="bob", score=101),
        make_interaction(event_id="c", content_id="later"),
    )
    return made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["quarantine", *arguments], catch_exceptions=False)


def listed(*options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("list", "--json", *options).stdout)
    return found


def codes(stack: Stack) -> list[str]:
    return sorted(record.code for record, _ in list_records(stack))


def test_records_are_listed_by_code_learner_and_age(stack: Stack) -> None:
    assert sorted((one["code"], one["user_id"]) for one in listed()) == [
        ("invalid", "ann"),
        ("invalid", "bob"),
        ("malformed", None),
        ("unknown_content", "ann"),
    ]
    assert [one["user_id"] for one in listed("--user", "bob")] == ["bob"]
    assert {one["code"] for one in listed("--reason", "invalid")} == {"invalid"}
    assert len(listed("--older-than", "1")) == 4
    assert listed("--older-than", "100000") == []
    text = run("list").stdout
    assert "2  invalid" in text
    assert "There is no such record" in run("list", "--user", "nobody").stdout


def test_a_record_is_shown_with_its_payload(stack: Stack) -> None:
    [bob] = listed("--user", "bob")
    shown = json.loads(run("show", bob["position"]).stdout)
    assert json.loads(shown.pop("payload"))["event_id"] == "b"
    assert shown == bob
    nowhere = run("show", "nowhere:1")
    assert nowhere.exit_code == 1
    assert "there is no record at nowhere:1" in nowhere.output


def test_records_are_dropped_by_what_was_asked_for_and_no_others(stack: Stack) -> None:
    assert "1 records would be dropped" in run("drop", "--reason", "malformed", "--dry-run").output
    assert len(codes(stack)) == 4
    assert "1 records were dropped" in run("drop", "--reason", "malformed", "--yes").output
    assert codes(stack) == ["invalid", "invalid", "unknown_content"]
    [bob] = listed("--user", "bob")
    run("drop", "--position", bob["position"], "--yes")
    assert codes(stack) == ["invalid", "unknown_content"]


def test_nothing_is_dropped_without_a_choice_or_without_a_yes(stack: Stack) -> None:
    refused = run("drop", "--yes")
    assert refused.exit_code == 2
    assert "Say which records" in refused.output
    declined = CliRunner().invoke(main, ["quarantine", "drop", "--reason", "invalid"], input="n\n")
    assert declined.exit_code == 1
    assert len(codes(stack)) == 4


def test_what_cannot_be_read_is_dropped_too_so_that_no_message_rings_for_14_days(stack: Stack) -> None:
    for name in ("QuarantineUrl", "RuleDeadLettersUrl"):
        stack.client("sqs").send_message(QueueUrl=stack.outputs[name], MessageBody="from somebody else")
    run("drop", "--older-than", "0", "--yes")
    assert "2 that can't be read would be dropped" in run("drop", "--unreadable", "--dry-run").output
    declined = CliRunner().invoke(main, ["quarantine", "drop", "--unreadable"], input="n\n")
    assert declined.exit_code == 1
    dropped = run("drop", "--unreadable", "--yes").output
    assert "it is not a letter of Streakline" in dropped
    assert "2 that can't be read were dropped" in dropped
    assert "can't be read" not in run("list").output
    assert "0 that can't be read" in run("drop", "--unreadable", "--yes").output


def test_what_can_be_read_stays_if_only_the_unreadable_is_dropped(stack: Stack) -> None:
    run("drop", "--unreadable", "--yes")
    assert len(codes(stack)) == 4
    assert run("drop", "--unreadable", "--reason", "invalid", "--yes").exit_code == 2


def test_records_that_sqs_did_not_delete_are_not_said_to_be_dropped(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        quarantine, "delete_messages", lambda sqs, url, _: delete_messages(sqs, url, ["expired"])
    )
    result = run("drop", "--reason", "malformed", "--yes")
    assert result.exit_code == 1
    assert "1 of 1 messages are still in the queue" in result.output
    assert "were dropped" not in result.output
