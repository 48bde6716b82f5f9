"""Another stack on the session's MiniStack: the same template and code, deployed with other parameters."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from cli.cors import set_cors
from cli.stack import Stack, describe

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
