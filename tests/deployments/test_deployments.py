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

from cli.local import TOOLS
from cli.stack import LOCAL_ENVIRONMENT, ROOT, describe
from tests.e2e.conftest import Deployed

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
    arguments = ["--stack-name", name, "--no-progressbar", *options, "--parameter-overrides"]
    sam(stack, "deploy", "--config-env", environment, *arguments, *overrides(environment, **parameters))
    return status(stack, name)


@pytest.fixture(scope="module")
def packaged(stack: Deployed, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path of the template whose functions are in a bucket: packing them takes a minute."""
    path = str(tmp_path_factory.mktemp("packaged") / "template.yaml")
    stack.stack.client("s3").create_bucket(Bucket=PACKAGES)
    sam(stack, "package", "--s3-bucket", PACKAGES, "--output-template-file", path, "--region", "us-east-1")
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
    assert status(stack, name) in {"DELETED", "DELETE_COMPLETE"}
    left = stack.stack.client("lambda").list_functions()["Functions"]
    assert not [one for one in left if one["FunctionName"].startswith(f"{name}-")]


@pytest.mark.parametrize("combination", COMBINATIONS, ids=lambda given: "-".join(given.values()))
def test_a_stack_is_created_updated_to_the_opposite_and_deleted(
    stack: Deployed, packaged: str, combination: dict[str, str]
) -> None:
    name = "combination"
    opposite = {
        parameter: next(other for other in CHOICES[parameter] if other != value)
        for parameter, value in combination.items()
    }
    try:
        assert deploy(stack, name, "local", "--template-file", packaged, **combination) == "CREATE_COMPLETE"
        assert deploy(stack, name, "local", "--template-file", packaged, **opposite) == "UPDATE_COMPLETE"
        outputs = describe(stack.stack.session, stack.stack.endpoint_url, name)
        assert ("CdnUrl" in outputs) == (opposite["Cdn"] == "on")
    finally:
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
    assert "ProjectFunctionAliaslive" in printed
    stack.stack.client("cloudformation").delete_stack(StackName=name)


def test_each_environment_names_its_region_once() -> None:
    text = (ROOT / "samconfig.toml").read_text()
    environments = [name for name in CONFIGURATION if name not in {"version", "default"}]
    assert text.count("region =") == len(environments) == 3
    assert all(CONFIGURATION[name]["global"]["parameters"]["region"] for name in environments)
