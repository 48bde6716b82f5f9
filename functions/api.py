"""What both HTTP functions share: who is calling, what they may do, and how errors are answered."""

import os
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from botocore.exceptions import BotoCoreError, ClientError

from domain.interaction import is_user_id
from functions.observability import logger

RETRY_AFTER_SECONDS = 2

_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    503: "unavailable",
}


class ApiError(Exception):
    """An answer other than success. `faults`: what is wrong, field by field."""

    def __init__(self, status: int, message: str, faults: list[dict[str, str]] | None = None) -> None:
        self.status = status
        self.message = message
        self.faults = faults
        super().__init__(message)


class NotFound(ApiError):
    """The same for a learner that does not exist and for one whom the caller may not see."""

    def __init__(self) -> None:
        super().__init__(404, "There is no such learner.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, by the verified token and nothing else."""

    user_id: str
    groups: frozenset[str]

    def may_read(self, user_id: str) -> bool:
        """Learners read their own progress; instructors and admins any."""
        return user_id == self.user_id or bool(self.groups & {"instructors", "admins"})

    def may_write(self, user_id: str) -> bool:
        """Learners write their own interactions; admins any."""
        return user_id == self.user_id or "admins" in self.groups


def caller(event: dict[str, Any]) -> Caller:
    """The caller of a request. Raises ApiError 401 where the token is none of this client's ID tokens.

    API Gateway's authorizer has verified the signature, the expiry and the pool; it does not look at the
    client that the token was made for, nor at its use.
    """
    claims = ((event.get("requestContext") or {}).get("authorizer") or {}).get("claims") or {}
    if claims.get("token_use") != "id" or claims.get("aud") != os.environ["USER_POOL_CLIENT_ID"]:
        raise ApiError(401, "A valid ID token of this application is needed.")
    user_id = str(claims.get(os.environ["LEARNER_CLAIM"], ""))
    if not is_user_id(user_id):
        raise ApiError(403, "The token names no learner.")
    # A REST API hands the list over as text: "a,b" or "[a b]".
    groups = re.split(r"[\s,\[\]]+", str(claims.get("cognito:groups", "")))
    return Caller(user_id, frozenset(filter(None, groups)))


def learner_id(who: Caller, path_user_id: str) -> str:
    """The learner that a path names; `me` is the caller. Raises NotFound for what can be no learner."""
    user_id = who.user_id if path_user_id == "me" else path_user_id
    if not is_user_id(user_id):
        raise NotFound
    return user_id


def resolver() -> APIGatewayRestResolver:
    """A resolver whose every error has the contract's body."""
    origin = os.environ["ALLOWED_ORIGIN"]
    app = APIGatewayRestResolver(
        enable_validation=True,
        cors=CORSConfig(allow_origin=origin, max_age=600) if origin else None,
    )

    def answer(
        status: int, message: str, faults: list[dict[str, str]] | None = None, **headers: Any
    ) -> Response[Any]:
        error: dict[str, Any] = {
            "code": _CODES.get(status, HTTPStatus(status).name.lower()),
            "message": message,
            "request_id": app.current_event.request_context.request_id,
        }
        if faults:
            error["faults"] = faults
        return Response(status, content_types.APPLICATION_JSON, {"error": error}, headers=headers)

    def known(error: ApiError) -> Response[Any]:
        return answer(error.status, error.message, error.faults)

    def invalid(error: RequestValidationError) -> Response[Any]:
        faults = [
            {"field": ".".join(map(str, fault["loc"][1:])) or str(fault["loc"][0]), "message": fault["msg"]}
            for fault in error.errors()
        ]
        return answer(400, "The request is not valid.", faults)

    def no_route(_: NotFoundError) -> Response[Any]:
        return answer(404, "There is no such resource.")

    def unavailable(error: Exception) -> Response[Any]:
        logger.exception("a dependency failed")
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return answer(503, "Try again shortly.", None, **headers)

    def bug(error: Exception) -> Response[Any]:
        logger.exception("bug")
        return answer(500, "Something is broken on our side.")

    # Called, not written as decorators: those are untyped.
    app.not_found(no_route)
    app.exception_handler(ApiError)(known)
    app.exception_handler(RequestValidationError)(invalid)
    app.exception_handler([ClientError, BotoCoreError, TimeoutError])(unavailable)
    app.exception_handler(Exception)(bug)
    return app
