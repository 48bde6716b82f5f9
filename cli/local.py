"""`streakline up` and `down`: the same template, deployed onto MiniStack on this machine's loopback."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cli.bridge import make_bridge
from cli.cors import set_cors
from cli.output import print_json
from cli.stack import (
    LOCAL,
    LOCAL_ENVIRONMENT,
    LOCAL_REGION,
    ROOT,
    STACK_FILE,
    Stack,
    describe,
    local_session,
)

HOST = "127.0.0.1"
PORT = 4566
STARTS_WITHIN = 60
"""Seconds."""

TOOLS = ROOT / ".cache" / "tools" / "bin"
_MINISTACK = LOCAL / "ministack.json"
_BRIDGE = LOCAL / "bridge.json"
_DEPLOYED = LOCAL / "deployed"
"""The digest of what the running MiniStack has; gone while a deployment is under way."""
ENVIRONMENT_FILE = LOCAL / "env.json"
"""For `sam local invoke --env-vars`: what the template's references stand for on the local stack."""
_TEMPORARY = LOCAL / "tmp"
"""MiniStack unpacks each function here, 20 MB a time, and does not tidy up when it ends."""
_console = Console(stderr=True)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the outputs as JSON.")
def up(as_json: bool) -> None:
    """Start the local stack, or bring it up to date with the code."""
    LOCAL.mkdir(parents=True, exist_ok=True)
    with _console.status("starting MiniStack"):
        endpoint_url = _start_ministack()
    digest = _digest()
    if not _DEPLOYED.exists() or _DEPLOYED.read_text() != digest:
        _DEPLOYED.unlink(missing_ok=True)
        with _console.status("building the functions (sam build)"):
            _sam("build", [], endpoint_url)
        with _console.status("deploying template.yaml (sam deploy)"):
            _sam("deploy", ["--no-progressbar"], endpoint_url)
        _DEPLOYED.write_text(digest)
    outputs = describe(local_session(), endpoint_url, "streakline")
    # The emulated ApiUrl names a host that does not resolve here.
    api = outputs["ApiUrl"].removeprefix("https://").split(".")[0]
    api_url = f"{endpoint_url}/_aws/execute-api/{api}"
    local = {"endpoint_url": endpoint_url, "api_url": api_url, "outputs": outputs}
    STACK_FILE.write_text(json.dumps(local, indent=2))
    ENVIRONMENT_FILE.write_text(json.dumps({"Parameters": _environment(endpoint_url, outputs)}, indent=2))
    stack = Stack(outputs, api_url, endpoint_url, local_session())
    set_cors(stack, "streakline", api)
    if _running(_BRIDGE) is None:
        _start(_BRIDGE, [sys.executable, "-m", "cli.bridge", make_bridge(stack)], {}, "bridge.log")
    if as_json:
        print_json(local)
        return
    click.echo(f"The local stack is up at {endpoint_url}; the API is at {api_url}")
    for name, value in sorted(outputs.items()):
        click.echo(f"  {name:18} {value}")
    click.echo("Try `streakline demo` next, and `streakline down` at the end.")


@click.command()
def down() -> None:
    """End the local stack and forget its data."""
    ended = [_end(process) for process in (_BRIDGE, _MINISTACK)]
    _forget()
    click.echo("The local stack is down." if any(ended) else "There was no local stack.")


def _environment(endpoint_url: str, outputs: Mapping[str, str]) -> dict[str, str]:
    return {
        # As a container sees this machine.
        "AWS_ENDPOINT_URL": endpoint_url.replace(HOST, "host.docker.internal"),
        "VIEWS_TABLE": outputs["ViewsTableName"],
        "STREAM_NAME": outputs["StreamName"],
        "BUS_NAME": outputs["BusName"],
        "QUARANTINE_URL": outputs["QuarantineUrl"],
        "EVENT_LOG_BUCKET": outputs["EventLogBucket"],
    }


def _digest() -> str:
    """Changes when anything does that a deployment depends on."""
    digest = sha256(sys.version.encode())
    sources = [path for package in ("domain", "functions") for path in (ROOT / package).rglob("*.*")]
    for path in sorted([*sources, ROOT / "template.yaml", ROOT / "samconfig.toml"]):
        if path.is_file() and path.suffix != ".pyc":
            content = path.read_bytes()
            digest.update(f"{path.relative_to(ROOT)} {len(content)} ".encode() + content)
    return digest.hexdigest()


def _forget() -> None:
    """Nothing of a MiniStack that has ended is true any more: what it held, it held in memory."""
    for path in (STACK_FILE, ENVIRONMENT_FILE, _DEPLOYED):
        path.unlink(missing_ok=True)
    shutil.rmtree(_TEMPORARY, ignore_errors=True)


def _start_ministack() -> str:
    running = _running(_MINISTACK)
    if running is None:
        # A bridge that has outlived its MiniStack would look for its queue for ever.
        _end(_BRIDGE)
        _forget()
        _TEMPORARY.mkdir()
        port = _free_port()
        environment = {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(port),
            "MINISTACK_REGION": LOCAL_REGION,
            # Not ours to open: these would listen on all addresses.
            "IOT_MTLS_ENABLED": "false",
            "SFTP_ENABLED": "false",
            "LOG_LEVEL": "WARNING",
            "TMPDIR": str(_TEMPORARY),
        }
        python = TOOLS / "python"
        running = _start(
            _MINISTACK, [str(python), "-m", "ministack"], environment, "ministack.log", port=port
        )
    endpoint_url = f"http://{HOST}:{running['port']}"
    deadline = time.monotonic() + STARTS_WITHIN
    while not _answers(endpoint_url):
        if _running(_MINISTACK) is None or time.monotonic() > deadline:
            raise click.ClickException(f"MiniStack did not start; see {LOCAL / 'ministack.log'}")
        time.sleep(0.2)
    return endpoint_url


def _answers(endpoint_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint_url}/_localstack/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _free_port() -> int:
    """The usual port if nobody has it, else any."""
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
        # sam build looks for the template's exact Python on the path.
        "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
        "SAM_CLI_TELEMETRY": "0",
    }
    log = LOCAL / f"sam-{command}.log"
    with log.open("w") as output:
        result = subprocess.run(
            [
                str(TOOLS / "sam"),
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


# -- background processes: only those that `up` started are ever ended -----------------------------


def _start(
    note: Path, command: list[str], environment: Mapping[str, str], log: str, **more: Any
) -> dict[str, Any]:
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
    """The environment, but for its AWS settings: the functions inherit MiniStack's, and with them a person's
    session or endpoint, and would act on a real account.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


def _running(note: Path) -> dict[str, Any] | None:
    """The process of a note, if it still is the one that was started."""
    if not note.exists():
        return None
    started: dict[str, Any] = json.loads(note.read_text())
    return started if started["birth"] and _birth(started["pid"]) == started["birth"] else None


def _birth(pid: int) -> str | None:
    """What tells a process from a later one under the same id; None where there is none."""
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
