"""The OpenAPI document and the page to try the API out."""

import gzip
import json
from base64 import b64decode
from typing import Any

import pytest

from functions import docs, ingest, read
from functions.api import operation, resolver
from tests.integration.http_events import http_event
from tests.integration.template import routes


def answer(path: str, **headers: str) -> dict[str, Any]:
    return docs.handler(http_event("GET", path, headers=headers), None)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer("/openapi.json")["body"])
    return found


def test_the_document_names_every_route_that_needs_a_token(document: dict[str, Any]) -> None:
    documented = {
        f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods
    }
    assert documented == {key for key, route in routes().items() if route["AuthorizationType"] == "JWT"}


def test_every_reference_resolves_and_no_schema_is_unused(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    used = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert used == set(document["components"]["schemas"])
    assert "ValidationError" not in text


def test_every_operation_has_an_id_a_summary_and_its_errors(document: dict[str, Any]) -> None:
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    for described in operations:
        assert described["operationId"].isidentifier()
        assert described["summary"].endswith(".")
        assert {"400", "401", "403", "404", "429", "500", "503"} < set(described["responses"])
    assert len({described["operationId"] for described in operations}) == len(operations)


def test_the_gateways_own_errors_are_told_from_ours(document: dict[str, Any]) -> None:
    responses = document["paths"]["/progress/{user_id}/streak"]["get"]["responses"]

    def schemas(status: str) -> set[str]:
        schema = responses[status]["content"]["application/json"]["schema"]
        return {one["$ref"].rpartition("/")[2] for one in schema.get("oneOf", [schema])}

    assert schemas("429") == {"GatewayError"}
    assert schemas("403") == {"Error"}
    assert schemas("401") == schemas("404") == schemas("503") == {"Error", "GatewayError"}


def test_the_document_asks_for_a_bearer_token(document: dict[str, Any]) -> None:
    [(name, scheme)] = document["components"]["securitySchemes"].items()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert document["security"] == [{name: []}]


def test_an_operations_id_and_summary_need_not_resemble_its_path() -> None:
    app = resolver()

    @operation(app.get, "/progress/<user_id>/calendar.ics", "views")
    def study_calendar(user_id: str) -> dict[str, str]:
        """Return the study days as a calendar.

        For subscriptions.
        """
        return {"user_id": user_id}

    found = json.loads(app.get_openapi_json_schema(title="t", version="1"))
    described = found["paths"]["/progress/{user_id}/calendar.ics"]["get"]
    assert described["operationId"] == "study_calendar"
    assert described["summary"] == "Return the study days as a calendar."
    assert described["tags"] == ["views"]


def test_the_page_is_served_only_if_the_stack_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCS_UI", "off")
    assert answer("/docs")["statusCode"] == 404
    monkeypatch.setenv("DOCS_UI", "on")
    page = answer("/docs")
    assert (page["statusCode"], page["headers"]["Content-Type"]) == (200, "text/html")
    assert "SwaggerUIBundle" in page["body"]


def test_document_and_page_are_cached_and_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCS_UI", "on")
    for path in ("/openapi.json", "/docs"):
        plain, compressed = answer(path), answer(path, **{"Accept-Encoding": "gzip"})
        assert gzip.decompress(b64decode(compressed["body"])).decode() == plain["body"]
        assert len(compressed["body"]) < len(plain["body"]) / 2
        assert plain["headers"]["Cache-Control"] == "public, max-age=300"
        known = answer(path, **{"If-None-Match": plain["headers"]["ETag"]})
        assert (known["statusCode"], known["body"]) == (304, "")


def test_the_other_functions_serve_neither() -> None:
    for handler in (read.handler, ingest.handler):
        assert handler(http_event("GET", "/openapi.json"), None)["statusCode"] == 404
