"""A stack with an existing content table: parameter ContentTableStreamArn, and `streakline catalog sync`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import catalog_sync
from cli import stack as cli_stack
from cli.__main__ import main
from cli.stack import Stack
from tests.e2e.conftest import Deployed
from tests.e2e.interactions import eventually
from tests.e2e.second_stack import second_stack
from tests.e2e.tables import table_with_stream

TABLE = "platform-content"


@pytest.fixture(scope="module")
def existing(stack: Deployed) -> Iterator[Stack]:
    """Return a stack whose content table was there before it."""
    with (
        table_with_stream(stack.stack, TABLE, "content_id", "certification_type") as arn,
        second_stack(stack.stack, "streakline-existing", ContentTableStreamArn=arn) as deployed,
    ):
        yield deployed


def put(stack: Stack, content_id: str) -> None:
    item = {"content_id": {"S": content_id}, "certification_type": {"S": "SAA"}, "title": {"S": "A title"}}
    stack.client("dynamodb").put_item(TableName=TABLE, Item=item)


def titles(stack: Stack) -> dict[str, str | None]:
    found = stack.store.full_catalog().certifications.get("SAA")
    return {content.content_id: content.title for content in found.contents} if found else {}


def sync(monkeypatch: pytest.MonkeyPatch, stack: Stack, directory: Path) -> Result:
    monkeypatch.setattr(cli_stack, "connect", lambda name, region: stack)
    monkeypatch.setattr(catalog_sync, "PROGRESS_FILE", directory / "sync.json")
    return CliRunner().invoke(main, ["catalog", "sync"], catch_exceptions=False)


def test_the_stack_uses_the_table_and_makes_none(existing: Stack) -> None:
    assert existing.outputs["ContentTableName"] == TABLE
    tables = existing.client("dynamodb").list_tables()["TableNames"]
    assert not [name for name in tables if name.startswith("streakline-existing-ContentTable")]


def test_changes_come_through_the_stream_and_everything_with_a_sync(
    existing: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put(existing, "through-the-stream")
    first: dict[str, str | None] = {"through-the-stream": "A title"}
    assert eventually(lambda: titles(existing), first) == first
    for n in range(30):
        put(existing, f"old-{n}")
    assert "rows of platform-content" in sync(monkeypatch, existing, tmp_path).stdout
    wanted = dict.fromkeys(["through-the-stream", *(f"old-{n}" for n in range(30))], "A title")
    assert titles(existing) == wanted
    assert "0 contents were added" in sync(monkeypatch, existing, tmp_path).stdout
