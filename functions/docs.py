"""The API's OpenAPI document and the page to try it out, served by a function of their own.

The document is generated from the routes of the other functions and their types. Importing all of them takes
longer than answering with a view, so no other function imports this module.
"""

import json
import os
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from aws_lambda_powertools.event_handler.openapi.swagger_ui import generate_swagger_html

from domain.exam_results import PostedExamTakenV1
from domain.interaction import PostedInteractionV1
from functions import erase, exports, ingest, posting, read, stream, xapi
from functions.api import STATUS_CODES, UNKNOWN_CERTIFICATION, ApiError, resolver, serve

TITLE = "Streakline"
VERSION = "1"
DESCRIPTION = (
    "Learners' progress: totals, trends, streaks, achievements and readiness. A posted interaction is "
    "answered with 202 as soon as it is stored, and the views follow within seconds.\n\n"
    "Errors of this API have a body with `error`. Errors that API Gateway answers before a request reaches "
    "it, for example if the token is missing or there are too many requests, have a body with `message`."
)
CACHE_CONTROL = "public, max-age=300"

_REF = "#/components/schemas/"
_OURS, _GATEWAYS = {"$ref": f"{_REF}Error"}, {"$ref": f"{_REF}GatewayError"}
_EITHER = {"oneOf": [_OURS, _GATEWAYS]}
_ERRORS: dict[str, tuple[str, dict[str, Any]]] = {
    "400": (
        "The request is not valid; `faults` lists what is wrong, field by field. "
        "Correct it: the same request would be refused again",
        _EITHER,
    ),
    "401": (
        "The token is missing, invalid or expired, or is not an ID token. Sign in, and send the new token",
        _EITHER,
    ),
    "403": (
        "The token names no learner, or its groups do not allow this. "
        "Use the account of the learner, or of an admin",
        _OURS,
    ),
    "404": (
        "The learner does not exist, or the caller may not see them; "
        "or there is no such certification (`unknown_certification`). Check the ids in the request",
        _EITHER,
    ),
    "429": ("Too many requests. Try again in a second, and then ever less often", _GATEWAYS),
    "500": ("Something is broken on our side. Report the `request_id`; a retry is safe", _EITHER),
    "503": (
        "A dependency fails; nothing was invented and nothing was lost. "
        "Try again after `Retry-After` seconds, if given",
        _EITHER,
    ),
}
_ERRORS_OF_POSTS: dict[str, tuple[str, dict[str, Any]]] = {
    "413": (f"The body is larger than {posting.MAX_BODY_BYTES} bytes. Send several requests", _EITHER),
    "415": ("The body is not application/json. Set the header Content-Type", _OURS),
}
_ERROR_SCHEMAS = {
    "Error": {
        "type": "object",
        "description": "An error of this API",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message", "request_id"],
                "properties": {
                    "code": {
                        "type": "string",
                        "description": "For programs; it does not change",
                        "enum": [*STATUS_CODES.values(), UNKNOWN_CERTIFICATION],
                    },
                    "message": {"type": "string", "description": "For people; its wording may change"},
                    "request_id": {"type": "string", "description": "Quote this when you contact support"},
                    "faults": {"type": "array", "items": {"$ref": f"{_REF}ListedFault"}},
                },
            }
        },
    },
    "GatewayError": {
        "type": "object",
        "description": "An error that API Gateway answers before the request reaches this API",
        "required": ["message"],
        "properties": {"message": {"type": "string", "examples": ["Unauthorized"]}},
    },
}
_BODIES = {
    "/interaction": "PostedInteraction",
    "/interactions": "PostedInteraction",
    "/exam": "PostedExamTaken",
    xapi.PATH: "Statement",
}
"""The schema of what each route for writing takes, by the end of its path."""
_STATEMENT = {
    "type": "object",
    "description": "An xAPI statement, 1.0.3 or 2.0; docs/xapi.md says which are understood",
    "required": ["actor", "verb", "object"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "actor": {
            "type": "object",
            "examples": [{"account": {"homePage": "https://a.example", "name": "ann"}}],
        },
        "verb": {"type": "object", "examples": [{"id": "http://adlnet.gov/expapi/verbs/answered"}]},
        "object": {"type": "object", "examples": [{"id": "https://learn.example.com/content/saa-1-01"}]},
        "result": {"type": "object", "examples": [{"score": {"scaled": 0.8}, "duration": "PT30S"}]},
        "timestamp": {"type": "string", "examples": ["2026-03-01T21:30:00+02:00"]},
    },
}

app = resolver()


