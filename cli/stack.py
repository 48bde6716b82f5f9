"""The stack that a command works on, local or on AWS: its outputs and its AWS clients."""

import json
import os
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from http.client import HTTPException
from pathlib import Path
from typing import Any

import boto3
import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cli.output import command
from domain.generations import COLOURS, Colour
from functions.catalog import CatalogWriter
from functions.generations import Generations
from functions.quarantine import Quarantine
from functions.store import Store

ROOT = Path(__file__).parents[1]
LOCAL = Path(os.environ.get("STREAKLINE_LOCAL", ROOT / ".cache" / "streakline"))
"""Directory of the running local stack: process ids, logs, `stack.json`."""
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
        """Return a boto3 client for the stack's account."""
        return self.session.client(service, endpoint_url=self.endpoint_url, config=_CONFIG)

    @property
    def store(self) -> Store:
        """The store of the generation of the views that is live now.

        Raises click.ClickException if the stack has dropped it.
        """
        return self.generation(self.live)

    def generation(self, colour: Colour) -> Store:
        """Return the store of a generation. Raises click.ClickException if the stack lacks it."""
        if colour not in self.colours:
            have = " and ".join(self.colours)
            raise click.ClickException(
                f"the stack has no {colour} generation of the views, only {have} (parameter Views)"
            )
        return Store(self._dynamodb, self.outputs[f"{colour.title()}ViewsTableName"])

    @property
    def colours(self) -> tuple[Colour, ...]:
        """The generations of the views that exist."""
        return tuple(colour for colour in COLOURS if f"{colour.title()}ViewsTableName" in self.outputs)

    @property
    def live(self) -> Colour:
        """The generation that is live now; what was read is at most five seconds old."""
        return self.generations.live()

    @cached_property
    def generations(self) -> Generations:
        """What the control table says about generations."""
        return Generations(self._dynamodb, self.outputs["ControlTableName"])

    @cached_property
    def catalog_writer(self) -> CatalogWriter:
        """The writer of the catalog, in all generations."""
        first, *others = map(self.generation, self.colours)
        return CatalogWriter(first, tuple(others))

    @cached_property
    def _dynamodb(self) -> Any:
        return self.client("dynamodb")

    @property
    def freezes(self) -> int:
        """The number of streak freezes that a learner can bank on this stack."""
        return int(self.outputs["StreakFreezes"])

    @property
    def xapi_content_prefixes(self) -> list[str]:
        """What the stack leaves out at the beginning of the ids of xAPI statements' objects."""
        # The stack has no such output if the parameter is empty.
        return self.outputs.get("XapiContentPrefixes", "").split(",")

    @cached_property
    def quarantine(self) -> Quarantine:
        """The stack's quarantine."""
        return Quarantine(
            lambda: self.client("sqs"),
            lambda: self.client("s3"),
            self.outputs["QuarantineUrl"],
            self.outputs["EventLogBucket"],
        )


def describe(session: Any, endpoint_url: str | None, name: str) -> dict[str, str]:
    """Return a stack's outputs by name. Raise ClientError if there is no such stack."""
    cloudformation = session.client("cloudformation", endpoint_url=endpoint_url)
    [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def local_session() -> Any:
    """Return a session with credentials that only the local stack accepts."""
    return boto3.Session(
        aws_access_key_id=LOCAL_ENVIRONMENT["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=LOCAL_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
        region_name=LOCAL_REGION,
    )


def connect(stack_name: str | None, region: str | None) -> Stack:
    """Return the stack of that name on AWS, or the local stack if the name is None.

    Raises click.ClickException if there is no such stack or it can't be read.
    """
    if stack_name is None:
        if not STACK_FILE.exists():
            raise click.ClickException(
                f"no local stack is running; start it with `{command()} up`, or name one on AWS: --stack-name"
            )
        local = json.loads(STACK_FILE.read_text())
        if not answers(local["endpoint_url"]):
            raise click.ClickException(
                f"the local stack has gone: nothing answers at {local['endpoint_url']}. It kept everything "
                f"in memory. Start a new one with `{command()} up`."
            )
        return Stack(local["outputs"], local["api_url"], local["endpoint_url"], local_session())
    try:
        session = boto3.Session(region_name=region)
        outputs = describe(session, None, stack_name)
    except (ClientError, BotoCoreError) as error:
        raise click.ClickException(f"can't read stack {stack_name}: {error}") from error
    return Stack(outputs, outputs["ApiUrl"], None, session)


def answers(endpoint_url: str) -> bool:
    """Return whether a local stack answers at this address."""
    try:
        with urllib.request.urlopen(f"{endpoint_url}/_localstack/health", timeout=5) as answer:
            return bool(answer.status == 200)
    # HTTPException: what answers is another program, to which the port belongs now.
    except (OSError, HTTPException):
        return False


yes_option = click.option("--yes", is_flag=True, help="Don't ask first on AWS.")
"""For commands that create data or grant rights. They call `ask_first`."""


def ask_first(stack: Stack, yes: bool, what: str) -> None:
    """Ask whether to go on, unless the stack is local or `yes` is given. End the command if the answer is no.

    `what` says what the command does: "This emits 17 interactions".
    """
    if stack.endpoint_url is None and not yes:
        click.confirm(f"{what} on the stack at {stack.api_url}. Go on?", abort=True, err=True)


def on_stack(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--stack-name` and `--region` to a command, and pass the stack as the argument `stack`.

    An error of AWS ends the command with a message instead of a traceback.
    """

    @on_stack_if_needed
    @wraps(command)
    def run(connected: Callable[[], Stack], **arguments: Any) -> Any:
        return command(stack=connected(), **arguments)

    return run


def on_stack_if_needed(command: Callable[..., Any]) -> Callable[..., Any]:
    """Do what `on_stack` does, but pass a function `connected` that returns the stack."""

    @click.option("--stack-name", help="Name of a stack on AWS.  [default: the local stack]")
    @click.option("--region", help="AWS region of that stack.  [default: the region of your AWS profile]")
    @wraps(command)
    def run(stack_name: str | None, region: str | None, **arguments: Any) -> Any:
        try:
            return command(connected=lambda: connect(stack_name, region), **arguments)
        except (ClientError, BotoCoreError, TimeoutError) as error:
            raise click.ClickException(f"AWS answered with an error: {error}") from error

    return run
