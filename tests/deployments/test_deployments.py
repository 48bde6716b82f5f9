"""`sam deploy` as the documentation has it, and with every combination of the yes/no parameters.

These take minutes, so `make deployments` runs them and `make test` does not.
"""

import os
import subprocess
import sys
import tomllib
from itertools import product
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.doors import Door, deliver
from cli.local import TOOLS
from cli.remove import REMOVERS
from cli.stack import LOCAL_ENVIRONMENT, ROOT, Stack, describe
from cli.token import id_token, own_user
from tests.e2e.conftest import Deployed
from tests.e2e.interactions import ensure_test_content, eventually, interaction
from tests.e2e.test_remove import holding_data, remove
from tests.e2e.wire import call

CHOICES = {
    "Cdn": ("off", "on"),
    "DocsUi": ("off", "on"),
    "EventLog": ("off", "on"),
    "KeepData": ("no", "yes"),
}
"""The parameters with two values, without those for which MiniStack lacks a part: GradualDeployment needs
CodeDeploy, AlarmsOnExpressions needs alarms on expressions, and Cdn=with-waf a web ACL for CloudFront."""
PACKAGES = "streakline-packages"
COMBINATIONS = [dict(zip(CHOICES, values, strict=True)) for values in product(*CHOICES.values())]
DOORS: tuple[Door, ...] = ("stream", "api")
"""The bridge that brings the bus's events into a stream works for the first stack of a MiniStack only."""
LEARNER = "deployments-learner"
GONE = {"DELETED", "DELETE_COMPLETE"}
CONFIGURATION: dict[str, Any] = tomllib.loads((ROOT / "samconfig.toml").read_text())


def sam(stack: Deployed, *arguments: str) -> str:
    """Run a command of SAM against the local stack, and return what it printed."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **{name: value for name, value in LOCAL_ENVIRONMENT.items() if name != "AWS_DEFAULT_REGION"},
        "AWS_ENDPOINT_URL": str(stack.stack.endpoint_url),
        "SAM_CLI_TELEMETRY": "0",
        "PYTHON": sys.executable,
    }
    command = [str(TOOLS / "sam"), *arguments]
    result = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout[-3000:]}"
    return result.stdout


def overrides(environment: str, **parameters: str) -> list[str]:
    """Return the parameters of an environment of samconfig.toml, with those for this machine, and others."""
    given = CONFIGURATION[environment]["deploy"]["parameters"]["parameter_overrides"]
    machine = {
        "AlarmsOnExpressions": "off",
        "Architecture": "x86_64",
        "GradualDeployment": "false",
        "PythonRuntime": f"python{sys.version_info.major}.{sys.version_info.minor}",
    }
    merged = {**dict(one.split("=", 1) for one in given), **machine, **parameters}
    return [f"{name}={value}" for name, value in merged.items()]


def deploy(stack: Deployed, name: str, environment: str, *options: str, **parameters: str) -> str:
    """Create or update a stack, and return its status."""
    # Otherwise SAM looks for the file beside the template.
    configuration = ["--config-file", str(ROOT / "samconfig.toml"), "--config-env", environment]
    arguments = ["--stack-name", name, "--no-progressbar", *options, "--parameter-overrides"]
    sam(stack, "deploy", *configuration, *arguments, *overrides(environment, **parameters))
    return status(stack, name)


@pytest.fixture(scope="module")
def packages(stack: Deployed, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, bytes]]:
    """Return the path of the packaged template, and the packages of its functions by their keys.

    They are made once, because that takes a minute.
    """
    path = str(tmp_path_factory.mktemp("packaged") / "template.yaml")
    s3 = stack.stack.client("s3")
    s3.create_bucket(Bucket=PACKAGES)
    sam(stack, "package", "--s3-bucket", PACKAGES, "--output-template-file", path, "--region", "us-east-1")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=PACKAGES)["Contents"]]
    return path, {key: s3.get_object(Bucket=PACKAGES, Key=key)["Body"].read() for key in keys}


@pytest.fixture
def packaged(stack: Deployed, packages: tuple[str, dict[str, bytes]]) -> str:
    """Return the path of a template whose functions are in a bucket."""
    path, of_functions = packages
    for key, package in of_functions.items():
        # `sam delete` of another stack has deleted it, and MiniStack then makes a function without code.
        stack.stack.client("s3").put_object(Bucket=PACKAGES, Key=key, Body=package)
    return path


def status(stack: Deployed, name: str) -> str:
    """Return a stack's status, or DELETED if it is gone."""
    try:
        [described] = stack.stack.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError:
        return "DELETED"
    return str(described["StackStatus"])


def delete(stack: Deployed, name: str) -> None:
    sam(stack, "delete", "--stack-name", name, "--region", "us-east-1", "--no-prompts")
    assert status(stack, name) in GONE
    left = stack.stack.client("lambda").list_functions()["Functions"]
    assert not [one for one in left if one["FunctionName"].startswith(f"{name}-")]


