"""Measure the CPU time that each function takes to import, and which of its imports take longest.

python -m benchmarks.imports

Each import is in a fresh interpreter, from a built package with its byte code, and is compared with a bare
boto3 client. What SnapStart leaves of a start is the first call after everything has been made.
"""

import os
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

from benchmarks.cold_start import ENVIRONMENT, ROOT

RUNS = 9
SHOWN = 8
FUNCTIONS = sorted(
    set(
        re.findall(
            r"^ *Handler: functions\.(\w+)\.handler$", (ROOT / "template.yaml").read_text(), re.MULTILINE
        )
    )
)
BARE = "import boto3; boto3.client('dynamodb')"
SNAPSHOTS = {
    "ingest": "from functions import ingest",
    "project": "from functions import project",
    "read": "from functions import read",
}
"""Functions that start from a snapshot. Importing them there makes their clients, too."""


def seconds(statement: str, path: str, **more: str) -> float:
    """Return the CPU time of a fresh interpreter that runs only this statement."""
    before = getrusage(RUSAGE_CHILDREN)
    command = [sys.executable, "-P", "-S", "-c", statement]
    subprocess.run(command, env={**ENVIRONMENT, **more, "PYTHONPATH": path}, check=True)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the CPU time that each function's import adds to the start of Python."""
    found = find_spec("boto3")
    assert found is not None
    assert found.origin is not None
    site = str(Path(found.origin).parents[1])
    with tempfile.TemporaryDirectory() as package:
        subprocess.run([sys.executable, str(ROOT / "scripts" / "package.py"), package, "--page"], check=True)
        path = os.pathsep.join((package, site))
        statements = {name: f"import functions.{name}" for name in FUNCTIONS}
        took: dict[str, list[float]] = {name: [] for name in ("pass", "bare", *FUNCTIONS, *_made(SNAPSHOTS))}
        for _ in range(RUNS):
            took["pass"].append(seconds("pass", path))
            took["bare"].append(seconds(BARE, site))
            for name, statement in statements.items():
                took[name].append(seconds(statement, path))
            for name, statement in _made(SNAPSHOTS).items():
                took[name].append(seconds(statement, path, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start"))
        empty = median(took.pop("pass"))
        bare = median(took["bare"]) - empty
        for name, runs in took.items():
            own = median(runs) - empty
            print(f"{name:40} {1000 * own:6.0f} ms {own / bare:6.2f} of a bare boto3 client")
        command = [sys.executable, "-P", "-S", "-X", "importtime", "-c", "import functions.read"]
        log = subprocess.run(
            command, env={**ENVIRONMENT, "PYTHONPATH": path}, check=True, capture_output=True, text=True
        ).stderr
    imported = re.findall(r"\|\s+(\d+) \| (\s*)(\S+)", log)
    print("\nThe slowest imports of functions.read, each with everything that it imports itself:")
    for microseconds, _, module in sorted(imported, key=lambda row: -int(row[0]))[:SHOWN]:
        print(f"{module:40} {int(microseconds) / 1000:6.0f} ms")


def _made(snapshots: dict[str, str]) -> dict[str, str]:
    """Return the statements by a name that says what a snapshot holds."""
    return {f"{name}, with its clients (a snapshot)": statement for name, statement in snapshots.items()}


if __name__ == "__main__":
    main()
