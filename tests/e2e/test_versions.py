"""Releases on the transformed template: what publishes a version, who calls it, and what takes it back."""

import copy
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e.transformed import of_type, transformed
from tests.stacks import defaults, resolved

OTHER_ISSUER = {
    "JwtIssuer": "https://issuer.example",
    "JwtAudience": "app",
    "SignInClientId": "page",
    "SignInAuthorizeUrl": "https://issuer.example/authorize",
    "SignInTokenUrl": "https://issuer.example/token",
    "ContentTableStreamArn": "arn:aws:dynamodb:us-east-1:123456789012:table/content/stream/1",
    "ProgressTableStreamArn": "arn:aws:dynamodb:us-east-1:123456789012:table/progress/stream/1",
}
STACKS: dict[str, dict[str, str]] = {
    "with its own user pool": {},
    "with another issuer": OTHER_ISSUER,
    "with both views": {"Views": "both"},
}
"""Parameters of stacks between them in which every parameter means something."""
REACHING = {
    "ApiMaxEventAgeDays",
    "Architecture",
    "DocsUi",
    "EventLog",
    "GreenSince",
    "GroupsClaim",
    "JwtIssuer",
    "LearnerClaim",
    "LocalEndpointUrl",
    "LogLevel",
    "PythonRuntime",
    "SignIn",
    "SignInAuthorizeUrl",
    "SignInClientId",
    "SignInTokenUrl",
    "SnapStart",
    "StreakFreezes",
    "Tracing",
    "Views",
    "XapiContentPrefixes",
}
"""Parameters that reach a function. The test that uses them finds them itself."""


def functions(template: Mapping[str, Any], parameters: Mapping[str, str] | None = None) -> list[str]:
    """Return the functions of the template, or those that exist with these parameters."""
    return [
        name
        for name in of_type(template, "AWS::Lambda::Function")
        if parameters is None
        or (condition := template["Resources"][name].get("Condition")) is None
        or resolved(template, {"Condition": condition}, parameters)
    ]


def changed(template: Mapping[str, Any], name: str, value: str) -> str:
    """Return another value of a parameter."""
    allowed = [str(one) for one in template["Parameters"][name].get("AllowedValues", ())]
    return next((one for one in allowed if one != value), "7" if value != "7" else "8")


def configuration(template: Mapping[str, Any], function: str, parameters: Mapping[str, str]) -> Any:
    """Return what a version keeps of a function, except the number of the settings themselves."""
    properties = template["Resources"][function]["Properties"]
    assert properties["Environment"]["Variables"]["SETTINGS_VERSION"] == {"Ref": "SettingsVersion"}
    return resolved(template, {**properties, "Environment": without_settings(properties)}, parameters)


def without_settings(properties: Mapping[str, Any]) -> dict[str, Any]:
    variables = properties["Environment"]["Variables"]
    return {name: value for name, value in variables.items() if name != "SETTINGS_VERSION"}


def version_of(template: Mapping[str, Any], function: str) -> str:
    """Return the logical id of the version that the function's alias names."""
    [alias] = [
        one
        for one in of_type(template, "AWS::Lambda::Alias").values()
        if one["FunctionName"] == {"Ref": function}
    ]
    version: str = alias["FunctionVersion"]["Fn::GetAtt"][0]
    return version


def published(template: Mapping[str, Any], function: str, parameters: Mapping[str, str]) -> Any:
    """Return all that makes CloudFormation replace the function's version if it changes."""
    version = version_of(template, function)
    properties = template["Resources"][version]["Properties"]
    assert properties["Description"] == {"Fn::Sub": "settings ${SettingsVersion}"}, version
    content = template["Resources"]["SettingsVersion"]["Properties"]
    return version, resolved(template, content, parameters)


def silent_changes(template: Mapping[str, Any], stack: Mapping[str, str]) -> tuple[set[str], set[str]]:
    """Return the parameters that change a function, and those of them that publish no version of it."""
    before = {**defaults(template), **stack}
    reaching, silent = set(), set()
    for name, value in before.items():
        after = {**before, name: changed(template, name, value)}
        for function in set(functions(template, before)) & set(functions(template, after)):
            if configuration(template, function, before) != configuration(template, function, after):
                reaching.add(name)
                if published(template, function, before) == published(template, function, after):
                    silent.add(name)
    return reaching, silent


def test_a_changed_parameter_that_reaches_a_function_publishes_a_version_of_it() -> None:
    template = transformed()
    found: set[str] = set()
    for stack in STACKS.values():
        reaching, silent = silent_changes(template, stack)
        assert not silent, "add these to the Content of SettingsVersion"
        found |= reaching
    assert found == REACHING


@pytest.mark.parametrize("name", ["LogLevel", "StreakFreezes", "SignInTokenUrl"])
def test_a_parameter_that_is_left_out_of_the_settings_is_found(name: str) -> None:
    template = copy.deepcopy(transformed())
    content = template["Resources"]["SettingsVersion"]["Properties"]["Content"]["Fn::Sub"]
    content[0] = content[0].replace(f"${{{name}}}", "")
    assert [silent_changes(template, stack)[1] for stack in STACKS.values()].count({name}) > 0


