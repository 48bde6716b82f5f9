"""The template after SAM's transform: what CloudFormation gets to see of the API."""

import json
import os
import subprocess
from typing import Any

import pytest

from cli.local import TOOLS
from cli.stack import ROOT

TRANSFORM = """
import json, sys
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

template = yaml_parse(open(sys.argv[1]).read())
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        resource["Properties"]["CodeUri"] = "s3://bucket/code"
print(json.dumps(Translator({}, Parser()).translate(template, {})))
"""


@pytest.fixture(scope="module")
def transformed() -> dict[str, Any]:
    """Return the resources that SAM makes of the template's, by logical id."""
    made = subprocess.run(
        [str(TOOLS / "python"), "-c", TRANSFORM, str(ROOT / "template.yaml")],
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    resources: dict[str, Any] = json.loads(made.stdout)["Resources"]
    return resources


def of_type(resources: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [resource["Properties"] for resource in resources.values() if resource["Type"] == kind]


def test_sam_makes_no_rest_api_and_no_second_stage(transformed: dict[str, Any]) -> None:
    kinds = [resource["Type"] for resource in transformed.values()]
    assert not [kind for kind in kinds if kind.startswith(("AWS::ApiGateway::", "AWS::Serverless::"))]
    assert kinds.count("AWS::ApiGatewayV2::Api") == kinds.count("AWS::ApiGatewayV2::Stage") == 1


def test_no_resource_of_a_rest_api_changes_its_type_in_an_update(transformed: dict[str, Any]) -> None:
    # The logical ids that SAM gave to the REST API, its deployment and its stages.
    assert not {
        name for name in transformed if name in {"Api", "ApiStage"} or name.startswith("ApiDeployment")
    }


def test_every_transformed_route_has_the_authorizer_but_documents_and_the_page(
    transformed: dict[str, Any],
) -> None:
    anonymous = []
    for route in of_type(transformed, "AWS::ApiGatewayV2::Route"):
        if route["AuthorizationType"] == "NONE":
            anonymous.append(route["RouteKey"])
        else:
            assert (route["AuthorizationType"], route["AuthorizerId"]) == ("JWT", {"Ref": "Learners"})
        assert set(route["Target"]) == {"Fn::Sub"}
    assert sorted(anonymous) == [
        "GET /",
        "GET /assets/{version}/{file+}",
        "GET /config.json",
        "GET /docs",
        "GET /openapi.json",
    ]


def test_cors_stays_a_condition_on_the_api_itself(transformed: dict[str, Any]) -> None:
    [api] = of_type(transformed, "AWS::ApiGatewayV2::Api")
    condition, configuration, otherwise = api["CorsConfiguration"]["Fn::If"]
    assert (condition, otherwise) == ("WithOrigins", {"Ref": "AWS::NoValue"})
    assert configuration == {
        "AllowOrigins": {"Ref": "AllowedOrigins"},
        "AllowMethods": ["GET", "POST", "PUT"],
        "AllowHeaders": [
            "authorization",
            "content-type",
            "idempotency-key",
            "if-none-match",
            "x-experience-api-version",
        ],
        "ExposeHeaders": [
            "apigw-requestid",
            "etag",
            "retry-after",
            "www-authenticate",
            "x-experience-api-version",
            "x-streakline-not-understood",
        ],
        "MaxAge": 600,
    }


def test_only_this_api_may_invoke_the_apis_functions(transformed: dict[str, Any]) -> None:
    grants = of_type(transformed, "AWS::Lambda::Permission")
    assert len(grants) == 4
    for grant in grants:
        assert grant["Principal"] == "apigateway.amazonaws.com"
        assert grant["SourceArn"]["Fn::Sub"].endswith(":${HttpApi}/*/*/*")
        assert set(grant["FunctionName"]) == {"Fn::GetAtt"}


def test_the_authorizer_trusts_the_own_pool_or_the_named_issuer(transformed: dict[str, Any]) -> None:
    [authorizer] = of_type(transformed, "AWS::ApiGatewayV2::Authorizer")
    assert authorizer["IdentitySource"] == ["$request.header.Authorization"]
    assert authorizer["JwtConfiguration"] == {
        "Issuer": {
            "Fn::If": ["OwnUserPool", {"Fn::Sub": "https://${UserPool.ProviderName}"}, {"Ref": "JwtIssuer"}]
        },
        "Audience": {
            "Fn::If": [
                "OwnUserPool",
                [{"Ref": "UserPoolClient"}],
                {"Fn::Split": [",", {"Ref": "JwtAudience"}]},
            ]
        },
    }
    for kind in ("UserPool", "UserPoolClient", "Instructors", "Admins"):
        assert transformed[kind]["Condition"] == "OwnUserPool"


def test_the_catalog_reads_the_stacks_own_content_table_or_the_named_stream(
    transformed: dict[str, Any],
) -> None:
    stream = {
        "Fn::If": [
            "OwnContentTable",
            {"Fn::GetAtt": ["ContentTable", "StreamArn"]},
            {"Ref": "ContentTableStreamArn"},
        ]
    }
    sources = [
        source["EventSourceArn"]
        for source in of_type(transformed, "AWS::Lambda::EventSourceMapping")
        if source["FunctionName"] == {"Ref": "CatalogFunction"}
    ]
    assert sources == [stream]
    statements = transformed["CatalogRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert [one["Resource"] for one in statements if "dynamodb:GetRecords" in one["Action"]] == [stream]
    assert transformed["ContentTable"]["Condition"] == "OwnContentTable"
    referring = [name for name, one in transformed.items() if "ContentTable" in (one.get("DependsOn") or ())]
    assert not referring, "these would need a table that may not exist"


def test_the_progress_tables_function_exists_only_with_its_stream(transformed: dict[str, Any]) -> None:
    of_it = {name for name, one in transformed.items() if one.get("Condition") == "WithProgressTable"}
    made_by_sam = {name for name in of_it if name.startswith("ProgressTableFunction")}
    assert of_it - made_by_sam == {"ProgressTableRole", "ProgressTableIsBehind", "ProgressTableFails"}
    [source] = [
        one["Properties"]
        for name, one in transformed.items()
        if name in of_it and one["Type"] == "AWS::Lambda::EventSourceMapping"
    ]
    assert source["EventSourceArn"] == {"Ref": "ProgressTableStreamArn"}
    assert source["BisectBatchOnFunctionError"] is True
    assert "ProgressTableFunction" in made_by_sam


def test_every_transformed_event_source_counts_its_events_for_the_alarms(transformed: dict[str, Any]) -> None:
    sources = {
        name: one["Properties"]
        for name, one in transformed.items()
        if one["Type"] == "AWS::Lambda::EventSourceMapping"
    }
    assert all(source["MetricsConfig"] == {"Metrics": ["EventCount"]} for source in sources.values())
    watched = {
        dimension["Value"]["Ref"]
        for alarm in of_type(transformed, "AWS::CloudWatch::Alarm")
        for query in alarm.get("Metrics", [])
        for dimension in query.get("MetricStat", {}).get("Metric", {}).get("Dimensions", [])
        if dimension["Name"] == "EventSourceMappingUUID"
    }
    assert watched == sources.keys()
