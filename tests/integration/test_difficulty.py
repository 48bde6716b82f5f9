"""`streakline difficulty`: rates of first answers from logs, and in the content table."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import stack as cli_stack
from cli.__main__ import main
from cli.stack import Stack
from functions import aws
from tests.factory import make_interaction
from tests.integration.conftest import CONTENT, World
from tests.integration.test_redrive import make_stack

STATISTICS = """learner,time,item,topic,outcome,duration_seconds
s1,2015-09-01 10:00:00,saa-1,Mean,INCORRECT,30
s1,2015-09-01 10:05:00,saa-1,Mean,CORRECT,20
s2,2015-09-01 10:00:00,saa-1,Mean,CORRECT,20
s1,2015-09-01 10:02:00,saa-2,Median,STUDY,10
s1,2015-09-01 10:03:00,saa-2,Median,HINT,10
"""


def answer(user: str, content: str, minute: int, score: float) -> dict[str, Any]:
    return make_interaction(
        event_id=f"{user}-{content}-{minute}",
        user_id=user,
        content_id=content,
        occurred_at=f"2026-03-01T09:{minute:02}:00+02:00",
        score=score,
    )


LOG = [answer("ann", "saa-1", 1, 0), answer("ann", "saa-1", 0, 100), answer("bob", "saa-1", 5, 50)]


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch) -> Stack:
    stack = make_stack(world)
    stack.outputs["ContentTableName"] = CONTENT
    monkeypatch.setattr(cli_stack, "connect", lambda name, region: stack)
    for content in ("saa-1", "saa-2"):
        item = {"content_id": {"S": content}, "certification_type": {"S": "SAA"}, "title": {"S": "Kept"}}
        aws.dynamodb().put_item(TableName=CONTENT, Item=item)
    return stack


def write(path: Path, log: list[Any]) -> Path:
    path.write_text("\n".join(map(json.dumps, log)), "utf-8")
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["difficulty", "--yes", *map(str, arguments)], catch_exceptions=False)


def content_row(content: str) -> dict[str, Any]:
    key = {"content_id": {"S": content}, "certification_type": {"S": "SAA"}}
    return aws.dynamodb().get_item(TableName=CONTENT, Key=key)["Item"]


def test_rates_are_computed_from_several_files_without_a_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_stack, "STACK_FILE", tmp_path / "none.json")
    files = [write(tmp_path / "1.jsonl", LOG[:1]), write(tmp_path / "2.jsonl", LOG[1:])]
    result = run(*files, "--json")
    assert json.loads(result.stdout) == {
        "rates": [
            {"certification_type": None, "content_id": "saa-1", "correct_rate": 0.75, "answered_by": 2}
        ],
        "left_out": {},
        "written": 0,
        "missing": [],
    }
    assert run(files[0], "--apply").exit_code == 1, "there is no stack to write to"


def test_the_hardest_contents_are_printed_with_what_was_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(STATISTICS, "utf-8")
    printed = run(path, "--format", "statistics").stdout
    assert "saa-1" in printed
    assert "50.0 %" in printed
    assert "saa-2" not in printed
    assert "left out:      1  HINT" in printed


def test_applied_rates_are_in_the_content_table_beside_what_was_there(stack: Stack, tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", [*LOG, answer("ann", "new-1", 1, 100)])
    for _ in range(2):
        result = run(log, "--apply")
        assert result.exit_code == 0
        assert "1 contents of the content table have their rates now." in result.stdout
        assert "not in the content table: new-1" in result.stdout
        assert content_row("saa-1") == {
            "content_id": {"S": "saa-1"},
            "certification_type": {"S": "SAA"},
            "title": {"S": "Kept"},
            "correct_rate": {"N": "0.75"},
            "answered_by": {"N": "2"},
        }
        assert "correct_rate" not in content_row("saa-2")
    assert len(aws.dynamodb().scan(TableName=CONTENT)["Items"]) == 2


def test_answers_with_and_without_a_certification_are_of_the_same_content(
    stack: Stack, tmp_path: Path
) -> None:
    named = {"certification_type": "SAA"}
    log = [
        {**answer("ann", "saa-1", 9, 100), **named},
        answer("ann", "saa-1", 1, 0),
        {**answer("bob", "saa-1", 1, 0), **named},
        {**answer("cho", "saa-1", 1, 100), **named},
        {**answer("cho", "saa-1", 0, 100), "certification_type": "NONE"},
    ]
    for order in (log, log[::-1]):
        printed = json.loads(run(write(tmp_path / "log.jsonl", order), "--apply", "--json").stdout)
        assert (printed["written"], printed["missing"]) == (1, ["saa-1"])
        row = content_row("saa-1")
        assert (row["correct_rate"], row["answered_by"]) == ({"N": "0.333"}, {"N": "3"})


def test_content_that_only_the_catalog_has_is_listed(stack: Stack, tmp_path: Path) -> None:
    result = run(write(tmp_path / "log.jsonl", [answer("ann", "saa-3", 1, 100)]), "--apply")
    assert "not in the content table: saa-3" in result.stdout


def test_invalid_interactions_are_left_out_and_counted(tmp_path: Path) -> None:
    exam = make_interaction(content_id=..., interaction_type=..., certification_type="SAA", passed=True)
    log = write(tmp_path / "log.jsonl", [*LOG, {**LOG[0], "score": 400}, exam, {"passed": True}])
    assert run(log).exit_code == 1
    printed = run(log, "--skip-bad").stdout
    assert "left out:      1  invalid: score: Input should be less than or equal to 100" in printed
    assert "left out:      1  results of exams" in printed
    assert "left out:      1  user_id: is missing, or no text" in printed


def test_a_line_that_is_no_json_is_left_out_by_its_fault(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps(LOG[0]) + "\n[]\n", "utf-8")
    assert "left out:      1  it is not a JSON object" in run(log, "--skip-bad").stdout


def test_a_log_without_scores_says_so(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", [make_interaction(interaction_type="viewed")])
    assert run(log).stdout == "No interaction has a score.\n"


@pytest.mark.parametrize("content", ["{", "[]", '{"a": '])
def test_a_file_that_is_no_log_ends_in_a_message(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(content, "utf-8")
    result = run(path)
    assert result.exit_code == 1
    assert f"{path}:1: it is not " in result.output


def test_what_a_log_takes_back_does_not_count(tmp_path: Path) -> None:
    taken_back = {
        "event_id": LOG[1]["event_id"],
        "user_id": "ann",
        "retracted_on": "2026-03-01",
    }
    log = tmp_path / "log.jsonl"
    # A retraction can be in the file before what it takes back.
    log.write_text("".join(f"{json.dumps(one)}\n" for one in (taken_back, *LOG)), "utf-8")
    printed = run(log).stdout
    assert "left out:      1  retractions" in printed
    assert "left out:      1  interactions that were taken back" in printed
    assert "invalid" not in printed
    assert "1 content has scores." in printed
    [rate] = json.loads(run(log, "--json").stdout)["rates"]
    assert (rate["correct_rate"], rate["answered_by"]) == (0.25, 2)
