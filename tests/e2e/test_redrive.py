"""Content that comes late into the catalog, on the deployed stack: quarantined, then redriven."""

import json
import time
from pathlib import Path
from typing import Any

from cli.demo import demo_catalog
from cli.emit import offer
from cli.logs import CatalogRow
from cli.quarantine import look
from tests.e2e.conftest import Deployed
from tests.e2e.test_real_logs import emit_and_wait

SECONDS = 30
LATE = 30


def of_late_content(number: int) -> dict[str, Any]:
    return {
        "event_id": f"late-{number}",
        "user_id": f"late-{number % 3}",
        "content_id": "redrive-later",
        "interaction_type": "completed",
        "occurred_at": f"2026-03-{1 + number // 3:02}T10:00:00+02:00",
        "time_spent": 60,
    }


def in_quarantine(stack: Deployed) -> list[str]:
    """The codes of what this test put there."""
    return sorted(held.code for held, record in look(stack.stack) if record.key.startswith("late-"))


def applied(stack: Deployed) -> int:
    learners = [stack.stack.store.read_state(f"late-{number}") for number in range(3)]
    return sum(learner.total.interactions for learner in learners if learner)


def test_late_content_is_redriven_and_what_is_wrong_in_itself_stays(stack: Deployed, tmp_path: Path) -> None:
    offer(stack.stack, demo_catalog())
    wrong = {**of_late_content(0), "event_id": "late-wrong", "score": 101}
    log = tmp_path / "late.jsonl"
    log.write_text(
        "".join(f"{json.dumps(fields)}\n" for fields in [*map(of_late_content, range(LATE)), wrong])
    )
    found = emit_and_wait(stack, str(log), "--format", "interactions")
    assert found["quarantined"] == {"unknown_content": LATE, "invalid": 1}
    assert applied(stack) == 0

    dry = stack.streakline("redrive", "--dry-run", "--reason", "unknown_content")
    assert (dry["redriven"], dry["staying"]) == (0, [])
    assert dry["eligible"]["unknown_content"] >= LATE, "other tests' may be there too"
    assert in_quarantine(stack) == ["invalid", *["unknown_content"] * LATE]

    offer(stack.stack, [CatalogRow("redrive-later", "SAA", "Storage", "beginner")])
    done = stack.streakline("redrive")
    assert done["redriven"] >= LATE
    assert "invalid" in {held["code"] for held in done["staying"]}
    deadline = time.monotonic() + SECONDS
    while applied(stack) < LATE:
        assert time.monotonic() < deadline, f"{applied(stack)} of {LATE} are applied"
        time.sleep(0.3)
    assert in_quarantine(stack) == ["invalid"]

    stack.streakline("redrive")
    emit_and_wait(stack, str(log), "--format", "interactions")
    assert applied(stack) == LATE, "neither a second redrive nor the log once more counts anything again"
