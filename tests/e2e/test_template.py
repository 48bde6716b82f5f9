"""The template after SAM's transform: what CloudFormation gets to see of the API."""

from typing import Any

import pytest

from gates.checks import DEPLOYMENTS
from gates.checks import transformed as transformed_template
from gates.resolve import Resolver


@pytest.fixture(scope="module", name="transformed")
def resources() -> dict[str, Any]:
    """Return the resources that SAM makes of the template's, by logical id."""
    resources: dict[str, Any] = transformed_template()["Resources"]
    return resources


def deployed(kind: str, **parameters: str) -> list[dict[str, Any]]:
    """Return the properties of the resources of a kind, as a stack with these parameters has them."""
    return of_type(Resolver(transformed_template(), parameters).resources(), kind)


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
        "AllowMethods": ["GET", "POST", "PUT", "DELETE"],
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


@pytest.mark.parametrize(
    ("origins", "allowed"),
    [
        ("", None),
        ("*", ["*"]),
        ("https://learn.example,https://teach.example", ["https://learn.example", "https://teach.example"]),
    ],
)
def test_a_stack_has_cors_for_the_allowed_origins_only(origins: str, allowed: list[str] | None) -> None:
    [api] = deployed("AWS::ApiGatewayV2::Api", AllowedOrigins=origins)
    # Without origins API Gateway answers no preflight at all.
    assert api.get("CorsConfiguration", {}).get("AllowOrigins") == allowed
    assert "AllowCredentials" not in api.get("CorsConfiguration", {})


def test_the_one_stage_limits_every_route_that_is_not_for_reading() -> None:
    [stage] = deployed(
        "AWS::ApiGatewayV2::Stage",
        ReadRateLimit="9",
        WriteRateLimit="7",
        AnonymousRateLimit="5",
        PageRateLimit="3",
    )
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == "9"
    rates = {route: limits["ThrottlingRateLimit"] for route, limits in stage["RouteSettings"].items()}
    # Fixed: nobody does these often, and each is much work.
    rare = {"DELETE /progress/{user_id}", "POST /progress/{user_id}/export"}
    assert {rates.pop(key) for key in rare} == {5}
    expected = {}
    for route in deployed("AWS::ApiGatewayV2::Route"):
        key = route["RouteKey"]
        if key in rare:
            continue
        if route["AuthorizationType"] == "JWT":
            expected[key] = "9" if key.startswith("GET ") else "7"
        else:
            expected[key] = "5" if key in {"GET /docs", "GET /openapi.json"} else "3"
    assert rates == {key: rate for key, rate in expected.items() if rate != "9"}


@pytest.mark.parametrize(
    ("parameters", "issuer", "audience"),
    [
        ({}, "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_UserPool", ["UserPoolClient"]),
        (
            {"JwtIssuer": "https://issuer.example/", "JwtAudience": "learn,teach"},
            "https://issuer.example/",
            ["learn", "teach"],
        ),
    ],
)
def test_the_one_authorizer_verifies_issuer_and_audience(
    parameters: dict[str, str], issuer: str, audience: list[str]
) -> None:
    [authorizer] = deployed("AWS::ApiGatewayV2::Authorizer", **parameters)
    assert authorizer["AuthorizerType"] == "JWT"
    assert authorizer["JwtConfiguration"] == {"Issuer": issuer, "Audience": audience}


def test_only_this_api_may_invoke_the_apis_functions(transformed: dict[str, Any]) -> None:
    grants = of_type(transformed, "AWS::Lambda::Permission")
    assert len(grants) == 6
    for grant in grants:
        assert grant["Principal"] == "apigateway.amazonaws.com"
        assert grant["SourceArn"]["Fn::Sub"].endswith(":${HttpApi}/*/*/*")
        assert grant["FunctionName"]["Ref"].endswith("FunctionAliaslive")


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
        if source["FunctionName"] == {"Ref": "CatalogFunctionAliaslive"}
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


@pytest.mark.parametrize("views", ["blue", "green", "both"])
def test_every_transformed_event_source_counts_its_events_for_the_alarms(views: str) -> None:
    stream = DEPLOYMENTS["with all options"]["ProgressTableStreamArn"]
    parameters = {"Views": views, "ProgressTableStreamArn": stream}
    resources = Resolver(transformed_template(), parameters).resources()
    sources = {
        name: one["Properties"]
        for name, one in resources.items()
        if one["Type"] == "AWS::Lambda::EventSourceMapping"
    }
    assert all(source["MetricsConfig"] == {"Metrics": ["EventCount"]} for source in sources.values())
    watched = {
        dimension["Value"]
        for alarm in of_type(resources, "AWS::CloudWatch::Alarm")
        for query in alarm.get("Metrics", [])
        for dimension in query.get("MetricStat", {}).get("Metric", {}).get("Dimensions", [])
        if dimension["Name"] == "EventSourceMappingUUID"
    }
    assert watched == sources.keys()
