"""A real log is rebuilt into another generation of the views, which becomes the live one under load."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.stack import Stack
from tests.e2e.conftest import Deployed
from tests.e2e.second_stack import Command, commands, with_views
from tests.e2e.test_real_logs import MOODLE, emit_and_wait, log
from tests.e2e.traffic import LEARNERS, check_exactly_once, ensure_contents, subscribe, traffic

RATE = 500
"""Interactions a second."""
LIVE_SECONDS = 20
"""How long each generation is live under load."""


@pytest.fixture(scope="module")
def both(stack: Deployed) -> Iterator[Stack]:
    """The session's stack with both generations, and with one again at the end."""
    yield with_views(stack.stack, "streakline", "both")
    with_views(stack.stack, "streakline", "blue")


@pytest.fixture
def command(both: Stack, tmp_path: Path) -> Command:
    return commands(both, tmp_path)


@pytest.mark.parametrize(("path", "rows", "learners"), [log(MOODLE, 88_818, 130)], ids=["moodle"])
def test_a_real_log_is_rebuilt_and_two_cutovers_under_load_lose_and_double_nothing(
    request: pytest.FixtureRequest, stack: Deployed, path: Path, rows: int, learners: int
) -> None:
    emitted = emit_and_wait(stack, str(path), "--format", "moodle", "--door", "stream")
    assert (emitted["in_views"], emitted["learners"]) == (rows, learners)
    # The green generation begins here, so the stream brings it nothing of the log.
    both: Stack = request.getfixturevalue("both")
    command: Command = request.getfixturevalue("command")
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
