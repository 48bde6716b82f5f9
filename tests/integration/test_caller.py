"""Who is calling: what the functions read from a token that the authorizer has verified."""

import re
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from functions import read
from functions.api import ApiError
from functions.caller import caller
from tests.integration.conftest import World, interaction
from tests.integration.http_events import Claims, answer_of, claims, get, http_event, passed_on, token
from tests.integration.template import template

FOREIGN = {"iss": "https://login.example.com/", "token_use": None, "cognito:username": None}
"""What differs in a token of an issuer other than Cognito."""


def event_of(who: Claims, authorization: str | None = None, passed: Any = None) -> dict[str, Any]:
    """Return the event of a request with this token; the header or the authorizer's claims may be others."""
    event = http_event("GET", "/progress/me/streak", who=who)
    if authorization is not None:
        event["headers"]["authorization"] = authorization
    if passed is not None:
        event["requestContext"]["authorizer"] = passed
    return event


def refusal(event: dict[str, Any]) -> int:
    with pytest.raises(ApiError) as caught:
        caller(event)
    return caught.value.status


@pytest.fixture(autouse=True)
def claim_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNER_CLAIM", "sub")
    monkeypatch.setenv("GROUPS_CLAIM", "cognito:groups")


# -- the token -------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  ", ""])
def test_a_token_may_come_with_the_bearer_scheme_or_alone(scheme: str) -> None:
    who = claims("ann")
    assert caller(event_of(who, f"{scheme}{token(who)}")).user_id == "ann"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {token(claims('ann'))}",
        f"{token(claims('ann'))},{token(claims('ann'))}",
        f"Bearer {token(claims('ann'))}, Bearer {token(claims('ann'))}",
        "a.b",
        "a.b.c.d",
        "a.!!!.c",
        "a.e30.c",
        f"{token(['ann'])}",
        f"{token('ann')}",
    ],
)
def test_a_header_without_one_readable_token_is_refused(authorization: str) -> None:
    assert refusal(event_of(claims("ann"), authorization)) == 401


@pytest.mark.parametrize(
    "authorizer", [None, {}, {"jwt": {}}, {"jwt": {"claims": {}}}, {"lambda": {"sub": "ann"}}]
)
def test_a_request_that_no_jwt_authorizer_has_seen_is_refused(authorizer: Any) -> None:
    event = event_of(claims("ann"))
    event["requestContext"]["authorizer"] = authorizer
    assert refusal(event) == 401
    del event["requestContext"]["authorizer"]
    assert refusal(event) == 401


@pytest.mark.parametrize(
    "forged",
    [
        {"sub": "bob"},
        {"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Another00"},
        {"exp": 1772456101},
        {"exp": "1772456100x"},
        {"exp": None},
        {"token_use": "access"},
        {"sub": None},
    ],
)
def test_a_token_other_than_the_verified_one_is_refused(forged: dict[str, Any]) -> None:
    verified = claims("ann")
    assert refusal(event_of(verified, token({**verified, **forged}))) == 401


@pytest.mark.parametrize("expiry", ["soon", "", "1772456101", None])
def test_a_token_with_another_expiry_than_the_verified_one_is_refused(expiry: str | None) -> None:
    who = claims("ann")
    passed = {name: text for name, text in {**passed_on(who), "exp": expiry}.items() if text is not None}
    assert refusal(event_of(who, passed={"jwt": {"claims": passed}})) == 401


def test_a_group_counts_only_if_the_authorizer_has_seen_it_too() -> None:
    verified = claims("ann", "readers")
    forged = {**verified, "cognito:groups": ["readers", "admins"]}
    assert caller(event_of(verified, token(forged))).groups == {"readers"}


# -- which tokens ----------------------------------------------------------------------------------


@pytest.mark.parametrize("use", ["access", None, "ID", ["id"]])
@pytest.mark.parametrize(
    "host",
    [
        "cognito-idp.eu-west-1.amazonaws.com",
        "cognito-idp.cn-north-1.amazonaws.com.cn",
        "issuer-cognito-idp.eu-west-1.amazonaws.com",
        "cognito-idp-fips.us-gov-west-1.amazonaws.com",
        "cognito-idp.eusc-de-east-1.amazonaws.eu",
    ],
)
def test_cognito_tokens_other_than_id_tokens_are_refused(use: Any, host: str) -> None:
    issuer = f"https://{host}/eu-west-1_Example00"
    assert refusal(event_of(claims("ann", iss=issuer, token_use=use))) == 401
    assert caller(event_of(claims("ann", iss=issuer))).user_id == "ann"


@pytest.mark.parametrize("use", [None, "access", "id"])
def test_other_issuers_need_no_token_use(use: str | None) -> None:
    assert caller(event_of(claims("ann", **{**FOREIGN, "token_use": use}))).user_id == "ann"


def test_an_issuer_that_only_looks_like_cognito_is_treated_as_any_other() -> None:
    issuer = "https://cognito-idp.example.com/eu-west-1_Example00"
    assert caller(event_of(claims("ann", **{**FOREIGN, "iss": issuer}))).user_id == "ann"


def test_a_token_that_is_nested_too_deeply_is_refused() -> None:
    event = event_of(claims("ann"), token(claims("ann")))
    deep = urlsafe_b64encode(b"[" * 100_000).decode().rstrip("=")
    event["headers"] = {"authorization": f"Bearer a.{deep}.c"}
    assert refusal(event) == 401


