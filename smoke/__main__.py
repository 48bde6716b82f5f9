"""Deploy a throw-away stack on AWS, check what only AWS has, and remove the stack whatever happens.

    python -m smoke [--region REGION] [--yes]

It takes about 40 minutes and costs less than a dollar. It ends with 1 if a check failed, and with 2 if the
stack could not be deployed or removed. smoke/README.md says what it checks.
"""

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cli.local import TOOLS
from cli.stack import ROOT, Stack, describe
from smoke.checks import ORIGIN, Smoke, run_all

PARAMETERS = ("KeepData=no", "EventLog=on", f"AllowedOrigins={ORIGIN}")
"""KeepData=no is what lets `streakline remove` delete everything."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Deploy, check, remove. Return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m smoke", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--region", help="AWS region  [default: that of your AWS profile]")
    parser.add_argument("--yes", action="store_true", help="don't ask first")
    given = parser.parse_args(arguments)
    session = boto3.Session(region_name=given.region)
    try:
        account = session.client("sts").get_caller_identity()["Account"]
    except (ClientError, BotoCoreError) as error:
        print(f"AWS does not know who you are: {error}", file=sys.stderr)
        return 2
    name = f"streakline-smoke-{secrets.token_hex(3)}"
    print(f"This deploys the stack {name} in account {account}, {session.region_name}, and removes it again.")
    if not given.yes and input("Go on? [y/N] ").strip().lower() != "y":
        return 2
    return deploy_check_remove(
        lambda: deploy(session, name),
        lambda stack: run_all(Smoke(stack, name, command_on(name, session.region_name))),
        lambda: remove(session, name),
    )


def deploy_check_remove(
    deploy: Callable[[], Stack], check: Callable[[Stack], int], remove: Callable[[], None]
) -> int:
    """Call the three in order, the last one whatever happens, and return the exit code.

    An interruption (Ctrl-C, SIGTERM) also goes through the removal. A second one is ignored until it is over.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    code = 2
    try:
        code = 1 if check(deploy()) else 0
    except subprocess.CalledProcessError as error:
        print(f"The stack could not be deployed: {error}", file=sys.stderr)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        try:
            remove()
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return code


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def deploy(session: Any, name: str) -> Stack:
    """Build and deploy the stack. Raise CalledProcessError if SAM fails."""
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "PYTHON": sys.executable}
    overrides = (*PARAMETERS, f"PythonRuntime=python{sys.version_info.major}.{sys.version_info.minor}")
    common = ("--config-env", "dev", "--region", session.region_name, "--parameter-overrides", *overrides)
    for command in (("build", *common), ("deploy", "--stack-name", name, "--no-progressbar", *common)):
        subprocess.run([str(TOOLS / "sam"), *command], cwd=ROOT, env=environment, check=True)
    outputs = describe(session, None, name)
    return Stack(outputs, outputs["ApiUrl"], None, session)


def remove(session: Any, name: str) -> None:
    """Remove the stack with everything that it left, or say how. Raise SystemExit if it could not be done."""
    try:
        describe(session, None, name)
    except ClientError as error:
        if "does not exist" in str(error):
            print(f"There is no stack {name} to remove.")
            return
        raise
    arguments = ["remove", "--stack-name", name, "--region", session.region_name, "--yes"]
    try:
        subprocess.run([sys.executable, "-m", "cli", *arguments], cwd=ROOT, check=True)
    except subprocess.CalledProcessError as error:
        print(f"The stack is still there. Remove it: streakline {' '.join(arguments)}", file=sys.stderr)
        raise SystemExit(2) from error


def command_on(name: str, region: str) -> Callable[..., Any]:
    """Return a function that runs a command on the stack, and returns the JSON that it prints."""

    def streakline(*arguments: str) -> Any:
        command = [
            sys.executable,
            "-m",
            "cli",
            *arguments,
            "--stack-name",
            name,
            "--region",
            region,
            "--json",
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(f"streakline {' '.join(arguments)} failed: {done.stderr.strip()[-500:]}")
        return json.loads(done.stdout)

    return streakline


if __name__ == "__main__":
    sys.exit(main())
