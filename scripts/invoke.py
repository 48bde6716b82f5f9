"""Send every payload in events/ to its function through `sam local invoke`, and check how each ends.

    python scripts/invoke.py [FUNCTION...]

It needs Docker, and says so where none answers. It starts a local stack of its own, which containers must be
able to reach, and ends it. events/invocations.toml says which payload goes where, and how the function must
end.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
EVENTS = ROOT / "events"
LOCAL = ROOT / ".cache" / "invoke"
"""Where the stack of this script keeps its state, beside that of `streakline up`."""
SAM = ROOT / ".cache" / "tools" / "bin" / "sam"
IMAGE = f"public.ecr.aws/lambda/python:{sys.version_info.major}.{sys.version_info.minor}-x86_64"
"""What `sam local invoke` runs a function in."""
HOST = "host.docker.internal"
"""This machine's name in a container."""
SECONDS = 180


def main(functions: Sequence[str]) -> int:
    """Invoke the functions that are named, or all. Return the exit code."""
    if why := without_docker():
        print(f"SKIPPED: {why}. No function was invoked.")
        return 0
    chosen = [one for one in invocations() if not functions or one["function"] in functions]
    if not chosen:
        print(f"events/invocations.toml has no payloads for {', '.join(functions)}", file=sys.stderr)
        return 2
    with local_stack() as stack, throttling_server() as throttled_port:
        if not is_reachable(stack["endpoint_url"]):
            print(UNREACHABLE, file=sys.stderr)
            return 1
        failed = sum(not passes(one, stack, throttled_port) for one in chosen)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


UNREACHABLE = f"""\
Containers do not reach this machine's loopback interface as {HOST}. Docker Desktop lets them. On
Linux, allow it until the next start of the machine. Containers then reach every program that listens there:

  sudo sysctl -w net.ipv4.conf.docker0.route_localnet=1
  sudo iptables -t nat -I PREROUTING -i docker0 -p tcp -d 172.17.0.1 -j DNAT --to-destination 127.0.0.1

172.17.0.1 is the address that `ip address show docker0` prints."""


def invocations() -> list[dict[str, Any]]:
    """Return the rows of events/invocations.toml."""
    listed: list[dict[str, Any]] = tomllib.loads((EVENTS / "invocations.toml").read_text())["invocation"]
    return listed


def without_docker() -> str | None:
    """Return why no container can be run, or None if it can."""
    if shutil.which("docker") is None:
        return "Docker is not installed"
    asked = subprocess.run(["docker", "info"], capture_output=True, check=False)
    return "Docker does not answer" if asked.returncode else None


@contextmanager
def local_stack() -> Iterator[dict[str, Any]]:
    """Start a local stack, return what `streakline up --json` prints, and end it."""
    environment = {**os.environ, "STREAKLINE_LOCAL": str(LOCAL)}
    command = [sys.executable, "-m", "cli"]
    try:
        up = subprocess.run(
            [*command, "up", "--json"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        stack: dict[str, Any] = json.loads(up.stdout)
        yield stack
    finally:
        subprocess.run([*command, "down"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)


def is_reachable(endpoint_url: str) -> bool:
    """Return whether a container reaches the local stack."""
    address = f"{in_containers(endpoint_url)}/_localstack/health"
    call = f"import urllib.request; urllib.request.urlopen('{address}', timeout=5)"
    command = [
        "docker",
        "run",
        "--rm",
        f"--add-host={HOST}:host-gateway",
        "--entrypoint=python3",
        IMAGE,
        "-c",
        call,
    ]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    if tried.returncode and "URLError" not in tried.stderr and "timeout" not in tried.stderr.lower():
        print(tried.stderr, file=sys.stderr)
    return tried.returncode == 0


def in_containers(url: str) -> str:
    """Return an address on this machine's loopback as containers know it."""
    return url.replace("127.0.0.1", HOST)


class Throttling(BaseHTTPRequestHandler):
    """Answers every call as AWS does if there are too many of them."""

    def do_POST(self) -> None:
        """Answer a call in AWS's JSON protocol, which all services but S3 speak."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"}).encode()
        self.send_response(400)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Print nothing for each call."""


@contextmanager
def throttling_server() -> Iterator[int]:
    """Serve a place at which every call is throttled, on loopback. Return its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Throttling)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def passes(invocation: dict[str, Any], stack: dict[str, Any], throttled_port: int) -> bool:
    """Invoke a function. Print how it ended, and return whether it ended as it must."""
    function, throttled = invocation["function"], invocation.get("throttled", False)
    endpoint = f"http://{HOST}:{throttled_port}" if throttled else in_containers(stack["endpoint_url"])
    environment = json.loads((LOCAL / "env.json").read_text())
    for variables in environment.values():
        variables["AWS_ENDPOINT_URL"] = endpoint
        # Only the local stack knows a learner by the user's name.
        variables["LEARNER_CLAIM"] = "sub"
    # The samples name tables of their own.
    event = (EVENTS / invocation["event"]).read_text()
    event = event.replace(":table/views/", f":table/{stack['outputs']['ViewsTableName']}/")
    with tempfile.TemporaryDirectory() as directory:
        variables_file, event_file = Path(directory, "env.json"), Path(directory, "event.json")
        variables_file.write_text(json.dumps(environment))
        event_file.write_text(event)
        ended, log = invoke(function, event_file, variables_file, endpoint)
    wanted = invocation["outcome"]
    right: bool = ended == wanted
    name = f"{function} {invocation['event']}{' throttled' if throttled else ''}"
    print(
        f"{'ok  ' if right else 'FAIL'} {name}: {shown(ended)}{'' if right else f', not {shown(wanted)}'}",
        flush=True,
    )
    if not right:
        print(log, file=sys.stderr)
    return right


def shown(ended: Any) -> str:
    """Return how an invocation ended, for people."""
    return (
        f"{len(ended)} records {'/'.join(sorted(set(ended)))}".rstrip()
        if isinstance(ended, list)
        else str(ended)
    )


def invoke(function: str, event: Path, variables: Path, endpoint: str) -> tuple[Any, str]:
    """Run `sam local invoke`. Return how the function ended, as the table says it, and what it logged."""
    command = [
        *(str(SAM), "local", "invoke", function, "--config-env", "local", "--skip-pull-image"),
        *(
            "--event",
            str(event),
            "--env-vars",
            str(variables),
            "--parameter-overrides",
            "Architecture=x86_64",
        ),
        *(
            f"PythonRuntime=python{sys.version_info.major}.{sys.version_info.minor}",
            f"LocalEndpointUrl={endpoint}",
        ),
    ]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "SAM_CLI_TELEMETRY": "0",
    }
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        return f"no answer in {SECONDS} seconds", str(error.stderr)
    return ending(done.stdout, done.returncode), f"{done.stderr}\n{done.stdout}"


def ending(printed: str, code: int) -> Any:
    """Return how a function ended, from what `sam local invoke` printed: its answer, as the last line."""
    lines = [line for line in printed.splitlines() if re.match(r'[{\["n]', line)]
    if not lines:
        return f"exit code {code} and no answer"
    try:
        answer = json.loads(lines[-1])
    except ValueError:
        return f"an answer that is no JSON: {lines[-1][:100]}"
    match answer:
        case {"errorType": _}:
            return "fails"
        case {"statusCode": int(status)}:
            return status
        case {"records": list(records)}:
            return [record["result"] for record in records]
        case None | dict() if code == 0:
            return "done"
    return f"exit code {code} and {str(answer)[:100]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
