"""`streakline demo` on the deployed stack, at a fixed date and up to now."""

import os
import re
import subprocess
import sys

from tests.e2e.conftest import REPOSITORY, Deployed

FIXED = ("--last-day", "2025-11-02")


def demo(stack: Deployed, *arguments: str) -> str:
    environment = {**os.environ, "STREAKLINE_LOCAL": str(stack.local), "COLUMNS": "80"}
    command = [sys.executable, "-m", "cli", "demo", *arguments]
    result = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def count(output: str, what: str) -> int:
    found = re.search(rf"([0-9,]+) {what}", output)
    assert found, output
    return int(found[1].replace(",", ""))


def test_the_demo_ends_now_and_a_second_run_changes_nothing(stack: Deployed) -> None:
    first, second = demo(stack), demo(stack)
    assert count(first, "applied") > 3000
    assert count(first, "in quarantine") == 6
    assert (count(second, "applied"), count(second, "in quarantine")) == (0, 6)
    shown = [re.search(r"as of [0-9-]+", output) for output in (first, second)]
    assert all(shown)
    assert "0 days now" not in second, "the learner has studied today or yesterday"
    assert "show demo-grace " in second
    assert "--today" not in second


def test_the_demo_can_end_on_a_fixed_date(stack: Deployed) -> None:
    output = demo(stack, *FIXED)
    assert "as of 2025-11-02" in output
    assert "show demo-grace --today 2025-11-02" in output