@cache
def document() -> str:
    """Return the OpenAPI document, as JSON."""
    reading, writing = _generated(read.app), _generated(ingest.app)
    erasing, exporting = _generated(erase.app), _generated(exports.app)
    paths: dict[str, Any] = {}
    for path, methods in reading["paths"].items():
        view = _operation(methods["get"], _ERRORS)
        view["responses"]["304"] = {"description": "The view is still the one whose ETag If-None-Match names"}
        paths[path] = {"get": view}
    for path, methods in writing["paths"].items():
        paths[path] = {
            method: {
                **_operation(generated, _ERRORS | _ERRORS_OF_POSTS),
                "requestBody": _request_body(method, path),
            }
            for method, generated in methods.items()
        }
    for path, methods in [*erasing["paths"].items(), *exporting["paths"].items()]:
        paths[path] = {method: _operation(generated, _ERRORS) for method, generated in methods.items()}
    schemas = {
        **reading["components"]["schemas"],
        **writing["components"]["schemas"],
        **erasing["components"]["schemas"],
        **exporting["components"]["schemas"],
        "PostedInteraction": {**PostedInteractionV1.model_json_schema(), "title": "PostedInteraction"},
        "PostedExamTaken": {**PostedExamTakenV1.model_json_schema(), "title": "PostedExamTaken"},
        "Statement": _STATEMENT,
        **_ERROR_SCHEMAS,
    }
    # Powertools describes validation errors of its own. Here they have the contract's body.
    for name in [name for name in schemas if name.endswith("ValidationError")]:
        del schemas[name]
    return json.dumps(
        {
            "openapi": reading["openapi"],
            "info": {"title": TITLE, "version": VERSION, "description": DESCRIPTION},
            # Relative to this document, and so right on every host and below every base path.
            "servers": [{"url": "."}],
            "security": [{"token": []}],
            "paths": paths,
            "components": {
                "schemas": dict(sorted(schemas.items())),
                "securitySchemes": {
                    "token": {
                        "type": "http",
                        "scheme": "bearer",
                        "bearerFormat": "JWT",
                        "description": "A token of the configured issuer; from Cognito, an ID token",
                    }
                },
            },
        },
        ensure_ascii=False,
    )


@cache
def page() -> str:
    """Return the page to try the API out: Swagger UI with the document, all of it inline."""
    parts = files("aws_lambda_powertools.event_handler.openapi.swagger_ui")
    script, style = (
        parts.joinpath(name).read_text("utf-8") for name in ("swagger-ui-bundle.min.js", "swagger-ui.min.css")
    )
    # Nothing inside a script element may look like its end.
    return generate_swagger_html(document().replace("</", "<\\/"), script, style, "", None)


def _generated(part: APIGatewayHttpResolver) -> dict[str, Any]:
    generated: dict[str, Any] = json.loads(part.get_openapi_json_schema(title=TITLE, version=VERSION))
    return generated


def _operation(generated: dict[str, Any], errors: Mapping[str, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Return a generated operation with its successful answer described and its errors added."""
    successes = {
        status: {**answer, "description": generated["summary"]}
        for status, answer in generated["responses"].items()
        if status.startswith("2")
    }
    if no_content := successes.get("204"):
        del no_content["content"]
    return {
        **generated,
        "responses": successes | {status: _error(*described) for status, described in errors.items()},
    }


def _error(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": description,
        "content": {content_types.APPLICATION_JSON: {"schema": schema}},
    }
    if "Retry-After" in description:
        answer["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}
    return answer


def _request_body(method: str, path: str) -> dict[str, Any]:
    one = {"$ref": _REF + next(name for end, name in _BODIES.items() if path.endswith(end))}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": stream.MAX_RECORDS}
    schema: dict[str, Any] = one
    if path.endswith("/interactions"):
        schema = many
    elif (method, path) == ("post", xapi.PATH):
        schema = {"oneOf": [one, many]}
    return {"required": True, "content": {content_types.APPLICATION_JSON: {"schema": schema}}}


@app.get("/openapi.json")
def openapi() -> Response[str]:
    """Return the OpenAPI document."""
    return Response(200, content_types.APPLICATION_JSON, document(), {"Cache-Control": CACHE_CONTROL})


@app.get("/docs")
def docs() -> Response[str]:
    """Return the page to try the API out. Raise ApiError 404 if the stack has none."""
    if os.environ["DOCS_UI"] != "on":
        raise ApiError(404, "There is no such resource.")
    return Response(200, content_types.TEXT_HTML, page(), {"Cache-Control": CACHE_CONTROL})


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a request for one of the routes above."""
    return serve(app, event, context)
