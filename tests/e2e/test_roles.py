"""Who may do what: each kind of caller on each route, about a learner who exists and one who does not."""

import secrets
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.e2e.conftest import Deployed
from tests.e2e.interactions import ensure_test_content, eventually, exam, interaction, statement
from tests.e2e.tokens import (
    access_token,
    claims_of,
    header_of,
    issuer,
    learner_of,
    member_of,
    new_key,
    of_another_client,
    of_another_pool,
    short_lived,
    signed,
    unsigned,
    with_claims,
)
from tests.e2e.wire import Answer, call
from tests.integration.template import routes

OPEN = {"GET /openapi.json", "GET /docs", "GET /", "GET /config.json", "GET /assets/{version}/{file+}"}
"""The routes that need no token."""
MISSING = f"nobody-{secrets.token_hex(4)}"
"""The id of a learner who does not exist."""


LEARNER = f"e2e-learner-{secrets.token_hex(4)}"
"""The user name of the learner who exists."""


class Expected(NamedTuple):
    """The statuses that a caller gets. A pair is about the learner who exists and the one who does not."""

    views: tuple[int, int]
    posts: tuple[int, int]
    of_all: int = 200
    """Of the routes that are about no learner."""
    content: int = 403
    """Of the route that says how hard contents are, for those who may read all learners."""
    statements: tuple[int, int] = (403, 403)
    """Of xAPI statements, by POST and by PUT, about the learner who exists."""

    @property
    def exports(self) -> tuple[int, int]:
        """Of an export that nobody has asked for."""
        statuses = tuple(404 if status == 202 else status for status in self.posts)
        return statuses[0], statuses[1]

    @property
    def erasures(self) -> tuple[int, int]:
        """Of erasing: whoever may write may erase."""
        return self.posts


GROUPS = ("x,admins", "team[admins]", "not admins")
"""Groups whose names only contain the word. The authorizer passes groups on as text, in which
`[not admins]` may be one group or two.

Cognito allows no blanks in a group's name; MiniStack does, as other providers do.
"""
REFUSED = Expected((401, 401), (401, 401), 401, 401, (401, 401))
STRANGER = Expected((404, 404), (404, 404))
EXPECTED = {
    "the learner": Expected((200, 404), (202, 404), statements=(200, 204)),
    "another learner": STRANGER,
    "an instructor": Expected((200, 404), (403, 403), content=200),
    "an admin": Expected((200, 404), (202, 202), content=200, statements=(200, 204)),
    **{f"a member of the group `{name}`": STRANGER for name in GROUPS},
    "nobody": REFUSED,
    "a text that is no token": REFUSED,
    "an access token of the API's client": REFUSED,
    "an expired token": REFUSED,
    "an unsigned token (alg: none)": REFUSED,
    "a token with other claims than were signed": REFUSED,
    "a token that another key has signed": REFUSED,
    "a token of another client": REFUSED,
    "a token of another user pool": REFUSED,
    "a token of another issuer for the API's client": REFUSED,
}


class Call(NamedTuple):
    """One cell of the matrix."""

    caller: str
    route: str
    exists: bool
    """Whether the path names the learner who exists."""


type Matrix = dict[Call, Answer]


@pytest.fixture(scope="module")
def learner(stack: Deployed) -> str:
    """Return the token of a learner with one interaction."""
    ensure_test_content(stack.stack)
    token = stack.token(user=LEARNER)
    assert call(stack.api_url, "POST", "/progress/me/interaction", token, interaction()).status == 202
    assert eventually(lambda: total(stack, token), 1) == 1
    return token


def total(stack: Deployed, token: str) -> int:
    return int(call(stack.api_url, "GET", "/progress/me/analytics", token).json["total_interactions"])


@pytest.fixture(scope="module")
def tokens(stack: Deployed, learner: str) -> dict[str, str | None]:
    """Return the token of each kind of caller."""
    pool_claims = claims_of(learner)
    expiring = short_lived(stack.stack, "e2e-roles-expiring")
    claims = claims_of(expiring)
    assert (claims["iss"], claims["aud"]) == (pool_claims["iss"], pool_claims["aud"])
    with issuer() as foreign:
        of_another_issuer = foreign.token(
            sub=pool_claims["sub"], aud=pool_claims["aud"], token_use="id", **{"cognito:groups": ["admins"]}
        )
    as_admin = {"cognito:groups": ["admins"]}
    made = {
        "the learner": learner,
        "another learner": stack.token(user="e2e-roles-other"),
        "an instructor": stack.token("instructors"),
        "an admin": stack.token("admins"),
        **{f"a member of the group `{name}`": member_of(stack.stack, name) for name in GROUPS},
        "nobody": None,
        "a text that is no token": "nonsense",
        "an access token of the API's client": access_token(stack.stack, LEARNER),
        "an expired token": expiring,
        "an unsigned token (alg: none)": unsigned(with_claims(learner, **as_admin)),
        "a token with other claims than were signed": with_claims(learner, **as_admin),
        "a token that another key has signed": signed(
            new_key(), header_of(learner)["kid"], {**pool_claims, **as_admin}
        ),
        "a token of another client": of_another_client(stack.stack, LEARNER),
        "a token of another user pool": of_another_pool(stack.stack, LEARNER),
        "a token of another issuer for the API's client": of_another_issuer,
    }
    time.sleep(max(0.0, claims["exp"] + 1 - time.time()))
    return made


