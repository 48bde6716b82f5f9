"""A learner whose state reaches DynamoDB's 400 KB, on the deployed stack."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cli.content import ensure_content
from cli.demo_log import demo_catalog
from domain.days import day_number
from functions.items import MAX_ITEM_BYTES, item_bytes
from tests.e2e.conftest import Deployed
from tests.e2e.test_real_logs import emit_and_wait
from tests.factory import make_interaction

MIDNIGHT = datetime.fromisoformat("2026-03-02T00:00:00+00:00")
IN_A_DAY = 51_200
"""As many digests of eight bytes as 400 KB could hold if a state had nothing else."""
LAST = 1_000


def viewed(user_id: str, number: int, day: int = 0) -> dict[str, Any]:
    return make_interaction(
        event_id=f"heavy-{day}-{number}",
        user_id=user_id,
        content_id=f"saa-1-{1 + number % 12:02}",
        interaction_type="viewed",
        occurred_at=(MIDNIGHT + timedelta(days=day, seconds=number)).isoformat(),
    )


def written(path: Path, interactions: list[dict[str, Any]]) -> str:
    path.write_text("".join(f"{json.dumps(fields)}\n" for fields in interactions))
    return str(path)


def test_a_full_state_refuses_new_interactions_of_its_day_and_blocks_nobody(
    stack: Deployed, tmp_path: Path
) -> None:
    ensure_content(stack.stack, demo_catalog())
    heavy = [viewed("heavy-ann", number) for number in range(IN_A_DAY)]
    neighbours = [viewed(f"heavy-{number % 20}", number) for number in range(LAST)]
    path = tmp_path / "day.jsonl"
    ordered = [
        *heavy[:-LAST],
        *(both for pair in zip(heavy[-LAST:], neighbours, strict=True) for both in pair),
    ]
    found = emit_and_wait(stack, written(path, ordered), "--format", "interactions", "--order", "file")
    refused = found["quarantined"].pop("state_full")
    assert found["quarantined"] == {}
    assert 0 < refused < 200
    store = stack.stack.store
    ann = store.read_state("heavy-ann")
    assert ann is not None
    assert ann.applied is not None
    assert ann.total.interactions == len(ann.applied.digests) == IN_A_DAY - refused
    size = item_bytes(stored(stack, "heavy-ann", "STATE"))
    assert MAX_ITEM_BYTES - 100 < size <= MAX_ITEM_BYTES, size
    for number in range(20):
        neighbour = store.read_state(f"heavy-{number}")
        assert neighbour is not None
        assert neighbour.total.interactions == LAST // 20

    before = stored(stack, "heavy-ann", "STATE")
    again = emit_and_wait(stack, written(path, heavy[-LAST:]), "--format", "interactions", "--order", "file")
    assert again["quarantined"] == {"state_full": refused}
    assert stored(stack, "heavy-ann", "STATE") == before, "a full state still recognises its duplicates"

    next_day = [viewed("heavy-ann", number, day=1) for number in range(10)]
    emit_and_wait(stack, written(path, next_day), "--format", "interactions")
    ann = store.read_state("heavy-ann")
    assert ann is not None
    assert ann.total.interactions == IN_A_DAY - refused + 10, "the next day has room again"
    number = day_number(MIDNIGHT.date())
    closed = store.read_applied("heavy-ann", [number])[number]
    assert len(closed) == IN_A_DAY - refused


def stored(stack: Deployed, user_id: str, sk: str) -> dict[str, Any]:
    key = {"pk": {"S": f"USER#{user_id}"}, "sk": {"S": sk}}
    answer = stack.stack.client("dynamodb").get_item(
        TableName=stack.outputs["ViewsTableName"], Key=key, ConsistentRead=True
    )
    return dict(answer["Item"])
