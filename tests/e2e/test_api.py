"""The deployed API over HTTP: the gateway's authorizer and the functions together."""

import base64
import json
import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.content import ensure_content
from cli.logs import CatalogRow
from cli.token import id_token
from tests.e2e.conftest import Deployed

VIEWS = ("analytics", "trends", "readiness", "achievements", "dashboard", "activity", "streak", "content")
ROUTES = [
    *(("GET", f"/progress/{{user}}/{view}") for view in VIEWS),
    ("POST", "/progress/{user}/interaction"),
    ("POST", "/progress/{user}/interactions"),
    ("GET", "/certifications"),
]
CONTENT = "e2e-api-1"


@pytest.fixture(scope="module")
def learner(stack: Deployed) -> str:
    """The token of a learner who has one interaction in the views."""
    ensure_content(stack.stack, [CatalogRow(CONTENT, "GENERAL", "Storage", "beginner")])
    token = stack.token(user="e2e-learner")
    assert stack.call("POST", "/progress/me/interaction", token, interaction())[0] == 202
    assert eventually(lambda: total(stack, token), 1) == 1
    return token


def interaction(**fields: Any) -> dict[str, Any]:
    occurred_at = datetime.now(UTC) - timedelta(minutes=1)
    return {
        "event_id": secrets.token_hex(8),
        "content_id": CONTENT,
        "interaction_type": "answered",
        "occurred_at": occurred_at.isoformat(),
        "score": 80,
        **fields,
    }


def total(stack: Deployed, token: str) -> int:
    return int(stack.call("GET", "/progress/me/analytics", token)[1]["total_interactions"])


def eventually(look: Any, wanted: Any, seconds: float = 20) -> Any:
    """Call `look` until it returns what is wanted, for so many seconds. Return what it returned last."""
    deadline = time.monotonic() + seconds
    while (found := look()) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def signed_with_none(token: str) -> str:
    return f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{token.split('.')[1]}."


def with_another_payload(token: str) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{encoded({**claims_of(token), 'cognito:groups': ['admins']})}.{signature}"


def of_another_client(stack: Deployed, pool: str | None = None, seconds: int | None = None) -> str:
    """Return a token of another client, of this pool or another one, with this lifetime in seconds."""
    cognito = stack.stack.client("cognito-idp")
    pool = pool or stack.outputs["UserPoolId"]
    lifetime: dict[str, Any] = (
        {} if seconds is None else {"IdTokenValidity": seconds, "TokenValidityUnits": {"IdToken": "seconds"}}
    )
    client = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="e2e", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"], **lifetime
    )["UserPoolClient"]["ClientId"]
    outputs = {**stack.outputs, "UserPoolId": pool, "UserPoolClientId": client}
    return id_token(replace(stack.stack, outputs=outputs), "e2e-learner")


def of_another_pool(stack: Deployed) -> str:
    made = stack.stack.client("cognito-idp").create_user_pool(PoolName="another")
    return of_another_client(stack, made["UserPool"]["Id"])


def expired(stack: Deployed) -> str:
    token = of_another_client(stack, seconds=1)
    lifetime = claims_of(token)["exp"] - claims_of(token)["iat"]
    assert lifetime == 1
    time.sleep(2)
    return token


@pytest.fixture(scope="module")
def callers(stack: Deployed, learner: str) -> dict[str, str | None]:
    return {
        "self": learner,
        "other": stack.token(user="e2e-other"),
        "instructor": stack.token("instructors"),
        "admin": stack.token("admins"),
        "anonymous": None,
        "expired": expired(stack),
        "another client": of_another_client(stack),
        "another pool": of_another_pool(stack),
        "signed with none": signed_with_none(learner),
        "changed payload": with_another_payload(learner),
        "nonsense": "nonsense",
    }


NO_TOKEN = (
    "anonymous",
    "expired",
    "another client",
    "another pool",
    "signed with none",
    "changed payload",
    "nonsense",
)


def expected(method: str, path: str, who: str, user: str) -> int:
    if who in NO_TOKEN:
        return 401
    if path == "/certifications":
        return 200
    if method == "GET":
        if user == "nobody":
            return 404
        return 404 if who == "other" else 200
    if who == "instructor":
        return 403
    return 202 if who == "admin" or (who == "self" and user != "nobody") else 404


def test_every_route_answers_each_kind_of_caller_as_it_should(
    stack: Deployed, learner: str, callers: dict[str, str | None]
) -> None:
    me = claims_of(learner)["sub"]
    wrong = []
    for method, path in ROUTES:
        for who, token in callers.items():
            for user in (me, "nobody"):
                posted = [interaction()] if path.endswith("s") else interaction()
                status, body, _ = stack.call(
                    method, path.format(user=user), token, posted if method == "POST" else None
                )
                if status != (wanted := expected(method, path, who, user)):
                    wrong.append((method, path, who, user == me, status, wanted))
                if status == 404:
                    assert body["error"]["message"] == "There is no such learner."
    assert wrong == []


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
    assert headers["Access-Control-Expose-Headers"] == "etag,retry-after"


def test_the_document_and_the_page_to_try_the_api_need_no_token(stack: Deployed) -> None:
    status, document, _ = stack.call("GET", "/openapi.json")
    assert (status, document["openapi"][:2]) == (200, "3.")
    with pytest.raises(json.JSONDecodeError, match="Expecting value"):
        stack.call("GET", "/docs")  # It is HTML.
