"""An export on a deployed stack: asked for, made by a function of its own, and fetched by its link."""

import json
import secrets
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Deployed
from tests.e2e.interactions import ensure_test_content, eventually, interaction

SECONDS = 120


def test_a_learner_fetches_everything_by_a_link(stack: Deployed, tmp_path: Path) -> None:
    ensure_test_content(stack.stack)
    token = stack.token(user=f"e2e-export-{secrets.token_hex(4)}")
    user = stack.call("GET", "/progress/me/analytics", token)[1]["user_id"]
    posted = interaction()
    assert stack.call("POST", "/progress/me/interaction", token, posted)[0] == 202

    def total() -> int:
        return int(stack.call("GET", "/progress/me/analytics", token)[1]["total_interactions"])

    assert eventually(total, 1) == 1
    # The log follows the views, by minutes if other tests have just filled the stream.
    asked_log = eventually(lambda: len(stack.streakline("query", "interactions", "--user", user)), 1, 240)
    assert asked_log == 1
    status, asked, _ = stack.call("POST", "/progress/me/export", token)
    assert status == 202
    job = made(stack, token, asked["job"])
    assert job["status"] == "ready", job
    with urllib.request.urlopen(job["url"]) as answer:
        found = json.loads(answer.read())
    assert (found["user_id"], found["totals"]["total_interactions"]) == (user, 1)
    [record] = found["event_log"]["records"]
    assert record["record"]["event_id"] == posted["event_id"]
    path = tmp_path / "export.json"
    command = [sys.executable, "-m", "cli", "export", user, "--to", str(path)]
    subprocess.run(command, env=stack.environment, check=True, stdout=subprocess.PIPE)
    again = json.loads(path.read_text())
    assert {**again, "exported_at": None} == {**found, "exported_at": None}


def made(stack: Deployed, token: str, job: str) -> Any:
    """Return a job once it has ended."""
    deadline = time.monotonic() + SECONDS
    while True:
        status, found, _ = stack.call("GET", f"/progress/me/export/{job}", token)
        assert status == 200
        if found["status"] != "running" or time.monotonic() > deadline:
            return found
        time.sleep(0.5)
