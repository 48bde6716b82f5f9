"""xAPI statements over HTTP, into the views and into quarantine."""

import json
import secrets
from pathlib import Path

from tests.e2e.conftest import Deployed
from tests.e2e.interactions import CONTENT, ensure_test_content, eventually, statement

HEADERS = {"X-Experience-API-Version": "1.0.3"}
INTERACTED = {"id": "http://adlnet.gov/expapi/verbs/interacted"}


def test_statements_reach_the_views_once_and_what_is_not_understood_quarantine(
    stack: Deployed, tmp_path: Path
) -> None:
    ensure_test_content(stack.stack)
    token = stack.token(user=f"e2e-xapi-{secrets.token_hex(4)}")
    user = stack.call("GET", "/progress/me/analytics", token)[1]["user_id"]
    answered, interacted = statement(user), statement(user, verb=INTERACTED)
    for _ in range(2):
        status, body, headers = stack.call("POST", "/xapi/statements", token, [answered, interacted], HEADERS)
        assert (status, body) == (200, [answered["id"], interacted["id"]])
        sent = {name.lower(): value for name, value in headers.items()}
        assert sent["x-experience-api-version"] == "1.0.3"
        assert sent["x-streakline-not-understood"] == "1"

    def answers() -> int:
        return int(stack.call("GET", "/progress/me/analytics", token)[1]["total_questions_answered"])

    assert eventually(answers, 1) == 1
    # The same statement from a file is recognised, and a new one counts.
    file = tmp_path / "statements.json"
    completed = statement(user, verb={"id": "http://adlnet.gov/expapi/verbs/completed"})
    file.write_text(json.dumps({"statements": [answered, interacted, completed], "more": ""}, indent=2))
    emitted = stack.streakline("emit", str(file), "--format", "xapi")
    assert (emitted["rows"], emitted["emitted"], len(emitted["not_understood"])) == (3, 2, 1)
    stack.streakline("wait")
    view = stack.call("GET", "/progress/me/content", token)[1]
    assert f"urn:{CONTENT}" in json.dumps(view)
    analytics = stack.call("GET", "/progress/me/analytics", token)[1]
    assert (analytics["total_interactions"], analytics["total_content_completed"]) == (2, 1)
    staying = stack.streakline("redrive", "--dry-run", "--reason", "not_understood")["staying"]
    mine = [each for each in staying if "interacted" in each["reason"]]
    assert len(mine) == 1
    assert mine[0]["now"]["code"] == "not_understood"


def test_a_statement_that_an_admin_voids_is_taken_back(stack: Deployed) -> None:
    ensure_test_content(stack.stack)
    admin = stack.token("admins")
    user = f"e2e-voided-{secrets.token_hex(4)}"
    kept, taken_back = statement(user), statement(user)
    assert stack.call("POST", "/xapi/statements", admin, [kept, taken_back], HEADERS)[0] == 200

    def interactions() -> int:
        status, view, _ = stack.call("GET", f"/progress/{user}/analytics", admin)
        return int(view["total_interactions"]) if status == 200 else 0

    assert eventually(interactions, 2) == 2
    voiding = statement(
        "the-lms",
        verb={"id": "http://adlnet.gov/expapi/verbs/voided"},
        object={"objectType": "StatementRef", "id": taken_back["id"]},
    )
    assert stack.call("POST", "/xapi/statements", admin, voiding, HEADERS)[0] == 200
    eventually(lambda: len(stack.streakline("query", "interactions", "--user", user)), 2, 240)
    result = stack.streakline("retract", "--voided")
    assert [(one["user_id"], one["event_id"]) for one in result["retracted"]] == [(user, taken_back["id"])]
    assert (result["failed"], interactions()) == ({}, 1)
    assert stack.streakline("retract", "--voided")["retracted"] == []
