"""Row 6: CPU of a function's import and first call, on the built package, over a bare boto3 client.

The first call goes to a server on loopback that answers with an empty object.
"""

import os
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, at_most

ROOT = Path(__file__).parents[1]
RUNS = 9
BARE = "import boto3; boto3.client('dynamodb').get_item(TableName='t', Key={'pk': {'S': 'a'}})"
STARTS = {
    "project": ("import functions.project as f; f.projector().store.head()", 1.25),
    "read": ("import functions.read as f; f.store().head()", 1.4),
    "ingest": ("import functions.ingest as f; f.aws.kinesis().put_records(StreamName='s', Records=[])", 1.3),
}
ENVIRONMENT = {
    "ALLOWED_ORIGIN": "",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    "BLUE_VIEWS_TABLE": "views",
    "CONTROL_TABLE": "control",
    "EVENT_LOG_BUCKET": "log",
    "GENERATION": "blue",
    "POWERTOOLS_METRICS_NAMESPACE": "Streakline",
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
    "POWERTOOLS_SERVICE_NAME": "streakline",
    "QUARANTINE_URL": "http://127.0.0.1/quarantine",
    "STREAK_FREEZES": "0",
    "STREAM_NAME": "stream",
}


class _Empty(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Answer with an empty object, as DynamoDB does for an item that is absent."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def _server() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Empty)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _cpu(statement: str, path: str, endpoint: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**ENVIRONMENT, "PYTHONPATH": path, "AWS_ENDPOINT_URL": endpoint}
    # -P leaves out the directory from which it is called, and -S the environment's own packages.
    subprocess.run([sys.executable, "-P", "-S", "-c", statement], env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def figures() -> Iterator[Figure]:
    """Yield the figures of row 6."""
    found = find_spec("boto3")
    assert found is not None
    assert found.origin is not None
    site = str(Path(found.origin).parents[1])
    how = f"built package with its byte code, {RUNS} interleaved runs, median of user and system time"
    with tempfile.TemporaryDirectory() as package, _server() as endpoint:
        command = [sys.executable, str(ROOT / "scripts" / "package.py"), package]
        subprocess.run(command, check=True)
        # boto3 is the runtime's own, so it comes after the package.
        path = os.pathsep.join((package, site))
        seconds: dict[str, list[float]] = {name: [] for name in ("bare", *STARTS)}
        for _ in range(RUNS):
            seconds["bare"].append(_cpu(BARE, site, endpoint))
            for name, (statement, _) in STARTS.items():
                seconds[name].append(_cpu(statement, path, endpoint))
    bare = median(seconds["bare"])
    for name, (_, limit) in STARTS.items():
        ratio = median(seconds[name]) / bare
        yield at_most(
            6, f"cold start of {name} over a bare boto3 client ({1e3 * bare:.0f} ms)", ratio, limit, how
        )
