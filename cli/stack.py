"""The stack that the commands work on: its outputs and clients, here or on AWS."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import Any

import boto3
import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from functions.quarantine import Quarantine
from functions.store import Store

ROOT = Path(__file__).parents[1]
LOCAL = Path(os.environ.get("STREAKLINE_LOCAL", ROOT / ".cache" / "streakline"))
"""What the local stack leaves behind while it runs: process ids, logs, `stack.json`."""
STACK_FILE = LOCAL / "stack.json"
LOCAL_REGION = "us-east-1"
LOCAL_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": LOCAL_REGION,
}

_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 8}, max_pool_connections=32)


@dataclass(frozen=True)
class Stack:
    """A deployed stack. `endpoint_url` is None on AWS."""

    outputs: dict[str, str]
    api_url: str
    endpoint_url: str | None
    session: Any

    def client(self, service: str) -> Any:
        """A boto3 client of this stack's account."""
        return self.session.client(service, endpoint_url=self.endpoint_url, config=_CONFIG)

    @cached_property
    def store(self) -> Store:
        """The views."""
        return Store(self.client("dynamodb"), self.outputs["ViewsTableName"])

    @property
    def freezes(self) -> int:
        """The stack's streak policy."""
        return int(self.outputs["StreakFreezes"])

    @cached_property
    def quarantine(self) -> Quarantine:
        """The quarantine."""
        return Quarantine(
            self.client("sqs"),
            self.client("s3"),
            self.outputs["QuarantineUrl"],
            self.outputs["EventLogBucket"],
        )


def describe(session: Any, endpoint_url: str | None, name: str) -> dict[str, str]:
    """A stack's outputs by name. Raises ClientError where there is no such stack."""
    cloudformation = session.client("cloudformation", endpoint_url=endpoint_url)
    [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def local_session() -> Any:
    """A session whose credentials only the local stack takes."""
    return boto3.Session(
        aws_access_key_id=LOCAL_ENVIRONMENT["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=LOCAL_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
        region_name=LOCAL_REGION,
    )


def connect(stack_name: str | None, region: str | None) -> Stack:
    """The stack on AWS of that name; without a name, the local one. Raises click.ClickException."""
    if stack_name is None:
        if not STACK_FILE.exists():
            raise click.ClickException("no local stack; start it with `streakline up`, or name one on AWS")
        local = json.loads(STACK_FILE.read_text())
        return Stack(local["outputs"], local["api_url"], local["endpoint_url"], local_session())
    try:
        session = boto3.Session(region_name=region)
        outputs = describe(session, None, stack_name)
    except (ClientError, BotoCoreError) as error:
        raise click.ClickException(f"can't look at stack {stack_name}: {error}") from error
    return Stack(outputs, outputs["ApiUrl"], None, session)


def on_stack(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--stack-name` and `--region`, and the stack they name as its argument `stack`."""

    @click.option("--stack-name", help="A stack on AWS; default: the local one.")
    @click.option("--region", help="Its region.")
    @wraps(command)
    def run(stack_name: str | None, region: str | None, **arguments: Any) -> Any:
        return command(stack=connect(stack_name, region), **arguments)

    return run


def print_json(value: Any) -> None:
    """Print for programs: JSON, and nothing else on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
