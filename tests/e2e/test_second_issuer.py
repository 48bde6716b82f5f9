"""An identity provider other than the stack's own pool, named by the template's parameters.

The tests are the provider: they sign the tokens, and serve the discovery document and the keys on the
loopback. MiniStack fetches both and verifies the tokens as API Gateway does. Unlike AWS, it accepts `http://`.
"""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from cli.stack import Stack
from tests.e2e.conftest import Deployed
from tests.e2e.interactions import interaction
from tests.e2e.second_stack import second_stack
from tests.e2e.tokens import Issuer, issuer, new_key, signed, signed_with_public_key, unsigned, with_claims
from tests.e2e.wire import Answer, call
from tests.integration.template import routes

LEARNER_CLAIM = "https://learn.example/learner_id"
GROUPS_CLAIM = "roles"
AUDIENCES = ("learn-web", "learn-mobile")


class Provider(NamedTuple):
    """The identity provider and the stack that trusts it."""

    issuer: Issuer
    stack: Stack

    def token(self, learner: Any, groups: Any = None, **claims: Any) -> str:
        """Return a token that names a learner. `claims` adds to the usual claims; None removes one."""
        named = {LEARNER_CLAIM: learner, GROUPS_CLAIM: groups}
        return self.issuer.token(**{"sub": "0017", "aud": AUDIENCES[0], **named, **claims})

    def call(self, method: str, path: str, token: str | None, body: Any = None) -> Answer:
        # Only the routes of xAPI need the header.
        return call(self.stack.api_url, method, path, token, body, {"X-Experience-API-Version": "1.0.3"})

    def status(self, token: str | None, path: str = "/progress/me/streak") -> int:
        return self.call("GET", path, token).status


@pytest.fixture(scope="module")
def provider(stack: Deployed) -> Iterator[Provider]:
    with (
        issuer() as made,
        second_stack(
            stack.stack,
            "streakline-issuer",
            JwtIssuer=made.url,
            JwtAudience=",".join(AUDIENCES),
            LearnerClaim=LEARNER_CLAIM,
            GroupsClaim=GROUPS_CLAIM,
        ) as deployed,
    ):
        yield Provider(made, deployed)


def test_the_stack_has_no_user_pool_of_its_own(provider: Provider) -> None:
    assert {"ApiUrl", "StreamName"} < provider.stack.outputs.keys()
    assert not {"UserPoolId", "UserPoolClientId"} & provider.stack.outputs.keys()


def test_the_learner_is_the_one_in_the_configured_claim(provider: Provider) -> None:
    ann = provider.token("ann@example.com", sub="0017")
    posted = provider.call("POST", "/progress/me/interaction", ann, interaction())
    assert (posted.status, posted.json["status"]) == (202, "accepted")
    for user in ("me", "ann@example.com"):
        read = provider.call("GET", f"/progress/{user}/streak", ann)
        assert (read.status, read.json["user_id"]) == (200, "ann@example.com")
    for user in ("0017", "bob@example.com"):
        assert provider.status(ann, f"/progress/{user}/streak") == 404


@pytest.mark.parametrize("audience", [*AUDIENCES, ["another", AUDIENCES[1]]], ids=str)
def test_each_configured_audience_is_accepted(provider: Provider, audience: Any) -> None:
    assert provider.status(provider.token("ann", aud=audience)) == 200


@pytest.mark.parametrize("use", [None, "access", "id"])
def test_a_token_of_another_provider_needs_no_token_use(provider: Provider, use: str | None) -> None:
    assert provider.status(provider.token("ann", token_use=use)) == 200


