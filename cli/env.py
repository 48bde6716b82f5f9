"""`streakline env`: the addresses of a stack, as lines for the shell."""

import os
import shlex
import sys
from pathlib import Path

import click

from cli.stack import LOCAL_ENVIRONMENT, Stack, on_stack

NAMES = {
    "STREAM_NAME": "StreamName",
    "BUS_NAME": "BusName",
    "CONTENT_TABLE": "ContentTableName",
}
"""Outputs by the names of the variables that hold them."""


@click.command("env")
@on_stack
def env(stack: Stack) -> None:
    """Print the stack's addresses as lines for the shell, for curl and the examples.

    API_URL, STREAM_NAME, BUS_NAME, CONTENT_TABLE, and VIEWS_TABLE: the table of the views' live generation.
    For the local stack there are also AWS_ENDPOINT_URL and credentials that only this stack accepts, so that
    boto3 and the AWS CLI reach it instead of AWS: use a shell of its own. `streakline` is put on the PATH.

    Example: streakline env
    """
    variables = {"API_URL": stack.api_url} | {name: stack.outputs[output] for name, output in NAMES.items()}
    variables |= {"VIEWS_TABLE": stack.store.table}
    if stack.endpoint_url is not None:
        variables |= {"AWS_ENDPOINT_URL": stack.endpoint_url, **LOCAL_ENVIRONMENT}
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    directory = str(Path(sys.executable).parent)
    if directory not in os.environ.get("PATH", "").split(os.pathsep):
        click.echo(f'export PATH={shlex.quote(directory)}:"$PATH"')
