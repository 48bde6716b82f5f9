"""Results of exams through every door, into the readiness view."""

import json
import secrets
from datetime import UTC, datetime, timedelta

from tests.e2e.conftest import Deployed
from tests.e2e.interactions import ensure_test_content, eventually, exam


def test_a_result_counts_once_through_all_three_doors(stack: Deployed) -> None:
    ensure_test_content(stack.stack)
    token = stack.token(user=f"e2e-exam-{secrets.token_hex(4)}")
    user = stack.call("GET", "/progress/me/analytics", token)[1]["user_id"]
    result = exam()
    sent = json.dumps({"user_id": user, **result})
    outputs = stack.stack.outputs
    assert stack.call("POST", "/progress/me/exam", token, result)[0] == 202
    event = {
        "EventBusName": outputs["BusName"],
        "Source": "tests",
        "DetailType": "exam.taken",
        "Detail": sent,
    }
    assert stack.stack.client("events").put_events(Entries=[event])["FailedEntryCount"] == 0
    three_days_ago = (datetime.now(UTC) - timedelta(days=3)).isoformat(timespec="seconds")
    earlier = exam(passed=False, score=None, occurred_at=three_days_ago)
    kinesis = stack.stack.client("kinesis")
    for data in (sent, json.dumps({"user_id": user, **earlier})):
        kinesis.put_record(StreamName=outputs["StreamName"], Data=data.encode(), PartitionKey=user)

    def results() -> list[bool]:
        body = stack.call("GET", "/progress/me/readiness?certification_type=GENERAL", token)[1]
        return [result["passed"] for result in body["exams"]]

    assert eventually(results, [False, True]) == [False, True]
    body = stack.call("GET", "/progress/me/readiness?certification_type=GENERAL", token)[1]
    assert (body["last_exam"]["passed"], body["last_exam"]["score"]) == (True, 81.5)
    assert stack.call("GET", "/progress/me/analytics", token)[1]["total_interactions"] == 0
