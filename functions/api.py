"""What both HTTP functions share: who is calling, what they may do, and how answers and errors look."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Path
from botocore.exceptions import BotoCoreError, ClientError
from pydantic_core import to_json

from domain.interaction import is_user_id
from functions.observability import logger

RETRY_AFTER_SECONDS = 2
COMPRESSED_FROM_BYTES = 2048
"""Below, the gain is less than the round trip's noise."""

_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    413: "too_large",
    415: "unsupported_media_type",
    503: "unavailable",
}

UserId = Annotated[str, Path(description="A learner's id, or `me` for the caller", examples=["me"])]


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

    @property
    def is_admin(self) -> bool:
        """Whether they may read and write everybody's."""
        return "admins" in self.groups

    def may_read(self, user_id: str) -> bool:
        """Learners read their own progress; instructors and admins any."""
        return user_id == self.user_id or self.is_admin or "instructors" in self.groups

    def may_write(self, user_id: str) -> bool:
        """Learners write their own interactions; admins any."""
        return user_id == self.user_id or self.is_admin


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


def requested_at(event: dict[str, Any]) -> datetime:
    """When the request reached API Gateway: the handlers' only clock."""
    return datetime.fromtimestamp(event["requestContext"]["requestTimeEpoch"] / 1000, UTC)


def resolver() -> APIGatewayRestResolver:
    """A resolver whose every error has the contract's body."""
    origin = os.environ["ALLOWED_ORIGIN"]
    app = APIGatewayRestResolver(
        enable_validation=True,
        serializer=lambda body: to_json(body).decode(),
        cors=CORSConfig(
            allow_origin=origin,
            allow_headers=["Idempotency-Key", "If-None-Match"],
            expose_headers=["ETag", "Retry-After"],
            max_age=600,
        )
        if origin
        else None,
    )

    def answer(
        status: int, message: str, faults: list[dict[str, str]] | None = None, **headers: str
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
    app.use([_cheap_to_ask_again])
    return app


def _cheap_to_ask_again(
    app: APIGatewayRestResolver, next_middleware: Callable[[APIGatewayRestResolver], Response[Any]]
) -> Response[Any]:
    """Gives a view its ETag, answers 304 where the caller has it already, and compresses a large one."""
    response = next_middleware(app)
    if response.status_code != HTTPStatus.OK or not isinstance(response.body, dict):
        return response
    body = to_json({name: value for name, value in response.body.items() if name != "generated_at"})
    # Weak: the same view may come compressed, or generated at another time.
    tag = f'W/"{sha256(body).hexdigest()[:32]}"'
    kept = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding, Authorization"}
    asked = app.current_event.headers.get("If-None-Match") or ""
    known = {one.strip().removeprefix("W/") for one in asked.split(",")}
    if tag.removeprefix("W/") in known or "*" in known:
        return Response(HTTPStatus.NOT_MODIFIED, body="", headers=kept)
    response.headers |= kept
    # API Gateway turns base64 into bytes only for a request that says what it accepts.
    response.compress = len(body) >= COMPRESSED_FROM_BYTES and bool(app.current_event.headers.get("Accept"))
    return response


def serve(app: APIGatewayRestResolver, event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a proxy event, and log that it was: the route, never the learner."""
    answer: dict[str, Any] = app.resolve(event, context)
    status = answer["statusCode"]
    # A view that does not exist can be anything, also a person's name.
    view = (event.get("pathParameters") or {}).get("view") if status < HTTPStatus.BAD_REQUEST else None
    route = f"{event['httpMethod']} {event['resource']}"
    logger.info("request", extra={"route": route, "view": view, "status": status})
    return answer
