"""Who is calling, and what they may do: the identity in the token that API Gateway has verified.

The JWT authorizer checks a token's signature, issuer, audience and lifetime, and passes its claims on as
text. The text loses the structure of lists: `[a b]` may be two groups or one group named "a b". So groups
and claims are read from the token itself, which arrives in the Authorization header. Decoding it without
verifying it again is safe, because a request is refused

- if it carries no claims from the authorizer, as on a route without one, and
- if a claim that decides anything differs between the header's token and the authorizer's text: the token
  must be the one that was verified.
"""

import json
import os
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.days import zone_names
from domain.interaction import is_user_id
from functions.api import ApiError

ADMINS = "admins"
INSTRUCTORS = "instructors"

_COGNITO = re.compile(r"https://(issuer-)?cognito-idp[a-z-]*\.[a-z0-9-]+\.amazonaws\.[a-z.]+/")
"""The start of the URL of an issuer that is a Cognito user pool, in both forms that Cognito has."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The learner and the groups that a verified token names."""

    user_id: str
    groups: frozenset[str]
    zone: str | None = None
    """The `zoneinfo` claim: the IANA name of the caller's time zone."""

    @property
    def is_admin(self) -> bool:
        """Whether the caller may read and write every learner's progress."""
        return ADMINS in self.groups

    @property
    def may_read_all(self) -> bool:
        """Whether the caller may read every learner's progress."""
        return self.is_admin or INSTRUCTORS in self.groups

    def may_read(self, user_id: str) -> bool:
        """Return whether the caller may read a learner: themselves, or anybody as an instructor or admin."""
        return user_id == self.user_id or self.may_read_all

    def may_write(self, user_id: str) -> bool:
        """Return whether the caller may write for a learner: themselves, or anybody as an admin."""
        return user_id == self.user_id or self.is_admin


def caller(event: Mapping[str, Any]) -> Caller:
    """Return who sent a request.

    Raise ApiError 401 if the token is not one that the authorizer verified or is not an ID token of Cognito,
    and 403 if it names no learner.
    """
    passed = ((event["requestContext"].get("authorizer") or {}).get("jwt") or {}).get("claims") or {}
    claims = _claims(event.get("headers") or {})
    learner_claim, groups_claim = os.environ["LEARNER_CLAIM"], os.environ["GROUPS_CLAIM"]
    if not passed or not all(
        _agree(claims.get(name), passed.get(name))
        for name in ("iss", "sub", "exp", "token_use", learner_claim)
    ):
        raise _unauthorized()
    # Cognito's access tokens have the same issuer and client, and so pass the authorizer too.
    if _COGNITO.match(str(claims.get("iss"))) and claims.get("token_use") != "id":
        raise _unauthorized()
    user_id = claims.get(learner_claim)
    if not isinstance(user_id, str) or not is_user_id(user_id):
        raise ApiError(403, "The token names no learner.")
    zone = claims.get("zoneinfo")
    return Caller(
        user_id,
        _groups(claims.get(groups_claim), str(passed.get(groups_claim, ""))),
        zone if isinstance(zone, str) and zone in zone_names() else None,
    )


def learner_id(who: Caller, path_user_id: str) -> str:
    """Return the learner that a path names; `me` is the caller. `serve` has refused ids nobody can have."""
    return who.user_id if path_user_id == "me" else path_user_id


def _claims(headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the claims of the token in the Authorization header: `Bearer TOKEN`, or the token alone.

    Raise ApiError 401 if there is none.
    """
    header = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
    scheme, _, token = header.strip().rpartition(" ")
    parts = token.split(".")
    if scheme.strip().lower() not in {"", "bearer"} or len(parts) != 3:
        raise _unauthorized()
    try:
        payload = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = json.loads(b64decode(payload, altchars=b"-_", validate=True))
    except (ValueError, RecursionError) as error:
        raise _unauthorized() from error
    if not isinstance(claims, dict):
        raise _unauthorized()
    return claims


def _agree(claim: Any, text: str | None) -> bool:
    """Return whether a token's claim is the one that the authorizer passed on.

    It passes a string on unchanged and a number in digits.
    Lists, objects and booleans identify nobody, so they are not compared.
    """
    match claim:
        case None | str():
            return claim == text
        case bool() | list() | dict():
            return True
        case _:
            try:
                return bool(float(text or "nan") == claim)
            except ValueError:
                return False


def _groups(claim: Any, text: str) -> frozenset[str]:
    """Return the exact group names in a claim: one for each string of a list, or a string as one name.

    Names are never split: a group named "x,admins" is not `admins`. A name must also occur in the text that
    the authorizer passed on.
    """
    names = claim if isinstance(claim, list) else [claim]
    return frozenset(name for name in names if isinstance(name, str) and name in text)


def _unauthorized() -> ApiError:
    return ApiError(401, "A valid token for this API is needed.")
