"""The code that all HTTP functions share: routing, errors, conditional requests, compression and logs."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Path
from botocore.exceptions import BotoCoreError, ClientError
from pydantic_core import to_json

from domain.interaction import is_user_id
from functions.compression import accepts_gzip
from functions.errors import Contended, Unreadable
from functions.observability import count_trouble, log_request_id, logger
from functions.snapshot import reseed

RETRY_AFTER_SECONDS = 2
COMPRESSED_FROM_BYTES = 2048
"""Smaller answers gain less from compression than it costs."""

STATUS_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    413: "too_large",
    415: "unsupported_media_type",
    500: "internal_server_error",
    503: "unavailable",
}
"""The codes of errors by status. An error can have a code of its own instead."""
UNKNOWN_CERTIFICATION = "unknown_certification"

UserId = Annotated[str, Path(description="A learner's id, or `me` for the caller", examples=["me"])]


class ApiError(Exception):
    """An answer other than success.

    `faults` says what is wrong, field by field, each with `field` and `message`. `code` is stable; without
    one, the status decides it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        faults: list[dict[str, str]] | None = None,
        code: str | None = None,
    ) -> None:
        self.status = status
        self.message = message
        self.faults = faults
        self.code = code or STATUS_CODES[status]
        super().__init__(message)


class InvalidRequest(ApiError):
    """The answer to a request with one faulty field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(400, "The request is not valid.", [{"field": field, "message": message}])


class NotFound(ApiError):
    """The answer about a learner who does not exist, and the same about one whom the caller may not see."""

    def __init__(self) -> None:
        super().__init__(404, "There is no such learner.")


def operation[F: Callable[..., Any]](
    method: Callable[..., Any], path: str, tag: str, **options: Any
) -> Callable[[F], F]:
    """Return a decorator that registers a function as an operation of the API.

    `method` is a resolver's `get`, `post` or `put`. In the OpenAPI document the operation's id is the
    function's name and its summary the first line of the function's docstring.
    """

    def register(function: F) -> F:
        summary = (function.__doc__ or "").partition("\n")[0]
        registered: F = method(path, operation_id=function.__name__, summary=summary, tags=[tag], **options)(
            function
        )
        return registered

    return register


def requested_at(event: Mapping[str, Any]) -> datetime:
    """Return when API Gateway received the request. The handlers use no other clock."""
    return datetime.fromtimestamp(event["requestContext"]["timeEpoch"] / 1000, UTC)


def resolver() -> APIGatewayHttpResolver:
    """Return a resolver whose errors all have the contract's body.

    It adds no CORS headers: API Gateway does, from the API's own configuration.
    """
    app = APIGatewayHttpResolver(enable_validation=True, serializer=lambda body: to_json(body).decode())

    def known(error: ApiError, **headers: str) -> Response[Any]:
        body: dict[str, Any] = {
            "code": error.code,
            "message": error.message,
            "request_id": app.current_event.request_context.request_id,
        }
        if error.faults:
            body["faults"] = error.faults
        return Response(error.status, content_types.APPLICATION_JSON, {"error": body}, headers=headers)

    def invalid(error: RequestValidationError) -> Response[Any]:
        faults = [
            {"field": ".".join(map(str, fault["loc"][1:])) or str(fault["loc"][0]), "message": fault["msg"]}
            for fault in error.errors()
        ]
        return known(ApiError(400, "The request is not valid.", faults))

    def no_route(_: NotFoundError) -> Response[Any]:
        # API Gateway passes on no path without a route, so the id in the path is what matched nothing.
        return known(NotFound())

    def unavailable(error: Exception) -> Response[Any]:
        logger.exception("a dependency failed")
        if isinstance(error, Unreadable):
            count_trouble(error.code)
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return known(ApiError(503, "Try again shortly."), **headers)

    def bug(error: Exception) -> Response[Any]:
        logger.exception("bug")
        count_trouble("failed")
        return known(ApiError(500, "Something is broken on our side."))

    # Called instead of used as decorators, which have no types.
    app.not_found(no_route)
    app.exception_handler(ApiError)(known)
    app.exception_handler(RequestValidationError)(invalid)
    app.exception_handler([ClientError, BotoCoreError, OSError, Unreadable, Contended])(unavailable)
    app.exception_handler(Exception)(bug)
    app.use([_conditional_get])
    return app


def _conditional_get(
    app: APIGatewayHttpResolver, next_middleware: Callable[[APIGatewayHttpResolver], Response[Any]]
) -> Response[Any]:
    """Give an answer its ETag, answer 304 if the caller already has it, and compress it if it is large."""
    response = next_middleware(app)
    if response.status_code != HTTPStatus.OK or app.current_event.http_method != "GET":
        return response
    body = _content(response.body)
    # Weak, because the same view may be compressed or be generated at another time.
    tag = f'W/"{sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Vary": "Accept-Encoding, Authorization"}
    response.headers = {"Cache-Control": "private, no-cache", **response.headers, **headers}
    sent = app.current_event.headers.get("If-None-Match") or ""
    known = {one.strip().removeprefix("W/") for one in sent.split(",")}
    if tag.removeprefix("W/") in known or "*" in known:
        return Response(HTTPStatus.NOT_MODIFIED, body="", headers=response.headers)
    response.compress = len(body) >= COMPRESSED_FROM_BYTES and accepts_gzip(app.current_event.headers)
    return response


def _content(body: Any) -> bytes:
    """Return what an answer says, without what changes although the learner does nothing.

    That is the time at which it was generated, and the rarity of achievements, which differs between warm
    processes.
    """
    return body.encode() if isinstance(body, str) else to_json(_without_drift(body))


def _without_drift(value: Any) -> Any:
    if isinstance(value, dict):
        # A category may have one of these names, but then its value is an object or a count.
        return {
            name: _without_drift(inner)
            for name, inner in value.items()
            if name not in {"generated_at", "rarity"} or isinstance(inner, dict | int)
        }
    return [_without_drift(each) for each in value] if isinstance(value, list) else value


def serve(app: APIGatewayHttpResolver, event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer an event in payload format 2.0 and log the request: its route, never its learner."""
    reseed()
    log_request_id(event["requestContext"]["requestId"])
    answer: dict[str, Any] = app.resolve(_routed(event), context)
    logger.info("request", extra={"route": event["routeKey"], "status": answer["statusCode"]})
    return answer


def _routed(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with the path of its route, which Powertools matches against.

    `rawPath` may begin with the stage or with a custom domain's base path, and Powertools removes prefixes
    by their length. The route and its parameters have no prefix. API Gateway has decoded them, once, and they
    are not decoded again. An id that no learner can have, for example one with a slash, matches nothing.
    """
    path = event["routeKey"].partition(" ")[2]
    parameters = event.get("pathParameters") or {}
    user_id = parameters.get("user_id", "")
    path = path.replace("{user_id}", user_id if user_id == "me" or is_user_id(user_id) else "")
    for name in ("event_id", "job"):
        # Quoted, so that it is one part of the path whatever is in it. The operation says what is wrong.
        path = path.replace(f"{{{name}}}", quote(parameters.get(name, ""), safe=""))
    context = {**event["requestContext"], "stage": "$default"}
    return {**event, "rawPath": path, "requestContext": context}
