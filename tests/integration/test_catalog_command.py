"""`streakline catalog`: contents from files into the content table, and the list of the catalog."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import catalog as cli_catalog
from cli import stack as cli_stack
from cli.__main__ import main
from cli.content import wait_for_catalog
from cli.logs import CatalogRow
from cli.stack import Stack
from functions import aws, catalog
from tests.integration.conftest import CONTENT, Context, World
from tests.integration.test_redrive import make_stack

HEADER = "content_id,certification_type,title,category,difficulty_level,tags,question_count,pass_mark"


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch) -> Stack:
    stack = make_stack(world)
    stack.outputs["ContentTableName"] = CONTENT
    monkeypatch.setattr(cli_stack, "connect", lambda name, region: stack)

    def follow(stack: Stack, rows: Sequence[CatalogRow]) -> None:
        """Do what the catalog function does: here no table stream invokes it."""
        for row in rows:
            keys = {
                "content_id": {"S": row.content_id},
                "certification_type": {"S": row.certification_type},
            }
            change = {"Keys": keys, "NewImage": stored(row.content_id, row.certification_type)}
            catalog.handler({"Records": [{"eventName": "INSERT", "dynamodb": change}]}, Context())
        wait_for_catalog(stack, rows)

    monkeypatch.setattr(cli_catalog, "wait_for_catalog", follow)
    return stack


def run(*arguments: str | Path) -> Result:
    yes = ["--yes"] if arguments[0] == "import" else []
    return CliRunner().invoke(main, ["catalog", *map(str, arguments), *yes], catch_exceptions=False)


def stored(content: str, certification: str = "SAA") -> dict[str, Any] | None:
    key = {"content_id": {"S": content}, "certification_type": {"S": certification}}
    return aws.dynamodb().get_item(TableName=CONTENT, Key=key).get("Item")


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join([*lines, ""]), "utf-8")
    return path


def test_rows_are_added_and_changed_and_keep_what_a_file_leaves_empty(stack: Stack, tmp_path: Path) -> None:
    first = write(
        tmp_path / "a.csv", HEADER, 'new-1,SAA,One,Storage,beginner,"s3, ebs",5,720', "new-2,SAA,,,,,,"
    )
    assert "2 were added, 0 were changed, 0 are as they are" in run("import", first).stdout
    assert stored("new-1") == {
        "content_id": {"S": "new-1"},
        "certification_type": {"S": "SAA"},
        "title": {"S": "One"},
        "category": {"S": "Storage"},
        "difficulty_level": {"S": "beginner"},
        "tags": {"L": [{"S": "s3"}, {"S": "ebs"}]},
        "question_count": {"N": "5"},
        "pass_mark": {"N": "720"},
    }
    assert "0 were added, 0 were changed, 2 are as they are" in run("import", first).stdout
    row = {"content_id": "new-1", "certification_type": "SAA", "title": "Uno", "choices": 4}
    second = write(tmp_path / "b.jsonl", json.dumps(row))
    assert "0 were added, 1 were changed" in run("import", second).stdout
    changed = stored("new-1")
    assert changed is not None
    assert (changed["title"], changed["choices"], changed["category"]) == (
        {"S": "Uno"},
        {"N": "4"},
        {"S": "Storage"},
    )


def test_a_dry_run_writes_nothing(stack: Stack, tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", HEADER, "new-1,SAA,One,,,,,")
    assert "1 would be added" in run("import", file, "--dry-run").stdout
    assert stored("new-1") is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("no spaces,SAA,,,,,,", ":2: content_id: String should match pattern"),
        ("new-1,S#A,,,,,,", ":2: certification_type: String should match pattern"),
        (
            "new-1,SAA,,,hard,,,",
            ":2: difficulty_level: Input should be 'beginner', 'inter",
        ),
        ("new-1,SAA,,,,,many,", ":2: question_count: Input should be a valid integer"),
        ("new-1,SAA,,,,,,0.72", ":2: pass_mark: Input should be greater than or equal to 1"),
        ("new-1,SAA,,", ":2: the row has 4 cells and the header 8"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_written(
    stack: Stack, tmp_path: Path, row: str, message: str
) -> None:
    file = write(tmp_path / "a.csv", HEADER, row, "new-2,SAA,,,,,,")
    result = run("import", file)
    assert result.exit_code == 1
    assert f"{file}{message}" in result.output
    assert stored("new-2") is None
    assert "1 were added" in run("import", file, "--skip-bad").stdout
    assert stored("new-2") is not None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"content_id": "a"}', "certification_type: Field required"),
        (
            '{"content_id": "a", "certification_type": "SAA", "colour": 1}',
            "colour: is unknown; the attributes are",
        ),
        ("{", "it is not JSON"),
    ],
)
def test_a_bad_line_of_json_is_named(stack: Stack, tmp_path: Path, line: str, message: str) -> None:
    assert message in run("import", write(tmp_path / "a.jsonl", line)).output


def test_the_catalog_is_listed(stack: Stack) -> None:
    listed = json.loads(run("list", "--json").stdout)
    assert [(row["certification_type"], row["content_id"]) for row in listed] == [
        ("DVA", "dva-1"),
        ("SAA", "saa-1"),
        ("SAA", "saa-2"),
        ("SAA", "saa-3"),
    ]
    printed = run("list", "--certification", "SAA").stdout
    assert "saa-2" in printed
    assert "dva-1" not in printed
    assert "3 contents" in printed
    assert run("list", "--certification", "XXX").exit_code == 1
