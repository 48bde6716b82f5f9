"""The HTTP API as the template declares it, and the sample payloads in events/ against the functions."""

import json
import re
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest

from functions import docs, erase, exports, ingest, page, read
from tests.integration.http_events import passed_on
from tests.integration.template import TEMPLATE, routes, template

DOCUMENTS = {"GET /openapi.json", "GET /docs"}
PAGE = {"GET /", "GET /config.json", "GET /assets/{version}/{file+}"}
ANONYMOUS = DOCUMENTS | PAGE
FUNCTIONS: dict[str, Any] = {
    "integrations/${ReadIntegration}": read,
    "integrations/${IngestIntegration}": ingest,
    "integrations/${DocsIntegration}": docs,
    "integrations/${PageIntegration}": page,
    "integrations/${EraseIntegration}": erase,
    "integrations/${ExportsIntegration}": exports,
}
SAMPLES = sorted((TEMPLATE.parent / "events").glob("api_*.json"))


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of the template's resources of a type, by logical id."""
    return {
        name: resource["Properties"]
        for name, resource in template()["Resources"].items()
        if resource["Type"] == kind
    }


def default(parameter: str) -> Any:
    return template()["Parameters"][parameter]["Default"]


def test_nothing_of_a_rest_api_is_left() -> None:
    text = TEMPLATE.read_text()
    assert not re.search(r"AWS::ApiGateway::|AWS::Serverless::(Api|HttpApi)|Type: (Http)?Api\b", text)


def test_all_routes_but_documents_and_the_page_need_a_token() -> None:
    [authorizer] = resources("AWS::ApiGatewayV2::Authorizer")
    for key, route in routes().items():
        expected = ("NONE", None) if key in ANONYMOUS else ("JWT", authorizer)
        assert (route["AuthorizationType"], route.get("AuthorizerId")) == expected, key
    assert set(routes()) > ANONYMOUS


def test_every_route_leads_to_the_function_that_answers_it() -> None:
    for key, route in routes().items():
        method, _, path = key.partition(" ")
        assert (FUNCTIONS[route["Target"]] is page) == (key in PAGE), key
        if key in PAGE:
            # tests/integration/test_page.py asks for them.
            continue
        app = FUNCTIONS[route["Target"]].app
        answered = json.loads(app.get_openapi_json_schema(title="t", version="1"))["paths"]
        assert method.lower() in answered[path], key


def test_integration_and_permission_name_the_functions_alias_and_in_one_place() -> None:
    named = [uri["IntegrationUri"] for uri in resources("AWS::ApiGatewayV2::Integration").values()]
    allowed = [grant["FunctionName"] for grant in resources("AWS::Lambda::Permission").values()]
    assert sorted(named) == sorted(allowed)
    assert sorted(named) == [
        "DocsFunction.Alias",
        "EraseFunction.Alias",
        "ExportsFunction.Alias",
        "IngestFunction.Alias",
        "PageFunction.Alias",
        "ReadFunction.Alias",
    ]
    for integration in resources("AWS::ApiGatewayV2::Integration").values():
        assert integration["PayloadFormatVersion"] == "2.0"


def test_the_one_stage_serves_at_the_root_and_limits_every_route() -> None:
    [(name, stage)] = resources("AWS::ApiGatewayV2::Stage").items()
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    limited = stage["RouteSettings"]
    assert set(limited) == {key for key in routes() if not key.startswith("GET ")} | ANONYMOUS
    for key in ("DELETE /progress/{user_id}", "POST /progress/{user_id}/export"):
        assert limited[key]["ThrottlingRateLimit"] < default("WriteRateLimit")
    for keys, kind in ((DOCUMENTS, "Anonymous"), (PAGE, "Page")):
        for key in keys:
            assert limited[key] == {
                "ThrottlingRateLimit": f"{kind}RateLimit",
                "ThrottlingBurstLimit": f"{kind}BurstLimit",
            }
    assert default("AnonymousRateLimit") < min(default("ReadRateLimit"), default("WriteRateLimit"))
    assert default("AnonymousBurstLimit") < min(default("ReadBurstLimit"), default("WriteBurstLimit"))
    # CloudFormation would otherwise create the stage first, and API Gateway refuse it.
    declared = template()["Resources"]
    waited_for = {declared[route]["Properties"]["RouteKey"] for route in declared[name]["DependsOn"]}
    assert waited_for == set(limited)


def test_the_access_log_holds_nothing_that_names_a_learner() -> None:
    [stage] = resources("AWS::ApiGatewayV2::Stage").values()
    variables = set(re.findall(r"\$context\.([\w.]+)", stage["AccessLogSettings"]["Format"]))
    assert "routeKey" in variables
    revealing = ("path", "identity", "claims", "principalId", "authorizer.sub")
    assert not [variable for variable in variables if any(word in variable for word in revealing)]
    json.loads(stage["AccessLogSettings"]["Format"])


def test_the_alarm_watches_the_http_apis_own_metric() -> None:
    alarm = resources("AWS::CloudWatch::Alarm")["ApiFails"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/ApiGateway", "5xx")
    assert alarm["Dimensions"] == [
        {"Name": "ApiId", "Value": "HttpApi"},
        {"Name": "Stage", "Value": "$default"},
    ]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_payload_has_the_form_of_an_http_apis_event(sample: Path) -> None:
    event = json.loads(sample.read_text())
    context = event["requestContext"]
    assert event["version"] == "2.0"
    assert event["routeKey"] == context["routeKey"]
    assert all(name == name.lower() for name in event["headers"])
    if event["routeKey"] not in ANONYMOUS:
        payload = event["headers"]["authorization"].split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        assert context["authorizer"]["jwt"]["claims"] == passed_on(claims)
