"""`streakline up` and `down`: the template, deployed onto MiniStack on this machine's loopback interface."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import click

from cli.bridge import make_bridge
from cli.cors import set_cors
from cli.delivery import POSITIONS, log_function
from cli.manifest import clear_manifest, end_of_demo, manifest_of_table
from cli.output import command, doing, print_json
from cli.people import ensure_people, page_url, sign_in_lines
from cli.stack import (
    LOCAL,
    LOCAL_ENVIRONMENT,
    LOCAL_REGION,
    ROOT,
    STACK_FILE,
    Stack,
    answers,
    describe,
    local_session,
)

HOST = "127.0.0.1"
PORT = 4566
STARTUP_SECONDS = 60

TOOLS = ROOT / ".cache" / "tools" / "bin"
_MINISTACK = LOCAL / "ministack.json"
_BRIDGE = LOCAL / "bridge.json"
_DELIVERY = LOCAL / "delivery.json"
_DEPLOYED = LOCAL / "deployed"
"""The digest of what the running MiniStack has. It is absent while a deployment is under way."""
ENVIRONMENT_FILE = LOCAL / "env.json"
"""The functions' environment on the local stack, for `sam local invoke --env-vars`."""
_TEMPORARY = LOCAL / "tmp"
"""MiniStack unpacks each function here, 20 MB each time, and leaves the files behind when it ends."""
_UP_LOCK = ROOT / ".cache" / "up.lock"
"""`sam build` and `sam deploy` use one directory per checkout, wherever STREAKLINE_LOCAL is."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the outputs as JSON.")
def up(as_json: bool) -> None:
    """Start the local stack, or deploy changed code to it.

    Example: streakline up --json
    """
    click.get_current_context().with_resource(_only_up())
    LOCAL.mkdir(parents=True, exist_ok=True)
    with doing("starting MiniStack"):
        endpoint_url = _start_ministack()
    digest = _digest()
    if not _DEPLOYED.exists() or _DEPLOYED.read_text() != digest:
        _DEPLOYED.unlink(missing_ok=True)
        with doing("building the functions (sam build)"):
            _sam("build", [], endpoint_url)
        with doing("deploying template.yaml (sam deploy)"):
            _sam("deploy", ["--no-progressbar"], endpoint_url)
        _DEPLOYED.write_text(digest)
    outputs = describe(local_session(), endpoint_url, "streakline")
    # The emulated ApiUrl names a host that does not resolve here.
    api = outputs["ApiUrl"].removeprefix("https://").split(".")[0]
    api_url = f"{endpoint_url}/_aws/execute-api/{api}"
    local = {"endpoint_url": endpoint_url, "api_url": api_url, "outputs": outputs}
    STACK_FILE.write_text(json.dumps(local, indent=2))
    stack = Stack(outputs, api_url, endpoint_url, local_session())
    ENVIRONMENT_FILE.write_text(json.dumps(_environments(stack, "streakline"), indent=2))
    set_cors(stack, "streakline", api)
    ensure_people(stack)
    if _running(_BRIDGE) is None:
        _start(_BRIDGE, [sys.executable, "-m", "cli.bridge", make_bridge(stack)], {}, "bridge.log")
    if _running(_DELIVERY) is None:
        function = log_function(stack, "streakline")
        _start(_DELIVERY, [sys.executable, "-m", "cli.delivery", function], {}, "delivery.log")
    if as_json:
        print_json({**local, "page_url": page_url(stack)})
        return
    click.echo(f"The local stack is up at {endpoint_url}; the API is at {api_url}")
    for name, value in sorted(outputs.items()):
        click.echo(f"  {name:18} {value}")
    for line in sign_in_lines(stack):
        click.echo(line)
    click.echo(f"Try `{command()} demo` next. `{command()} down` stops the stack.")


@click.command()
def down() -> None:
    """Stop the local stack and delete its data.

    Example: streakline down
    """
    ended = [_end(process) for process in (_BRIDGE, _DELIVERY, _MINISTACK)]
    _forget()
    click.echo("The local stack is stopped." if any(ended) else "There is no local stack.")


@contextmanager
def _only_up() -> Iterator[None]:
    """Wait until no other `up` runs in this checkout, and keep others waiting."""
    _UP_LOCK.parent.mkdir(exist_ok=True)
    with _UP_LOCK.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with doing("waiting for another `streakline up` in this checkout to finish"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _environments(stack: Stack, stack_name: str) -> dict[str, dict[str, str]]:
    """Return the environment of each function as it is deployed, for `sam local invoke`.

    `Parameters` is for functions that the local stack has not: what the others have, as far as they agree.
    """
    cloudformation, functions = stack.client("cloudformation"), stack.client("lambda")
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_name)
    found: dict[str, dict[str, str]] = {}
    for resource in (one for page in pages for one in page["StackResourceSummaries"]):
        if resource["ResourceType"] == "AWS::Lambda::Function":
            made = functions.get_function_configuration(FunctionName=resource["PhysicalResourceId"])
            found[resource["LogicalResourceId"]] = {
                **made["Environment"]["Variables"],
                # A container reaches this machine under another name.
                "AWS_ENDPOINT_URL": str(stack.endpoint_url).replace(HOST, "host.docker.internal"),
            }
    values: dict[str, set[str]] = {}
    for variables in found.values():
        for name, value in variables.items():
            values.setdefault(name, set()).add(value)
    return {"Parameters": {name: min(some) for name, some in values.items() if len(some) == 1}, **found}


def _digest() -> str:
    """Return a digest of everything that a deployment depends on."""
    digest = sha256(sys.version.encode())
    sources = [
        path for package in ("domain", "functions", "dashboard") for path in (ROOT / package).rglob("*.*")
    ]
    built_by = [ROOT / name for name in ("template.yaml", "samconfig.toml", "scripts/package.py")]
    for path in sorted([*sources, *built_by]):
        if path.is_file() and path.suffix != ".pyc":
            content = path.read_bytes()
            digest.update(f"{path.relative_to(ROOT)} {len(content)} ".encode() + content)
    return digest.hexdigest()


def _forget() -> None:
    """Remove the files that describe a MiniStack which has ended: it kept everything in memory."""
    if STACK_FILE.exists():
        table = json.loads(STACK_FILE.read_text())["outputs"]["ViewsTableName"]
        clear_manifest(manifest_of_table(table))
        end_of_demo(table).unlink(missing_ok=True)
    for path in (STACK_FILE, ENVIRONMENT_FILE, _DEPLOYED, POSITIONS):
        path.unlink(missing_ok=True)
    shutil.rmtree(_TEMPORARY, ignore_errors=True)


def _start_ministack() -> str:
    running = _running(_MINISTACK)
    if running is None:
        # What has outlived its MiniStack would poll for its queue or stream for ever.
        for process in (_BRIDGE, _DELIVERY):
            _end(process)
        _forget()
        _TEMPORARY.mkdir()
        port = _free_port()
        environment = {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(port),
            "MINISTACK_REGION": LOCAL_REGION,
            # These servers would listen on all addresses.
            "IOT_MTLS_ENABLED": "false",
            "SFTP_ENABLED": "false",
            "LOG_LEVEL": "WARNING",
            "TMPDIR": str(_TEMPORARY),
            "STATE_DIR": str(_TEMPORARY / "state"),
        }
        # scripts/clean.sh recognises the process by this command line.
        running = _start(
            _MINISTACK, [_tool("python"), "-m", "ministack"], environment, "ministack.log", port=port
        )
    endpoint_url = f"http://{HOST}:{running['port']}"
    deadline = time.monotonic() + STARTUP_SECONDS
    while not answers(endpoint_url):
        if _running(_MINISTACK) is None or time.monotonic() > deadline:
            raise click.ClickException(f"MiniStack did not start; see {LOCAL / 'ministack.log'}")
        time.sleep(0.2)
    return endpoint_url


def _tool(name: str) -> str:
    """Return the path of a tool of the local stack. Raise click.ClickException if it is not installed."""
    path = TOOLS / name
    if not path.exists():
        raise click.ClickException(f"{path} is not installed; run `make up`")
    return str(path)


def _free_port() -> int:
    """Return the usual port if it is free, else any free port."""
    for port in (PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise click.ClickException("no free port")


def _sam(command: str, arguments: Sequence[str], endpoint_url: str) -> None:
    overrides = tomllib.loads((ROOT / "samconfig.toml").read_text())["local"]["deploy"]["parameters"]
    runtime = f"PythonRuntime=python{sys.version_info.major}.{sys.version_info.minor}"
    environment = {
        **_without_aws(),
        **LOCAL_ENVIRONMENT,
        "AWS_ENDPOINT_URL": endpoint_url,
        # The functions' byte code must be that of the runtime above.
        "PYTHON": sys.executable,
        "SAM_CLI_TELEMETRY": "0",
        # `sam build` leaves temporary directories behind.
        "TMPDIR": str(_TEMPORARY),
    }
    log = LOCAL / f"sam-{command}.log"
    with log.open("w") as output:
        result = subprocess.run(
            [
                _tool("sam"),
                command,
                "--config-env",
                "local",
                *arguments,
                "--parameter-overrides",
                *overrides["parameter_overrides"],
                runtime,
            ],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    if result.returncode:
        click.echo("".join(log.read_text().splitlines(keepends=True)[-30:]), err=True)
        raise click.ClickException(f"sam {command} failed; see {log}")


# -- Background processes. Only those that `up` started are ever ended. -----------------------------


def _start(
    note: Path, command: list[str], environment: Mapping[str, str], log: str, **more: Any
) -> dict[str, Any]:
    if shutil.which("ps") is None:
        raise click.ClickException("the command `ps` is not installed (Debian's package is procps)")
    with (LOCAL / log).open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**_without_aws(), **LOCAL_ENVIRONMENT, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    started = {"pid": process.pid, "birth": _birth(process.pid), **more}
    note.write_text(json.dumps(started))
    return started


def _without_aws() -> dict[str, str]:
    """Return the environment without AWS settings.

    The functions inherit MiniStack's environment: a developer's session would let them act on a real account.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


def _running(note: Path) -> dict[str, Any] | None:
    """Return the process that a note describes, or None if it has ended."""
    if not note.exists():
        return None
    started: dict[str, Any] = json.loads(note.read_text())
    return started if started["birth"] and _birth(started["pid"]) == started["birth"] else None


def _birth(pid: int) -> str | None:
    """Return when a process started, or None if it has ended: a later process may have the same id."""
    result = subprocess.run(
        ["ps", "-o", "lstart=", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    born, _, state = result.stdout.strip().rpartition(" ")
    return None if not born or state.startswith("Z") else born.strip()


def _end(note: Path) -> bool:
    started = _running(note)
    note.unlink(missing_ok=True)
    if started is None:
        return False
    os.killpg(started["pid"], signal.SIGTERM)
    deadline = time.monotonic() + 10
    while _birth(started["pid"]) == started["birth"]:
        if time.monotonic() > deadline:
            os.killpg(started["pid"], signal.SIGKILL)
        time.sleep(0.1)
    return True
