"""`streakline catalog sync`: an existing content table into the catalog, while its stream runs."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import catalog_sync
from cli import stack as cli_stack
from cli.__main__ import main
from cli.stack import Stack
from functions import aws, catalog
from tests.integration.conftest import CATALOG, CONTENT, Context, World
from tests.integration.test_catalog import row
from tests.integration.test_redrive import make_stack

type Rows = dict[str, dict[str, Any]]
CATEGORIES = ("Storage", "Compute", "Networking")


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stack:
    stack = make_stack(world)
    stack.outputs["ContentTableName"] = CONTENT
    monkeypatch.setattr(cli_stack, "connect", lambda name, region: stack)
    monkeypatch.setattr(catalog_sync, "PROGRESS_FILE", tmp_path / "sync.json")
    for code, contents in CATALOG.items():
        for content in contents:
            put(content.content_id, content.category, code)
    return stack


def run() -> Result:
    return CliRunner().invoke(main, ["catalog", "sync"], catch_exceptions=False)


def put(content_id: str, category: str, certification: str = "SAA") -> dict[str, Any]:
    """Write a row, and return its record in the table's stream."""
    image = {"category": {"S": category}, "title": {"S": f"About {content_id}"}}
    keys = {"content_id": {"S": content_id}, "certification_type": {"S": certification}}
    aws.dynamodb().put_item(TableName=CONTENT, Item={**keys, **image})
    return row(content_id, certification, image)


def delete(content_id: str, certification: str = "SAA") -> dict[str, Any]:
    """Delete a row, and return its record in the table's stream."""
    keys: Any = {"content_id": {"S": content_id}, "certification_type": {"S": certification}}
    aws.dynamodb().delete_item(TableName=CONTENT, Key=keys)
    return row(content_id, certification, removed=True)


def active(world: World) -> dict[str, str]:
    """Return the category of each active content of the certification SAA."""
    contents = world.store.full_catalog().certifications["SAA"].contents
    return {content.content_id: content.category for content in contents if content.active}


def stored() -> dict[str, str]:
    """Return the category of each row of the certification SAA."""
    pages = aws.dynamodb().get_paginator("scan").paginate(TableName=CONTENT)
    return {
        item["content_id"]["S"]: item["category"]["S"]
        for page in pages
        for item in page["Items"]
        if item["certification_type"]["S"] == "SAA"
    }


def during(operation: str, act: Callable[[], None]) -> Callable[[], None]:
    """Call `act` after each such read of rows, before its answer is seen. Return how to stop that."""
    events = aws.dynamodb().meta.events
    name = f"after-call.dynamodb.{operation}"

    def called(parsed: Any, **_: Any) -> None:
        if CONTENT not in parsed.get("Responses", {CONTENT: []}):
            return
        events.unregister(name, called)
        act()
        events.register(name, called)

    events.register(name, called)
    return lambda: events.unregister(name, called)


@pytest.fixture
def shared_client(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command use the client whose calls `during` can follow."""
    monkeypatch.setattr(Stack, "client", lambda self, service: aws.dynamodb())


def test_rows_that_are_there_already_come_into_the_catalog_and_a_second_run_changes_nothing(
    world: World, stack: Stack
) -> None:
    put("old-1", "Storage")
    put("old-2", "Compute", "MINE")
    assert "2 contents were added to the catalog" in run().stdout
    assert active(world)["old-1"] == "Storage"
    assert world.store.full_catalog().certifications["MINE"].by_id["old-2"].title == "About old-2"
    before = world.items()
    assert "0 contents were added to the catalog, 0 changed, and 0 retired" in run().stdout
    assert world.items() == before


def test_content_that_the_table_no_longer_has_is_retired(world: World, stack: Stack) -> None:
    delete("saa-2")
    assert "and 1 retired" in run().stdout
    assert "saa-2" not in active(world)
    assert active(world) == stored()


@pytest.mark.usefixtures("shared_client")
def test_a_table_of_10_000_rows_is_brought_in_while_its_stream_runs(world: World, stack: Stack) -> None:
    names = [f"row-{n}" for n in range(10_000)]
    for start in range(0, len(names), 25):
        requests: Any = [
            {
                "PutRequest": {
                    "Item": {
                        "content_id": {"S": name},
                        "certification_type": {"S": "SAA"},
                        "category": {"S": CATEGORIES[start % len(CATEGORIES)]},
                        "title": {"S": f"About {name} " + "x" * 60},
                    }
                }
            }
            for name in names[start : start + 25]
        ]
        aws.dynamodb().batch_write_item(RequestItems={CONTENT: requests})
    random = Random(16)
    moves = 0

    def change() -> None:
        """Change rows that the command has just read, and others. Let the stream deliver that at once."""
        nonlocal moves
        records = []
        for name in random.sample(names, 20):
            moves += 1
            records.append(delete(name) if random.random() < 0.2 else put(name, f"moved {moves}"))
        catalog.handler({"Records": records}, Context())

    stop = during("Scan", change)
    stop_reads = during("BatchGetItem", lambda: change() if moves < 400 else None)
    result = run()
    stop()
    stop_reads()
    assert result.exit_code == 0, result.output
    assert moves >= 100
    assert active(world) == stored()


@pytest.mark.usefixtures("shared_client")
def test_a_change_between_a_read_and_its_write_wins(world: World, stack: Stack) -> None:
    put("old-1", "Storage")
    changes = [lambda: put("old-1", "Compute"), lambda: delete("old-1")]

    def next_change() -> None:
        if changes:
            catalog.handler({"Records": [changes.pop(0)()]}, Context())

    stop = during("Scan", next_change)
    stop_reads = during("BatchGetItem", next_change)
    run()
    stop()
    stop_reads()
    assert not changes
    assert "old-1" not in active(world)


def test_an_interrupted_run_continues_where_it_stopped(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(30):
        put(f"old-{n}", "Storage")
    scan, asked = aws.dynamodb().scan, []

    def small_pages(**request: Any) -> Any:
        asked.append(request.get("ExclusiveStartKey"))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return scan(**request, Limit=10)

    client = stack.client("dynamodb")
    monkeypatch.setattr(client, "scan", small_pages)
    monkeypatch.setattr(Stack, "client", lambda self, service: client)
    interrupted = run()
    assert interrupted.exit_code == 1
    assert "continuing" not in interrupted.output
    first = len(active(world))
    assert "continuing where an interrupted run stopped" in run().output
    assert asked[3] == asked[2], "the third page is read first"
    assert first < len(active(world))
    assert active(world) == stored()
    assert "continuing" not in run().output


def test_rows_with_ids_that_no_interaction_can_have_are_listed_and_the_others_come_in(
    world: World, stack: Stack
) -> None:
    put("a b", "Storage")
    put("block-v1:edX+DemoX+1T+type@problem", "Storage")
    result = run()
    assert result.exit_code == 1
    assert "left out: 'a b' of 'SAA'" in result.output
    assert "block-v1:edX+DemoX+1T+type@problem" in active(world)


def test_a_stream_without_new_images_fails_loudly_instead_of_retiring_content(world: World) -> None:
    keys = {"content_id": {"S": "saa-1"}, "certification_type": {"S": "SAA"}}
    with pytest.raises(ValueError, match="needs the view type NEW_IMAGE"):
        catalog.handler({"Records": [{"eventName": "MODIFY", "dynamodb": {"Keys": keys}}]}, Context())
    assert "saa-1" in active(world)
