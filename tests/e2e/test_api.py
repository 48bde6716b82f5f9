"""The deployed API over HTTP: the gateway's authorizer and the functions together."""

import json

import pytest

from tests.e2e.conftest import Deployed
from tests.e2e.interactions import ensure_test_content, eventually, interaction


@pytest.fixture(scope="module")
def learner(stack: Deployed) -> str:
    """Return the token of a learner who has one interaction in the views."""
    ensure_test_content(stack.stack)
    token = stack.token(user="e2e-learner")
    assert stack.call("POST", "/progress/me/interaction", token, interaction())[0] == 202
    assert eventually(lambda: total(stack, token), 1) == 1
    return token


def total(stack: Deployed, token: str) -> int:
    return int(stack.call("GET", "/progress/me/analytics", token)[1]["total_interactions"])


def test_a_posted_interaction_counts_once_however_often_it_is_posted(stack: Deployed, learner: str) -> None:
    before = total(stack, learner)
    posted = interaction()
    for _ in range(2):
        status, body, _ = stack.call("POST", "/progress/me/interactions", learner, [posted])
        assert (status, body["accepted"]) == (202, 1)
    stack.call("POST", "/progress/me/interaction", learner, interaction())
    assert eventually(lambda: total(stack, learner), before + 2) == before + 2


def test_a_view_is_compressed_on_request_and_304_if_it_is_known(stack: Deployed, learner: str) -> None:
    path = "/progress/me/dashboard?today=2026-03-01"
    status, body, headers = stack.call("GET", path, learner)
    compressed = stack.call("GET", path, learner, headers={"Accept-Encoding": "gzip"})
    assert (status, compressed[0]) == (200, 200)
    assert compressed[2]["Content-Encoding"] == "gzip"
    assert {**compressed[1], "generated_at": ""} == {**body, "generated_at": ""}
    status, body, _ = stack.call("GET", path, learner, headers={"If-None-Match": headers["ETag"]})
    assert (status, body) == (304, None)


def test_the_local_api_answers_pages_of_other_origins(stack: Deployed) -> None:
    origin = {"Origin": "http://127.0.0.1:8000"}
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,if-none-match",
    }
    status, _, headers = stack.call("OPTIONS", "/progress/me/interaction", headers={**origin, **asked})
    assert status == 204
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert set(asked["Access-Control-Request-Headers"].split(",")) <= set(
        headers["Access-Control-Allow-Headers"].split(",")
    )
    status, _, headers = stack.call("GET", "/openapi.json", headers=origin)
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, "*")
    exposed = headers["Access-Control-Expose-Headers"].split(",")
    assert {"apigw-requestid", "etag", "retry-after", "x-experience-api-version"} <= set(exposed)


def test_the_document_and_the_page_to_try_the_api_need_no_token(stack: Deployed) -> None:
    status, document, _ = stack.call("GET", "/openapi.json")
    assert (status, document["openapi"][:2]) == (200, "3.")
    with pytest.raises(json.JSONDecodeError, match="Expecting value"):
        stack.call("GET", "/docs")  # It is HTML.