def running(stack: Stack) -> dict[str, set[str]]:
    """Return the names of what acts, and holds no data, on the emulated AWS, of all stacks, by kind."""
    lambda_, gateway, events = map(stack.client, ("lambda", "apigatewayv2", "events"))
    alarms = stack.client("cloudwatch").get_paginator("describe_alarms").paginate()
    machines = stack.client("stepfunctions").list_state_machines()["stateMachines"]
    functions = lambda_.get_paginator("list_functions").paginate()
    return {
        "functions": {one["FunctionName"] for page in functions for one in page["Functions"]},
        "sources": {one["UUID"] for one in lambda_.list_event_source_mappings()["EventSourceMappings"]},
        "interfaces": {one["ApiId"] for one in gateway.get_apis()["Items"]},
        "buses": {one["Name"] for one in events.list_event_buses()["EventBuses"]},
        "alarms": {one["AlarmName"] for page in alarms for one in page["MetricAlarms"]},
        "machines": {one["stateMachineArn"] for one in machines},
        "topics": {one["TopicArn"] for one in stack.client("sns").list_topics()["Topics"]},
        "roles": {one["RoleName"] for one in stack.client("iam").list_roles()["Roles"]},
    }


def data_of(stack: Stack, name: str) -> set[str]:
    """Return the names of the resources of a stack that outlive its deletion."""
    pages = stack.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=name)
    return {
        without_host(one["PhysicalResourceId"])
        for page in pages
        for one in page["StackResourceSummaries"]
        if one["ResourceType"] in REMOVERS
    }


def without_host(name: str) -> str:
    """Return the last part of a queue's URL: its host depends on who asks. Leave other names as they are."""
    return name.rpartition("/")[2] if name.startswith("http") else name


def data_left(stack: Stack) -> set[str]:
    return {without_host(name) for names in holding_data(stack).values() for name in names}


def deployed(stack: Stack, name: str) -> Stack:
    """Return another stack of the same MiniStack."""
    outputs = describe(stack.session, stack.endpoint_url, name)
    api = outputs["ApiUrl"].removeprefix("https://").split(".")[0]
    return Stack(outputs, f"{stack.endpoint_url}/_aws/execute-api/{api}", stack.endpoint_url, stack.session)


def interact(stack: Stack) -> None:
    """Send an interaction of the learner to the stream, and another to the API."""
    ensure_test_content(stack)
    deliveries = [one for door in DOORS for one in deliver(stack, door, [interaction(user_id=LEARNER)])]
    assert [len(one.emitted) for one in deliveries] == [1, 1]


def counted(stack: Stack) -> int:
    """Return how many interactions of the learner the API's view counts."""
    token = id_token(stack, own_user("admins"), "admins", existing=True)
    answer = call(stack.api_url, "GET", f"/progress/{LEARNER}/analytics", token)
    return int(answer.json["total_interactions"]) if answer.status == 200 else 0


@pytest.mark.parametrize("combination", COMBINATIONS, ids=lambda given: "-".join(given.values()))
def test_a_stack_is_created_used_updated_to_the_opposite_used_again_and_deleted(
    stack: Deployed, packaged: str, combination: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # MiniStack would give a second stack of the same name the tables that the first one has kept.
    name, aws = f"combination-{COMBINATIONS.index(combination)}", stack.stack
    opposite = {
        parameter: next(other for other in CHOICES[parameter] if other != value)
        for parameter, value in combination.items()
    }
    before = running(aws)
    try:
        assert deploy(stack, name, "local", "--template-file", packaged, **combination) == "CREATE_COMPLETE"
        created = deployed(aws, name)
        assert ("CdnUrl" in created.outputs) == (combination["Cdn"] == "on")
        interact(created)
        assert eventually(lambda: counted(created), 2) == 2

        assert deploy(stack, name, "local", "--template-file", packaged, **opposite) == "UPDATE_COMPLETE"
        updated = deployed(aws, name)
        assert ("CdnUrl" in updated.outputs) == (opposite["Cdn"] == "on")
        assert counted(updated) == 2
        interact(updated)
        assert eventually(lambda: counted(updated), 4) == 4

        data = data_of(aws, name)
        assert data
        assert data <= data_left(aws)
        if opposite["KeepData"] == "yes":
            delete(stack, name)
            assert data <= data_left(aws)
        else:
            removed = remove(stack, name, monkeypatch, "--yes")
            assert removed.exit_code == 0, removed.output
            assert not data & data_left(aws)
        assert running(aws) == before
    finally:
        if status(stack, name) not in GONE:
            delete(stack, name)


def test_the_environment_dev_is_deployed_by_the_command_of_the_documentation(stack: Deployed) -> None:
    name = CONFIGURATION["dev"]["global"]["parameters"]["stack_name"]
    try:
        assert deploy(stack, name, "dev") == "CREATE_COMPLETE"
    finally:
        delete(stack, name)


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_each_environment_has_all_that_sam_needs_to_make_a_change_set(
    stack: Deployed, environment: str
) -> None:
    name = f"planned-{environment}"
    printed = sam(
        stack,
        *("deploy", "--config-env", environment, "--stack-name", name),
        *("--no-confirm-changeset", "--no-execute-changeset", "--no-progressbar"),
    )
    assert "Changeset created successfully" in printed
    # SAM breaks longer names in its table.
    assert "ViewsTable" in printed
    stack.stack.client("cloudformation").delete_stack(StackName=name)


def test_each_environment_names_its_region_once() -> None:
    text = (ROOT / "samconfig.toml").read_text()
    environments = [name for name in CONFIGURATION if name not in {"version", "default"}]
    assert text.count("region =") == len(environments) == 3
    assert all(CONFIGURATION[name]["global"]["parameters"]["region"] for name in environments)
