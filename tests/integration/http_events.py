"""Requests as an HTTP API hands them to a function: payload format 2.0, after its JWT authorizer."""

import json
import re
from base64 import urlsafe_b64encode
from typing import Any

from functions import ingest, read
from tests.integration.conftest import ARRIVAL
from tests.integration.template import routes

ISSUER = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example00"
AUDIENCE = "1example23456789"

VIEW_NAMES = tuple(
    route.rpartition("/")[2]
    for route in routes()
    if route.startswith("GET /progress/{user_id}/") and not route.endswith(("{event_id}", "{job}"))
)

type Claims = dict[str, Any]


def claims(user_id: str, *groups: str, **others: Any) -> Claims:
    """Return the claims of an ID token of the stack's own pool. `others` replaces claims; None drops one."""
    made = {
        "sub": user_id,
        "iss": ISSUER,
        "aud": AUDIENCE,
        "token_use": "id",
        "auth_time": 1772452500,
        "iat": 1772452500,
        "exp": 1772456100,
        "cognito:username": user_id,
        "email_verified": True,
        **({"cognito:groups": list(groups)} if groups else {}),
        **others,
    }
    return {name: value for name, value in made.items() if value is not None}


def token(payload: Any) -> str:
    """Return a token with this payload. Nobody verifies the signature after the authorizer has."""
    return ".".join([_encoded({"alg": "RS256", "kid": "key"}), _encoded(payload), "c2lnbmF0dXJl"])


def _encoded(part: Any) -> str:
    return urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def passed_on(payload: Claims) -> dict[str, str]:
    """Return a token's claims as the authorizer passes them on: text, with the structure of lists lost."""
    return {name: _text(value) for name, value in payload.items()}


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{' '.join(map(_text, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def http_event(
    method: str,
    path: str,
    *,
    who: Claims | None = None,
    body: Any = None,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    stage: str = "$default",
    base_path: str = "",
) -> dict[str, Any]:
    """Return the event of a request whose path API Gateway has decoded and matched to a route.

    `who` are the claims of its token; without them there is neither token nor authorizer. `base_path` is the
    key of a custom domain's mapping, as in `/learning`.
    """
    route, parameters = _route(method, path)
    prefix = base_path or ("" if stage == "$default" else f"/{stage}")
    host = "learn.example.com" if base_path else "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
    sent = {
        "accept": "*/*",
        "content-length": "0",
        "host": host,
        "user-agent": "curl/8.7.1",
        "x-amzn-trace-id": "Root=1-69a57d40-0f3d2c1b4a5968778695a4b3",
        "x-forwarded-for": "192.0.2.1",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
        **({"authorization": f"Bearer {token(who)}"} if who else {}),
        **({"content-type": "application/json"} if body is not None else {}),
        **{name.lower(): value for name, value in (headers or {}).items()},
    }
    authorizer = {"authorizer": {"jwt": {"claims": passed_on(who), "scopes": None}}} if who else {}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": f"{prefix}{path}",
        "rawQueryString": "&".join(f"{name}={value}" for name, value in (query or {}).items()),
        "headers": sent,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            **authorizer,
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "http": {
                "method": method,
                "path": f"{prefix}{path}",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "curl/8.7.1",
            },
            "requestId": "Z1kXyhzOjoEEPvw=",
            "routeKey": route,
            "stage": stage,
            "time": ARRIVAL.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(ARRIVAL.timestamp() * 1000),
        },
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = query
    if parameters:
        event["pathParameters"] = parameters
    if body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    return event


def _route(method: str, path: str) -> tuple[str, dict[str, str]]:
    """Return the route that API Gateway selects for a decoded path, and the values of its parameters.

    On AWS no parameter holds a slash; here it may, to see what the functions make of one.
    """
    for route in routes():
        pattern = re.sub(r"{(\w+)}", r"(?P<\1>.*)", route)
        if match := re.fullmatch(pattern, f"{method} {path}", re.DOTALL):
            return route, match.groupdict()
    raise LookupError(f"API Gateway answers {method} {path} itself: no route matches")


# -- calling the functions -------------------------------------------------------------------------

type Answer = tuple[int, dict[str, Any], dict[str, str]]
"""Status, body and headers."""


def answer_of(response: dict[str, Any]) -> Answer:
    body = json.loads(response["body"]) if response["body"] else {}
    return response["statusCode"], body, response["headers"]


def get(
    view: str,
    who: Claims | None = None,
    user: str = "me",
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Ask for a view as `who`, by default as the learner ann, the day after her interactions."""
    path = f"/progress/{user}/{view}"
    asked = {"today": "2026-03-02", **(query or {})}
    return answer_of(
        read.handler(http_event("GET", path, who=who or claims("ann"), query=asked, headers=headers), None)
    )


def post(
    body: Any,
    who: Claims | None = None,
    user: str = "me",
    form: str = "interaction",
    headers: dict[str, str] | None = None,
) -> Answer:
    """Post an interaction, or several if `form` is `interactions`, as `who`, by default as ann."""
    path = f"/progress/{user}/{form}"
    return answer_of(
        ingest.handler(http_event("POST", path, who=who or claims("ann"), body=body, headers=headers), None)
    )


def faulty_fields(answer: Answer) -> set[str]:
    """Return the fields that a 400 complains about."""
    return {fault["field"] for fault in answer[1]["error"]["faults"]}
