"""Another stack on the session's MiniStack: the same template and code, deployed with other parameters."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from cli.cors import set_cors
from cli.stack import ROOT, Stack, describe

SECONDS = 60
"""How long CloudFormation may take to create or delete the stack. It takes about one second."""


def update(first: Stack, name: str, **parameters: str) -> str:
    """Update a stack on the first one's MiniStack with some parameters changed, and return its status."""
    cloudformation = first.client("cloudformation")
    [described] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    unchanged = [one["ParameterKey"] for one in described["Parameters"]]
    cloudformation.update_stack(
        StackName=name,
        UsePreviousTemplate=True,
        Parameters=[
            *({"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()),
            *({"ParameterKey": key, "UsePreviousValue": True} for key in unchanged if key not in parameters),
        ],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    return str(_final_status(first, name))


def with_views(stack: Stack, name: str, views: str, green_since: int = 0) -> Stack:
    """Update a stack to these generations of the views, and return it with its new outputs.

    `green_since`: from when the green generation reads the stream. MiniStack takes every time but 0 as now.
    """
    assert update(stack, name, Views=views, GreenSince=str(green_since)) == "UPDATE_COMPLETE"
    return replace(stack, outputs=describe(stack.session, stack.endpoint_url, name))


type Command = Callable[..., dict[str, Any]]
"""Runs `streakline ARGUMENTS --json`, checks its exit code, and returns what it printed; {} for nothing."""


def commands(stack: Stack, local: Path) -> Command:
    """Return what runs the commands on a stack as if it was this checkout's. `local`: an empty directory."""
    described = {"endpoint_url": stack.endpoint_url, "api_url": stack.api_url, "outputs": stack.outputs}
    (local / "stack.json").write_text(json.dumps(described))

    def run(*arguments: str, exit_code: int = 0) -> dict[str, Any]:
        ran = subprocess.run(
            [sys.executable, "-m", "cli", *arguments, "--json"],
            cwd=ROOT,
            env={**os.environ, "STREAKLINE_LOCAL": str(local)},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert ran.returncode == exit_code, (
            f"{' '.join(arguments)} exited with {ran.returncode}: {ran.stdout}"
        )
        answer: dict[str, Any] = json.loads(ran.stdout or "{}")
        return answer

    return run


@contextmanager
def second_stack(first: Stack, name: str, **parameters: str) -> Iterator[Stack]:
    """Deploy the first stack's template under another name, with some of its parameters replaced.

    The code is the first stack's package, so nothing is built again. The stack is deleted at the end;
    otherwise its functions would keep polling its streams.
    """
    cloudformation = first.client("cloudformation")
    [described] = cloudformation.describe_stacks(StackName="streakline")["Stacks"]
    current = {one["ParameterKey"]: one["ParameterValue"] for one in described["Parameters"]}
    assert parameters.keys() <= current.keys()
    template = cloudformation.get_template(StackName="streakline", TemplateStage="Original")["TemplateBody"]
    # CloudFormation takes no more than 51,200 bytes in the request itself.
    bucket, key = first.outputs["EventLogBucket"], f"{name}.template"
    first.client("s3").put_object(Bucket=bucket, Key=key, Body=str(template).encode())
    cloudformation.create_stack(
        StackName=name,
        TemplateURL=f"{first.endpoint_url}/{bucket}/{key}",
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in {**current, **parameters}.items()
        ],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    try:
        assert _final_status(first, name) == "CREATE_COMPLETE"
        outputs = describe(first.session, first.endpoint_url, name)
        api = outputs["ApiUrl"].removeprefix("https://").split(".")[0]
        stack = Stack(
            outputs, f"{first.endpoint_url}/_aws/execute-api/{api}", first.endpoint_url, first.session
        )
        set_cors(stack, name, api)
        yield stack
    finally:
        cloudformation.delete_stack(StackName=name)
        assert _final_status(first, name) in {None, "DELETE_COMPLETE"}


def _final_status(first: Stack, name: str) -> str | None:
    """Return a stack's status once nothing is in progress, or None if there is no such stack."""
    cloudformation = first.client("cloudformation")
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            [described] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            return None
        status = str(described["StackStatus"])
        if not status.endswith("_IN_PROGRESS") or time.monotonic() > deadline:
            return status
        time.sleep(0.1)