@pytest.fixture(scope="module")
def matrix(stack: Deployed, learner: str, tokens: dict[str, str | None]) -> Matrix:
    """Return the answer to each caller on each route, about both learners."""
    existing = learner_of(learner)
    to_be_erased = stack.token(user="e2e-roles-erased")
    answers: Matrix = {}
    # Reads first, because the admin's posts make the missing learner exist, and erasures last.
    order = {"GET": 0, "DELETE": 2}
    for route in sorted(routes(), key=lambda key: order.get(key.partition(" ")[0], 1)):
        method, _, path = route.partition(" ")
        if method == "DELETE":
            # Of another learner: the others' posts still have to be counted.
            existing, tokens = learner_of(to_be_erased), {**tokens, "the learner": to_be_erased}
        for caller, token in tokens.items():
            for exists in (True, False) if "{user_id}" in path else (True,):
                body = None if method in ("GET", "DELETE") else _body(path, existing)
                asked = path.replace("{user_id}", existing if exists else MISSING)
                asked = asked.replace("{event_id}", "e-1?occurred_at=2026-03-01T12:00:00Z")
                if method == "DELETE":
                    asked += f"?confirm={existing if exists else MISSING}"
                if body is not None and method == "PUT":
                    asked += f"?statementId={body['id']}"
                asked = asked.replace("{job}", "no-such-job")
                asked = asked.replace("{version}/{file+}", "latest/app.js")
                answers[Call(caller, route, exists)] = call(
                    stack.api_url, method, asked, token, body, {"X-Experience-API-Version": "1.0.3"}
                )
    return answers


def _body(path: str, learner: str) -> Any:
    """Return what a route for writing takes."""
    match path.rpartition("/")[2]:
        case "interaction":
            return interaction()
        case "interactions":
            return [interaction()]
        case "exam":
            return exam()
        case "export":
            return None
        case "statements":
            return statement(learner)
        case other:
            raise ValueError(f"the test has nothing to post to {other}")


def expected_status(one: Call) -> int:
    if one.route in OPEN:
        return 200
    expected = EXPECTED[one.caller]
    if one.route.startswith("DELETE "):
        return expected.erasures[not one.exists]
    if one.route.endswith("/export/{job}"):
        return expected.exports[not one.exists]
    if one.route == "GET /content":
        return expected.content
    if one.route in ("GET /certifications", "GET /achievements"):
        return expected.of_all
    if one.route.endswith(" /xapi/statements"):
        return expected.statements[one.route.startswith("PUT ")]
    return (expected.posts if one.route.startswith("POST ") else expected.views)[not one.exists]


def test_every_route_answers_each_kind_of_caller_as_it_should(matrix: Matrix) -> None:
    wrong = {one: answer.status for one, answer in matrix.items() if answer.status != expected_status(one)}
    assert wrong == {}
    assert {one.caller for one in matrix} == EXPECTED.keys()
    assert {one.route for one in matrix} == routes().keys()
    statuses = Counter(answer.status for answer in matrix.values())
    print(f"{len(EXPECTED)} callers, {len(routes())} routes, {len(matrix)} calls: {dict(statuses)}")


def test_a_learner_who_exists_and_one_who_does_not_get_the_same_404(matrix: Matrix) -> None:
    compared = 0
    for one, answer in matrix.items():
        if one.exists and answer.status == 404 and EXPECTED[one.caller] is STRANGER:
            missing = matrix[one._replace(exists=False)]
            assert answer.without_ids() == missing.without_ids(), one
            assert answer.json["error"]["message"] == "There is no such learner."
            compared += 1
    strangers = sum(expected is STRANGER for expected in EXPECTED.values())
    per_learner = sum("{user_id}" in route for route in routes())
    assert compared == strangers * per_learner


REFUSALS: dict[int, Callable[[Answer], bool]] = {
    401: lambda answer: answer.json in ({"message": "Unauthorized"}, ours(answer, "unauthorized")),
    403: lambda answer: bool(answer.json == ours(answer, "forbidden")),
    404: lambda answer: bool(answer.json == ours(answer, "not_found")),
}


def ours(answer: Answer, code: str) -> Any:
    """Return the contract's error body with this code, and with the answer's own message and request id."""
    error = answer.json.get("error", {})
    return {"error": {"code": code, "message": error.get("message"), "request_id": error.get("request_id")}}


def test_every_refusal_has_the_contracts_body_or_the_gateways(matrix: Matrix) -> None:
    for one, answer in matrix.items():
        if answer.status in REFUSALS:
            assert REFUSALS[answer.status](answer), (one, answer)
    by_function = {one.caller for one, answer in matrix.items() if answer.status == 401 and answer.is_ours}
    assert by_function == {"an access token of the API's client"}, "the authorizer refuses the others itself"


def test_only_accepted_posts_reach_the_learners_views(stack: Deployed, matrix: Matrix, learner: str) -> None:
    accepted = sum(
        answer.status in (200, 202, 204)
        and one.exists
        and not one.route.startswith(("GET ", "DELETE "))
        and not one.route.endswith(("/exam", "/export"))
        for one, answer in matrix.items()
    )
    assert accepted == 8, "the learner and the admin write through two routes each, and as xAPI through two"
    assert eventually(lambda: total(stack, learner), 1 + accepted) == 1 + accepted
