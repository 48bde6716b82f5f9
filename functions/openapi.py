"""The API's document, generated from the routes and their types; imported only when somebody asks for it."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.openapi.swagger_ui import generate_swagger_html

from domain.interaction import PostedInteractionV1
from functions import ingest, read

TITLE = "Streakline"
VERSION = "1"
DESCRIPTION = (
    "Learners' progress, as it stands: totals, trends, streaks, achievements, readiness. What is "
    "posted is answered 202 as soon as the stream has them; views follow within seconds."
)
_REF = "#/components/schemas/"
_ERRORS = {
    "400": "The request is not valid: what is wrong, field by field",
    "401": "No valid ID token of this application",
    "403": "The token's groups or claims do not allow this",
    "404": "No such learner, or none whom the caller may see",
    "429": "Too many requests: try again after `Retry-After` seconds",
    "503": "A dependency fails: try again after `Retry-After` seconds",
}
_ERRORS_OF_POSTS = {
    "413": f"More than {ingest.MAX_BODY_BYTES} bytes",
    "415": "Not application/json",
}
_ERROR = {
    "type": "object",
    "description": "What went wrong",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "request_id"],
            "properties": {
                "code": {"type": "string", "description": "Stable", "examples": ["bad_request"]},
                "message": {"type": "string", "description": "For a person"},
                "request_id": {"type": "string", "description": "To be quoted to whom one asks for help"},
                "faults": {"type": "array", "items": {"$ref": f"{_REF}ListedFault"}},
            },
        }
    },
}


@cache
def document() -> str:
    """The OpenAPI document, as JSON."""
    read_part, ingest_part = _generated(read.app), _generated(ingest.app)
    paths: dict[str, Any] = {}
    for path, found in read_part["paths"].items():
        name = path.rpartition("/")[2]
        operation = _operation(found["get"], name, getattr(read, name).__doc__, _ERRORS)
        operation["responses"]["304"] = {"description": "As it is by the ETag in If-None-Match"}
        paths[path] = {"get": operation}
    for path, found in ingest_part["paths"].items():
        name = f"post_{path.rpartition('/')[2]}"
        operation = _operation(found["post"], name, getattr(ingest, name).__doc__, _ERRORS | _ERRORS_OF_POSTS)
        paths[path] = {"post": {**operation, "requestBody": _request_body(name)}}
    schemas = {
        **read_part["components"]["schemas"],
        **ingest_part["components"]["schemas"],
        "PostedInteraction": {**PostedInteractionV1.model_json_schema(), "title": "PostedInteraction"},
        "Error": _ERROR,
    }
    # Powertools' own errors: here they have the contract's body.
    for name in [name for name in schemas if name.endswith("ValidationError")]:
        del schemas[name]
    return json.dumps(
        {
            "openapi": read_part["openapi"],
            "info": {"title": TITLE, "version": VERSION, "description": DESCRIPTION},
            # Beside this document, whatever the host and the stage.
            "servers": [{"url": "."}],
            "security": [{"idToken": []}],
            "paths": paths,
            "components": {
                "schemas": dict(sorted(schemas.items())),
                "securitySchemes": {
                    "idToken": {
                        "type": "apiKey",
                        "in": "header",
                        "name": "Authorization",
                        "description": "A Cognito ID token of this application",
                    }
                },
            },
        },
        ensure_ascii=False,
    )


def page() -> str:
    """The document as a page to try the API on: Swagger UI, all of it inside."""
    parts = files("aws_lambda_powertools.event_handler.openapi.swagger_ui")
    script, style = (
        parts.joinpath(name).read_text("utf-8") for name in ("swagger-ui-bundle.min.js", "swagger-ui.min.css")
    )
    # Within a script, nothing may look like its end.
    return generate_swagger_html(document().replace("</", "<\\/"), script, style, "", None)


def _generated(app: APIGatewayRestResolver) -> dict[str, Any]:
    generated: dict[str, Any] = json.loads(app.get_openapi_json_schema(title=TITLE, version=VERSION))
    return generated


def _operation(found: dict[str, Any], name: str, about: str, errors: Mapping[str, str]) -> dict[str, Any]:
    [(status, success)] = [
        (status, answer) for status, answer in found["responses"].items() if status.startswith("2")
    ]
    return {
        **found,
        "operationId": name,
        "summary": about,
        "tags": ["interactions" if name.startswith("post_") else "views"],
        "responses": {status: {**success, "description": about}, **dict(map(_error, errors.items()))},
    }


def _error(described: tuple[str, str]) -> tuple[str, dict[str, Any]]:
    status, description = described
    answer: dict[str, Any] = {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": f"{_REF}Error"}}},
    }
    if "Retry-After" in description:
        answer["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}
    return status, answer


def _request_body(name: str) -> dict[str, Any]:
    one: dict[str, Any] = {"$ref": f"{_REF}PostedInteraction"}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": ingest.MAX_INTERACTIONS}
    schema = one if name == "post_interaction" else many
    return {"required": True, "content": {"application/json": {"schema": schema}}}