def test_every_resource_in_a_functions_environment_is_part_of_the_settings() -> None:
    template = transformed()
    for stack in STACKS.values():
        parameters = {**defaults(template), **stack}
        content = resolved(
            template, template["Resources"]["SettingsVersion"]["Properties"]["Content"], parameters
        )
        for function in functions(template, parameters):
            variables = configuration(template, function, parameters)["Environment"]
            # Pseudo parameters, such as the stack's name, never change.
            used = {
                value.partition(".")[0].strip("<>")
                for value in variables.values()
                # Nor does a function's alias, and the settings would depend on themselves.
                if re.match("<(?!AWS::)(?!.*Aliaslive)", value)
            }
            listed = {line.partition("<")[2].partition(">")[0] for line in content.splitlines()}
            assert not used - listed, "add these to the Content of SettingsVersion"


def test_every_event_source_and_integration_calls_the_alias() -> None:
    template = transformed()
    aliases = of_type(template, "AWS::Lambda::Alias")
    assert {one["FunctionName"]["Ref"] for one in aliases.values()} == set(functions(template))
    assert {one["Name"] for one in aliases.values()} == {"live"}
    for source in of_type(template, "AWS::Lambda::EventSourceMapping").values():
        assert source["FunctionName"]["Ref"] in aliases
    for integration in of_type(template, "AWS::ApiGatewayV2::Integration").values():
        assert integration["IntegrationUri"]["Ref"] in aliases
    for grant in of_type(template, "AWS::Lambda::Permission").values():
        assert grant["FunctionName"]["Ref"] in aliases


def test_a_gradual_deployment_moves_every_alias_and_is_taken_back_by_the_alarms() -> None:
    template = transformed(GradualDeployment="true")
    groups = of_type(template, "AWS::CodeDeploy::DeploymentGroup")
    used = set()
    for name, alias in of_type(template, "AWS::Lambda::Alias").items():
        update = template["Resources"][name]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
        group = update["DeploymentGroupName"]["Ref"]
        used.add(group)
        assert template["Resources"][group].get("Condition") == template["Resources"][name].get("Condition")
        assert alias["FunctionName"]["Ref"] in group
    assert used == set(groups)
    for group in groups.values():
        assert "Canary10Percent10Minutes" in str(group["DeploymentConfigName"])
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
        watched = {one["Name"]["Ref"] for one in group["AlarmConfiguration"]["Alarms"]}
        assert watched == {"ReleaseFails", "ReleaseFailsToAnswer", "ReleaseTroublesLearners"}
        assert watched <= set(of_type(template, "AWS::CloudWatch::Alarm"))


def test_a_deployment_that_is_not_gradual_needs_nothing_of_codedeploy() -> None:
    template = transformed()
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    assert not {kind for kind in kinds if kind.startswith("AWS::CodeDeploy::")}
    for name in ("DeploymentRole", "ReleaseFails", "ReleaseFailsToAnswer", "ReleaseTroublesLearners"):
        assert template["Resources"][name]["Condition"] == "Gradual"


def watched(template: Mapping[str, Any], alarm: str, function: str, version: str) -> dict[str, str]:
    """Return the functions that an alarm watches, with the version that it watches of each.

    `function` and `version` are the names of its metrics' dimensions.
    """
    metrics = template["Resources"][alarm]["Properties"]["Metrics"]
    found = {}
    for metric in (one["Fn::If"][1] if "Fn::If" in one else one for one in metrics):
        if "MetricStat" in metric:
            given = {one["Name"]: one["Value"] for one in metric["MetricStat"]["Metric"]["Dimensions"]}
            found[given[function]["Ref"]] = given[version]["Fn::GetAtt"][0]
            alias = {"Fn::Sub": f"${{{given[function]['Ref']}}}:live"}
            assert given.get("Resource", alias) == alias
    return found


def test_the_alarms_of_releases_watch_the_newest_version_of_every_function() -> None:
    template = transformed()
    newest = {function: version_of(template, function) for function in functions(template)}
    failing = [
        watched(template, alarm, "FunctionName", "ExecutedVersion")
        for alarm in ("ReleaseFails", "ReleaseFailsToAnswer")
    ]
    assert failing[0] | failing[1] == newest
    troubled = watched(template, "ReleaseTroublesLearners", "function", "version")
    assert troubled.items() <= newest.items()
    # Those that read learners' items, or answer a bug with a 500.
    api = {"ReadFunction", "IngestFunction", "DocsFunction", "EraseFunction", "ExportsFunction"}
    assert set(troubled) == {"ProjectFunction", "GreenProjectFunction", *api}


def test_codedeploy_may_move_the_aliases_of_every_function_and_of_no_other() -> None:
    template = transformed()
    statements = template["Resources"]["DeploymentRole"]["Properties"]["Policies"][0]["PolicyDocument"]
    [resources] = [
        one["Resource"] for one in statements["Statement"] if "lambda:UpdateAlias" in one["Action"]
    ]
    for stack in STACKS.values():
        parameters = {**defaults(template), **stack}
        allowed = resolved(template, resources, parameters)
        exist = functions(template, parameters)
        assert set(allowed) == {f"<{name}.Arn>{end}" for name in exist for end in ("", ":*")}


def test_only_functions_that_somebody_waits_for_start_from_a_snapshot() -> None:
    template = transformed()
    snapshots = {
        name for name, one in of_type(template, "AWS::Lambda::Function").items() if "SnapStart" in one
    }
    assert snapshots == {"ProjectFunction", "GreenProjectFunction", "ReadFunction", "IngestFunction"}
    for version in of_type(template, "AWS::Lambda::Version"):
        assert template["Resources"][version]["DeletionPolicy"] == "Delete"
