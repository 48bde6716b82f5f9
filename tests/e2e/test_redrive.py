"""Redriving interactions whose content reaches the catalog late, on the deployed stack."""

import json
import time
from pathlib import Path
from typing import Any

from cli.content import ensure_content
from cli.demo_log import demo_catalog
from cli.logs import CatalogRow
from cli.quarantine import list_records
from cli.stream import Record, put_records
from tests.e2e.conftest import Deployed
from tests.e2e.test_real_logs import emit_and_wait
from tests.factory import make_interaction
from tests.frames import aggregate, compressed

SECONDS = 30
LATE = 30


def of_late_content(number: int) -> dict[str, Any]:
    return make_interaction(
        event_id=f"late-{number}",
        user_id=f"late-{number % 3}",
        content_id="redrive-later",
        occurred_at=f"2026-03-{1 + number // 3:02}T10:00:00+02:00",
        time_spent=60,
    )


def in_quarantine(stack: Deployed) -> list[str]:
    """Return the codes of this test's records in quarantine."""
    return sorted(
        record.code for record, payload in list_records(stack.stack) if payload.key.startswith("late-")
    )


def applied(stack: Deployed) -> int:
    learners = [stack.stack.store.read_state(f"late-{number}") for number in range(3)]
    return sum(learner.total.interactions for learner in learners if learner)


def test_late_content_is_redriven_and_an_invalid_record_stays(stack: Deployed, tmp_path: Path) -> None:
    ensure_content(stack.stack, demo_catalog())
    wrong = {**of_late_content(0), "event_id": "late-wrong", "score": 101}
    log = tmp_path / "late.jsonl"
    log.write_text(
        "".join(f"{json.dumps(fields)}\n" for fields in [*map(of_late_content, range(LATE)), wrong])
    )
    found = emit_and_wait(stack, str(log), "--format", "interactions")
    assert found["quarantined"] == {"unknown_content": LATE, "invalid": 1}
    assert applied(stack) == 0

    for arguments in ([], ["--dry-run"]):
        early = stack.streakline("redrive", "--reason", "unknown_content", *arguments)
        assert early["redriven"] == 0, "the content is still unknown"
        assert len(early["staying"]) >= LATE, "other tests may have some in quarantine, too"
    assert in_quarantine(stack) == ["invalid", *["unknown_content"] * LATE]

    ensure_content(stack.stack, [CatalogRow("redrive-later", "SAA", "Storage", "beginner")])
    dry = stack.streakline("redrive", "--dry-run", "--reason", "unknown_content")
    assert (dry["redriven"], dry["eligible"]) == (0, {"unknown_content": LATE})
    result = stack.streakline("redrive")
    assert result["redriven"] >= LATE
    assert "invalid" in {record["code"] for record in result["staying"]}
    deadline = time.monotonic() + SECONDS
    while applied(stack) < LATE:
        assert time.monotonic() < deadline, f"{applied(stack)} of {LATE} are applied"
        time.sleep(0.3)
    assert in_quarantine(stack) == ["invalid"]

    stack.streakline("redrive")
    emit_and_wait(stack, str(log), "--format", "interactions")
    assert applied(stack) == LATE, "neither a second redrive nor emitting the log again counts anything twice"


def test_framed_records_are_applied_and_their_bad_interactions_are_redriven_alone(stack: Deployed) -> None:
    ensure_content(stack.stack, demo_catalog())
    interactions = [
        make_interaction(
            event_id=f"framed-{number}",
            user_id="late-framed",
            content_id="redrive-framed" if number % 4 == 0 else demo_catalog()[0].content_id,
            occurred_at=f"2026-03-{1 + number:02}T10:00:00+02:00",
        )
        for number in range(16)
    ]
    data = [json.dumps(fields).encode() for fields in interactions]
    records = [
        aggregate(data[:4]),
        b"\n".join(data[4:8]),
        b"[" + b",".join(data[8:12]) + b"]",
        compressed(aggregate(data[12:])),
    ]
    for _ in put_records(stack.stack, [Record(record, "late-framed") for record in records]):
        pass
    check_applied(stack, "late-framed", 12)
    ensure_content(stack.stack, [CatalogRow("redrive-framed", "SAA", "Storage", "beginner")])
    assert stack.streakline("redrive", "--reason", "unknown_content")["redriven"] == 4
    check_applied(stack, "late-framed", 16)


def check_applied(stack: Deployed, user_id: str, count: int) -> None:
    """Check that a learner gets to this number of applied interactions."""
    deadline = time.monotonic() + SECONDS
    while (state := stack.stack.store.read_state(user_id)) is None or state.total.interactions < count:
        assert time.monotonic() < deadline, "the interactions are not applied"
        time.sleep(0.3)
    assert state.total.interactions == count
