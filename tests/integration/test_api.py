"""What all routes of the API have in common: access, paths, errors and logs."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from functions import aws, ingest, read
from tests.integration.conftest import World, interaction, streamed
from tests.integration.http_events import VIEW_NAMES, answer_of, claims, get, http_event, post

# -- who may do what -------------------------------------------------------------------------------

CALLERS: dict[str, tuple[dict[str, Any], str]] = {
    "self": (claims("ann"), "ann"),
    "self as me": (claims("ann"), "me"),
    "other": (claims("eve"), "ann"),
    "missing learner": (claims("eve"), "nobody"),
    "instructor": (claims("ina", "instructors"), "ann"),
    "instructor of a missing learner": (claims("ina", "instructors"), "nobody"),
    "admin": (claims("ada", "admins"), "ann"),
    "admin of a missing learner": (claims("ada", "admins"), "nobody"),
    "no token": ({}, "ann"),
    "access token": ({**claims("ann"), "token_use": "access"}, "ann"),
    "token that names no learner": ({**claims("ann"), "sub": "##"}, "ann"),
}
MAY_READ = {
    "self": 200,
    "self as me": 200,
    "instructor": 200,
    "admin": 200,
    "no token": 401,
    "access token": 401,
    "token that names no learner": 403,
}
MAY_WRITE = {
    **MAY_READ,
    "self": 202,
    "self as me": 202,
    "instructor": 403,
    "instructor of a missing learner": 403,
    "admin": 202,
    "admin of a missing learner": 202,
}


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("view", VIEW_NAMES)
def test_a_view_is_for_the_learner_instructors_and_admins_and_404_for_others(
    world: World, view: str, who: str
) -> None:
    world.project(interaction("a"))
    world.calls.clear()
    token, user = CALLERS[who]
    event = http_event("GET", f"/progress/{user}/{view}", who=token or None, query={"today": "2026-03-02"})
    status, body, _ = answer_of(read.handler(event, None))
    assert status == MAY_READ.get(who, 404)
    if status == 404:
        assert body["error"]["message"] == "There is no such learner."
    if who in {"other", "no token", "access token"}:
        assert world.calls == [], "authorised before anything is read"


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("form", ["interaction", "interactions"])
def test_only_the_learner_and_admins_may_post_interactions(world: World, form: str, who: str) -> None:
    token, user = CALLERS[who]
    posted = interaction("x", user_id=None)
    body = posted if form == "interaction" else [posted]
    event = http_event("POST", f"/progress/{user}/{form}", who=token or None, body=body)
    status, _, _ = answer_of(ingest.handler(event, None))
    assert status == MAY_WRITE.get(who, 404)
    assert len(streamed()) == (status == 202)


@pytest.mark.parametrize("who", ["self", "no token", "access token"])
def test_everybody_with_a_token_may_read_the_catalog(world: World, who: str) -> None:
    of_achievements = http_event("GET", "/achievements", who=CALLERS[who][0] or None)
    assert answer_of(read.handler(of_achievements, None))[0] == MAY_READ[who]
    event = http_event("GET", "/certifications", who=CALLERS[who][0] or None)
    status, body, _ = answer_of(read.handler(event, None))
    assert status == MAY_READ[who]
    if status == 200:
        assert {c["certification_type"]: c["total_content"] for c in body["certifications"]} == {
            "SAA": 3,
            "DVA": 1,
        }


def test_an_existing_learner_and_a_missing_one_get_the_same_404(world: World) -> None:
    world.project(interaction("a"))
    assert get("dashboard", claims("eve"), "ann")[:2] == get("dashboard", claims("eve"), "nobody")[:2]


# -- paths -----------------------------------------------------------------------------------------

PREFIXES: dict[str, dict[str, Any]] = {
    "at the root": {},
    "under a stage": {"stage": "v1"},
    "under a stage that is the beginning of the path": {"stage": "pro"},
    "under a custom domain": {"base_path": "/learning"},
    "under a custom domain with a named stage": {"stage": "v1", "base_path": "/learning"},
    "under a base path of two parts": {"stage": "v1", "base_path": "/learning/progress"},
    "under a base path named like the stage": {"stage": "v1", "base_path": "/v1"},
}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_route_works_wherever_the_api_is_mounted(world: World, prefix: str) -> None:
    world.project(interaction("a"))
    for path in (*(f"/progress/me/{view}" for view in VIEW_NAMES), "/progress/ann/streak", "/certifications"):
        event = http_event("GET", path, who=claims("ann"), **PREFIXES[prefix])
        assert read.handler(event, None)["statusCode"] == 200, path
    for path, body in (("interaction", interaction("x")), ("interactions", [interaction("y")])):
        event = http_event("POST", f"/progress/me/{path}", who=claims("ann"), body=body, **PREFIXES[prefix])
        assert ingest.handler(event, None)["statusCode"] == 202, path


@pytest.mark.parametrize("user", ["ann@example.com", "a:b", "a.b", "a-b_c", "7", "x" * 128])
def test_an_id_is_taken_from_the_path_as_it_is(world: World, user: str) -> None:
    world.project(interaction("a", user_id=user))
    status, body, _ = get("streak", claims("ada", "admins"), user)
    assert (status, body["user_id"], body["total_study_days"]) == (200, user, 1)
    event = http_event("POST", f"/progress/{user}/interaction", who=claims("ada", "admins"))
    event["body"] = json.dumps(interaction("b", user_id=None))
    assert ingest.handler(event, None)["statusCode"] == 202
    assert streamed()[-1]["user_id"] == user


@pytest.mark.parametrize("user", ["a%40b", "a%2540b", "%61nn", "ann%20", "ann+"])
def test_a_path_is_never_decoded_again(world: World, user: str) -> None:
    for existing in ("a@b", "a%40b", "ann"):
        world.project(interaction("a", user_id=existing))
    assert get("streak", claims("ada", "admins"), user)[0] == 404


STRANGE_IDS = [
    *(
        "a#b",
        "a%23b",
        "USER#ann",
        "a b",
        "é",
        "x" * 129,
        "-",
        "..",
        ".",
        "%2e%2e",
        "",
        "ann\n",
        "\x00",
        "{user_id}",
    ),
    *("a/b", "ann/", "/ann", "ann?x=1", "ann/streak?", "..%2fann", "../ann"),
]


@pytest.mark.parametrize("user", STRANGE_IDS, ids=repr)
def test_an_id_that_no_learner_can_have_is_not_found(world: World, user: str) -> None:
    world.project(interaction("a"))
    for who in (claims("ann"), claims("ada", "admins")):
        for status, body, _ in (
            get("analytics", who, user),
            post(interaction("x", user_id=None), who, user),
        ):
            assert (status, body["error"]["message"]) == (404, "There is no such learner.")
    assert streamed() == []


# -- errors ----------------------------------------------------------------------------------------


def throttled() -> Exception:
    error: Any = {"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "slow down"}}
    return ClientError(error, "Query")


@pytest.mark.parametrize(
    "failure", [throttled, lambda: ConnectTimeoutError(endpoint_url="x")], ids=["throttled", "down"]
)
def test_no_read_of_a_failing_table_is_answered_with_zeros(
    world: World, monkeypatch: pytest.MonkeyPatch, failure: Callable[[], Exception]
) -> None:
    def fails(*_: Any) -> Any:
        raise failure()

    world.project(interaction("a"))
    monkeypatch.setattr(aws.dynamodb(), "_make_api_call", fails)
    for number in range(500):
        status, body, headers = get(VIEW_NAMES[number % len(VIEW_NAMES)])
        assert (status, body["error"]["code"], headers["Retry-After"]) == (503, "unavailable", "2")


def test_an_unreadable_catalog_is_answered_503(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.project(interaction("a"))

    def fails(*_: Any) -> Any:
        raise throttled()

    monkeypatch.setattr(type(world.store), "head", fails)
    assert get("analytics")[0] == 503


def test_a_bug_is_logged_and_its_answer_reveals_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("domain.views.streak", broken)
    status, body, _ = get("streak")
    assert (status, body["error"]["code"]) == (500, "internal_server_error")
    assert "secret" not in json.dumps(body)
    assert "ZeroDivisionError" in caplog.text


def test_our_errors_have_the_contracts_body(world: World) -> None:
    status, body, headers = get("streak", claims("eve"), "ann")
    assert (status, headers["Content-Type"]) == (404, "application/json")
    assert body == {
        "error": {
            "code": "not_found",
            "message": "There is no such learner.",
            "request_id": "Z1kXyhzOjoEEPvw=",
        }
    }


def test_the_functions_add_no_cors_headers_because_the_gateway_does(world: World) -> None:
    origin = {"Origin": "https://learn.example.com"}
    answers = [
        get("streak", headers=origin),
        get("streak", query={"today": "never"}, headers=origin),
        get("streak", claims("eve"), "ann", headers=origin),
        post(interaction("x"), headers=origin),
    ]
    assert [status for status, _, _ in answers] == [200, 400, 404, 202]
    assert not [name for _, _, headers in answers for name in headers if name.lower().startswith("access-")]


# -- logs ------------------------------------------------------------------------------------------


def test_no_log_names_a_learner(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    post(interaction("a", user_id="the-learner"), claims("the-learner"))
    world.project(*streamed())
    get("dashboard", claims("the-learner"))
    get("dashboard", claims("eve"), "the-learner")
    routes = [record.__dict__["route"] for record in caplog.records if "route" in record.__dict__]
    assert routes == [
        "POST /progress/{user_id}/interaction",
        "GET /progress/{user_id}/dashboard",
        "GET /progress/{user_id}/dashboard",
    ]
    assert all("the-learner" not in str(record.__dict__) for record in caplog.records)