# -- the learner -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claim", ["sub", "cognito:username", "custom:learner", "https://example.com/learner"]
)
def test_the_learner_is_the_one_in_the_configured_claim(
    world: World, monkeypatch: pytest.MonkeyPatch, claim: str
) -> None:
    monkeypatch.setenv("LEARNER_CLAIM", claim)
    world.project(interaction("a"))
    status, body, _ = get("streak", claims("somebody", **{claim: "ann"}))
    assert (status, body["user_id"], body["total_study_days"]) == (200, "ann", 1)


@pytest.mark.parametrize(
    "value", [None, "", "##", "me", "None ", "a/b", "a?b", 7, True, ["ann"], {"id": "ann"}, "x" * 129]
)
def test_a_claim_that_is_missing_or_no_learners_id_is_answered_403(
    monkeypatch: pytest.MonkeyPatch, value: Any
) -> None:
    monkeypatch.setenv("LEARNER_CLAIM", "custom:learner")
    assert refusal(event_of(claims("ann", **{"custom:learner": value}))) == 403


def test_a_missing_claim_never_makes_the_learner_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNER_CLAIM", "custom:learner")
    world.project(interaction("a", user_id="None"))
    for user in ("me", "None"):
        status, body, _ = get("streak", claims("ann"), user)
        assert (status, body["error"]["code"]) == (403, "forbidden")


# -- groups ----------------------------------------------------------------------------------------

NOT_ADMINS: list[list[Any]] = [
    ["x,admins"],
    ["admins,x"],
    ["team[admins]"],
    ["[admins]"],
    ["x admins"],
    [" admins"],
    ["admins "],
    ["Admins"],
    ["admins\n"],
    ["administrators"],
    ['"admins"'],
    [["admins"]],
    [{"name": "admins"}],
    [None, 7, True],
    [],
]


@pytest.mark.parametrize("groups", NOT_ADMINS, ids=repr)
def test_a_group_that_only_contains_the_word_admins_makes_nobody_an_admin(groups: list[Any]) -> None:
    who = caller(event_of(claims("ann", **{"cognito:groups": groups})))
    assert not who.is_admin
    assert not who.may_read("bob")


@pytest.mark.parametrize("groups", [["admins"], ["x,y", "admins"], ["a b", "[c]", "admins"]], ids=repr)
def test_a_member_of_the_group_admins_is_an_admin_whatever_the_other_groups(groups: list[str]) -> None:
    assert caller(event_of(claims("ann", *groups))).is_admin


@pytest.mark.parametrize(
    ("claim", "admin"),
    [("admins", True), ("x,admins", False), ("x admins", False), ("[admins]", False), ('["admins"]', False)],
)
def test_a_claim_that_is_a_string_is_one_group(
    monkeypatch: pytest.MonkeyPatch, claim: str, admin: bool
) -> None:
    monkeypatch.setenv("GROUPS_CLAIM", "groups")
    assert caller(event_of(claims("ann", **FOREIGN, groups=claim))).is_admin is admin


def test_groups_come_from_the_configured_claim_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUPS_CLAIM", "https://example.com/roles")
    who = claims("ann", "admins", **{"https://example.com/roles": ["instructors"]})
    assert caller(event_of(who)).groups == {"instructors"}


@pytest.mark.parametrize("groups", ["admins", 7, {"admins": True}, None])
def test_a_claim_of_another_kind_is_no_group_and_no_error(
    world: World, monkeypatch: pytest.MonkeyPatch, groups: Any
) -> None:
    monkeypatch.setenv("GROUPS_CLAIM", "roles")
    who = claims("ann", "admins", roles=groups if groups != "admins" else None)
    status, _, _ = answer_of(read.handler(event_of(who), None))
    assert (status, caller(event_of(who)).groups) == (200, frozenset())


# -- which claims the template allows --------------------------------------------------------------


@pytest.mark.parametrize("parameter", ["LearnerClaim", "GroupsClaim"])
@pytest.mark.parametrize(
    "claim",
    [
        *("name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile"),
        *("picture", "website", "email", "email_verified", "gender", "birthdate", "zoneinfo", "locale"),
        *("phone_number", "phone_number_verified", "address", "updated_at"),
        *("iss", "aud", "exp", "custom:", "custom:a b", "https://", "", "sub "),
    ],
)
def test_a_claim_that_users_may_write_cannot_be_configured(parameter: str, claim: str) -> None:
    assert not re.fullmatch(template()["Parameters"][parameter]["AllowedPattern"], claim)


@pytest.mark.parametrize(
    ("parameter", "claim"),
    [
        *(("LearnerClaim", name) for name in ("sub", "oid", "uid", "cognito:username", "custom:learner_id")),
        *(("GroupsClaim", name) for name in ("cognito:groups", "groups", "roles", "custom:groups")),
        ("LearnerClaim", "https://example.com/learner"),
        ("GroupsClaim", "https://example.com/roles"),
    ],
)
def test_a_claim_that_the_provider_decides_can_be_configured(parameter: str, claim: str) -> None:
    declared = template()["Parameters"][parameter]
    assert re.fullmatch(declared["AllowedPattern"], claim)
    assert re.fullmatch(declared["AllowedPattern"], declared["Default"])


def test_users_of_the_stacks_own_pool_may_write_no_custom_attribute() -> None:
    writable = template()["Resources"]["UserPoolClient"]["Properties"]["WriteAttributes"]
    assert set(writable) == {"name", "locale", "zoneinfo"}


def test_the_events_of_these_tests_flatten_claims_as_api_gateway_does() -> None:
    assert passed_on({"g": ["a", "b c"], "exp": 1612061676, "v": True}) == {
        "g": "[a b c]",
        "exp": "1612061676",
        "v": "true",
    }
