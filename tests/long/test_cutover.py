"""A real log is rebuilt into another generation of the views, which becomes the live one under load."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Deployed
from tests.e2e.interactions import eventually
from tests.e2e.second_stack import commands, with_views
from tests.e2e.test_real_logs import MOODLE, emit_and_wait, log
from tests.e2e.traffic import LEARNERS, check_exactly_once, ensure_contents, subscribe, traffic

RATE = 500
"""Interactions a second."""
LIVE_SECONDS = 20
"""How long each generation is live under load."""
LOG_SECONDS = 300
"""How long the log may take to have all that is in the views."""


def lines_in_log(stack: Deployed) -> int:
    rows: Any = stack.streakline("query", "--sql", "SELECT count(*) AS number FROM events")
    return int(rows[0]["number"])


@pytest.mark.parametrize(("path", "rows", "learners"), [log(MOODLE, 88_818, 130)], ids=["moodle"])
def test_a_real_log_is_rebuilt_and_two_cutovers_under_load_lose_and_double_nothing(
    stack: Deployed, tmp_path: Path, path: Path, rows: int, learners: int
) -> None:
    emitted = emit_and_wait(stack, str(path), "--format", "moodle", "--door", "stream")
    assert (emitted["in_views"], emitted["learners"]) == (rows, learners)
    in_log = eventually(lambda: lines_in_log(stack), rows, LOG_SECONDS)
    assert in_log == rows
    # The green generation begins to read the stream now, so only a rebuild can bring it what was before.
    both = with_views(stack.stack, "streakline", "both", int(time.time()) - 24 * 3600)
    command = commands(both, tmp_path)
    began = time.monotonic()
    rebuilt = command("rebuild", "--yes")
    seconds = time.monotonic() - began
    assert (rebuilt["status"], rebuilt["generation"]) == ("finished", "green")
    assert rebuilt["report"]["applied"] == rows
    compared = command("compare")
    assert (compared["learners"], compared["equal"], compared["is_safe"]) == (learners, learners, True)
    print(f"{rows} interactions of {learners} learners rebuilt in {seconds:.0f} s, all equal")

    ensure_contents(both)
    queue = subscribe(both)
    with traffic(both, RATE) as found:
        time.sleep(LIVE_SECONDS)
        assert command("cutover", "--yes")["live"] == "green"
        to_green = found.statuses.copy()
        time.sleep(LIVE_SECONDS)
        assert command("cutover", "--yes")["live"] == "blue"
        time.sleep(LIVE_SECONDS)
    assert both.live == "blue"
    assert to_green.total() > 20
    assert (found.statuses - to_green).total() > 20
    written = found.sent.total() / found.seconds
    assert written > 0.9 * RATE, f"only {written:.0f} interactions a second were written"
    awards = check_exactly_once(both, found, queue)
    again = command("compare")
    everybody = learners + len(LEARNERS)
    assert (again["learners"], again["equal"], again["is_safe"]) == (everybody, everybody, True)
    print(
        f"{found.sent.total()} interactions in {found.seconds:.0f} s ({written:.0f} a second), "
        f"{found.statuses.total()} reads, the slowest in {found.slowest:.2f} s; {awards} awards"
    )
    with_views(stack.stack, "streakline", "blue")
