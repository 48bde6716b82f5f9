"""`streakline wait` on moto: what it finds, and what it says if something is missing."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import quarantine
from cli import wait as wait_module
from cli.manifest import add_to_manifest, manifest_entry
from cli.stack import Stack
from cli.wait import Found, find, wait
from functions import aws, items
from functions.store import Store
from tests.factory import make_interaction
from tests.integration.conftest import VIEWS, World
from tests.integration.test_redrive import make_stack


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setattr(quarantine, "WAIT_SECONDS", 0)
    monkeypatch.setattr(wait_module, "POLL_SECONDS", 0)
    return make_stack(world)


def of_learners(count: int, each: int = 1, **fields: Any) -> list[dict[str, Any]]:
    return [
        make_interaction(event_id=f"e{m}", user_id=f"learner-{n}", **fields)
        for n in range(count)
        for m in range(each)
    ]


def look(stack: Stack, emitted: list[dict[str, Any]], timeout: float = 0) -> Found:
    return find(stack, [manifest_entry(fields) for fields in emitted], timeout, lambda _: None)


def test_at_the_timeout_every_learner_is_looked_at(world: World, stack: Stack) -> None:
    missing = of_learners(10, 2)
    found_ones = [make_interaction(event_id="x", user_id=f"other-{n}") for n in range(10)]
    world.project(*found_ones)
    found = look(stack, [*missing, *found_ones])
    assert (found.in_views, found.missing) == (10, 20)
    assert found.missing_by_learner == {f"learner-{n}": 2 for n in range(10)}
    assert found.quarantine is not None


def test_what_is_in_quarantine_is_found_however_many_learners_it_is_of(world: World, stack: Stack) -> None:
    """Quarantine is not looked into at every poll while many learners are unfinished."""
    refused = of_learners(10, content_id="unheard-of")
    world.project(*refused)
    found = look(stack, refused)
    assert (found.in_views, found.quarantined, found.missing) == (0, {"unknown_content": 10}, 0)


def test_learners_in_quarantine_do_not_hide_the_others_until_the_timeout(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait_module, "QUARANTINE_SECONDS", 0)
    refused = of_learners(10, content_id="unheard-of")
    applied = [make_interaction(event_id="x", user_id=f"other-{n}") for n in range(10)]
    world.project(*refused, *applied)
    found = look(stack, [*refused, *applied], timeout=3600)
    assert (found.in_views, found.quarantined, found.missing) == (10, {"unknown_content": 10}, 0)


def test_quarantine_is_not_looked_into_if_the_views_have_everything(world: World, stack: Stack) -> None:
    emitted = of_learners(5)
    world.project(*emitted, *emitted)
    found = look(stack, [*emitted, *emitted])
    assert (found.in_views, found.repeated, found.missing, found.quarantine) == (5, 5, 0, None)


def test_an_invalid_interaction_is_missing_until_it_is_in_quarantine(world: World, stack: Stack) -> None:
    invalid = make_interaction(score=101)
    found = look(stack, [invalid])
    assert (found.missing, found.missing_invalid, found.missing_by_learner) == (1, 1, {})
    world.project(invalid)
    assert look(stack, [invalid]).quarantined == {"invalid": 1}


def test_a_state_that_can_not_be_read_leaves_its_learner_unfinished(world: World, stack: Stack) -> None:
    emitted = [make_interaction(), make_interaction(user_id="bob")]
    world.project(*emitted)
    aws.dynamodb().put_item(TableName=VIEWS, Item={**items.key("ann", "STATE"), "version": {"N": "1"}})
    found = look(stack, emitted)
    assert (found.in_views, found.missing_by_learner) == (1, {"ann": 1})


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def run(stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    path = tmp_path / "manifest.jsonl"
    monkeypatch.setattr("cli.stack.connect", lambda *_: stack)
    monkeypatch.setattr(wait_module, "manifest_of", lambda _: path)

    def run(emitted: list[dict[str, Any]], *arguments: str) -> Result:
        add_to_manifest(map(manifest_entry, emitted), path)
        return CliRunner().invoke(wait, ["--timeout", "0", *arguments], catch_exceptions=False)

    return run


def test_the_command_names_the_learners_of_whom_something_is_missing(
    world: World, stack: Stack, run: Any
) -> None:
    world.project(b"no JSON", b"no JSON either")
    aws.sqs().send_message(QueueUrl=world.queue_url, MessageBody="hello")
    aws.sqs().receive_message(QueueUrl=world.queue_url, VisibilityTimeout=900)
    emitted = [*of_learners(22), *of_learners(1, 3), make_interaction(score=101)]
    result = run(emitted)
    assert result.exit_code == 1
    head, *lines = result.stdout.splitlines()
    assert head.startswith("26 emitted: 0 distinct interactions in the views, ")
    assert head.endswith(" 0 in quarantine, 26 missing.")
    assert lines[0] == "  missing:       4  of learner learner-0"
    assert lines[1] == "  missing:       1  of learner learner-1"
    assert lines[20:] == [
        "  missing:       2  of 2 more learners",
        "  missing:       1  that are invalid, so only quarantine can hold them",
        "Quarantine was looked into: it has 1 records.",
        "About 1 of its messages were hidden by another reader, and 1 can't be read.",
    ]


def test_the_command_prints_as_json_what_is_missing(world: World, stack: Stack, run: Any) -> None:
    world.project(make_interaction(event_id="there"))
    result = run([make_interaction(event_id="there"), *of_learners(2), make_interaction(score=101)], "--json")
    assert result.exit_code == 1
    summary = json.loads(result.stdout)
    assert summary.pop("seconds") >= 0
    assert summary == {
        "emitted": 4,
        "in_views": 1,
        "repeated": 0,
        "quarantined": {},
        "missing": 3,
        "missing_by_learner": {"learner-0": 1, "learner-1": 1},
        "missing_invalid": 1,
        "looked_into_quarantine": True,
    }
    world.project(*of_learners(2), make_interaction(score=101))
    summary = json.loads(run([], "--json").stdout)
    assert (summary["emitted"], summary["in_views"], summary["quarantined"]) == (4, 3, {"invalid": 1})
    assert json.loads(run([], "--json").stdout)["emitted"] == 0, "the next wait begins anew"


def test_the_command_ends_in_a_message_if_the_views_can_not_be_read(
    world: World, stack: Stack, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_: Any) -> None:
        raise TimeoutError("DynamoDB left 2 keys unread")

    monkeypatch.setattr(Store, "read_applied", unavailable)
    result = run([make_interaction()])
    assert result.exit_code == 1
    assert result.stderr.endswith("Error: AWS answered with an error: DynamoDB left 2 keys unread\n")