def refused_tokens(provider: Provider) -> dict[str, str | None]:
    """Tokens that the authorizer must refuse."""
    now, made = int(time.time()), provider.issuer
    claims = made.claims(sub="0017", aud=AUDIENCES[0], **{LEARNER_CLAIM: "ann", GROUPS_CLAIM: ["admins"]})
    return {
        "no token": None,
        "expired": provider.token("ann", exp=now - 1),
        "not yet valid": provider.token("ann", nbf=now + 600),
        "issued in the future": provider.token("ann", iat=now + 600),
        "of a foreign audience": provider.token("ann", aud="another-app"),
        "without an audience": provider.token("ann", aud=None),
        "of a foreign issuer": provider.token("ann", iss="https://login.example.com"),
        "of the issuer with a slash": provider.token("ann", iss=f"{made.url}/"),
        "signed by another key": signed(new_key(), made.key_id, claims),
        "signed by a key that is not published": signed(new_key(), "another", claims),
        "unsigned": unsigned(provider.token("ann")),
        "with other claims than were signed": with_claims(
            provider.token("ann"), **{GROUPS_CLAIM: ["admins"]}
        ),
        "signed with the public key as a secret": signed_with_public_key(made.key, made.key_id, claims),
    }


def test_the_authorizer_refuses_tokens_that_the_provider_did_not_sign_for_this_api(
    stack: Deployed, provider: Provider
) -> None:
    tokens = {**refused_tokens(provider), "of the first stack's pool": stack.token(user="e2e-learner")}
    answers = {name: provider.call("GET", "/progress/me/streak", token) for name, token in tokens.items()}
    unauthorized = (401, {"message": "Unauthorized"})
    assert {name: (answer.status, answer.json) for name, answer in answers.items()} == dict.fromkeys(
        tokens, unauthorized
    )


def test_the_first_stack_does_not_accept_the_providers_tokens(stack: Deployed, provider: Provider) -> None:
    claims = {"sub": "ann", "aud": stack.outputs["UserPoolClientId"], "token_use": "id"}
    assert call(stack.api_url, "GET", "/progress/me/streak", provider.token("ann", **claims)).status == 401


def test_a_token_without_the_learner_claim_is_answered_403_on_every_route(provider: Provider) -> None:
    token = provider.token(None, ["admins"], sub="ann", name="ann")
    for route in sorted(key for key, route in routes().items() if route["AuthorizationType"] == "JWT"):
        method, _, path = route.partition(" ")
        body = [interaction()] if path.endswith("interactions") else interaction()
        for user in ("ann", "None", "me"):
            asked = path.replace("{user_id}", user).replace(
                "{event_id}", "e-1?occurred_at=2026-03-01T12:00:00Z"
            )
            if method == "PUT":
                asked += f"?statementId={uuid4()}"
            answer = provider.call(method, asked, token, None if method == "GET" else body)
            error = answer.json["error"]
            assert (answer.status, error["code"]) == (403, "forbidden"), (route, user)
            assert error["message"] == "The token names no learner."


@pytest.mark.parametrize("learner", ["", "me", "##", "a/b", 7, True, ["ann"], {"id": "ann"}], ids=repr)
def test_a_learner_claim_that_is_no_learners_id_is_answered_403(provider: Provider, learner: Any) -> None:
    assert provider.status(provider.token(learner, ["admins"])) == 403


GROUPS: list[tuple[Any, int]] = [
    (["admins"], 400),
    (["staff", "admins"], 400),
    ("admins", 400),
    (["staff", "instructors"], 403),
    ("instructors", 403),
    (["not admins"], 404),
    (["x,admins"], 404),
    (["team[admins]"], 404),
    (["[admins]"], 404),
    ([" admins"], 404),
    (["Admins"], 404),
    ([["admins"]], 404),
    ("staff admins", 404),
    ("x,instructors", 404),
    ("[admins]", 404),
    ('["admins"]', 404),
    ({"admins": True}, 404),
    (None, 404),
]


@pytest.mark.parametrize(("groups", "status"), GROUPS, ids=repr)
def test_groups_are_exact_names_in_the_configured_claim(provider: Provider, groups: Any, status: int) -> None:
    """A post for somebody else tells the roles apart.

    An admin may post, but this interaction is incomplete. An instructor may only read. To anybody else the
    learner does not exist.
    """
    token = provider.token("ada", groups, **{"cognito:groups": ["admins"], "group": "admins"})
    answer = provider.call("POST", "/progress/somebody/interaction", token, {"content_id": "c"})
    assert answer.status == status
