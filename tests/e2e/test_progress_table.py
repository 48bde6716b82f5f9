"""A stack with the replaced tracker's progress table as a door, and `streakline migrate` beside it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli import manifest
from cli import stack as cli_stack
from cli.__main__ import main
from cli.stack import Stack
from tests.e2e.conftest import Deployed
from tests.e2e.interactions import ensure_test_content, eventually
from tests.e2e.second_stack import second_stack
from tests.e2e.tables import table_with_stream

TABLE = "e2e-user-progress"


@pytest.fixture(scope="module")
def tracked(stack: Deployed) -> Iterator[Stack]:
    """Return a stack to which the tracker's table is a door."""
    with (
        table_with_stream(stack.stack, TABLE, "user_id", "content_id_certification") as arn,
        second_stack(stack.stack, "streakline-tracked", ProgressTableStreamArn=arn) as deployed,
    ):
        ensure_test_content(deployed)
        yield deployed


def write(stack: Stack, user: str, **changes: Any) -> None:
    row = {
        "user_id": {"S": user},
        "content_id_certification": {"S": "e2e-api-1#GENERAL"},
        "progress_type": {"S": "answered"},
        "score": {"N": "80"},
        "time_spent": {"N": "60"},
        "timestamp": {"S": "2026-03-01T09:00:00"},
        **changes,
    }
    stack.client("dynamodb").put_item(TableName=TABLE, Item=row)


def interactions(stack: Stack, *users: str) -> list[int]:
    states = [stack.store.read_state(user) for user in users]
    return [state.total.interactions if state else 0 for state in states]


def test_rows_count_when_they_are_written_and_once_if_they_are_migrated_too(
    tracked: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(tracked, "ann")
    write(tracked, "bob")
    assert eventually(lambda: interactions(tracked, "ann", "bob"), [1, 1]) == [1, 1]
    write(tracked, "ann", timestamp={"S": "2026-03-02T09:00:00"}, progress_type={"S": "completed"})
    assert eventually(lambda: interactions(tracked, "ann", "bob"), [2, 1]) == [2, 1]
    monkeypatch.setattr(cli_stack, "connect", lambda name, region: tracked)
    monkeypatch.setattr(manifest, "LOCAL", tmp_path)
    migrated = CliRunner().invoke(main, ["migrate", "--table", TABLE], catch_exceptions=False)
    assert "2 emitted" in migrated.output
    waited = CliRunner().invoke(main, ["wait", "--timeout", "60"], catch_exceptions=False)
    assert "0 missing" in waited.output
    assert interactions(tracked, "ann", "bob") == [2, 1]


def test_a_bad_row_is_in_quarantine(tracked: Stack) -> None:
    write(tracked, "eve", score={"N": "101"})

    def codes() -> str:
        result = CliRunner().invoke(main, ["redrive", "--dry-run"], catch_exceptions=False)
        return "bad_row" if "bad_row" in result.output else result.output

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cli_stack, "connect", lambda name, region: tracked)
        assert eventually(codes, "bad_row") == "bad_row"
